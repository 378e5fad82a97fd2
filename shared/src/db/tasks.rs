//! The table `tasks`: what has to be done later, and again until it is done or given up.

use sea_orm::{ConnectionTrait, DbErr};

use super::{Db, DbError, connection::Txn};
use crate::id::{TaskId, UserId};

/// What kind of work a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TaskKind {
    /// A mail to be sent.
    Mail,
    /// Entries of the cache to be voided, since a change they must not survive could not be told in time.
    Bury,
}

impl TaskKind {
    /// The name in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Bury => "bury",
        }
    }
}

/// A task to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTask {
    /// What kind of work.
    pub kind: TaskKind,
    /// Whom it concerns.
    pub user: Option<UserId>,
    /// The address it goes to, for a mail.
    pub recipient: Option<String>,
    /// What the kind needs, a JSON text; secrets in it are sealed.
    pub payload: String,
}

/// Stores a task within the transaction of what makes it necessary.
pub(super) async fn enqueue_in(db: &Db, txn: &Txn, task: &NewTask) -> Result<TaskId, DbErr> {
    enqueue_if_in(db, txn, task, true).await
}

/// The same where `really`; else the very same statement stores nothing, so that nobody can tell by the work.
pub(super) async fn enqueue_if_in(db: &Db, txn: &Txn, task: &NewTask, really: bool) -> Result<TaskId, DbErr> {
    let id = TaskId::generate();
    let sql = "INSERT INTO tasks (id, kind, user_id, recipient, payload, created_at, run_at)
        SELECT $1, $2, $3, $4, $5, {now}, {now} WHERE $6";
    let values = [
        id.0.into(),
        task.kind.as_str().into(),
        task.user.map(|user| user.0).into(),
        task.recipient.clone().into(),
        task.payload.as_str().into(),
        really.into(),
    ];
    txn.execute_raw(db.statement(sql, values)).await?;
    Ok(id)
}

/// Stores a task by itself.
///
/// # Errors
/// Where the database fails.
pub async fn enqueue(db: &Db, task: &NewTask) -> Result<TaskId, DbError> {
    db.transaction(|txn| {
        let (db, task) = (db.clone(), task.clone());
        Box::pin(async move { enqueue_in(&db, txn, &task).await })
    })
    .await
}

/// Tasks of a kind that may be done by several at once, oldest first: nobody claims them, whoever has done one
/// removes it.
///
/// # Errors
/// Where the database fails.
pub async fn open(db: &Db, kind: TaskKind, limit: u64) -> Result<Vec<(TaskId, String)>, DbError> {
    let sql = "SELECT id, payload FROM tasks
        WHERE kind = $1 AND done_at IS NULL AND dead_at IS NULL AND run_at <= {moment} AND payload IS NOT NULL
        ORDER BY run_at LIMIT $2";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = db
        .query_all(sql, vec![kind.as_str().into(), limit.into()])
        .await?;
    rows.iter()
        .map(|row| Ok((TaskId(row.try_get("", "id")?), row.try_get("", "payload")?)))
        .collect()
}

/// Whether a task was not removed yet.
///
/// # Errors
/// Where the database fails.
pub async fn is_there(db: &Db, id: TaskId) -> Result<bool, DbError> {
    let sql = "SELECT id FROM tasks WHERE id = $1";
    Ok(db.query_one(sql, vec![id.0.into()]).await?.is_some())
}

/// Removes tasks; nobody needs to know that they were.
///
/// # Errors
/// Where the database fails.
pub async fn remove(db: &Db, ids: &[TaskId]) -> Result<(), DbError> {
    if ids.is_empty() {
        return Ok(());
    }
    let places: Vec<String> = (1..=ids.len()).map(|i| format!("${i}")).collect();
    let sql = format!("DELETE FROM tasks WHERE id IN ({})", places.join(", "));
    db.execute(&sql, ids.iter().map(|id| id.0.into()).collect())
        .await?;
    Ok(())
}
