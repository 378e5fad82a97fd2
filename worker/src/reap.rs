//! Looks now and then for leases that ran out and deadlines that passed. Any node may do it.

use std::time::Duration;

use lamplighter_shared::{
    db::reap::{ReapRules, Reaped, tick},
    db::{submit::forget_keys, workers},
    event::JobEvent,
    job::JobState,
};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::{context::Context, tally};

/// How often lost workers and idempotency keys that ran out are forgotten.
const FORGET: Duration = Duration::from_secs(600);

/// Reaps until the worker stops.
pub async fn keep_reaping(context: Context) {
    let jobs = &context.config.jobs;
    let rules = ReapRules {
        confirm: Duration::from_secs_f64(jobs.reap_confirm_seconds),
        max_lease_losses: jobs.max_lease_losses,
    };
    let mut ticks = interval(Duration::from_secs_f64(jobs.reap_seconds));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut forgot = Instant::now();
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = context.lifecycle.soft.cancelled() => return,
        }
        match tick(&context.db, rules).await {
            Ok(reaped) => tell(&context, &reaped).await,
            Err(error) => tracing::warn!(%error, "a look for lost leases failed"),
        }
        if forgot.elapsed() > FORGET {
            forgot = Instant::now();
            forget(&context).await;
        }
    }
}

async fn forget(context: &Context) {
    if let Err(error) = workers::forget_lost(&context.db).await {
        tracing::warn!(%error, "lost workers could not be forgotten");
    }
    if let Err(error) = forget_keys(&context.db).await {
        tracing::warn!(%error, "idempotency keys could not be forgotten");
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
