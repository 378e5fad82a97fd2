//! A cancellation through one process takes one job out of a batch in another: out of the one that forms, and
//! between the steps of the one that runs. Its batch mates are not disturbed. (`cancels` has the rest.)

use std::time::{Duration, Instant};

use lamplighter_testkit::{
    api::Api,
    fleet::{Builder, Fleet},
    postgres::Sql,
    scenario::Scenario,
};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    signs::{metric, until},
    support::PROGRAM,
};

/// Jobs in a batch.
const BATCH: usize = 4;
/// A batch runs this long: longer than a cancellation may take here.
const RUN_MS: u64 = 7_000;
/// Nobody waits for the end of this.
const LONG_MS: u64 = 120_000;
/// 2 s are promised; here on a busy machine.
const SOON: Duration = Duration::from_secs(6);

/// `echo` with batches that are computed together, as those of real models are.
fn joint(builder: Builder) -> Builder {
    builder.apis(2).workers(1).catalogue(&format!(
        "[[model]]\nid = \"echo\"\ntask = \"echo\"\nfamily = \"echo-joint\"\nmemory_limit = 1073741824\n\
         [model.limits]\nmax_batch_jobs = {BATCH}\n"
    ))
}

async fn submit(api: &Api, jobs: usize, sleep_ms: u64) -> Vec<String> {
    let one = || async {
        let job = json!({"model": "echo", "input": {"sleep_ms": sleep_ms}});
        let job = api.post_job(&job).await;
        job["id"].as_str().expect("an id").to_owned()
    };
    futures::future::join_all((0..jobs).map(|_| one())).await
}

/// Waits until a worker has so many jobs in hand.
async fn until_held(sql: &Sql, jobs: i64) {
    let held = "SELECT count(*) FROM jobs WHERE state = 'processing'";
    until("they are claimed", async || {
        (sql.number(held).await == jobs).then_some(())
    })
    .await;
}

/// Waits until so many batches have begun.
async fn until_begun(fleet: &Fleet, batches: f64) {
    until("the batch runs", async || {
        (metric(&fleet.workers[0], "batch_size_count").await >= batches).then_some(())
    })
    .await;
}

/// Cancels through one API and looks through the other; how long until it is so.
async fn cancel(fleet: &Fleet, id: &str) -> Duration {
    let began = Instant::now();
    let path = format!("/v1/jobs/{id}/cancel");
    let (status, body) = fleet.api(0).post(&path, &json!({})).await;
    assert!(status.is_success(), "{status} {body}");
    let other = fleet.api(1);
    while other.get_job(id).await["status"] != "canceled" {
        assert!(began.elapsed() < SOON, "{id} goes on");
        sleep(Duration::from_millis(5)).await;
    }
    began.elapsed()
}

async fn one_of_each_batch_is_canceled(builder: Builder, name: &str) {
    let scenario = Scenario::new(name);
    let fleet = joint(builder).seed(scenario.seed()).start().await;
    let (api, sql) = (fleet.api(1), fleet.sql());
    let alone = submit(&api, 1, LONG_MS).await;
    until_begun(&fleet, 1.0).await;
    // Nobody knows how long a batch takes, so the next one is claimed at once.
    let jobs = submit(&api, BATCH, RUN_MS).await;
    until_held(&sql, 1 + BATCH as i64).await;
    let forming = cancel(&fleet, &jobs[1]).await;
    let still = |job: Value| assert_eq!(job["status"], "processing", "{job}");
    for id in [&alone[0], &jobs[0], &jobs[2], &jobs[3]] {
        still(api.get_job(id).await);
    }
    // The only member of the batch that runs: the next one begins.
    let last = cancel(&fleet, &alone[0]).await;
    until_begun(&fleet, 2.0).await;
    let running = cancel(&fleet, &jobs[2]).await;
    for id in [&jobs[0], &jobs[3]] {
        still(api.get_job(id).await);
    }
    let mates = [api.wait(&jobs[0]).await, api.wait(&jobs[3]).await];
    scenario.report(&format_args!(
        "forming={forming:?} running={running:?} last_of_a_batch={last:?} mates={:?} batch_size={}",
        mates.each_ref().map(|job| job["status"].as_str()),
        mates[0]["metrics"]["batch_size"],
    ));
    for job in &mates {
        let figures = (&job["status"], &job["attempt"], &job["metrics"]["batch_size"]);
        let expected = (&json!("succeeded"), &json!(1), &json!(BATCH - 1));
        assert_eq!(figures, expected, "{job}");
    }
}

#[tokio::test]
async fn a_cancellation_takes_one_job_out_of_a_batch() {
    one_of_each_batch_is_canceled(Fleet::builder(PROGRAM), "cancel in batches").await;
}

#[tokio::test]
async fn a_cancellation_takes_one_job_out_of_a_batch_without_redis() {
    let builder = Fleet::builder(PROGRAM).without_redis();
    one_of_each_batch_is_canceled(builder, "cancel in batches, by polling").await;
}
