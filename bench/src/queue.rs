//! What the queue's statements cost as it grows: claiming a batch and writing its ends, with few and with
//! many jobs waiting, on SQLite.

use std::{
    io,
    path::Path,
    time::{Duration, Instant},
};

use futures::future::try_join_all;
use lamplighter_shared::{
    db::{
        Db,
        claim::{Claimed, Claimer, claim},
        finish::{Finish, Outcome, finish},
        shares::ShareLimits,
        submit::{NewJob, Submitter},
        users::{self, Role, User},
    },
    id::JobId,
    job::{Metrics, Priority},
    lifecycle::Lifecycle,
};
use uuid::Uuid;

use crate::{
    report::Report,
    stats::{median, ms, percentile},
};

/// Jobs in one claim.
const BATCH: usize = 64;
/// Users whose jobs wait.
const USERS: usize = 20;
const MODEL: &str = "minilm";

/// Measures `rounds` claims and finishes with each of these numbers of jobs waiting.
///
/// # Errors
/// Where the database fails.
pub async fn measure(waiting: &[usize], rounds: usize, report: &mut Report) -> io::Result<()> {
    let mut first = None;
    for &count in waiting {
        let folder = tempfile::tempdir()?;
        let (claims, finishes) = rounds_of(folder.path(), count, rounds)
            .await
            .map_err(io::Error::other)?;
        let both = median(&claims) + median(&finishes);
        let times = both / *first.get_or_insert(both);
        report.note(
            &format!("Claim + finish of {BATCH} jobs, {count} waiting (SQLite), p50"),
            format!(
                "{:.1} + {:.1} ms ({times:.2} × the first; p99 {:.1} + {:.1})",
                median(&claims),
                median(&finishes),
                percentile(&claims, 0.99),
                percentile(&finishes, 0.99)
            ),
        );
    }
    Ok(())
}

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Milliseconds of each claim and each finish.
async fn rounds_of(folder: &Path, waiting: usize, rounds: usize) -> Result<(Vec<f64>, Vec<f64>), Failed> {
    let url = format!("sqlite://{}", folder.join("queue.db").display());
    let db = Db::connect(&url).await?;
    db.migrate().await?;
    let owners = try_join_all((0..USERS).map(|n| {
        let db = db.clone();
        async move { users::create(&db, &format!("user{n}@example.com"), Role::User).await }
    }))
    .await?;
    let lifecycle = Lifecycle::default();
    let submitter = Submitter::start(db.clone(), &lifecycle, Duration::from_secs(3600));
    let boot = Uuid::now_v7();
    let claimer = Claimer {
        boot,
        worker: "bench".to_owned(),
        lease: Duration::from_secs(600),
    };
    for from in (0..waiting).step_by(500) {
        fill(&submitter, &owners, 500.min(waiting - from)).await?;
    }
    let (mut claims, mut finishes) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let started = Instant::now();
        let claimed = claim(&db, MODEL, BATCH, &claimer).await?;
        claims.push(ms(started.elapsed()));
        let ends: Vec<Finish> = claimed.iter().map(end).collect();
        let started = Instant::now();
        let finished = finish(&db, boot, 3, &ends).await?;
        finishes.push(ms(started.elapsed()));
        if finished.len() != BATCH {
            return Err(format!("{} of {BATCH} jobs were finished", finished.len()).into());
        }
        // As many wait again.
        fill(&submitter, &owners, BATCH).await?;
    }
    drop(submitter);
    lifecycle.stop(Duration::from_secs(1)).await;
    Ok((claims, finishes))
}

async fn fill(submitter: &Submitter, owners: &[User], count: usize) -> Result<(), Failed> {
    let jobs = owners
        .iter()
        .cycle()
        .take(count)
        .map(|owner| submitter.submit(job(owner)));
    try_join_all(jobs).await?;
    Ok(())
}

fn job(owner: &User) -> NewJob {
    NewJob {
        id: JobId::generate(),
        owner: owner.id,
        owner_is_guest: false,
        model: MODEL.to_owned(),
        task: "text-embedding".to_owned(),
        priority: Priority::Normal,
        cost: 1,
        share_key: owner.id.to_string(),
        plan_weight: 1,
        running_cap: None,
        limits: ShareLimits::default(),
        token: None,
        input: r#"{"text":"a sentence of a dozen words or so, as most of them are"}"#.to_owned(),
        metadata: None,
        start_timeout: Duration::from_secs(3600),
        run_timeout: Duration::from_secs(60),
        retry_of: None,
        idempotency: None,
        trace: None,
    }
}

/// A success with an output as long as that of a sentence.
fn end(claimed: &Claimed) -> Finish {
    Finish {
        job: claimed.job.id,
        epoch: claimed.job.epoch,
        outcome: Outcome::Succeeded(format!("{{\"embeddings\":[[{}0]]}}", "0.012345678,".repeat(383))),
        metrics: Metrics::default(),
        last_seq: 0,
    }
}
