//! The table `jobs`: a row, and what its owner may ask of it. Claims, heartbeats and finishes stand in
//! files of their own.

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
    QueryResult, QuerySelect, Select, sea_query::Expr,
};

use super::{
    Db, DbError,
    connection::Txn,
    entity::{
        job_payloads,
        jobs::{Column, Entity, Model},
    },
    settle::{Moved, settle},
};
use crate::{
    clock::UnixMillis,
    id::{JobId, UserId},
    job::{Job, JobState, Lane},
    telemetry::metrics::JOBS,
};

/// Which jobs a list holds.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// In this state.
    pub state: Option<JobState>,
    /// Of this model.
    pub model: Option<String>,
    /// Of this task.
    pub task: Option<String>,
    /// Created at this time or later.
    pub created_after: Option<UnixMillis>,
    /// Created before this time.
    pub created_before: Option<UnixMillis>,
    /// Older than this job: where the last page ended.
    pub before: Option<JobId>,
    /// At most so many.
    pub limit: u64,
}

/// The longest input that is given with a job, bytes: whoever looks at a job does not want a picture each time.
pub const MAX_SHOWN_INPUT: usize = 256 << 10;

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
    owned(owner)
        .filter(Column::Id.eq(id.0))
        .one(&db.read)
        .await?
        .map(Job::try_from)
        .transpose()
}

/// Input and output of the job, if it is this owner's.
///
/// # Errors
/// Where the database fails.
pub async fn payload(db: &Db, owner: UserId, id: JobId) -> Result<Option<Payload>, DbError> {
    let sql = format!(
        "SELECT CASE WHEN octet_length(p.input) <= {MAX_SHOWN_INPUT} THEN p.input END AS input, p.output
         FROM jobs j LEFT JOIN job_payloads p ON p.job_id = j.id WHERE j.owner_id = $1 AND j.id = $2"
    );
    let row = db.query_one(&sql, vec![owner.0.into(), id.0.into()]).await?;
    let read = |row: sea_orm::QueryResult| {
        Ok(Payload {
            input: row.try_get("", "input")?,
            output: row.try_get("", "output")?,
        })
    };
    row.map(read).transpose()
}

/// The whole input of a job, however large; nothing where it is gone, or there is no such job.
///
/// # Errors
/// Where the database fails.
pub async fn input(db: &Db, owner: UserId, id: JobId) -> Result<Option<String>, DbError> {
    let found = owned(owner)
        .filter(Column::Id.eq(id.0))
        .find_also_related(job_payloads::Entity)
        .one(&db.read)
        .await?;
    Ok(found.and_then(|(_, payload)| Some(payload?.input)))
}

/// The owner's jobs, newest first.
///
/// # Errors
/// Where the database fails.
pub async fn list(db: &Db, owner: UserId, filter: &Filter) -> Result<Vec<Job>, DbError> {
    let matching = Condition::all()
        // In words, not as a value: there is an index a state, and which of them serves is decided by the text.
        .add_option(
            filter
                .state
                .map(|state| Expr::cust(format!("state = '{}'", state.as_str()))),
        )
        .add_option(filter.model.as_ref().map(|model| Column::Model.eq(model)))
        .add_option(filter.task.as_ref().map(|task| Column::Task.eq(task)))
        .add_option(filter.created_after.map(|at| Column::CreatedAt.gte(at)))
        .add_option(filter.created_before.map(|at| Column::CreatedAt.lt(at)))
        .add_option(filter.before.map(|id| Column::Id.lt(id.0)));
    let query = owned(owner)
        .filter(matching)
        .order_by_desc(Column::Id)
        .limit(filter.limit);
    query
        .all(&db.read)
        .await?
        .into_iter()
        .map(Job::try_from)
        .collect()
}

/// Where every query on behalf of a user starts: rows of others are not there.
fn owned(owner: UserId) -> Select<Entity> {
    Entity::find().filter(Column::OwnerId.eq(owner.0))
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
                         RETURNING {job_columns}, token_id, units, charged_hour",
                        [id.0.into(), owner.0.into()],
                    ))
                    .await?;
                let Some(row) = updated else { return Ok(None) };
                let job = from_row(&row).map_err(custom)?;
                if job.state == JobState::Canceled {
                    settle(&db, txn, &[Moved::of(&row, JobState::Queued)?]).await?;
                }
                Ok(Some(job))
            })
        })
        .await?;
    Ok(match outcome {
        Some(job) if job.state == JobState::Canceled => {
            let (model, status) = (job.model.clone(), job.state.as_str());
            metrics::counter!(JOBS, "model" => model, "status" => status).increment(1);
            Cancel::Canceled(job)
        }
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
    Model::from_query_result(row, "")?.try_into()
}
