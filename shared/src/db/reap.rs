//! Reaping: jobs whose worker was lost wait again, and jobs that waited too long expire. Conditional
//! statements only: what another node did first is left alone.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DbErr, Value};

use super::{
    Db, DbError,
    connection::Txn,
    finish::lease_lost_error,
    settle::{self, Moved, settle},
};
use crate::{fault, id::JobId, job::JobState};

/// When a lease may be taken.
#[derive(Debug, Clone, Copy)]
pub struct ReapRules {
    /// How long a lease must have been seen as expired: an outage of the database, or a laptop that
    /// slept, gives its workers this long to renew.
    pub confirm: Duration,
    /// Lost leases after which a job fails.
    pub max_lease_losses: i32,
}

/// A job that the reaper moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reaped {
    /// The job.
    pub job: JobId,
    /// Its model.
    pub model: String,
    /// Where it stands now.
    pub state: JobState,
}

/// Rows are taken only where nobody else is writing them: who does has just ended the run, or renews its
/// lease. Waiting for them, in whatever order the rows lie, would be a deadlock with whoever ends several.
const SUSPECT: &str = "
    WITH silent AS MATERIALIZED (
        SELECT j.id FROM jobs j WHERE j.state = 'processing' AND j.lease_until < {moment} AND j.suspect_at IS NULL
        {skip_locked}
    )
    UPDATE jobs SET suspect_at = {now}
    WHERE id IN (SELECT id FROM silent) AND state = 'processing' AND lease_until < {moment} AND suspect_at IS NULL";

/// The end of a run, for the row: see [`crate::run`]. The clock is asked once, so that both times agree.
const LOST: &str = "runs = runs || '[' || epoch || ',\"lost\",null,' || (SELECT at FROM clock) || ']\n'";

const TAKE: &str = "
    WITH clock AS MATERIALIZED (SELECT {now} AS at), lost AS MATERIALIZED (
        SELECT j.id FROM jobs j WHERE j.state = 'processing' AND j.lease_until < {moment} AND j.suspect_at <= {moment} - $3
        {skip_locked}
    )
    UPDATE jobs SET
        state = CASE WHEN cancel_requested_at IS NOT NULL THEN 'canceled'
            WHEN lease_losses + 1 >= $1 THEN 'failed' ELSE 'queued' END,
        error = CASE WHEN cancel_requested_at IS NULL AND lease_losses + 1 >= $1 THEN $2 END,
        completed_at = CASE WHEN cancel_requested_at IS NOT NULL OR lease_losses + 1 >= $1 THEN (SELECT at FROM clock) END,
        lease_losses = lease_losses + 1, {lost}, boot = NULL, lease_until = NULL, suspect_at = NULL
    WHERE id IN (SELECT id FROM lost) AND state = 'processing' AND lease_until < {moment} AND suspect_at <= {moment} - $3
    RETURNING {settled}";

const EXPIRE: &str = "
    WITH late AS MATERIALIZED (
        SELECT j.id FROM jobs j WHERE j.state = 'queued' AND j.start_deadline <= {moment}
        ORDER BY j.start_deadline LIMIT $1 {skip_locked}
    )
    UPDATE jobs SET state = 'expired', completed_at = {now}
    WHERE id IN (SELECT id FROM late) AND state = 'queued' AND start_deadline <= {moment}
    RETURNING {settled}";

/// Most jobs that expire in one tick: a million that were all to start by midnight must not make one
/// transaction of it.
const EXPIRED_AT_ONCE: i64 = 5000;

const REQUEUE_ALL: &str = "
    WITH clock AS MATERIALIZED (SELECT {now} AS at)
    UPDATE jobs SET
        state = CASE WHEN cancel_requested_at IS NOT NULL THEN 'canceled' ELSE 'queued' END,
        completed_at = CASE WHEN cancel_requested_at IS NOT NULL THEN (SELECT at FROM clock) END, {lost},
        boot = NULL, lease_until = NULL, suspect_at = NULL
    WHERE state = 'processing'
    RETURNING {settled}";

/// Asked by smallest values, which indices know: whether there is any such row Postgres likes to find out
/// by looking at rows until it meets one, and there is none.
const ANYTHING: &str = "SELECT
    coalesce((SELECT min(lease_until) FROM jobs WHERE state = 'processing') < {now}, false)
    OR coalesce((SELECT min(start_deadline) FROM jobs WHERE state = 'queued') <= {now}, false) AS due";

/// One tick: notes leases that ran out, takes those noted long enough ago, expires what waited too long.
///
/// # Errors
/// Where the database fails; the next tick does the same again.
pub async fn tick(db: &Db, rules: ReapRules) -> Result<Vec<Reaped>, DbError> {
    let row = db.query_one(ANYTHING, vec![]).await?;
    if !row
        .map(|r| r.try_get::<bool>("", "due"))
        .transpose()?
        .unwrap_or(false)
    {
        return Ok(Vec::new());
    }
    let confirm = i64::try_from(rules.confirm.as_millis()).unwrap_or(i64::MAX);
    let error = serde_json::to_string(&lease_lost_error()).map_err(|e| DbError::Statement(e.to_string()))?;
    fault::point("reap.after_pick").await;
    db.transaction(move |txn| {
        let (db, error) = (db.clone(), error.clone());
        Box::pin(async move {
            txn.execute_raw(db.statement(SUSPECT, [])).await?;
            let values = vec![rules.max_lease_losses.into(), error.into(), confirm.into()];
            let mut moves = Moves::default();
            moves.run(&db, txn, JobState::Processing, (TAKE, values)).await?;
            moves
                .run(&db, txn, JobState::Queued, (EXPIRE, vec![EXPIRED_AT_ONCE.into()]))
                .await?;
            // Once, at the end: the rows of jobs come first, whoever moves them.
            settle(&db, txn, &moves.moved).await?;
            Ok(moves.reaped)
        })
    })
    .await
}

/// Puts every job in hand back, at once: for the start of an installation that has only this process.
///
/// # Errors
/// Where the database fails.
pub async fn requeue_all(db: &Db) -> Result<Vec<Reaped>, DbError> {
    db.transaction(move |txn| {
        let db = db.clone();
        Box::pin(async move {
            let mut moves = Moves::default();
            moves
                .run(&db, txn, JobState::Processing, (REQUEUE_ALL, vec![]))
                .await?;
            settle(&db, txn, &moves.moved).await?;
            Ok(moves.reaped)
        })
    })
    .await
}

/// What statements moved.
#[derive(Default)]
struct Moves {
    reaped: Vec<Reaped>,
    moved: Vec<Moved>,
}

impl Moves {
    /// Runs a statement that moves jobs which stood at `before`.
    async fn run(
        &mut self,
        db: &Db,
        txn: &Txn,
        before: JobState,
        (sql, values): (&str, Vec<Value>),
    ) -> Result<(), DbErr> {
        let sql = sql.replace("{settled}", settle::COLUMNS).replace("{lost}", LOST);
        for row in &txn.query_all_raw(db.statement(&sql, values)).await? {
            let moved = Moved::of(row, before)?;
            self.reaped.push(Reaped {
                job: JobId(row.try_get("", "id")?),
                model: row.try_get("", "model")?,
                state: moved.state,
            });
            self.moved.push(moved);
        }
        Ok(())
    }
}
