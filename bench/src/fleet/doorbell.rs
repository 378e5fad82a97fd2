//! How long a job lies before somebody has it, when the fleet has nothing else to do: from the first byte of
//! the request to the news that a worker has claimed it, against what a durable commit costs in the same
//! Postgres at the same moment.
//!
//! The news is what the worker publishes right after the claim's commit, heard over a connection of our own;
//! so the figure holds HTTP, the submit's commit, the doorbell, the claim's commit, and that one message more.

use std::{
    io,
    path::Path,
    time::{Duration, Instant},
};

use tokio::time::{sleep, timeout};

use super::{ECHO, builder, start, target, watch::Watch};
use crate::{
    commits::PostgresCommits,
    report::Report,
    stats::{median, ms, percentile},
};

/// Commits a claimed job can't do without: submitted, claimed.
const COMMITS: f64 = 2.0;
/// What everything else may add to them, milliseconds.
const REST_MS: f64 = 2.0;
/// Until both workers have looked at their queue and rest.
const REST: Duration = Duration::from_millis(30);
/// Jobs before the first that counts.
const WARM: usize = 30;

/// Measures with `count` jobs, one after the other.
///
/// # Errors
/// Where a request fails, or a job is not heard of.
pub async fn measure(program: &Path, count: usize, report: &mut Report) -> io::Result<()> {
    let fleet = start(builder(program)).await;
    let redis = fleet.redis.as_ref().expect("this fleet has Redis");
    let mut watch = Watch::open(redis.port()).await?;
    let mut commits = PostgresCommits::open(&fleet.postgres().url("postgres")).await?;
    let mut clients = target(&fleet).clients(fleet.apis.len()).await?;
    let turns = clients.len();
    let (mut commit, mut answered, mut claimed) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..WARM + count {
        // Both after the same rest: a machine that has slept is slow to begin.
        sleep(REST).await;
        let durable = commits.one().await?;
        sleep(REST).await;
        let asked = Instant::now();
        // Both at once: the claim may be known before the answer is read.
        let (answer, news) = tokio::join!(
            async {
                let answer = clients[number % turns].submit(ECHO, "respond-async").await;
                (answer, asked.elapsed())
            },
            timeout(Duration::from_secs(10), watch.next())
        );
        let (job, news) = (answer.0?.json()?, news??);
        if job["id"] != news.job.as_str() {
            return Err(io::Error::other(format!("news of {}, not of {job}", news.job)));
        }
        // The end of the job is told too.
        timeout(Duration::from_secs(10), watch.next()).await??;
        if number >= WARM {
            commit.push(ms(durable));
            answered.push(ms(answer.1));
            claimed.push(ms(news.at - asked));
        }
    }
    let (commit50, claimed50) = (median(&commit), median(&claimed));
    let bound = COMMITS * commit50 + REST_MS;
    report.note(
        "Durable commit (Postgres, fsync on, one small row), p50 / p99",
        format!("{commit50:.2} / {:.2} ms", percentile(&commit, 0.99)),
    );
    report.note(
        "Idle fleet (2 APIs, 2 workers): request → 202, p50 / p99",
        format!("{:.2} / {:.2} ms", median(&answered), percentile(&answered, 0.99)),
    );
    report.judge(
        &format!(
            "Idle fleet: request → claimed and told, p50 of {count} (p10 {:.2}, p90 {:.2}, p99 {:.2} ms)",
            percentile(&claimed, 0.1),
            percentile(&claimed, 0.9),
            percentile(&claimed, 0.99)
        ),
        format!("{claimed50:.2} ms"),
        format!("≤ 2 × {commit50:.2} + 2 = {bound:.2} ms"),
        claimed50 <= bound,
    );
    Ok(())
}
