//! The supervisor's handle on a runner: start it, talk to it, know how it ended.

use std::{
    io,
    os::{fd::OwnedFd, unix::net::UnixStream as StdStream},
    path::PathBuf,
    process::ExitStatus,
    time::Duration,
};

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use lamplighter_shared::{job::JobError, model_spec::ModelSpec};
use tokio::{
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{mpsc, watch},
    time::timeout,
};
use tokio_util::codec::{FramedRead, FramedWrite, LengthDelimitedCodec};

use super::{
    protocol::{FromRunner, MAX_FRAME, ModelInfo, ToRunner},
    spawn::{Process, describe},
};
use crate::models::{self, Files};

/// A process whose socket has ended gets this long to end by itself; it has nothing left to do.
const LAST_BREATH: Duration = Duration::from_secs(2);

/// How runners are started.
#[derive(Debug, Clone)]
pub struct RunnerOptions {
    /// A binary whose `runner --fd N` calls [`super::child::main`]: this one, as a rule.
    pub program: PathBuf,
    /// Threads a model may compute with.
    pub threads: usize,
    /// Longest time from the start to the canary's result.
    pub load_timeout: Duration,
    /// Whether a model may misbehave when a job asks it to.
    pub faults: bool,
}

/// A running child process with its model loaded. Dropping it kills and reaps the process.
pub struct Runner {
    frames: FramedRead<OwnedReadHalf, LengthDelimitedCodec>,
    sender: RunnerSender,
    process: Process,
    /// Set once the socket has ended.
    ended: bool,
    out_of_memory: Option<u64>,
}

/// Sends to a runner; clones send to the same one.
#[derive(Debug, Clone)]
pub struct RunnerSender {
    queue: mpsc::UnboundedSender<ToRunner>,
    exited: watch::Receiver<Option<ExitStatus>>,
}

/// How a runner ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the runner ended: {description}")]
pub struct Exit {
    /// `killed by signal 9`, `exit code 1`.
    pub description: String,
    /// If an allocation failed: the bytes it asked for.
    pub out_of_memory: Option<u64>,
}

/// The runner has ended; [`Runner::recv`] says how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the runner has ended")]
pub struct RunnerGone;

/// A runner could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No process could be made.
    #[error("no runner could be started: {0}")]
    Spawn(#[from] io::Error),
    /// The model can't be loaded; trying again will not help.
    #[error("the model can't be loaded: {}", .0.detail)]
    Model(JobError),
    /// The process ended while it loaded.
    #[error("while loading: {0}")]
    Exited(Exit),
    /// Loading took too long; the process was killed.
    #[error("the model was not loaded within {0:?}")]
    Timeout(Duration),
}

impl Runner {
    /// Starts a process, has it load the model from its files, and waits until it is ready.
    ///
    /// # Errors
    /// As [`StartError`] says; nothing is left running.
    pub async fn start(
        spec: &ModelSpec,
        files: &Files,
        options: &RunnerOptions,
    ) -> Result<(Runner, ModelInfo), StartError> {
        let (ours, theirs) = StdStream::pair()?;
        ours.set_nonblocking(true)?;
        let (reader, writer) = UnixStream::from_std(ours)?.into_split();
        let engine_threads = models::engine_threads(spec.family, options.threads);
        let process = Process::start(options, engine_threads, OwnedFd::from(theirs)).await?;
        let (queue, messages) = mpsc::unbounded_channel();
        let sender = RunnerSender {
            queue,
            exited: process.exited(),
        };
        tokio::spawn(write(FramedWrite::new(writer, codec()), messages));
        let frames = FramedRead::new(reader, codec());
        let mut runner = Runner {
            frames,
            sender,
            process,
            ended: false,
            out_of_memory: None,
        };
        let load = ToRunner::Load {
            spec: Box::new(spec.clone()),
            files: files.clone(),
            threads: options.threads.max(1),
            faults: options.faults,
        };
        // Where it has ended already, `recv` tells how.
        let _ = runner.send(load).await;
        match timeout(options.load_timeout, runner.recv()).await {
            Ok(Ok(FromRunner::Ready(info))) => Ok((runner, info)),
            Ok(Ok(FromRunner::LoadFailed(error))) => Err(StartError::Model(error)),
            Ok(Ok(other)) => Err(StartError::Spawn(io::Error::other(format!(
                "a runner began with {other:?}"
            )))),
            Ok(Err(exit)) => Err(StartError::Exited(exit)),
            Err(_) => Err(StartError::Timeout(options.load_timeout)),
        }
    }

    /// Queues a message; never waits for the runner (what is queued is bounded by the jobs that the
    /// supervisor holds), so that sending can't block the receiving that would unblock it.
    ///
    /// # Errors
    /// If the runner has ended.
    pub async fn send(&self, message: ToRunner) -> Result<(), RunnerGone> {
        self.sender.send(message)
    }

    /// A handle that only sends.
    pub fn sender(&self) -> RunnerSender {
        self.sender.clone()
    }

    /// The next message. May be dropped and called again: nothing is lost.
    ///
    /// # Errors
    /// How the runner ended, once everything it said has been received; again on each further call.
    /// [`FromRunner::OutOfMemory`] is never returned: it is part of the [`Exit`].
    pub async fn recv(&mut self) -> Result<FromRunner, Exit> {
        while !self.ended {
            match self.frames.next().await {
                Some(Ok(frame)) => match serde_json::from_slice(&frame) {
                    Ok(FromRunner::OutOfMemory { bytes }) => self.out_of_memory = Some(bytes),
                    Ok(message) => return Ok(message),
                    Err(error) => {
                        tracing::error!(pid = self.pid(), %error, "a runner sent what can't be read; it is killed");
                        self.kill();
                        self.ended = true;
                    }
                },
                Some(Err(_)) | None => self.ended = true,
            }
        }
        Err(self.exit().await)
    }

    /// SIGKILL, now.
    pub fn kill(&self) {
        self.process.kill();
    }

    /// Asks the process to end, kills it if it has not after 2 s, and waits until it is reaped.
    pub async fn shutdown(mut self) {
        if self.send(ToRunner::Shutdown).await.is_ok() {
            // What it still says is of no interest.
            self.ended = true;
        }
        self.exit().await;
    }

    /// The process's number.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    async fn exit(&mut self) -> Exit {
        let mut exited = self.process.exited();
        if timeout(LAST_BREATH, exited.wait_for(Option::is_some))
            .await
            .is_err()
        {
            self.kill();
        }
        let status = exited
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|status| *status);
        let description = status.map_or_else(|| "an unknown end".to_owned(), describe);
        Exit {
            description,
            out_of_memory: self.out_of_memory,
        }
    }
}

impl RunnerSender {
    /// As [`Runner::send`].
    ///
    /// # Errors
    /// If the runner has ended.
    pub fn send(&self, message: ToRunner) -> Result<(), RunnerGone> {
        if self.exited.borrow().is_some() {
            return Err(RunnerGone);
        }
        self.queue.send(message).map_err(|_| RunnerGone)
    }
}

/// Writes what is queued until the runner or every sender is gone.
async fn write(
    mut to: FramedWrite<OwnedWriteHalf, LengthDelimitedCodec>,
    mut messages: mpsc::UnboundedReceiver<ToRunner>,
) {
    while let Some(message) = messages.recv().await {
        let bytes = match serde_json::to_vec(&message) {
            Ok(bytes) => Bytes::from(bytes),
            Err(error) => {
                tracing::error!(%error, "a message to a runner can't be written");
                return;
            }
        };
        // Several messages that wait go out with one system call.
        let sent = if messages.is_empty() {
            to.send(bytes).await
        } else {
            to.feed(bytes).await
        };
        if sent.is_err() {
            return;
        }
    }
}

fn codec() -> LengthDelimitedCodec {
    LengthDelimitedCodec::builder()
        .little_endian()
        .length_field_type::<u32>()
        .max_frame_length(MAX_FRAME)
        .new_codec()
}
