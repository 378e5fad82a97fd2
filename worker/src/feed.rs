//! The apalis worker of one model, over a backend of our own that only reads a bounded channel.
//!
//! apalis gives the execution shell: a span a job, panics caught, concurrency, an orderly end. Claims,
//! leases and retries stay outside it (`claim.rs`, `lease.rs`), so its acks are no-ops: the handler
//! returns once the job's end is written. Why not its own queues: `docs/architecture.md`.

use std::{
    convert::Infallible,
    sync::{Mutex, PoisonError},
    task::{Context as TaskContext, Poll},
};

use apalis::layers::tracing::TraceLayer;
use apalis::prelude::{
    Backend, Data, Monitor, RandomId, Task, TaskBuilder, TaskId, WorkerBuilder, WorkerBuilderExt,
    WorkerContext,
};
use apalis_core::backend::{BackendConfig, finalize::Ephemeral};
use tokio::sync::mpsc;
use tower_layer::Identity;

use crate::held::Held;

/// Claimed jobs from a channel, as an apalis backend.
pub struct ChannelBackend(mpsc::Receiver<Held>);

impl Backend for ChannelBackend {
    type Task = Task<Held>;
    type Error = Infallible;

    fn poll_ready(&mut self, _: &mut TaskContext<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(
        &mut self,
        cx: &mut TaskContext<'_>,
        _: &WorkerContext,
    ) -> Poll<Option<Result<Self::Task, Infallible>>> {
        self.0.poll_recv(cx).map(|held| {
            held.map(|held| {
                let id = TaskId::from_string(held.job().to_string());
                let attempt = usize::try_from(held.claimed.job.attempt).unwrap_or(0);
                Ok(TaskBuilder::new(held).task_id(id).attempt(attempt).build())
            })
        })
    }

    fn poll_close(
        &mut self,
        _: &mut TaskContext<'_>,
        worker: &WorkerContext,
    ) -> Poll<Result<(), Infallible>> {
        self.0.close();
        if !worker.is_shutting_down() {
            // A backend that ends by itself leaves apalis waiting for a shutdown that nobody asks for.
            // Refused only where it is asked for already.
            let _ = worker.stop();
        }
        Poll::Ready(Ok(()))
    }
}

impl BackendConfig for ChannelBackend {
    type Args = Held;
    type Id = RandomId;
    type Kind = Ephemeral;
    type Config = ();
    type Layer = Identity;

    fn config(&self) -> &() {
        &()
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> Identity {
        Identity::new()
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
