//! What a submit costs its client: `POST /v1/jobs` with `Prefer: respond-async` to two APIs, from one client
//! and from many, with group commit and without. No worker runs, so nothing else uses the machine.

use std::{io, path::Path};

use super::{ECHO, builder, start, target};
use crate::{
    commits::PostgresCommits,
    load,
    report::Report,
    stats::{median, ms, percentile},
};

/// Clients at once.
const CLIENTS: [usize; 4] = [1, 8, 32, 128];
/// Jobs before the first that counts, and commits of the yardstick.
const WARM: usize = 200;

/// Measures with `count` jobs each; a client alone submits a fifth of that.
///
/// # Errors
/// Where a job is not accepted.
pub async fn measure(program: &Path, count: usize, report: &mut Report) -> io::Result<()> {
    let mut rates = Vec::new();
    for (group_commit, word) in [("true", "on"), ("false", "off")] {
        let fleet = builder(program)
            .workers(0)
            .env("LAMPLIGHTER_DATABASE__GROUP_COMMIT", group_commit);
        let fleet = start(fleet).await;
        let jobs = vec![ECHO.to_owned(); count.max(WARM)];
        load::submit(target(&fleet), 8, &jobs[..WARM], "respond-async").await?;
        let mut commits = PostgresCommits::open(&fleet.postgres().url("postgres")).await?;
        let mut commit = Vec::new();
        for _ in 0..WARM {
            commit.push(ms(commits.one().await?));
        }
        for clients in CLIENTS {
            let count = if clients == 1 { count.div_ceil(5) } else { count };
            let load = load::submit(target(&fleet), clients, &jobs[..count], "respond-async").await?;
            let each: Vec<f64> = load.each.iter().copied().map(ms).collect();
            let rate = count as f64 / load.took.as_secs_f64();
            rates.push(rate);
            report.note(
                &format!("`respond-async`, 2 APIs, {clients} clients, group commit {word}: p50 / p99"),
                format!(
                    "{:.2} / {:.2} ms, {rate:.0} jobs/s accepted",
                    median(&each),
                    percentile(&each, 0.99)
                ),
            );
        }
        report.note(
            &format!("Durable commit of that Postgres (group commit {word}), p50 / p99"),
            format!("{:.2} / {:.2} ms", median(&commit), percentile(&commit, 0.99)),
        );
    }
    let (on, off) = rates.split_at(CLIENTS.len());
    let gains: Vec<String> = CLIENTS
        .iter()
        .zip(on.iter().zip(off))
        .map(|(clients, (on, off))| format!("{:.2} ({clients})", on / off))
        .collect();
    report.note(
        "Jobs/s accepted, group commit on ÷ off (clients)",
        gains.join(", "),
    );
    Ok(())
}
