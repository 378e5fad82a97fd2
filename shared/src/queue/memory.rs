//! Doorbells inside one process.

use std::{collections::HashMap, sync::Mutex};

use async_trait::async_trait;
use tokio::sync::{broadcast, watch};

use super::{Doorbell, Listener};
use crate::id::JobId;

/// Doorbells of a process that is API and worker in one.
pub struct MemoryDoorbell {
    bells: Mutex<HashMap<String, watch::Sender<u64>>>,
    cancels: broadcast::Sender<JobId>,
}

impl Default for MemoryDoorbell {
    fn default() -> Self {
        Self {
            bells: Mutex::default(),
            cancels: broadcast::channel(1024).0,
        }
    }
}

impl MemoryDoorbell {
    fn with_bell<R>(&self, model: &str, f: impl FnOnce(&watch::Sender<u64>) -> R) -> R {
        let mut bells = self
            .bells
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        f(bells
            .entry(model.to_owned())
            .or_insert_with(|| watch::channel(0).0))
    }
}

#[async_trait]
impl Doorbell for MemoryDoorbell {
    async fn ring(&self, model: &str, _job: JobId) {
        self.with_bell(model, |bell| bell.send_modify(|rings| *rings += 1));
    }

    fn listen(&self, model: &str) -> Listener {
        Listener(self.with_bell(model, watch::Sender::subscribe))
    }

    async fn ring_cancel(&self, job: JobId) {
        // Nobody listening is no fault: no worker holds a job.
        let _ = self.cancels.send(job);
    }

    fn listen_cancels(&self) -> broadcast::Receiver<JobId> {
        self.cancels.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_ring_before_the_wait_is_not_lost_and_other_models_stay_silent() {
        let bell = MemoryDoorbell::default();
        let (mut a, mut b) = (bell.listen("a"), bell.listen("b"));
        bell.ring("a", JobId::generate()).await;
        bell.ring("a", JobId::generate()).await;
        a.rung().await;
        assert!(
            tokio::time::timeout(Duration::from_millis(20), a.rung())
                .await
                .is_err()
        );
        assert!(
            tokio::time::timeout(Duration::from_millis(20), b.rung())
                .await
                .is_err()
        );
    }

    #[tokio::test]
    async fn cancels_reach_every_listener() {
        let bell = MemoryDoorbell::default();
        let (mut one, mut two) = (bell.listen_cancels(), bell.listen_cancels());
        let job = JobId::generate();
        bell.ring_cancel(job).await;
        assert_eq!((one.recv().await, two.recv().await), (Ok(job), Ok(job)));
    }
}
