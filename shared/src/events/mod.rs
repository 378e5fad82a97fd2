//! Events of running jobs, from the worker to whoever watches. Hints: the row stays the truth, so a
//! watcher that misses events still learns the end of its job.

mod memory;
mod redis;

use async_trait::async_trait;
use tokio::sync::broadcast;

pub use memory::{MemoryEvents, MemoryLimits};
pub use redis::RedisEvents;

use crate::{
    event::{EventId, JobEvent},
    id::JobId,
};

/// Carries events from the worker that runs a job to the watchers of the job.
#[async_trait]
pub trait Events: Send + Sync + 'static {
    /// Publishes events of a job, in order. Numbered ones are kept for replay; a number that is not above
    /// the last one is passed over. Never waits for a carrier that does not take them.
    async fn publish(&self, job: JobId, events: Vec<JobEvent>);

    /// Says that the job has ended: its events are kept for a while for late readers, then dropped.
    async fn close(&self, job: JobId);

    /// Watches a job: first what is kept after `after`, then what comes, without a hole between.
    async fn subscribe(&self, job: JobId, after: EventId) -> Subscription;
}

/// The most events that one [`Subscription`] replays.
pub const REPLAY: usize = 256;

/// What a watcher sees of a job.
pub struct Subscription {
    /// Kept events later than the place asked for, oldest first; only the newest epoch is kept.
    pub replay: Vec<JobEvent>,
    /// Whether more is kept than [`REPLAY`]: subscribe again after the last of these before you go on with
    /// `live`, which would leave those out.
    pub more: bool,
    /// Whether events between the place asked for and the end of the replay are gone. Their numbers say which.
    pub gap: bool,
    /// Whether all that is published from now on comes. Where not, subscribe again in a while, and meanwhile
    /// look at the row.
    pub connected: bool,
    /// Events published after the replay. May begin with some of the replay's, to be told by their numbers.
    /// Ends where some may have been missed: subscribe again, after the last that was seen.
    pub live: broadcast::Receiver<JobEvent>,
}

/// Whether something is missing between the place asked for and the last of the kept events.
fn gap(after: EventId, replay: &[JobEvent]) -> bool {
    let mut last = after;
    replay.iter().filter_map(JobEvent::id).any(|id| {
        let before = if last.epoch == id.epoch { last.seq } else { 0 };
        last = id;
        id.seq > before.saturating_add(1)
    })
}
