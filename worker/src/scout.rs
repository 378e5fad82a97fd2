//! Looks for jobs of a model that is not in memory: nobody claims them, and somebody has to say that the
//! model is wanted. While the model is in memory, its feeder looks, and the scout rests.

use std::{sync::Arc, time::Duration};

use lamplighter_shared::db::{DbError, queues, workers};
use rand::RngExt;
use tokio::{sync::watch, time::sleep};

use crate::{
    claim::look_again_in,
    context::Context,
    duty::{Duty, ModelDuty},
    seat::Door,
};

/// A job that others could take is left to them for so long, before memory is made free for it.
const OTHERS_FIRST: Duration = Duration::from_millis(250);

/// What the scout of a model works with.
pub struct Scout {
    /// What all parts share.
    pub context: Context,
    /// The model.
    pub model: Arc<str>,
    /// Whether the model is in memory.
    pub door: watch::Receiver<Door>,
    /// Told whether a job waits; again at every look.
    pub waiting: watch::Sender<bool>,
}

impl Scout {
    /// Looks until the worker stops: at every doorbell, and about once a second by itself.
    pub async fn run(mut self) {
        let soft = self.context.lifecycle.soft.clone();
        tokio::select! {
            () = self.look() => {}
            () = soft.cancelled() => {}
        }
    }

    /// Ends only with the parts it talks to.
    async fn look(&mut self) {
        let mut bell = self.context.doorbell.listen(&self.model);
        let mut duty = ModelDuty::new(self.context.orders.clone(), &self.model);
        loop {
            if self.door.wait_for(|door| *door == Door::Out).await.is_err()
                || duty.wait_for(|duty| duty == Duty::Serve).await.is_err()
            {
                return;
            }
            let enough = match self.needed().await {
                Ok(waits) => {
                    self.context.liveness.database_answered();
                    self.waiting.send_replace(waits);
                    waits
                }
                Err(error) => {
                    tracing::warn!(%error, model = &*self.model, "nobody knows whether a job waits");
                    // Every doorbell would have it asked again: a storm on a database that is in need.
                    true
                }
            };
            let pause = sleep(look_again_in(self.context.config.jobs.poll_seconds));
            tokio::select! {
                // One more that waits is no news.
                () = bell.rung(), if !enough => {}
                () = pause => {}
                // It may have been loaded and have left again meanwhile.
                _ = self.door.changed() => {}
            }
        }
    }

    /// Whether a job waits that nobody else is about to take: a worker that has the model in memory heard
    /// the same bell, and takes it within milliseconds unless it is full; one load of a model is enough for
    /// one job.
    async fn needed(&self) -> Result<bool, DbError> {
        if !self.has_work(Duration::ZERO).await? {
            return Ok(false);
        }
        match self.elsewhere().await? {
            Elsewhere::Nobody => return Ok(true),
            Elsewhere::Loading => return Ok(false),
            Elsewhere::Ready => return self.has_work(OTHERS_FIRST).await,
            Elsewhere::Unloaded => {
                // All of them have just asked the same.
                let part = rand::rng().random_range(0.0..1.0);
                sleep(OTHERS_FIRST.mul_f64(part)).await;
                if self.elsewhere().await? != Elsewhere::Unloaded {
                    // The next look tells whether one more is needed.
                    return Ok(false);
                }
            }
        }
        self.has_work(Duration::ZERO).await
    }

    async fn has_work(&self, waited: Duration) -> Result<bool, DbError> {
        queues::has_work(&self.context.db, &self.model, waited).await
    }

    /// How far the model is on other workers. On this one it is not in memory.
    async fn elsewhere(&self) -> Result<Elsewhere, DbError> {
        let states = workers::model_states(&self.context.db).await?;
        Ok(match states.get(&*self.model) {
            Some(state) if state.status == "ready" => Elsewhere::Ready,
            Some(state) if state.status == "loading" => Elsewhere::Loading,
            Some(state) if state.workers > 1 => Elsewhere::Unloaded,
            _ => Elsewhere::Nobody,
        })
    }
}

/// How far a model is on other workers, at best.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Elsewhere {
    Nobody,
    Unloaded,
    Loading,
    Ready,
}
