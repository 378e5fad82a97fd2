//! Claiming an account with a set-up token: the first administrator's, or one that was made on the server's
//! machine.

use sea_orm::ConnectionTrait;

use super::{
    super::{
        Db, DbError,
        audit::{self, Action, Origin},
        challenges::{self, Purpose},
    },
    end_sessions_in,
};
use crate::id::UserId;

/// What a claim came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetUp {
    /// The token is wrong, used or too old.
    Invalid,
    /// Another account has the address; the token is as good as before.
    Taken,
    /// The account is theirs.
    Done(UserId),
}

/// The account that was claimed while it had this address.
///
/// # Errors
/// Where the database fails.
pub async fn claimed(db: &Db, email: &str) -> Result<Option<UserId>, DbError> {
    let sql = "SELECT user_id FROM challenges WHERE email = $1 AND purpose = 'setup' AND used_at IS NOT NULL
        ORDER BY used_at DESC LIMIT 1";
    let row = db.query_one(sql, vec![email.into()]).await?;
    Ok(row
        .map(|row| row.try_get("", "user_id").map(UserId))
        .transpose()?)
}

/// Gives the account that the token was made for an address and a password. It is verified
/// and approved; its role stays what it was made with.
///
/// # Errors
/// Where the database fails.
pub async fn claim(
    db: &Db,
    fingerprint: &[u8; 32],
    (email, password_hash): (&str, &str),
    origin: &Origin,
) -> Result<SetUp, DbError> {
    let (fingerprint, email, hash) = (*fingerprint, email.to_owned(), password_hash.to_owned());
    db.transaction(|txn| {
        let (db, origin) = (db.clone(), origin.clone());
        let (email, hash) = (email.clone(), hash.clone());
        Box::pin(async move {
            // Whether an address is taken is only for who has a good token.
            let sql = "SELECT 1 AS found FROM users u, challenges c
                WHERE u.email = $1 AND c.fingerprint = $2 AND c.purpose = 'setup' AND c.used_at IS NULL
                  AND c.expires_at > {now} AND u.id <> c.user_id";
            let values = [email.as_str().into(), fingerprint.to_vec().into()];
            if txn.query_one_raw(db.statement(sql, values)).await?.is_some() {
                return Ok(SetUp::Taken);
            }
            let Some(met) = challenges::meet_in(&db, txn, Purpose::Setup, &fingerprint).await? else {
                audit::record_in(&db, txn, &origin.failed(Action::AccountCreate)).await?;
                return Ok(SetUp::Invalid);
            };
            let sql = "UPDATE users SET email = $2, password_hash = $3,
                    verified_at = coalesce(verified_at, {now}), approved_at = coalesce(approved_at, {now})
                WHERE id = $1";
            let values = [met.user.0.into(), email.as_str().into(), hash.as_str().into()];
            txn.execute_raw(db.statement(sql, values)).await?;
            end_sessions_in(&db, txn, met.user, None).await?;
            challenges::void_all_in(&db, txn, met.user).await?;
            audit::record_in(&db, txn, &origin.did(Action::AccountCreate).user(met.user)).await?;
            Ok(SetUp::Done(met.user))
        })
    })
    .await
}
