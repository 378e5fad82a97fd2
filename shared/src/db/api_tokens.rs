//! The table `api_tokens`: fingerprints of the tokens that were issued. The text of a token is never here.

use sea_orm::ConnectionTrait;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    Db, DbError,
    audit::{self, Action, Origin},
    users::Role,
};
use crate::{
    clock::UnixMillis,
    id::{TokenId, UserId},
    plan::PlanChanges,
};

/// A token to be stored.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// Its identifier.
    pub id: TokenId,
    /// Who acts with it.
    pub user: UserId,
    /// What its owner calls it.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// SHA-256 of its text.
    pub fingerprint: [u8; 32],
    /// When it ends.
    pub expires_at: UnixMillis,
    /// The models it may use; none: all.
    pub models: Option<Vec<String>>,
    /// The last four characters of its text, for people to tell it from others.
    pub last4: Option<String>,
}

/// A token that may be used now, as it is kept in the cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Live {
    /// Its identifier.
    pub token: TokenId,
    /// Who acts with it.
    pub user: UserId,
    /// What that user may do.
    pub role: Role,
    /// What the token may do.
    pub scopes: Vec<String>,
    /// The models it may use; none: all.
    pub models: Option<Vec<String>>,
    /// The plan of its user.
    pub user_plan: String,
    /// The plan an admin gave it instead.
    pub plan: Option<String>,
    /// Limits an admin gave it.
    pub limits: Option<PlanChanges>,
    /// The token whose use its own counts with, where it has a plan or limits of its own: itself, or the first of
    /// those that it comes from.
    pub share: TokenId,
    /// When it ends.
    pub expires_at: UnixMillis,
}

/// Stores an issued token.
///
/// # Errors
/// Where the database fails, or the fingerprint is there already.
pub async fn insert(db: &Db, token: &NewToken) -> Result<(), DbError> {
    let scopes = serde_json::to_string(&token.scopes).map_err(|e| DbError::Statement(e.to_string()))?;
    let models = token.models.as_ref().map(serde_json::to_string).transpose();
    let models = models.map_err(|e| DbError::Statement(e.to_string()))?;
    db.execute(
        "INSERT INTO api_tokens (id, user_id, name, scopes, fingerprint, created_at, expires_at, models, last4)
         VALUES ($1, $2, $3, $4, $5, {now}, $6, $7, $8)",
        vec![
            token.id.0.into(),
            token.user.0.into(),
            token.name.as_str().into(),
            scopes.into(),
            token.fingerprint.to_vec().into(),
            token.expires_at.into(),
            models.into(),
            token.last4.clone().into(),
        ],
    )
    .await?;
    Ok(())
}

pub(super) fn read_json<T: DeserializeOwned>(text: &str) -> Result<T, DbError> {
    serde_json::from_str(text).map_err(|e| DbError::Statement(format!("a column of a token: {e}")))
}

/// The token with this fingerprint, if it is neither revoked nor, by the database's clock, expired, and its user's
/// account may be used.
///
/// # Errors
/// Where the database fails.
pub async fn live(db: &Db, fingerprint: &[u8; 32]) -> Result<Option<Live>, DbError> {
    Ok(live_for(db, fingerprint).await?.map(|(live, _)| live))
}

/// The same, and how many milliseconds it has left.
///
/// # Errors
/// Where the database fails.
pub async fn live_for(db: &Db, fingerprint: &[u8; 32]) -> Result<Option<(Live, i64)>, DbError> {
    let sql = "SELECT t.id AS token_id, t.scopes, t.models, t.plan, t.limits, t.share_id, t.expires_at,
            t.expires_at - {now} AS left_ms, u.id AS user_id, u.role, u.plan AS user_plan
        FROM api_tokens t JOIN users u ON u.id = t.user_id
        WHERE t.fingerprint = $1 AND t.revoked_at IS NULL AND t.expires_at > {now}
          AND u.disabled_at IS NULL AND u.delete_at IS NULL
          AND u.verified_at IS NOT NULL AND u.approved_at IS NOT NULL";
    let Some(row) = db.query_one(sql, vec![fingerprint.to_vec().into()]).await? else {
        return Ok(None);
    };
    let text = |column: &str| row.try_get::<Option<String>>("", column);
    let token = TokenId(row.try_get("", "token_id")?);
    let share: Option<uuid::Uuid> = row.try_get("", "share_id")?;
    let live = Live {
        token,
        share: share.map_or(token, TokenId),
        user: UserId(row.try_get("", "user_id")?),
        role: Role::parse(&row.try_get::<String>("", "role")?)?,
        scopes: read_json(&row.try_get::<String>("", "scopes")?)?,
        models: text("models")?.as_deref().map(read_json).transpose()?,
        user_plan: row.try_get("", "user_plan")?,
        plan: text("plan")?,
        limits: text("limits")?.as_deref().map(read_json).transpose()?,
        expires_at: row.try_get("", "expires_at")?,
    };
    Ok(Some((live, row.try_get("", "left_ms")?)))
}

/// What became of a revocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revocation {
    /// It ended the token.
    Now,
    /// The token was revoked before, at this time.
    Before(UnixMillis),
}

/// Ends the token with this fingerprint at once; none where there is no such token. The row stays, for the
/// record.
///
/// # Errors
/// Where the database fails.
pub async fn revoke(db: &Db, fingerprint: &[u8; 32], origin: &Origin) -> Result<Option<Revocation>, DbError> {
    const SQL: &str = "UPDATE api_tokens SET revoked_at = {now} WHERE fingerprint = $1 AND revoked_at IS NULL
        RETURNING id, user_id";
    let statement = db.statement(SQL, [fingerprint.to_vec().into()]);
    let entry = origin.did(Action::TokenRevoke);
    let revoked = db.transaction(move |txn| {
        let (db, statement, entry) = (db.clone(), statement.clone(), entry.clone());
        Box::pin(async move {
            let Some(row) = txn.query_one_raw(statement).await? else {
                return Ok(false);
            };
            let (user, token) = (row.try_get("", "user_id")?, row.try_get("", "id")?);
            let entry = entry.user(UserId(user)).subject(TokenId(token));
            audit::record_in(&db, txn, &entry).await?;
            Ok(true)
        })
    });
    if revoked.await? {
        return Ok(Some(Revocation::Now));
    }
    let sql = "SELECT revoked_at FROM api_tokens WHERE fingerprint = $1";
    let row = db.query_one(sql, vec![fingerprint.to_vec().into()]).await?;
    let at: Option<UnixMillis> = row.map(|row| row.try_get("", "revoked_at")).transpose()?;
    Ok(at.map(Revocation::Before))
}

/// Notes that the token was used and from where, at a grain of a minute.
///
/// # Errors
/// Where the database fails.
pub async fn touch(db: &Db, token: TokenId, address: &str) -> Result<(), DbError> {
    db.execute(
        "UPDATE api_tokens SET last_used_at = {now}, last_used_address = $2
         WHERE id = $1 AND coalesce(last_used_at, 0) < {now} - 60000",
        vec![token.0.into(), address.into()],
    )
    .await?;
    Ok(())
}
