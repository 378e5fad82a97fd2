//! Claiming: a worker takes the best waiting jobs of a model, in one statement.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DbErr, Value};
use uuid::Uuid;

use super::{
    Db, DbError, Dialect,
    connection::Txn,
    jobs::{LaneChange, custom, from_row, lane_of, leave_lanes},
};
use crate::{fault, job::Job, run};

/// Who claims, and for how long.
#[derive(Debug, Clone)]
pub struct Claimer {
    /// This start of the worker: part of the fence.
    pub boot: Uuid,
    /// The worker's name, for people.
    pub worker: String,
    /// How long the claim holds without a heartbeat.
    pub lease: Duration,
}

/// A job in the hands of a worker.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// The row, as it is now.
    pub job: Job,
    /// The input, a JSON text; empty where it is gone from the table.
    pub input: String,
    /// Whether it has to run alone: a batch with it in it was lost before.
    pub solo: bool,
}

/// The best rows that may run. `room` is what the caps of shares leave; a row beyond the room of its
/// share is left, so a claim may take fewer than there are: claim again until nothing comes. What was
/// due when it was created is due, even if the clock was set back since. What is written down of earlier
/// runs keeps its end only: a job may be handed back any number of times.
const CLAIM: &str = "
    WITH clock AS MATERIALIZED (SELECT {now} AS at), room AS MATERIALIZED (
        SELECT share_key, min(running_cap) - sum(running) AS free FROM lanes
        WHERE model = $1 AND running_cap IS NOT NULL GROUP BY share_key
    ), head AS MATERIALIZED (
        SELECT j.id, j.rank, j.share_key, r.free FROM jobs j LEFT JOIN room r ON r.share_key = j.share_key
        WHERE j.model = $1 AND j.state = 'queued' AND (j.run_at <= {now} OR j.run_at <= j.created_at) AND j.start_deadline > {now}
          AND j.cancel_requested_at IS NULL AND (r.free IS NULL OR r.free > 0)
        ORDER BY j.rank, j.id LIMIT {limit} {skip_locked}
    ), pick AS (
        SELECT id, rank, free, row_number() OVER (PARTITION BY share_key ORDER BY rank, id) AS place FROM head
    ){furthest}
    UPDATE jobs SET state = 'processing', attempt = attempt + 1, epoch = epoch + 1, boot = $2, worker = $3,
        started_at = (SELECT at FROM clock), lease_until = (SELECT at FROM clock) + $4, suspect_at = NULL,
        runs = substr(runs, CASE WHEN length(runs) > 3000 THEN length(runs) - 2999 ELSE 1 END)
            || '[' || (epoch + 1) || ',' || (SELECT at FROM clock) || $5 || ']\n'
    WHERE id IN (SELECT id FROM pick WHERE free IS NULL OR place <= free) AND state = 'queued'
    RETURNING {job_columns}, (SELECT input FROM job_payloads WHERE job_id = jobs.id) AS input";

/// On Postgres the same statement notes how far the queue has come, which saves a way there and back.
const FURTHEST: &str = ", furthest AS (
        INSERT INTO queues (model, last_claimed_rank)
        SELECT $1, max(rank) FROM pick WHERE free IS NULL OR place <= free HAVING count(*) > 0
        ON CONFLICT (model) DO UPDATE SET last_claimed_rank = greatest(excluded.last_claimed_rank, queues.last_claimed_rank)
    )";

/// The first half of the advisory locks of claims; any number that nobody else takes.
const CLAIMS: i32 = 0x636c_6d73;

/// Takes up to `limit` waiting jobs of `model`, smallest rank first.
///
/// # Errors
/// Where the database fails; then nothing is claimed, or a lost answer leaves leases that run out.
pub async fn claim(db: &Db, model: &str, limit: usize, claimer: &Claimer) -> Result<Vec<Claimed>, DbError> {
    let claimed = db
        .transaction(|txn| {
            let (db, model, claimer) = (db.clone(), model.to_owned(), claimer.clone());
            Box::pin(async move { claim_in(&db, txn, &model, limit, &claimer).await })
        })
        .await?;
    if !claimed.is_empty() {
        fault::point("claim.after_update").await;
    }
    Ok(claimed)
}

async fn claim_in(
    db: &Db,
    txn: &Txn,
    model: &str,
    limit: usize,
    claimer: &Claimer,
) -> Result<Vec<Claimed>, DbErr> {
    let postgres = db.dialect() == Dialect::Postgres;
    if postgres {
        // Claims of one model come one after the other: the room of a share is then exact. Not a row's lock:
        // that is a write, and each look of an idle worker would wait for the disk.
        let sql = "SELECT pg_advisory_xact_lock($1, hashtext($2))";
        txn.execute_raw(db.statement(sql, [CLAIMS.into(), model.into()]))
            .await?;
    }
    let values: [Value; 5] = [
        model.into(),
        claimer.boot.into(),
        claimer.worker.as_str().into(),
        i64::try_from(claimer.lease.as_millis())
            .unwrap_or(i64::MAX)
            .into(),
        run::begin(&claimer.worker).into(),
    ];
    // The limit stands in the text: of one that is a parameter Postgres knows nothing, takes it for a tenth of
    // the queue, and plans each claim from a long queue anew.
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let sql = CLAIM
        .replace("{furthest}", if postgres { FURTHEST } else { "" })
        .replace("{limit}", &limit.to_string());
    let rows = txn.query_all_raw(db.statement(&sql, values)).await?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let mut claimed = Vec::with_capacity(rows.len());
    let mut lanes = Vec::with_capacity(rows.len());
    for row in &rows {
        lanes.push((
            lane_of(row)?,
            LaneChange {
                waiting: -1,
                running: 1,
            },
        ));
        let job = from_row(row).map_err(custom)?;
        claimed.push(Claimed {
            job,
            // One whose input is gone must not hold up the others: it is claimed, and fails.
            input: row.try_get::<Option<String>>("", "input")?.unwrap_or_default(),
            solo: row.try_get("", "solo")?,
        });
    }
    leave_lanes(db, txn, &lanes).await?;
    if !postgres {
        let furthest = claimed.iter().map(|c| c.job.rank).max().unwrap_or(0);
        let sql =
            "INSERT INTO queues (model, last_claimed_rank) VALUES ($1, $2) ON CONFLICT (model) DO UPDATE
            SET last_claimed_rank = CASE WHEN excluded.last_claimed_rank > queues.last_claimed_rank
                THEN excluded.last_claimed_rank ELSE queues.last_claimed_rank END";
        txn.execute_raw(db.statement(sql, [model.into(), furthest.into()]))
            .await?;
    }
    claimed.sort_by_key(|c| (c.job.rank, c.job.id));
    Ok(claimed)
}
