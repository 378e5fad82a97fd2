//! A user's API tokens as their owner sees and changes them: list, issue, rotate, revoke, delete. Each change
//! writes its entry of the audit log in the same transaction.
//!
//! Not here: whether a token is good (`api_tokens`), and what its text is.

use sea_orm::{ConnectionTrait, DbErr, QueryResult, Value};
use serde::de::DeserializeOwned;

use super::{
    Db, DbError,
    api_tokens::NewToken,
    audit::{Entry, record_in},
    connection::Txn,
};
use crate::{
    clock::UnixMillis,
    id::{TokenId, UserId},
    plan::PlanChanges,
    proof::Fingerprint,
};

/// A token with what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Its identifier.
    pub id: TokenId,
    /// Who acts with it.
    pub user: UserId,
    /// What its owner calls it.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// The models it may use; none: all.
    pub models: Option<Vec<String>>,
    /// The plan an admin gave it.
    pub plan: Option<String>,
    /// Limits an admin gave it.
    pub limits: Option<PlanChanges>,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When it ends.
    pub expires_at: UnixMillis,
    /// Whether it has ended, by the database's clock.
    pub expired: bool,
    /// When it was revoked.
    pub revoked_at: Option<UnixMillis>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<UnixMillis>,
    /// From where.
    pub last_used_address: Option<String>,
    /// The token that took its place.
    pub rotated_to: Option<TokenId>,
    /// The token whose use its own counts with, where that is not itself.
    pub share: Option<TokenId>,
    /// The last four characters of its text; none for tokens from before they were kept.
    pub last4: Option<String>,
    /// SHA-256 of its text.
    pub fingerprint: Fingerprint,
}

impl Token {
    /// Whether it may be used now.
    pub fn is_live(&self) -> bool {
        self.revoked_at.is_none() && !self.expired
    }
}

const COLUMNS: &str = "id, user_id, name, scopes, models, plan, limits, created_at, expires_at,
    expires_at <= {now} AS expired, revoked_at, last_used_at, last_used_address, rotated_to, share_id, last4,
    fingerprint";

impl TryFrom<&QueryResult> for Token {
    type Error = DbErr;

    fn try_from(row: &QueryResult) -> Result<Self, DbErr> {
        let text = |column: &str| row.try_get::<Option<String>>("", column);
        let token = |column: &str| row.try_get::<Option<uuid::Uuid>>("", column);
        Ok(Self {
            id: TokenId(row.try_get("", "id")?),
            user: UserId(row.try_get("", "user_id")?),
            name: row.try_get("", "name")?,
            scopes: read_json(&row.try_get::<String>("", "scopes")?)?,
            models: text("models")?.as_deref().map(read_json).transpose()?,
            plan: text("plan")?,
            limits: text("limits")?.as_deref().map(read_json).transpose()?,
            created_at: row.try_get("", "created_at")?,
            expires_at: row.try_get("", "expires_at")?,
            expired: row.try_get("", "expired")?,
            revoked_at: row.try_get("", "revoked_at")?,
            last_used_at: row.try_get("", "last_used_at")?,
            last_used_address: text("last_used_address")?,
            rotated_to: token("rotated_to")?.map(TokenId),
            share: token("share_id")?.map(TokenId),
            last4: text("last4")?,
            fingerprint: fingerprint(row)?,
        })
    }
}

/// What a token gets beyond what its owner asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms {
    /// Live tokens that its owner may have then; none: any number.
    pub most: Option<u32>,
    /// The plan an admin gives it, or gave the token that this one comes from.
    pub plan: Option<String>,
    /// Limits an admin gave the token that this one comes from.
    pub limits: Option<PlanChanges>,
    /// Whose use goes on with it: else whoever has limits of their own would begin anew with every token they make.
    pub share: Option<TokenId>,
}

impl Terms {
    /// Those of a token that comes from this one.
    pub fn of(token: &Token, most: u32) -> Self {
        Self {
            most: Some(most),
            plan: token.plan.clone(),
            limits: token.limits.clone(),
            share: Some(token.share.unwrap_or(token.id)),
        }
    }
}

/// What became of a token to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Issued {
    /// It is stored.
    Stored,
    /// Its owner has as many as they may.
    TooMany,
    /// The one it should take the place of is not live, or was rotated before.
    Ended,
}

/// Stores a token, where its owner may have one more: exact, however many ask at once.
///
/// # Errors
/// Where the database fails.
pub async fn issue(db: &Db, token: &NewToken, terms: &Terms, entry: &Entry) -> Result<Issued, DbError> {
    db.transaction(|txn| {
        let (db, token, terms, entry) = (db.clone(), token.clone(), terms.clone(), entry.clone());
        Box::pin(async move {
            lock_owner(&db, txn, token.user).await?;
            if !has_room(&db, txn, (token.user, None), &terms).await? {
                return Ok(Issued::TooMany);
            }
            insert_in(&db, txn, &token, &terms).await?;
            record_in(&db, txn, &entry).await?;
            Ok(Issued::Stored)
        })
    })
    .await
}

/// Stores a token in the place of another of its owner, which ends `overlap_ms` from now, or when it would
/// have ended anyway. Without an overlap it is revoked.
///
/// # Errors
/// Where the database fails.
pub async fn rotate(
    db: &Db,
    (old, overlap_ms): (TokenId, i64),
    token: &NewToken,
    terms: &Terms,
    entry: &Entry,
) -> Result<Issued, DbError> {
    const END: &str = "UPDATE api_tokens SET rotated_to = $3,
            revoked_at = CASE WHEN $4 = 0 THEN {now} END,
            expires_at = CASE WHEN expires_at < {now} + $4 THEN expires_at ELSE {now} + $4 END
        WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL AND rotated_to IS NULL AND expires_at > {now}";
    db.transaction(|txn| {
        let (db, token, terms, entry) = (db.clone(), token.clone(), terms.clone(), entry.clone());
        Box::pin(async move {
            lock_owner(&db, txn, token.user).await?;
            let leaves = (overlap_ms == 0).then_some(old);
            if !has_room(&db, txn, (token.user, leaves), &terms).await? {
                return Ok(Issued::TooMany);
            }
            let values = [
                old.0.into(),
                token.user.0.into(),
                token.id.0.into(),
                overlap_ms.into(),
            ];
            if txn.execute_raw(db.statement(END, values)).await?.rows_affected() == 0 {
                return Ok(Issued::Ended);
            }
            insert_in(&db, txn, &token, &terms).await?;
            record_in(&db, txn, &entry).await?;
            Ok(Issued::Stored)
        })
    })
    .await
}

/// Of the same owner one goes after the other.
async fn lock_owner(db: &Db, txn: &Txn, user: UserId) -> Result<(), DbErr> {
    let sql = "SELECT id FROM users WHERE id = $1 {for_update}";
    txn.query_one_raw(db.statement(sql, [user.0.into()])).await?;
    Ok(())
}

/// Whether the user may have one more token, where one of theirs leaves or none does.
async fn has_room(
    db: &Db,
    txn: &Txn,
    (user, leaves): (UserId, Option<TokenId>),
    terms: &Terms,
) -> Result<bool, DbErr> {
    let Some(most) = terms.most else { return Ok(true) };
    let sql = "SELECT count(*) AS live FROM api_tokens
        WHERE user_id = $1 AND id <> $2 AND revoked_at IS NULL AND expires_at > {now}";
    let leaves = leaves.map_or(uuid::Uuid::nil(), |token| token.0);
    let row = txn
        .query_one_raw(db.statement(sql, [user.0.into(), leaves.into()]))
        .await?;
    let live: i64 = row.map_or(Ok(0), |row| row.try_get("", "live"))?;
    Ok(live < i64::from(most))
}

async fn insert_in(db: &Db, txn: &Txn, token: &NewToken, terms: &Terms) -> Result<(), DbErr> {
    let sql = "INSERT INTO api_tokens
            (id, user_id, name, scopes, fingerprint, created_at, expires_at, models, plan, limits, share_id, last4)
        VALUES ($1, $2, $3, $4, $5, {now}, $6, $7, $8, $9, $10, $11)";
    let values: [Value; 11] = [
        token.id.0.into(),
        token.user.0.into(),
        token.name.as_str().into(),
        write_json(&token.scopes)?.into(),
        token.fingerprint.to_vec().into(),
        token.expires_at.into(),
        token.models.as_ref().map(write_json).transpose()?.into(),
        terms.plan.clone().into(),
        terms.limits.as_ref().map(write_json).transpose()?.into(),
        terms.share.map(|share| share.0).into(),
        token.last4.clone().into(),
    ];
    txn.execute_raw(db.statement(sql, values)).await?;
    Ok(())
}

/// The user's tokens, newest first: at most `limit`, older than `before`.
///
/// # Errors
/// Where the database fails.
pub async fn list(db: &Db, user: UserId, before: Option<TokenId>, limit: u64) -> Result<Vec<Token>, DbError> {
    let older = if before.is_some() { "AND id < $3" } else { "" };
    let sql =
        format!("SELECT {COLUMNS} FROM api_tokens WHERE user_id = $1 {older} ORDER BY id DESC LIMIT $2");
    let mut values = vec![user.0.into(), i64::try_from(limit).unwrap_or(i64::MAX).into()];
    values.extend(before.map(|before| before.0.into()));
    let rows = db.query_all(&sql, values).await?;
    Ok(rows.iter().map(Token::try_from).collect::<Result<_, _>>()?)
}

/// One token of the user.
///
/// # Errors
/// Where the database fails.
pub async fn get(db: &Db, user: UserId, id: TokenId) -> Result<Option<Token>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM api_tokens WHERE user_id = $1 AND id = $2");
    let row = db.query_one(&sql, vec![user.0.into(), id.0.into()]).await?;
    Ok(row.as_ref().map(Token::try_from).transpose()?)
}

/// Ends a token of the user at once, unless it has been; its fingerprint, or none where there is no such token.
/// The row stays, for the record.
///
/// # Errors
/// Where the database fails.
pub async fn revoke(
    db: &Db,
    user: UserId,
    id: TokenId,
    entry: &Entry,
) -> Result<Option<Fingerprint>, DbError> {
    let sql =
        "UPDATE api_tokens SET revoked_at = {now} WHERE user_id = $1 AND id = $2 AND revoked_at IS NULL";
    end(db, (user, id), sql, entry).await
}

/// Removes a token of the user; its fingerprint, or none where there is no such token.
///
/// # Errors
/// Where the database fails.
pub async fn delete(
    db: &Db,
    user: UserId,
    id: TokenId,
    entry: &Entry,
) -> Result<Option<Fingerprint>, DbError> {
    end(
        db,
        (user, id),
        "DELETE FROM api_tokens WHERE user_id = $1 AND id = $2",
        entry,
    )
    .await
}

async fn end(
    db: &Db,
    (user, id): (UserId, TokenId),
    change: &'static str,
    entry: &Entry,
) -> Result<Option<Fingerprint>, DbError> {
    db.transaction(|txn| {
        let (db, entry) = (db.clone(), entry.clone());
        Box::pin(async move {
            let values = || [user.0.into(), id.0.into()];
            let sql = "SELECT fingerprint FROM api_tokens WHERE user_id = $1 AND id = $2";
            let Some(row) = txn.query_one_raw(db.statement(sql, values())).await? else {
                return Ok(None);
            };
            if txn
                .execute_raw(db.statement(change, values()))
                .await?
                .rows_affected()
                > 0
            {
                record_in(&db, txn, &entry).await?;
            }
            fingerprint(&row).map(Some)
        })
    })
    .await
}

fn fingerprint(row: &QueryResult) -> Result<Fingerprint, DbErr> {
    let bytes: Vec<u8> = row.try_get("", "fingerprint")?;
    bytes
        .try_into()
        .map_err(|_| DbErr::Type("a fingerprint does not have 32 bytes".to_owned()))
}

fn read_json<T: DeserializeOwned>(text: &str) -> Result<T, DbErr> {
    serde_json::from_str(text).map_err(|e| DbErr::Json(format!("a column of a token: {e}")))
}

fn write_json(value: &impl serde::Serialize) -> Result<String, DbErr> {
    serde_json::to_string(value).map_err(|e| DbErr::Json(e.to_string()))
}
