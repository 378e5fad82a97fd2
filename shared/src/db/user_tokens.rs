//! The table `api_tokens` as an administrator sees and changes it: the tokens of one user.

use sea_orm::{ConnectionTrait, QueryResult};
use serde_json::json;

use super::{
    Db, DbError,
    api_tokens::read_json,
    audit::{self, Action, Origin},
};
use crate::{
    clock::UnixMillis,
    id::{TokenId, UserId},
    plan::PlanChanges,
};

/// A token, without anything that could serve as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserToken {
    /// Its identifier.
    pub id: TokenId,
    /// What its owner calls it.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// The models it may use; none: all.
    pub models: Option<Vec<String>>,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When it ends.
    pub expires_at: UnixMillis,
    /// When it was revoked.
    pub revoked_at: Option<UnixMillis>,
    /// When it was last used.
    pub last_used_at: Option<UnixMillis>,
    /// From where it was last used.
    pub last_used_address: Option<String>,
    /// The plan an admin gave it instead of its user's.
    pub plan: Option<String>,
    /// Limits an admin gave it.
    pub limits: Option<PlanChanges>,
}

const COLUMNS: &str = "id, name, scopes, models, created_at, expires_at, revoked_at, last_used_at,
    last_used_address, plan, limits";

/// The tokens of a user, ended ones too, newest first: at most `limit`, older than `before`.
///
/// # Errors
/// Where the database fails.
pub async fn list(
    db: &Db,
    user: UserId,
    before: Option<TokenId>,
    limit: u64,
) -> Result<Vec<UserToken>, DbError> {
    let older = if before.is_some() { "AND id < $3" } else { "" };
    let sql =
        format!("SELECT {COLUMNS} FROM api_tokens WHERE user_id = $1 {older} ORDER BY id DESC LIMIT $2");
    let mut values = vec![user.0.into(), i64::try_from(limit).unwrap_or(i64::MAX).into()];
    values.extend(before.map(|before| before.0.into()));
    let rows = db.query_all(&sql, values).await?;
    rows.iter().map(token_of).collect()
}

/// One token of a user.
///
/// # Errors
/// Where the database fails.
pub async fn get(db: &Db, user: UserId, token: TokenId) -> Result<Option<UserToken>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM api_tokens WHERE id = $1 AND user_id = $2");
    let row = db.query_one(&sql, vec![token.0.into(), user.0.into()]).await?;
    row.as_ref().map(token_of).transpose()
}

/// Revokes a token of a user; whether there is such a token. One that was revoked before stays so. The
/// caller voids what the cache has of it.
///
/// # Errors
/// Where the database fails.
pub async fn revoke(db: &Db, user: UserId, token: TokenId, origin: &Origin) -> Result<bool, DbError> {
    const SQL: &str =
        "UPDATE api_tokens SET revoked_at = {now} WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL";
    let statement = db.statement(SQL, [token.0.into(), user.0.into()]);
    let entry = origin.did(Action::TokenRevoke).user(user).subject(token);
    let revoked = db
        .transaction(move |txn| {
            let (db, statement, entry) = (db.clone(), statement.clone(), entry.clone());
            Box::pin(async move {
                let revoked = txn.execute_raw(statement).await?.rows_affected() > 0;
                if revoked {
                    audit::record_in(&db, txn, &entry).await?;
                }
                Ok(revoked)
            })
        })
        .await?;
    Ok(revoked || get(db, user, token).await?.is_some())
}

/// A token that has ended stays on its user's list for so long, milliseconds: 90 days.
const ENDED_MS: i64 = 90 * 86_400_000;
/// Most rows at once.
const CHUNK: i64 = 500;

/// Forgets tokens that ended long ago and of whose use nothing is counted any more, some at a time; how many.
///
/// # Errors
/// Where the database fails.
pub(super) async fn forget(db: &Db) -> Result<u64, DbError> {
    let sql = "WITH gone AS MATERIALIZED (
            SELECT j.id FROM api_tokens j
            WHERE (j.expires_at < {moment} - $1 OR j.revoked_at < {moment} - $1)
              AND NOT EXISTS (SELECT 1 FROM usage u WHERE u.user_id = j.user_id AND u.token_id = j.id)
            LIMIT $2 {skip_locked}
        ) DELETE FROM api_tokens WHERE id IN (SELECT id FROM gone)";
    db.execute(sql, vec![ENDED_MS.into(), CHUNK.into()]).await
}

/// What an admin gives a token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grant {
    /// A plan instead of its user's; none within: that of its user again. Absent: as it is.
    pub plan: Option<Option<String>>,
    /// Limits of its own; none within: those of the plan again. Absent: as they are.
    pub limits: Option<Option<PlanChanges>>,
}

/// Gives a token of a user a plan or limits of its own; whether there is such a token. The caller voids
/// what the cache has of it.
///
/// # Errors
/// Where the database fails.
pub async fn grant(
    db: &Db,
    owned: (UserId, TokenId),
    grant: &Grant,
    origin: &Origin,
) -> Result<bool, DbError> {
    const SQL: &str = "UPDATE api_tokens SET plan = CASE WHEN $3 THEN $4 ELSE plan END,
          limits = CASE WHEN $5 THEN $6 ELSE limits END
        WHERE id = $1 AND user_id = $2";
    let (user, token) = owned;
    let limits = grant.limits.clone().flatten().filter(|limits| !limits.is_empty());
    let text = limits.as_ref().map(serde_json::to_string).transpose();
    let text = text.map_err(|e| DbError::Statement(e.to_string()))?;
    let values = [
        token.0.into(),
        user.0.into(),
        grant.plan.is_some().into(),
        grant.plan.clone().flatten().into(),
        grant.limits.is_some().into(),
        text.into(),
    ];
    let mut detail = json!({});
    if let Some(plan) = &grant.plan {
        detail["plan"] = json!(plan);
    }
    if grant.limits.is_some() {
        detail["limits"] = json!(limits);
    }
    let entry = origin
        .did(Action::TokenLimit)
        .user(user)
        .subject(token)
        .detail(detail);
    let statement = db.statement(SQL, values);
    db.transaction(move |txn| {
        let (db, statement, entry) = (db.clone(), statement.clone(), entry.clone());
        Box::pin(async move {
            let found = txn.execute_raw(statement).await?.rows_affected() > 0;
            if found {
                audit::record_in(&db, txn, &entry).await?;
            }
            Ok(found)
        })
    })
    .await
}

fn token_of(row: &QueryResult) -> Result<UserToken, DbError> {
    let scopes: String = row.try_get("", "scopes")?;
    let models: Option<String> = row.try_get("", "models")?;
    let limits: Option<String> = row.try_get("", "limits")?;
    Ok(UserToken {
        id: TokenId(row.try_get("", "id")?),
        name: row.try_get("", "name")?,
        scopes: read_json(&scopes)?,
        models: models.as_deref().map(read_json).transpose()?,
        created_at: row.try_get("", "created_at")?,
        expires_at: row.try_get("", "expires_at")?,
        revoked_at: row.try_get("", "revoked_at")?,
        last_used_at: row.try_get("", "last_used_at")?,
        last_used_address: row.try_get("", "last_used_address")?,
        plan: row.try_get("", "plan")?,
        limits: limits.as_deref().map(read_json).transpose()?,
    })
}
