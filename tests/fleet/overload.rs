//! R21, a soak: far more jobs come than can be run, from twenty users, one of whom has ten thousand waiting.
//! The fleet gets as much done as it can, everybody has their share, and no process grows.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures::{StreamExt, stream};
use lamplighter_testkit::{api::Api, postgres::Sql, scenario::sized};
use serde_json::json;
use tokio::{task::JoinSet, time::sleep};

use crate::support::Trial;

const USERS: usize = 20;
/// What the greedy one has waiting.
const GREEDY: usize = 10_000;
/// Two jobs at once a worker, 100 ms each: at most 20 jobs a second a worker, whatever the machine can do.
const CATALOGUE: &str =
    "[[model]]\nid = \"slow\"\ntask = \"echo\"\nfamily = \"echo\"\n[model.limits]\nmax_batch_jobs = 2\n";
/// Jobs a second that come, of all users but the greedy one; the fleet runs at most 40.
const RATE: f64 = 400.0;
/// Jobs of a user whose wait is measured.
const PROBE: usize = 10;
/// No process may take more, MiB.
const MEMORY: u64 = 512;

async fn submit(api: &Api, number: usize) -> Result<String, String> {
    let body = json!({"model": "slow", "input": {"n": number, "sleep_ms": 100}});
    match api.try_call(reqwest::Method::POST, "/v1/jobs", Some(&body)).await {
        Ok((status, job)) if status == 202 => Ok(job["id"].as_str().expect("an id").to_owned()),
        Ok((status, body)) => Err(format!("{status} {body}")),
        Err(error) => Err(error.to_string()),
    }
}

/// The same, as often as it takes.
async fn submit_surely(api: &Api, number: usize) -> String {
    loop {
        match submit(api, number).await {
            Ok(job) => return job,
            Err(why) => assert!(why.starts_with("503"), "{why}"),
        }
        sleep(Duration::from_millis(200)).await;
    }
}

async fn done(sql: &Sql) -> i64 {
    sql.number("SELECT count(*) FROM jobs WHERE state = 'succeeded'")
        .await
}

/// Jobs a second that ended within this time.
async fn goodput(sql: &Sql, time: Duration) -> f64 {
    let (began, before) = (Instant::now(), done(sql).await);
    sleep(time).await;
    (done(sql).await - before) as f64 / began.elapsed().as_secs_f64()
}

/// Every user's load at a rate of its own, until `over`; how many were taken, and how the others were not.
fn open_loop(apis: Vec<Vec<Api>>, over: Arc<AtomicBool>) -> JoinSet<(usize, Vec<String>, Vec<Duration>)> {
    let mut users = JoinSet::new();
    for (user, apis) in apis.into_iter().enumerate() {
        let over = over.clone();
        users.spawn(async move {
            let pause = Duration::from_secs_f64((USERS - 1) as f64 / RATE);
            let (mut sent, mut sends) = (0, JoinSet::new());
            let (taken, mut refused, mut took) = (AtomicUsize::new(0), Vec::new(), Vec::new());
            let started = Instant::now();
            while !over.load(Ordering::Relaxed) {
                let api = apis[(user + sent) % apis.len()].clone();
                sends.spawn(async move {
                    let began = Instant::now();
                    (submit(&api, sent).await, began.elapsed())
                });
                sent += 1;
                let next = started + pause * sent as u32;
                sleep(next.saturating_duration_since(Instant::now())).await;
            }
            while let Some(answer) = sends.join_next().await {
                match answer.expect("a client ends well") {
                    (Ok(_), time) => {
                        taken.fetch_add(1, Ordering::Relaxed);
                        took.push(time);
                    }
                    (Err(why), _) => refused.push(why),
                }
            }
            (taken.into_inner(), refused, took)
        });
    }
    users
}

/// A user who comes anew with ten jobs: how long until all of them are done.
async fn probe(api: &Api) -> Duration {
    let began = Instant::now();
    let one = async |number| {
        let job = submit_surely(api, number).await;
        assert_eq!(api.wait(&job).await["status"], "succeeded");
    };
    stream::iter(0..PROBE).for_each_concurrent(PROBE, one).await;
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "soak"]
async fn r21_overload_costs_no_goodput_and_nobody_their_share() {
    let mut trial = Trial::begin("R21 overload", |builder| {
        builder.alone().models(["slow"]).catalogue(CATALOGUE)
    })
    .await;
    let sql = trial.fleet.sql();
    let tokens: Vec<String> = (0..=USERS)
        .map(|user| trial.fleet.create_token(&format!("user-{user}@example.org"), &[]))
        .collect();
    let apis_of = |token: &String| vec![trial.fleet.api_as(0, token), trial.fleet.api_as(1, token)];

    // The greedy one first.
    let greedy = apis_of(&tokens[0]);
    let one = async |number: usize| {
        submit_surely(&greedy[number % 2], number).await;
    };
    stream::iter(0..GREEDY).for_each_concurrent(64, one).await;
    let peak = goodput(&sql, Duration::from_secs(10)).await;

    // Alone with the greedy one, a newcomer has half of everything.
    let newcomer = trial.fleet.api_as(0, &tokens[USERS]);
    let alone = probe(&newcomer).await;

    let over = Arc::new(AtomicBool::new(false));
    let others = tokens[1..USERS].iter().map(apis_of).collect();
    let mut load = open_loop(others, over.clone());
    sleep(Duration::from_secs(5)).await;
    let time = Duration::from_secs(sized(30, 120));
    let (mut waits, mut probes) = (Vec::new(), Vec::new());
    let measured = goodput(&sql, time);
    let probing = async {
        let end = Instant::now() + time;
        while Instant::now() < end {
            waits.push(probe(&newcomer).await);
        }
    };
    let (overloaded, ()) = tokio::join!(measured, probing);
    over.store(true, Ordering::Relaxed);
    let (mut taken, mut refused, mut took) = (0, Vec::new(), Vec::new());
    while let Some(user) = load.join_next().await {
        let (some, why, times) = user.expect("a user ends well");
        taken += some;
        refused.extend(why);
        took.extend(times);
    }
    took.sort_unstable();
    let p99 = took.get(took.len() * 99 / 100).copied().unwrap_or_default();
    for node in trial.fleet.apis.iter().chain(&trial.fleet.workers) {
        probes.push((node.name().to_owned(), node.rss_kb() >> 10));
    }
    let waiting = sql
        .number("SELECT count(*) FROM jobs WHERE state = 'queued'")
        .await;
    // Its share is one of 21 while all of them have jobs waiting.
    let fair = Duration::from_secs_f64((PROBE * (USERS + 1)) as f64 / overloaded);
    let longest = waits.iter().max().copied().unwrap_or_default();
    trial.scenario.report(&format_args!(
        "peak={peak:.0}/s overloaded={overloaded:.0}/s taken={taken} refused={} waiting={waiting} submit_p99={p99:.0?} \
         newcomer_of_{PROBE}_jobs: alone={alone:.1?} longest={longest:.1?} of {} fair_share={fair:.1?} rss_mib={probes:?}",
        refused.len(),
        waits.len()
    ));
    assert!(overloaded >= 0.8 * peak, "{overloaded} of {peak}");
    assert!(
        refused.iter().all(|why| why.starts_with("503")),
        "{:?}",
        refused.first()
    );
    assert!(longest <= fair * 2, "{longest:?} where {fair:?} is fair");
    assert!(probes.iter().all(|(_, mib)| *mib <= MEMORY), "{probes:?}");
    assert!(waiting as f64 > GREEDY as f64 / 2.0, "it was no overload");
    for worker in &mut trial.fleet.workers {
        assert!(worker.is_running());
    }
}
