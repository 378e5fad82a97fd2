//! What requests cost, counted where it is spent: statements by the log of Postgres itself, hashes and seals by
//! their metrics, round trips to the cache by a cache that counts.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use lamplighter_shared::{
    cache::{Admission, Cache, Found, Lease, MemoryCache, Rate, Unavailable},
    db::Db,
    telemetry::metrics::{self, PASSWORD_HASHINGS, SEALS_TRIED},
};
use lamplighter_testkit::postgres::{Options, Postgres};
use poem::Request;
use tokio::sync::{Mutex, MutexGuard};

use crate::support::{Read, World, send};

/// The metrics are the process's, and times are the machine's: one test counts at a time.
pub static ONE: Mutex<()> = Mutex::const_new(());

/// What something cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effort {
    /// Passwords hashed.
    pub hashes: u64,
    /// Texts that a key was tried on.
    pub seals: u64,
    /// Round trips to the cache.
    pub cache: u64,
    /// Statements, as the server got them, in order.
    pub statements: Vec<String>,
}

/// A world on a Postgres of its own that tells what it was asked.
pub struct Gauge {
    pub world: World,
    postgres: Postgres,
    database: String,
    trips: Arc<AtomicU64>,
    _one: MutexGuard<'static, ()>,
}

impl Gauge {
    /// One whose limits nobody meets.
    pub async fn new() -> Self {
        let one = ONE.lock().await;
        metrics::install();
        let postgres = Postgres::start_with(&Options {
            fsync: false,
            settings: [
                "log_statement=all",
                "log_line_prefix=%d|",
                "log_parameter_max_length=0",
                "log_min_duration_statement=-1",
            ]
            .map(str::to_owned)
            .to_vec(),
        });
        let (database, url) = postgres.create_database();
        let db = Db::connect(&url).await.expect("a database");
        db.migrate().await.expect("migrated");
        let mut world = World::on_with(db, |config| {
            config.accounts.register_burst = 100_000;
            config.accounts.login_burst = 100_000;
        })
        .await;
        let trips = Arc::<AtomicU64>::default();
        world.remembered_by(Arc::new(Counted {
            inner: MemoryCache::default(),
            trips: trips.clone(),
        }));
        Self {
            world,
            postgres,
            database,
            trips,
            _one: one,
        }
    }

    /// A statement behind everybody's back.
    pub fn sql(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        self.postgres.query(&self.database, sql)
    }

    /// One number.
    pub fn number(&self, sql: &str) -> i64 {
        let rows = self.sql(sql);
        rows[0][0].as_deref().expect("a value").parse().expect("a number")
    }

    /// What an answer says, and what it cost.
    pub async fn ask(&self, request: Request) -> (Read, Effort) {
        let before = self.counted();
        let read = send(self.world.api(), request).await;
        (read, self.since(&before))
    }

    /// Where the counters stand.
    pub fn counted(&self) -> (Effort, usize) {
        let now = Effort {
            hashes: counter(PASSWORD_HASHINGS),
            seals: counter(SEALS_TRIED),
            cache: self.trips.load(Ordering::SeqCst),
            statements: Vec::new(),
        };
        (now, self.postgres.log().len())
    }

    /// What was spent since they stood there.
    pub fn since(&self, (before, read): &(Effort, usize)) -> Effort {
        let (now, _) = self.counted();
        Effort {
            hashes: now.hashes - before.hashes,
            seals: now.seals - before.seals,
            cache: now.cache - before.cache,
            statements: statements(&self.postgres.log()[*read..], &self.database),
        }
    }
}

fn counter(name: &str) -> u64 {
    let text = metrics::render();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.parse().ok())
        .expect("it is there from the start")
}

/// The statements in a piece of the log that this database was sent. Lines that go on begin with a tab.
fn statements(log: &str, database: &str) -> Vec<String> {
    let begins = format!("{database}|LOG:  ");
    let mut found: Vec<String> = Vec::new();
    let mut within = false;
    for line in log.lines() {
        if let (true, Some(more)) = (within, line.strip_prefix('\t')) {
            let last = found.last_mut().expect("something was begun");
            last.push(' ');
            last.push_str(more.trim());
            continue;
        }
        let said = line.strip_prefix(&begins);
        let said = said.filter(|text| text.starts_with("execute ") || text.starts_with("statement: "));
        within = said.is_some();
        // After the name that the driver gave to the prepared statement.
        found.extend(
            said.and_then(|text| text.split_once(": "))
                .map(|(_, sql)| sql.to_owned()),
        );
    }
    found
}

/// A cache that says it is shared, and counts how often it is asked.
struct Counted {
    inner: MemoryCache,
    trips: Arc<AtomicU64>,
}

impl Counted {
    fn inner(&self) -> &MemoryCache {
        self.trips.fetch_add(1, Ordering::SeqCst);
        &self.inner
    }
}

#[async_trait]
impl Cache for Counted {
    fn is_shared(&self) -> bool {
        true
    }

    async fn get(&self, key: &str) -> Result<Found, Unavailable> {
        self.inner().get(key).await
    }

    async fn set(&self, key: &str, value: &[u8], ttl: Duration) -> Result<(), Unavailable> {
        self.inner().set(key, value, ttl).await
    }

    async fn set_if_absent(&self, key: &str, value: &[u8], ttl: Duration) -> Result<bool, Unavailable> {
        self.inner().set_if_absent(key, value, ttl).await
    }

    async fn delete(&self, key: &str) -> Result<(), Unavailable> {
        self.inner().delete(key).await
    }

    async fn lease(&self, key: &str, ttl: Duration) -> Result<Option<Lease>, Unavailable> {
        self.inner().lease(key, ttl).await
    }

    async fn fill(&self, key: &str, lease: &Lease, value: &[u8], ttl: Duration) -> Result<bool, Unavailable> {
        self.inner().fill(key, lease, value, ttl).await
    }

    async fn bury(&self, key: &str, ttl: Duration) -> Result<(), Unavailable> {
        self.inner().bury(key, ttl).await
    }

    async fn admit(&self, key: &str, rate: Rate, cost: u32) -> Result<Admission, Unavailable> {
        self.inner().admit(key, rate, cost).await
    }
}
