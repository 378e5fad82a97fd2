//! Ending runs: results, failures, crashes and hand-backs of a whole batch in one statement, each
//! fenced by its epoch and the start of its worker. A run that was lost meanwhile changes nothing.

use sea_orm::{ConnectionTrait, DbErr, Value};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    Db, DbError, Dialect,
    connection::Txn,
    jobs::custom,
    settle::{self, Moved, settle},
};
use crate::{
    error::ErrorCode,
    fault,
    id::JobId,
    job::{JobError, JobState, Metrics},
    run::{self, RunOutcome},
};

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// With this output, a JSON text.
    Succeeded(String),
    /// With this error, for good.
    Failed(JobError),
    /// Because its owner asked.
    Canceled,
    /// The runner died under it; the error is the job's if that happened too often, else it waits
    /// again and runs alone.
    Crashed(JobError),
    /// Not at all: it waits again, and this attempt does not count. `solo`: it runs alone from now on.
    HandedBack {
        /// Whether the job has to run alone from now on.
        solo: bool,
    },
}

impl Outcome {
    fn code(&self) -> &'static str {
        match self {
            Self::Succeeded(_) => "succeeded",
            Self::Failed(_) => "failed",
            Self::Canceled => "canceled",
            Self::Crashed(_) => "crashed",
            Self::HandedBack { solo: false } => "handed_back",
            Self::HandedBack { solo: true } => "handed_back_solo",
        }
    }

    /// The same, of the run alone.
    fn of_run(&self) -> RunOutcome {
        match self {
            Self::Succeeded(_) => RunOutcome::Succeeded,
            Self::Failed(error) if error.kind == ErrorCode::Timeout => RunOutcome::TimedOut,
            Self::Failed(_) => RunOutcome::Failed,
            Self::Canceled => RunOutcome::Canceled,
            Self::Crashed(_) => RunOutcome::Crashed,
            Self::HandedBack { .. } => RunOutcome::HandedBack,
        }
    }

    fn error(&self) -> Option<&JobError> {
        match self {
            Self::Failed(error) | Self::Crashed(error) => Some(error),
            _ => None,
        }
    }
}

/// The end of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct Finish {
    /// The job.
    pub job: JobId,
    /// The run.
    pub epoch: i64,
    /// How it ended.
    pub outcome: Outcome,
    /// How it went.
    pub metrics: Metrics,
    /// The number of its last event.
    pub last_seq: u64,
}

/// The part of an output that is counted.
#[derive(Default, Deserialize)]
struct Output {
    #[serde(default)]
    usage: OutputUsage,
}

#[derive(Default, Deserialize)]
struct OutputUsage {
    /// Of a model that writes: those of prompt and answer.
    #[serde(default, alias = "total_tokens")]
    tokens: u64,
}

impl Finish {
    /// Tokens that the output tells of. An output may be what a user wrote, so it is believed within reason only.
    fn tokens(&self) -> i64 {
        const MOST: u64 = 1_000_000_000;
        let Outcome::Succeeded(output) = &self.outcome else {
            return 0;
        };
        let output: Output = serde_json::from_str(output).unwrap_or_default();
        output.usage.tokens.min(MOST) as i64
    }

    /// The job's part of the time that its batch took, microseconds.
    fn compute_us(&self) -> i64 {
        const MOST: f64 = 1e12;
        let batch = f64::from(self.metrics.batch_size.unwrap_or(1).max(1));
        (self.metrics.compute_ms.unwrap_or_default() * 1000.0 / batch).clamp(0.0, MOST) as i64
    }
}

/// A run whose end was written; the others were stale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// The job.
    pub job: JobId,
    /// The run.
    pub epoch: i64,
    /// Where it stands now.
    pub state: JobState,
}

const FINISH: &str = "
    WITH v AS (SELECT column1 AS job_id, column2 AS run_epoch, column3 AS outcome, column4 AS new_error,
               column5 AS new_metrics, column6 AS new_seq, column7 AS run_end FROM (VALUES {rows}) AS x),
        clock AS MATERIALIZED (SELECT {now} AS at)
    UPDATE jobs SET
        state = CASE
            WHEN v.outcome IN ('succeeded', 'failed', 'canceled') THEN v.outcome
            WHEN jobs.cancel_requested_at IS NOT NULL THEN 'canceled'
            WHEN v.outcome = 'crashed' AND jobs.crashes + 1 >= $2 THEN 'failed'
            ELSE 'queued' END,
        error = CASE WHEN v.outcome = 'failed'
            OR (v.outcome = 'crashed' AND jobs.crashes + 1 >= $2 AND jobs.cancel_requested_at IS NULL) THEN v.new_error END,
        completed_at = CASE WHEN v.outcome IN ('succeeded', 'failed', 'canceled') OR jobs.cancel_requested_at IS NOT NULL
            OR (v.outcome = 'crashed' AND jobs.crashes + 1 >= $2) THEN (SELECT at FROM clock) END,
        crashes = jobs.crashes + CASE WHEN v.outcome = 'crashed' THEN 1 ELSE 0 END,
        attempt = jobs.attempt - CASE WHEN v.outcome IN ('handed_back', 'handed_back_solo') THEN 1 ELSE 0 END,
        solo = (jobs.solo OR v.outcome IN ('crashed', 'handed_back_solo')),
        metrics = v.new_metrics,
        runs = jobs.runs || '[' || jobs.epoch || v.run_end || (SELECT at FROM clock) || ']\n',
        last_epoch = jobs.epoch,
        last_seq = v.new_seq,
        boot = NULL, lease_until = NULL, suspect_at = NULL
    FROM v
    WHERE jobs.id = v.job_id AND jobs.epoch = v.run_epoch AND jobs.boot = $1 AND jobs.state = 'processing'
    RETURNING {settled}";

/// Writes the ends of runs; those that were still this worker's come back.
///
/// # Errors
/// Where the database fails; then nothing is written, or it is unknown: writing again is harmless.
pub async fn finish(
    db: &Db,
    boot: Uuid,
    max_crashes: i32,
    ends: &[Finish],
) -> Result<Vec<Finished>, DbError> {
    if ends.is_empty() {
        return Ok(Vec::new());
    }
    let finished = db
        .transaction(|txn| {
            let (db, ends) = (db.clone(), ends.to_vec());
            Box::pin(async move { finish_in(&db, txn, boot, max_crashes, &ends).await })
        })
        .await?;
    fault::point("finish.after_commit").await;
    Ok(finished)
}

async fn finish_in(
    db: &Db,
    txn: &Txn,
    boot: Uuid,
    max_crashes: i32,
    ends: &[Finish],
) -> Result<Vec<Finished>, DbErr> {
    if db.dialect() == Dialect::Postgres {
        lock_in_order(db, txn, ends).await?;
    }
    let mut rows = Vec::with_capacity(ends.len());
    let mut values: Vec<Value> = vec![boot.into(), max_crashes.into()];
    for end in ends {
        let n = values.len();
        rows.push(format!(
            "(${}, ${}, ${}, ${}, ${}, ${}, ${})",
            n + 1,
            n + 2,
            n + 3,
            n + 4,
            n + 5,
            n + 6,
            n + 7
        ));
        let error = end
            .outcome
            .error()
            .map(serde_json::to_string)
            .transpose()
            .map_err(custom)?;
        values.extend([
            end.job.0.into(),
            end.epoch.into(),
            end.outcome.code().into(),
            error.into(),
            serde_json::to_string(&end.metrics).map_err(custom)?.into(),
            i64::try_from(end.last_seq).unwrap_or(i64::MAX).into(),
            run::end(end.outcome.of_run(), end.metrics.batch_size)
                .map_err(custom)?
                .into(),
        ]);
    }
    let sql = FINISH
        .replace("{rows}", &rows.join(", "))
        .replace("{settled}", settle::COLUMNS);
    let written = txn.query_all_raw(db.statement(&sql, values)).await?;
    let mut finished = Vec::with_capacity(written.len());
    let mut moved = Vec::with_capacity(written.len());
    for row in &written {
        let mut end = Moved::of(row, JobState::Processing)?;
        let done = Finished {
            job: JobId(row.try_get("", "id")?),
            epoch: row.try_get("", "epoch")?,
            state: end.state,
        };
        if let Some(told) = ends.iter().find(|e| e.job == done.job && e.epoch == done.epoch) {
            (end.tokens, end.compute_us) = (told.tokens(), told.compute_us());
        }
        finished.push(done);
        moved.push(end);
    }
    store_outputs(db, txn, ends, &finished).await?;
    settle(db, txn, &moved).await?;
    Ok(finished)
}

/// Row locks in the order of ids, as heartbeats take them: two statements never wait for each other.
async fn lock_in_order(db: &Db, txn: &Txn, ends: &[Finish]) -> Result<(), DbErr> {
    let places: Vec<String> = (1..=ends.len()).map(|i| format!("${i}")).collect();
    let sql = format!(
        "SELECT id FROM jobs WHERE id IN ({}) ORDER BY id {{for_update}}",
        places.join(", ")
    );
    txn.query_all_raw(db.statement(&sql, ends.iter().map(|e| e.job.0.into())))
        .await?;
    Ok(())
}

async fn store_outputs(db: &Db, txn: &Txn, ends: &[Finish], finished: &[Finished]) -> Result<(), DbErr> {
    let (mut rows, mut values) = (Vec::new(), Vec::<Value>::new());
    for end in ends {
        if let Outcome::Succeeded(output) = &end.outcome
            // Of the run, not of the job: the group may hold an older run's end, too.
            && finished.iter().any(|f| f.job == end.job && f.epoch == end.epoch)
        {
            rows.push(format!("(${}, ${})", values.len() + 1, values.len() + 2));
            values.extend([end.job.0.into(), output.as_str().into()]);
        }
    }
    if rows.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "WITH v AS (SELECT column1 AS id, column2 AS new_output FROM (VALUES {}) AS x)
         UPDATE job_payloads SET output = v.new_output FROM v WHERE job_payloads.job_id = v.id",
        rows.join(", ")
    );
    txn.execute_raw(db.statement(&sql, values)).await?;
    Ok(())
}

/// The error of a job whose worker was lost too many times.
pub(super) fn lease_lost_error() -> JobError {
    JobError::new(
        ErrorCode::LeaseLost,
        "the worker was lost in every one of the runs",
    )
}
