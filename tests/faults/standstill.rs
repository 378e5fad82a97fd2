//! A server that stood still for longer than its leases, as on a laptop that slept, still has its jobs;
//! and one with nothing to do does nothing.

use std::{
    collections::HashMap,
    fs,
    time::{Duration, Instant},
};

use lamplighter_testkit::{
    process::{self, Signal},
    server::Server,
};
use serde_json::json;

use crate::support::{count, echo, echo_server, echo_within, echoes, ends, until_running};

#[tokio::test]
async fn a_server_that_slept_loses_no_run() {
    let config =
        "[jobs]\nlease_seconds = 2\nheartbeat_seconds = 0.5\nreap_seconds = 0.2\nreap_confirm_seconds = 2\n";
    let server = echo_server(config).await;
    let short = echoes(&server, 8, json!({"sleep_ms": 1500})).await;
    let long = echoes(&server, 8, json!({"sleep_ms": 6000})).await;
    until_running(&server, &short).await;
    until_running(&server, &long).await;
    process::signal(server.pid(), Signal::SIGSTOP);
    // Twice the lease. This is the fault itself, not a wait for something.
    tokio::time::sleep(Duration::from_secs(4)).await;
    process::signal(server.pid(), Signal::SIGCONT);
    let mut jobs = ends(&server, &short).await;
    jobs.extend(ends(&server, &long).await);
    let again = jobs.iter().filter(|job| job["attempt"] != 1).count();
    println!(
        "server stood still for two leases: {} of 16 succeeded, {again} ran again",
        count(&jobs, "succeeded")
    );
    assert_eq!((count(&jobs, "succeeded"), again), (16, 0), "{jobs:?}");
}

#[tokio::test]
async fn an_idle_server_rests_also_after_faults() {
    let server = echo_server("").await;
    let fresh = cpu_share(&server).await;
    let bad = echoes(&server, 2, json!({"crash": true})).await;
    let late = echo_within(&server, json!({"hang": true}), json!({"run_seconds": 1})).await;
    ends(&server, &bad).await;
    server.wait(&late).await;
    let hanging = echo(&server, json!({"hang": true})).await;
    until_running(&server, std::slice::from_ref(&hanging)).await;
    server
        .post(&format!("/v1/jobs/{hanging}/cancel"), &json!({}))
        .await;
    server.wait(&hanging).await;
    let after = cpu_share(&server).await;
    // What the measurement says of a server that works; else a broken one would call everything idle.
    let api = server.api().clone();
    let work = tokio::spawn(async move {
        loop {
            api.get("/v1/jobs").await;
        }
    });
    let busy = cpu_share(&server).await;
    work.abort();
    println!(
        "idle: {fresh:.2} % of a core when fresh, {after:.2} % after two crashes, a timeout and a cancelled hang; busy: {busy:.2} %"
    );
    assert!(busy > fresh && busy > after, "the measurement does not see work");
    assert!(fresh < 10.0 && after < 10.0, "something spins");
}

/// Percent of a core that the server's threads use over 2 s. Read in nanoseconds: the clock ticks of
/// `/proc/PID/stat` are coarser than an idle server.
async fn cpu_share(server: &Server) -> f64 {
    let (before, began) = (on_cpu(server.pid()), Instant::now());
    tokio::time::sleep(Duration::from_secs(2)).await;
    let after = on_cpu(server.pid());
    // A thread that ended meanwhile is missed; one that spins does not end.
    let used: u64 = after
        .iter()
        .map(|(thread, now)| now.saturating_sub(before.get(thread).copied().unwrap_or(0)))
        .sum();
    used as f64 / began.elapsed().as_nanos() as f64 * 100.0
}

/// Nanoseconds that each thread of a process has computed.
fn on_cpu(pid: u32) -> HashMap<String, u64> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("the server runs");
    let spent = threads.filter_map(|thread| {
        let thread = thread.ok()?;
        let line = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        let name = thread.file_name().to_string_lossy().into_owned();
        Some((name, line.split_whitespace().next()?.parse().ok()?))
    });
    spent.collect()
}
