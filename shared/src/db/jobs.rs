//! The table `jobs`: a row, and what its owner may ask of it. Claims, heartbeats and finishes stand in
//! files of their own.

use std::time::Duration;

use sea_orm::{ConnectionTrait, QueryResult, Value};

use super::{Db, DbError, connection::Txn};
use crate::{
    clock::UnixMillis,
    event::EventId,
    id::{JobId, UserId},
    job::{Job, JobState, Lane, Metrics},
};

/// Which jobs a list holds.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// In this state.
    pub state: Option<JobState>,
    /// Of this model.
    pub model: Option<String>,
    /// Created at this time or later.
    pub created_after: Option<UnixMillis>,
    /// Created before this time.
    pub created_before: Option<UnixMillis>,
    /// Older than this job: where the last page ended.
    pub before: Option<JobId>,
    /// At most so many.
    pub limit: u64,
}

/// Input and output of a job, as JSON texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// What was submitted; none once it was removed.
    pub input: Option<String>,
    /// What the model gave.
    pub output: Option<String>,
}

/// What a request to cancel came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Cancel {
    /// No such job of this owner.
    NotFound,
    /// The job is canceled (it was waiting, or was canceled before).
    Canceled(Job),
    /// The job runs; its worker is asked to stop it.
    Requested(Job),
    /// The job has ended otherwise.
    Finished(Job),
}

/// What a request to delete came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delete {
    /// No such job of this owner.
    NotFound,
    /// The job has not ended.
    Active,
    /// The job is gone.
    Deleted,
}

/// The job, if it is this owner's.
///
/// # Errors
/// Where the database fails.
pub async fn get(db: &Db, owner: UserId, id: JobId) -> Result<Option<Job>, DbError> {
    let row = db
        .query_one(
            "SELECT * FROM jobs WHERE id = $1 AND owner_id = $2",
            vec![id.0.into(), owner.0.into()],
        )
        .await?;
    row.map(|row| from_row(&row)).transpose()
}

/// Input and output of the job, if it is this owner's.
///
/// # Errors
/// Where the database fails.
pub async fn payload(db: &Db, owner: UserId, id: JobId) -> Result<Option<Payload>, DbError> {
    let row = db
        .query_one(
            "SELECT p.input, p.output, j.data_removed FROM jobs j LEFT JOIN job_payloads p ON p.job_id = j.id
             WHERE j.id = $1 AND j.owner_id = $2",
            vec![id.0.into(), owner.0.into()],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Payload {
        input: row.try_get("", "input")?,
        output: row.try_get("", "output")?,
    }))
}

/// The owner's jobs, newest first.
///
/// # Errors
/// Where the database fails.
pub async fn list(db: &Db, owner: UserId, filter: &Filter) -> Result<Vec<Job>, DbError> {
    let mut sql = "SELECT * FROM jobs WHERE owner_id = $1".to_owned();
    let mut values: Vec<Value> = vec![owner.0.into()];
    let mut and = |condition: &str, value: Option<Value>| {
        if let Some(value) = value {
            values.push(value);
            sql.push_str(&format!(" AND {condition} ${}", values.len()));
        }
    };
    and("state =", filter.state.map(|s| s.as_str().into()));
    and("model =", filter.model.as_deref().map(Into::into));
    and("created_at >=", filter.created_after.map(Into::into));
    and("created_at <", filter.created_before.map(Into::into));
    and("id <", filter.before.map(|id| id.0.into()));
    sql.push_str(&format!(" ORDER BY id DESC LIMIT {}", filter.limit));
    db.query_all(&sql, values).await?.iter().map(from_row).collect()
}

/// Cancels the job: at once when it waits, else by a request that its worker sees.
///
/// # Errors
/// Where the database fails.
pub async fn cancel(db: &Db, owner: UserId, id: JobId) -> Result<Cancel, DbError> {
    let outcome = db
        .transaction(move |txn| {
            let db = db.clone();
            Box::pin(async move {
                // One statement decides: a claim that came first makes it a request.
                let updated = txn
                    .query_one_raw(db.statement(
                        "UPDATE jobs SET cancel_requested_at = coalesce(cancel_requested_at, {now}),
                           state = CASE state WHEN 'queued' THEN 'canceled' ELSE state END,
                           completed_at = CASE state WHEN 'queued' THEN {now} ELSE completed_at END
                         WHERE id = $1 AND owner_id = $2 AND state IN ('queued', 'processing')
                         RETURNING *",
                        [id.0.into(), owner.0.into()],
                    ))
                    .await?;
                let Some(row) = updated else { return Ok(None) };
                let job = from_row(&row).map_err(custom)?;
                if job.state == JobState::Canceled {
                    leave_lanes(
                        &db,
                        txn,
                        &[(
                            lane_of(&row)?,
                            LaneChange {
                                waiting: -1,
                                running: 0,
                            },
                        )],
                    )
                    .await?;
                }
                Ok(Some(job))
            })
        })
        .await?;
    Ok(match outcome {
        Some(job) if job.state == JobState::Canceled => Cancel::Canceled(job),
        Some(job) => Cancel::Requested(job),
        None => match get(db, owner, id).await? {
            None => Cancel::NotFound,
            Some(job) if job.state == JobState::Canceled => Cancel::Canceled(job),
            Some(job) => Cancel::Finished(job),
        },
    })
}

/// Removes a job that has ended, with its data.
///
/// # Errors
/// Where the database fails.
pub async fn delete(db: &Db, owner: UserId, id: JobId) -> Result<Delete, DbError> {
    let rows = db
        .execute(
            "DELETE FROM jobs WHERE id = $1 AND owner_id = $2 AND state NOT IN ('queued', 'processing')",
            vec![id.0.into(), owner.0.into()],
        )
        .await?;
    if rows > 0 {
        return Ok(Delete::Deleted);
    }
    Ok(if get(db, owner, id).await?.is_some() {
        Delete::Active
    } else {
        Delete::NotFound
    })
}

/// How the counts of a lane change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct LaneChange {
    pub waiting: i64,
    pub running: i64,
}

/// Changes the counts of lanes; the rows are written in the order of their keys, after the jobs.
pub(super) async fn leave_lanes(
    db: &Db,
    txn: &Txn,
    changes: &[(Lane, LaneChange)],
) -> Result<(), sea_orm::DbErr> {
    let mut sums = std::collections::BTreeMap::<&Lane, LaneChange>::new();
    for (lane, change) in changes {
        let sum = sums.entry(lane).or_default();
        sum.waiting += change.waiting;
        sum.running += change.running;
    }
    for (lane, change) in sums {
        txn.execute_raw(db.statement(
            "UPDATE lanes SET waiting = waiting + $4, running = running + $5
             WHERE model = $1 AND share_key = $2 AND priority = $3",
            [
                lane.model.as_str().into(),
                lane.share_key.as_str().into(),
                lane.priority.as_str().into(),
                change.waiting.into(),
                change.running.into(),
            ],
        ))
        .await?;
    }
    Ok(())
}

/// The lane a row stands in.
pub(super) fn lane_of(row: &QueryResult) -> Result<Lane, sea_orm::DbErr> {
    let priority: String = row.try_get("", "priority")?;
    Ok(Lane {
        model: row.try_get("", "model")?,
        share_key: row.try_get("", "share_key")?,
        priority: priority.parse().map_err(custom)?,
    })
}

/// Any error inside a transaction's closure.
pub(super) fn custom(error: impl std::fmt::Display) -> sea_orm::DbErr {
    sea_orm::DbErr::Custom(error.to_string())
}

/// A row as a job.
pub(super) fn from_row(row: &QueryResult) -> Result<Job, DbError> {
    let text = |column: &str| row.try_get::<String>("", column);
    let json = |column: &str| row.try_get::<Option<String>>("", column);
    let unreadable = |e: &dyn std::fmt::Display| DbError::Statement(format!("a row of jobs: {e}"));
    let created_at: UnixMillis = row.try_get("", "created_at")?;
    let completed_at: Option<UnixMillis> = row.try_get("", "completed_at")?;
    let mut metrics: Metrics = json("metrics")?
        .map(|t| serde_json::from_str(&t))
        .transpose()
        .map_err(|e| unreadable(&e))?
        .unwrap_or_default();
    metrics.total_ms = completed_at.map(|at| at - created_at);
    Ok(Job {
        id: JobId(row.try_get("", "id")?),
        owner: UserId(row.try_get("", "owner_id")?),
        model: text("model")?,
        task: text("task")?,
        state: text("state")?.parse().map_err(|e| unreadable(&e))?,
        priority: text("priority")?.parse().map_err(|e| unreadable(&e))?,
        rank: row.try_get("", "rank")?,
        attempt: row.try_get("", "attempt")?,
        epoch: row.try_get("", "epoch")?,
        crashes: row.try_get("", "crashes")?,
        worker: row.try_get("", "worker")?,
        created_at,
        started_at: row.try_get("", "started_at")?,
        completed_at,
        start_deadline: row.try_get("", "start_deadline")?,
        run_timeout: Duration::from_millis(row.try_get::<i64>("", "run_timeout_ms")?.max(0).unsigned_abs()),
        cancel_requested_at: row.try_get("", "cancel_requested_at")?,
        error: json("error")?
            .map(|t| serde_json::from_str(&t))
            .transpose()
            .map_err(|e| unreadable(&e))?,
        metrics,
        last_event: EventId {
            epoch: row.try_get("", "last_epoch")?,
            seq: row.try_get::<i64>("", "last_seq")?.max(0).unsigned_abs(),
        },
        metadata: json("metadata")?
            .map(|t| serde_json::from_str(&t))
            .transpose()
            .map_err(|e| unreadable(&e))?,
        retry_of: row.try_get::<Option<uuid::Uuid>>("", "retry_of")?.map(JobId),
        data_removed: row.try_get("", "data_removed")?,
    })
}
