//! Rule 4 of the reliability rules: a worker whose claim loop is stuck does not keep its jobs alive, though
//! its heart goes on beating. Somebody else runs them; what the stuck one says later counts for nothing.

use std::time::{Duration, Instant};

use lamplighter_testkit::fleet::Fleet;
use serde_json::json;
use tokio::time::sleep;

use crate::support::PROGRAM;

const CONFIG: &str =
    "[jobs]\nlease_seconds = 3\nheartbeat_seconds = 1\nreap_seconds = 0.5\nreap_confirm_seconds = 1\n";
const LIMIT: Duration = Duration::from_secs(30);

#[tokio::test]
async fn jobs_of_a_worker_that_can_not_claim_run_elsewhere() {
    let fleet = Fleet::builder(PROGRAM)
        .apis(1)
        .workers(2)
        .config(CONFIG)
        // Once it has a job its loop hangs for longer than this test takes.
        .env_of("worker-0", "FAILPOINTS", "claim.delivered=1*return(wait 60000)")
        .start()
        .await;
    let api = fleet.api(0);
    fleet.workers[1].pause();
    let job = api
        .post_job(&json!({"model": "echo", "input": {"sleep_ms": 60_000}}))
        .await;
    let id = job["id"].as_str().expect("an id").to_owned();
    let began = Instant::now();
    let until_held_by = async |worker: &str| loop {
        let job = api.get_job(&id).await;
        if job["worker"] == worker && job["status"] == "processing" {
            return (began.elapsed(), job);
        }
        assert!(began.elapsed() < LIMIT, "not {worker}: {job}");
        sleep(Duration::from_millis(10)).await;
    };
    until_held_by("worker-0").await;
    fleet.workers[1].resume();
    let (after, job) = until_held_by("worker-1").await;
    println!(
        "scenario=stuck_loop elsewhere_after={after:?} attempt={}",
        job["attempt"]
    );
    assert_eq!(job["attempt"], 2);
    // Its loop is silent for 5 s before its leases are left to run out (3 s, seen twice 1 s apart).
    assert!(after > Duration::from_secs(4), "not for less: {after:?}");
    let (status, body) = api.post(&format!("/v1/jobs/{id}/cancel"), &json!({})).await;
    assert!(status.is_success(), "{body}");
    assert_eq!(api.wait(&id).await["status"], "canceled");
}

#[tokio::test]
async fn a_model_whose_parts_panic_is_served_anew() {
    let fleet = Fleet::builder(PROGRAM)
        .apis(1)
        .workers(1)
        .env_of("worker-0", "FAILPOINTS", "claim.delivered=2*panic(asked for)")
        .start()
        .await;
    let (api, worker) = (fleet.api(0), fleet.workers[0].pid());
    let began = Instant::now();
    let jobs: Vec<_> = (0..5)
        .map(|_| json!({"model": "echo", "input": {"sleep_ms": 50}}))
        .collect();
    let run = async |job| api.wait(&api.post_job(job).await).await;
    for done in futures::future::join_all(jobs.iter().map(run)).await {
        assert_eq!(
            (&done["status"], &done["attempt"]),
            (&json!("succeeded"), &json!(1)),
            "{done}"
        );
    }
    println!("scenario=panics panics=2 jobs=5 done_after={:?}", began.elapsed());
    assert!(fleet.workers[0].log().contains("asked for"), "it did panic");
    assert_eq!(fleet.workers[0].pid(), worker, "the process is the same");
    assert_eq!(fleet.workers[0].runner_pids().len(), 1);
}
