//! `jobs`, and how a row becomes a [`Job`].

use std::{fmt::Display, sync::LazyLock, time::Duration};

use sea_orm::{IdenStatic, Iterable, entity::prelude::*};
use serde::de::DeserializeOwned;

use crate::{
    db::DbError,
    event::EventId,
    id::{JobId, UserId},
    job::{Job, Metrics},
    trace::Trace,
};

/// A job, without input and output.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "jobs")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub owner_id: Uuid,
    pub model: String,
    pub task: String,
    pub share_key: String,
    pub priority: String,
    pub state: String,
    pub rank: i64,
    pub attempt: i32,
    pub epoch: i64,
    pub crashes: i32,
    pub lease_losses: i32,
    /// It has to run alone.
    pub solo: bool,
    pub boot: Option<Uuid>,
    pub worker: Option<String>,
    pub created_at: i64,
    pub run_at: i64,
    pub start_deadline: i64,
    pub run_timeout_ms: i64,
    pub started_at: Option<i64>,
    pub lease_until: Option<i64>,
    /// When its lease was first seen to have run out.
    pub suspect_at: Option<i64>,
    pub completed_at: Option<i64>,
    pub cancel_requested_at: Option<i64>,
    /// A JSON object.
    pub error: Option<String>,
    /// A JSON object.
    pub metrics: Option<String>,
    pub last_epoch: i64,
    pub last_seq: i64,
    /// A JSON object.
    pub metadata: Option<String>,
    pub retry_of: Option<Uuid>,
    pub data_removed: bool,
    pub trace_parent: Option<String>,
    pub trace_state: Option<String>,
    /// As [`crate::run::Runs`] reads it.
    pub runs: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    #[sea_orm(has_one = "super::job_payloads::Entity")]
    Payload,
}

impl Related<super::job_payloads::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Payload.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}

/// The names of all columns that this program knows, with commas.
pub fn columns() -> &'static str {
    static NAMES: LazyLock<String> = LazyLock::new(|| {
        let names: Vec<&str> = Column::iter().map(|column| column.as_str()).collect();
        names.join(", ")
    });
    &NAMES
}

impl TryFrom<Model> for Job {
    type Error = DbError;

    fn try_from(row: Model) -> Result<Self, DbError> {
        let mut metrics: Metrics = json(row.metrics.as_deref())?.unwrap_or_default();
        metrics.total_ms = row.completed_at.map(|at| at - row.created_at);
        Ok(Self {
            id: JobId(row.id),
            owner: UserId(row.owner_id),
            model: row.model,
            task: row.task,
            state: row.state.parse().map_err(unreadable)?,
            priority: row.priority.parse().map_err(unreadable)?,
            rank: row.rank,
            attempt: row.attempt,
            epoch: row.epoch,
            crashes: row.crashes,
            worker: row.worker,
            runs: row.runs.into(),
            created_at: row.created_at,
            started_at: row.started_at,
            completed_at: row.completed_at,
            start_deadline: row.start_deadline,
            run_timeout: Duration::from_millis(row.run_timeout_ms.max(0).unsigned_abs()),
            cancel_requested_at: row.cancel_requested_at,
            error: json(row.error.as_deref())?,
            metrics,
            last_event: EventId {
                epoch: row.last_epoch,
                seq: row.last_seq.max(0).unsigned_abs(),
            },
            metadata: json(row.metadata.as_deref())?,
            retry_of: row.retry_of.map(JobId),
            data_removed: row.data_removed,
            // What can't be read is no reason to refuse a row.
            trace: row
                .trace_parent
                .and_then(|parent| parent.parse::<Trace>().ok())
                .map(|trace| trace.with_state(row.trace_state.as_deref())),
        })
    }
}

fn json<T: DeserializeOwned>(text: Option<&str>) -> Result<Option<T>, DbError> {
    text.map(serde_json::from_str).transpose().map_err(unreadable)
}

fn unreadable(error: impl Display) -> DbError {
    DbError::Statement(format!("a row of jobs: {error}"))
}
