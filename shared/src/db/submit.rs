//! Submitting: one transaction for the idempotency key, the lane, the job and its input, of one job or of
//! several. Which jobs share one is decided in `submitter`.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use sea_orm::{ConnectionTrait, DbErr, Value};
use serde_json::Value as Json;

pub use super::submitter::Submitter;
use super::{
    Db, DbError, Dialect,
    connection::Txn,
    jobs::{custom, from_row},
};
use crate::{
    id::{JobId, UserId},
    job::{Job, Lane, Priority},
    trace::Trace,
};

/// A job to be stored.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// Its identifier.
    pub id: JobId,
    /// Who submits it.
    pub owner: UserId,
    /// The model.
    pub model: String,
    /// The task of the model.
    pub task: String,
    /// The priority within the share.
    pub priority: Priority,
    /// How much work it is, in units of the task; at least 1.
    pub cost: i64,
    /// Whose share it counts for.
    pub share_key: String,
    /// The weight of the share, at least 1.
    pub plan_weight: i64,
    /// How many jobs of the share may run at once on this model.
    pub running_cap: Option<i32>,
    /// The input, a JSON text.
    pub input: String,
    /// The owner's own notes.
    pub metadata: Option<Json>,
    /// How long it may wait to start.
    pub start_timeout: Duration,
    /// How long one run may take.
    pub run_timeout: Duration,
    /// The job it repeats.
    pub retry_of: Option<JobId>,
    /// The client's key, where it sent one.
    pub idempotency: Option<Idempotency>,
    /// The request it comes from.
    pub trace: Option<Trace>,
}

/// What makes a repeated request the same request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// The client's key.
    pub key: String,
    /// SHA-256 of what was asked.
    pub body_hash: [u8; 32],
}

/// What a submit came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Submitted {
    /// The job is stored.
    Created(Job),
    /// The job of the first request with this key.
    Replayed(Job),
    /// The key was used for another request.
    KeyReused,
    /// The first request with this key is not committed yet.
    InFlight,
}

/// Stores all jobs in one transaction; results in their order.
pub(super) async fn store(db: &Db, ttl: i64, jobs: &[NewJob]) -> Result<Vec<Submitted>, DbError> {
    db.transaction(|txn| {
        let (db, jobs) = (db.clone(), jobs.to_vec());
        Box::pin(async move {
            // Only who has a key is told that somebody else holds it; every statement is a way there and back.
            if db.dialect() == Dialect::Postgres && jobs.iter().any(|job| job.idempotency.is_some()) {
                txn.execute_unprepared("SET LOCAL lock_timeout = '1s'").await?;
            }
            let mut results = claim_keys(&db, txn, ttl, &jobs).await?;
            let new: Vec<&NewJob> = jobs
                .iter()
                .zip(&results)
                .filter(|(_, r)| r.is_none())
                .map(|(j, _)| j)
                .collect();
            let ranks = take_ranks(&db, txn, &new).await?;
            let mut stored = insert(&db, txn, &new, &ranks).await?;
            for (job, result) in jobs.iter().zip(&mut results) {
                if let Some(KeyHolder::Same(id)) = result {
                    // The holder is this very group's, or an earlier commit's.
                    if !stored.contains_key(id) {
                        let row = txn
                            .query_one_raw(
                                db.statement("SELECT {job_columns} FROM jobs WHERE id = $1", [id.0.into()]),
                            )
                            .await?;
                        let row = row.ok_or_else(|| custom("the job of an idempotency key is gone"))?;
                        stored.insert(*id, from_row(&row).map_err(custom)?);
                    }
                } else if result.is_none() && !stored.contains_key(&job.id) {
                    return Err(custom("a stored job did not come back"));
                }
            }
            Ok(jobs
                .iter()
                .zip(results)
                .map(|(job, result)| match result {
                    None => Submitted::Created(stored[&job.id].clone()),
                    Some(KeyHolder::Same(id)) => Submitted::Replayed(stored[&id].clone()),
                    Some(KeyHolder::Other) => Submitted::KeyReused,
                })
                .collect())
        })
    })
    .await
}

/// Forgets idempotency keys that ran out, some at a time; how many.
///
/// # Errors
/// Where the database fails.
pub async fn forget_keys(db: &Db) -> Result<u64, DbError> {
    let sql = "WITH gone AS MATERIALIZED (
            SELECT j.owner_id, j.key FROM idempotency_keys j WHERE j.expires_at <= {moment} LIMIT 500 {skip_locked}
        ) DELETE FROM idempotency_keys WHERE (owner_id, key) IN (SELECT owner_id, key FROM gone)";
    db.execute(sql, vec![]).await
}

/// Who has an idempotency key already.
enum KeyHolder {
    /// A request for the same, with this job.
    Same(JobId),
    /// A request for something else.
    Other,
}

/// Takes the keys of the jobs that have one, in the order of the keys; for each job, who had its key before.
async fn claim_keys(db: &Db, txn: &Txn, ttl: i64, jobs: &[NewJob]) -> Result<Vec<Option<KeyHolder>>, DbErr> {
    let mut holders: Vec<Option<KeyHolder>> = jobs.iter().map(|_| None).collect();
    let mut keyed: Vec<(usize, &NewJob, &Idempotency)> = jobs
        .iter()
        .enumerate()
        .filter_map(|(i, j)| Some((i, j, j.idempotency.as_ref()?)))
        .collect();
    keyed.sort_by_key(|(i, job, idempotency)| (job.owner, &idempotency.key, *i));
    let mut own = std::collections::HashSet::new();
    for (i, job, idempotency) in keyed {
        let key = [job.owner.0.into(), idempotency.key.as_str().into()];
        if !own.contains(&(job.owner, &idempotency.key)) {
            // A key that ran out, or whose job was deleted, is free again.
            let sql = "DELETE FROM idempotency_keys WHERE owner_id = $1 AND key = $2
                AND (expires_at <= {now} OR NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.id = idempotency_keys.job_id))";
            txn.execute_raw(db.statement(sql, key.clone())).await?;
        }
        let sql = "INSERT INTO idempotency_keys (owner_id, key, body_hash, job_id, expires_at)
            VALUES ($1, $2, $3, $4, {now} + $5) ON CONFLICT (owner_id, key) DO NOTHING";
        let [owner, name] = key.clone();
        let values = [
            owner,
            name,
            idempotency.body_hash.to_vec().into(),
            job.id.0.into(),
            ttl.into(),
        ];
        if txn.execute_raw(db.statement(sql, values)).await?.rows_affected() > 0 {
            own.insert((job.owner, &idempotency.key));
            continue;
        }
        let sql = "SELECT body_hash, job_id FROM idempotency_keys WHERE owner_id = $1 AND key = $2";
        let row = txn.query_one_raw(db.statement(sql, key)).await?;
        let row = row.ok_or_else(|| custom("an idempotency key is neither free nor taken"))?;
        let same = row.try_get::<Vec<u8>>("", "body_hash")? == idempotency.body_hash;
        holders[i] = Some(if same {
            KeyHolder::Same(JobId(row.try_get("", "job_id")?))
        } else {
            KeyHolder::Other
        });
    }
    Ok(holders)
}

/// How far the queue of a model has come.
struct Head {
    smallest_queued: Option<i64>,
    last_claimed: i64,
}

/// Gives each job its rank and counts it in its lane.
///
/// Start-time fair queueing: a job starts where its lane ended, or where the queue is now, whichever
/// is later, and ends its cost ÷ weight further on; ranks are those ends.
async fn take_ranks(db: &Db, txn: &Txn, jobs: &[&NewJob]) -> Result<Vec<i64>, DbErr> {
    let mut lanes = BTreeMap::<Lane, (i64, i64)>::new();
    let mut heads = HashMap::<&str, Head>::new();
    for job in jobs {
        lanes.entry(lane(job)).or_insert((0, 0));
    }
    for (lane, state) in &mut lanes {
        // The upsert locks the lane's row, in the order of the keys.
        // The latest word on the share counts, for all of its lanes.
        let of_share = |j: &&&NewJob| j.model == lane.model && j.share_key == lane.share_key;
        let cap = jobs.iter().rev().find(of_share).and_then(|j| j.running_cap);
        let sql = "INSERT INTO lanes (model, share_key, priority, last_rank, waiting, running, running_cap)
            VALUES ($1, $2, $3, 0, 0, 0, $4)
            ON CONFLICT (model, share_key, priority) DO UPDATE SET running_cap = excluded.running_cap
            RETURNING last_rank, EXISTS (SELECT 1 FROM lanes AS other WHERE other.model = $1 AND other.share_key = $2
              AND other.priority <> $3 AND other.running_cap IS DISTINCT FROM $4) AS other_cap";
        let row = txn
            .query_one_raw(db.statement(sql, [lane_key(lane), vec![cap.into()]].concat()))
            .await?;
        let row = row.ok_or_else(|| custom("a lane did not come back"))?;
        state.0 = row.try_get("", "last_rank")?;
        if row.try_get("", "other_cap")? {
            // The cap is the share's: its lanes agree, or the room would be counted over some of them only.
            let sql = "UPDATE lanes SET running_cap = $3
                WHERE model = $1 AND share_key = $2 AND running_cap IS DISTINCT FROM $3";
            let values = [
                lane.model.as_str().into(),
                lane.share_key.as_str().into(),
                cap.into(),
            ];
            txn.execute_raw(db.statement(sql, values)).await?;
        }
    }
    for job in jobs {
        if !heads.contains_key(job.model.as_str()) {
            heads.insert(&job.model, head(db, txn, &job.model).await?);
        }
    }
    let mut ranks = Vec::with_capacity(jobs.len());
    for job in jobs {
        let head = heads
            .get_mut(job.model.as_str())
            .ok_or_else(|| custom("a model without a head"))?;
        let state = lanes
            .get_mut(&lane(job))
            .ok_or_else(|| custom("a job without a lane"))?;
        let start = head.smallest_queued.unwrap_or(head.last_claimed).max(state.0);
        let rank = start
            + (job.cost.max(1).saturating_mul(job.priority.rank_per_cost()) / job.plan_weight.max(1)).max(1);
        *state = (rank, state.1 + 1);
        head.smallest_queued = Some(head.smallest_queued.map_or(rank, |smallest| smallest.min(rank)));
        ranks.push(rank);
    }
    for (lane, (last_rank, added)) in &lanes {
        let sql = "UPDATE lanes SET last_rank = $4, waiting = waiting + $5, used_at = {now}
            WHERE model = $1 AND share_key = $2 AND priority = $3";
        txn.execute_raw(db.statement(
            sql,
            [lane_key(lane), vec![(*last_rank).into(), (*added).into()]].concat(),
        ))
        .await?;
    }
    Ok(ranks)
}

fn lane(job: &NewJob) -> Lane {
    Lane {
        model: job.model.clone(),
        share_key: job.share_key.clone(),
        priority: job.priority,
    }
}

fn lane_key(lane: &Lane) -> Vec<Value> {
    vec![
        lane.model.as_str().into(),
        lane.share_key.as_str().into(),
        lane.priority.as_str().into(),
    ]
}

/// A job that was put back keeps its old rank, and is no head: it would turn the queue's time back.
async fn head(db: &Db, txn: &Txn, model: &str) -> Result<Head, DbErr> {
    let sql = "SELECT (SELECT rank FROM jobs WHERE model = $1 AND state = 'queued' AND epoch = 0 ORDER BY rank, id LIMIT 1) AS smallest,
        (SELECT last_claimed_rank FROM queues WHERE model = $1) AS claimed";
    let row = txn
        .query_one_raw(db.statement(sql, [model.into()]))
        .await?
        .ok_or_else(|| custom("no head"))?;
    Ok(Head {
        smallest_queued: row.try_get("", "smallest")?,
        last_claimed: row.try_get::<Option<i64>>("", "claimed")?.unwrap_or(0),
    })
}

/// Writes the rows; what was stored, by id.
async fn insert(db: &Db, txn: &Txn, jobs: &[&NewJob], ranks: &[i64]) -> Result<HashMap<JobId, Job>, DbErr> {
    if jobs.is_empty() {
        return Ok(HashMap::new());
    }
    // On Postgres one statement writes both tables, which saves a way there and back.
    let both = db.dialect() == Dialect::Postgres;
    let (mut rows, mut inputs, mut values) = (Vec::new(), Vec::new(), Vec::<Value>::new());
    for (job, rank) in jobs.iter().zip(ranks) {
        let n = values.len();
        let p = |i: usize| format!("${}", n + i);
        rows.push(format!(
            "({}, {}, {}, {}, {}, {}, 'queued', {}, {{now}}, {{now}}, {{now}} + {}, {}, {}, {}, {}, {})",
            p(1),
            p(2),
            p(3),
            p(4),
            p(5),
            p(6),
            p(7),
            p(8),
            p(9),
            p(10),
            p(11),
            p(12),
            p(13)
        ));
        values.extend([
            job.id.0.into(),
            job.owner.0.into(),
            job.model.as_str().into(),
            job.task.as_str().into(),
            job.share_key.as_str().into(),
            job.priority.as_str().into(),
            (*rank).into(),
            millis(job.start_timeout).into(),
            millis(job.run_timeout).into(),
            job.metadata.as_ref().map(ToString::to_string).into(),
            job.retry_of.map(|id| id.0).into(),
            job.trace.as_ref().map(ToString::to_string).into(),
            job.trace.as_ref().and_then(Trace::state).into(),
        ]);
        if both {
            inputs.push(format!("({}, {})", p(1), p(14)));
            values.push(job.input.as_str().into());
        }
    }
    let with_inputs = if both {
        format!(
            "WITH inputs AS (INSERT INTO job_payloads (job_id, input) VALUES {})",
            inputs.join(", ")
        )
    } else {
        String::new()
    };
    let sql = format!(
        "{with_inputs} INSERT INTO jobs (id, owner_id, model, task, share_key, priority, state, rank, created_at, run_at,
           start_deadline, run_timeout_ms, metadata, retry_of, trace_parent, trace_state)
         VALUES {} RETURNING {{job_columns}}",
        rows.join(", ")
    );
    let mut stored = HashMap::new();
    for row in txn.query_all_raw(db.statement(&sql, values)).await? {
        let job = from_row(&row).map_err(custom)?;
        stored.insert(job.id, job);
    }
    if both {
        return Ok(stored);
    }
    let rows: Vec<String> = (0..jobs.len())
        .map(|i| format!("(${}, ${})", 2 * i + 1, 2 * i + 2))
        .collect();
    let values = jobs
        .iter()
        .flat_map(|job| [job.id.0.into(), job.input.as_str().into()]);
    let sql = format!(
        "INSERT INTO job_payloads (job_id, input) VALUES {}",
        rows.join(", ")
    );
    txn.execute_raw(db.statement(&sql, values)).await?;
    Ok(stored)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}
