//! The table `sessions`: logins. Of the cookie only the fingerprint is kept.

use serde::{Deserialize, Serialize};

use super::{Db, DbError, users::Role};
use crate::{
    clock::UnixMillis,
    id::{SessionId, UserId},
};

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

/// The session with this fingerprint, if it was not ended, was used within `idle_ms`, and, by the database's
/// clock, is not over.
///
/// # Errors
/// Where the database fails.
pub async fn live(db: &Db, fingerprint: &[u8; 32], idle_ms: i64) -> Result<Option<Live>, DbError> {
    let sql =
        "SELECT s.id AS session_id, s.user_id, s.authenticated_at, s.expires_at, s.seen_at, u.role, u.plan
        FROM sessions s JOIN users u ON u.id = s.user_id
        WHERE s.fingerprint = $1 AND s.ended_at IS NULL AND s.expires_at > {now} AND s.seen_at > {now} - $2
          AND u.disabled_at IS NULL AND u.delete_at IS NULL";
    let values = vec![fingerprint.to_vec().into(), idle_ms.into()];
    let Some(row) = db.query_one(sql, values).await? else {
        return Ok(None);
    };
    let over: UnixMillis = row.try_get("", "expires_at")?;
    let seen: UnixMillis = row.try_get("", "seen_at")?;
    Ok(Some(Live {
        session: SessionId(row.try_get("", "session_id")?),
        user: UserId(row.try_get("", "user_id")?),
        role: Role::parse(&row.try_get::<String>("", "role")?)?,
        plan: row.try_get("", "plan")?,
        authenticated_at: row.try_get("", "authenticated_at")?,
        expires_at: over.min(seen + idle_ms),
    }))
}
