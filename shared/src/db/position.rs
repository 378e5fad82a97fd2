//! Where a waiting job stands: how many are before it, when it should start, and whether it can start
//! at all. One query a model and second serves every watcher of a process.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{
    Db, DbError, disabled_models,
    queues::service_rate,
    workers::{ModelState, model_states},
};
use crate::{id::JobId, job::Job};

/// How long an answer serves.
const FRESH: Duration = Duration::from_secs(1);
/// Positions are counted up to here.
const COUNTED: usize = 1000;

/// What a waiting job's owner is told.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct QueueInfo {
    /// Jobs that run before this one.
    pub position: Option<u64>,
    /// Whether there may be more than `position`.
    pub capped: bool,
    /// Seconds until it should start, from the measured rate; none when there is nothing to measure.
    pub eta_seconds: Option<f64>,
    /// Whether a live worker serves the model.
    pub possible: bool,
    /// Why it has to wait, when it is not only for others.
    pub reason: Option<String>,
}

/// Answers for all models, each at most a second old.
#[derive(Clone)]
pub struct Positions {
    db: Db,
    models: Arc<Mutex<HashMap<String, Slot>>>,
}

/// The last answer, and when it came.
type Slot = Arc<tokio::sync::Mutex<Option<(Instant, Result<Arc<Snapshot>, DbError>)>>>;

struct Snapshot {
    /// The first ranks of the queue, in order.
    heads: Vec<(i64, JobId)>,
    /// Jobs a second.
    rate: Option<f64>,
    model: Option<ModelState>,
    /// Whether an admin has switched the model off.
    disabled: bool,
}

impl Positions {
    /// Answers from this database.
    pub fn new(db: Db) -> Self {
        Self {
            db,
            models: Arc::default(),
        }
    }

    /// Where the job stands; empty for a job that does not wait.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn of(&self, job: &Job) -> Result<QueueInfo, DbError> {
        if job.state != crate::job::JobState::Queued {
            return Ok(QueueInfo::default());
        }
        let snapshot = self.snapshot(&job.model).await?;
        let before = snapshot.heads.partition_point(|head| *head < (job.rank, job.id));
        let capped = before >= COUNTED;
        let eta = snapshot
            .rate
            .filter(|rate| *rate > 0.0 && !capped)
            .map(|rate| (before as f64 + 1.0) / rate);
        let (possible, reason) = possibility(&snapshot);
        Ok(QueueInfo {
            position: Some(before as u64),
            capped,
            eta_seconds: eta.filter(|_| possible && reason.is_none()),
            possible,
            reason,
        })
    }

    async fn snapshot(&self, model: &str) -> Result<Arc<Snapshot>, DbError> {
        let slot = {
            let mut models = self.models.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(models.entry(model.to_owned()).or_default())
        };
        // Whoever comes during a query waits for its answer. A failure is the answer only of those who have
        // waited for it: if each of them asked a database that has gone for themselves, one after the other,
        // the last would wait as many times as long.
        let asked = Instant::now();
        let mut slot = slot.lock().await;
        if let Some((at, answer)) = &*slot {
            let serves = match answer {
                Ok(_) => at.elapsed() < FRESH,
                Err(_) => *at > asked,
            };
            if serves {
                return answer.clone();
            }
        }
        let answer = self.read(model).await.map(Arc::new);
        *slot = Some((Instant::now(), answer.clone()));
        answer
    }

    async fn read(&self, model: &str) -> Result<Snapshot, DbError> {
        let sql = format!(
            "SELECT rank, id FROM jobs WHERE model = $1 AND state = 'queued' ORDER BY rank, id LIMIT {COUNTED}"
        );
        let rows = self.db.query_all(&sql, vec![model.into()]).await?;
        let heads = rows
            .iter()
            .map(|row| Ok((row.try_get("", "rank")?, JobId(row.try_get("", "id")?))))
            .collect::<Result<_, DbError>>()?;
        let rate = service_rate(&self.db, model).await?;
        Ok(Snapshot {
            heads,
            rate,
            model: model_states(&self.db).await?.remove(model),
            disabled: disabled_models::all(&self.db).await?.contains(model),
        })
    }
}

fn possibility(Snapshot { model, disabled, .. }: &Snapshot) -> (bool, Option<String>) {
    if *disabled {
        return (false, Some("the model is switched off".to_owned()));
    }
    let with = |text: &str, detail: &Option<String>| match detail {
        Some(detail) => format!("{text}: {detail}"),
        None => text.to_owned(),
    };
    match model {
        None => (false, Some("no live worker serves this model".to_owned())),
        Some(ModelState {
            status: "failed",
            detail,
            ..
        }) => (false, Some(with("the model can't be loaded", detail))),
        Some(ModelState {
            status: "fetching",
            detail,
            ..
        }) => (true, Some(with("the model's files are being fetched", detail))),
        Some(ModelState {
            status: "unloaded", ..
        }) => (
            true,
            Some("the model is not in memory; it is loaded when there is room for it".to_owned()),
        ),
        Some(ModelState {
            status: "loading",
            detail,
            ..
        }) => (true, Some(with("the model is being loaded", detail))),
        Some(_) => (true, None),
    }
}
