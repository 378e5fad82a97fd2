//! R13: reaper, workers and owners want the same job at the same moment, each in a process of its own. A job
//! has one end, what was answered is true, and what has ended stays so. The statements alone are raced in
//! `shared/tests/db/races.rs`.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use lamplighter_testkit::{api::Api, checker::job_id, load::Load, scenario::sized};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    task::{JoinHandle, JoinSet},
    time::sleep,
};

use crate::{
    ledger::{self, Ledger},
    signs::{metric, until},
    support::Trial,
};

/// Short leases; a worker that stands still for longer comes back at about the moment at which it is given up.
const CONFIG: &str = "[jobs]\nlease_seconds = 1\nheartbeat_seconds = 0.3\nreap_seconds = 0.1\n\
    reap_confirm_seconds = 0.3\nmax_lease_losses = 1000\n";
/// How long a worker stands still: from before its jobs are taken until after it, milliseconds.
const STILL: std::ops::Range<u64> = 1_300..2_400;
/// Every look of the reaper waits between what it saw and what it does.
const FAULTS: &str = "reap.after_pick=return(wait 300)";
/// How long a cancelled run may go on: 2 s, five times.
const STOPPED: f64 = 10.0;

#[tokio::test(flavor = "multi_thread")]
async fn r13_reap_cancel_and_finish_give_one_end() {
    let mut trial = Trial::begin("R13 races, reap and cancel against finish", |builder| {
        builder.config(CONFIG).env("FAILPOINTS", FAULTS)
    })
    .await;
    let sql = trial.fleet.sql();
    ledger::keep(&sql).await;
    let (jobs, rate) = sized((240, 40.0), (2_000, 40.0));
    let load = Load::new(trial.fleet.all_apis(), jobs, rate, trial.scenario.seed());
    let load = tokio::spawn(load.run(trial.history.clone(), about_a_second));
    let canceling = cancel_some(&trial, jobs);
    let (told, freezes) = tokio::join!(canceling, stand_still_by_turns(&trial, &load));
    load.await.expect("the load ends well");
    let open = "SELECT count(*) FROM jobs WHERE state IN ('queued', 'processing')";
    until("all have ended", async || {
        (sql.number(open).await == 0).then_some(())
    })
    .await;
    let verdict = trial.settle(Duration::from_secs(30)).await;

    let ledger = Ledger::read(&sql).await;
    let ends: BTreeMap<&str, &str> = ledger
        .0
        .iter()
        .filter(|change| change.is_end())
        .map(|change| (change.job.as_str(), change.became.as_str()))
        .collect();
    let untrue: Vec<_> = told
        .iter()
        .filter(|(job, answer)| !holds(**answer, ends.get(job.as_str()).copied()))
        .collect();
    let answers = told.values().fold(BTreeMap::new(), |mut counts, answer| {
        *counts.entry(answer).or_insert(0) += 1;
        counts
    });
    let lost = ledger
        .0
        .iter()
        .filter(|c| c.was == "processing" && c.became == "queued")
        .count();
    let mut stale = 0.0;
    for worker in &trial.fleet.workers {
        stale += metric(worker, "stale_result_rejected_total").await;
    }
    let slowest = "SELECT coalesce(max(completed_at - cancel_requested_at), 0) FROM jobs
        WHERE cancel_requested_at IS NOT NULL";
    let slowest = sql.number(slowest).await as f64 / 1000.0;
    trial.scenario.report(&format_args!(
        "{verdict} freezes {freezes}, runs taken by the reaper {lost}, stale results refused {stale}, answers to cancels {answers:?}, \
         untrue {}, the slowest cancelled run stopped after {slowest:.2} s; faults {:?}",
        untrue.len(),
        ledger.faults(),
    ));
    verdict.assert_clean();
    assert!(ledger.faults().is_empty(), "{:?}", ledger.faults());
    assert!(untrue.is_empty(), "{untrue:?}");
    assert!(lost > 0 && stale > 0.0, "the race was none");
    assert!(slowest < STOPPED);
    let held = sql
        .number("SELECT coalesce(sum(running + waiting), 0) FROM lanes")
        .await;
    assert_eq!(held, 0, "lanes count what is not there");
}

fn about_a_second(number: usize, random: &mut StdRng) -> Value {
    let sleep = random.random_range(300..1_500);
    json!({"model": "echo", "input": {"n": number, "sleep_ms": sleep}})
}

/// Freezes one worker after the other while the load lasts; how often.
async fn stand_still_by_turns(trial: &Trial, load: &JoinHandle<()>) -> usize {
    let mut random = StdRng::seed_from_u64(trial.scenario.seed() + 1);
    let mut freezes = 0;
    while !load.is_finished() {
        let worker = &trial.fleet.workers[freezes % trial.fleet.workers.len()];
        worker.pause();
        trial.history.fault(format!("freeze {}", worker.name()));
        sleep(Duration::from_millis(random.random_range(STILL))).await;
        worker.resume();
        sleep(Duration::from_millis(random.random_range(100..400))).await;
        freezes += 1;
    }
    freezes
}

/// Cancels a third of the jobs at some time in their lives; what was answered.
async fn cancel_some(trial: &Trial, jobs: usize) -> BTreeMap<String, u16> {
    let mut random = trial.scenario.random();
    let apis = trial.fleet.all_apis();
    let mut cancels = JoinSet::new();
    let mut seen = BTreeSet::new();
    while seen.len() < jobs {
        for job in trial.history.acknowledged() {
            if !seen.insert(job.clone()) || !random.random_bool(0.33) {
                continue;
            }
            let api = apis[random.random_range(0..apis.len())].clone();
            let pause = Duration::from_millis(random.random_range(0..2_500));
            cancels.spawn(async move {
                sleep(pause).await;
                let (status, _) = cancel(&api, &job).await;
                (job, status)
            });
        }
        sleep(Duration::from_millis(20)).await;
    }
    cancels.join_all().await.into_iter().collect()
}

/// Cancels, as a client should: a worker that stands still may hold a lock, and then it is "later" for a while.
async fn cancel(api: &Api, job: &str) -> (u16, Value) {
    loop {
        let (status, body) = api.post(&format!("/v1/jobs/{job}/cancel"), &json!({})).await;
        if status.as_u16() != 503 {
            return (status.as_u16(), body);
        }
        sleep(Duration::from_millis(200)).await;
    }
}

/// Whether an answer to a cancel fits the job's end.
fn holds(answer: u16, end: Option<&str>) -> bool {
    match (answer, end) {
        (200, Some(end)) => end == "canceled",
        (409, Some(end)) => end != "canceled",
        (202, Some(_)) => true,
        _ => false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r13_retry_against_cancel_makes_a_new_job_of_one_that_stays_canceled() {
    let mut trial = Trial::begin("R13 races, retry against cancel", |builder| builder).await;
    let sql = trial.fleet.sql();
    ledger::keep(&sql).await;
    let races = sized(100, 1_000);
    let mut random = trial.scenario.random();
    let (mut early, mut made) = (0, BTreeMap::<String, Vec<String>>::new());
    for round in 0..races / 20 {
        let mut tasks = JoinSet::new();
        for number in 0..20 {
            let (one, two) = (trial.fleet.api(0), trial.fleet.api(1));
            let input = json!({"round": round, "n": number, "sleep_ms": 60_000});
            let pauses = [0; 3].map(|_| Duration::from_millis(random.random_range(0..40)));
            tasks.spawn(async move { race(&one, &two, input, pauses).await });
        }
        for (job, refused, copies) in tasks.join_all().await {
            early += refused;
            made.entry(job).or_default().extend(copies);
        }
    }
    let copies: Vec<&String> = made.values().flatten().collect();
    let (one, mut canceled) = (trial.fleet.api(0), 0);
    for copy in &copies {
        canceled += usize::from(cancel(&one, copy).await.0 < 300);
    }
    let verdict = trial.settle(Duration::from_secs(30)).await;
    let ledger = Ledger::read(&sql).await;
    let rows = sql
        .query("SELECT id, retry_of FROM jobs WHERE retry_of IS NOT NULL")
        .await;
    let text = |cell: &Option<String>| job_id(cell.as_deref().unwrap_or_default());
    let stored: BTreeMap<String, String> = rows.iter().map(|row| (text(&row[0]), text(&row[1]))).collect();
    let untrue = made
        .iter()
        .flat_map(|(job, copies)| copies.iter().map(move |copy| (copy, job)));
    let untrue: Vec<_> = untrue
        .filter(|(copy, job)| stored.get(*copy) != Some(*job))
        .collect();
    let originals = made.keys().filter(|job| {
        let last = ledger.of(job).last();
        last.is_some_and(|change| change.became == "canceled")
    });
    let stayed = originals.count();
    trial.scenario.report(&format_args!(
        "races {races}: retries refused because the job had not ended {early}, copies made {} (stored {}, untrue {}), \
         originals that stayed canceled {stayed}, copies canceled {canceled}; unended {}; faults {:?}",
        copies.len(),
        stored.len(),
        untrue.len(),
        verdict.lost.len(),
        ledger.faults(),
    ));
    assert!(ledger.faults().is_empty(), "{:?}", ledger.faults());
    assert!(untrue.is_empty() && stored.len() == copies.len(), "{untrue:?}");
    assert_eq!((stayed, canceled), (races, copies.len()));
    assert!(early > 0 && copies.len() >= races, "the race was none");
}

/// One job: cancelled through one API while the other is asked twice to repeat it, and once more at the end.
/// Its id, how many of these were refused, and the new jobs.
async fn race(one: &Api, two: &Api, input: Value, pauses: [Duration; 3]) -> (String, usize, Vec<String>) {
    let job = one.post_job(&json!({"model": "echo", "input": input})).await;
    let id = job["id"].as_str().expect("an id").to_owned();
    let path = format!("/v1/jobs/{id}/retry");
    let retry = async |pause: Duration| {
        sleep(pause).await;
        two.call(Method::POST, &path, Some(&json!({}))).await
    };
    let canceling = async {
        sleep(pauses[0]).await;
        let (status, body) = cancel(one, &id).await;
        assert!(status < 300, "{status} {body}");
        one.wait(&id).await
    };
    let (ended, first, second) = tokio::join!(canceling, retry(pauses[1]), retry(pauses[2]));
    assert_eq!(ended["status"], "canceled", "{ended}");
    let last = retry(Duration::ZERO).await;
    let (mut refused, mut copies) = (0, Vec::new());
    for (status, body) in [first, second, last] {
        match status.as_u16() {
            200..300 => copies.push(body["id"].as_str().expect("an id").to_owned()),
            409 => refused += 1,
            other => panic!("{other}: {body}"),
        }
    }
    (id, refused, copies)
}
