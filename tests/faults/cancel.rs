//! A cancelled job ends for its owner within 2 s whatever its model does, and a job ends once.

use std::time::{Duration, Instant};

use lamplighter_testkit::{api::Api, process};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

use crate::support::{count, echo, echo_server, echoes, ends, runner_after, text, until, until_running};

/// 2 s on a free machine.
const SOON: Duration = Duration::from_secs(5);

async fn cancel(api: &Api, id: &str) -> (u16, Value) {
    let (status, body) = api.post(&format!("/v1/jobs/{id}/cancel"), &json!({})).await;
    (status.as_u16(), body)
}

#[tokio::test]
async fn a_waiting_job_is_canceled_at_once() {
    let server = echo_server("").await;
    let running = echoes(&server, 32, json!({"sleep_ms": 1500})).await;
    until_running(&server, &running).await;
    let waiting = echo(&server, json!({})).await;
    let (status, job) = cancel(&server, &waiting).await;
    assert_eq!((status, &job["status"]), (200, &json!("canceled")), "{job}");
    assert_eq!(
        cancel(&server, &waiting).await.0,
        200,
        "canceling again is no fault"
    );
    let done = ends(&server, &running).await;
    assert_eq!(count(&done, "succeeded"), 32);
    assert_eq!(server.get_job(&waiting).await["status"], "canceled");
    assert_eq!(
        cancel(&server, &running[0]).await.0,
        409,
        "what has ended can't be canceled"
    );
}

#[tokio::test]
async fn a_running_job_stops_and_its_place_is_free() {
    let server = echo_server("").await;
    let running = echoes(&server, 32, json!({"sleep_ms": 60_000})).await;
    until_running(&server, &running).await;
    let next = echo(&server, json!({"next": true})).await;
    let began = Instant::now();
    let (status, job) = cancel(&server, &running[7]).await;
    assert_eq!(status, 202, "{job}");
    let canceled = server.wait(&running[7]).await;
    let took = began.elapsed();
    assert_eq!(canceled["status"], "canceled", "{canceled}");
    let served = server.wait(&next).await;
    println!(
        "cancel of a running job: canceled after {took:?}; its place was used after {:?}",
        began.elapsed()
    );
    assert_eq!(served["status"], "succeeded");
    assert!(began.elapsed() < SOON);
    for id in &running {
        cancel(&server, id).await;
    }
    assert_eq!(count(&ends(&server, &running).await, "canceled"), 32);
}

#[tokio::test]
async fn a_hanging_job_is_canceled_for_its_owner_and_its_runner_replaced() {
    let server = echo_server("").await;
    let (runner, _) = runner_after(&server, &[]).await;
    let neighbour = echo(&server, json!({"sleep_ms": 3000})).await;
    until_running(&server, std::slice::from_ref(&neighbour)).await;
    let hanging = echo(&server, json!({"hang": true, "chunks": 1})).await;
    // A job is `processing` from its claim on, and one that is cancelled before it reaches the runner
    // hangs nothing. The chunk is the last thing it says.
    let mut events = server.events(&hanging, None).await.expect("it opens");
    while events
        .next()
        .await
        .expect("a chunk comes")
        .expect("a whole event")
        .name
        != "output"
    {}
    let began = Instant::now();
    cancel(&server, &hanging).await;
    let canceled = server.wait(&hanging).await;
    let took = began.elapsed();
    assert_eq!(canceled["status"], "canceled", "{canceled}");
    assert!(took < SOON);
    // Whoever runs beside it is not disturbed; once nobody does, the runner goes.
    let neighbour = server.wait(&neighbour).await;
    assert_eq!(
        (&neighbour["status"], &neighbour["attempt"]),
        (&json!("succeeded"), &json!(1)),
        "{neighbour}"
    );
    until("the runner with the thread that hangs is gone", || async {
        (!process::alive(runner)).then_some(())
    })
    .await;
    let replaced = began.elapsed();
    let next = server.wait(&echo(&server, json!({})).await).await;
    assert_eq!(next["status"], "succeeded");
    println!(
        "cancel of a hanging job: canceled after {took:?}; its neighbour (3 s) succeeded; the runner replaced after {replaced:?}"
    );
}

#[tokio::test]
async fn a_cancel_right_after_the_submit_is_never_lost() {
    let server = echo_server("").await;
    let mut slowest = Duration::ZERO;
    let seed = rand::rng().random_range(0..u64::MAX);
    println!("cancel after submit: seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    for _ in 0..40 {
        let id = echo(&server, json!({"sleep_ms": 20_000})).await;
        tokio::time::sleep(Duration::from_micros(random.random_range(0..6000))).await;
        let began = Instant::now();
        cancel(&server, &id).await;
        let job = server.wait(&id).await;
        assert_eq!(job["status"], "canceled", "{job}");
        slowest = slowest.max(began.elapsed());
    }
    println!("cancel right after submit: 40 of 40 canceled, the slowest after {slowest:?}");
    assert!(slowest < SOON);
}

#[tokio::test]
async fn cancel_against_finish_gives_one_end() {
    let server = echo_server("").await;
    let seed = rand::rng().random_range(0..u64::MAX);
    println!("cancel against finish: seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let (mut canceled, mut succeeded) = (0, 0);
    for _ in 0..20 {
        let pauses: Vec<u64> = (0..10).map(|_| random.random_range(0..60)).collect();
        let races = pauses.into_iter().map(|pause| race(&server, pause));
        for job in futures::future::join_all(races).await {
            match job["status"].as_str() {
                Some("canceled") => canceled += 1,
                Some("succeeded") => succeeded += 1,
                _ => panic!("neither: {job}"),
            }
            let again = server.get_job(&text(&job, "id")).await;
            assert_eq!(
                (&job["status"], &job["completed_at"], &job["output"]),
                (&again["status"], &again["completed_at"], &again["output"])
            );
        }
    }
    println!("cancel against finish: 200 races, {canceled} canceled, {succeeded} succeeded, two ends 0");
    assert!(canceled > 0 && succeeded > 0, "the race was none");
}

/// A job of 30 ms, cancelled after a pause; as it ended, which is as the first reader of its end saw it.
async fn race(api: &Api, pause: u64) -> Value {
    let id = echo(api, json!({"sleep_ms": 30})).await;
    tokio::time::sleep(Duration::from_millis(pause)).await;
    let (status, _) = cancel(api, &id).await;
    let job = until("the job ends", || async {
        let job = api.get_job(&id).await;
        (!matches!(job["status"].as_str(), Some("queued" | "processing"))).then_some(job)
    })
    .await
    .0;
    // What the answer promised holds.
    match status {
        200 => assert_eq!(job["status"], "canceled", "{job}"),
        409 => assert_eq!(job["status"], "succeeded", "{job}"),
        202 => {}
        other => panic!("{other}"),
    }
    job
}

#[tokio::test]
async fn a_canceled_job_can_be_repeated_as_a_new_one() {
    let server = echo_server("").await;
    let id = echo(&server, json!({"sleep_ms": 700})).await;
    until_running(&server, std::slice::from_ref(&id)).await;
    cancel(&server, &id).await;
    let old = server.wait(&id).await;
    assert_eq!(old["status"], "canceled", "{old}");
    let (status, new) = server.post(&format!("/v1/jobs/{id}/retry"), &json!({})).await;
    assert!(status.is_success(), "{status} {new}");
    assert_ne!(new["id"], old["id"]);
    assert_eq!(new["retry_of"], old["id"]);
    let new = server.wait(&new).await;
    assert_eq!(
        (&new["status"], &new["attempt"]),
        (&json!("succeeded"), &json!(1)),
        "{new}"
    );
    assert_eq!(server.get_job(&id).await["status"], "canceled");
}

#[tokio::test]
async fn a_house_full_of_hanging_jobs_can_be_cleared() {
    let server = echo_server("").await;
    let hanging = echoes(&server, 32, json!({"hang": true})).await;
    until_running(&server, &hanging).await;
    let next = echo(&server, json!({"next": true})).await;
    let began = Instant::now();
    for id in &hanging {
        cancel(&server, id).await;
    }
    let canceled = ends(&server, &hanging).await;
    let took = began.elapsed();
    let next = server.wait(&next).await;
    println!(
        "cancel of 32 hanging jobs: {} canceled after {took:?}; the next job was served after {:?}",
        count(&canceled, "canceled"),
        began.elapsed()
    );
    assert_eq!(count(&canceled, "canceled"), 32);
    assert_eq!(
        (&next["status"], &next["attempt"]),
        (&json!("succeeded"), &json!(1)),
        "{next}"
    );
    assert!(began.elapsed() < SOON);
}
