//! What these tests share: a server with `echo`, jobs for it, and waiting for something to become true.

use std::{
    fs,
    future::Future,
    time::{Duration, Instant},
};

use lamplighter_testkit::{
    api::Api,
    process,
    server::{Options, Server},
};
use serde_json::{Value, json};

/// The binary under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_lamplighter");
/// Longest anything may take that is not itself measured: the machine may be busy.
pub const LIMIT: Duration = Duration::from_secs(30);

/// A server that serves `echo`, with this in its `lamplighter.toml`.
pub async fn echo_server(config: &str) -> Server {
    Options::new(PROGRAM).config(config).start().await
}

/// A server that serves `models`, with this in its `models.toml`.
pub async fn server_with(catalogue: &str, models: &[&str]) -> (Server, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    fs::write(dir.path().join("models.toml"), catalogue).expect("the folder is writable");
    let server = Options::new(PROGRAM)
        .data_dir(dir.path())
        .models(models)
        .start()
        .await;
    (server, dir)
}

/// Submits an `echo` job; its id.
pub async fn echo(api: &Api, input: Value) -> String {
    echo_within(api, input, json!({})).await
}

/// Submits an `echo` job with timeouts; its id.
pub async fn echo_within(api: &Api, input: Value, timeout: Value) -> String {
    let job = api
        .post_job(&json!({"model": "echo", "input": input, "timeout": timeout}))
        .await;
    job["id"].as_str().expect("a job has an id").to_owned()
}

/// Submits this many equal jobs; their ids.
pub async fn echoes(api: &Api, count: usize, input: Value) -> Vec<String> {
    futures::future::join_all((0..count).map(|_| echo(api, input.clone()))).await
}

/// Waits for the ends of jobs, and returns the jobs.
pub async fn ends(api: &Api, ids: &[String]) -> Vec<Value> {
    futures::future::join_all(ids.iter().map(|id| api.wait(id))).await
}

/// Where a job stands.
pub async fn status(api: &Api, id: &str) -> String {
    text(&api.get_job(id).await, "status")
}

/// A text field of a job.
pub fn text(job: &Value, field: &str) -> String {
    job[field]
        .as_str()
        .unwrap_or_else(|| panic!("no {field}: {job}"))
        .to_owned()
}

/// How many of these jobs stand in `status`.
pub fn count(jobs: &[Value], status: &str) -> usize {
    jobs.iter().filter(|job| job["status"] == status).count()
}

/// Asks again and again until the answer is something; how long that took, with it.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, ask: impl Fn() -> F) -> (T, Duration) {
    let began = Instant::now();
    while began.elapsed() < LIMIT {
        if let Some(answer) = ask().await {
            return (answer, began.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("not within {LIMIT:?}: {what}");
}

/// Waits until all these jobs run, or have run.
pub async fn until_running(api: &Api, ids: &[String]) {
    for id in ids {
        until("the job runs", || async {
            (status(api, id).await != "queued").then_some(())
        })
        .await;
    }
}

/// Waits for a runner other than `before`; its number.
pub async fn runner_after(server: &Server, before: &[u32]) -> (u32, Duration) {
    until("a runner is there", || async {
        server.runner_pids().into_iter().find(|pid| !before.contains(pid))
    })
    .await
}

/// Waits until none of these processes is there; how long that took.
pub async fn until_gone(pids: &[u32]) -> Duration {
    let gone = || async { pids.iter().all(|pid| !process::alive(*pid)).then_some(()) };
    until("the processes are gone", gone).await.1
}
