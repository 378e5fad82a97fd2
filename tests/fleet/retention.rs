//! What has ended is kept for a while and then forgotten, by processes that do nothing else for it; what still
//! runs is not touched. Nothing in Redis stays for ever.

use std::time::{Duration, Instant};

use futures::future::join_all;
use lamplighter_testkit::{fleet::Fleet, redis::Redis, scenario::Scenario};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::support::PROGRAM;

/// Results stay about 3 s, rows about 7 s; keys are remembered 4 s.
const CONFIG: &str =
    "[retention]\nresults_days = 0.000035\nrows_days = 0.00008\n[jobs]\nidempotency_seconds = 4\n";
/// Housekeeping looks at least every second with these settings; the rest is for a busy machine.
const SOON: Duration = Duration::from_secs(30);
const JOBS: usize = 60;

async fn submit(fleet: &Fleet, number: usize) -> String {
    let api = fleet.api(number % 2);
    let request = api.request(Method::POST, "/v1/jobs");
    let request = request.header("idempotency-key", format!("key-{number}"));
    let body = json!({"model": "echo", "input": {"n": number, "chunks": 3}});
    let answer = request.json(&body).send().await.expect("an answer");
    assert_eq!(answer.status().as_u16(), 202);
    let job: Value = answer.json().await.expect("a job");
    job["id"].as_str().expect("an id").to_owned()
}

/// Keys that never expire and are no stream of doorbells.
fn eternal(redis: &Redis) -> Vec<String> {
    let keys = redis.command(&["KEYS", "*"]);
    let keys = keys.list().iter().map(|key| key.text());
    keys.filter(|key| redis.command(&["PTTL", key]).number() == Some(-1))
        .filter(|key| !key.starts_with("lamplighter:bell:") && key != "lamplighter:cancels")
        .collect()
}

async fn until(what: &str, condition: impl AsyncFn() -> bool) -> Duration {
    let began = Instant::now();
    while !condition().await {
        assert!(began.elapsed() < SOON, "{what}");
        sleep(Duration::from_millis(50)).await;
    }
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_ended_is_forgotten_in_time_and_what_runs_is_not() {
    let scenario = Scenario::new("retention");
    let fleet = Fleet::builder(PROGRAM).config(CONFIG).start().await;
    let (api, sql) = (fleet.api(0), fleet.sql());
    let long = json!({"model": "echo", "input": {"sleep_ms": 30_000}});
    let long = api.post_job(&long).await["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let ids = join_all((0..JOBS).map(|number| submit(&fleet, number))).await;
    let ended = "SELECT count(*) FROM jobs WHERE state = 'succeeded'";
    until("they end", async || {
        sql.number(ended).await as usize >= JOBS - 1 || sql.number("SELECT count(*) FROM jobs").await < 10
    })
    .await;
    let (last, began) = (ids.last().expect("ids"), Instant::now());
    assert!(eternal(fleet.redis.as_ref().expect("a Redis")).is_empty());

    let results = until("results are removed", async || {
        let (status, job) = api.get(&format!("/v1/jobs/{last}")).await;
        status == 404 || job["data_removed"] == json!(true)
    })
    .await;
    let (status, job) = api.get(&format!("/v1/jobs/{last}")).await;
    if status == 200 {
        assert_eq!(
            (&job["status"], job.get("output")),
            (&json!("succeeded"), None),
            "{job}"
        );
        let (status, answer) = api.post(&format!("/v1/jobs/{last}/retry"), &json!({})).await;
        assert!(status == 410 || status == 404, "{status} {answer}");
    }
    until("rows are removed", async || {
        sql.number("SELECT count(*) FROM jobs").await == 1
    })
    .await;
    let rows = began.elapsed();
    for id in &ids {
        assert_eq!(api.get(&format!("/v1/jobs/{id}")).await.0, 404);
    }
    assert_eq!(sql.number("SELECT count(*) FROM job_payloads").await, 1);
    until("keys are forgotten", async || {
        sql.number("SELECT count(*) FROM idempotency_keys").await == 0
    })
    .await;
    // A key that is forgotten is free.
    let again = submit(&fleet, 0).await;
    assert!(!ids.contains(&again));
    assert_eq!(api.get_job(&long).await["status"], "processing");
    scenario.report(&format_args!(
        "jobs={JOBS} results_gone_after={results:.1?} rows_gone_after={rows:.1?}"
    ));
    assert!(eternal(fleet.redis.as_ref().expect("a Redis")).is_empty());
}
