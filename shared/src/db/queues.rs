//! The queues as an operator sees them: how much waits for each model, how long, and how fast it is
//! worked off. Counts come from the lanes, so a million waiting jobs cost no more than ten.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    Db, DbError,
    workers::{ModelState, model_states},
};
use crate::job::Priority;

/// The service rate is measured over so many jobs, of at most the last minute.
const RATE_SAMPLE: i64 = 500;
/// The oldest job is looked for among so many of the first. Each lane's oldest stands at its head, and
/// the heads of all lanes stand in front, so it is missed only where hundreds of users wait at once.
const HEADS: i64 = 1000;

/// The queue of one model.
#[derive(Debug, Clone, PartialEq)]
pub struct Queue {
    /// The model.
    pub model: String,
    /// Jobs that wait, by priority.
    pub waiting: Waiting,
    /// How long the oldest of them has waited, seconds; none where none waits.
    pub oldest_seconds: Option<f64>,
    /// Jobs in the hands of workers.
    pub in_flight: u64,
    /// Jobs a second, as measured; none where there is nothing to measure.
    pub service_rate: Option<f64>,
    /// How long a job should wait that somebody submits now who has none waiting; none where no worker
    /// serves the model now or there is no rate.
    pub eta_seconds: Option<f64>,
    /// Its state over all live workers; none where nobody has it.
    pub state: Option<ModelState>,
}

/// Waiting jobs by priority.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Low.
    pub low: u64,
    /// Normal.
    pub normal: u64,
    /// High.
    pub high: u64,
}

impl Waiting {
    /// All of them.
    pub fn total(self) -> u64 {
        self.low + self.normal + self.high
    }
}

/// The queues of these models and of every other for which a job waits or runs, by name.
///
/// # Errors
/// Where the database fails.
pub async fn queues(db: &Db, models: impl IntoIterator<Item = &str>) -> Result<Vec<Queue>, DbError> {
    let counts = counts(db).await?;
    let mut states = model_states(db).await?;
    let names: BTreeSet<String> = models
        .into_iter()
        .map(str::to_owned)
        .chain(counts.keys().cloned())
        .collect();
    let mut queues = Vec::with_capacity(names.len());
    for model in names {
        let (waiting, in_flight) = counts.get(&model).copied().unwrap_or_default();
        let (oldest_seconds, before) = if waiting.total() > 0 {
            front(db, &model).await?
        } else {
            (None, 0)
        };
        let service_rate = service_rate(db, &model).await?;
        let state = states.remove(&model);
        let served = state.as_ref().is_some_and(|state| state.status == "ready");
        let eta = match service_rate {
            _ if waiting.total() == 0 => Some(0.0),
            Some(rate) if rate > 0.0 => Some((before as f64 + 1.0) / rate),
            _ => None,
        };
        queues.push(Queue {
            waiting,
            oldest_seconds,
            in_flight,
            service_rate,
            eta_seconds: eta.filter(|_| served),
            state,
            model,
        });
    }
    Ok(queues)
}

/// Jobs a second of a model; none where fewer than two have ended in the last minute.
///
/// # Errors
/// Where the database fails.
pub async fn service_rate(db: &Db, model: &str) -> Result<Option<f64>, DbError> {
    let sql = format!(
        "SELECT count(*) AS done, min(completed_at) AS since, {{now}} AS now FROM (
            SELECT completed_at FROM jobs WHERE model = $1 AND state IN ('succeeded', 'failed')
              AND completed_at > {{moment}} - 60000 ORDER BY completed_at DESC LIMIT {RATE_SAMPLE}) AS recent"
    );
    let Some(row) = db.query_one(&sql, vec![model.into()]).await? else {
        return Ok(None);
    };
    let done: i64 = row.try_get("", "done")?;
    let since: Option<i64> = row.try_get("", "since")?;
    let now: i64 = row.try_get("", "now")?;
    // Two ends at least: one tells nothing of a rate.
    Ok(since
        .filter(|_| done >= 2)
        .map(|since| done as f64 * 1000.0 / ((now - since).max(100) as f64)))
}

/// Whether a job waits for the model that could be claimed now, and could have been for as long as
/// `waited`. Cheap: it looks at the head, as a rule.
///
/// # Errors
/// Where the database fails.
pub async fn has_work(db: &Db, model: &str, waited: Duration) -> Result<bool, DbError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM jobs j WHERE j.model = $1 AND j.state = 'queued'
        AND (j.run_at <= {now} - $2 OR (j.run_at <= j.created_at AND $2 = 0)) AND j.start_deadline > {now}
        AND j.cancel_requested_at IS NULL) AS waits";
    let waited = i64::try_from(waited.as_millis()).unwrap_or(i64::MAX);
    match db.query_one(sql, vec![model.into(), waited.into()]).await? {
        Some(row) => Ok(row.try_get("", "waits")?),
        None => Ok(false),
    }
}

/// Waiting jobs and jobs in hand, by model.
async fn counts(db: &Db) -> Result<BTreeMap<String, (Waiting, u64)>, DbError> {
    let sql = "SELECT model, priority, CAST(sum(waiting) AS bigint) AS waiting, CAST(sum(running) AS bigint) AS running
        FROM lanes WHERE waiting > 0 OR running > 0 GROUP BY model, priority";
    let mut counts = BTreeMap::<String, (Waiting, u64)>::new();
    for row in db.query_all(sql, vec![]).await? {
        let priority: Priority = row
            .try_get::<String>("", "priority")?
            .parse()
            .map_err(|e| DbError::Statement(format!("a lane: {e}")))?;
        let number = |column: &str| -> Result<u64, DbError> {
            Ok(row.try_get::<i64>("", column)?.max(0).unsigned_abs())
        };
        let (waiting, running) = counts.entry(row.try_get("", "model")?).or_default();
        *running += number("running")?;
        let place = match priority {
            Priority::Low => &mut waiting.low,
            Priority::Normal => &mut waiting.normal,
            Priority::High => &mut waiting.high,
        };
        *place += number("waiting")?;
    }
    Ok(counts)
}

/// How long the oldest job has waited, seconds, and how many stand before a job of somebody new.
async fn front(db: &Db, model: &str) -> Result<(Option<f64>, u64), DbError> {
    let sql = format!(
        "WITH head AS (SELECT rank, created_at, epoch FROM jobs WHERE model = $1 AND state = 'queued'
            ORDER BY rank, id LIMIT {HEADS})
         SELECT min(created_at) AS oldest, {{now}} AS now,
            (SELECT count(*) FROM head WHERE rank <= $2 + (SELECT min(rank) FROM head WHERE epoch = 0)) AS before
         FROM head"
    );
    let newcomer = Priority::Normal.rank_per_cost();
    let Some(row) = db.query_one(&sql, vec![model.into(), newcomer.into()]).await? else {
        return Ok((None, 0));
    };
    let now: i64 = row.try_get("", "now")?;
    let oldest = row
        .try_get::<Option<i64>>("", "oldest")?
        .map(|oldest| (now - oldest).max(0) as f64 / 1000.0);
    Ok((oldest, row.try_get::<i64>("", "before")?.max(0).unsigned_abs()))
}
