//! The table `shares`: what each share has used of its quotas in this hour and this day of the database's clock
//! (UTC). A submit counts all its jobs in one statement, which also locks the rows; jobs beyond a limit are
//! taken out again before the commit. Jobs that never ran are given back by [`give_back`].

use std::{collections::BTreeMap, time::Duration};

use sea_orm::{ConnectionTrait, DbErr, Value};

use super::{Db, DbError, connection::Txn, jobs::custom, submit::NewJob};
use crate::clock::UnixMillis;

/// One hour, milliseconds.
pub(super) const HOUR: i64 = 3_600_000;
/// One day, milliseconds.
pub(super) const DAY: i64 = 24 * HOUR;
/// When somebody whose jobs wait may come again: nobody knows when the next one starts.
const WAITING_AGAIN: Duration = Duration::from_secs(2);

/// What a submit checks of a share; 0: no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ShareLimits {
    /// Jobs submitted in one hour of the clock.
    pub jobs_per_hour: u32,
    /// Jobs submitted in one day (UTC).
    pub jobs_per_day: u32,
    /// Jobs waiting at once, over all models.
    pub waiting: u32,
}

/// What can be used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Quota {
    /// Jobs of one hour.
    Hourly,
    /// Jobs of one day.
    Daily,
    /// Jobs that wait.
    Waiting,
}

impl Quota {
    /// The name of its policy in the API and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hourly => "hourly",
            Self::Daily => "daily",
            Self::Waiting => "waiting",
        }
    }
}

/// Why a job was not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What is used up.
    pub quota: Quota,
    /// How much of it there is.
    pub limit: u64,
    /// How much of it is used.
    pub used: u64,
    /// When the same may be tried again.
    pub retry_after: Duration,
}

/// What a share has used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// Jobs of this hour.
    pub hour_used: u64,
    /// Jobs of this day.
    pub day_used: u64,
    /// Until the next hour.
    pub hour_left: Duration,
    /// Until the next day.
    pub day_left: Duration,
}

/// A share whose row is locked.
struct Account {
    now: UnixMillis,
    hour: i64,
    day: i64,
    /// Before this transaction.
    hour_used: i64,
    /// Before this transaction.
    day_used: i64,
    /// Counted by this transaction's first statement.
    counted: i64,
    /// Let through so far.
    admitted: i64,
}

/// The shares of a submit, locked.
pub(super) struct Accounts(BTreeMap<String, Account>);

/// A clock that was set back a little stays in the later window: nothing is counted twice, nothing forgotten.
const COUNT: &str = "
    INSERT INTO shares (share_key, hour, hour_used, day, day_used) VALUES {rows}
    ON CONFLICT (share_key) DO UPDATE SET
        hour_used = CASE WHEN excluded.hour IN (shares.hour, shares.hour - 3600000) THEN shares.hour_used ELSE 0 END
            + excluded.hour_used,
        hour = CASE WHEN excluded.hour = shares.hour - 3600000 THEN shares.hour ELSE excluded.hour END,
        day_used = CASE WHEN excluded.day IN (shares.day, shares.day - 86400000) THEN shares.day_used ELSE 0 END
            + excluded.day_used,
        day = CASE WHEN excluded.day = shares.day - 86400000 THEN shares.day ELSE excluded.day END
    RETURNING share_key, hour, hour_used, day, day_used, {now} AS now";

impl Accounts {
    /// Counts all jobs and locks their shares, in the order of the keys.
    pub(super) async fn open(db: &Db, txn: &Txn, jobs: &[&NewJob]) -> Result<Self, DbErr> {
        let mut counts = BTreeMap::<&str, i64>::new();
        for job in jobs {
            *counts.entry(&job.share_key).or_default() += 1;
        }
        if counts.is_empty() {
            return Ok(Self(BTreeMap::new()));
        }
        let (mut rows, mut values) = (Vec::new(), Vec::<Value>::new());
        for (key, count) in &counts {
            let n = values.len();
            rows.push(format!(
                "(${}, {{now}} / {HOUR} * {HOUR}, ${}, {{now}} / {DAY} * {DAY}, ${})",
                n + 1,
                n + 2,
                n + 3
            ));
            values.extend([(*key).into(), (*count).into(), (*count).into()]);
        }
        let sql = COUNT.replace("{rows}", &rows.join(", "));
        let mut accounts = BTreeMap::new();
        for row in txn.query_all_raw(db.statement(&sql, values)).await? {
            let key: String = row.try_get("", "share_key")?;
            let counted = counts.get(key.as_str()).copied().unwrap_or_default();
            let account = Account {
                now: row.try_get("", "now")?,
                hour: row.try_get("", "hour")?,
                day: row.try_get("", "day")?,
                hour_used: row.try_get::<i64>("", "hour_used")? - counted,
                day_used: row.try_get::<i64>("", "day_used")? - counted,
                counted,
                admitted: 0,
            };
            accounts.insert(key, account);
        }
        Ok(Self(accounts))
    }

    /// Lets a job through, or says what is used up. Jobs of one share are asked for in their order.
    /// `waiting`: the share's waiting jobs before this transaction.
    pub(super) fn admit(&mut self, job: &NewJob, waiting: i64) -> Result<Option<Refusal>, DbErr> {
        let account = self
            .0
            .get_mut(&job.share_key)
            .ok_or_else(|| custom("a job without a share"))?;
        let limits = &job.limits;
        let left = |end: i64| millis(end - account.now);
        // Of two that are used up, the one that lasts longer is told.
        let quotas = [
            (
                Quota::Daily,
                limits.jobs_per_day,
                account.day_used + account.admitted,
                left(account.day + DAY),
            ),
            (
                Quota::Hourly,
                limits.jobs_per_hour,
                account.hour_used + account.admitted,
                left(account.hour + HOUR),
            ),
            (
                Quota::Waiting,
                limits.waiting,
                waiting + account.admitted,
                WAITING_AGAIN,
            ),
        ];
        let full = quotas
            .into_iter()
            .find(|(_, limit, used, _)| *limit > 0 && *used >= i64::from(*limit));
        if full.is_none() {
            account.admitted += 1;
        }
        Ok(full.map(|(quota, limit, used, retry_after)| Refusal {
            quota,
            limit: limit.into(),
            used: used.max(0).unsigned_abs(),
            retry_after,
        }))
    }

    /// Takes out again what was counted and not let through.
    pub(super) async fn settle(&self, db: &Db, txn: &Txn) -> Result<(), DbErr> {
        for (key, account) in &self.0 {
            let refused = account.counted - account.admitted;
            if refused > 0 {
                let sql = "UPDATE shares SET hour_used = hour_used - $2, day_used = day_used - $2 WHERE share_key = $1";
                let values = [key.as_str().into(), refused.into()];
                txn.execute_raw(db.statement(sql, values)).await?;
            }
        }
        Ok(())
    }

    /// The hour that the jobs of a share were counted in.
    pub(super) fn hour(&self, share_key: &str) -> Option<i64> {
        self.0.get(share_key).map(|account| account.hour)
    }

    /// What a share has used with what was let through.
    pub(super) fn standing(&self, share_key: &str) -> Standing {
        self.0
            .get(share_key)
            .map(|account| Standing {
                hour_used: (account.hour_used + account.admitted).max(0).unsigned_abs(),
                day_used: (account.day_used + account.admitted).max(0).unsigned_abs(),
                hour_left: millis(account.hour + HOUR - account.now),
                day_left: millis(account.day + DAY - account.now),
            })
            .unwrap_or_default()
    }
}

/// Gives jobs back that were counted: for each its share and the hour it was counted in. After the jobs, before
/// the lanes. What was counted in an hour or day that is over is gone with it.
pub(super) async fn give_back(db: &Db, txn: &Txn, jobs: &[(String, i64)]) -> Result<(), DbErr> {
    let mut counts = BTreeMap::<(&str, i64), i64>::new();
    for (key, hour) in jobs {
        *counts.entry((key, *hour)).or_default() += 1;
    }
    for ((key, hour), count) in counts {
        let sql = "UPDATE shares SET
            hour_used = CASE WHEN hour <> $2 THEN hour_used WHEN hour_used > $4 THEN hour_used - $4 ELSE 0 END,
            day_used = CASE WHEN day <> $3 THEN day_used WHEN day_used > $4 THEN day_used - $4 ELSE 0 END
            WHERE share_key = $1";
        let day = hour / DAY * DAY;
        let values = [key.into(), hour.into(), day.into(), count.into()];
        txn.execute_raw(db.statement(sql, values)).await?;
    }
    Ok(())
}

/// What a share has used now, how many of its jobs wait and how many run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Glance {
    /// Of its quotas.
    pub standing: Standing,
    /// Jobs that wait, over all models.
    pub waiting: u64,
    /// Jobs that run, over all models.
    pub running: u64,
}

/// What a share has used now.
///
/// # Errors
/// Where the database fails.
pub async fn glance(db: &Db, share_key: &str) -> Result<Glance, DbError> {
    let sql = format!(
        "SELECT c.now AS now,
            (SELECT hour_used FROM shares WHERE share_key = $1 AND hour >= c.now / {HOUR} * {HOUR}) AS hour_used,
            (SELECT day_used FROM shares WHERE share_key = $1 AND day >= c.now / {DAY} * {DAY}) AS day_used,
            (SELECT CAST(sum(waiting) AS bigint) FROM lanes WHERE share_key = $1) AS waiting,
            (SELECT CAST(sum(running) AS bigint) FROM lanes WHERE share_key = $1) AS running
         FROM (SELECT {{now}} AS now) AS c"
    );
    let row = db.query_one(&sql, vec![share_key.into()]).await?;
    let row = row.ok_or_else(|| DbError::Statement("a glance without a row".to_owned()))?;
    let number = |column: &str| -> Result<u64, DbError> {
        let number: Option<i64> = row.try_get("", column)?;
        Ok(number.unwrap_or_default().max(0).unsigned_abs())
    };
    let now: i64 = row.try_get("", "now")?;
    Ok(Glance {
        standing: Standing {
            hour_used: number("hour_used")?,
            day_used: number("day_used")?,
            hour_left: millis(HOUR - now.rem_euclid(HOUR)),
            day_left: millis(DAY - now.rem_euclid(DAY)),
        },
        waiting: number("waiting")?,
        running: number("running")?,
    })
}

/// Jobs that wait, of everybody.
///
/// # Errors
/// Where the database fails.
pub async fn waiting_of_all(db: &Db) -> Result<u64, DbError> {
    let sql = "SELECT CAST(coalesce(sum(waiting), 0) AS bigint) AS waiting FROM lanes WHERE waiting > 0";
    let row = db.query_one(sql, vec![]).await?;
    let waiting: Option<i64> = row.map(|row| row.try_get("", "waiting")).transpose()?;
    Ok(waiting.unwrap_or_default().max(0).unsigned_abs())
}

/// Forgets shares that have submitted nothing since the day before yesterday, some at a time; how many.
///
/// # Errors
/// Where the database fails.
pub async fn forget(db: &Db) -> Result<u64, DbError> {
    let sql = format!(
        "WITH gone AS MATERIALIZED (SELECT j.share_key FROM shares j WHERE j.day < {{moment}} - 2 * {DAY} LIMIT 500 {{skip_locked}})
         DELETE FROM shares WHERE share_key IN (SELECT share_key FROM gone)"
    );
    db.execute(&sql, vec![]).await
}

fn millis(ms: i64) -> Duration {
    Duration::from_millis(ms.max(0).unsigned_abs())
}
