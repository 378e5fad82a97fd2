//! Tokens that end soon: their owners hear of it once, some days before, and once more the day before.

use std::sync::Arc;

use sea_orm::{ConnectionTrait, DbErr, QueryResult};

use super::{
    Db, DbError,
    tasks::{self, NewTask},
};
use crate::id::{TokenId, UserId};

/// Days before the end at which an owner hears of it; the last reminder first.
const DAYS: [u32; 2] = [1, 7];
const DAY_MS: i64 = 86_400_000;
/// Most tokens in one transaction.
const CHUNK: i64 = 100;

/// A token that ends soon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// The token.
    pub token: TokenId,
    /// What its owner calls it.
    pub name: String,
    /// Its owner.
    pub user: UserId,
    /// Their address.
    pub email: String,
    /// Their language, where it is known.
    pub locale: Option<String>,
    /// Days that are left, at most.
    pub days: u32,
}

/// Not for a token that lives no more than twice as long as is left (its owner still knows), or that has a
/// successor, nor for somebody who can't use it. Which processes look, and how often, does not matter:
/// the token says what was told of it.
const PICK: &str = "
    WITH soon AS MATERIALIZED (
        SELECT j.id FROM api_tokens j
        WHERE j.revoked_at IS NULL AND j.expires_at > {moment} AND j.expires_at <= {moment} + $1
          AND (j.reminded_days IS NULL OR j.reminded_days > $2) AND j.rotated_to IS NULL
          AND j.expires_at - j.created_at >= 2 * $1
          AND EXISTS (SELECT 1 FROM users u WHERE u.id = j.user_id AND u.verified_at IS NOT NULL
            AND u.disabled_at IS NULL AND u.delete_at IS NULL AND u.is_guest = false)
        ORDER BY j.expires_at LIMIT $3 {skip_locked}
    ) UPDATE api_tokens SET reminded_days = $2 WHERE id IN (SELECT id FROM soon)
    RETURNING id, name, user_id, (SELECT email FROM users WHERE users.id = user_id) AS email,
        (SELECT locale FROM users WHERE users.id = user_id) AS locale";

/// Makes the mail about a token; what goes wrong is a text.
pub type Write = Arc<dyn Fn(&Ending) -> Result<NewTask, String> + Send + Sync>;

/// Stores the mail that `write` makes of each token that ends soon, some at a time; how many.
///
/// # Errors
/// Where the database fails, or a mail can't be written: then none is stored.
pub async fn remind(db: &Db, write: Write) -> Result<usize, DbError> {
    let mut stored = 0;
    for days in DAYS {
        stored += db
            .transaction(|txn| {
                let (db, write) = (db.clone(), write.clone());
                Box::pin(async move {
                    let values = [
                        (i64::from(days) * DAY_MS).into(),
                        i64::from(days).into(),
                        CHUNK.into(),
                    ];
                    let rows = txn.query_all_raw(db.statement(PICK, values)).await?;
                    for row in &rows {
                        let task = write(&read(row, days)?).map_err(DbErr::Custom)?;
                        tasks::enqueue_in(&db, txn, &task).await?;
                    }
                    Ok(rows.len())
                })
            })
            .await?;
    }
    Ok(stored)
}

fn read(row: &QueryResult, days: u32) -> Result<Ending, DbErr> {
    Ok(Ending {
        token: TokenId(row.try_get("", "id")?),
        name: row.try_get("", "name")?,
        user: UserId(row.try_get("", "user_id")?),
        email: row.try_get("", "email")?,
        locale: row.try_get("", "locale")?,
        days,
    })
}
