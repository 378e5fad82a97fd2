//! Doorbells: a hint that a model has work, or that a job was cancelled. The claim decides, so a
//! doorbell that is lost, late or rung twice is harmless; listeners also look by themselves.
//! And [`channel`], which carries what was claimed to a worker of apalis.

pub mod channel;
mod memory;
mod redis;

use async_trait::async_trait;
use tokio::sync::broadcast;

pub use memory::MemoryDoorbell;
pub use redis::RedisDoorbell;

use crate::id::JobId;

/// Wakes the workers of a model.
#[async_trait]
pub trait Doorbell: Send + Sync + 'static {
    /// Says that `job` waits for `model`.
    async fn ring(&self, model: &str, job: JobId);

    /// Hears of rings for `model` from now on.
    fn listen(&self, model: &str) -> Listener;

    /// Says that the owner of `job` asked to cancel it.
    async fn ring_cancel(&self, job: JobId);

    /// Hears of cancellations from now on. A listener that falls behind misses the oldest.
    fn listen_cancels(&self) -> broadcast::Receiver<JobId>;
}

/// Waits for rings. Rings between two waits count as one and are not lost.
pub struct Listener(tokio::sync::watch::Receiver<u64>);

impl Listener {
    /// Returns at the next ring, or at once when there was one since the last call.
    pub async fn rung(&mut self) {
        if self.0.changed().await.is_err() {
            // The bell is gone: the process is ending. The caller's own poll goes on.
            std::future::pending::<()>().await;
        }
    }
}
