//! A fleet without faults: what one API takes, any worker runs and any API tells, with Redis and without.

use std::time::{Duration, Instant};

use lamplighter_testkit::fleet::{Builder, Fleet};
use reqwest::Method;
use serde_json::json;
use tokio::time::sleep;

use crate::support::PROGRAM;

async fn any_api_tells_what_any_worker_does(builder: Builder, name: &str) {
    let began = Instant::now();
    let fleet = builder.start().await;
    let started = began.elapsed();
    let (first, second) = (fleet.api(0), fleet.api(1));
    let input = json!({"text": "hello", "sleep_ms": 300, "chunks": 5});
    let began = Instant::now();
    let job = first.post_job(&json!({"model": "echo", "input": input})).await;
    let id = job["id"].as_str().expect("a job has an id");
    let events = second.events(id, None).await.expect("a stream").rest().await;
    let took = began.elapsed();
    let names: Vec<&str> = events.iter().map(|event| event.name.as_str()).collect();
    let done = &events.last().expect("events").data;
    assert_eq!(names.last(), Some(&"done"), "{names:?}");
    assert_eq!((&done["status"], &done["output"]), (&json!("succeeded"), &input));
    let chunks = names.iter().filter(|name| **name == "output").count();
    let gap = names.contains(&"gap");
    assert_eq!(second.get_job(id).await["output"], input);
    assert_eq!(first.get_job(id).await["output"], input);
    println!(
        "scenario={name} start={started:?} submit_to_done={took:?} chunks={chunks} gap={gap} worker={}",
        done["worker"]
    );
    assert!(chunks == 5 || gap || fleet.redis.is_none(), "{names:?}");
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[tokio::test]
async fn any_api_tells_what_any_worker_does_with_redis() {
    any_api_tells_what_any_worker_does(Fleet::builder(PROGRAM), "basic").await;
}

#[tokio::test]
async fn any_api_tells_what_any_worker_does_by_polling() {
    any_api_tells_what_any_worker_does(Fleet::builder(PROGRAM).without_redis(), "basic, polling").await;
}

#[tokio::test]
async fn any_api_tells_what_any_worker_does_through_proxies() {
    let builder = Fleet::builder(PROGRAM).via_proxies(true).apis(2).workers(1);
    any_api_tells_what_any_worker_does(builder, "basic, proxies").await;
}

#[tokio::test]
async fn processes_come_back_where_they_were_and_end_when_asked() {
    let mut fleet = Fleet::builder(PROGRAM)
        .apis(1)
        .workers(1)
        .via_proxies(true)
        .start()
        .await;
    let (api, sql) = (fleet.api(0), fleet.sql());
    let address = api.address();
    fleet.apis[0].kill9();
    assert!(api.try_call(Method::GET, "/v1/jobs", None).await.is_err());
    fleet.apis[0].restart().await;
    assert_eq!(
        (api.address(), api.get("/v1/jobs").await.0.as_u16()),
        (address, 200)
    );

    let worker = &mut fleet.workers[0];
    let (pid, runners) = (worker.pid(), worker.runner_pids());
    assert_eq!(runners.len(), 1, "one model, one runner");
    // A frozen worker takes nothing; it goes on where it was.
    worker.pause();
    let job = api.post_job(&json!({"model": "echo", "input": {}})).await;
    sleep(Duration::from_millis(300)).await;
    assert_eq!(
        api.get_job(job["id"].as_str().expect("an id")).await["status"],
        "queued"
    );
    worker.resume();
    assert_eq!(api.wait(&job).await["status"], "succeeded");
    // A new runner takes the place of a killed one, below the same worker.
    assert_eq!(worker.kill_runners(), 1);
    let job = api.post_job(&json!({"model": "echo", "input": {}})).await;
    assert_eq!(api.wait(&job).await["status"], "succeeded");
    assert_eq!(worker.pid(), pid);
    assert!(!runners.contains(&worker.runner_pids()[0]));

    worker.sigterm();
    let status = worker.wait_exit(Duration::from_secs(35)).await;
    assert!(status.success(), "{status}");
    assert_eq!(
        sql.number("SELECT count(*) FROM workers").await,
        0,
        "it signed off"
    );
    worker.restart().await;
    let job = api.post_job(&json!({"model": "echo", "input": {}})).await;
    assert_eq!(api.wait(&job).await["status"], "succeeded");
}
