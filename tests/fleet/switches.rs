//! A model that an admin switches off at one API is refused at all of them and leaves the memory of all workers;
//! waiting jobs wait, and run once it is switched on again. The command line does the same.

use std::time::{Duration, Instant};

use lamplighter_testkit::fleet::Fleet;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::support::PROGRAM;

/// Heartbeats come every half second here; an order is followed by the next one. One job at a time runs.
const CONFIG: &str = "[jobs]\nheartbeat_seconds = 0.5\n";
const ONE: &str =
    "[[model]]\nid = \"echo\"\ntask = \"echo\"\nfamily = \"echo\"\n[model.limits]\nmax_batch_jobs = 1\n";
const LIMIT: Duration = Duration::from_secs(20);

/// Asks again and again until it holds; how long that took.
async fn until(what: &str, holds: impl AsyncFn() -> bool) -> Duration {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < LIMIT, "not within {LIMIT:?}: {what}");
        sleep(Duration::from_millis(10)).await;
    }
    began.elapsed()
}

async fn post(fleet: &Fleet, api: usize, input: &Value) -> (u16, Value) {
    let job = json!({"model": "echo", "input": input});
    let (status, answer) = fleet.api(api).post("/v1/jobs", &job).await;
    (status.as_u16(), answer)
}

fn runners(fleet: &Fleet) -> usize {
    fleet
        .workers
        .iter()
        .map(|worker| worker.runner_pids().len())
        .sum()
}

#[tokio::test]
async fn a_model_is_switched_off_for_all_and_on_again() {
    let fleet = Fleet::builder(PROGRAM)
        .apis(2)
        .workers(2)
        .catalogue(ONE)
        .config(CONFIG)
        .start()
        .await;
    until("both workers have it", async || runners(&fleet) == 2).await;
    let mut jobs = Vec::new();
    for _ in 0..6 {
        jobs.push(post(&fleet, 0, &json!({"sleep_ms": 1000})).await.1);
    }
    let off = json!({"enabled": false});
    let (status, view) = fleet
        .api(0)
        .call(Method::PATCH, "/v1/models/echo", Some(&off))
        .await;
    assert_eq!(
        (status.as_u16(), &view["status"]),
        (200, &json!("disabled")),
        "{view}"
    );
    assert_eq!(post(&fleet, 0, &json!({})).await.0, 503, "here at once");
    let heard = until("the other API refuses it", async || {
        post(&fleet, 1, &json!({})).await.0 == 503
    })
    .await;
    let gone = until("all have let go of it", async || runners(&fleet) == 0).await;
    let waiting = "SELECT count(*) FROM jobs WHERE state = 'queued'";
    let waits = fleet.sql().number(waiting).await;
    assert!(waits > 0, "some were left");
    let logged = "SELECT count(*) FROM audit_log WHERE action = 'model.disable' AND subject = 'echo'";
    assert_eq!(fleet.sql().number(logged).await, 1);
    let printed = fleet.run(&["models", "enable", "echo"]);
    assert!(printed.contains("enabled"), "{printed}");
    let began = Instant::now();
    for job in &jobs {
        let done = fleet.api(1).wait(job).await;
        assert_eq!(
            (&done["status"], &done["attempt"]),
            (&json!("succeeded"), &json!(1)),
            "{done}"
        );
    }
    let back = began.elapsed();
    let taken = until("both take new ones", async || {
        post(&fleet, 1, &json!({})).await.0 == 202
    })
    .await;
    println!(
        "scenario=switches heard_by_the_other_api={heard:?} out_of_memory={gone:?} (a job of 1 s ran) waited={waits} \
         all_done_after={back:?} taken_again={taken:?}"
    );
}
