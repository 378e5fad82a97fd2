//! The feeder of one model: waits for a doorbell or its own next look, claims what the batcher can use
//! now, and fills the channel that the apalis worker reads. Its errors are its own: a hiccup of the
//! database never ends a worker.

use std::{sync::Arc, time::Duration};

use lamplighter_shared::{db::claim::claim, event::JobEvent, fault};
use rand::RngExt;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch},
    time::sleep,
};

use crate::{context::Context, held::Held, lease::Control, liveness::Beat, tally};

/// How often a feeder that waits shows that it is there.
const BEAT: Duration = Duration::from_secs(1);
/// First and longest pause after a failed claim. The longest is short: work goes on soon after the
/// database is back, and a try a second costs it nothing.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// What the feeder of a model works with.
pub struct Feeder {
    /// What all parts share.
    pub context: Context,
    /// The model.
    pub model: Arc<str>,
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
        let beat = self.context.liveness.claim_loop(&self.model);
        let mut pause = FIRST_PAUSE;
        loop {
            let slots = tokio::select! {
                slots = self.may_claim(&beat) => slots,
                () = soft.cancelled() => None,
            };
            let Some(slots) = slots else { return };
            beat.tick();
            let result = claim(
                &self.context.db,
                &self.model,
                slots.num_permits(),
                &self.context.claimer,
            )
            .await;
            if result.is_ok() {
                self.context.liveness.database_answered();
                pause = FIRST_PAUSE;
            }
            let (idle, wakes) = match result {
                Ok(claimed) if claimed.is_empty() => {
                    (look_again_in(self.context.config.jobs.poll_seconds), true)
                }
                Ok(claimed) => {
                    if !self.deliver(claimed, slots).await {
                        return;
                    }
                    fault::point("claim.delivered").await;
                    continue;
                }
                Err(error) => {
                    tracing::warn!(%error, model = &*self.model, "a claim failed; trying again");
                    let this = pause;
                    pause = (pause * 2).min(MAX_PAUSE);
                    // Every doorbell would have it tried again: a storm on a database that is in need.
                    (this, false)
                }
            };
            drop(slots);
            beat.tick();
            // A doorbell, or the next look: a lost doorbell costs no more than that.
            tokio::select! {
                () = bell.rung(), if wakes => {}
                () = sleep(idle) => {}
                () = beating(&beat) => {}
                () = soft.cancelled() => return,
            }
        }
    }

    /// Waits until the dispatcher can use jobs and there is room; then all slots that are free.
    async fn may_claim(&mut self, beat: &Beat) -> Option<OwnedSemaphorePermit> {
        loop {
            let slots = tokio::select! {
                slots = self.open_slots() => slots?,
                () = beating(beat) => continue,
            };
            // Room often comes with the very start of a batch, which closes the gate.
            if *self.gate.borrow() {
                return Some(slots);
            }
        }
    }

    async fn open_slots(&mut self) -> Option<OwnedSemaphorePermit> {
        self.gate.wait_for(|open| *open).await.ok()?;
        self.free_slots().await
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
                self.context.leases.add(
                    claimed.job.id,
                    claimed.job.epoch,
                    &self.model,
                    self.control.clone(),
                );
                tally::claimed(&claimed.job);
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
}

/// Shows signs of life; never returns.
async fn beating(beat: &Beat) {
    loop {
        sleep(BEAT).await;
        beat.tick();
    }
}

/// About this long; not all workers at the same moment.
pub(crate) fn look_again_in(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds * rand::rng().random_range(0.8..1.2))
}
