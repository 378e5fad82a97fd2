//! Looking whether what a process needs is there, for `/readyz`: seldom enough that a flood of questions
//! costs nothing, and never for long.

use std::{
    fmt,
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_core::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::{sync::Mutex, time::timeout};

use crate::db::Db;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long an answer serves.
const FRESH: Duration = Duration::from_secs(1);

/// How a part of the installation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It works.
    Ok,
    /// It does not answer, or not soon enough.
    Unavailable,
    /// The database answers, but lacks changes that this program needs.
    Outdated,
    /// It does not go round any more.
    Stuck,
    /// The process ends.
    Stopping,
    /// There is none here, and none is needed.
    NotConfigured,
}

impl Standing {
    /// Whether nothing is wrong.
    pub fn is_well(self) -> bool {
        matches!(self, Self::Ok | Self::NotConfigured)
    }

    /// The name in the answer.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unavailable => "unavailable",
            Self::Outdated => "outdated",
            Self::Stuck => "stuck",
            Self::Stopping => "stopping",
            Self::NotConfigured => "not_configured",
        }
    }
}

type Ask = Arc<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>;

/// Asks one thing whether it is there; clones share the answer.
#[derive(Clone)]
pub struct Probe {
    ask: Ask,
    last: Arc<Mutex<Option<(Instant, bool)>>>,
}

impl Probe {
    /// Asks by this function; no answer within a second is a no.
    pub fn new<F>(ask: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = bool> + Send + 'static,
    {
        Self {
            ask: Arc::new(move || Box::pin(ask())),
            last: Arc::default(),
        }
    }

    /// Whether it is there, as of at most a second ago. Whoever asks meanwhile waits for the same answer.
    pub async fn answers(&self) -> bool {
        let mut last = self.last.lock().await;
        if let Some((at, answer)) = *last
            && at.elapsed() < FRESH
        {
            return answer;
        }
        let answer = timeout(PATIENCE, (self.ask)()).await.unwrap_or(false);
        *last = Some((Instant::now(), answer));
        answer
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Probe")
    }
}

/// What a process asks.
#[derive(Debug, Clone)]
pub struct Probes {
    database: Probe,
    schema: Probe,
    redis: Option<Probe>,
}

impl Probes {
    /// Asks this database; there is no Redis, unless [`Probes::redis`] gives one.
    pub fn new(db: &Db) -> Self {
        let (pinged, migrated) = (db.clone(), db.clone());
        Self {
            database: Probe::new(move || {
                let db = pinged.clone();
                async move { db.ping().await.is_ok() }
            }),
            schema: Probe::new(move || {
                let db = migrated.clone();
                async move { schema_is_current(&db).await }
            }),
            redis: None,
        }
    }

    /// Asks this Redis, too.
    #[must_use]
    pub fn with_redis(mut self, redis: Probe) -> Self {
        self.redis = Some(redis);
        self
    }

    /// How the database is.
    pub async fn database(&self) -> Standing {
        if !self.database.answers().await {
            Standing::Unavailable
        } else if self.schema.answers().await {
            Standing::Ok
        } else {
            Standing::Outdated
        }
    }

    /// How Redis is.
    pub async fn redis(&self) -> Standing {
        match &self.redis {
            None => Standing::NotConfigured,
            Some(redis) if redis.answers().await => Standing::Ok,
            Some(_) => Standing::Unavailable,
        }
    }
}

/// Every change is applied. A database that does not say is taken for current: whether it is there at
/// all is another question.
async fn schema_is_current(db: &Db) -> bool {
    !matches!(db.pending_migrations().await, Ok(pending) if pending > 0)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_flood_of_questions_is_one_question() {
        let asked = Arc::new(AtomicU32::new(0));
        let counted = asked.clone();
        let probe = Probe::new(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            async { true }
        });
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..100 {
            let probe = probe.clone();
            tasks.spawn(async move { probe.answers().await });
        }
        assert!(tasks.join_all().await.iter().all(|answer| *answer));
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_schema_without_our_changes_is_outdated() {
        let dir = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}", dir.path().join("x.db").display());
        let db = Db::connect(&url).await.expect("opened");
        assert_eq!(Probes::new(&db).database().await, Standing::Outdated);
        db.migrate().await.expect("migrated");
        assert_eq!(Probes::new(&db).database().await, Standing::Ok);
        assert_eq!(Probes::new(&db).redis().await, Standing::NotConfigured);
        let redis = Probe::new(async || false);
        let probes = Probes::new(&db).with_redis(redis);
        assert_eq!(probes.redis().await, Standing::Unavailable);
    }

    #[tokio::test]
    async fn silence_is_a_no_within_a_second_or_so() {
        let probe = Probe::new(std::future::pending::<bool>);
        let began = Instant::now();
        assert!(!probe.answers().await);
        println!("a silent thing was given up after {:?}", began.elapsed());
        assert!(began.elapsed() < 5 * PATIENCE);
    }
}
