//! A server that stood still for longer than its leases, as on a laptop that slept, still has its jobs.

use std::time::Duration;

use lamplighter_testkit::process::{self, Signal};
use serde_json::json;

use crate::support::{count, echo_server, echoes, ends, until_running};

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
