//! Housekeeping: what has ended is kept for a while and then removed, so that tables stay as large as what
//! happens, and not as what ever happened. Any number of nodes may do it at once: rows that one has in
//! hand are skipped by the others.

use std::{future::Future, sync::Arc, time::Duration};

use sea_orm::{ConnectionTrait, DbErr, Value};
use tokio::time::sleep;
use uuid::Uuid;

use super::{
    Db, DbError, accounts, attempts, challenges, connection::Txn, outbox, sessions, shares,
    submit::forget_keys, usage, user_tokens, workers,
};
use crate::{
    config::{Config, Retention},
    lifecycle::Lifecycle,
};

/// Most rows in one transaction: a submit waits for no more than this.
const CHUNK: usize = 500;
/// Most chunks of one kind in one round; the rest has time.
const CHUNKS: usize = 40;
/// An empty lane is kept so long, milliseconds: whoever submits now and then keeps theirs.
const LANE_IDLE_MS: i64 = 600_000;
/// An empty lane that is ahead of the queue's time is kept so long, milliseconds.
const LANE_AHEAD_MS: i64 = 7 * 86_400_000;

/// How many rows a round removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// Jobs whose input and output were removed.
    pub results: u64,
    /// Jobs that were forgotten.
    pub jobs: u64,
    /// Idempotency keys that had run out.
    pub keys: u64,
    /// Lanes that nobody uses.
    pub lanes: u64,
    /// Sessions that were over long ago.
    pub sessions: u64,
    /// Counts of tries that say nothing any more.
    pub attempts: u64,
    /// Tasks (mails, mostly) that are over.
    pub tasks: u64,
    /// Workers that were lost long ago.
    pub workers: u64,
    /// Tokens that ended long ago.
    pub tokens: u64,
    /// Challenges that can't be met any more.
    pub challenges: u64,
    /// Accounts whose time was over.
    pub accounts: u64,
    /// Shares that have submitted nothing for days.
    pub shares: u64,
    /// Hours of usage that became days, and days that are too old.
    pub usage: u64,
    /// There may be more to remove.
    pub more: bool,
}

const OLD_RESULTS: &str = "SELECT j.id FROM jobs j
    WHERE j.data_removed = false AND j.completed_at < {moment} - $1 ORDER BY j.completed_at LIMIT $2 {skip_locked}";

const FORGET_JOBS: &str = "
    WITH gone AS MATERIALIZED (
        SELECT j.id FROM jobs j WHERE j.data_removed = $3 AND j.completed_at < {moment} - $1
        ORDER BY j.completed_at LIMIT $2 {skip_locked}
    ) DELETE FROM jobs WHERE id IN (SELECT id FROM gone)";

/// A lane says where the next job of its share may start. Once the queue's time has passed that for good
/// (behind the last claimed rank and every waiting one, for new ranks are larger than the smaller of the
/// two), a lane that is not there says the same.
const FORGET_LANES: &str = "
    WITH passed AS (
        SELECT model, CASE WHEN head < last THEN head ELSE last END AS rank FROM (
            SELECT q.model, q.last_claimed_rank AS last, coalesce((SELECT rank FROM jobs
                WHERE jobs.model = q.model AND jobs.state = 'queued' AND jobs.epoch = 0
                ORDER BY rank, id LIMIT 1), q.last_claimed_rank) AS head
            FROM queues q) AS heads
    ), gone AS MATERIALIZED (
        SELECT j.model, j.share_key, j.priority FROM lanes j
        WHERE j.waiting = 0 AND j.running = 0 AND j.used_at < {moment} - $1
          AND (j.last_rank <= (SELECT rank FROM passed WHERE passed.model = j.model) OR j.used_at < {moment} - $2)
        LIMIT $3 {skip_locked}
    ) DELETE FROM lanes WHERE (model, share_key, priority) IN (SELECT model, share_key, priority FROM gone)
      AND waiting = 0 AND running = 0";

/// Removes input and output of jobs that ended longer ago than `kept`, some at a time; how many.
///
/// # Errors
/// Where the database fails.
pub async fn expire_results(db: &Db, kept: Duration) -> Result<u64, DbError> {
    let values: Vec<Value> = vec![millis(kept).into(), (CHUNK as i64).into()];
    db.transaction(move |txn| {
        let (db, values) = (db.clone(), values.clone());
        Box::pin(async move {
            let rows = txn.query_all_raw(db.statement(OLD_RESULTS, values)).await?;
            let ids: Vec<Uuid> = rows
                .iter()
                .map(|row| row.try_get("", "id"))
                .collect::<Result<_, _>>()?;
            remove_data(&db, txn, &ids).await?;
            Ok(ids.len() as u64)
        })
    })
    .await
}

async fn remove_data(db: &Db, txn: &Txn, ids: &[Uuid]) -> Result<(), DbErr> {
    if ids.is_empty() {
        return Ok(());
    }
    let places: Vec<String> = (1..=ids.len()).map(|i| format!("${i}")).collect();
    let places = places.join(", ");
    for sql in [
        format!("DELETE FROM job_payloads WHERE job_id IN ({places})"),
        format!("UPDATE jobs SET data_removed = true WHERE id IN ({places})"),
    ] {
        txn.execute_raw(db.statement(&sql, ids.iter().map(|id| Value::from(*id))))
            .await?;
    }
    Ok(())
}

/// Forgets jobs that ended longer ago than `kept`, some at a time; how many.
///
/// # Errors
/// Where the database fails.
pub async fn forget_jobs(db: &Db, kept: Duration) -> Result<u64, DbError> {
    let mut forgotten = 0;
    for data_removed in [true, false] {
        let values = vec![millis(kept).into(), (CHUNK as i64).into(), data_removed.into()];
        forgotten += db.execute(FORGET_JOBS, values).await?;
    }
    Ok(forgotten)
}

/// Forgets lanes that say nothing any more, some at a time; how many.
///
/// # Errors
/// Where the database fails.
pub async fn forget_lanes(db: &Db) -> Result<u64, DbError> {
    let values = vec![LANE_IDLE_MS.into(), LANE_AHEAD_MS.into(), (CHUNK as i64).into()];
    db.execute(FORGET_LANES, values).await
}

/// One round over everything that ages.
///
/// # Errors
/// Where the database fails; the next round goes on.
pub async fn housekeeping(db: &Db, retention: &Retention) -> Result<Report, DbError> {
    let mut report = Report::default();
    if let Some(kept) = retention.results() {
        report.results = chunks(&mut report.more, || expire_results(db, kept)).await?;
    }
    if let Some(kept) = retention.rows() {
        report.jobs = chunks(&mut report.more, || forget_jobs(db, kept)).await?;
    }
    report.keys = chunks(&mut report.more, || forget_keys(db)).await?;
    report.lanes = chunks(&mut report.more, || forget_lanes(db)).await?;
    report.sessions = chunks(&mut report.more, || sessions::forget(db)).await?;
    report.attempts = chunks(&mut report.more, || attempts::forget(db)).await?;
    report.tasks = chunks(&mut report.more, || outbox::forget(db)).await?;
    report.workers = workers::forget_lost(db).await?;
    report.tokens = chunks(&mut report.more, || user_tokens::forget(db)).await?;
    report.challenges = challenges::forget(db).await?;
    report.accounts = accounts::purge(db).await?;
    report.shares = chunks(&mut report.more, || shares::forget(db)).await?;
    report.usage = chunks(&mut report.more, || usage::roll(db)).await?;
    report.usage += chunks(&mut report.more, || usage::forget(db)).await?;
    Ok(report)
}

/// Again and again while there is something; sets `more` where that was not enough.
async fn chunks<F>(more: &mut bool, mut step: impl FnMut() -> F) -> Result<u64, DbError>
where
    F: Future<Output = Result<u64, DbError>>,
{
    let mut removed = 0;
    for _ in 0..CHUNKS {
        match step().await? {
            0 => return Ok(removed),
            some => removed += some,
        }
    }
    *more = true;
    Ok(removed)
}

/// Keeps house until the process stops taking work.
pub async fn keep_house(db: Db, config: Arc<Config>, lifecycle: Lifecycle) {
    let retention = &config.retention;
    let pause = pause(retention);
    let mut wait = pause;
    loop {
        // Nodes that started together need not keep house together.
        let jitter = rand::random_range(0.8..1.2);
        tokio::select! {
            () = sleep(wait.mul_f64(jitter)) => {}
            () = lifecycle.soft.cancelled() => return,
        }
        match housekeeping(&db, retention).await {
            Ok(report) => {
                if report != Report::default() {
                    tracing::info!(?report, "housekeeping");
                }
                wait = if report.more {
                    pause.min(Duration::from_secs(1))
                } else {
                    pause
                };
            }
            Err(error) => {
                tracing::warn!(%error, "housekeeping failed");
                wait = pause;
            }
        }
    }
}

/// Time between rounds: a minute, less where things are kept for minutes.
fn pause(retention: &Retention) -> Duration {
    let shortest = [retention.results(), retention.rows()]
        .into_iter()
        .flatten()
        .min();
    shortest
        .map_or(Duration::MAX, |kept| kept / 10)
        .clamp(Duration::from_millis(500), Duration::from_secs(60))
}

fn millis(duration: Duration) -> i64 {
    // Half of what fits: the database subtracts it from its clock.
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 2)
}
