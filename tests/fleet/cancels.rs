//! A cancellation through one process stops a job in another within 2 s, with Redis and without.

use std::time::{Duration, Instant};

use lamplighter_testkit::{
    api::Api,
    fleet::{Builder, Fleet},
};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::support::PROGRAM;

/// 2 s are promised, with a runner that does not listen, too; here on a busy machine.
const SOON: Duration = Duration::from_secs(8);

async fn submit(api: &Api, input: Value) -> String {
    let job = api.post_job(&json!({"model": "echo", "input": input})).await;
    job["id"].as_str().expect("an id").to_owned()
}

async fn until_running(api: &Api, ids: &[String]) {
    for id in ids {
        let began = Instant::now();
        while api.get_job(id).await["status"] != "processing" {
            assert!(began.elapsed() < SOON, "{id} does not start");
            sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Cancels through one API and looks through another; how long until it is so.
async fn cancel(fleet: &Fleet, id: &str) -> Duration {
    let began = Instant::now();
    let (status, body) = fleet
        .api(0)
        .post(&format!("/v1/jobs/{id}/cancel"), &json!({}))
        .await;
    assert!(status.is_success(), "{status} {body}");
    loop {
        let job = fleet.api(1).get_job(id).await;
        if job["status"] == "canceled" {
            return began.elapsed();
        }
        assert!(began.elapsed() < SOON, "{job}");
        sleep(Duration::from_millis(5)).await;
    }
}

async fn cancels(builder: Builder, name: &str) {
    let fleet = builder.apis(2).workers(1).start().await;
    let api = fleet.api(1);
    let running =
        futures::future::join_all((0..32).map(|_| submit(&api, json!({"sleep_ms": 120_000})))).await;
    until_running(&api, &running).await;
    let queued = submit(&api, json!({"queued": true})).await;
    let from_queue = cancel(&fleet, &queued).await;
    let between_steps = cancel(&fleet, &running[3]).await;
    // Its place is free, and the next one is served there.
    let next = api.wait(&submit(&api, json!({"next": true})).await).await;
    assert_eq!(next["status"], "succeeded", "{next}");
    let hanging = submit(&api, json!({"hang": true})).await;
    until_running(&api, std::slice::from_ref(&hanging)).await;
    let hung = cancel(&fleet, &hanging).await;
    let began = Instant::now();
    let rest = running.iter().filter(|id| **id != running[3]);
    futures::future::join_all(rest.map(|id| cancel(&fleet, id))).await;
    println!(
        "scenario=cancel {name} from_queue={from_queue:?} between_steps={between_steps:?} hanging={hung:?} 31_at_once={:?}",
        began.elapsed()
    );
    let held = "SELECT count(*) FROM jobs WHERE state = 'processing'";
    assert_eq!(fleet.sql().number(held).await, 0);
}

#[tokio::test]
async fn a_cancellation_reaches_another_process() {
    cancels(Fleet::builder(PROGRAM), "with Redis").await;
}

#[tokio::test]
async fn a_cancellation_reaches_another_process_without_redis() {
    cancels(Fleet::builder(PROGRAM).without_redis(), "by polling").await;
}

/// A model whose batches are computed as one.
const JOINT: &str = "[[model]]\nid = \"joint\"\ntask = \"echo\"\nfamily = \"echo-joint\"\n[model.limits]\nmax_batch_jobs = 4\n";

#[tokio::test]
async fn a_batch_goes_on_without_the_member_that_was_canceled() {
    let fleet = Fleet::builder(PROGRAM)
        .apis(2)
        .workers(1)
        .models(["joint"])
        .catalogue(JOINT)
        .without_redis()
        .start()
        .await;
    let api = fleet.api(1);
    let submit = async |input: Value| {
        let job = api.post_job(&json!({"model": "joint", "input": input})).await;
        job["id"].as_str().expect("an id").to_owned()
    };
    let long = json!({"sleep_ms": 6000});
    let (stays, leaves) = futures::future::join(submit(long.clone()), submit(long)).await;
    until_running(&api, &[stays.clone(), leaves.clone()]).await;
    // Claimed while the batch computes, it waits for the next one.
    let forming = submit(json!({"forming": true})).await;
    until_running(&api, std::slice::from_ref(&forming)).await;
    let from_forming = cancel(&fleet, &forming).await;
    let between_steps = cancel(&fleet, &leaves).await;
    assert_eq!(
        api.get_job(&stays).await["status"],
        "processing",
        "it was not waited for"
    );
    let next = submit(json!({"next": true})).await;
    let stays = api.wait(&stays).await;
    println!("scenario=cancel joint from_forming={from_forming:?} between_steps={between_steps:?}");
    assert_eq!(
        (&stays["status"], &stays["attempt"]),
        (&json!("succeeded"), &json!(1)),
        "{stays}"
    );
    assert_eq!(api.wait(&next).await["status"], "succeeded");
}
