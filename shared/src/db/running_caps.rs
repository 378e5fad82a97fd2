//! How many jobs of a share may run at once, as its lanes tell it to claims. A submit writes that; what an
//! administrator changes is written here, for what waits already.

use super::{Db, DbError, api_tokens::read_json};
use crate::{
    id::{TokenId, UserId},
    plan::PlanChanges,
};

/// What the use of a share is measured by.
#[derive(Debug, Clone, PartialEq)]
pub struct Measure {
    /// The name of its plan.
    pub plan: String,
    /// What differs from that.
    pub limits: Option<PlanChanges>,
}

/// The shares that have jobs waiting.
///
/// # Errors
/// Where the database fails.
pub async fn shares(db: &Db) -> Result<Vec<String>, DbError> {
    let sql = "SELECT DISTINCT share_key FROM lanes WHERE waiting > 0";
    let rows = db.query_all(sql, vec![]).await?;
    Ok(rows
        .iter()
        .map(|row| row.try_get("", "share_key"))
        .collect::<Result<_, _>>()?)
}

/// What a user is measured by; none where there is no such user.
///
/// # Errors
/// Where the database fails.
pub async fn of_user(db: &Db, user: UserId) -> Result<Option<Measure>, DbError> {
    let sql = "SELECT plan FROM users WHERE id = $1";
    let Some(row) = db.query_one(sql, vec![user.0.into()]).await? else {
        return Ok(None);
    };
    let plan = row.try_get("", "plan")?;
    Ok(Some(Measure { plan, limits: None }))
}

/// What a token with limits of its own is measured by; none where there is no such token.
///
/// # Errors
/// Where the database fails.
pub async fn of_token(db: &Db, token: TokenId) -> Result<Option<Measure>, DbError> {
    let sql =
        "SELECT coalesce(t.plan, u.plan) AS plan, t.limits FROM api_tokens t JOIN users u ON u.id = t.user_id
        WHERE t.id = $1";
    let Some(row) = db.query_one(sql, vec![token.0.into()]).await? else {
        return Ok(None);
    };
    let limits: Option<String> = row.try_get("", "limits")?;
    Ok(Some(Measure {
        plan: row.try_get("", "plan")?,
        limits: limits.as_deref().map(read_json).transpose()?,
    }))
}

/// Sets how many jobs of a share may run at once on each model; none: any number.
///
/// # Errors
/// Where the database fails.
pub async fn set(db: &Db, share: &str, cap: Option<i32>) -> Result<(), DbError> {
    let sql = "UPDATE lanes SET running_cap = $2 WHERE share_key = $1 AND running_cap IS DISTINCT FROM $2";
    db.execute(sql, vec![share.into(), cap.into()]).await?;
    Ok(())
}
