//! A fresh, migrated database for a test, with a clock it can turn, and the few verbs all tests use.
//!
//! Not here: what a statement should do; that stands in the tests.

use std::{path::Path, sync::OnceLock, time::Duration};

use lamplighter_shared::{
    clock::{Clock, ManualClock},
    db::{
        Db,
        claim::{Claimed, Claimer, claim},
        finish::{Finish, Finished, Outcome, finish},
        shares::ShareLimits,
        submit::{Idempotency, NewJob, Submitted, Submitter},
        users::{self, Role},
    },
    id::{JobId, UserId},
    job::{Job, JobState, Metrics, Priority},
    lifecycle::Lifecycle,
    run::Runs,
};
use lamplighter_testkit::postgres::{Options, Postgres};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, QueryResult, Statement};
use tempfile::TempDir;
use tokio::task::JoinSet;
use uuid::Uuid;

/// What the manual clock shows when a test begins.
pub const START: i64 = 1_900_000_000_000;
/// The lease of every claim made here.
pub const LEASE: Duration = Duration::from_secs(10);
/// Crashes after which a job fails.
pub const MAX_CRASHES: i32 = 3;
/// How long idempotency keys are remembered.
pub const KEY_TTL: Duration = Duration::from_secs(3600);
/// The model of jobs that do not say otherwise.
pub const MODEL: &str = "m";

/// A database of a test's own.
pub struct World {
    /// The database, on the manual clock.
    pub db: Db,
    /// The clock of `db`.
    pub clock: ManualClock,
    /// `sqlite` or `postgres`, for messages.
    pub name: &'static str,
    /// The address, for a second connection.
    pub url: String,
    /// The group commit of this world.
    pub submitter: Submitter,
    /// Looks at the tables behind the statements' back.
    raw: DatabaseConnection,
    _folder: Option<TempDir>,
}

/// Runs a test on a fresh SQLite and on a fresh Postgres; both must end with true lanes.
pub async fn for_each_database(body: impl AsyncFn(&World)) {
    for name in ["sqlite", "postgres"] {
        let world = World::fresh(name).await;
        body(&world).await;
        world.assert_lanes_true().await;
    }
}

/// The server that all tests of this program share. Nothing here outlives it, so it need not sync.
fn postgres() -> &'static Postgres {
    static SERVER: OnceLock<Postgres> = OnceLock::new();
    SERVER.get_or_init(|| {
        Postgres::start_with(&Options {
            fsync: false,
            ..Options::default()
        })
    })
}

/// An empty database of the shared server: the server, the name and the address.
pub fn empty_postgres() -> (&'static Postgres, String, String) {
    let (name, url) = postgres().create_database();
    (postgres(), name, url)
}

/// A connection that is not one of ours: it looks at the tables, and holds locks as another program would.
pub async fn raw(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(2).min_connections(1).sqlx_logging(false);
    Database::connect(options).await.expect("a second connection")
}

/// A folder in memory where the machine has one: these tests wait for thousands of commits, and none
/// of them cuts the power.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() {
        memory.to_owned()
    } else {
        std::env::temp_dir()
    };
    tempfile::tempdir_in(place).expect("a temporary folder")
}

impl World {
    /// A migrated database of this kind.
    pub async fn fresh(name: &'static str) -> Self {
        let (url, folder) = if name == "sqlite" {
            let folder = folder();
            (
                format!("sqlite://{}?mode=rwc", folder.path().join("x.db").display()),
                Some(folder),
            )
        } else {
            (postgres().create_database().1, None)
        };
        let clock = ManualClock::at(START);
        let db = Db::connect(&url)
            .await
            .expect("connect")
            .with_clock(Clock::Manual(clock.clone()));
        db.migrate().await.expect("migrate");
        let raw = raw(&url).await;
        let submitter = Submitter::start(db.clone(), &Lifecycle::default(), KEY_TTL);
        Self {
            db,
            clock,
            name,
            url,
            submitter,
            raw,
            _folder: folder,
        }
    }

    /// A new user.
    pub async fn user(&self) -> UserId {
        let email = format!("{}@example.com", Uuid::now_v7());
        users::create(&self.db, &email, Role::User)
            .await
            .expect("a user")
            .id
    }

    /// Stores the job, which must be new.
    pub async fn submit(&self, job: NewJob) -> Job {
        match self.submitter.submit(job).await {
            Ok(Submitted::Created(job)) => job,
            other => panic!("{}: expected a new job, not {other:?}", self.name),
        }
    }

    /// Stores the jobs, in this order, sharing commits.
    pub async fn submit_all(&self, jobs: Vec<NewJob>) -> Vec<Job> {
        // All of ten thousand at once would keep one thread from the database for longer than it may take.
        const AT_ONCE: usize = 1_000;
        let mut stored = Vec::with_capacity(jobs.len());
        for part in jobs.chunks(AT_ONCE) {
            let mut tasks = JoinSet::new();
            for (place, job) in part.iter().cloned().enumerate() {
                let submitter = self.submitter.clone();
                tasks.spawn(async move { (place, submitter.submit(job).await) });
            }
            let mut done = tasks.join_all().await;
            done.sort_unstable_by_key(|(place, _)| *place);
            for (_, done) in done {
                match done {
                    Ok(Submitted::Created(job)) => stored.push(job),
                    other => panic!("{}: expected a new job, not {other:?}", self.name),
                }
            }
        }
        stored
    }

    /// Claims up to `limit` jobs of [`MODEL`].
    pub async fn claim(&self, claimer: &Claimer, limit: usize) -> Vec<Claimed> {
        claim(&self.db, MODEL, limit, claimer).await.expect("claim")
    }

    /// Claims exactly one job.
    pub async fn claim_one(&self, claimer: &Claimer) -> Claimed {
        let mut claimed = self.claim(claimer, 1).await;
        assert_eq!(claimed.len(), 1, "{}: one job to claim", self.name);
        claimed.pop().expect("there is one")
    }

    /// Ends runs.
    pub async fn finish(&self, claimer: &Claimer, ends: &[Finish]) -> Vec<Finished> {
        finish(&self.db, claimer.boot, MAX_CRASHES, ends)
            .await
            .expect("finish")
    }

    /// Ends runs well.
    pub async fn succeed(&self, claimer: &Claimer, claimed: &[Claimed]) {
        let ends: Vec<Finish> = claimed
            .iter()
            .map(|c| end(c, Outcome::Succeeded("{}".to_owned())))
            .collect();
        assert_eq!(
            self.finish(claimer, &ends).await.len(),
            claimed.len(),
            "{}: no run was stale",
            self.name
        );
    }

    /// The job's row, without asking whose it is.
    pub async fn row(&self, id: JobId) -> Row {
        let rows = self.rows().await;
        rows.into_iter()
            .find(|r| r.id == id)
            .unwrap_or_else(|| panic!("{}: {id} is there", self.name))
    }

    /// All jobs, oldest first.
    pub async fn rows(&self) -> Vec<Row> {
        self.query("SELECT * FROM jobs ORDER BY id")
            .await
            .iter()
            .map(Row::read)
            .collect()
    }

    /// One number.
    pub async fn number(&self, sql: &str) -> i64 {
        self.query(sql).await[0].try_get_by_index(0).expect("a number")
    }

    /// Rows of any statement.
    pub async fn query(&self, sql: &str) -> Vec<QueryResult> {
        let statement = Statement::from_string(self.raw.get_database_backend(), sql);
        self.raw
            .query_all_raw(statement)
            .await
            .unwrap_or_else(|e| panic!("{}: {sql}: {e}", self.name))
    }

    /// Changes rows behind the statements' back.
    pub async fn execute(&self, sql: &str) {
        self.try_execute(sql)
            .await
            .unwrap_or_else(|e| panic!("{}: {sql}: {e}", self.name));
    }

    /// The same, where the database may refuse.
    pub async fn try_execute(&self, sql: &str) -> Result<(), String> {
        let done = self.raw.execute_unprepared(sql).await;
        done.map(drop).map_err(|e| e.to_string())
    }

    /// Quotas and usage say what the rows of jobs say, none of which was deleted; on Postgres no transaction had to
    /// be given up to break a deadlock.
    pub async fn assert_counted_true(&self) {
        let counted = |column: &str, of: &str| {
            format!(
                "SELECT count(*) FROM shares WHERE {column}_used <> (SELECT count(*) FROM jobs
                WHERE jobs.share_key = shares.share_key AND jobs.charged_hour {of} = shares.{column}
                  AND NOT (jobs.state IN ('canceled', 'expired') AND jobs.attempt = 0)
                  AND coalesce(jobs.error, '') NOT LIKE '%lease_lost%')"
            )
        };
        for (column, of) in [("hour", ""), ("day", "/ 86400000 * 86400000")] {
            assert_eq!(
                self.number(&counted(column, of)).await,
                0,
                "{}: {column}",
                self.name
            );
        }
        let ran = "SELECT count(*) FROM jobs WHERE completed_at IS NOT NULL AND attempt > 0";
        let told = "SELECT CAST(coalesce(sum(requests), 0) AS bigint) FROM usage";
        assert_eq!(
            self.number(told).await,
            self.number(ran).await,
            "{}: usage",
            self.name
        );
        if self.name == "postgres" {
            let sql = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
            let deadlocks = self.number(sql).await;
            println!("postgres: {deadlocks} deadlocks");
            assert_eq!(deadlocks, 0);
        }
    }

    /// The counts of every lane are what a count over the jobs says.
    pub async fn assert_lanes_true(&self) {
        let kept = "SELECT model, share_key, priority, waiting, running FROM lanes WHERE waiting <> 0 OR running <> 0
            ORDER BY model, share_key, priority";
        let counted = "SELECT model, share_key, priority, count(*) FILTER (WHERE state = 'queued') AS waiting,
            count(*) FILTER (WHERE state = 'processing') AS running FROM jobs WHERE state IN ('queued', 'processing')
            GROUP BY model, share_key, priority ORDER BY model, share_key, priority";
        let read = |row: &QueryResult| {
            let text = |column: &str| row.try_get::<String>("", column).expect("text");
            let number = |column: &str| row.try_get::<i64>("", column).expect("number");
            (
                text("model"),
                text("share_key"),
                text("priority"),
                number("waiting"),
                number("running"),
            )
        };
        let kept: Vec<_> = self.query(kept).await.iter().map(read).collect();
        let counted: Vec<_> = self.query(counted).await.iter().map(read).collect();
        assert_eq!(kept, counted, "{}: lanes are true (kept, counted)", self.name);
    }
}

/// All of a job's row that a statement may change.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub id: JobId,
    pub state: JobState,
    pub rank: i64,
    pub attempt: i32,
    pub epoch: i64,
    pub crashes: i32,
    pub lease_losses: i32,
    pub solo: bool,
    pub boot: Option<Uuid>,
    pub worker: Option<String>,
    pub started_at: Option<i64>,
    pub lease_until: Option<i64>,
    pub suspect_at: Option<i64>,
    pub completed_at: Option<i64>,
    pub cancel_requested_at: Option<i64>,
    pub error: Option<String>,
    pub metrics: Option<String>,
    pub last: (i64, i64),
    pub runs: Runs,
}

impl Row {
    fn read(row: &QueryResult) -> Self {
        macro_rules! column {
            ($name:literal) => {
                row.try_get("", $name).expect($name)
            };
        }
        Self {
            id: JobId(column!("id")),
            state: row
                .try_get::<String>("", "state")
                .expect("state")
                .parse()
                .expect("a state"),
            rank: column!("rank"),
            attempt: column!("attempt"),
            epoch: column!("epoch"),
            crashes: column!("crashes"),
            lease_losses: column!("lease_losses"),
            solo: column!("solo"),
            boot: column!("boot"),
            worker: column!("worker"),
            started_at: column!("started_at"),
            lease_until: column!("lease_until"),
            suspect_at: column!("suspect_at"),
            completed_at: column!("completed_at"),
            cancel_requested_at: column!("cancel_requested_at"),
            error: column!("error"),
            metrics: column!("metrics"),
            last: (column!("last_epoch"), column!("last_seq")),
            runs: Runs::from(row.try_get::<String>("", "runs").expect("runs")),
        }
    }
}

/// A job of `owner` with nothing special about it.
pub fn job(owner: UserId) -> NewJob {
    NewJob {
        id: JobId::generate(),
        owner,
        owner_is_guest: false,
        model: MODEL.to_owned(),
        task: "echo".to_owned(),
        priority: Priority::Normal,
        cost: 1,
        share_key: owner.to_string(),
        plan_weight: 1,
        running_cap: None,
        limits: ShareLimits::default(),
        token: None,
        input: r#"{"hello":"world"}"#.to_owned(),
        metadata: None,
        start_timeout: Duration::from_secs(3600),
        run_timeout: Duration::from_secs(60),
        retry_of: None,
        idempotency: None,
        trace: None,
    }
}

/// `count` such jobs.
pub fn jobs(owner: UserId, count: usize) -> Vec<NewJob> {
    (0..count).map(|_| job(owner)).collect()
}

/// A request with this key; `body` tells requests apart.
pub fn keyed(owner: UserId, key: &str, body: u8) -> NewJob {
    NewJob {
        idempotency: Some(Idempotency {
            key: key.to_owned(),
            body_hash: [body; 32],
        }),
        ..job(owner)
    }
}

/// A worker that has just started.
pub fn worker(name: &str) -> Claimer {
    Claimer {
        boot: Uuid::now_v7(),
        worker: name.to_owned(),
        lease: LEASE,
    }
}

/// The end of a claimed run.
pub fn end(claimed: &Claimed, outcome: Outcome) -> Finish {
    Finish {
        job: claimed.job.id,
        epoch: claimed.job.epoch,
        outcome,
        metrics: Metrics::default(),
        last_seq: 0,
    }
}
