//! Looks now and then for leases that ran out and deadlines that passed. Any node may do it.

use std::time::Duration;

use lamplighter_shared::{
    db::reap::{ReapRules, Reaped, tick},
    event::JobEvent,
    job::JobState,
};
use tokio::time::{MissedTickBehavior, interval};

use crate::{context::Context, tally};

/// Reaps until the worker stops.
pub async fn keep_reaping(context: Context) {
    let jobs = &context.config.jobs;
    let rules = ReapRules {
        confirm: Duration::from_secs_f64(jobs.reap_confirm_seconds),
        max_lease_losses: jobs.max_lease_losses,
    };
    let mut ticks = interval(Duration::from_secs_f64(jobs.reap_seconds));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = context.lifecycle.soft.cancelled() => return,
        }
        match tick(&context.db, rules).await {
            Ok(reaped) => tell(&context, &reaped).await,
            Err(error) => tracing::warn!(%error, "a look for lost leases failed"),
        }
    }
}

async fn tell(context: &Context, reaped: &[Reaped]) {
    for Reaped { job, model, state } in reaped {
        tracing::info!(%job, %state, model, "a job was reaped");
        tally::reaped(model, *state);
        context.events.publish(*job, vec![JobEvent::Changed]).await;
        if *state == JobState::Queued {
            context.doorbell.ring(model, *job).await;
        } else {
            context.events.close(*job).await;
        }
    }
}
