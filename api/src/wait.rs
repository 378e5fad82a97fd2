//! Waiting for the end of a job, for `Prefer: wait`. Reacts to events at once, looks at the row once a
//! second without them, and holds no database connection in between.

use std::time::Duration;

use lamplighter_shared::{
    db::jobs,
    event::{EventId, JobEvent},
    id::JobId,
    job::Job,
};
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::{Instant, sleep_until},
};

use crate::{admission, state::App};

/// How often the row is read when no event comes.
const FALLBACK: Duration = Duration::from_secs(1);

/// Hears of changes of one job. Made before the row is read, so that no change falls between.
pub struct Watch {
    live: Receiver<JobEvent>,
    /// Whether changes come at all; else it is made again at the next look.
    hears: bool,
}

impl Watch {
    /// Hears of changes from now on.
    pub async fn start(app: &App, job: JobId) -> Self {
        // What was told before is not wanted: after the last possible place nothing is replayed.
        let end = EventId {
            epoch: i64::MAX,
            seq: u64::MAX,
        };
        let subscription = app.events.subscribe(job, end).await;
        Self {
            live: subscription.live,
            hears: subscription.connected,
        }
    }

    /// Returns when the row may have changed.
    async fn changed(&mut self) {
        loop {
            match self.live.recv().await {
                Ok(JobEvent::Progress { .. } | JobEvent::Output { .. }) => {}
                // Having missed some is a reason to look, too.
                Ok(JobEvent::Changed) | Err(RecvError::Lagged(_)) => return,
                Err(RecvError::Closed) => {
                    self.hears = false;
                    std::future::pending().await
                }
            }
        }
    }
}

/// The job when it has ended, or as it stands when the time is up or the process stops.
pub async fn until_terminal(app: &App, mut job: Job, mut watch: Watch, limit: Duration) -> Job {
    // Whoever waits is no load.
    admission::give_back();
    let deadline = Instant::now() + limit;
    while !job.state.is_terminal() && Instant::now() < deadline && !app.stop.is_cancelled() {
        let look = deadline.min(Instant::now() + FALLBACK);
        tokio::select! {
            () = watch.changed() => {}
            () = sleep_until(look) => {}
            () = app.stop.cancelled() => {}
        }
        if !watch.hears {
            watch = Watch::start(app, job.id).await;
        }
        match jobs::get(&app.db, job.owner, job.id).await {
            Ok(Some(now)) => job = now,
            // Deleted meanwhile: the last that was seen of it.
            Ok(None) => return job,
            Err(e) => tracing::debug!(error = %e, "a waiting request could not read its job; it looks again"),
        }
    }
    job
}
