//! One run of a job as a client sees it.

use lamplighter_shared::run::{Run, RunOutcome};
use poem_openapi::{Enum, Object};
use serde::Serialize;

use crate::timestamp::Timestamp;

/// One run of a job: from the claim of a worker to its end.
#[derive(Debug, Clone, Serialize, Object)]
pub struct JobAttempt {
    /// Counted from 1 with every run, also with those that were handed back: the run in the ids of its events.
    pub number: i64,
    /// The worker that ran it.
    pub worker: String,
    /// When the worker took it.
    pub started_at: Timestamp,
    /// When it ended; of one that was lost, when that was noticed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// How it ended. What became of the job stands in its `status`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<AttemptOutcome>,
    /// Jobs in its batch; once it has ended, where it came to one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<u32>,
}

/// How a run ended. After `crashed`, `lost` and `handed_back` the job waits for another run, unless it was canceled or
/// that happened too often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Enum)]
#[serde(rename_all = "snake_case")]
#[oai(rename_all = "snake_case", remote = "RunOutcome")]
pub enum AttemptOutcome {
    /// With the output.
    Succeeded,
    /// With an error.
    Failed,
    /// It took longer than `timeout.run_seconds`.
    TimedOut,
    /// Because the job's owner asked.
    Canceled,
    /// The model's process died.
    Crashed,
    /// Its worker was not heard of any more.
    Lost,
    /// Its worker gave it back, as one does that stops; it does not count.
    HandedBack,
}

impl From<Run> for JobAttempt {
    fn from(run: Run) -> Self {
        let end = run.end.as_ref();
        Self {
            number: run.number,
            started_at: Timestamp(run.started_at),
            ended_at: end.map(|end| Timestamp(end.at)),
            outcome: end.map(|end| end.outcome.into()),
            batch_size: end.and_then(|end| end.batch_size),
            worker: run.worker,
        }
    }
}
