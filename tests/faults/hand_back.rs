//! A server that is asked to end finishes what runs, hands back what waits, and ends in time.

use std::time::{Duration, Instant};

use lamplighter_testkit::process::{self, Signal};
use serde_json::{Value, json};

use crate::support::{count, echo, echo_server, echoes, ends, server_with, until, until_gone, until_running};

/// Asserts that all jobs succeeded, each in one counted run.
fn all_in_one_run(jobs: &[Value]) {
    assert_eq!(count(jobs, "succeeded"), jobs.len(), "{jobs:?}");
    assert!(jobs.iter().all(|job| job["attempt"] == 1), "{jobs:?}");
}

#[tokio::test]
async fn running_jobs_finish_and_waiting_ones_are_handed_back() {
    let mut server = echo_server("").await;
    let running = echoes(&server, 32, json!({"sleep_ms": 2000})).await;
    until_running(&server, &running).await;
    let waiting = echoes(&server, 40, json!({"sleep_ms": 10})).await;
    let runners = server.runner_pids();
    let began = Instant::now();
    let exit = server.stop();
    let took = began.elapsed();
    assert_eq!(exit.code(), Some(0), "{exit}");
    until_gone(&runners).await;
    server.restart().await;
    // Those that ran were finished before the end: the new server finds nothing to run of them.
    for id in &running {
        let job = server.get_job(id).await;
        assert_eq!(job["status"], "succeeded", "{job}");
    }
    all_in_one_run(&ends(&server, &running).await);
    all_in_one_run(&ends(&server, &waiting).await);
    println!(
        "SIGTERM: 32 running finished, 40 waiting handed back, exit code 0 after {took:?} (their rest: 2 s at most)"
    );
    assert!(took < Duration::from_secs(6));
}

#[tokio::test]
async fn what_outlasts_the_grace_is_handed_back() {
    let mut server = echo_server("[server]\ngrace_seconds = 1\n").await;
    let long = echoes(&server, 3, json!({"sleep_ms": 4000})).await;
    until_running(&server, &long).await;
    let began = Instant::now();
    let exit = server.stop();
    let took = began.elapsed();
    assert_eq!(exit.code(), Some(0), "{exit}");
    server.restart().await;
    all_in_one_run(&ends(&server, &long).await);
    println!("SIGTERM with 1 s of grace: exit code 0 after {took:?}; 3 of 3 handed back and finished later");
    assert!(took < Duration::from_secs(6));
}

#[tokio::test]
async fn a_runner_that_stands_still_does_not_hold_up_the_end() {
    let mut server = echo_server("[server]\ngrace_seconds = 1\n").await;
    let job = echo(&server, json!({"sleep_ms": 500})).await;
    until_running(&server, std::slice::from_ref(&job)).await;
    let runners = server.runner_pids();
    for runner in &runners {
        process::signal(*runner, Signal::SIGSTOP);
    }
    let began = Instant::now();
    let exit = server.stop();
    let took = began.elapsed();
    assert_eq!(exit.code(), Some(0), "{exit}");
    until_gone(&runners).await;
    server.restart().await;
    all_in_one_run(&[server.wait(&job).await]);
    println!("SIGTERM with a runner that stands still: exit code 0 after {took:?}; its job handed back");
    assert!(took < Duration::from_secs(6));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_the_patience() {
    let mut server = echo_server("").await;
    let long = echo(&server, json!({"sleep_ms": 3000})).await;
    until_running(&server, std::slice::from_ref(&long)).await;
    server.sigterm();
    // The first is taken once the server says so.
    while !server.log().contains("stopping") {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let began = Instant::now();
    // A signal that comes before the second listener is there only repeats the first.
    let pid = server.pid();
    let impatient = tokio::spawn(async move {
        for _ in 0..50 {
            process::signal(pid, Signal::SIGTERM);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let exit = tokio::task::block_in_place(|| server.wait_exit(Duration::from_secs(10)));
    impatient.abort();
    let took = began.elapsed();
    assert_eq!(exit.code(), Some(0), "{exit}");
    server.restart().await;
    all_in_one_run(&[server.wait(&long).await]);
    println!("two SIGTERM: exit code 0 after {took:?}; the job of 3 s was handed back");
    assert!(took < Duration::from_millis(2500), "it waited for the job");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_at_full_load_loses_nothing() {
    let mut server = echo_server("[server]\ngrace_seconds = 5\n").await;
    let api = server.api().clone();
    let first = echoes(&server, 100, json!({"sleep_ms": 300})).await;
    // Some are still on their way when the signal comes: unanswered ones are nobody's.
    let late = tokio::spawn(async move {
        let body = json!({"model": "echo", "input": {"sleep_ms": 100}});
        let sent = (0..100).map(|_| api.try_call(reqwest::Method::POST, "/v1/jobs", Some(&body)));
        let answers = futures::future::join_all(sent).await;
        let accepted = answers
            .into_iter()
            .filter_map(|answer| Some(answer.ok()?.1["id"].as_str()?.to_owned()));
        accepted.collect::<Vec<_>>()
    });
    until_running(&server, &first[..32]).await;
    let began = Instant::now();
    let exit = tokio::task::block_in_place(|| server.stop());
    let took = began.elapsed();
    assert_eq!(exit.code(), Some(0), "{exit}");
    let mut all = first;
    all.extend(late.await.expect("the submits end"));
    server.restart().await;
    let jobs = ends(&server, &all).await;
    println!(
        "SIGTERM at full load: exit code 0 after {took:?}; lost {} of {} acknowledged jobs",
        all.len() - count(&jobs, "succeeded"),
        all.len()
    );
    all_in_one_run(&jobs);
    assert!(took < Duration::from_secs(10));
}

#[tokio::test]
async fn an_idle_server_ends_at_once() {
    let mut server = echo_server("").await;
    let began = Instant::now();
    let exit = server.stop();
    let took = began.elapsed();
    println!("SIGTERM when idle: exit code {:?} after {took:?}", exit.code());
    assert_eq!(exit.code(), Some(0));
    assert!(took < Duration::from_secs(3));
}

#[tokio::test]
async fn clients_that_wait_do_not_hold_up_the_end() {
    let catalogue = "[[model]]\nid = \"absent\"\ntask = \"text-embedding\"\nfamily = \"bert\"\n";
    let (mut server, _dir) = server_with(catalogue, &["absent"]).await;
    let body = json!({"model": "absent", "input": {"text": "hello"}});
    let job = server.post_job(&body).await;
    let mut streams = Vec::new();
    for _ in 0..20 {
        let mut events = server
            .events(job["id"].as_str().expect("a job has an id"), None)
            .await
            .expect("it opens");
        events.next().await.expect("a first event").expect("a whole one");
        streams.push(events);
    }
    let waiting = server
        .request(reqwest::Method::POST, "/v1/jobs")
        .header("Prefer", "wait=60")
        .json(&body);
    let waiting = tokio::spawn(waiting.send());
    until("two jobs are there", || async {
        let (_, jobs) = server.get("/v1/jobs").await;
        (jobs["data"].as_array().map(Vec::len) == Some(2)).then_some(())
    })
    .await;
    let began = Instant::now();
    let exit = tokio::task::spawn_blocking(move || server.stop())
        .await
        .expect("it ends");
    let took = began.elapsed();
    let answered = waiting
        .await
        .expect("the request ends")
        .map(|answer| answer.status().as_u16());
    println!(
        "SIGTERM with 20 open streams and a waiting client: exit code 0 after {took:?}; the client got {answered:?}"
    );
    assert_eq!(exit.code(), Some(0), "{exit}");
    assert!(took < Duration::from_secs(6));
    assert_eq!(answered.ok(), Some(202), "it is told where its job is");
}
