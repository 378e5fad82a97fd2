//! An apalis backend of our own that only reads a bounded channel: apalis gives the execution shell (a span a
//! task, panics caught, concurrency, an orderly end), and knows nothing of claims, leases and retries.

use std::{
    convert::Infallible,
    task::{Context as TaskContext, Poll},
};

use apalis::prelude::{Backend, RandomId, Task, TaskBuilder, TaskId, WorkerContext};
use apalis_core::backend::{BackendConfig, finalize::Ephemeral};
use tokio::sync::mpsc;
use tower_layer::Identity;

/// What says which task it is.
pub trait Numbered: Send + 'static {
    /// Its identifier.
    fn task_id(&self) -> String;
    /// Which try it is, from 1.
    fn attempt(&self) -> usize;
}

/// Claimed tasks from a channel, as an apalis backend. It ends when the channel does.
pub struct ChannelBackend<T>(pub mpsc::Receiver<T>);

impl<T: Numbered> Backend for ChannelBackend<T> {
    type Task = Task<T>;
    type Error = Infallible;

    fn poll_ready(&mut self, _: &mut TaskContext<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(
        &mut self,
        cx: &mut TaskContext<'_>,
        _: &WorkerContext,
    ) -> Poll<Option<Result<Self::Task, Infallible>>> {
        self.0.poll_recv(cx).map(|task| {
            task.map(|task| {
                let (id, attempt) = (TaskId::from_string(task.task_id()), task.attempt());
                Ok(TaskBuilder::new(task).task_id(id).attempt(attempt).build())
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

impl<T: Numbered> BackendConfig for ChannelBackend<T> {
    type Args = T;
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
