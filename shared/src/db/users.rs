//! The table `users`.

use std::collections::BTreeSet;

use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryResult};
use serde::{Deserialize, Serialize};

use super::{
    Db, DbError, accounts,
    connection::Txn,
    entity::users::{Column, Entity, Model},
};
use crate::{
    clock::UnixMillis,
    id::UserId,
    proof::{Fingerprint, ProofKind},
};

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Their own jobs and tokens.
    User,
    /// The installation too.
    Admin,
}

impl Role {
    /// The name in the API and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Admin => "admin",
        }
    }

    pub(super) fn parse(text: &str) -> Result<Self, DbError> {
        match text {
            "user" => Ok(Self::User),
            "admin" => Ok(Self::Admin),
            other => Err(DbError::Statement(format!("unknown role {other:?}"))),
        }
    }
}

/// A person with an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Their identifier.
    pub id: UserId,
    /// Their address; unique.
    pub email: String,
    /// What they may do.
    pub role: Role,
    /// When the account was made.
    pub created_at: UnixMillis,
    /// The password as a PHC string; none: they log in another way, or not at all.
    pub password_hash: Option<String>,
    /// What they want to be called; may be empty.
    pub display_name: String,
    /// Their language (`en`, `zh-Hant`, `ja`); none: not known yet.
    pub locale: Option<String>,
    /// The name of their plan.
    pub plan: String,
    /// Whether this is nobody's account: it holds the jobs of somebody without one.
    pub is_guest: bool,
    /// When their address was shown to be theirs.
    pub verified_at: Option<UnixMillis>,
    /// When they were let in.
    pub approved_at: Option<UnixMillis>,
    /// Since when they may do nothing.
    pub disabled_at: Option<UnixMillis>,
    /// When the account will be gone, where its owner asked for that.
    pub delete_at: Option<UnixMillis>,
    /// When they logged in last.
    pub last_login_at: Option<UnixMillis>,
    /// From where they logged in last.
    pub last_login_address: Option<String>,
}

impl TryFrom<Model> for User {
    type Error = DbError;

    fn try_from(row: Model) -> Result<Self, DbError> {
        Ok(Self {
            id: UserId(row.id),
            email: row.email,
            role: Role::parse(&row.role)?,
            created_at: row.created_at,
            password_hash: row.password_hash,
            display_name: row.display_name,
            locale: row.locale,
            plan: row.plan,
            is_guest: row.is_guest,
            verified_at: row.verified_at,
            approved_at: row.approved_at,
            disabled_at: row.disabled_at,
            delete_at: row.delete_at,
            last_login_at: row.last_login_at,
            last_login_address: row.last_login_address,
        })
    }
}

/// Makes an account that is trusted as it is (verified, without limits), or returns the one that has this
/// address, unchanged: for whoever has the server's machine. An account that nobody verified does not have it.
///
/// # Errors
/// Where the database fails.
pub async fn create(db: &Db, email: &str, role: Role) -> Result<User, DbError> {
    let sql = "INSERT INTO users (id, email, role, plan, created_at, verified_at, approved_at)
        VALUES ($1, $2, $3, 'unlimited', {now}, {now}, {now}) ON CONFLICT (email) DO NOTHING";
    db.transaction(|txn| {
        let (db, email) = (db.clone(), email.to_owned());
        Box::pin(async move {
            accounts::make_room_in(&db, txn, &email, None).await?;
            let values = [
                UserId::generate().0.into(),
                email.as_str().into(),
                role.as_str().into(),
            ];
            txn.execute_raw(db.statement(sql, values)).await?;
            Ok(())
        })
    })
    .await?;
    by_email(db, email)
        .await?
        .ok_or_else(|| DbError::Statement("the new user is not there".to_owned()))
}

/// Makes the users that hold the jobs of people without an account, in the order of their ids; those that were
/// not there already.
pub(super) async fn create_guests_in(
    db: &Db,
    txn: &Txn,
    ids: &BTreeSet<UserId>,
) -> Result<Vec<UserId>, DbErr> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let row = |i: usize| format!("(${}, ${}, 'user', 'guest', true, {{now}})", 2 * i + 1, 2 * i + 2);
    let rows: Vec<String> = (0..ids.len()).map(row).collect();
    let values = ids
        .iter()
        .flat_map(|id| [id.0.into(), format!("{}@guest.invalid", id.0.simple()).into()]);
    let sql = format!(
        "INSERT INTO users (id, email, role, plan, is_guest, created_at) VALUES {}
         ON CONFLICT DO NOTHING RETURNING id",
        rows.join(", ")
    );
    let made = txn.query_all_raw(db.statement(&sql, values)).await?;
    made.iter().map(|row| row.try_get("", "id").map(UserId)).collect()
}

/// The database's time, where this is a guest who may go on; else none.
///
/// # Errors
/// Where the database fails.
pub async fn now_of_guest(db: &Db, id: UserId) -> Result<Option<UnixMillis>, DbError> {
    let sql = "SELECT {now} AS now FROM users WHERE id = $1 AND is_guest AND disabled_at IS NULL";
    let row = db.query_one(sql, vec![id.0.into()]).await?;
    Ok(row.map(|row| row.try_get("", "now")).transpose()?)
}

/// Takes back what [`create_guests_in`] made: nothing of theirs was stored.
pub(super) async fn forget_guests_in(db: &Db, txn: &Txn, ids: &[UserId]) -> Result<(), DbErr> {
    if ids.is_empty() {
        return Ok(());
    }
    let places: Vec<String> = (1..=ids.len()).map(|i| format!("${i}")).collect();
    let sql = format!(
        "DELETE FROM users WHERE id IN ({}) AND is_guest = true",
        places.join(", ")
    );
    txn.execute_raw(db.statement(&sql, ids.iter().map(|id| id.0.into())))
        .await?;
    Ok(())
}

/// The account with this address.
///
/// # Errors
/// Where the database fails.
pub async fn by_email(db: &Db, email: &str) -> Result<Option<User>, DbError> {
    let found = Entity::find()
        .filter(Column::Email.eq(email))
        .one(&db.read)
        .await?;
    found.map(User::try_from).transpose()
}

/// The account with this identifier.
///
/// # Errors
/// Where the database fails.
pub async fn get(db: &Db, id: UserId) -> Result<Option<User>, DbError> {
    let found = Entity::find_by_id(id.0).one(&db.read).await?;
    found.map(User::try_from).transpose()
}

/// Where each token and session of the user may stand in the cache: all that are good, and those that were
/// ended in the last minute. To be asked after the commit of what they must not survive: whatever is made
/// after that knows of it.
///
/// # Errors
/// Where the database fails.
pub async fn proofs_of(db: &Db, user: UserId) -> Result<Vec<String>, DbError> {
    let sql = "SELECT fingerprint, true AS is_token FROM api_tokens
            WHERE user_id = $1 AND expires_at > {now} - 60000 AND coalesce(revoked_at, {now}) > {now} - 60000
        UNION ALL
        SELECT fingerprint, false AS is_token FROM sessions
            WHERE user_id = $1 AND expires_at > {now} - 60000 AND coalesce(ended_at, {now}) > {now} - 60000";
    let rows = db.query_all(sql, vec![user.0.into()]).await?;
    rows.iter()
        .map(|row| {
            let kind = match row.try_get("", "is_token")? {
                true => ProofKind::Token,
                false => ProofKind::Session,
            };
            Ok(kind.cache_key(&fingerprint_of(row)?))
        })
        .collect()
}

fn fingerprint_of(row: &QueryResult) -> Result<Fingerprint, DbError> {
    let bytes: Vec<u8> = row.try_get("", "fingerprint")?;
    bytes
        .try_into()
        .map_err(|_| DbError::Statement("a fingerprint does not have 32 bytes".to_owned()))
}

/// Stores the hash of the same password, made anew; nothing where the password was changed meanwhile.
///
/// # Errors
/// Where the database fails.
pub async fn rehash(db: &Db, id: UserId, old: &str, new: &str) -> Result<(), DbError> {
    db.execute(
        "UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2",
        vec![id.0.into(), old.into(), new.into()],
    )
    .await?;
    Ok(())
}
