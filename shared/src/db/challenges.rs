//! The table `challenges`: what was sent by mail, or told on the server's machine, and proves something when it
//! comes back. Of the token and the code only fingerprints are kept. A challenge is used once, dies when a newer
//! one of its purpose is made, and is nothing to a GET.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DbErr, QueryResult};
use uuid::Uuid;

use super::{Db, DbError, connection::Txn, jobs::custom};
use crate::id::UserId;

/// Tries at the code of one challenge.
const MAX_TRIES: i32 = 5;

/// What a challenge proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// The address of a new account is its user's.
    Verify,
    /// The address that an account is to have is its user's.
    Email,
    /// Who chooses a new password reads the account's mail.
    Reset,
    /// Who claims an account has the server's machine, or was told by who has.
    Setup,
}

impl Purpose {
    /// The name in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Email => "email",
            Self::Reset => "reset",
            Self::Setup => "setup",
        }
    }

    fn parse(text: &str) -> Result<Self, DbErr> {
        [Self::Verify, Self::Email, Self::Reset, Self::Setup]
            .into_iter()
            .find(|purpose| purpose.as_str() == text)
            .ok_or_else(|| custom(format!("unknown purpose {text:?}")))
    }
}

/// A challenge to be stored.
#[derive(Debug, Clone)]
pub struct NewChallenge {
    /// What it proves.
    pub purpose: Purpose,
    /// SHA-256 of its token.
    pub fingerprint: [u8; 32],
    /// SHA-256 of its code and address, where it has a code.
    pub code_fingerprint: Option<[u8; 32]>,
    /// The address it was sent to.
    pub email: String,
    /// How long the token is good.
    pub lifetime: Duration,
    /// How long the code is good.
    pub code_lifetime: Duration,
}

/// What comes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// The token of a link, by its fingerprint.
    Token([u8; 32]),
    /// A code that was typed.
    Code {
        /// For which address.
        email: String,
        /// SHA-256 of the code and the address.
        fingerprint: [u8; 32],
    },
}

/// A challenge that was met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Met {
    /// Whose it was.
    pub user: UserId,
    /// What it proves.
    pub purpose: Purpose,
    /// The address it was sent to.
    pub email: String,
}

/// Whose challenge this token belongs to, without using it; none where it is not good for the purpose.
///
/// # Errors
/// Where the database fails.
pub async fn peek(db: &Db, purpose: Purpose, fingerprint: &[u8; 32]) -> Result<Option<UserId>, DbError> {
    let sql = "SELECT user_id FROM challenges
        WHERE fingerprint = $1 AND purpose = $2 AND used_at IS NULL AND expires_at > {now}";
    let values = vec![fingerprint.to_vec().into(), purpose.as_str().into()];
    let row = db.query_one(sql, values).await?;
    Ok(row
        .map(|row| row.try_get("", "user_id").map(UserId))
        .transpose()?)
}

/// The language of the account that a proof would give a new address, where it has one. Uses nothing up and decides
/// nothing: a wrong code finds it, too.
///
/// # Errors
/// Where the database fails.
pub async fn locale_of(db: &Db, proof: &Proof) -> Result<Option<String>, DbError> {
    let (which, value) = match proof {
        Proof::Token(fingerprint) => ("c.fingerprint = $1", fingerprint.to_vec().into()),
        Proof::Code { email, .. } => ("c.email = $1", email.as_str().into()),
    };
    let sql = format!(
        "SELECT u.locale FROM challenges c JOIN users u ON u.id = c.user_id
        WHERE {which} AND c.purpose = 'email' AND c.used_at IS NULL ORDER BY c.created_at DESC LIMIT 1"
    );
    let row = db.query_one(&sql, vec![value]).await?;
    Ok(match row {
        Some(row) => row.try_get("", "locale")?,
        None => None,
    })
}

/// Puts a challenge in the place of every unused one of its user and purpose, of many at once the last one. Without a
/// user nothing is stored, by as many statements.
pub(super) async fn replace_in(
    db: &Db,
    txn: &Txn,
    user: Option<UserId>,
    new: &NewChallenge,
) -> Result<(), DbErr> {
    let owner = user.map_or(Uuid::nil(), |user| user.0);
    // Whoever does it at the same time waits, and then sees this one.
    let sql = "SELECT 1 AS found FROM users WHERE id = $1 {for_update}";
    txn.query_one_raw(db.statement(sql, [owner.into()])).await?;
    let sql = "DELETE FROM challenges WHERE user_id = $1 AND purpose = $2 AND used_at IS NULL";
    txn.execute_raw(db.statement(sql, [owner.into(), new.purpose.as_str().into()]))
        .await?;
    let sql =
        "INSERT INTO challenges (id, user_id, purpose, fingerprint, code_fingerprint, email, created_at, expires_at, code_expires_at)
        SELECT $1, $2, $3, $4, $5, $6, {now}, {now} + $7, {now} + $8 WHERE $9";
    let millis = |life: Duration| i64::try_from(life.as_millis()).unwrap_or(i64::MAX / 2);
    let values = [
        Uuid::now_v7().into(),
        owner.into(),
        new.purpose.as_str().into(),
        new.fingerprint.to_vec().into(),
        new.code_fingerprint.map(|code| code.to_vec()).into(),
        new.email.as_str().into(),
        millis(new.lifetime).into(),
        millis(new.code_lifetime).into(),
        user.is_some().into(),
    ];
    txn.execute_raw(db.statement(sql, values)).await?;
    Ok(())
}

/// Uses the token, if it is good for this purpose: of all who do so at once, one succeeds.
pub(super) async fn meet_in(
    db: &Db,
    txn: &Txn,
    purpose: Purpose,
    fingerprint: &[u8; 32],
) -> Result<Option<Met>, DbErr> {
    let sql = "UPDATE challenges SET used_at = {now}
        WHERE fingerprint = $1 AND purpose = $2 AND used_at IS NULL AND expires_at > {now}
        RETURNING user_id, purpose, email";
    let values = [fingerprint.to_vec().into(), purpose.as_str().into()];
    let row = txn.query_one_raw(db.statement(sql, values)).await?;
    row.map(|row| met(&row)).transpose()
}

/// Uses what shows that an address is somebody's, be it token or code. A wrong code counts as a try at every
/// challenge of its address.
pub(super) async fn meet_address_in(db: &Db, txn: &Txn, proof: &Proof) -> Result<Option<Met>, DbErr> {
    match proof {
        Proof::Token(fingerprint) => match meet_in(db, txn, Purpose::Verify, fingerprint).await? {
            Some(met) => Ok(Some(met)),
            None => meet_in(db, txn, Purpose::Email, fingerprint).await,
        },
        Proof::Code { email, fingerprint } => {
            let sql = "UPDATE challenges SET tries = tries + 1
                WHERE email = $1 AND purpose IN ('verify', 'email') AND used_at IS NULL AND code_fingerprint IS NOT NULL
                  AND code_expires_at > {now} AND expires_at > {now} AND tries < $2
                RETURNING fingerprint, code_fingerprint, purpose";
            let values = [email.as_str().into(), MAX_TRIES.into()];
            for row in txn.query_all_raw(db.statement(sql, values)).await? {
                if row.try_get::<Vec<u8>>("", "code_fingerprint")? == fingerprint {
                    let token: Vec<u8> = row.try_get("", "fingerprint")?;
                    let token = token
                        .try_into()
                        .map_err(|_| custom("a fingerprint does not have 32 bytes"))?;
                    let purpose = Purpose::parse(&row.try_get::<String>("", "purpose")?)?;
                    return meet_in(db, txn, purpose, &token).await;
                }
            }
            Ok(None)
        }
    }
}

/// Voids every unused challenge of a user: what they proved may be true no more.
pub(super) async fn void_all_in(db: &Db, txn: &Txn, user: UserId) -> Result<(), DbErr> {
    let sql = "DELETE FROM challenges WHERE user_id = $1 AND used_at IS NULL";
    txn.execute_raw(db.statement(sql, [user.0.into()])).await?;
    Ok(())
}

/// Puts a challenge in the place of every unused one of the user and its purpose.
///
/// # Errors
/// Where the database fails.
pub async fn replace(db: &Db, user: UserId, new: &NewChallenge) -> Result<(), DbError> {
    db.transaction(|txn| {
        let (db, new) = (db.clone(), new.clone());
        Box::pin(async move { replace_in(&db, txn, Some(user), &new).await })
    })
    .await
}

/// Forgets challenges that can't be met any more; how many. Those that set an account up stay, as a record.
///
/// # Errors
/// Where the database fails.
pub(super) async fn forget(db: &Db) -> Result<u64, DbError> {
    let sql =
        "DELETE FROM challenges WHERE expires_at < {moment} AND (purpose <> 'setup' OR used_at IS NULL)";
    db.execute(sql, vec![]).await
}

fn met(row: &QueryResult) -> Result<Met, DbErr> {
    Ok(Met {
        user: UserId(row.try_get("", "user_id")?),
        purpose: Purpose::parse(&row.try_get::<String>("", "purpose")?)?,
        email: row.try_get("", "email")?,
    })
}
