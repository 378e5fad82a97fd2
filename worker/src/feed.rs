//! The apalis worker of one model, over a backend of our own (`queue::channel` of shared).
//!
//! apalis gives the execution shell: a span a job, panics caught, concurrency, an orderly end. Claims,
//! leases and retries stay outside it (`claim.rs`, `lease.rs`), so its acks are no-ops: the handler
//! returns once the job's end is written. Why not its own queues: `docs/architecture.md`.

use std::sync::{Mutex, PoisonError};

use apalis::layers::tracing::TraceLayer;
use apalis::prelude::{Data, Monitor, Task, WorkerBuilder, WorkerBuilderExt};
use lamplighter_shared::queue::channel::{ChannelBackend, Numbered};
use tokio::sync::mpsc;

use crate::held::Held;

impl Numbered for Held {
    fn task_id(&self) -> String {
        self.job().to_string()
    }

    fn attempt(&self) -> usize {
        usize::try_from(self.claimed.job.attempt).unwrap_or(0)
    }
}

/// Hands a job to the dispatcher and waits until its end is written.
async fn run_job(mut held: Held, dispatcher: Data<mpsc::Sender<Held>>) {
    let written = held.when_written();
    // A dispatcher that is gone drops the job, which hands it back.
    if dispatcher.send(held).await.is_ok() {
        let _ = written.await;
    }
}

/// Runs the apalis worker of a model until the channel ends and its last job is written.
pub async fn work(
    name: String,
    jobs: mpsc::Receiver<Held>,
    dispatcher: mpsc::Sender<Held>,
    concurrency: usize,
) {
    let backend = Mutex::new(Some(ChannelBackend(jobs)));
    let monitor = Monitor::new().register(move |_| {
        // Our backend can't fail, so the monitor never asks for a second worker.
        let backend = backend.lock().unwrap_or_else(PoisonError::into_inner).take();
        let backend = backend.unwrap_or_else(|| ChannelBackend(mpsc::channel(1).1));
        WorkerBuilder::new(name.clone())
            .backend(backend)
            .data(dispatcher.clone())
            .concurrency(concurrency)
            .catch_panic()
            .layer(TraceLayer::new().make_span_with(|task: &Task<Held>| task.args.span.clone()))
            .build(run_job)
    });
    if let Err(error) = monitor.run().await {
        tracing::error!(%error, "an apalis worker ended with an error");
    }
}
