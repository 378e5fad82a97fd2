//! The end of accounts: those whose deletion is due, those that nobody verified, and guests whose jobs are gone.
//! Nothing of them stays but what the audit log has.

use sea_orm::{ConnectionTrait, DbErr, Value};
use uuid::Uuid;

use super::{
    super::{
        Db, DbError,
        audit::{self, Action, Origin},
        connection::Txn,
    },
    cancel_jobs,
};
use crate::id::{TokenId, UserId};

/// An account that nobody verifies is kept so long, milliseconds.
const UNVERIFIED_MS: i64 = 7 * 86_400_000;
/// A guest without jobs is kept so long, milliseconds.
const GUEST_MS: i64 = 30 * 86_400_000;
/// Most accounts in one round.
const ACCOUNTS: i64 = 50;
/// Most jobs removed in one transaction.
const CHUNK: i64 = 500;

const DUE: &str = "
    SELECT id FROM users WHERE delete_at <= {moment}
    UNION ALL
    SELECT id FROM users WHERE verified_at IS NULL AND is_guest = false
        AND delete_at IS NULL AND created_at < {moment} - $1
    UNION ALL
    SELECT id FROM users WHERE is_guest = true AND delete_at IS NULL AND created_at < {moment} - $2
        AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.owner_id = users.id)
    LIMIT $3";

/// Removes accounts whose time is over, some at a time; how many. One with a job in the hands of a worker
/// waits until the job has ended.
///
/// # Errors
/// Where the database fails; the next round goes on.
pub(in super::super) async fn purge(db: &Db) -> Result<u64, DbError> {
    let values = vec![UNVERIFIED_MS.into(), GUEST_MS.into(), ACCOUNTS.into()];
    let mut gone = 0;
    for row in db.query_all(DUE, values).await? {
        if remove(db, UserId(row.try_get("", "id")?)).await? {
            gone += 1;
        }
    }
    Ok(gone)
}

/// From here on no login takes the account back, and no link verifies it: its jobs go before it does. Nothing where
/// it is not due any more, and not for guests, who have none.
const DOOM: &str = "
    UPDATE users SET delete_at = 0 WHERE id = $1 AND is_guest = false
      AND (delete_at <= {moment} OR verified_at IS NULL AND delete_at IS NULL AND created_at < {moment} - $2)";

/// Removes one account; whether nothing held it up.
async fn remove(db: &Db, user: UserId) -> Result<bool, DbError> {
    let doomed = db
        .execute(DOOM, vec![user.0.into(), UNVERIFIED_MS.into()])
        .await?
        > 0;
    if doomed {
        remove_jobs(db, user).await?;
    }
    db.transaction(|txn| {
        let db = db.clone();
        Box::pin(async move { remove_account(&db, txn, user).await })
    })
    .await
}

async fn remove_jobs(db: &Db, user: UserId) -> Result<(), DbError> {
    // Also what a submit that was under way at the deletion left behind.
    while !cancel_jobs(db, user).await?.is_empty() {}
    let jobs = "WITH gone AS MATERIALIZED (
            SELECT j.id FROM jobs j WHERE j.owner_id = $1 AND j.state NOT IN ('queued', 'processing')
            ORDER BY j.id LIMIT $2 {skip_locked}
        ) DELETE FROM jobs WHERE id IN (SELECT id FROM gone)";
    while db.execute(jobs, vec![user.0.into(), CHUNK.into()]).await? > 0 {}
    Ok(())
}

/// Removes the account and what no reference takes along, unless it is not due any more or still has a job.
async fn remove_account(db: &Db, txn: &Txn, user: UserId) -> Result<bool, DbErr> {
    let sql = "SELECT email FROM users WHERE id = $1 AND (delete_at <= 0 OR is_guest = true)
        AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.owner_id = users.id) {for_update}";
    let Some(row) = txn.query_one_raw(db.statement(sql, [user.0.into()])).await? else {
        return Ok(false);
    };
    let email: String = row.try_get("", "email")?;
    for share in shares(db, txn, user).await? {
        for sql in [
            "DELETE FROM lanes WHERE share_key = $1 AND waiting = 0 AND running = 0",
            "DELETE FROM shares WHERE share_key = $1",
        ] {
            txn.execute_raw(db.statement(sql, [Value::from(share.as_str())]))
                .await?;
        }
    }
    let sql = "DELETE FROM tasks WHERE user_id = $1 OR recipient = $2";
    txn.execute_raw(db.statement(sql, [user.0.into(), email.as_str().into()]))
        .await?;
    let sql = "DELETE FROM invitations WHERE email = $1 OR used_by = $2 OR created_by = $2";
    txn.execute_raw(db.statement(sql, [email.as_str().into(), user.0.into()]))
        .await?;
    // Challenges go by their address too: one may have been sent to another account's future address.
    let sql = "DELETE FROM challenges WHERE email = $1";
    txn.execute_raw(db.statement(sql, [email.as_str().into()]))
        .await?;
    // Tokens, sessions, challenges, identities, keys and usage go with the row they refer to.
    txn.execute_raw(db.statement("DELETE FROM users WHERE id = $1", [user.0.into()]))
        .await?;
    let entry = Origin::system().did(Action::AccountPurge).user(user);
    audit::record_in(db, txn, &entry).await?;
    Ok(true)
}

/// Under what the use of a user is counted: their own, and that of tokens with limits of their own.
async fn shares(db: &Db, txn: &Txn, user: UserId) -> Result<Vec<String>, DbErr> {
    let sql = "SELECT id FROM api_tokens WHERE user_id = $1";
    let rows = txn.query_all_raw(db.statement(sql, [user.0.into()])).await?;
    let mut shares = vec![user.to_string()];
    for row in rows {
        shares.push(TokenId(row.try_get::<Uuid>("", "id")?).to_string());
    }
    Ok(shares)
}
