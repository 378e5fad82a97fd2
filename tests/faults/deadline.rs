//! A job that waits longer than its owner allows expires, and never runs.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{count, echo_server, echo_within, echoes, ends, until_running};

#[tokio::test]
async fn a_job_behind_a_long_queue_expires() {
    let server = echo_server("").await;
    let running = echoes(&server, 32, json!({"sleep_ms": 4000})).await;
    until_running(&server, &running).await;
    let began = Instant::now();
    let id = echo_within(&server, json!({"never": true}), json!({"start_seconds": 1})).await;
    let job = server.wait(&id).await;
    let took = began.elapsed();
    println!("start deadline of 1 s: {} after {took:?}", job["status"]);
    assert_eq!(
        (&job["status"], &job["attempt"]),
        (&json!("expired"), &json!(0)),
        "{job}"
    );
    assert!((Duration::from_millis(900)..Duration::from_secs(4)).contains(&took));
    assert_eq!(count(&ends(&server, &running).await, "succeeded"), 32);
    assert_eq!(server.get_job(&id).await["status"], "expired");
}
