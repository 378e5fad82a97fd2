//! A runner that crashes, hangs, stops or runs out of memory fails the job that made it so, and no other.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use lamplighter_testkit::{
    process::{self, Signal},
    server::{Options, Server},
};
use serde_json::{Value, json};

use crate::support::{
    PROGRAM, count, echo, echo_server, echo_within, echoes, ends, runner_after, server_with, text,
    until_gone, until_running,
};

/// A runner is back within 1.5 s on a free machine; this one may be busy.
const BACK: Duration = Duration::from_secs(5);
/// Jobs that run when the fault strikes.
const NEIGHBOURS: usize = 8;

/// What became of a faulty job and of those that ran beside it.
struct Aftermath {
    culprit: Value,
    neighbours: Vec<Value>,
}

impl Aftermath {
    /// Asserts that the fault stayed with its job, and that the next one is served.
    async fn check(&self, server: &Server, kind: &str, attempts: i64) {
        let culprit = &self.culprit;
        assert_eq!(culprit["status"], "failed", "{culprit}");
        assert_eq!(culprit["error"]["type"], kind, "{culprit}");
        assert_eq!(culprit["attempt"], attempts, "{culprit}");
        assert_eq!(
            count(&self.neighbours, "succeeded"),
            NEIGHBOURS,
            "{:?}",
            self.neighbours
        );
        let began = Instant::now();
        let next = server.wait(&echo(server, json!({"next": true})).await).await;
        assert_eq!(next["status"], "succeeded", "{next}");
        println!(
            "{kind}: the job failed after {attempts} run(s); {NEIGHBOURS} of {NEIGHBOURS} neighbours succeeded; \
             the next job took {:?}; told: {}",
            began.elapsed(),
            culprit["error"]["detail"]
        );
    }
}

/// Runs neighbours that sleep, and beside them the culprit.
async fn beside(server: &Server, sleep_ms: u64, culprit: Value, timeout: Value) -> Aftermath {
    let neighbours = echoes(server, NEIGHBOURS, json!({"sleep_ms": sleep_ms})).await;
    until_running(server, &neighbours).await;
    let culprit = echo_within(server, culprit, timeout).await;
    Aftermath {
        culprit: server.wait(&culprit).await,
        neighbours: ends(server, &neighbours).await,
    }
}

#[tokio::test]
async fn a_crash_fails_its_job_after_three_runs_and_no_neighbour() {
    let server = echo_server("").await;
    let after = beside(&server, 1000, json!({"sleep_ms": 100, "crash": true}), json!({})).await;
    after.check(&server, "worker_crashed", 3).await;
    // One crash is all that they can have had: after it each ran alone.
    assert!(
        after.neighbours.iter().all(|n| n["attempt"] == 2),
        "{:?}",
        after.neighbours
    );
}

#[tokio::test]
async fn several_crashers_at_once_take_nobody_with_them() {
    let server = echo_server("").await;
    let good = echoes(&server, NEIGHBOURS, json!({"sleep_ms": 300})).await;
    let bad = echoes(&server, 4, json!({"sleep_ms": 50, "crash": true})).await;
    let (good, bad) = (ends(&server, &good).await, ends(&server, &bad).await);
    println!(
        "4 crashers: {} failed, {} of {NEIGHBOURS} others succeeded",
        count(&bad, "failed"),
        count(&good, "succeeded")
    );
    assert_eq!(
        (count(&bad, "failed"), count(&good, "succeeded")),
        (4, NEIGHBOURS),
        "{bad:?} {good:?}"
    );
}

#[tokio::test]
async fn a_hang_is_ended_at_its_deadline_and_costs_its_neighbours_no_attempt() {
    let server = echo_server("").await;
    let began = Instant::now();
    let after = beside(&server, 2500, json!({"hang": true}), json!({"run_seconds": 1})).await;
    after.check(&server, "timeout", 1).await;
    assert!(
        after.neighbours.iter().all(|n| n["attempt"] == 1),
        "{:?}",
        after.neighbours
    );
    println!("timeout: all was over after {:?}", began.elapsed());
}

#[tokio::test]
async fn a_runner_without_memory_says_so() {
    let catalogue =
        "[[model]]\nid = \"echo\"\ntask = \"echo\"\nfamily = \"echo\"\nmemory_limit = 1073741824\n";
    let (server, _dir) = server_with(catalogue, &["echo"]).await;
    let after = beside(
        &server,
        1000,
        json!({"allocate_mb": 4096, "sleep_ms": 100}),
        json!({}),
    )
    .await;
    after.check(&server, "out_of_memory", 3).await;
}

#[tokio::test]
async fn a_failure_of_the_model_is_final_and_told() {
    let server = echo_server("").await;
    let after = beside(&server, 500, json!({"fail": "no such luck"}), json!({})).await;
    after.check(&server, "model_error", 1).await;
    assert_eq!(after.culprit["error"]["detail"], "no such luck");
    assert_eq!(after.culprit["error"]["retryable"], false);
}

#[tokio::test]
async fn a_runner_killed_from_outside_is_back_at_once() {
    let server = echo_server("").await;
    let (runner, _) = runner_after(&server, &[]).await;
    let jobs = echoes(&server, NEIGHBOURS, json!({"sleep_ms": 400})).await;
    until_running(&server, &jobs).await;
    process::signal(runner, Signal::SIGKILL);
    until_gone(&[runner]).await;
    let (_, back) = runner_after(&server, &[runner]).await;
    let jobs = ends(&server, &jobs).await;
    println!(
        "runner killed: another after {back:?}; {} of {NEIGHBOURS} jobs succeeded",
        count(&jobs, "succeeded")
    );
    assert_eq!(count(&jobs, "succeeded"), NEIGHBOURS, "{jobs:?}");
    assert!(back < BACK);
}

#[tokio::test]
async fn a_runner_is_started_anew_after_the_binary_was_replaced() {
    let program = Path::new(PROGRAM);
    let dir = tempfile::tempdir_in(program.parent().expect("a file stands in a folder")).expect("a folder");
    let copy = dir.path().join("lamplighter");
    fs::hard_link(program, &copy).expect("a link in the same folder");
    let server = Options::new(&copy).start().await;
    let (runner, _) = runner_after(&server, &[]).await;
    fs::remove_file(&copy).expect("it was there");
    fs::write(&copy, "an upgrade, half done").expect("written");
    process::signal(runner, Signal::SIGKILL);
    until_gone(&[runner]).await;
    let job = server.wait(&echo(&server, json!({})).await).await;
    println!(
        "binary replaced under a running server: the next job {}",
        job["status"]
    );
    assert_eq!(job["status"], "succeeded", "{job}");
}

#[tokio::test]
async fn a_runner_that_stands_still_is_replaced() {
    let server = echo_server("").await;
    let (runner, _) = runner_after(&server, &[]).await;
    let jobs = echoes(&server, NEIGHBOURS, json!({"sleep_ms": 300})).await;
    until_running(&server, &jobs).await;
    let began = Instant::now();
    process::signal(runner, Signal::SIGSTOP);
    until_gone(&[runner]).await;
    let noticed = began.elapsed();
    let jobs = ends(&server, &jobs).await;
    println!(
        "runner stopped: replaced after {noticed:?}; {} of {NEIGHBOURS} jobs succeeded in {:?}",
        count(&jobs, "succeeded"),
        began.elapsed()
    );
    assert_eq!(count(&jobs, "succeeded"), NEIGHBOURS, "{jobs:?}");
    // Ten questions, one a second.
    assert!((Duration::from_secs(5)..Duration::from_secs(20)).contains(&noticed));
    assert_eq!(text(&jobs[0], "model"), "echo");
}
