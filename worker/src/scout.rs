//! Looks for jobs of a model that is not in memory: nobody claims them, and somebody has to say that the
//! model is wanted. While the model is in memory, its feeder looks, and the scout rests.

use std::sync::Arc;

use lamplighter_shared::db::queues;
use tokio::{sync::watch, time::sleep};

use crate::{claim::look_again_in, context::Context, duty::Duty, seat::Door};

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
        let mut duty = self.context.duty.clone();
        loop {
            if self.door.wait_for(|door| *door == Door::Out).await.is_err()
                || duty.wait_for(|duty| *duty == Duty::Serve).await.is_err()
            {
                return;
            }
            let waits = match queues::has_work(&self.context.db, &self.model).await {
                Ok(waits) => {
                    self.context.liveness.database_answered();
                    self.waiting.send_replace(waits);
                    waits
                }
                Err(error) => {
                    tracing::warn!(%error, model = &*self.model, "nobody knows whether a job waits");
                    false
                }
            };
            let pause = sleep(look_again_in(self.context.config.jobs.poll_seconds));
            tokio::select! {
                // One more that waits is no news.
                () = bell.rung(), if !waits => {}
                () = pause => {}
                // It may have been loaded and have left again meanwhile.
                _ = self.door.changed() => {}
            }
        }
    }
}
