//! Events of running jobs, from the worker to whoever watches. Hints: the row stays the truth, so a
//! watcher that misses events still learns the end of its job.

mod memory;

use async_trait::async_trait;
use tokio::sync::broadcast;

pub use memory::{MemoryEvents, MemoryLimits};

use crate::{
    event::{EventId, JobEvent},
    id::JobId,
};

/// Carries events from the worker that runs a job to the watchers of the job.
#[async_trait]
pub trait Events: Send + Sync + 'static {
    /// Publishes events of a job, in order. Numbered ones are kept for replay.
    async fn publish(&self, job: JobId, events: Vec<JobEvent>);

    /// Says that the job has ended: its events are kept for a while for late readers, then dropped.
    async fn close(&self, job: JobId);

    /// Watches a job: first what is kept after `after`, then what comes, without a hole between.
    async fn subscribe(&self, job: JobId, after: EventId) -> Subscription;
}

/// What a watcher sees of a job.
pub struct Subscription {
    /// Kept events later than the place asked for, oldest first; only the newest epoch is kept.
    pub replay: Vec<JobEvent>,
    /// Whether events between the place asked for and the replay were dropped already.
    pub gap: bool,
    /// Events published after the replay.
    pub live: broadcast::Receiver<JobEvent>,
}
