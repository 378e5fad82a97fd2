//! Tasks in work: a process takes those that are due for a while, and says what became of each. A task that
//! was lost (its process died) is due again once its lease is over; whatever an earlier holder says then is
//! refused by the task's epoch. A task is done at least once, and never by two under one epoch.

use std::time::Duration;

use sea_orm::{ConnectionTrait, QueryResult, Value};

use super::{Db, DbError, tasks::TaskKind};
use crate::id::{TaskId, UserId};

/// How long a claim holds. Longer than any task may take.
pub const LEASE: Duration = Duration::from_secs(60);
/// Most characters of an error that are kept.
const ERROR_CHARS: usize = 300;

/// A task in the hands of this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// Its identifier.
    pub id: TaskId,
    /// Whom it concerns.
    pub user: Option<UserId>,
    /// The address it goes to, for a mail.
    pub recipient: Option<String>,
    /// What the kind needs.
    pub payload: String,
    /// Which try this is, from 1.
    pub attempt: u32,
    /// The fence: the claim that this is.
    pub epoch: i64,
}

const DUE: &str = "done_at IS NULL AND dead_at IS NULL AND run_at <= {moment}
    AND (lease_until IS NULL OR lease_until <= {moment})";

/// Takes up to `limit` tasks of this kind that are due, the longest due first. The try counts from now on:
/// a task that kills its process is given up, too.
///
/// # Errors
/// Where the database fails; then nothing is claimed, or a lost answer leaves leases that run out.
pub async fn claim(db: &Db, kind: TaskKind, limit: usize) -> Result<Vec<Claimed>, DbError> {
    let due = format!("kind = '{}' AND {DUE}", kind.as_str());
    // Most looks find nothing: they need not queue with those that write.
    let sql = format!("SELECT id FROM tasks WHERE {due} LIMIT 1");
    if db.query_one(&sql, Vec::new()).await?.is_none() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "WITH due AS MATERIALIZED (
            SELECT j.id FROM tasks j WHERE {due} ORDER BY j.run_at, j.id LIMIT $1 {{skip_locked}}
        ) UPDATE tasks SET attempt = attempt + 1, epoch = epoch + 1, lease_until = {{now}} + $2
        WHERE id IN (SELECT id FROM due)
        RETURNING id, user_id, recipient, payload, attempt, epoch"
    );
    let values: [Value; 2] = [
        i64::try_from(limit).unwrap_or(i64::MAX).into(),
        millis(LEASE).into(),
    ];
    let rows = db
        .transaction(move |txn| {
            let statement = db.statement(&sql, values.clone());
            Box::pin(async move { txn.query_all_raw(statement).await })
        })
        .await?;
    let mut claimed = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    claimed.sort_by_key(|task| task.id);
    Ok(claimed)
}

fn read(row: &QueryResult) -> Result<Claimed, DbError> {
    let attempt: i32 = row.try_get("", "attempt")?;
    Ok(Claimed {
        id: TaskId(row.try_get("", "id")?),
        user: row.try_get::<Option<_>>("", "user_id")?.map(UserId),
        recipient: row.try_get("", "recipient")?,
        payload: row.try_get::<Option<_>>("", "payload")?.unwrap_or_default(),
        attempt: u32::try_from(attempt).unwrap_or(0),
        epoch: row.try_get("", "epoch")?,
    })
}

/// The task is done: of its payload only `rest` stays. False where somebody else has it meanwhile.
///
/// # Errors
/// Where the database fails: the task may be done again.
pub async fn done(db: &Db, task: &Claimed, rest: Option<String>) -> Result<bool, DbError> {
    let sql = "UPDATE tasks SET done_at = {now}, payload = $3, lease_until = NULL, last_error = NULL
        WHERE id = $1 AND epoch = $2 AND done_at IS NULL AND dead_at IS NULL";
    let values = vec![task.id.0.into(), task.epoch.into(), rest.into()];
    Ok(db.execute(sql, values).await? > 0)
}

/// The try failed for this reason, in which no secret may stand: again after `again`, or never. False where
/// somebody else has the task meanwhile.
///
/// # Errors
/// Where the database fails: the task is due again when its lease is over.
pub async fn failed(db: &Db, task: &Claimed, error: &str, again: Option<Duration>) -> Result<bool, DbError> {
    let sql = "UPDATE tasks SET lease_until = NULL, last_error = $3, run_at = {now} + $4,
            dead_at = CASE WHEN $5 THEN {now} ELSE NULL END
        WHERE id = $1 AND epoch = $2 AND done_at IS NULL AND dead_at IS NULL";
    let values = vec![
        task.id.0.into(),
        task.epoch.into(),
        error.chars().take(ERROR_CHARS).collect::<String>().into(),
        millis(again.unwrap_or_default()).into(),
        again.is_none().into(),
    ];
    Ok(db.execute(sql, values).await? > 0)
}

/// The task has to wait, and this was no try. False where somebody else has it meanwhile.
///
/// # Errors
/// Where the database fails: the task is due again when its lease is over.
pub async fn put_off(db: &Db, task: &Claimed, wait: Duration) -> Result<bool, DbError> {
    let sql = "UPDATE tasks SET lease_until = NULL, attempt = attempt - 1, run_at = {now} + $3
        WHERE id = $1 AND epoch = $2 AND done_at IS NULL AND dead_at IS NULL";
    let values = vec![task.id.0.into(), task.epoch.into(), millis(wait).into()];
    Ok(db.execute(sql, values).await? > 0)
}

fn millis(duration: Duration) -> i64 {
    // Half of what fits: the database adds it to its clock.
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 2)
}
