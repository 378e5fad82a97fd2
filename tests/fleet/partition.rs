//! R4: processes cut from Postgres or Redis in the ways that networks have, and servers that stand still.
//! Whoever is cut says so, does no harm, and goes on by itself when it is over.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use lamplighter_testkit::{
    fleet::{Builder, Fleet, Node},
    history::History,
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

use crate::judge::{Answers, broken_streams, settle, unix_ms};

const PROGRAM: &str = env!("CARGO_BIN_EXE_lamplighter");
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
/// The longest until a cut worker's `/readyz` says so.
const NOTICED: Duration = Duration::from_secs(10);
/// The longest until it works again.
const BACK: Duration = Duration::from_secs(5);
/// What was under way when the line was cut may still arrive.
const UNDER_WAY: i64 = 500;

fn fleet(scenario: &Scenario) -> Builder {
    Fleet::builder(PROGRAM)
        .via_proxies(true)
        .config(CONFIG)
        .catalogue(CATALOGUE)
        .seed(scenario.seed())
}

/// Jobs of a third of a second: a worker does a dozen a second.
fn third(number: usize, random: &mut StdRng) -> Value {
    let sleep = random.random_range(200..400);
    json!({"model": "echo", "input": {"n": number, "sleep_ms": sleep, "chunks": 2}})
}

/// Starts clients, so many a second for this long.
fn load(fleet: &Fleet, history: &Arc<History>, rate: f64, seconds: f64) -> JoinHandle<()> {
    let load = Load::new(fleet.all_apis(), (rate * seconds) as usize, rate, fleet.seed());
    tokio::spawn(load.run(history.clone(), third))
}

/// Waits until `/readyz` of each says this; how long it took for the last of them.
///
/// # Panics
/// Where one does not within the limit.
async fn until_readyz(nodes: &[Node], status: u16, limit: Duration) -> Duration {
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
async fn begun(fleet: &Fleet, from: i64, to: i64) -> BTreeMap<String, i64> {
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
async fn until_all_work(fleet: &Fleet, workers: &[Node], healed: i64, limit: Duration) -> Duration {
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
async fn workers_cut_from_postgres_claim_nothing_and_come_back() {
    let scenario = Scenario::new("R4 workers cut from Postgres");
    let faults = [Fault::BlackHole, Fault::Refuse, Fault::HalfClose];
    let fleet = fleet(&scenario).apis(1).workers(faults.len() + 1).start().await;
    let cut = &fleet.workers[..faults.len()];
    let history = Arc::new(History::new(fleet.folder()));
    let clients = load(&fleet, &history, 20.0, sized(12.0, 60.0));
    sleep(Duration::from_secs(1)).await;
    let cut_at = unix_ms();
    for (worker, fault) in cut.iter().zip(faults) {
        history.fault(format!("{} is cut from Postgres: {fault:?}", worker.name()));
        worker.lines().postgres.set(fault);
    }
    let noticed = until_readyz(cut, 503, NOTICED).await;
    sleep(sized(Duration::ZERO, Duration::from_secs(25))).await;
    let whole = fleet.workers[faults.len()].page("/readyz").await;
    let healed_at = unix_ms();
    for worker in cut {
        worker.lines().postgres.heal();
    }
    history.fault("the lines are whole");
    let working = until_all_work(&fleet, cut, healed_at, BACK).await;
    let ready = until_readyz(cut, 200, BACK).await;
    clients.await.expect("the clients end well");
    let verdict = settle(&fleet, &history, Duration::from_secs(20)).await;
    let mut while_cut = begun(&fleet, cut_at + UNDER_WAY, healed_at).await;
    let by_whole = while_cut
        .remove(fleet.workers[faults.len()].name())
        .unwrap_or_default();
    scenario.report(&format!(
        "faults={faults:?} noticed={noticed:.1?} working_again={working:.1?} ready_again={ready:.1?} \
         claims_while_cut={while_cut:?} claims_of_the_other={by_whole} {verdict}"
    ));
    verdict.assert_clean();
    assert!(while_cut.is_empty(), "claims without a database: {while_cut:?}");
    assert!(by_whole > 10, "the other worker goes on: {by_whole}");
    assert_eq!(whole.expect("the other worker answers").0.as_u16(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_cut_from_postgres_asks_to_come_again() {
    let scenario = Scenario::new("R4 an API cut from Postgres");
    let fleet = fleet(&scenario).apis(2).workers(1).start().await;
    let history = Arc::new(History::new(fleet.folder()));
    let api = &fleet.apis[0];
    // A stream that is open the whole time.
    let lasting = fleet
        .api(1)
        .post_job(&json!({"model": "echo", "input": {"sleep_ms": sized(13_000, 40_000)}}))
        .await;
    let lasting = lasting["id"].as_str().expect("a job has an id").to_owned();
    let stream = fleet.api(0).events(&lasting, None).await.expect("a stream");
    let stream = tokio::spawn(stream.rest());
    let clients = Load {
        watched: 0.5,
        followed: 0.2,
        ..Load::new(
            vec![fleet.api(0)],
            sized(120, 400),
            sized(10.0, 10.0),
            scenario.seed(),
        )
    };
    let clients = tokio::spawn(clients.run(history.clone(), third));
    let mut figures = Vec::new();
    for (fault, long) in [
        (Fault::BlackHole, sized(5, 12)),
        (Fault::Refuse, 2),
        (Fault::HalfClose, 2),
    ] {
        sleep(Duration::from_millis(500)).await;
        history.fault(format!("{fault:?}"));
        api.lines().postgres.set(fault);
        let noticed = until_readyz(std::slice::from_ref(api), 503, NOTICED).await;
        sleep(Duration::from_secs(long).saturating_sub(noticed)).await;
        api.lines().postgres.heal();
        history.fault("healed");
        let healed = history.now();
        let ready = until_readyz(std::slice::from_ref(api), 200, BACK).await;
        let taken = until_taken(&fleet, BACK).await;
        figures.push((fault, noticed, ready, taken, healed));
    }
    clients.await.expect("the clients end well");
    let events = timeout(Duration::from_secs(20), stream)
        .await
        .expect("the stream ends")
        .expect("and well");
    let verdict = settle(&fleet, &history, Duration::from_secs(20)).await;
    let entries = history.entries();
    let answers = Answers::of(&entries, |_, _| true);
    let broken = broken_streams(&entries);
    scenario.report(&format!(
        "(fault, readyz 503, readyz 200, job taken)={:.1?} {answers} broken_streams={} {verdict}",
        figures
            .iter()
            .map(|(fault, noticed, ready, taken, _)| (fault, noticed, ready, taken))
            .collect::<Vec<_>>(),
        broken.len(),
    ));
    verdict.assert_clean();
    assert!(answers.wrong.is_empty(), "{answers}");
    assert!(answers.later > 0, "nobody noticed");
    assert!(answers.slowest < Duration::from_secs(8), "{answers}");
    assert!(broken.is_empty(), "{broken:?}");
    let last = events.last().expect("events");
    assert_eq!(
        (last.name.as_str(), &last.data["status"]),
        ("done", &json!("succeeded"))
    );
}

/// Waits until the first API takes a job; how long it took.
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
async fn a_postgres_that_stands_still_stops_the_fleet_only_as_long() {
    let scenario = Scenario::new("R4 Postgres stands still");
    let fleet = fleet(&scenario)
        .own_postgres(Options::default())
        .apis(2)
        .workers(2)
        .start()
        .await;
    let history = Arc::new(History::new(fleet.folder()));
    let clients = load(&fleet, &history, 15.0, sized(10.0, 40.0));
    sleep(Duration::from_secs(1)).await;
    history.fault("postgres is stopped");
    fleet.postgres().pause();
    let noticed = until_readyz(&fleet.workers, 503, NOTICED).await;
    let noticed_by_apis = until_readyz(&fleet.apis, 503, NOTICED).await;
    sleep(sized(Duration::ZERO, Duration::from_secs(20))).await;
    let alive: Vec<_> = fleet.apis.iter().chain(&fleet.workers).collect();
    for node in alive {
        let health = node.page("/healthz").await;
        assert_eq!(
            health.map(|(status, _)| status.as_u16()),
            Some(200),
            "{}",
            node.name()
        );
    }
    fleet.postgres().resume();
    let (healed, healed_at) = (history.now(), unix_ms());
    history.fault("postgres goes on");
    let working = until_all_work(&fleet, &fleet.workers, healed_at, BACK).await;
    let ready = until_readyz(&fleet.workers, 200, BACK).await;
    let taken = until_taken(&fleet, BACK).await;
    clients.await.expect("the clients end well");
    let verdict = settle(&fleet, &history, Duration::from_secs(20)).await;
    let entries = history.entries();
    let answers = Answers::of(&entries, |_, _| true);
    let again = Answers::of(&entries, |_, entry| entry.began > healed + BACK);
    let broken = broken_streams(&entries);
    scenario.report(&format!(
        "noticed={noticed:.1?} apis={noticed_by_apis:.1?} working_again={working:.1?} ready_again={ready:.1?} \
         taken_again={taken:.1?} {answers} broken_streams={} {verdict}",
        broken.len()
    ));
    verdict.assert_clean();
    assert!(answers.wrong.is_empty(), "{answers}");
    assert_eq!(again.later, 0, "5 s later all is well: {again}");
    assert!(answers.slowest < Duration::from_secs(8), "{answers}");
    assert!(broken.is_empty(), "{broken:?}");
}
