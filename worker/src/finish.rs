//! Writes the ends of runs, as many in one statement as wait for it, and tells whoever watches.

use std::time::Duration;

use lamplighter_shared::{
    db::{
        DbError,
        finish::{Finished, Outcome, finish},
    },
    error::ErrorCode,
    event::JobEvent,
    fault,
    job::{JobError, JobState},
};
use tokio::{sync::mpsc, time::sleep};

use crate::{context::Context, held::Ending, tally};

/// Most ends in one statement.
const GROUP: usize = 256;
/// First and longest pause between tries while the database does not answer.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// Writes ends until every holder of a job is gone. `context` must not be what keeps them alive: it
/// holds no sender.
pub async fn write_all(context: Writer, mut endings: mpsc::UnboundedReceiver<Ending>) {
    let mut group = Vec::new();
    while endings.recv_many(&mut group, GROUP).await > 0 {
        fault::point("run.before_finish").await;
        let mut group = std::mem::take(&mut group);
        let finished = context.write(&mut group).await;
        context.tell(group, &finished).await;
    }
}

/// What is needed to write ends.
pub struct Writer {
    db: lamplighter_shared::db::Db,
    events: std::sync::Arc<dyn lamplighter_shared::events::Events>,
    doorbell: std::sync::Arc<dyn lamplighter_shared::queue::Doorbell>,
    leases: std::sync::Arc<crate::lease::Leases>,
    boot: uuid::Uuid,
    max_crashes: i32,
}

impl Writer {
    /// From a worker's context, without its senders.
    pub fn new(context: &Context) -> Self {
        Self {
            db: context.db.clone(),
            events: context.events.clone(),
            doorbell: context.doorbell.clone(),
            leases: context.leases.clone(),
            boot: context.claimer.boot,
            max_crashes: context.config.jobs.max_crashes,
        }
    }

    /// Writes, again and again while the database does not answer: a result that is computed is not
    /// thrown away, and one that became stale is refused by its fence.
    async fn write(&self, group: &mut [Ending]) -> Vec<Finished> {
        let mut pause = FIRST_PAUSE;
        loop {
            let ends: Vec<_> = group.iter().map(|e| e.finish.clone()).collect();
            match finish(&self.db, self.boot, self.max_crashes, &ends).await {
                Ok(finished) => return finished,
                Err(DbError::Unavailable(error)) => {
                    tracing::warn!(
                        error,
                        jobs = ends.len(),
                        "ends of runs could not be written; trying again"
                    );
                    sleep(pause).await;
                    pause = (pause * 2).min(MAX_PAUSE);
                }
                Err(error) => {
                    tracing::error!(%error, jobs = ends.len(), "ends of runs were refused; each is tried alone");
                    return self.write_alone(group).await;
                }
            }
        }
    }

    /// One that the database refuses must not take its neighbours with it: it fails.
    async fn write_alone(&self, group: &mut [Ending]) -> Vec<Finished> {
        let mut finished = Vec::new();
        for ending in group {
            let (mut pause, mut refused) = (FIRST_PAUSE, false);
            loop {
                match finish(
                    &self.db,
                    self.boot,
                    self.max_crashes,
                    std::slice::from_ref(&ending.finish),
                )
                .await
                {
                    Ok(done) => {
                        finished.extend(done);
                        break;
                    }
                    // That says nothing against the result.
                    Err(DbError::Unavailable(_)) => {
                        sleep(pause).await;
                        pause = (pause * 2).min(MAX_PAUSE);
                    }
                    Err(error) if !refused => {
                        refused = true;
                        tracing::error!(%error, job = %ending.finish.job, "the end of a run can't be stored");
                        ending.finish.outcome = Outcome::Failed(JobError::new(
                            ErrorCode::ModelError,
                            "the result could not be stored",
                        ));
                    }
                    // The lease runs out, and the job is run again.
                    Err(error) => {
                        tracing::error!(%error, job = %ending.finish.job, "the end of a run is given up");
                        break;
                    }
                }
            }
        }
        finished
    }

    async fn tell(&self, group: Vec<Ending>, finished: &[Finished]) {
        for ending in group {
            let (job, epoch) = (ending.finish.job, ending.finish.epoch);
            self.leases.remove(job, epoch);
            let done = finished.iter().find(|f| f.job == job && f.epoch == epoch);
            ending.span.in_scope(|| count(&ending, done));
            match done {
                None => {}
                Some(done) if done.state == JobState::Queued => {
                    self.events.publish(job, vec![JobEvent::Changed]).await;
                    self.doorbell.ring(&ending.model, job).await;
                }
                Some(_) => {
                    self.events.publish(job, vec![JobEvent::Changed]).await;
                    self.events.close(job).await;
                }
            }
            if let Some(written) = ending.written {
                // The handler may be gone with its worker.
                let _ = written.send(());
            }
        }
    }
}

/// Counts and tells what became of the end of a run.
fn count(ending: &Ending, done: Option<&Finished>) {
    match done {
        None => {
            tally::stale();
            tracing::warn!("a stale end of a run was refused");
        }
        Some(done) => {
            tally::ended(&ending.model, done.state, ending.finish.metrics.compute_ms);
            tracing::debug!(state = %done.state, "the end of a run is written");
        }
    }
}
