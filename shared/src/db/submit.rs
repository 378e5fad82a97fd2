//! Submitting: one transaction for the idempotency key, the lane, the job and its input, of one job or of
//! several. Which jobs share one is decided in `submitter`.

use std::{collections::HashMap, time::Duration};

use sea_orm::{ConnectionTrait, DbErr, Value};
use serde_json::Value as Json;

pub use super::submitter::Submitter;
use super::{
    Db, DbError, Dialect,
    connection::Txn,
    jobs::{custom, from_row},
    lanes::Lanes,
    shares::{Accounts, Refusal, ShareLimits, Standing},
    users,
};
use crate::{
    id::{JobId, TokenId, UserId},
    job::{Job, Priority},
    trace::Trace,
};

/// A job to be stored.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// Its identifier.
    pub id: JobId,
    /// Who submits it.
    pub owner: UserId,
    /// Whether they have no account: the user that holds their jobs is made with the first one that is stored.
    pub owner_is_guest: bool,
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
    /// What else the share may have.
    pub limits: ShareLimits,
    /// The token that it comes with.
    pub token: Option<TokenId>,
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
    /// A quota of the share is used up: nothing is stored, and the key is free.
    Refused(Refusal),
}

/// What a submit came to, and what its share has used then, where it was counted.
#[derive(Debug, Clone, PartialEq)]
pub struct Counted {
    /// What it came to.
    pub submitted: Submitted,
    /// What the share has used.
    pub standing: Option<Standing>,
}

impl From<Submitted> for Counted {
    fn from(submitted: Submitted) -> Self {
        Self {
            submitted,
            standing: None,
        }
    }
}

/// Stores all jobs in one transaction; results in their order.
pub(super) async fn store(db: &Db, ttl: i64, jobs: &[NewJob]) -> Result<Vec<Counted>, DbError> {
    db.transaction(|txn| {
        let (db, jobs) = (db.clone(), jobs.to_vec());
        Box::pin(async move {
            // Only who has a key is told that somebody else holds it; every statement is a way there and back.
            if db.dialect() == Dialect::Postgres && jobs.iter().any(|job| job.idempotency.is_some()) {
                txn.execute_unprepared("SET LOCAL lock_timeout = '1s'").await?;
            }
            let guests = jobs.iter().filter(|job| job.owner_is_guest).map(|job| job.owner);
            let mut new_guests = users::create_guests_in(&db, txn, &guests.collect()).await?;
            let holders = claim_keys(&db, txn, ttl, &jobs).await?;
            let fresh = jobs.iter().zip(&holders).filter(|(_, holder)| holder.is_none());
            let fresh: Vec<&NewJob> = fresh.map(|(job, _)| job).collect();
            let mut accounts = Accounts::open(&db, txn, &fresh).await?;
            let mut lanes = Lanes::take(&db, txn, &fresh).await?;
            let (mut new, mut refused) = (Vec::with_capacity(fresh.len()), HashMap::new());
            for job in fresh {
                match accounts.admit(job, lanes.waiting(job))? {
                    None => new.push(job),
                    Some(refusal) => {
                        refused.insert(job.id, refusal);
                    }
                }
            }
            accounts.settle(&db, txn).await?;
            free_keys(&db, txn, jobs.iter().filter(|job| refused.contains_key(&job.id))).await?;
            new_guests.retain(|guest| new.iter().all(|job| job.owner != *guest));
            users::forget_guests_in(&db, txn, &new_guests).await?;
            let ranks = lanes.rank(&db, txn, &new).await?;
            let mut stored = insert(&db, txn, &new, &ranks, &accounts).await?;
            let mut results = Vec::with_capacity(jobs.len());
            for (job, holder) in jobs.iter().zip(holders) {
                let submitted = match holder {
                    Some(KeyHolder::Other) => Submitted::KeyReused,
                    Some(KeyHolder::Same(id)) => match refused.get(&id) {
                        Some(refusal) => Submitted::Refused(refusal.clone()),
                        // Deleted since its key was read: the next try finds the key free.
                        None => known(&db, txn, &mut stored, id)
                            .await?
                            .map_or(Submitted::InFlight, Submitted::Replayed),
                    },
                    None => match (refused.get(&job.id), stored.get(&job.id)) {
                        (Some(refusal), _) => Submitted::Refused(refusal.clone()),
                        (None, Some(job)) => Submitted::Created(job.clone()),
                        (None, None) => return Err(custom("a stored job did not come back")),
                    },
                };
                let counted = matches!(submitted, Submitted::Created(_) | Submitted::Refused(_));
                results.push(Counted {
                    standing: counted.then(|| accounts.standing(&job.share_key)),
                    submitted,
                });
            }
            Ok(results)
        })
    })
    .await
}

/// The job of a key: of this very group, or of an earlier commit; none where it was deleted just now.
async fn known(
    db: &Db,
    txn: &Txn,
    stored: &mut HashMap<JobId, Job>,
    id: JobId,
) -> Result<Option<Job>, DbErr> {
    if let Some(job) = stored.get(&id) {
        return Ok(Some(job.clone()));
    }
    let sql = "SELECT {job_columns} FROM jobs WHERE id = $1";
    let Some(row) = txn.query_one_raw(db.statement(sql, [id.0.into()])).await? else {
        return Ok(None);
    };
    let job = from_row(&row).map_err(custom)?;
    stored.insert(id, job.clone());
    Ok(Some(job))
}

/// The first request with an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    /// The job it made.
    pub job: JobId,
    /// SHA-256 of what it asked for.
    pub body_hash: [u8; 32],
}

/// What this owner's key made before, where its job is there, as far as is committed.
///
/// # Errors
/// Where the database fails.
pub async fn earlier(db: &Db, owner: UserId, key: &str) -> Result<Option<Earlier>, DbError> {
    let sql = "SELECT job_id, body_hash FROM idempotency_keys WHERE owner_id = $1 AND key = $2 AND expires_at > {now}
        AND EXISTS (SELECT 1 FROM jobs WHERE jobs.id = idempotency_keys.job_id)";
    let Some(row) = db.query_one(sql, vec![owner.0.into(), key.into()]).await? else {
        return Ok(None);
    };
    let hash: Vec<u8> = row.try_get("", "body_hash")?;
    Ok(Some(Earlier {
        job: JobId(row.try_get("", "job_id")?),
        body_hash: hash
            .try_into()
            .map_err(|_| DbError::Statement("a hash does not have 32 bytes".to_owned()))?,
    }))
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

/// Gives back the keys of jobs that are not stored.
async fn free_keys(db: &Db, txn: &Txn, refused: impl Iterator<Item = &NewJob>) -> Result<(), DbErr> {
    for job in refused.filter(|job| job.idempotency.is_some()) {
        let key = job
            .idempotency
            .as_ref()
            .map(|idempotency| idempotency.key.as_str());
        let sql = "DELETE FROM idempotency_keys WHERE owner_id = $1 AND key = $2 AND job_id = $3";
        let values = [job.owner.0.into(), key.into(), job.id.0.into()];
        txn.execute_raw(db.statement(sql, values)).await?;
    }
    Ok(())
}

/// Writes the rows; what was stored, by id.
async fn insert(
    db: &Db,
    txn: &Txn,
    jobs: &[&NewJob],
    ranks: &[i64],
    accounts: &Accounts,
) -> Result<HashMap<JobId, Job>, DbErr> {
    if jobs.is_empty() {
        return Ok(HashMap::new());
    }
    // On Postgres one statement writes both tables, which saves a way there and back.
    let both = db.dialect() == Dialect::Postgres;
    let (mut rows, mut inputs, mut values) = (Vec::new(), Vec::new(), Vec::<Value>::new());
    for (job, rank) in jobs.iter().zip(ranks) {
        let n = values.len();
        let p = |i: usize| format!("${}", n + i);
        let places = |first, last| (first..=last).map(p).collect::<Vec<_>>().join(", ");
        rows.push(format!(
            "({}, 'queued', {}, {{now}}, {{now}}, {{now}} + {}, {})",
            places(1, 6),
            p(7),
            p(8),
            places(9, 16)
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
            job.token.map(|id| id.0).into(),
            job.cost.max(1).into(),
            accounts.hour(&job.share_key).into(),
        ]);
        if both {
            inputs.push(format!("({}, {})", p(1), p(17)));
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
           start_deadline, run_timeout_ms, metadata, retry_of, trace_parent, trace_state,
           token_id, units, charged_hour)
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
