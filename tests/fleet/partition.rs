//! R4: processes cut from Postgres or Redis in the ways that networks have, and servers that stand still.
//! Whoever is cut says so, does no harm, and goes on by itself when it is over.

use std::{collections::BTreeMap, time::Duration};

use lamplighter_testkit::{
    fleet::{Builder, Fleet, Node},
    load::Load,
    postgres::Options,
    proxy::Fault,
    scenario::{Scenario, sized},
};
use rand::{RngExt, rngs::StdRng};
use serde_json::{Value, json};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use crate::{
    judge::{Answers, broken_streams, unix_ms},
    support::Trial,
};

/// Short leases, so that what a cut worker holds is taken from it while it is cut.
const CONFIG: &str = "[jobs]\nlease_seconds = 3\nheartbeat_seconds = 1\nreap_confirm_seconds = 1\n";
/// Small batches: there is always something left for a worker that comes back.
const CATALOGUE: &str = r#"
[[model]]
id = "echo"
task = "echo"
family = "echo"
license = "MIT"
default = true

[model.limits]
max_batch_jobs = 4
"#;
/// The longest until a cut worker's `/readyz` says so: 6 s on a machine that has nothing else to do.
pub const NOTICED: Duration = Duration::from_secs(20);
/// The longest until it works again: a second or two there.
pub const BACK: Duration = Duration::from_secs(10);
/// What was under way when the line was cut may still arrive.
pub const UNDER_WAY: i64 = 500;

/// Ways to cut three lines: silence always, and two of the others as the seed says.
pub fn three_cuts(scenario: &Scenario) -> [Fault; 3] {
    let mut others = vec![Fault::Mute, Fault::Reset, Fault::Refuse, Fault::HalfClose];
    let mut random = scenario.random();
    let mut other = || others.swap_remove(random.random_range(0..others.len()));
    [Fault::BlackHole, other(), other()]
}

/// A fleet whose lines can be cut.
pub fn cuttable(builder: Builder) -> Builder {
    builder.via_proxies(true).config(CONFIG).catalogue(CATALOGUE)
}

/// Jobs of a third of a second: a worker does a dozen a second.
fn third(number: usize, random: &mut StdRng) -> Value {
    let sleep = random.random_range(200..400);
    json!({"model": "echo", "input": {"n": number, "sleep_ms": sleep, "chunks": 2}})
}

/// Starts clients of all APIs, so many a second for this long.
pub fn clients(trial: &Trial, rate: f64, seconds: f64) -> JoinHandle<()> {
    let jobs = (rate * seconds) as usize;
    let load = Load::new(trial.fleet.all_apis(), jobs, rate, trial.scenario.seed());
    tokio::spawn(load.run(trial.history.clone(), third))
}

/// Waits until `/readyz` of each says this; how long it took for the last of them.
///
/// # Panics
/// Where one does not within the limit.
pub async fn until_readyz(nodes: &[Node], status: u16, limit: Duration) -> Duration {
    let began = Instant::now();
    for node in nodes {
        loop {
            let page = node.page("/readyz").await;
            if page.as_ref().is_some_and(|(code, _)| code.as_u16() == status) {
                break;
            }
            assert!(
                began.elapsed() < limit,
                "/readyz of {} is {page:?} after {:?}, not {status}",
                node.name(),
                began.elapsed()
            );
            sleep(Duration::from_millis(50)).await;
        }
    }
    began.elapsed()
}

/// How many jobs each worker has begun between these times.
pub async fn begun(fleet: &Fleet, from: i64, to: i64) -> BTreeMap<String, i64> {
    let sql = format!(
        "SELECT worker, count(*) FROM jobs WHERE started_at >= {from} AND started_at < {to} GROUP BY worker"
    );
    let rows = fleet.sql().query(&sql).await.into_iter();
    rows.map(|row| {
        let count = row[1].as_deref().and_then(|n| n.parse().ok());
        (row[0].clone().unwrap_or_default(), count.expect("a count"))
    })
    .collect()
}

/// Waits until each of these workers has begun a job after `healed`; how long that took.
///
/// # Panics
/// Where one has not within the limit.
pub async fn until_all_work(fleet: &Fleet, workers: &[Node], healed: i64, limit: Duration) -> Duration {
    let began = Instant::now();
    loop {
        let begun = begun(fleet, healed, i64::MAX).await;
        if workers.iter().all(|worker| begun.contains_key(worker.name())) {
            return began.elapsed();
        }
        assert!(
            began.elapsed() < limit,
            "after {:?} only these work: {begun:?}",
            began.elapsed()
        );
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_workers_cut_from_postgres_claim_nothing_and_come_back() {
    let plan = |builder: Builder| cuttable(builder).apis(1).workers(4);
    let mut trial = Trial::begin("R4 workers cut from Postgres", plan).await;
    let faults = three_cuts(&trial.scenario);
    let clients = clients(&trial, 20.0, sized(11.0, 60.0));
    sleep(Duration::from_secs(1)).await;
    let (cut, whole) = trial.fleet.workers.split_at(faults.len());
    let cut_at = unix_ms();
    for (worker, fault) in cut.iter().zip(faults) {
        trial.history.fault(format!("{}: {fault:?}", worker.name()));
        worker.lines().postgres.set(fault);
    }
    let noticed = until_readyz(cut, 503, NOTICED).await;
    sleep(sized(Duration::ZERO, Duration::from_secs(25))).await;
    let other = until_readyz(whole, 200, NOTICED).await;
    let healed_at = unix_ms();
    for worker in cut {
        worker.lines().postgres.heal();
    }
    trial.history.fault("the lines are whole");
    let working = until_all_work(&trial.fleet, cut, healed_at, BACK).await;
    let ready = until_readyz(cut, 200, BACK).await;
    let mut while_cut = begun(&trial.fleet, cut_at + UNDER_WAY, healed_at).await;
    let by_other = while_cut.remove(whole[0].name()).unwrap_or_default();
    clients.await.expect("the clients end well");
    let verdict = trial.settle(Duration::from_secs(20)).await;
    trial.scenario.report(&format!(
        "faults={faults:?} noticed={noticed:.1?} working_again={working:.1?} ready_again={ready:.1?} \
         claims_while_cut={while_cut:?} claims_of_the_other={by_other} {verdict}"
    ));
    verdict.assert_clean();
    assert!(while_cut.is_empty(), "claims without a database: {while_cut:?}");
    // It does a dozen a second, unless the row of the queue is locked by one that is cut off.
    assert!(by_other > 15, "the other worker goes on: {by_other}");
    assert!(
        other < Duration::from_secs(2),
        "the other worker is ready all the time: {other:?}"
    );
}

/// What one cut of an API came to.
#[derive(Debug)]
#[expect(dead_code, reason = "read by Debug")]
struct Cut {
    fault: Fault,
    noticed: Duration,
    ready_again: Duration,
    taken_again: Duration,
}

/// Cuts the first API off Postgres for a while.
async fn cut_off(trial: &Trial, fault: Fault, long: Duration) -> Cut {
    let api = &trial.fleet.apis[..1];
    trial.history.fault(format!("{fault:?}"));
    api[0].lines().postgres.set(fault);
    let noticed = until_readyz(api, 503, NOTICED).await;
    sleep(long.saturating_sub(noticed)).await;
    api[0].lines().postgres.heal();
    trial.history.fault("healed");
    Cut {
        fault,
        noticed,
        ready_again: until_readyz(api, 200, BACK).await,
        taken_again: until_taken(&trial.fleet, BACK).await,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_an_api_cut_from_postgres_asks_to_come_again() {
    let plan = |builder: Builder| cuttable(builder).workers(1);
    let mut trial = Trial::begin("R4 an API cut from Postgres", plan).await;
    // A stream that is open the whole time.
    let lasting = json!({"model": "echo", "input": {"sleep_ms": sized(9_000, 40_000)}});
    let lasting = trial.fleet.api(1).post_job(&lasting).await;
    let id = lasting["id"].as_str().expect("a job has an id");
    let stream = trial.fleet.api(0).events(id, None).await.expect("a stream");
    let stream = tokio::spawn(stream.rest());
    let load = Load {
        watched: 0.5,
        followed: 0.2,
        ..Load::new(
            vec![trial.fleet.api(0)],
            sized(90, 400),
            10.0,
            trial.scenario.seed(),
        )
    };
    let clients = tokio::spawn(load.run(trial.history.clone(), third));
    let mut cuts = Vec::new();
    let lengths = [sized(4000, 12_000), sized(1000, 12_000), sized(1000, 12_000)];
    for (fault, ms) in three_cuts(&trial.scenario).into_iter().zip(lengths) {
        sleep(Duration::from_millis(500)).await;
        cuts.push(cut_off(&trial, fault, Duration::from_millis(ms)).await);
    }
    clients.await.expect("the clients end well");
    let events = timeout(Duration::from_secs(20), stream)
        .await
        .expect("the stream ends");
    let events = events.expect("it has not broken");
    let verdict = trial.settle(Duration::from_secs(20)).await;
    let entries = trial.history.entries();
    let (answers, broken) = (Answers::of(&entries, |_, _| true), broken_streams(&entries));
    let count = broken.len();
    trial
        .scenario
        .report(&format!("{cuts:.1?} {answers} broken_streams={count} {verdict}"));
    verdict.assert_clean();
    answers.assert_bounded();
    assert!(broken.is_empty(), "{broken:?}");
    let last = events.last().expect("events");
    assert_eq!(
        (last.name.as_str(), &last.data["status"]),
        ("done", &json!("succeeded"))
    );
}

/// Waits until the first API takes a job; how long it took.
///
/// # Panics
/// Where it does not within the limit.
async fn until_taken(fleet: &Fleet, limit: Duration) -> Duration {
    let began = Instant::now();
    let job = json!({"model": "echo", "input": {"late": true}});
    loop {
        let answer = fleet.api(0).post("/v1/jobs", &job).await;
        if answer.0.is_success() {
            return began.elapsed();
        }
        assert!(began.elapsed() < limit, "after {:?}: {answer:?}", began.elapsed());
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_a_postgres_that_stands_still_stops_the_fleet_only_as_long() {
    let plan = |builder: Builder| cuttable(builder).own_postgres(Options::default());
    let mut trial = Trial::begin("R4 Postgres stands still", plan).await;
    let clients = clients(&trial, 15.0, sized(9.0, 40.0));
    sleep(Duration::from_secs(1)).await;
    trial.history.fault("Postgres is stopped");
    trial.fleet.postgres().pause();
    let (by_workers, by_apis) = tokio::join!(
        until_readyz(&trial.fleet.workers, 503, NOTICED),
        until_readyz(&trial.fleet.apis, 503, NOTICED)
    );
    sleep(sized(Duration::ZERO, Duration::from_secs(20))).await;
    for node in trial.fleet.apis.iter().chain(&trial.fleet.workers) {
        let health = node.page("/healthz").await;
        assert_eq!(
            health.map(|(status, _)| status.as_u16()),
            Some(200),
            "{}",
            node.name()
        );
    }
    trial.fleet.postgres().resume();
    let (healed, healed_at) = (trial.history.now(), unix_ms());
    trial.history.fault("Postgres goes on");
    let working = until_all_work(&trial.fleet, &trial.fleet.workers, healed_at, BACK).await;
    let ready = until_readyz(&trial.fleet.workers, 200, BACK).await;
    let taken = until_taken(&trial.fleet, BACK).await;
    clients.await.expect("the clients end well");
    let verdict = trial.settle(Duration::from_secs(20)).await;
    let entries = trial.history.entries();
    let (answers, broken) = (Answers::of(&entries, |_, _| true), broken_streams(&entries));
    let again = Answers::of(&entries, |_, entry| entry.began > healed + BACK);
    trial.scenario.report(&format!(
        "noticed_by_workers={by_workers:.1?} by_apis={by_apis:.1?} working_again={working:.1?} \
         ready_again={ready:.1?} taken_again={taken:.1?} {answers} broken_streams={} {verdict}",
        broken.len()
    ));
    verdict.assert_clean();
    answers.assert_bounded();
    assert!(
        again.later * 5 <= again.good,
        "a while later all is well: {again}"
    );
    assert!(broken.is_empty(), "{broken:?}");
}
