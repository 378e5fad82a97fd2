//! The table `usage`: what was used, by user, token, model and hour, written when runs end; old hours become
//! days. It is for charts and bills: no limit is decided by it.

use std::collections::BTreeMap;

use sea_orm::{ConnectionTrait, DbErr, QueryResult, Value};
use uuid::Uuid;

use super::{
    Db, DbError,
    connection::Txn,
    shares::{DAY, HOUR},
};
use crate::{
    clock::UnixMillis,
    id::{TokenId, UserId},
};

/// Hours are kept for so many days, then their sums.
const HOURS_KEPT: i64 = 35 * DAY;
/// Days are kept for so long.
const DAYS_KEPT: i64 = 400 * DAY;
/// Most rows in one statement.
const ROWS: usize = 500;

/// How much was used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Jobs that ran and ended.
    pub requests: i64,
    /// Of these, those that succeeded.
    pub succeeded: i64,
    /// Of these, those that failed.
    pub failed: i64,
    /// Units of the tasks of those that succeeded: texts, for example.
    pub units: i64,
    /// Tokens the models read.
    pub tokens: i64,
    /// Time in the models, microseconds; of a batch each job's part.
    pub compute_us: i64,
}

impl Counts {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            requests: self.requests.saturating_add(other.requests),
            succeeded: self.succeeded.saturating_add(other.succeeded),
            failed: self.failed.saturating_add(other.failed),
            units: self.units.saturating_add(other.units),
            tokens: self.tokens.saturating_add(other.tokens),
            compute_us: self.compute_us.saturating_add(other.compute_us),
        }
    }

    fn values(self) -> [Value; 6] {
        let numbers = [
            self.requests,
            self.succeeded,
            self.failed,
            self.units,
            self.tokens,
        ];
        let [requests, succeeded, failed, units, tokens] = numbers.map(Value::from);
        [requests, succeeded, failed, units, tokens, self.compute_us.into()]
    }

    fn of(row: &QueryResult) -> Result<Self, DbErr> {
        Ok(Self {
            requests: row.try_get("", "requests")?,
            succeeded: row.try_get("", "succeeded")?,
            failed: row.try_get("", "failed")?,
            units: row.try_get("", "units")?,
            tokens: row.try_get("", "tokens")?,
            compute_us: row.try_get("", "compute_us")?,
        })
    }
}

/// What one job used.
pub(super) struct Spent {
    pub user: Uuid,
    pub token: Uuid,
    pub model: String,
    pub counts: Counts,
}

/// A row of the table.
type Key = (Uuid, Uuid, String);

/// Adds what jobs used to this hour.
pub(super) async fn add(db: &Db, txn: &Txn, spent: &[Spent]) -> Result<(), DbErr> {
    let mut sums = BTreeMap::<Key, Counts>::new();
    for one in spent {
        let sum = sums.entry((one.user, one.token, one.model.clone())).or_default();
        *sum = sum.and(one.counts);
    }
    let sums: Vec<_> = sums.into_iter().collect();
    for chunk in sums.chunks(ROWS) {
        let hour = format!("{{now}} / {HOUR} * {HOUR}");
        write(
            db,
            txn,
            "hour",
            chunk.iter().map(|(key, counts)| (key, hour.clone(), *counts)),
        )
        .await?;
    }
    Ok(())
}

async fn write<'a>(
    db: &Db,
    txn: &Txn,
    grain: &str,
    sums: impl Iterator<Item = (&'a Key, String, Counts)>,
) -> Result<(), DbErr> {
    let (mut rows, mut values) = (Vec::new(), Vec::<Value>::new());
    for ((user, token, model), starts_at, counts) in sums {
        let p: Vec<String> = (1..=9).map(|i| format!("${}", values.len() + i)).collect();
        rows.push(format!(
            "({}, {}, {}, '{grain}', {starts_at}, {})",
            p[0],
            p[1],
            p[2],
            p[3..].join(", ")
        ));
        values.extend([(*user).into(), (*token).into(), model.as_str().into()]);
        values.extend(counts.values());
    }
    let sql = format!(
        "INSERT INTO usage (user_id, token_id, model, grain, starts_at, requests, succeeded, failed, units, tokens, compute_us)
         VALUES {} ON CONFLICT (user_id, grain, starts_at, token_id, model) DO UPDATE SET
            requests = usage.requests + excluded.requests, succeeded = usage.succeeded + excluded.succeeded,
            failed = usage.failed + excluded.failed, units = usage.units + excluded.units,
            tokens = usage.tokens + excluded.tokens, compute_us = usage.compute_us + excluded.compute_us",
        rows.join(", ")
    );
    txn.execute_raw(db.statement(&sql, values)).await?;
    Ok(())
}

/// The length of one step of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grain {
    /// One hour; the last 35 days have them.
    Hour,
    /// One day (UTC); the last 400 days have them.
    Day,
}

impl Grain {
    /// Its length, milliseconds.
    pub fn ms(self) -> i64 {
        match self {
            Self::Hour => HOUR,
            Self::Day => DAY,
        }
    }
}

/// What the points of a series are told apart by, besides time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Nothing.
    Nothing,
    /// The model.
    Model,
    /// The token.
    Token,
}

/// What of the table is asked for.
#[derive(Debug, Clone)]
pub struct Query {
    /// Steps that begin at this time or later.
    pub from: UnixMillis,
    /// Steps that begin before this time.
    pub to: UnixMillis,
    /// The length of a step.
    pub grain: Grain,
    /// Only of this model.
    pub model: Option<String>,
    /// Only with this token.
    pub token: Option<TokenId>,
    /// One point for each of these.
    pub group: Group,
}

/// One point of a series. Steps in which nothing was used have none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// When the step begins.
    pub starts_at: UnixMillis,
    /// The model, where points are told apart by it.
    pub model: Option<String>,
    /// The token, where points are told apart by it; none for sessions.
    pub token: Option<TokenId>,
    /// What was used.
    pub counts: Counts,
}

/// What a user used, oldest first.
///
/// # Errors
/// Where the database fails.
pub async fn series(db: &Db, user: UserId, query: &Query) -> Result<Vec<Point>, DbError> {
    let (grains, step) = match query.grain {
        Grain::Hour => ("grain = 'hour'", HOUR),
        Grain::Day => ("grain IN ('hour', 'day')", DAY),
    };
    let group = match query.group {
        Group::Nothing => "",
        Group::Model => ", model",
        Group::Token => ", token_id",
    };
    let mut values: Vec<Value> = vec![user.0.into(), query.from.into(), query.to.into()];
    let mut filters = String::new();
    if let Some(model) = &query.model {
        values.push(model.as_str().into());
        filters += &format!(" AND model = ${}", values.len());
    }
    if let Some(token) = query.token {
        values.push(token.0.into());
        filters += &format!(" AND token_id = ${}", values.len());
    }
    let sums = ["requests", "succeeded", "failed", "units", "tokens", "compute_us"]
        .map(|column| format!("CAST(sum({column}) AS bigint) AS {column}"))
        .join(", ");
    let sql = format!(
        "SELECT starts_at / {step} * {step} AS step{group}, {sums} FROM usage
         WHERE user_id = $1 AND {grains} AND starts_at >= $2 AND starts_at < $3{filters}
         GROUP BY starts_at / {step}{group} ORDER BY 1{group}"
    );
    let rows = db.query_all(&sql, values).await?;
    let point = |row: &QueryResult| -> Result<Point, DbErr> {
        let token: Option<Uuid> = match query.group {
            Group::Token => Some(row.try_get("", "token_id")?),
            _ => None,
        };
        Ok(Point {
            starts_at: row.try_get("", "step")?,
            model: match query.group {
                Group::Model => Some(row.try_get("", "model")?),
                _ => None,
            },
            token: token.filter(|token| !token.is_nil()).map(TokenId),
            counts: Counts::of(row)?,
        })
    };
    Ok(rows.iter().map(point).collect::<Result<_, _>>()?)
}

/// What was used with a token, by day, oldest first; for all days that are kept.
///
/// # Errors
/// Where the database fails.
pub async fn of_token(db: &Db, user: UserId, token: TokenId) -> Result<Vec<Point>, DbError> {
    let all = Query {
        from: 0,
        to: i64::MAX,
        grain: Grain::Day,
        model: None,
        token: Some(token),
        group: Group::Nothing,
    };
    series(db, user, &all).await
}

/// Makes days of old hours, some at a time; how many hours. Several processes may do so at once.
///
/// # Errors
/// Where the database fails.
pub async fn roll(db: &Db) -> Result<u64, DbError> {
    db.transaction(|txn| {
        let db = db.clone();
        Box::pin(async move {
            // Whole days only: what is rolled up can be shown as days, and no day is in halves.
            let sql = format!(
                "SELECT j.user_id, j.token_id, j.model, j.starts_at, j.requests, j.succeeded, j.failed, j.units, j.tokens,
                    j.compute_us FROM usage j WHERE j.grain = 'hour' AND j.starts_at < {{moment}} / {DAY} * {DAY} - {HOURS_KEPT}
                 ORDER BY j.starts_at LIMIT {ROWS} {{skip_locked}}"
            );
            let mut days = BTreeMap::<(Key, i64), Counts>::new();
            let (mut gone, mut values) = (Vec::new(), Vec::<Value>::new());
            let rows = txn.query_all_raw(db.statement(&sql, [])).await?;
            for row in &rows {
                let key: Key = (row.try_get("", "user_id")?, row.try_get("", "token_id")?, row.try_get("", "model")?);
                let starts_at: i64 = row.try_get("", "starts_at")?;
                let p: Vec<String> = (1..=4).map(|i| format!("${}", values.len() + i)).collect();
                gone.push(format!("({})", p.join(", ")));
                values.extend([key.0.into(), key.1.into(), key.2.as_str().into(), starts_at.into()]);
                let day = days.entry((key, starts_at / DAY * DAY)).or_default();
                *day = day.and(Counts::of(row)?);
            }
            if rows.is_empty() {
                return Ok(0);
            }
            let days = days.iter().map(|((key, day), counts)| (key, day.to_string(), *counts));
            write(&db, txn, "day", days).await?;
            let sql = format!(
                "DELETE FROM usage WHERE grain = 'hour' AND (user_id, token_id, model, starts_at) IN (VALUES {})",
                gone.join(", ")
            );
            Ok(txn.execute_raw(db.statement(&sql, values)).await?.rows_affected())
        })
    })
    .await
}

/// Forgets days that are too old, some at a time; how many.
///
/// # Errors
/// Where the database fails.
pub async fn forget(db: &Db) -> Result<u64, DbError> {
    let sql = format!(
        "WITH gone AS MATERIALIZED (SELECT j.user_id, j.token_id, j.model, j.starts_at FROM usage j
            WHERE j.grain = 'day' AND j.starts_at < {{moment}} - {DAYS_KEPT} LIMIT {ROWS} {{skip_locked}})
         DELETE FROM usage WHERE grain = 'day'
            AND (user_id, token_id, model, starts_at) IN (SELECT user_id, token_id, model, starts_at FROM gone)"
    );
    db.execute(&sql, vec![]).await
}
