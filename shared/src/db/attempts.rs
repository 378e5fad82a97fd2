//! The table `attempts`: tries at what must not be guessed. A rate each key (GCRA), and failures in a row.
//! In the database, by its clock: exact over all processes, also while the cache is away.
//!
//! Not here: what a key is made of. A secret or a person's e-mail address belongs in it only as a hash.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DbErr, QueryResult};

use super::{Db, DbError, connection::Txn};
use crate::{
    cache::{Admission, Rate},
    clock::UnixMillis,
};

/// Failures are remembered so long after the last one, milliseconds.
const REMEMBERED_MS: i64 = 30 * 86_400_000;
/// The longest wait after failures, milliseconds; as in [`BEGIN`].
const MOST_WAIT_MS: u64 = 900_000;
/// Most rows in one transaction of housekeeping.
const CHUNK: i64 = 500;

/// One row a key says it all: when the key would be back at its full burst. It is moved on where that is
/// within the burst; else no row comes back.
const ADMIT: &str = "
    INSERT INTO attempts (key, full_at) VALUES ($1, {moment} + $2)
    ON CONFLICT (key) DO UPDATE SET full_at = $2
        + CASE WHEN attempts.full_at > {moment} THEN attempts.full_at ELSE {moment} END
    WHERE attempts.full_at + $2 <= {moment} + $3
    RETURNING full_at";

const READ: &str = "SELECT full_at, blocked_until, {now} AS now FROM attempts WHERE key = $1";

/// The try counts as a failure until it turns out to be none: so of many at once no more get through.
const BEGIN: &str = "
    INSERT INTO attempts (key, full_at, failures, blocked_until) VALUES ($1, {moment} + $3, 1,
        CASE WHEN $2 <= 1 THEN {moment} + 1000 ELSE 0 END)
    ON CONFLICT (key) DO UPDATE SET full_at = {moment} + $3, failures = attempts.failures + 1,
        blocked_until = CASE
            WHEN attempts.failures + 1 < $2 THEN 0
            WHEN attempts.failures + 1 - $2 >= 10 THEN {moment} + 900000
            ELSE {moment} + 1000 * (1 << (attempts.failures + 1 - $2))
        END
    WHERE attempts.blocked_until <= {moment}
    RETURNING failures";

const FORGET: &str = "
    WITH gone AS MATERIALIZED (
        SELECT j.key FROM attempts j WHERE j.full_at < {moment} AND j.blocked_until < {moment}
        LIMIT $1 {skip_locked}
    ) DELETE FROM attempts WHERE key IN (SELECT key FROM gone)";

/// Takes one try from the rate of `key`: `burst` at once after a rest, then `per_second`.
///
/// # Errors
/// Where the database fails: then nobody is let through.
pub async fn admit(db: &Db, key: &str, per_second: f64, burst: u32) -> Result<Admission, DbError> {
    let rate = Rate {
        per_second,
        burst: burst.max(1),
    };
    let interval = (rate.interval() / 1000.0).ceil() as i64;
    let tolerance = interval.saturating_mul(i64::from(rate.burst));
    let report = |allowed, row: &Row| {
        // A clock that was set back must not lock a key for longer than an empty one is.
        let full_at = row.full_at.min(row.now + tolerance);
        rate.report(allowed, row.now as f64 * 1000.0, full_at as f64 * 1000.0, 1)
    };
    // Those of a flood only read, and wait for no lock.
    if let Some(row) = db.query_one(READ, vec![key.into()]).await? {
        let row = Row::read(&row)?;
        if row.full_at + interval > row.now + tolerance {
            return Ok(report(false, &row));
        }
    }
    let (allowed, row) = db
        .transaction(|txn| {
            let (db, key) = (db.clone(), key.to_owned());
            Box::pin(async move {
                let values = [key.as_str().into(), interval.into(), tolerance.into()];
                let moved = txn.query_one_raw(db.statement(ADMIT, values)).await?;
                Ok((moved.is_some(), again(&db, txn, &key).await?))
            })
        })
        .await?;
    Ok(report(allowed, &row))
}

/// Begins a try at `key`; none where it may, else how long it has to wait. `free` failures in a row cost
/// nothing; after that each makes the next try wait, 1 s at first, then twice as long each time, 15 min at
/// most. A try that succeeds is to be told by [`succeeded`].
///
/// # Errors
/// Where the database fails: then nobody may try.
pub async fn begin(db: &Db, key: &str, free: u32) -> Result<Option<Duration>, DbError> {
    let free = i32::try_from(free).unwrap_or(i32::MAX / 2);
    if let Some(row) = db.query_one(READ, vec![key.into()]).await?
        && let Some(wait) = Row::read(&row)?.wait()
    {
        return Ok(Some(wait));
    }
    db.transaction(|txn| {
        let (db, key) = (db.clone(), key.to_owned());
        Box::pin(async move {
            let values = [key.as_str().into(), free.into(), REMEMBERED_MS.into()];
            if txn.query_one_raw(db.statement(BEGIN, values)).await?.is_some() {
                return Ok(None);
            }
            let wait = again(&db, txn, &key).await?.wait();
            // It ended just now, and somebody else was first.
            Ok(Some(wait.unwrap_or(Duration::from_millis(1))))
        })
    })
    .await
}

/// What is kept of a key, and the time.
struct Row {
    full_at: UnixMillis,
    blocked_until: UnixMillis,
    now: UnixMillis,
}

impl Row {
    fn read(row: &QueryResult) -> Result<Self, DbErr> {
        Ok(Self {
            full_at: row.try_get("", "full_at")?,
            blocked_until: row.try_get("", "blocked_until")?,
            now: row.try_get("", "now")?,
        })
    }

    /// How long the next try has to wait.
    fn wait(&self) -> Option<Duration> {
        let left = u64::try_from(self.blocked_until - self.now).ok()?;
        // A clock that was set back must not make it longer.
        (left > 0).then(|| Duration::from_millis(left.min(MOST_WAIT_MS)))
    }
}

/// The row, in the transaction that has it.
async fn again(db: &Db, txn: &Txn, key: &str) -> Result<Row, DbErr> {
    let row = txn.query_one_raw(db.statement(READ, [key.into()])).await?;
    Row::read(&row.ok_or_else(|| DbErr::Custom("a key of attempts is gone".to_owned()))?)
}

/// The try succeeded: there are no failures in a row of `key` any more. Where they were counted under a `wider` key,
/// too, it loses as many; those of others stay.
///
/// # Errors
/// Where the database fails.
pub async fn succeeded(db: &Db, key: &str, wider: Option<&str>) -> Result<(), DbError> {
    db.transaction(|txn| {
        let (db, key) = (db.clone(), key.to_owned());
        let wider = wider.map(str::to_owned);
        Box::pin(async move {
            let sql = "DELETE FROM attempts WHERE key = $1 RETURNING failures";
            let gone = txn
                .query_one_raw(db.statement(sql, [key.as_str().into()]))
                .await?;
            let failures: i32 = match gone {
                Some(row) => row.try_get("", "failures")?,
                None => 0,
            };
            let Some(wider) = wider else {
                return Ok(());
            };
            let sql = "UPDATE attempts SET blocked_until = 0,
                    failures = CASE WHEN failures > $2 THEN failures - $2 ELSE 0 END
                WHERE key = $1";
            txn.execute_raw(db.statement(sql, [wider.as_str().into(), failures.into()]))
                .await?;
            Ok(())
        })
    })
    .await
}

/// The try was not made: it does not count.
///
/// # Errors
/// Where the database fails.
pub async fn not_made(db: &Db, key: &str) -> Result<(), DbError> {
    db.execute(
        "UPDATE attempts SET failures = failures - 1, blocked_until = 0 WHERE key = $1 AND failures > 0",
        vec![key.into()],
    )
    .await?;
    Ok(())
}

/// Forgets keys that say nothing any more, some at a time; how many.
///
/// # Errors
/// Where the database fails.
pub async fn forget(db: &Db) -> Result<u64, DbError> {
    db.execute(FORGET, vec![CHUNK.into()]).await
}
