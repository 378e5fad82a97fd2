//! How long a job takes when nothing else happens: `Prefer: wait` for echo over a kept connection, against
//! what a durable commit costs at the same moment on the same file system.

use std::{fs::File, io, path::Path};

use lamplighter_testkit::server::Options;

use crate::{
    client::Client,
    commits::{Commits, synced_append},
    load,
    report::Report,
    stats::{median, ms, percentile},
};

const ECHO: &str = r#"{"model":"echo","input":{"text":"hello"}}"#;

/// Commits a job can't do without: submitted, claimed, finished.
const COMMITS: f64 = 3.0;
/// What everything else may add to them, milliseconds.
const REST_MS: f64 = 3.0;

/// Measures idle latency with `count` jobs, then submitting and echo with many clients.
///
/// # Errors
/// Where the server does not start or a job does not end well.
pub async fn measure(program: &Path, count: usize, report: &mut Report) -> io::Result<()> {
    let server = Options::new(program).start().await;
    let mut client = Client::connect(&server.address(), server.token()).await?;
    let mut commits = Commits::open(server.data_dir()).await?;
    let mut file = File::create(server.data_dir().join("appends"))?;
    for _ in 0..30 {
        commits.one().await?;
        client.submit(ECHO, "wait=10").await?;
    }
    let (mut commit, mut append, mut wait) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..count {
        commit.push(ms(commits.one().await?));
        append.push(ms(synced_append(&mut file)?));
        let asked = std::time::Instant::now();
        let answer = client.submit(ECHO, "wait=10").await?;
        wait.push(ms(asked.elapsed()));
        if answer.status != 201 && answer.status != 200 {
            return Err(io::Error::other(format!(
                "a job has not ended: {:?}",
                answer.json()
            )));
        }
    }
    let (commit50, wait50) = (median(&commit), median(&wait));
    let bound = COMMITS * commit50 + REST_MS;
    report.note(
        "Durable commit (SQLite, WAL, synchronous FULL, one small row), p50 / p99",
        format!("{commit50:.2} / {:.2} ms", percentile(&commit, 0.99)),
    );
    report.note(
        "4 KiB append + fdatasync, p50",
        format!("{:.2} ms", median(&append)),
    );
    report.judge(
        &format!(
            "Idle `Prefer: wait` for echo, p50 of {count} (p99 {:.2} ms)",
            percentile(&wait, 0.99)
        ),
        format!("{wait50:.2} ms"),
        format!("≤ 3 × {commit50:.2} + 3 = {bound:.2} ms"),
        wait50 <= bound,
    );
    drop(client);

    let jobs = vec![ECHO.to_owned(); count * 10];
    let one = load::submit(&server, 1, &jobs[..count], "respond-async").await?;
    let each: Vec<f64> = one.each.iter().copied().map(ms).collect();
    report.note(
        "Submit with `respond-async`, 1 client, p50 / p99",
        format!("{:.2} / {:.2} ms", median(&each), percentile(&each, 0.99)),
    );
    let many = load::submit(&server, 64, &jobs, "respond-async").await?;
    let each: Vec<f64> = many.each.iter().copied().map(ms).collect();
    report.note(
        &format!(
            "Submit with `respond-async`, 64 clients, {} jobs: p50 / p99",
            jobs.len()
        ),
        format!(
            "{:.1} / {:.1} ms, {:.0} jobs/s accepted",
            median(&each),
            percentile(&each, 0.99),
            jobs.len() as f64 / many.took.as_secs_f64()
        ),
    );
    // What is still queued would slow the next figure: this job stands behind all of it.
    let mut client = Client::connect(&server.address(), server.token()).await?;
    client.submit(ECHO, "wait=60").await?;
    let echo = load::submit(&server, 64, &jobs, "wait=60").await?;
    report.note(
        &format!("Echo through the platform, 64 clients, {} jobs", jobs.len()),
        format!("{:.0} jobs/s", jobs.len() as f64 / echo.took.as_secs_f64()),
    );
    Ok(())
}
