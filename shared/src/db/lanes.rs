//! The lanes of a submit: the jobs of one share at one priority of one model. A submit locks them, and gives its
//! jobs their ranks in them.

use std::collections::{BTreeMap, HashMap};

use sea_orm::{ConnectionTrait, DbErr, Value};

use super::{Db, connection::Txn, jobs::custom, submit::NewJob};
use crate::job::Lane;

/// How far the queue of a model has come.
struct Head {
    smallest_queued: Option<i64>,
    last_claimed: i64,
}

/// The lanes of a submit, locked.
pub(super) struct Lanes {
    /// The last rank of each, and the jobs that were added.
    lanes: BTreeMap<Lane, (i64, i64)>,
    /// The jobs of each share that waited before, over all models.
    waiting: HashMap<String, i64>,
}

impl Lanes {
    /// Locks the lanes of the jobs, in the order of the keys.
    pub(super) async fn take(db: &Db, txn: &Txn, jobs: &[&NewJob]) -> Result<Self, DbErr> {
        let (mut lanes, mut waiting) = (BTreeMap::<Lane, (i64, i64)>::new(), HashMap::new());
        for job in jobs {
            lanes.entry(lane(job)).or_insert((0, 0));
        }
        for (lane, state) in &mut lanes {
            // The upsert locks the lane's row. The share's row is locked already, so no other submit adds to its
            // waiting jobs; what is claimed meanwhile may be counted still.
            // The latest word on the share counts, for all of its lanes.
            let of_share = |j: &&&NewJob| j.model == lane.model && j.share_key == lane.share_key;
            let cap = jobs.iter().rev().find(of_share).and_then(|j| j.running_cap);
            let sql = "INSERT INTO lanes (model, share_key, priority, last_rank, waiting, running, running_cap)
            VALUES ($1, $2, $3, 0, 0, 0, $4)
            ON CONFLICT (model, share_key, priority) DO UPDATE SET running_cap = excluded.running_cap
            RETURNING last_rank, EXISTS (SELECT 1 FROM lanes AS other WHERE other.model = $1 AND other.share_key = $2
              AND other.priority <> $3 AND other.running_cap IS DISTINCT FROM $4) AS other_cap,
              (SELECT CAST(coalesce(sum(mine.waiting), 0) AS bigint) FROM lanes AS mine WHERE mine.share_key = $2) AS waits";
            let row = txn
                .query_one_raw(db.statement(sql, [lane_key(lane), vec![cap.into()]].concat()))
                .await?;
            let row = row.ok_or_else(|| custom("a lane did not come back"))?;
            state.0 = row.try_get("", "last_rank")?;
            waiting.insert(lane.share_key.clone(), row.try_get("", "waits")?);
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
        Ok(Self { lanes, waiting })
    }

    /// The jobs of the job's share that waited before, over all models.
    pub(super) fn waiting(&self, job: &NewJob) -> i64 {
        self.waiting.get(&job.share_key).copied().unwrap_or_default()
    }

    /// Gives each job its rank and counts it in its lane.
    ///
    /// Start-time fair queueing: a job starts where its lane ended, or where the queue is now, whichever
    /// is later, and ends its cost ÷ weight further on; ranks are those ends.
    pub(super) async fn rank(&mut self, db: &Db, txn: &Txn, jobs: &[&NewJob]) -> Result<Vec<i64>, DbErr> {
        let mut heads = HashMap::<&str, Head>::new();
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
            let state = self
                .lanes
                .get_mut(&lane(job))
                .ok_or_else(|| custom("a job without a lane"))?;
            let start = head.smallest_queued.unwrap_or(head.last_claimed).max(state.0);
            let rank = start
                + (job.cost.max(1).saturating_mul(job.priority.rank_per_cost()) / job.plan_weight.max(1))
                    .max(1);
            *state = (rank, state.1 + 1);
            head.smallest_queued = Some(head.smallest_queued.map_or(rank, |smallest| smallest.min(rank)));
            ranks.push(rank);
        }
        for (lane, (last_rank, added)) in self.lanes.iter().filter(|(_, (_, added))| *added > 0) {
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
