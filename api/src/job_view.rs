//! A job as a client sees it. A view, never the row: what is not here does not leave the process.

use std::time::Duration;

use lamplighter_shared::{
    db::{jobs::Payload, position::QueueInfo},
    event::Progress,
    job::{Job, JobError, JobState, Metrics},
};
use poem_openapi::{Enum, Object};
use serde::Serialize;

use crate::{
    create_job::{JobPriority, JobTimeout},
    error::ApiError,
    free_form::FreeForm,
    job_attempt::JobAttempt,
    locale::Locale,
    message,
    timestamp::Timestamp,
};

/// A job.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "Job")]
pub struct JobView {
    /// The job's identifier.
    pub id: String,
    /// Always `job`.
    pub object: String,
    /// The model that runs it.
    pub model: String,
    /// What the model does: `text-embedding`, `echo`.
    pub task: String,
    /// SHA-256 of the weights that computed the output, hexadecimal; once the job has run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Where the job stands.
    pub status: JobStatus,
    /// What was submitted. Not in lists and `status` events, and not where it has more than 256 KiB (a picture, a
    /// sound).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<FreeForm>,
    /// What the model gave; once the job has succeeded. Not in lists and `status` events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<FreeForm>,
    /// Why the job failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<JobFailure>,
    /// How far the run has come; while it runs and the model tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<JobProgress>,
    /// The job's place in the queue; while it is queued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<JobQueue>,
    /// Which of your own jobs it overtakes.
    pub priority: JobPriority,
    /// Runs started and not handed back.
    pub attempt: i32,
    /// Each run, oldest first: the last 20. Not in lists and `status` events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<Vec<JobAttempt>>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When its last run began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Timestamp>,
    /// Until when it may wait to start.
    pub deadline: Timestamp,
    /// When input and output are removed; once it has ended, unless they are kept for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When you asked to cancel it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancel_requested_at: Option<Timestamp>,
    /// How long it may wait and run.
    pub timeout: JobTimeout,
    /// How the last run went; once the job has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<JobMetrics>,
    /// The worker of the last run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    /// Your own notes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<FreeForm>,
    /// The job that this one repeats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<String>,
    /// Whether input and output were removed.
    pub data_removed: bool,
    /// Where to go from here.
    pub urls: JobUrls,
}

/// Where a job stands. `succeeded`, `failed`, `canceled` and `expired` are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Enum)]
#[serde(rename_all = "snake_case")]
#[oai(rename_all = "snake_case", remote = "JobState")]
pub enum JobStatus {
    /// Accepted; waits for a worker.
    Queued,
    /// A worker has it.
    Processing,
    /// Done; the output is there.
    Succeeded,
    /// Ended with an error.
    Failed,
    /// Ended because its owner asked.
    Canceled,
    /// Waited past its start deadline.
    Expired,
}

/// Why a job failed.
#[derive(Debug, Clone, Serialize, Object)]
pub struct JobFailure {
    /// The code, from the table of codes.
    #[serde(rename = "type")]
    #[oai(rename = "type")]
    pub kind: String,
    /// The code in words.
    pub title: String,
    /// What happened this time.
    pub detail: String,
    /// Whether the same job may succeed when sent again.
    pub retryable: bool,
}

/// How far a run has come.
#[derive(Debug, Clone, PartialEq, Serialize, Object)]
pub struct JobProgress {
    /// From 0 to 1.
    pub fraction: f64,
    /// What the model is doing, in its own words.
    pub stage: String,
}

/// A job's place in the queue of its model.
#[derive(Debug, Clone, PartialEq, Serialize, Object)]
pub struct JobQueue {
    /// Jobs ahead of it. Left out where it can't be told now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<u64>,
    /// Whether there may be more jobs ahead than `position` says.
    pub position_is_minimum: bool,
    /// Seconds until it starts, estimated. Left out rather than guessed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eta_seconds: Option<f64>,
    /// What the estimate rests on: `service_rate`, the rate measured lately.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eta_basis: Option<String>,
    /// Whether a live worker serves the model now. Without one the job waits.
    pub possible: bool,
    /// Why it is not possible now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How a run went; what makes a result reproducible.
#[derive(Debug, Clone, Serialize, Object)]
pub struct JobMetrics {
    /// From submit to the start of the last run, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_ms: Option<i64>,
    /// In the model, milliseconds (of the whole batch: its members ran together).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compute_ms: Option<f64>,
    /// From submit to the end, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_ms: Option<i64>,
    /// Jobs in the batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<u32>,
    /// Number type of the weights (`f32`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dtype: Option<String>,
    /// What computed it (`cpu`, `cuda:0`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Seed of the run, where the model draws numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

/// Where to go from a job; addresses on this server.
#[derive(Debug, Clone, Serialize, Object)]
pub struct JobUrls {
    /// The job.
    pub get: String,
    /// Cancels it (`POST`).
    pub cancel: String,
    /// Its events.
    pub events: String,
}

/// What is known about a job beyond its row.
#[derive(Debug, Default)]
pub struct Extras {
    /// Input and output: of the whole job.
    pub payload: Option<Payload>,
    /// Its place in the queue.
    pub queue: Option<QueueInfo>,
    /// How far it has come.
    pub progress: Option<Progress>,
    /// How long input and output are kept after the end; none: for ever.
    pub kept: Option<Duration>,
}

impl JobView {
    /// The view of a row.
    ///
    /// # Errors
    /// Where the stored output is not JSON.
    pub fn new(job: &Job, extras: Extras) -> Result<Self, ApiError> {
        let whole = extras.payload.is_some();
        let (input, output) = extras.payload.map(|p| (p.input, p.output)).unwrap_or_default();
        let get = format!("/v1/jobs/{}", job.id);
        Ok(Self {
            id: job.id.to_string(),
            object: "job".to_owned(),
            model: job.model.clone(),
            task: job.task.clone(),
            version: job.metrics.digest.clone().filter(|d| !d.is_empty()),
            status: job.state.into(),
            // One that was damaged must not hide the job, which says why it failed.
            input: input.and_then(|text| FreeForm::from_text(text).ok()),
            output: output
                .map(FreeForm::from_text)
                .transpose()
                .map_err(ApiError::internal)?,
            error: job.error.as_ref().map(JobFailure::from),
            progress: extras.progress.map(|p| JobProgress {
                fraction: p.fraction,
                stage: p.stage,
            }),
            queue: extras
                .queue
                .filter(|_| job.state == JobState::Queued)
                .map(JobQueue::from),
            priority: job.priority.into(),
            attempt: job.attempt,
            attempts: whole.then(|| job.runs.list().into_iter().map(JobAttempt::from).collect()),
            created_at: Timestamp(job.created_at),
            started_at: job.started_at.map(Timestamp),
            completed_at: job.completed_at.map(Timestamp),
            deadline: Timestamp(job.start_deadline),
            expires_at: job.completed_at.zip(extras.kept).map(|(at, kept)| {
                Timestamp(at.saturating_add(i64::try_from(kept.as_millis()).unwrap_or(i64::MAX)))
            }),
            cancel_requested_at: job.cancel_requested_at.map(Timestamp),
            timeout: JobTimeout {
                start_seconds: u64::try_from((job.start_deadline - job.created_at + 999) / 1000).ok(),
                run_seconds: Some(job.run_timeout.as_secs()),
            },
            metrics: (job.metrics != Metrics::default()).then(|| JobMetrics::from(&job.metrics)),
            worker: job.worker.clone(),
            metadata: job.metadata.as_ref().map(FreeForm::from),
            retry_of: job.retry_of.map(|id| id.to_string()),
            data_removed: job.data_removed,
            urls: JobUrls {
                cancel: format!("{get}/cancel"),
                events: format!("{get}/events"),
                get,
            },
        })
    }
}

impl JobView {
    /// The same with what is told to people in a language: what it is at, why it failed, why it can't run now.
    pub fn in_locale(mut self, locale: Locale) -> Self {
        if let Some(error) = &mut self.error {
            error.title = message::translate(locale, &error.title);
            error.detail = message::translate_stored(locale, &error.detail);
        }
        if let Some(progress) = &mut self.progress {
            progress.stage = message::translate_stored(locale, &progress.stage);
        }
        if let Some(reason) = self.queue.as_mut().and_then(|queue| queue.reason.as_mut()) {
            *reason = message::translate_stored(locale, reason);
        }
        self
    }
}

impl From<&JobError> for JobFailure {
    fn from(e: &JobError) -> Self {
        Self {
            kind: e.kind.to_string(),
            title: e.title.clone(),
            detail: e.detail.clone(),
            retryable: e.retryable,
        }
    }
}

impl From<QueueInfo> for JobQueue {
    fn from(info: QueueInfo) -> Self {
        Self {
            position: info.position,
            position_is_minimum: info.capped,
            eta_basis: info.eta_seconds.map(|_| "service_rate".to_owned()),
            eta_seconds: info.eta_seconds,
            possible: info.possible,
            reason: info.reason,
        }
    }
}

impl From<&Metrics> for JobMetrics {
    fn from(m: &Metrics) -> Self {
        Self {
            queue_ms: m.queue_ms,
            compute_ms: m.compute_ms,
            total_ms: m.total_ms,
            batch_size: m.batch_size,
            dtype: m.dtype.clone(),
            device: m.device.clone(),
            seed: m.seed,
        }
    }
}
