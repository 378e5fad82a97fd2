//! What the server costs when nobody uses it: time to be ready, memory after work, processor time.

use std::{io, path::Path, time::Duration};

use lamplighter_testkit::{process::rss_kb, server::Options};
use serde_json::json;

use crate::{
    load,
    process::cpu_seconds,
    report::Report,
    sentences::sentences,
    stats::{median, ms},
};

/// The most the server may hold, MiB, without its runners.
const MOST_MIB: f64 = 60.0;
/// The longest from start to ready, milliseconds.
const READY_MS: f64 = 1000.0;
/// Starts that are timed.
const STARTS: usize = 5;

/// Measures, after `jobs` jobs of each model.
///
/// # Errors
/// Where the server does not start or a job does not end well.
pub async fn measure(program: &Path, jobs: usize, report: &mut Report) -> io::Result<()> {
    let mut server = Options::new(program).models(&["minilm", "echo"]).start().await;
    let mut ready = vec![ms(server.ready_in())];
    for _ in 1..STARTS {
        server.restart().await;
        ready.push(ms(server.ready_in()));
    }
    let worst = ready.iter().copied().fold(0.0, f64::max);
    report.judge(
        &format!(
            "Start to the first 200 of `/readyz`, worst of {STARTS} (median {:.0} ms)",
            median(&ready)
        ),
        format!("{worst:.0} ms"),
        format!("≤ {READY_MS} ms"),
        worst <= READY_MS,
    );
    let fresh = server.rss_kb() as f64 / 1024.0;
    for model in ["minilm", "echo"] {
        let texts: Vec<String> = sentences(jobs)
            .iter()
            .map(|text| json!({"model": model, "input": {"text": text}}).to_string())
            .collect();
        load::submit(&server, 64, &texts, "wait=60").await?;
    }
    let busy = server.rss_kb() as f64 / 1024.0;
    let watched = Duration::from_secs(10);
    let runners = server.runner_pids();
    let used = || cpu_seconds(server.pid());
    let used_by_runners = || runners.iter().map(|pid| cpu_seconds(*pid)).sum::<f64>();
    let before = (used(), used_by_runners());
    tokio::time::sleep(watched).await;
    let (server_cpu, runner_cpu) = (used() - before.0, used_by_runners() - before.1);
    let rest = server.rss_kb() as f64 / 1024.0;
    report.judge(
        &format!("Server's resident memory, idle after {jobs} minilm and {jobs} echo jobs (at start {fresh:.0}, at work {busy:.0} MiB)"),
        format!("{rest:.1} MiB"),
        format!("≤ {MOST_MIB} MiB"),
        rest <= MOST_MIB,
    );
    let runner_mib: Vec<String> = runners
        .iter()
        .filter_map(|pid| rss_kb(*pid))
        .map(|kb| format!("{:.0}", kb as f64 / 1024.0))
        .collect();
    report.note(
        "Resident memory of its runners",
        format!("{} MiB", runner_mib.join(", ")),
    );
    let percent = |seconds: f64| 100.0 * seconds / watched.as_secs_f64();
    report.note(
        "Processor time when idle, of one core: server / runners",
        format!("{:.1} % / {:.1} %", percent(server_cpu), percent(runner_cpu)),
    );
    Ok(())
}
