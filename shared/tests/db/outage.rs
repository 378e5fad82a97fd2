//! A Postgres that stops, freezes, restarts, or whose packets get lost: nothing hangs, what can't be done
//! is said to be unavailable, and when it is back everything goes on by itself.
//!
//! Each test has a server of its own, since it does it harm.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use lamplighter_shared::{
    db::{
        Db, DbError, DbOptions,
        position::Positions,
        submit::{Submitted, Submitter},
        users::{self, Role},
    },
    id::UserId,
    lifecycle::Lifecycle,
};
use lamplighter_testkit::{
    postgres::{Options, Postgres, StopMode},
    proxy::{Fault, Proxy},
};
use tokio::{task::JoinSet, time::sleep};
use uuid::Uuid;

use crate::world::{KEY_TTL, job};

/// What one read or transaction may take here.
const LIMIT: Duration = Duration::from_secs(1);
/// What a slow machine may add to any time.
const SLACK: Duration = Duration::from_secs(2);

fn server() -> Postgres {
    Postgres::start_with(&Options {
        fsync: false,
        ..Options::default()
    })
}

async fn connect(url: &str) -> Db {
    let options = DbOptions {
        timeout: LIMIT,
        ..DbOptions::default()
    };
    let db = Db::connect_with(url, &options).await.expect("connect");
    db.migrate().await.expect("migrate");
    db
}

async fn write(db: &Db) -> Result<UserId, DbError> {
    let email = format!("{}@example.com", Uuid::now_v7());
    Ok(users::create(db, &email, Role::User).await?.id)
}

/// Reads and writes at once: how long the slowest took, and what came of them.
async fn at_once(db: &Db, count: usize) -> (Duration, Vec<Result<(), DbError>>) {
    let mut tasks = JoinSet::new();
    let start = Instant::now();
    for i in 0..count {
        let db = db.clone();
        tasks.spawn(async move {
            if i % 2 == 0 {
                db.now().await.map(drop)
            } else {
                write(&db).await.map(drop)
            }
        });
    }
    let results = tasks.join_all().await;
    (start.elapsed(), results)
}

/// Until everything works again; how long that took.
async fn healed(db: &Db) -> Duration {
    let start = Instant::now();
    loop {
        let (_, results) = at_once(db, 16).await;
        if results.iter().all(Result::is_ok) {
            return start.elapsed();
        }
        assert!(start.elapsed() < Duration::from_secs(25), "it never works again");
        sleep(Duration::from_millis(50)).await;
    }
}

/// Every place in the pool can be used: so many transactions wait for one lock at the same time.
async fn assert_whole_pool(db: &Db, postgres: &Postgres, name: &str) {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let sql = postgres.sql(name);
        let lock = tokio::spawn(async move {
            let hold = "BEGIN; LOCK TABLE users IN EXCLUSIVE MODE; SELECT pg_sleep(0.7); COMMIT";
            sql.query(hold).await;
        });
        let mut writers = JoinSet::new();
        sleep(Duration::from_millis(100)).await;
        for _ in 0..16 {
            let db = db.clone();
            writers.spawn(async move { write(&db).await.is_ok() });
        }
        let mut most = 0;
        while !lock.is_finished() {
            let sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '% users %'";
            let seen = postgres.query(name, sql).remove(0).remove(0);
            most = most.max(seen.and_then(|n| n.parse().ok()).unwrap_or(0));
            sleep(Duration::from_millis(20)).await;
        }
        writers.join_all().await;
        if most == 16 {
            return;
        }
        assert!(
            Instant::now() < end,
            "only {most} of 16 connections can be used at once"
        );
    }
}

fn assert_unavailable(results: &[Result<(), DbError>]) {
    for result in results {
        assert!(matches!(result, Err(DbError::Unavailable(_))), "{result:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_black_hole_hangs_nobody_and_leaves_no_hole_in_the_pool() {
    let postgres = server();
    let (name, url) = postgres.create_database();
    let proxy = Proxy::start(postgres.port());
    let db = connect(&proxy.url(&url, postgres.port())).await;
    healed(&db).await;
    for fault in [Fault::BlackHole, Fault::Mute] {
        proxy.set(fault);
        let (slowest, results) = at_once(&db, 40).await;
        assert_unavailable(&results);
        assert!(slowest < LIMIT * 2 + SLACK, "{fault:?}: {slowest:?}");
        // Later ones, too.
        let (later, results) = at_once(&db, 40).await;
        assert_unavailable(&results);
        assert!(later < LIMIT * 2 + SLACK, "{fault:?}: {later:?}");
        proxy.heal();
        let back = healed(&db).await;
        println!("{fault:?}: answers after {slowest:?} and {later:?}; whole again {back:?} after the end");
        assert!(back < Duration::from_secs(5), "{fault:?}: {back:?}");
        assert_whole_pool(&db, &postgres, &name).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_frozen_server_hangs_nobody() {
    let postgres = server();
    let (name, url) = postgres.create_database();
    let db = connect(&url).await;
    healed(&db).await;
    postgres.pause();
    let (slowest, results) = at_once(&db, 40).await;
    let (later, more) = at_once(&db, 40).await;
    postgres.resume();
    assert_unavailable(&results);
    assert_unavailable(&more);
    let back = healed(&db).await;
    println!("frozen: answers after {slowest:?} and {later:?}; whole again {back:?} after the end");
    assert!(slowest < LIMIT * 2 + SLACK && later < LIMIT * 2 + SLACK);
    assert!(back < Duration::from_secs(5), "{back:?}");
    assert_whole_pool(&db, &postgres, &name).await;
}

/// Restarts under load: what was acknowledged is there, the rest was refused soon and as unavailable.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn restarts_lose_nothing_and_are_over_soon() {
    let mut postgres = server();
    let (name, url) = postgres.create_database();
    let db = connect(&url).await;
    let (over, refused) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut writers = JoinSet::new();
    for _ in 0..8 {
        let (db, over, refused) = (db.clone(), Arc::clone(&over), Arc::clone(&refused));
        writers.spawn(async move {
            let (mut stored, mut slowest) = (Vec::new(), Duration::ZERO);
            while !over.load(Ordering::Relaxed) {
                let start = Instant::now();
                match write(&db).await {
                    Ok(id) => stored.push(id),
                    Err(DbError::Unavailable(_)) => {
                        refused.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(other) => panic!("neither stored nor unavailable: {other}"),
                }
                slowest = slowest.max(start.elapsed());
            }
            (stored, slowest)
        });
    }
    let mut longest = Duration::ZERO;
    for _ in 0..3 {
        sleep(Duration::from_millis(300)).await;
        postgres = tokio::task::spawn_blocking(move || {
            postgres.restart_immediate();
            postgres
        })
        .await
        .expect("restarted");
        longest = longest.max(healed(&db).await);
    }
    over.store(true, Ordering::Relaxed);
    let (mut acknowledged, mut slowest) = (0, Duration::ZERO);
    for (stored, slow) in writers.join_all().await {
        for id in &stored {
            assert!(
                users::get(&db, *id).await.expect("read").is_some(),
                "{id} was acknowledged"
            );
        }
        acknowledged += stored.len();
        slowest = slowest.max(slow);
    }
    println!(
        "3 restarts: {acknowledged} writes acknowledged, 0 lost, {} refused, the slowest answer after {slowest:?}, \
         back at most {longest:?} after the server",
        refused.load(Ordering::Relaxed)
    );
    assert!(acknowledged > 0 && longest < Duration::from_secs(5));
    // Two waits for a connection of a second each: one to store the user, one to read it back.
    assert!(slowest < Duration::from_secs(2) + SLACK, "{slowest:?}");
    assert_whole_pool(&db, &postgres, &name).await;
}

/// Many ask where their jobs stand while nobody answers: all are told so at once, not one after the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_waits_for_the_failures_of_others() {
    let postgres = server();
    let (_, url) = postgres.create_database();
    let db = connect(&url).await;
    let owner = write(&db).await.expect("a user");
    let submitter = Submitter::start(db.clone(), &Lifecycle::default(), KEY_TTL);
    let Ok(Submitted::Created(job)) = submitter.submit(job(owner)).await else {
        panic!("a new job");
    };
    let positions = Positions::new(db.clone());
    positions.of(&job).await.expect("its place");
    // What is known is too old now.
    sleep(Duration::from_millis(1100)).await;
    postgres.pause();
    let start = Instant::now();
    let mut asking = JoinSet::new();
    for _ in 0..64 {
        let (positions, job) = (positions.clone(), job.clone());
        asking.spawn(async move { positions.of(&job).await });
    }
    for answer in asking.join_all().await {
        assert!(matches!(answer, Err(DbError::Unavailable(_))), "{answer:?}");
    }
    let told = start.elapsed();
    println!("64 asked for a place in a queue whose server was frozen: told after {told:?}");
    assert!(told < LIMIT * 2 + SLACK, "{told:?}");
    postgres.resume();
    healed(&db).await;
    positions.of(&job).await.expect("its place");
}

/// Nobody waits for the groups before theirs, each of which waits for the database in vain.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_submits_are_refused_at_once_while_the_server_is_gone() {
    let mut postgres = server();
    let (_, url) = postgres.create_database();
    let db = connect(&url).await;
    let owner = write(&db).await.expect("a user");
    let submitter = Submitter::start(db.clone(), &Lifecycle::default(), KEY_TTL);
    postgres.stop(StopMode::Immediate);
    let start = Instant::now();
    let mut submits = JoinSet::new();
    for _ in 0..1000 {
        let submitter = submitter.clone();
        submits.spawn(async move { submitter.submit(job(owner)).await });
    }
    for result in submits.join_all().await {
        assert!(matches!(result, Err(DbError::Unavailable(_))), "{result:?}");
    }
    let refused = start.elapsed();
    println!("1000 submits without a server: all refused after {refused:?}");
    assert!(refused < Duration::from_secs(2) + SLACK, "{refused:?}");
    postgres.start_again();
    healed(&db).await;
    let stored = submitter.submit(job(owner)).await;
    assert!(matches!(stored, Ok(Submitted::Created(_))), "{stored:?}");
    assert_eq!(
        postgres.query(
            &url[url.rfind('/').expect("a name") + 1..],
            "SELECT count(*) FROM jobs"
        )[0][0]
            .as_deref(),
        Some("1")
    );
}

/// Clients that leave in the middle: no connection stays in a transaction that nobody ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn work_that_is_given_up_leaves_no_open_transaction() {
    const GIVEN_UP: u64 = 200;
    let postgres = server();
    let (name, url) = postgres.create_database();
    let proxy = Proxy::start(postgres.port());
    let db = connect(&proxy.url(&url, postgres.port())).await;
    healed(&db).await;
    // So slow that most are given up between two words of the conversation.
    proxy.set(Fault::Delay {
        delay: Duration::from_millis(4),
        jitter: Duration::ZERO,
    });
    for i in 0..GIVEN_UP {
        let task = {
            let db = db.clone();
            tokio::spawn(async move { write(&db).await })
        };
        sleep(Duration::from_millis(i % 40)).await;
        task.abort();
    }
    proxy.heal();
    let open = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        let seen = postgres.query(&name, open).remove(0).remove(0);
        if seen.as_deref() == Some("0") {
            break;
        }
        assert!(Instant::now() < end, "{seen:?} connections stay in a transaction");
        sleep(Duration::from_millis(20)).await;
    }
    assert_whole_pool(&db, &postgres, &name).await;
    let (_, results) = at_once(&db, 64).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
}
