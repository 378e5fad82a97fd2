//! A claimed job as a guard: whoever drops it without an end hands the job back.

use lamplighter_shared::{
    db::{
        claim::Claimed,
        finish::{Finish, Outcome},
    },
    id::JobId,
    job::Metrics,
    trace::Trace,
};
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc, oneshot},
    time::Instant,
};
use tracing::Span;

use crate::runner::protocol::About;

/// The end of a run, on its way to the database.
#[derive(Debug)]
pub struct Ending {
    /// What is written.
    pub finish: Finish,
    /// The run, for the log.
    pub span: Span,
    /// The job's model.
    pub model: String,
    /// Told once it is written, or known to be stale.
    pub written: Option<oneshot::Sender<()>>,
}

/// A claimed job. Ends exactly once: by [`Held::end`], or handed back when it is dropped.
#[derive(Debug)]
pub struct Held {
    /// What was claimed.
    pub claimed: Claimed,
    /// The run, in the log: every line about it stands in this span.
    pub span: Span,
    /// When it came into our hands.
    pub since: Instant,
    /// Its place in the trace of its request.
    pub trace: Option<Trace>,
    endings: mpsc::UnboundedSender<Ending>,
    slot: Option<OwnedSemaphorePermit>,
    written: Option<oneshot::Sender<()>>,
    ended: bool,
}

impl Held {
    /// Takes charge of a claimed job. `slot` is given back when the job ends, or by [`Held::free_slot`].
    pub fn new(
        claimed: Claimed,
        endings: mpsc::UnboundedSender<Ending>,
        slot: Option<OwnedSemaphorePermit>,
    ) -> Self {
        let job = &claimed.job;
        let trace = job.trace.as_ref().map(Trace::child);
        let span = tracing::info_span!(
            "run", job = %job.id, epoch = job.epoch, model = job.model, worker = job.worker,
            trace_id = trace.as_ref().map(Trace::trace_id), span_id = trace.as_ref().map(Trace::span_id)
        );
        Self {
            claimed,
            span,
            trace,
            since: Instant::now(),
            endings,
            slot,
            written: None,
            ended: false,
        }
    }

    /// The job.
    pub fn job(&self) -> JobId {
        self.claimed.job.id
    }

    /// The run.
    pub fn epoch(&self) -> i64 {
        self.claimed.job.epoch
    }

    /// The run, for the log of its runner.
    pub fn about(&self) -> About {
        About {
            job: self.job().to_string(),
            epoch: self.epoch(),
            trace: self.trace.clone(),
        }
    }

    /// Asks to be told once the end is written.
    pub fn when_written(&mut self) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        self.written = Some(sender);
        receiver
    }

    /// Lets another job be claimed while this one runs.
    pub fn free_slot(&mut self) {
        self.slot = None;
    }

    /// Ends the run.
    pub fn end(mut self, outcome: Outcome, metrics: Metrics, last_seq: u64) {
        self.send(outcome, metrics, last_seq);
    }

    /// Gives the run up without a word: its lease is gone, and with it the right to write.
    pub fn abandon(mut self) {
        self.ended = true;
    }

    fn send(&mut self, outcome: Outcome, metrics: Metrics, last_seq: u64) {
        self.ended = true;
        let job = &self.claimed.job;
        let finish = Finish {
            job: job.id,
            epoch: job.epoch,
            outcome,
            metrics,
            last_seq,
        };
        // Nobody listens only when the process is ending; the lease then runs out by itself.
        let _ = self.endings.send(Ending {
            finish,
            span: self.span.clone(),
            model: job.model.clone(),
            written: self.written.take(),
        });
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.ended {
            self.send(Outcome::HandedBack { solo: false }, Metrics::default(), 0);
        }
    }
}
