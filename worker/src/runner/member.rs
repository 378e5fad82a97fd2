//! A job in the hands of a model. It is answered exactly once, by construction: answering takes the
//! member, and one that is dropped unanswered (a panic, a forgotten branch) counts as failed. The batch
//! is done when its last member is answered.

use std::{
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use lamplighter_shared::{error::ErrorCode, event::Progress, job::JobError};
use serde_json::{Value, value::RawValue};

use super::protocol::{FromRunner, MAX_FRAME, Ticket};
use crate::models::Payload;

/// Takes what a runner has to say.
pub type Report = Arc<dyn Fn(FromRunner) + Send + Sync>;

/// Whether a job is still wanted. Clones are the same flag.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<CancelState>);

#[derive(Debug, Default)]
struct CancelState {
    canceled: AtomicBool,
    lock: Mutex<()>,
    changed: Condvar,
}

impl Cancel {
    /// The job is not wanted any more.
    pub fn cancel(&self) {
        let _lock = lock(&self.0.lock);
        self.0.canceled.store(true, Ordering::SeqCst);
        self.0.changed.notify_all();
    }

    /// Whether it is not wanted any more.
    pub fn is_canceled(&self) -> bool {
        self.0.canceled.load(Ordering::SeqCst)
    }

    /// Sleeps until `deadline`, or until it is cancelled; says whether it was.
    pub fn sleep_until(&self, deadline: Instant) -> bool {
        let mut guard = lock(&self.0.lock);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if self.is_canceled() || left == Duration::ZERO {
                return self.is_canceled();
            }
            guard = self
                .0
                .changed
                .wait_timeout(guard, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

/// A job that is being run.
pub struct Member {
    ticket: Ticket,
    payload: Option<Payload>,
    cancel: Cancel,
    batch: Arc<Batch>,
    seed: Option<u64>,
    answered: bool,
}

/// Says that the batch is done when the last member lets go of it.
struct Batch {
    report: Report,
    started: Instant,
}

impl Drop for Batch {
    fn drop(&mut self) {
        let compute_ms = self.started.elapsed().as_secs_f64() * 1000.0;
        (self.report)(FromRunner::BatchDone { compute_ms });
    }
}

impl Member {
    /// The members of a new batch, in the order of `jobs`.
    pub fn batch(jobs: Vec<(Ticket, Payload, Cancel)>, report: Report) -> Vec<Member> {
        let batch = Arc::new(Batch {
            report,
            started: Instant::now(),
        });
        let member = |(ticket, payload, cancel)| Member {
            ticket,
            payload: Some(payload),
            cancel,
            batch: batch.clone(),
            seed: None,
            answered: false,
        };
        jobs.into_iter().map(member).collect()
    }

    /// What to compute; there once, and only for the family that prepared it as a `T`.
    pub fn take_payload<T: 'static>(&mut self) -> Option<T> {
        let payload = self.payload.take()?.downcast::<T>().ok()?;
        Some(*payload)
    }

    /// Whether the job is still wanted; asked between steps.
    pub fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// Tells how far the job has come (`fraction` from 0 to 1).
    pub fn progress(&self, fraction: f64, stage: &str) {
        let progress = Progress {
            fraction: fraction.clamp(0.0, 1.0),
            stage: stage.to_owned(),
        };
        self.tell(FromRunner::Progress {
            ticket: self.ticket,
            progress,
        });
    }

    /// Tells a piece of the output.
    pub fn output(&self, chunk: Value) {
        self.tell(FromRunner::Output {
            ticket: self.ticket,
            chunk,
        });
    }

    /// Says which seed numbers are drawn with; with it the result can be had again.
    pub fn seeded(&mut self, seed: u64) {
        self.seed = Some(seed);
    }

    /// Ends the job with its output.
    pub fn done(self, output: Box<RawValue>) {
        // The envelope around an output is far shorter than this.
        if output.get().len() > MAX_FRAME - 1024 {
            let detail = format!(
                "the output has {} bytes; the most is {MAX_FRAME}",
                output.get().len()
            );
            return self.failed(JobError {
                retryable: false,
                ..JobError::new(ErrorCode::ModelError, detail)
            });
        }
        let (ticket, seed) = (self.ticket, self.seed);
        self.answer(FromRunner::Done { ticket, output, seed });
    }

    /// Ends the job with an error.
    pub fn failed(self, error: JobError) {
        let ticket = self.ticket;
        self.answer(FromRunner::Failed { ticket, error });
    }

    /// Ends the job because it is not wanted any more.
    pub fn canceled(self) {
        let ticket = self.ticket;
        self.answer(FromRunner::Canceled { ticket });
    }

    fn answer(mut self, answer: FromRunner) {
        self.answered = true;
        self.tell(answer);
    }

    fn tell(&self, message: FromRunner) {
        (self.batch.report)(message);
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if !self.answered {
            let detail = if std::thread::panicking() {
                "the model panicked"
            } else {
                "the model gave no answer"
            };
            let error = JobError::new(ErrorCode::ModelError, detail);
            self.tell(FromRunner::Failed {
                ticket: self.ticket,
                error,
            });
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(run: impl FnOnce(Vec<Member>)) -> Vec<String> {
        let log = Arc::new(Mutex::new(Vec::new()));
        let sink = log.clone();
        let report: Report = Arc::new(move |message| {
            let line = match message {
                FromRunner::Done { ticket, .. } => format!("done {ticket}"),
                FromRunner::Failed { ticket, error } => format!("failed {ticket}: {}", error.detail),
                FromRunner::Canceled { ticket } => format!("canceled {ticket}"),
                FromRunner::BatchDone { .. } => "batch".to_owned(),
                other => format!("{other:?}"),
            };
            lock(&sink).push(line);
        });
        let raw = || RawValue::from_string("1".to_owned()).expect("JSON");
        run(Member::batch(
            (1..=3)
                .map(|t| (t, Box::new(raw()) as Payload, Cancel::default()))
                .collect(),
            report,
        ));
        lock(&log).clone()
    }

    #[test]
    fn every_member_is_answered_once_and_then_the_batch() {
        let lines = told(|members| {
            let mut members = members.into_iter();
            let (one, two, three) = (members.next(), members.next(), members.next());
            two.expect("three members").canceled();
            drop(one);
            three
                .expect("three members")
                .done(RawValue::from_string("1".to_owned()).expect("JSON"));
        });
        assert_eq!(
            lines,
            [
                "canceled 2",
                "failed 1: the model gave no answer",
                "done 3",
                "batch"
            ]
        );
    }

    #[test]
    fn a_panic_fails_what_was_unanswered() {
        let lines = told(|mut members| {
            members.remove(0).canceled();
            let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
                let _members = members;
                std::panic::resume_unwind(Box::new("on purpose"));
            }));
            assert!(panicked.is_err());
        });
        assert_eq!(
            lines,
            [
                "canceled 1",
                "failed 2: the model panicked",
                "failed 3: the model panicked",
                "batch"
            ]
        );
    }
}
