//! The mails among the tasks, as an admin sees them; what they say is sealed and stays so.

use std::collections::HashSet;

use sea_orm::{ConnectionTrait, QueryResult, Value};

use super::{
    Db, DbError,
    audit::{self, Entry},
};
use crate::{
    clock::UnixMillis,
    id::{TaskId, UserId},
};

/// Mails that were sent are listed so long, milliseconds.
const KEEP_SENT_MS: i64 = 7 * 86_400_000;
/// Mails that were given up can be sent again so long, milliseconds.
const KEEP_DEAD_MS: i64 = 30 * 86_400_000;
/// Most rows in one transaction of housekeeping.
const CHUNK: i64 = 500;

/// How far a mail is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailState {
    /// It waits, or is being sent.
    Queued,
    /// The mail server has it.
    Sent,
    /// It was given up.
    Dead,
}

/// A mail in the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxMail {
    /// Its identifier.
    pub id: TaskId,
    /// Whose account it is about.
    pub user: Option<UserId>,
    /// The address.
    pub recipient: String,
    /// What the API stored of it, a JSON text; secrets in it are sealed, or gone.
    pub payload: String,
    /// How far it is.
    pub state: MailState,
    /// Tries so far.
    pub attempts: u32,
    /// When it was stored.
    pub created_at: UnixMillis,
    /// When it was, or will be, tried.
    pub run_at: UnixMillis,
    /// When the mail server took it.
    pub sent_at: Option<UnixMillis>,
    /// Why the last try failed.
    pub last_error: Option<String>,
}

/// What a request to send a mail again came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Retry {
    /// There is no such mail.
    NotFound,
    /// It was not given up.
    NotDead,
    /// It waits again.
    Queued(OutboxMail),
}

const COLUMNS: &str =
    "id, user_id, recipient, payload, created_at, run_at, attempt, done_at, dead_at, last_error";

/// Up to `limit` mails, newest first: those in `state`, older than `before`.
///
/// # Errors
/// Where the database fails.
pub async fn list(
    db: &Db,
    state: Option<MailState>,
    before: Option<TaskId>,
    limit: u64,
) -> Result<Vec<OutboxMail>, DbError> {
    let state = match state {
        None => "",
        Some(MailState::Queued) => "AND done_at IS NULL AND dead_at IS NULL",
        Some(MailState::Sent) => "AND done_at IS NOT NULL",
        Some(MailState::Dead) => "AND dead_at IS NOT NULL",
    };
    let mut values: Vec<Value> = vec![i64::try_from(limit).unwrap_or(i64::MAX).into()];
    let older = before.map_or("", |id| {
        values.push(id.0.into());
        "AND id < $2"
    });
    let sql =
        format!("SELECT {COLUMNS} FROM tasks WHERE kind = 'mail' {state} {older} ORDER BY id DESC LIMIT $1");
    db.query_all(&sql, values).await?.iter().map(read).collect()
}

fn read(row: &QueryResult) -> Result<OutboxMail, DbError> {
    let sent_at: Option<UnixMillis> = row.try_get("", "done_at")?;
    let dead_at: Option<UnixMillis> = row.try_get("", "dead_at")?;
    Ok(OutboxMail {
        id: TaskId(row.try_get("", "id")?),
        user: row.try_get::<Option<_>>("", "user_id")?.map(UserId),
        recipient: row.try_get::<Option<_>>("", "recipient")?.unwrap_or_default(),
        payload: row.try_get::<Option<_>>("", "payload")?.unwrap_or_default(),
        state: match (sent_at, dead_at) {
            (Some(_), _) => MailState::Sent,
            (None, Some(_)) => MailState::Dead,
            (None, None) => MailState::Queued,
        },
        attempts: u32::try_from(row.try_get::<i32>("", "attempt")?).unwrap_or(0),
        created_at: row.try_get("", "created_at")?,
        run_at: row.try_get("", "run_at")?,
        sent_at,
        last_error: row.try_get("", "last_error")?,
    })
}

/// Sends a mail that was given up again, from its first try on, and writes the entry of the audit log.
///
/// # Errors
/// Where the database fails.
pub async fn retry(db: &Db, id: TaskId, entry: &Entry) -> Result<Retry, DbError> {
    let row = db
        .transaction(move |txn| {
            let (db, entry) = (db.clone(), entry.clone());
            Box::pin(async move {
                let sql = format!(
                    "UPDATE tasks SET dead_at = NULL, attempt = 0, run_at = {{now}}, lease_until = NULL
                    WHERE id = $1 AND kind = 'mail' AND dead_at IS NOT NULL RETURNING {COLUMNS}"
                );
                let row = txn.query_one_raw(db.statement(&sql, [id.0.into()])).await?;
                if row.is_some() {
                    audit::record_in(&db, txn, &entry).await?;
                }
                Ok(row)
            })
        })
        .await?;
    if let Some(row) = row {
        return Ok(Retry::Queued(read(&row)?));
    }
    let sql = "SELECT id FROM tasks WHERE id = $1 AND kind = 'mail'";
    Ok(match db.query_one(sql, vec![id.0.into()]).await? {
        Some(_) => Retry::NotDead,
        None => Retry::NotFound,
    })
}

/// Which of these mails are still in the outbox.
///
/// # Errors
/// Where the database fails.
pub async fn kept(db: &Db, ids: &[TaskId]) -> Result<HashSet<TaskId>, DbError> {
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    let places: Vec<String> = (1..=ids.len()).map(|i| format!("${i}")).collect();
    let sql = format!("SELECT id FROM tasks WHERE id IN ({})", places.join(", "));
    let values = ids.iter().map(|id| id.0.into()).collect();
    let rows = db.query_all(&sql, values).await?;
    rows.iter()
        .map(|row| Ok(TaskId(row.try_get("", "id")?)))
        .collect()
}

/// How many mails wait, and how many were given up.
///
/// # Errors
/// Where the database fails.
pub async fn depth(db: &Db) -> Result<(u64, u64), DbError> {
    let sql = "SELECT count(*) FILTER (WHERE dead_at IS NULL) AS waiting, count(*) FILTER (WHERE dead_at IS NOT NULL) AS dead
        FROM tasks WHERE kind = 'mail' AND done_at IS NULL";
    let Some(row) = db.query_one(sql, Vec::new()).await? else {
        return Ok((0, 0));
    };
    let number = |column| {
        row.try_get::<i64>("", column)
            .map(|n| u64::try_from(n).unwrap_or(0))
    };
    Ok((number("waiting")?, number("dead")?))
}

/// Forgets tasks that were done or given up long ago, some at a time; how many.
///
/// # Errors
/// Where the database fails.
pub async fn forget(db: &Db) -> Result<u64, DbError> {
    let sql = "WITH gone AS MATERIALIZED (
            SELECT j.id FROM tasks j WHERE j.done_at < {moment} - $1 OR j.dead_at < {moment} - $2
            LIMIT $3 {skip_locked}
        ) DELETE FROM tasks WHERE id IN (SELECT id FROM gone)";
    let values = vec![KEEP_SENT_MS.into(), KEEP_DEAD_MS.into(), CHUNK.into()];
    db.execute(sql, values).await
}
