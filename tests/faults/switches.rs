//! Models that an admin switches off and on while the server runs: the memory is free, waiting jobs wait, new ones
//! are refused, and it holds over a restart.

use std::time::{Duration, Instant};

use lamplighter_testkit::server::Server;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{PROGRAM, echo, text, until};

const TWO: &str = "[[model]]\nid = \"other\"\ntask = \"echo\"\nfamily = \"echo\"\n";

async fn switch(server: &Server, model: &str, enabled: bool) -> Value {
    let body = json!({"enabled": enabled});
    let (status, view) = server
        .call(Method::PATCH, &format!("/v1/models/{model}"), Some(&body))
        .await;
    assert_eq!(status.as_u16(), 200, "{view}");
    view
}

/// The model on the worker that was started last.
async fn on_worker(server: &Server, model: &str) -> Value {
    let (_, list) = server.get("/v1/workers").await;
    let workers = list["data"].as_array().into_iter().flatten();
    let newest = workers.max_by_key(|worker| worker["id"].as_str().map(str::to_owned));
    let models = newest.and_then(|worker| worker["models"].as_array());
    let found = models.into_iter().flatten().find(|found| found["id"] == model);
    found.cloned().unwrap_or(Value::Null)
}

async fn until_on_worker(server: &Server, model: &str, status: &str) -> (Value, Duration) {
    until(&format!("{model} is {status} on the worker"), || async {
        let found = on_worker(server, model).await;
        (found["status"] == status).then_some(found)
    })
    .await
}

#[tokio::test]
async fn a_model_is_switched_off_and_on_without_a_restart() {
    let (mut server, _dir) = crate::support::server_with(TWO, &["echo", "other"]).await;
    let (ready, _) = until_on_worker(&server, "echo", "ready").await;
    assert!(
        ready["memory_bytes"]
            .as_u64()
            .is_some_and(|bytes| bytes > 1 << 20),
        "{ready}"
    );
    until_on_worker(&server, "other", "ready").await;
    let running = echo(&server, json!({"sleep_ms": 1500})).await;
    until("it runs", || async {
        (server.get_job(&running).await["status"] == "processing").then_some(())
    })
    .await;
    assert_eq!(switch(&server, "echo", false).await["status"], "disabled");
    // Nothing new is taken, at once.
    let refused = json!({"model": "echo", "input": {}});
    let (status, problem) = server.post("/v1/jobs", &refused).await;
    assert_eq!(
        (status.as_u16(), text(&problem, "code").as_str()),
        (503, "model_unavailable")
    );
    assert!(text(&problem, "detail").contains("switched"), "{problem}");
    let again = format!("/v1/jobs/{running}/retry");
    let done = server.wait(&running).await;
    assert_eq!(done["status"], "succeeded", "what runs ends in peace: {done}");
    assert_eq!(server.post(&again, &json!({})).await.0.as_u16(), 503);
    let (off, took) = until_on_worker(&server, "echo", "unloaded").await;
    assert_eq!(off["memory_bytes"], Value::Null, "{off}");
    assert!(text(&off, "status_detail").contains("switched off"), "{off}");
    until("its process is gone", || async {
        (server.runner_pids().len() == 1).then_some(())
    })
    .await;
    println!("a model that is switched off has left the memory {took:?} after its last job");
    // The other one goes on.
    let other = server.post_job(&json!({"model": "other", "input": {}})).await;
    assert_eq!(server.wait(&other).await["status"], "succeeded");
    server.restart().await;
    assert_eq!(server.get("/v1/models/echo").await.1["status"], "disabled");
    until_on_worker(&server, "other", "ready").await;
    assert_eq!(server.runner_pids().len(), 1, "it stays off over a restart");
    let began = Instant::now();
    switch(&server, "echo", true).await;
    let job = echo(&server, json!({})).await;
    let done = server.wait(&job).await;
    assert_eq!(done["status"], "succeeded", "{done}");
    let took = began.elapsed();
    println!("switched on again, it served a job after {took:?}");
    assert!(took < Duration::from_secs(15), "{took:?}");
}

#[tokio::test]
async fn jobs_that_wait_wait_until_the_model_is_switched_on() {
    // One at a time, so that the others wait.
    let one =
        "[[model]]\nid = \"echo\"\ntask = \"echo\"\nfamily = \"echo\"\n[model.limits]\nmax_batch_jobs = 1\n";
    let (server, dir) = crate::support::server_with(one, &["echo"]).await;
    until_on_worker(&server, "echo", "ready").await;
    let mut jobs = Vec::new();
    for _ in 0..5 {
        jobs.push(echo(&server, json!({"sleep_ms": 1000})).await);
    }
    // From a terminal this time, next to a server that runs.
    let data = dir.path().to_str().expect("a path");
    let command = |what: &str| {
        let run = std::process::Command::new(PROGRAM)
            .args(["models", what, "echo", "--data-dir", data])
            .output()
            .expect("the program starts");
        assert!(run.status.success(), "{run:?}");
        String::from_utf8_lossy(&run.stdout).into_owned()
    };
    assert!(command("disable").contains("disabled"));
    until_on_worker(&server, "echo", "unloaded").await;
    let (status, _) = server
        .post("/v1/jobs", &json!({"model": "echo", "input": {}}))
        .await;
    assert_eq!(status.as_u16(), 503);
    let mut waiting = Vec::new();
    for id in &jobs {
        let job = server.get_job(id).await;
        if job["status"] == "queued" {
            assert_eq!(job["queue"]["possible"], false, "{job}");
            waiting.push(id);
        }
    }
    assert!(!waiting.is_empty(), "some were left");
    println!(
        "{} of 5 jobs waited while their model was switched off",
        waiting.len()
    );
    assert!(command("enable").contains("enabled"));
    for id in &jobs {
        let done = server.wait(id).await;
        assert_eq!(
            (&done["status"], &done["attempt"]),
            (&json!("succeeded"), &json!(1)),
            "{done}"
        );
    }
}
