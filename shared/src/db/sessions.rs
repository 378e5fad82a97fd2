//! The table `sessions`: logins. Of the cookie only the fingerprint is kept.
//!
//! Whoever ends sessions here voids what the cache knows of them afterwards: hence the fingerprints.

use sea_orm::{ConnectionTrait, DbErr, QueryResult};
use serde::{Deserialize, Serialize};

use super::{
    Db, DbError,
    audit::{self, Action, Entry, Origin},
    connection::Txn,
    users::Role,
};
use crate::{
    clock::UnixMillis,
    id::{SessionId, UserId},
    proof::Fingerprint,
};

/// Sessions are kept so long after they are over, milliseconds.
const KEPT_MS: i64 = 30 * 86_400_000;
/// Most rows in one transaction of housekeeping.
const CHUNK: i64 = 500;

/// A session that may be used now, as it is kept in the cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Live {
    /// Its identifier.
    pub session: SessionId,
    /// Who is logged in.
    pub user: UserId,
    /// What they may do.
    pub role: Role,
    /// Their plan.
    pub plan: String,
    /// When they last showed who they are.
    pub authenticated_at: UnixMillis,
    /// When it ends, if it is not used before.
    pub expires_at: UnixMillis,
}

/// A session to be stored.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Its identifier.
    pub id: SessionId,
    /// Who logs in.
    pub user: UserId,
    /// Of its cookie.
    pub fingerprint: Fingerprint,
    /// The stored password that was compared; the login is void where it is another one by now. None: they
    /// showed in another way who they are.
    pub password_hash: Option<String>,
    /// Of the cookie that the login brought along, whose session ends.
    pub replaces: Option<Fingerprint>,
    /// How long it lasts at most, milliseconds.
    pub life_ms: i64,
    /// From where.
    pub address: String,
    /// With what.
    pub user_agent: Option<String>,
    /// Who asks, for the audit log.
    pub origin: Origin,
}

/// What became of a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Started {
    /// When it ends at the latest.
    pub expires_at: UnixMillis,
    /// Whether the account was to be deleted, and no longer is.
    pub restored: bool,
}

/// A session as its user sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its identifier.
    pub id: SessionId,
    /// When it began.
    pub created_at: UnixMillis,
    /// When its user last showed who they are.
    pub authenticated_at: UnixMillis,
    /// When it was last used, within a minute.
    pub seen_at: UnixMillis,
    /// When it ends at the latest.
    pub expires_at: UnixMillis,
    /// From where it began.
    pub address: Option<String>,
    /// With what it began.
    pub user_agent: Option<String>,
}

/// The session with this fingerprint, if it was not ended, was used within `idle_ms`, and, by the database's
/// clock, is not over.
///
/// # Errors
/// Where the database fails.
pub async fn live(db: &Db, fingerprint: &Fingerprint, idle_ms: i64) -> Result<Option<Live>, DbError> {
    Ok(live_for(db, fingerprint, idle_ms).await?.map(|(live, _)| live))
}

/// The same, and how many milliseconds it has left.
///
/// # Errors
/// Where the database fails.
pub async fn live_for(
    db: &Db,
    fingerprint: &Fingerprint,
    idle_ms: i64,
) -> Result<Option<(Live, i64)>, DbError> {
    let sql =
        "SELECT s.id AS session_id, s.user_id, s.authenticated_at, s.expires_at, s.seen_at, {now} AS now,
            u.role, u.plan
        FROM sessions s JOIN users u ON u.id = s.user_id
        WHERE s.fingerprint = $1 AND s.ended_at IS NULL AND s.expires_at > {now} AND s.seen_at > {now} - $2
          AND u.disabled_at IS NULL AND u.delete_at IS NULL
          AND u.verified_at IS NOT NULL AND u.approved_at IS NOT NULL";
    let values = vec![fingerprint.to_vec().into(), idle_ms.into()];
    let Some(row) = db.query_one(sql, values).await? else {
        return Ok(None);
    };
    let over: UnixMillis = row.try_get("", "expires_at")?;
    let seen: UnixMillis = row.try_get("", "seen_at")?;
    let live = Live {
        session: SessionId(row.try_get("", "session_id")?),
        user: UserId(row.try_get("", "user_id")?),
        role: Role::parse(&row.try_get::<String>("", "role")?)?,
        plan: row.try_get("", "plan")?,
        authenticated_at: row.try_get("", "authenticated_at")?,
        expires_at: over.min(seen + idle_ms),
    };
    let left = live.expires_at - row.try_get::<UnixMillis>("", "now")?;
    Ok(Some((live, left)))
}

/// Stores a login: the session, what the account remembers of it, and the entry of the audit log. The one it
/// replaces ends, and an account that was to be deleted stays. None where the account is gone or going, disabled, or
/// has another password by now.
///
/// # Errors
/// Where the database fails.
pub async fn insert(db: &Db, new: &NewSession) -> Result<Option<Started>, DbError> {
    db.transaction(|txn| {
        let (db, new) = (db.clone(), new.clone());
        Box::pin(async move { insert_in(&db, txn, &new).await })
    })
    .await
}

async fn insert_in(db: &Db, txn: &Txn, new: &NewSession) -> Result<Option<Started>, DbErr> {
    let sql =
        "SELECT delete_at FROM users WHERE id = $1 AND disabled_at IS NULL AND coalesce(delete_at, 1) > 0
          AND coalesce($2, password_hash, '') = coalesce(password_hash, '') {for_update}";
    let values = [new.user.0.into(), new.password_hash.clone().into()];
    let Some(user) = txn.query_one_raw(db.statement(sql, values)).await? else {
        return Ok(None);
    };
    let restored = user.try_get::<Option<UnixMillis>>("", "delete_at")?.is_some();
    let sql =
        "UPDATE users SET delete_at = NULL, last_login_at = {now}, last_login_address = $2 WHERE id = $1";
    let values = [new.user.0.into(), new.address.as_str().into()];
    txn.execute_raw(db.statement(sql, values)).await?;
    if let Some(fingerprint) = new.replaces {
        let sql = "UPDATE sessions SET ended_at = {now} WHERE fingerprint = $1 AND ended_at IS NULL";
        txn.execute_raw(db.statement(sql, [fingerprint.to_vec().into()]))
            .await?;
    }
    let sql = "INSERT INTO sessions
        (id, user_id, fingerprint, created_at, authenticated_at, seen_at, expires_at, address, user_agent)
        VALUES ($1, $2, $3, {now}, {now}, {now}, {now} + $4, $5, $6) RETURNING expires_at";
    let values = [
        new.id.0.into(),
        new.user.0.into(),
        new.fingerprint.to_vec().into(),
        new.life_ms.into(),
        new.address.as_str().into(),
        new.user_agent.clone().into(),
    ];
    let row = txn.query_one_raw(db.statement(sql, values)).await?;
    let row = row.ok_or_else(|| DbErr::Custom("a stored session gave no row".to_owned()))?;
    if restored {
        let entry = new.origin.did(Action::AccountRestore).user(new.user);
        audit::record_in(db, txn, &entry).await?;
    }
    let entry = new
        .origin
        .did(Action::SessionCreate)
        .user(new.user)
        .subject(new.id);
    audit::record_in(db, txn, &entry).await?;
    Ok(Some(Started {
        expires_at: row.try_get("", "expires_at")?,
        restored,
    }))
}

/// Live sessions of a user, the latest first.
///
/// # Errors
/// Where the database fails.
pub async fn list(db: &Db, user: UserId, idle_ms: i64) -> Result<Vec<Session>, DbError> {
    let sql =
        "SELECT id, created_at, authenticated_at, seen_at, expires_at, address, user_agent FROM sessions
        WHERE user_id = $1 AND ended_at IS NULL AND expires_at > {now} AND seen_at > {now} - $2
        ORDER BY id DESC LIMIT 1000";
    let rows = db.query_all(sql, vec![user.0.into(), idle_ms.into()]).await?;
    rows.iter().map(|row| Ok(session(row)?)).collect()
}

/// One session of a user, also one that is over.
///
/// # Errors
/// Where the database fails.
pub async fn get(db: &Db, user: UserId, id: SessionId) -> Result<Option<Session>, DbError> {
    let sql =
        "SELECT id, created_at, authenticated_at, seen_at, expires_at, address, user_agent FROM sessions
        WHERE user_id = $1 AND id = $2";
    let row = db.query_one(sql, vec![user.0.into(), id.0.into()]).await?;
    Ok(row.as_ref().map(session).transpose()?)
}

fn session(row: &QueryResult) -> Result<Session, DbErr> {
    Ok(Session {
        id: SessionId(row.try_get("", "id")?),
        created_at: row.try_get("", "created_at")?,
        authenticated_at: row.try_get("", "authenticated_at")?,
        seen_at: row.try_get("", "seen_at")?,
        expires_at: row.try_get("", "expires_at")?,
        address: row.try_get("", "address")?,
        user_agent: row.try_get("", "user_agent")?,
    })
}

/// Ends one session of a user; its fingerprint, or none where there is no such live one.
///
/// # Errors
/// Where the database fails.
pub async fn end(
    db: &Db,
    user: UserId,
    id: SessionId,
    entry: &Entry,
) -> Result<Option<Fingerprint>, DbError> {
    db.transaction(|txn| {
        let (db, entry) = (db.clone(), entry.clone());
        Box::pin(async move {
            let sql =
                "UPDATE sessions SET ended_at = {now} WHERE id = $1 AND user_id = $2 AND ended_at IS NULL
                RETURNING fingerprint";
            let values = [id.0.into(), user.0.into()];
            let Some(row) = txn.query_one_raw(db.statement(sql, values)).await? else {
                return Ok(None);
            };
            audit::record_in(&db, txn, &entry).await?;
            fingerprint(&row).map(Some)
        })
    })
    .await
}

/// Ends all sessions of a user but `keep`; their fingerprints.
///
/// # Errors
/// Where the database fails.
pub async fn end_all(
    db: &Db,
    user: UserId,
    keep: Option<SessionId>,
    entry: &Entry,
) -> Result<Vec<Fingerprint>, DbError> {
    db.transaction(|txn| {
        let (db, entry) = (db.clone(), entry.clone());
        Box::pin(async move {
            let ended = end_all_in(&db, txn, user, keep).await?;
            audit::record_in(&db, txn, &entry).await?;
            Ok(ended)
        })
    })
    .await
}

/// Ends all sessions of a user but `keep` within the transaction of the reason for it; their fingerprints.
pub(super) async fn end_all_in(
    db: &Db,
    txn: &Txn,
    user: UserId,
    keep: Option<SessionId>,
) -> Result<Vec<Fingerprint>, DbErr> {
    let sql = "UPDATE sessions SET ended_at = {now} WHERE user_id = $1 AND ended_at IS NULL AND id <> $2
        RETURNING fingerprint";
    // No session has the nil id.
    let keep = keep.map_or(uuid::Uuid::nil(), |id| id.0);
    let rows = txn
        .query_all_raw(db.statement(sql, [user.0.into(), keep.into()]))
        .await?;
    rows.iter().map(fingerprint).collect()
}

fn fingerprint(row: &QueryResult) -> Result<Fingerprint, DbErr> {
    let bytes: Vec<u8> = row.try_get("", "fingerprint")?;
    Fingerprint::try_from(bytes).map_err(|_| DbErr::Custom("a fingerprint has 32 bytes".to_owned()))
}

/// Notes that a session was used, where that was noted longer than `grain_ms` ago.
///
/// # Errors
/// Where the database fails.
pub async fn touch(db: &Db, id: SessionId, grain_ms: i64) -> Result<(), DbError> {
    db.execute(
        "UPDATE sessions SET seen_at = {now} WHERE id = $1 AND ended_at IS NULL AND seen_at <= {now} - $2",
        vec![id.0.into(), grain_ms.into()],
    )
    .await?;
    Ok(())
}

/// Forgets sessions that were over long ago, some at a time; how many.
///
/// # Errors
/// Where the database fails.
pub async fn forget(db: &Db) -> Result<u64, DbError> {
    let sql = "WITH gone AS MATERIALIZED (
            SELECT j.id FROM sessions j WHERE j.expires_at < {moment} - $1 LIMIT $2 {skip_locked}
        ) DELETE FROM sessions WHERE id IN (SELECT id FROM gone)";
    db.execute(sql, vec![KEPT_MS.into(), CHUNK.into()]).await
}
