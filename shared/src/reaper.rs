//! Looks now and then for leases that ran out and deadlines that passed. Every process of a fleet does
//! it, an API too: a job must not wait past its deadline because no worker is there to notice.

use std::{sync::Arc, time::Duration};

use metrics::counter;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::{
    config::Config,
    db::{
        Db,
        reap::{ReapRules, Reaped, tick},
    },
    event::JobEvent,
    events::Events,
    job::JobState,
    queue::Doorbell,
    telemetry::metrics::{JOBS, REAPED_JOBS},
};

/// What reaping needs.
pub struct Reaper {
    /// The truth.
    pub db: Db,
    /// Told of every job that was moved.
    pub events: Arc<dyn Events>,
    /// Rung for those that wait again.
    pub doorbell: Arc<dyn Doorbell>,
    /// The settings.
    pub config: Arc<Config>,
}

impl Reaper {
    /// Reaps until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let jobs = &self.config.jobs;
        let rules = ReapRules {
            confirm: Duration::from_secs_f64(jobs.reap_confirm_seconds),
            max_lease_losses: jobs.max_lease_losses,
        };
        let mut ticks = interval(Duration::from_secs_f64(jobs.reap_seconds));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = stop.cancelled() => return,
            }
            match tick(&self.db, rules).await {
                Ok(reaped) => self.tell(&reaped).await,
                Err(error) => tracing::warn!(%error, "a look for lost leases failed"),
            }
        }
    }

    async fn tell(&self, reaped: &[Reaped]) {
        for Reaped { job, model, state } in reaped {
            tracing::info!(%job, %state, model, "a job was reaped");
            counter!(REAPED_JOBS, "state" => state.as_str()).increment(1);
            self.events.publish(*job, vec![JobEvent::Changed]).await;
            if *state == JobState::Queued {
                self.doorbell.ring(model, *job).await;
            } else {
                counter!(JOBS, "model" => model.clone(), "status" => state.as_str()).increment(1);
                self.events.close(*job).await;
            }
        }
    }
}
