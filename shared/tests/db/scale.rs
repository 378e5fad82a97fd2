//! Many rows slow nothing: with hundreds of thousands waiting, and as many that have ended, the hot
//! statements read as many pages as with a thousand, and none of them reads `jobs` from end to end.
//!
//! Asserted on pages, which are the same on every machine, as Postgres itself counts them (`auto_explain`);
//! times are printed. `LAMPLIGHTER_TEST_ROWS=1000000` makes the tables larger.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use lamplighter_shared::{
    config::Retention,
    db::{
        Db,
        audit::{self, Action},
        claim::claim,
        finish::{Outcome, finish},
        jobs::{self, Filter},
        lease::{cancel_requested, heartbeat},
        position::Positions,
        reap::{ReapRules, tick},
        retention::housekeeping,
        submit::{Submitted, Submitter},
    },
    id::UserId,
    job::{Job, JobState},
    lifecycle::Lifecycle,
};
use lamplighter_testkit::postgres::{Options, Postgres};
use uuid::Uuid;

use crate::world::{KEY_TTL, LEASE, MAX_CRASHES, MODEL, end, job, keyed, worker};

/// Users who share what waits evenly.
const USERS: usize = 200;
/// How often each thing is done for its time.
const ROUNDS: usize = 40;
/// Jobs in one claim and one finish.
const BATCH: usize = 8;

/// A loaded database.
struct Loaded {
    /// For times.
    plain: Db,
    /// The same, where Postgres writes down what each statement did.
    explained: Db,
    name: String,
    surprised: bool,
}

impl Loaded {
    /// With `surprised`, Postgres believes that the tables are empty, as it may for a minute.
    async fn new(server: &Postgres, rows: usize, surprised: bool) -> Self {
        let (name, url) = server.create_database();
        let plain = Db::connect(&url).await.expect("connect");
        plain.migrate().await.expect("migrate");
        if surprised {
            server.query(&name, "ALTER TABLE jobs SET (autovacuum_enabled = off)");
            server.query(&name, "ANALYZE");
        }
        for statement in load(rows) {
            if !(surprised && statement.contains("ANALYZE")) {
                server.query(&name, &statement);
            }
        }
        let explain = "options[session_preload_libraries]=auto_explain&options[auto_explain.log_min_duration]=0\
            &options[auto_explain.log_analyze]=on&options[auto_explain.log_buffers]=on\
            &options[auto_explain.log_timing]=off&options[auto_explain.log_nested_statements]=on";
        let explained = Db::connect(&format!("{url}?{explain}")).await.expect("connect");
        Self {
            plain,
            explained,
            name,
            surprised,
        }
    }
}

/// `rows` jobs that wait, `rows` that have succeeded and belong to the first user, and a few that failed.
fn load(rows: usize) -> Vec<String> {
    let id = |kind: u32, n: &str| format!("(lpad('{kind}', 12, '0') || lpad(to_hex({n}), 20, '0'))::uuid");
    let now = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint";
    let columns = "id, owner_id, model, task, share_key, priority, state, rank, created_at, run_at, start_deadline, \
        run_timeout_ms, attempt, epoch, worker, started_at, completed_at, metrics";
    let (user, waiting, ended) = (id(1, "i"), id(2, "i"), id(3, "i"));
    let owner = id(1, &format!("1 + i % {USERS}"));
    vec![
        format!(
            "INSERT INTO users (id, email, role, created_at, verified_at, approved_at)
             SELECT {user}, i || '@example.com', 'user', 0, 0, 0 FROM generate_series(1, {USERS}) i"
        ),
        format!(
            "INSERT INTO jobs ({columns}) SELECT {waiting}, {owner}, '{MODEL}', 'echo', 's' || (1 + i % {USERS}), 'normal', 'queued',
               1000000::bigint * (1 + i / {USERS}), {now}, {now}, {now} + 86400000, 60000, 0, 0, NULL, NULL, NULL, NULL
             FROM generate_series(0, {rows} - 1) i"
        ),
        format!(
            "INSERT INTO jobs ({columns}) SELECT {ended}, {}, '{MODEL}', 'echo', 's1', 'normal',
               CASE WHEN i % 50000 = 17 THEN 'failed' ELSE 'succeeded' END,
               0, {now} - 9000000, {now} - 9000000, {now}, 60000, 1, 1, 'w', {now} - 8000000,
               {now} - 7200000 + i::bigint * 3600000 / {rows}, '{{}}'
             FROM generate_series(1, {rows}) i",
            id(1, "1")
        ),
        "INSERT INTO job_payloads (job_id, input, output)
         SELECT id, '{\"hello\":\"world\"}', NULL FROM jobs WHERE state = 'queued'"
            .to_owned(),
        format!(
            "INSERT INTO lanes (model, share_key, priority, last_rank, waiting, running)
             SELECT model, share_key, priority, max(rank), count(*), 0 FROM jobs WHERE state = 'queued' GROUP BY 1, 2, 3"
        ),
        // By one user each, of whom the second did a thing that nobody else did.
        format!(
            "INSERT INTO audit_log (id, at, action, outcome, actor_kind, user_id)
             SELECT {}, {now} - i, CASE WHEN i = 2 THEN 'plan.change' ELSE 'token.create' END, 'success', 'operator', {owner}
             FROM generate_series(1, {rows}) i",
            id(4, "i")
        ),
        format!("INSERT INTO queues (model, last_claimed_rank) VALUES ('{MODEL}', 0)"),
        "VACUUM ANALYZE".to_owned(),
    ]
}

/// What one thing costs.
#[derive(Debug, Default, Clone)]
struct Cost {
    /// Pages that its statements touched, together.
    pages: u64,
    /// Whether one of them read all of `jobs`.
    whole_table: bool,
    /// The middle of its times.
    median: Duration,
}

/// Everything hot, once each round, on this database; what the rounds leave is what they found.
struct Hot<'a> {
    db: &'a Db,
    submitter: Submitter,
    owner: UserId,
}

impl Hot<'_> {
    fn new(db: &Db, owner: UserId) -> Hot<'_> {
        Hot {
            submitter: Submitter::start(db.clone(), &Lifecycle::default(), KEY_TTL),
            db,
            owner,
        }
    }

    async fn list(&self, filter: Filter) {
        let filter = Filter { limit: 20, ..filter };
        jobs::list(self.db, self.owner, &filter).await.expect("list");
    }

    /// Two pages of the audit log.
    async fn log(&self, filter: audit::Filter) {
        let filter = audit::Filter { limit: 20, ..filter };
        let page = audit::list(self.db, &filter).await.expect("entries");
        let before = page.last().map(|entry| entry.id);
        audit::list(self.db, &audit::Filter { before, ..filter })
            .await
            .expect("entries");
    }

    async fn stored(&self, job: lamplighter_shared::db::submit::NewJob) -> Job {
        match self.submitter.submit(job).await {
            Ok(Submitted::Created(job)) => job,
            other => panic!("{other:?}"),
        }
    }

    /// Lists with each filter, and with two of them.
    async fn lists(&self, note: &mut impl FnMut(&'static str, Duration)) {
        let of = |state, model: Option<&str>, task: Option<&str>| Filter {
            state,
            model: model.map(str::to_owned),
            task: task.map(str::to_owned),
            ..Filter::default()
        };
        for (name, filter) in [
            ("list", Filter::default()),
            ("list of a rare state", of(Some(JobState::Failed), None, None)),
            (
                "list of a state there is none of",
                of(Some(JobState::Expired), None, None),
            ),
            ("list of a model there is none of", of(None, Some("other"), None)),
            ("list of a task", of(None, None, Some("echo"))),
            ("list of a task there is none of", of(None, None, Some("other"))),
            ("list of both", of(Some(JobState::Failed), Some(MODEL), None)),
        ] {
            let start = Instant::now();
            self.list(filter).await;
            note(name, start.elapsed());
        }
    }

    /// Does each thing once and hands its name and time to `note`.
    async fn round(&self, note: &mut impl FnMut(&'static str, Duration)) {
        macro_rules! timed {
            ($name:literal, $work:expr) => {{
                let start = Instant::now();
                let result = $work.await;
                note($name, start.elapsed());
                result
            }};
        }
        let (db, me) = (self.db, worker("w"));
        let mut fresh = timed!("submit", self.stored(job(self.owner)));
        let key = Uuid::now_v7().to_string();
        timed!("submit with a key", self.stored(keyed(self.owner, &key, 1)));
        for _ in 2..BATCH {
            fresh = self.stored(job(self.owner)).await;
        }
        let claimed = timed!("claim", claim(db, MODEL, BATCH, &me)).expect("claim");
        assert_eq!(claimed.len(), BATCH);
        let runs: Vec<_> = claimed.iter().map(|c| (c.job.id, c.job.epoch)).collect();
        timed!("heartbeat", heartbeat(db, me.boot, &runs, LEASE)).expect("heartbeat");
        timed!("cancel requests", cancel_requested(db, &runs)).expect("asked");
        let ends: Vec<_> = claimed
            .iter()
            .map(|c| end(c, Outcome::Succeeded("{}".to_owned())))
            .collect();
        let ended = timed!("finish", finish(db, me.boot, MAX_CRASHES, &ends)).expect("finish");
        assert_eq!(ended.len(), BATCH);
        timed!("get", jobs::get(db, self.owner, fresh.id)).expect("get");
        timed!("payload", jobs::payload(db, self.owner, fresh.id)).expect("payload");
        self.lists(note).await;
        timed!("log", self.log(audit::Filter::default()));
        let user = Some(self.owner);
        timed!(
            "log of a user",
            self.log(audit::Filter {
                user,
                ..Default::default()
            })
        );
        let action = Some(Action::PlanChange);
        timed!(
            "log of a rare action",
            self.log(audit::Filter {
                action,
                ..Default::default()
            })
        );
        // A new one each time: it remembers for a second.
        timed!("position", Positions::new(db.clone()).of(&fresh)).expect("position");
        let rules = ReapRules {
            confirm: Duration::from_secs(4),
            max_lease_losses: 3,
        };
        timed!("reap", tick(db, rules)).expect("tick");
        let week = Retention {
            results_days: 7.0,
            rows_days: 30.0,
        };
        timed!("housekeeping", housekeeping(db, &week)).expect("housekeeping");
    }
}

/// What each thing costs on these databases. They take turns: who else uses the machine disturbs all alike.
async fn costs<const N: usize>(server: &Postgres, loaded: [&Loaded; N]) -> [BTreeMap<&'static str, Cost>; N] {
    let owner = UserId(Uuid::from_u128((1 << 80) + 1));
    let mut times = [const { BTreeMap::<_, Vec<Duration>>::new() }; N];
    let hot = loaded.map(|l| Hot::new(&l.plain, owner));
    for _ in 0..ROUNDS {
        for (hot, times) in hot.iter().zip(&mut times) {
            hot.round(&mut |name, time| times.entry(name).or_default().push(time))
                .await;
        }
    }
    let mut all = [const { BTreeMap::new() }; N];
    for ((loaded, times), costs) in loaded.iter().zip(times).zip(&mut all) {
        // Rounds leave dead rows, as life does; a vacuum comes by now and then, as in life.
        if !loaded.surprised {
            server.query(&loaded.name, "VACUUM ANALYZE jobs");
        }
        let hot = Hot::new(&loaded.explained, owner);
        // The first time a connection looks up what the tables are.
        hot.round(&mut |_, _| {}).await;
        let mut seen = server.log().len();
        hot.round(&mut |name, _| {
            let log = server.log();
            if std::env::var("LAMPLIGHTER_TEST_PLANS").is_ok_and(|wanted| wanted == name) {
                println!("{}", &log[seen..]);
            }
            costs.insert(name, read_plans(&log[seen..]));
            seen = log.len();
        })
        .await;
        for (name, mut times) in times {
            times.sort_unstable();
            costs.entry(name).or_insert_with(Cost::default).median = times[times.len() / 2];
        }
    }
    all
}

/// Sums the pages of all plans in a piece of the log. A plan's first line of buffers is the whole plan's.
fn read_plans(log: &str) -> Cost {
    let mut cost = Cost::default();
    let mut first = false;
    for line in log.lines() {
        let line = line.trim();
        if line.contains("Query Text:") {
            first = true;
        } else if line.starts_with("Buffers:") && std::mem::take(&mut first) {
            let pages = line.split_whitespace().filter_map(|word| {
                let (kind, count) = word.split_once('=')?;
                // `shared hit=3 read=1 dirtied=2`: what was dirtied was hit or read.
                ["hit", "read"]
                    .contains(&kind)
                    .then(|| count.parse::<u64>().ok())?
            });
            cost.pages += pages.sum::<u64>();
        }
        cost.whole_table |= line.contains("Seq Scan on jobs");
    }
    cost
}

fn server() -> Postgres {
    let settings = ["shared_buffers=256MB", "max_wal_size=4GB"];
    Postgres::start_with(&Options {
        fsync: false,
        settings: settings.map(str::to_owned).to_vec(),
    })
}

fn rows(unless_said: usize) -> usize {
    std::env::var("LAMPLIGHTER_TEST_ROWS").map_or(unless_said, |n| n.parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_rows_slow_nothing() {
    let (server, rows) = (server(), rows(100_000));
    let begin = Instant::now();
    let small = Loaded::new(&server, 1000, false).await;
    let large = Loaded::new(&server, rows, false).await;
    let surprised = Loaded::new(&server, rows / 2, true).await;
    println!(
        "{rows} rows that wait and {rows} that have ended, loaded in {:?}",
        begin.elapsed()
    );
    let [few, many, surprise] = costs(&server, [&small, &large, &surprised]).await;
    println!(
        "{:34} pages: of 1000, of many, of some that nobody expected; times and the ratio of the first two",
        ""
    );
    let mut wrong = Vec::new();
    for (name, few) in &few {
        let (many, surprise) = (&many[name], &surprise[name]);
        println!(
            "{name:34} {:>6} {:>6} {:>6}   {:>7.2} {:>7.2} {:>7.2} ms {:.2}",
            few.pages,
            many.pages,
            surprise.pages,
            few.median.as_secs_f64() * 1000.0,
            many.median.as_secs_f64() * 1000.0,
            surprise.median.as_secs_f64() * 1000.0,
            many.median.as_secs_f64() / few.median.as_secs_f64(),
        );
        // Trees are a level or two higher; nothing else may grow.
        let grows = |cost: &Cost| cost.whole_table || cost.pages > few.pages * 2 + 40;
        // Which of two indices is the better one for this list, only statistics can tell.
        if grows(many) || (grows(surprise) && *name != "list of both") {
            wrong.push(*name);
        }
    }
    assert!(few.values().all(|cost| cost.pages > 0), "every thing was seen");
    assert!(wrong.is_empty(), "these grow with the table: {wrong:?}");
}

/// Claimed rows leave dead entries at the head of the queue, where every later claim begins.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_claims_slow_no_claim() {
    const PART: usize = 10;
    let (server, rows) = (server(), rows(20_000));
    let loaded = Loaded::new(&server, rows, false).await;
    // Nobody sweeps: the worst case between two sweeps.
    server.query(&loaded.name, "ALTER TABLE jobs SET (autovacuum_enabled = off)");
    let me = worker("w");
    let mut parts = Vec::new();
    for _ in 0..PART {
        let mut times = Vec::new();
        for _ in 0..rows / PART / 50 {
            let start = Instant::now();
            let claimed = claim(&loaded.plain, MODEL, 50, &me).await.expect("claim");
            times.push(start.elapsed());
            let ends: Vec<_> = claimed
                .iter()
                .map(|c| end(c, Outcome::Succeeded("{}".to_owned())))
                .collect();
            finish(&loaded.plain, me.boot, MAX_CRASHES, &ends)
                .await
                .expect("finish");
        }
        let seen = server.log().len();
        let one = claim(&loaded.explained, MODEL, 1, &me).await.expect("claim");
        let pages = read_plans(&server.log()[seen..]).pages;
        let ends: Vec<_> = one
            .iter()
            .map(|c| end(c, Outcome::HandedBack { solo: false }))
            .collect();
        finish(&loaded.plain, me.boot, MAX_CRASHES, &ends)
            .await
            .expect("finish");
        times.sort_unstable();
        parts.push((pages, times[times.len() / 2]));
    }
    println!(
        "{rows} claims of 50 without a vacuum; pages of one claim and median of 50, by tenth: {parts:?}"
    );
    let hot = server.query(&loaded.name, "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname IN ('jobs', 'lanes', 'queues') ORDER BY relname");
    println!("updates and, of those, in place (jobs, lanes, queues): {hot:?}");
    let (first, last) = (parts[1].0, parts[PART - 1].0);
    assert!(
        last < first * 3 + 100,
        "a claim reads {last} pages, and {first} at first"
    );
}
