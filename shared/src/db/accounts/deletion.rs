//! Deleting an account: at once it can't be used, after a while it is gone (`purge`). Until then a login takes
//! it back.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DbErr, QueryResult};

use super::{
    super::{
        Db, DbError,
        audit::{self, Action, Origin},
        challenges,
        jobs::custom,
        people,
        settle::{COLUMNS, Moved, settle},
        tasks::NewTask,
    },
    end_sessions_in, mail_in,
};
use crate::{
    clock::UnixMillis,
    id::{JobId, UserId},
    job::JobState,
};

/// Most jobs that are cancelled in one transaction.
const CHUNK: i64 = 500;

/// What the wish to delete an account came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    /// It will be gone then.
    Scheduled(UnixMillis),
    /// Nobody could steer the installation any more.
    LastAdmin,
}

/// Schedules the deletion of an account for when `grace` is over, and ends its sessions and tokens.
///
/// # Errors
/// Where the database fails.
pub async fn schedule_deletion(
    db: &Db,
    user: UserId,
    grace: Duration,
    (notice, origin): (&NewTask, &Origin),
) -> Result<Deletion, DbError> {
    let grace = i64::try_from(grace.as_millis()).unwrap_or(i64::MAX / 2);
    let (notice, origin) = (notice.clone(), origin.clone());
    db.transaction(|txn| {
        let (db, notice, origin) = (db.clone(), notice.clone(), origin.clone());
        Box::pin(async move {
            if people::governors_in(&db, txn).await? == [user] {
                return Ok(Deletion::LastAdmin);
            }
            let sql = "UPDATE users SET delete_at = coalesce(delete_at, {now} + $2) WHERE id = $1 RETURNING delete_at";
            let row = txn
                .query_one_raw(db.statement(sql, [user.0.into(), grace.into()]))
                .await?;
            let row = row.ok_or_else(|| custom("an account that asks is not there"))?;
            end_sessions_in(&db, txn, user, None).await?;
            let sql = "UPDATE api_tokens SET revoked_at = {now} WHERE user_id = $1 AND revoked_at IS NULL";
            txn.execute_raw(db.statement(sql, [user.0.into()])).await?;
            challenges::void_all_in(&db, txn, user).await?;
            mail_in(&db, txn, Some(user), &notice).await?;
            audit::record_in(&db, txn, &origin.did(Action::AccountDelete).user(user)).await?;
            Ok(Deletion::Scheduled(row.try_get("", "delete_at")?))
        })
    })
    .await
}

/// Cancels jobs of a user, some at a time: those that wait at once, those that run by asking. Which, with
/// their model, and whether they have ended; none when there is nothing left to do. What never ran is given back
/// to the quotas, as with any cancel.
///
/// # Errors
/// Where the database fails.
pub async fn cancel_jobs(db: &Db, user: UserId) -> Result<Vec<(JobId, String, JobState)>, DbError> {
    let sql = format!(
        "WITH chosen AS MATERIALIZED (
            SELECT j.id FROM jobs j WHERE j.owner_id = $1
              AND (j.state = 'queued' OR j.state = 'processing' AND j.cancel_requested_at IS NULL)
            ORDER BY j.id LIMIT $2 {{skip_locked}}
        )
        UPDATE jobs SET cancel_requested_at = coalesce(cancel_requested_at, {{now}}),
            completed_at = CASE state WHEN 'queued' THEN {{now}} ELSE completed_at END,
            state = CASE state WHEN 'queued' THEN 'canceled' ELSE state END
        WHERE id IN (SELECT id FROM chosen) AND state IN ('queued', 'processing')
        RETURNING {COLUMNS}"
    );
    db.transaction(move |txn| {
        let (db, sql) = (db.clone(), sql.clone());
        Box::pin(async move {
            let rows = txn
                .query_all_raw(db.statement(&sql, [user.0.into(), CHUNK.into()]))
                .await?;
            let stopped: Vec<_> = rows.iter().map(stopped).collect::<Result<_, _>>()?;
            // What runs moves when its worker ends it.
            let ended = rows
                .iter()
                .zip(&stopped)
                .filter(|(_, job)| job.2 == JobState::Canceled);
            let moved: Vec<_> = ended
                .map(|(row, _)| Moved::of(row, JobState::Queued))
                .collect::<Result<_, DbErr>>()?;
            settle(&db, txn, &moved).await?;
            Ok(stopped)
        })
    })
    .await
}

fn stopped(row: &QueryResult) -> Result<(JobId, String, JobState), DbErr> {
    let state: String = row.try_get("", "state")?;
    Ok((
        JobId(row.try_get("", "id")?),
        row.try_get("", "model")?,
        state.parse().map_err(custom)?,
    ))
}
