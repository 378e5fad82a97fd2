//! Claiming an account with a set-up token: the first administrator's, or one that was made on the server's
//! machine.

use sea_orm::{ConnectionTrait, DbErr};

use super::{
    super::{
        Db, DbError,
        audit::{self, Action, Origin},
        challenges::{self, Purpose},
        connection::Txn,
    },
    end_sessions_in, make_room_in,
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
            // Whether an address is taken is only for who has a good token; and only they may have what somebody
            // registered there, and nobody verified, out of their way.
            if let Some(user) = claims(&db, txn, &fingerprint).await? {
                make_room_in(&db, txn, &email, Some(user)).await?;
                let sql = "SELECT 1 AS found FROM users WHERE email = $1 AND id <> $2";
                let values = [email.as_str().into(), user.0.into()];
                if txn.query_one_raw(db.statement(sql, values)).await?.is_some() {
                    return Ok(SetUp::Taken);
                }
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

/// Whose account a token claims now, without using it.
async fn claims(db: &Db, txn: &Txn, fingerprint: &[u8; 32]) -> Result<Option<UserId>, DbErr> {
    let sql = "SELECT user_id FROM challenges
        WHERE fingerprint = $1 AND purpose = 'setup' AND used_at IS NULL AND expires_at > {now}";
    let row = txn
        .query_one_raw(db.statement(sql, [fingerprint.to_vec().into()]))
        .await?;
    row.map(|row| row.try_get("", "user_id").map(UserId)).transpose()
}
