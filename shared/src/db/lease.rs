//! Leases: a worker says that it still holds its jobs, and learns which of them it should stop.

use std::time::Duration;

use sea_orm::{ConnectionTrait, Value};
use uuid::Uuid;

use super::{Db, DbError};
use crate::id::JobId;

/// A run that its worker still holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// The job.
    pub job: JobId,
    /// The run.
    pub epoch: i64,
    /// Whether its owner asked to cancel it.
    pub cancel_requested: bool,
}

/// Renews the leases of `runs`. A run that does not come back is lost: stop it at once.
///
/// # Errors
/// Where the database fails; then nothing is known, and the leases run on.
pub async fn heartbeat(
    db: &Db,
    boot: Uuid,
    runs: &[(JobId, i64)],
    lease: Duration,
) -> Result<Vec<Held>, DbError> {
    if runs.is_empty() {
        return Ok(Vec::new());
    }
    let mut runs = runs.to_vec();
    runs.sort_unstable();
    let lease = i64::try_from(lease.as_millis()).unwrap_or(i64::MAX);
    let sql = format!(
        "UPDATE jobs SET lease_until = {{now}} + $2, suspect_at = NULL
         WHERE id IN (SELECT id FROM jobs WHERE boot = $1 AND state = 'processing' AND id IN ({})
                        AND (id, epoch) IN (VALUES {}) ORDER BY id {{for_update}})
         RETURNING id, epoch, cancel_requested_at",
        // SQLite looks rows up by a column, and not by half of a pair.
        firsts(runs.len(), 2),
        pairs(runs.len(), 2)
    );
    let values: Vec<Value> = [boot.into(), lease.into()]
        .into_iter()
        .chain(pair_values(&runs))
        .collect();
    let rows = db
        .transaction(move |txn| {
            let statement = db.statement(&sql, values.clone());
            Box::pin(async move { txn.query_all_raw(statement).await })
        })
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Held {
                job: JobId(row.try_get("", "id")?),
                epoch: row.try_get("", "epoch")?,
                cancel_requested: row.try_get::<Option<i64>>("", "cancel_requested_at")?.is_some(),
            })
        })
        .collect()
}

/// Which of these runs their owners asked to cancel.
///
/// # Errors
/// Where the database fails.
pub async fn cancel_requested(db: &Db, runs: &[(JobId, i64)]) -> Result<Vec<JobId>, DbError> {
    if runs.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT id FROM jobs WHERE cancel_requested_at IS NOT NULL AND state = 'processing' AND (id, epoch) IN (VALUES {})",
        pairs(runs.len(), 0)
    );
    let rows = db.query_all(&sql, pair_values(runs).collect()).await?;
    rows.iter().map(|row| Ok(JobId(row.try_get("", "id")?))).collect()
}

/// `($3, $4), ($5, $6)` for two pairs after two other placeholders.
fn pairs(count: usize, before: usize) -> String {
    let pair = |i: usize| format!("(${}, ${})", before + 2 * i + 1, before + 2 * i + 2);
    (0..count).map(pair).collect::<Vec<_>>().join(", ")
}

/// `$3, $5`: the first of each of those pairs.
fn firsts(count: usize, before: usize) -> String {
    let first = |i: usize| format!("${}", before + 2 * i + 1);
    (0..count).map(first).collect::<Vec<_>>().join(", ")
}

fn pair_values(runs: &[(JobId, i64)]) -> impl Iterator<Item = Value> {
    runs.iter()
        .flat_map(|(job, epoch)| [job.0.into(), (*epoch).into()])
}
