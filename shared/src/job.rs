//! The job: its states, and what both sides say about one. No I/O here.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    clock::UnixMillis,
    error::ErrorCode,
    event::EventId,
    id::{JobId, UserId},
    run::Runs,
    trace::Trace,
};

/// Where a job stands. The last four are terminal and never change.
///
/// `queued → processing → succeeded | failed | canceled | expired`, `processing → queued` when a run is
/// handed back or lost, `queued → canceled | expired` directly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Accepted; waits for a worker.
    Queued,
    /// Claimed by a worker.
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

impl JobState {
    /// All states, in the order of a job's life.
    pub const ALL: [Self; 6] = [
        Self::Queued,
        Self::Processing,
        Self::Succeeded,
        Self::Failed,
        Self::Canceled,
        Self::Expired,
    ];

    /// The name in the API and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Processing => "processing",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::Expired => "expired",
        }
    }

    /// Whether the job has ended for good.
    pub fn is_terminal(self) -> bool {
        !matches!(self, Self::Queued | Self::Processing)
    }
}

/// Which of its owner's jobs a job overtakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// A quarter of the normal share.
    Low,
    /// The normal share.
    #[default]
    Normal,
    /// Four times the normal share.
    High,
}

impl Priority {
    /// All priorities, lowest first.
    pub const ALL: [Self; 3] = [Self::Low, Self::Normal, Self::High];

    /// The name in the API and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }

    /// What one unit of cost adds to a lane's rank, in a plan of weight 1: 1,000,000 ÷ weight (¼, 1, 4).
    pub fn rank_per_cost(self) -> i64 {
        match self {
            Self::Low => 4_000_000,
            Self::Normal => 1_000_000,
            Self::High => 250_000,
        }
    }
}

macro_rules! text_enum {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownName;

            fn from_str(text: &str) -> Result<Self, UnknownName> {
                Self::ALL
                    .into_iter()
                    .find(|v| v.as_str() == text)
                    .ok_or_else(|| UnknownName(text.to_owned()))
            }
        }
    };
}
text_enum!(JobState);
text_enum!(Priority);

/// The text names no value of the enumeration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown name {0:?}")]
pub struct UnknownName(pub String);

/// Why a job failed; stored in its row and shown to its owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobError {
    /// A code of [`ErrorCode`].
    #[serde(rename = "type")]
    pub kind: ErrorCode,
    /// The code in words.
    pub title: String,
    /// What happened this time.
    pub detail: String,
    /// Whether the same job may succeed when sent again.
    pub retryable: bool,
}

impl JobError {
    /// An error of this code, with title and retryability from the table.
    pub fn new(kind: ErrorCode, detail: impl Into<String>) -> Self {
        Self {
            kind,
            title: kind.title().to_owned(),
            detail: detail.into(),
            retryable: kind.retryable(),
        }
    }
}

/// How a run went; what makes a result reproducible. Stored at finish.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Metrics {
    /// From submit to the claim of the last run, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_ms: Option<i64>,
    /// In the model, milliseconds (the whole batch: its members ran together).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compute_ms: Option<f64>,
    /// From submit to the end, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_ms: Option<i64>,
    /// Jobs in the batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<u32>,
    /// SHA-256 of the model's weights, hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
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

/// The right to write about one run of a job: every write carries it and is refused once it is stale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fence {
    /// The job.
    pub job: JobId,
    /// The run, counted by claims.
    pub epoch: i64,
    /// The start of the supervisor that claimed it.
    pub boot: uuid::Uuid,
}

/// A lane: the jobs of one share at one priority of one model, in order of submission.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane {
    /// The model.
    pub model: String,
    /// Whose share: the user, or a guest's network.
    pub share_key: String,
    /// The priority within the share.
    pub priority: Priority,
}

/// A job as the database holds it, without input and output.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its identifier.
    pub id: JobId,
    /// Who submitted it.
    pub owner: UserId,
    /// The model that runs it.
    pub model: String,
    /// The task of the model (`text-embedding`).
    pub task: String,
    /// Where it stands.
    pub state: JobState,
    /// Its priority.
    pub priority: Priority,
    /// Its place in the queue of its model: smallest first.
    pub rank: i64,
    /// Runs started and not handed back.
    pub attempt: i32,
    /// Runs started; the fence.
    pub epoch: i64,
    /// Runner exits while it ran.
    pub crashes: i32,
    /// The worker of the last run.
    pub worker: Option<String>,
    /// All of its runs.
    pub runs: Runs,
    /// When it was accepted.
    pub created_at: UnixMillis,
    /// When its last run was claimed.
    pub started_at: Option<UnixMillis>,
    /// When it ended.
    pub completed_at: Option<UnixMillis>,
    /// Until when it may wait to start.
    pub start_deadline: UnixMillis,
    /// How long one run may take, counted from when its batch enters the runner.
    pub run_timeout: Duration,
    /// When its owner asked to cancel.
    pub cancel_requested_at: Option<UnixMillis>,
    /// Why it failed.
    pub error: Option<JobError>,
    /// How its last run went.
    pub metrics: Metrics,
    /// The last event of the run that ended it: what a complete stream ends at.
    pub last_event: EventId,
    /// The owner's own notes, a JSON object.
    pub metadata: Option<Value>,
    /// The job this one repeats.
    pub retry_of: Option<JobId>,
    /// Whether input and output were removed.
    pub data_removed: bool,
    /// The request it comes from, for the logs; its owner does not see it.
    pub trace: Option<Trace>,
}
