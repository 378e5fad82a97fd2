//! The feeder of one model: waits for a doorbell or its own next look, claims what the batcher can use
//! now, and fills the channel that the apalis worker reads. Its errors are its own: a hiccup of the
//! database never ends a worker.

use std::{sync::Arc, time::Duration};

use lamplighter_shared::{db::claim::claim, event::JobEvent};
use rand::RngExt;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch},
    time::sleep,
};

use crate::{context::Context, held::Held, lease::Control};

/// Longest pause after a failed claim.
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// What the feeder of a model works with.
pub struct Feeder {
    /// What all parts share.
    pub context: Context,
    /// The model.
    pub model: String,
    /// A permit for each job that may wait for a batch.
    pub slots: Arc<Semaphore>,
    /// Whether the dispatcher can use jobs now.
    pub gate: watch::Receiver<bool>,
    /// To the apalis worker.
    pub jobs: mpsc::Sender<Held>,
    /// To whoever runs the jobs.
    pub control: mpsc::UnboundedSender<Control>,
}

impl Feeder {
    /// Claims until the worker stops; then the channel closes, and the apalis worker ends.
    ///
    /// A stop is heard only between claims: a claim under way is carried to its guards, which hand the
    /// jobs back, rather than left to its leases.
    pub async fn run(mut self) {
        let soft = self.context.lifecycle.soft.clone();
        let mut bell = self.context.doorbell.listen(&self.model);
        let mut pause = Duration::from_millis(100);
        loop {
            let slots = tokio::select! {
                slots = self.may_claim() => slots,
                () = soft.cancelled() => None,
            };
            let Some(slots) = slots else { return };
            let idle = match claim(
                &self.context.db,
                &self.model,
                slots.num_permits(),
                &self.context.claimer,
            )
            .await
            {
                Ok(claimed) if claimed.is_empty() => self.look_again_in(),
                Ok(claimed) => {
                    pause = Duration::from_millis(100);
                    if !self.deliver(claimed, slots).await {
                        return;
                    }
                    continue;
                }
                Err(error) => {
                    tracing::warn!(%error, model = self.model, "a claim failed; trying again");
                    let this = pause;
                    pause = (pause * 2).min(MAX_PAUSE);
                    this
                }
            };
            drop(slots);
            // A doorbell, or the next look: a lost doorbell costs no more than that.
            tokio::select! {
                () = bell.rung() => {}
                () = sleep(idle) => {}
                () = soft.cancelled() => return,
            }
        }
    }

    /// Waits until the dispatcher can use jobs and there is room; then all slots that are free.
    async fn may_claim(&mut self) -> Option<OwnedSemaphorePermit> {
        loop {
            self.gate.wait_for(|open| *open).await.ok()?;
            let slots = self.free_slots().await?;
            // Room often comes with the very start of a batch, which closes the gate.
            if *self.gate.borrow() {
                return Some(slots);
            }
        }
    }

    /// All slots that are free, at least one.
    async fn free_slots(&self) -> Option<OwnedSemaphorePermit> {
        let mut slots = Arc::clone(&self.slots).acquire_owned().await.ok()?;
        let more = u32::try_from(self.slots.available_permits()).unwrap_or(u32::MAX);
        if let Ok(rest) = Arc::clone(&self.slots).try_acquire_many_owned(more) {
            slots.merge(rest);
        }
        Some(slots)
    }

    async fn deliver(
        &self,
        claimed: Vec<lamplighter_shared::db::claim::Claimed>,
        mut slots: OwnedSemaphorePermit,
    ) -> bool {
        // All guards first: a stop in the middle hands every one of them back.
        let held: Vec<Held> = claimed
            .into_iter()
            .map(|claimed| {
                self.context
                    .leases
                    .add(claimed.job.id, claimed.job.epoch, self.control.clone());
                Held::new(claimed, self.context.endings.clone(), slots.split(1))
            })
            .collect();
        drop(slots);
        for held in held {
            self.context
                .events
                .publish(held.job(), vec![JobEvent::Changed])
                .await;
            if self.jobs.send(held).await.is_err() {
                return false;
            }
        }
        true
    }

    /// About a second; not all workers at the same moment.
    fn look_again_in(&self) -> Duration {
        let jitter = rand::rng().random_range(0.8..1.2);
        Duration::from_secs_f64(self.context.config.jobs.poll_seconds * jitter)
    }
}
