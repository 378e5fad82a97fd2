//! The table `api_nodes`: the API processes that live. What none of them may exceed by itself is divided by them.

use super::{Db, DbError};
use sea_orm::ConnectionTrait;
use uuid::Uuid;

/// A process that was not seen for so long counts no longer, milliseconds.
const LOST_MS: i64 = 15_000;
/// And is forgotten after so long, milliseconds.
const FORGOTTEN_MS: i64 = 60_000;

/// Notes that a process lives; how many do.
///
/// # Errors
/// Where the database fails.
pub async fn beat(db: &Db, boot: Uuid) -> Result<u32, DbError> {
    db.transaction(move |txn| {
        let db = db.clone();
        Box::pin(async move {
            let sql = "INSERT INTO api_nodes (boot, seen_at) VALUES ($1, {now})
                ON CONFLICT (boot) DO UPDATE SET seen_at = excluded.seen_at";
            txn.execute_raw(db.statement(sql, [boot.into()])).await?;
            let sql = "WITH gone AS MATERIALIZED (SELECT j.boot FROM api_nodes j WHERE j.seen_at < {moment} - $1 {skip_locked})
                DELETE FROM api_nodes WHERE boot IN (SELECT boot FROM gone)";
            txn.execute_raw(db.statement(sql, [FORGOTTEN_MS.into()])).await?;
            let sql = "SELECT count(*) AS live FROM api_nodes WHERE seen_at >= {moment} - $1";
            let row = txn.query_one_raw(db.statement(sql, [LOST_MS.into()])).await?;
            let live: i64 = row.map(|row| row.try_get("", "live")).transpose()?.unwrap_or(1);
            Ok(u32::try_from(live).unwrap_or(u32::MAX).max(1))
        })
    })
    .await
}

/// Takes a process out that stops.
///
/// # Errors
/// Where the database fails; then it counts until it is lost.
pub async fn leave(db: &Db, boot: Uuid) -> Result<(), DbError> {
    db.execute("DELETE FROM api_nodes WHERE boot = $1", vec![boot.into()])
        .await?;
    Ok(())
}
