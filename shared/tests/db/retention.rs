//! Housekeeping: what ended long ago goes, what is under way never does, and tables stay bounded.

use std::time::Duration;

use lamplighter_shared::{
    config::Retention,
    db::{
        DbError, jobs,
        reap::{ReapRules, tick},
        retention::{Report, expire_results, forget_jobs, forget_lanes, housekeeping},
        submit::NewJob,
    },
    id::JobId,
    job::{JobState, Priority},
};
use tokio::task::JoinSet;

use crate::world::{World, for_each_database, job, jobs as some_jobs, keyed, worker};

const MINUTE: i64 = 60_000;
const DAY: i64 = 86_400_000;
/// Results for a minute, rows for four.
const SHORT: Retention = Retention {
    results_days: 1.0 / 1440.0,
    rows_days: 4.0 / 1440.0,
};

async fn keep(w: &World, retention: &Retention) -> Report {
    housekeeping(&w.db, retention).await.expect("housekeeping")
}

#[tokio::test]
async fn results_go_first_and_rows_later_and_nothing_before_its_time() {
    for_each_database(async |w| {
        let owner = w.user().await;
        let me = worker("a");
        let id = w.submit(job(owner)).await.id;
        let claimed = w.claim(&me, 1).await;
        w.succeed(&me, &claimed).await;
        w.clock.advance(MINUTE);
        assert_eq!(
            keep(w, &SHORT).await,
            Report::default(),
            "{}: to its last moment",
            w.name
        );
        w.clock.advance(1);
        assert_eq!(keep(w, &SHORT).await.results, 1, "{}", w.name);
        let row = jobs::get(&w.db, owner, id)
            .await
            .expect("get")
            .expect("it is there");
        assert!(row.data_removed && row.state == JobState::Succeeded);
        let payload = jobs::payload(&w.db, owner, id)
            .await
            .expect("payload")
            .expect("a job");
        assert_eq!((payload.input, payload.output), (None, None));
        assert_eq!(keep(w, &SHORT).await, Report::default(), "{}: once", w.name);
        w.clock.advance(3 * MINUTE);
        assert_eq!(keep(w, &SHORT).await.jobs, 1, "{}", w.name);
        assert_eq!(jobs::get(&w.db, owner, id).await.expect("get"), None);
    })
    .await;
}

#[tokio::test]
async fn kept_for_ever_is_kept_for_ever() {
    for_each_database(async |w| {
        let me = worker("a");
        let id = w.submit(job(w.user().await)).await.id;
        let claimed = w.claim(&me, 1).await;
        w.succeed(&me, &claimed).await;
        w.clock.advance(10_000 * DAY);
        let for_ever = Retention {
            results_days: 0.0,
            rows_days: 0.0,
        };
        let report = keep(w, &for_ever).await;
        assert_eq!((report.results, report.jobs), (0, 0));
        // Rows may go while results were to be kept: with the row goes all.
        let rows_only = Retention {
            results_days: 0.0,
            rows_days: 1.0,
        };
        assert_eq!(keep(w, &rows_only).await.jobs, 1);
        assert!(w.rows().await.iter().all(|r| r.id != id));
        assert_eq!(w.number("SELECT count(*) FROM job_payloads").await, 0);
    })
    .await;
}

#[tokio::test]
async fn what_waits_or_runs_is_never_touched_however_old() {
    for_each_database(async |w| {
        let owner = w.user().await;
        let me = worker("a");
        let patient = || NewJob {
            start_timeout: Duration::from_secs(1_000_000_000),
            ..job(owner)
        };
        let first = w.submit(patient()).await.id;
        let run = w.claim_one(&me).await;
        let second = w.submit(patient()).await.id;
        w.clock.advance(5000 * DAY);
        let report = keep(w, &SHORT).await;
        assert_eq!(
            (report.results, report.jobs, report.lanes),
            (0, 0, 0),
            "{}",
            w.name
        );
        assert_eq!(w.row(first).await.state, JobState::Processing);
        assert_eq!(w.row(second).await.state, JobState::Queued);
        assert_eq!(w.number("SELECT count(*) FROM job_payloads").await, 2);
        w.succeed(&me, &[run]).await;
        assert_eq!(w.claim(&me, 1).await.len(), 1, "the lane still counts them");
    })
    .await;
}

#[tokio::test]
async fn many_housekeepers_remove_every_row_once() {
    const JOBS: usize = 1800;
    for_each_database(async |w| {
        let me = worker("a");
        let owner = w.user().await;
        w.submit_all(some_jobs(owner, JOBS)).await;
        loop {
            let claimed = w.claim(&me, 200).await;
            if claimed.is_empty() {
                break;
            }
            w.succeed(&me, &claimed).await;
        }
        w.clock.advance(DAY);
        let (mut results, mut forgotten) = (JoinSet::new(), JoinSet::new());
        for _ in 0..6 {
            let db = w.db.clone();
            results.spawn(async move { drained(|| expire_results(&db, Duration::from_secs(1))).await });
        }
        let removed: u64 = results.join_all().await.into_iter().sum();
        for _ in 0..6 {
            let db = w.db.clone();
            forgotten.spawn(async move { drained(|| forget_jobs(&db, Duration::from_secs(1))).await });
        }
        let rows: u64 = forgotten.join_all().await.into_iter().sum();
        println!(
            "{}: 6 housekeepers at once: {removed} results and {rows} rows of {JOBS} removed",
            w.name
        );
        assert_eq!((removed, rows), (JOBS as u64, JOBS as u64));
        assert_eq!(w.number("SELECT count(*) FROM jobs").await, 0);
        assert_eq!(w.number("SELECT count(*) FROM job_payloads").await, 0);
    })
    .await;
}

/// Does it until nothing is left; how many in all.
async fn drained<F>(step: impl Fn() -> F) -> u64
where
    F: Future<Output = Result<u64, DbError>>,
{
    let mut sum = 0;
    loop {
        match step().await.expect("a step") {
            0 => return sum,
            some => sum += some,
        }
    }
}

#[tokio::test]
async fn tables_stay_as_large_as_a_cycle_however_many_there_are() {
    const CYCLES: usize = 12;
    const JOBS: usize = 40;
    for_each_database(async |w| {
        let me = worker("a");
        let mut sizes = Vec::new();
        for cycle in 0..CYCLES {
            // New users each time: each with a lane and an idempotency key of their own.
            for number in 0..JOBS / 4 {
                let owner = w.user().await;
                let mut batch = some_jobs(owner, 3);
                batch.push(keyed(owner, &format!("{cycle}-{number}"), 1));
                w.submit_all(batch).await;
            }
            // One in ten is canceled while it waits.
            for row in w
                .rows()
                .await
                .iter()
                .filter(|r| r.state == JobState::Queued)
                .step_by(10)
            {
                w.execute(&format!(
                    "UPDATE jobs SET start_deadline = 0 WHERE id = {}",
                    literal(w, row.id)
                ))
                .await;
            }
            tick(&w.db, RULES).await.expect("tick");
            loop {
                let claimed = w.claim(&me, 50).await;
                if claimed.is_empty() {
                    break;
                }
                w.succeed(&me, &claimed).await;
            }
            w.clock.advance(61 * MINUTE);
            keep(w, &SHORT).await;
            let mut rows = Vec::new();
            for table in ["jobs", "job_payloads", "lanes", "idempotency_keys"] {
                rows.push(w.number(&format!("SELECT count(*) FROM {table}")).await);
            }
            sizes.push(rows);
        }
        let last = sizes.last().expect("a cycle").clone();
        println!(
            "{}: rows of jobs, payloads, lanes, keys after {CYCLES} cycles of {JOBS} jobs: {last:?}",
            w.name
        );
        // Keys are remembered for an hour: those of the last cycle but one may be there.
        assert!(last[0] == 0 && last[1] == 0, "{}: {sizes:?}", w.name);
        // One lane may be ahead of the queue: the one whose job expired last.
        assert!(last[2] <= JOBS as i64 / 4, "{}: {sizes:?}", w.name);
        assert_eq!(last[3], 0, "{}: {sizes:?}", w.name);
    })
    .await;
}

const RULES: ReapRules = ReapRules {
    confirm: Duration::from_secs(4),
    max_lease_losses: 3,
};

fn literal(w: &World, id: JobId) -> String {
    if w.name == "sqlite" {
        format!("x'{}'", id.0.simple())
    } else {
        format!("'{}'", id.0)
    }
}

/// Whoever comes back after their lane was forgotten starts where they would have started with it.
#[tokio::test]
async fn a_forgotten_lane_changes_no_rank() {
    for_each_database(async |w| {
        let me = worker("a");
        let (gone, busy) = (w.user().await, w.user().await);
        let first = w.submit(job(gone)).await.rank;
        w.submit_all(some_jobs(busy, 20)).await;
        let claimed = w.claim(&me, 15).await;
        let passed = claimed.iter().map(|c| c.job.rank).max().expect("some");
        w.succeed(&me, &claimed).await;
        assert!(passed > first, "the queue went on");
        assert_eq!(
            forget_lanes(&w.db).await.expect("forget"),
            0,
            "{}: not so soon",
            w.name
        );
        w.clock.advance(20 * MINUTE);
        assert_eq!(
            forget_lanes(&w.db).await.expect("forget"),
            1,
            "{}: the idle one",
            w.name
        );
        let head = w
            .number("SELECT min(rank) FROM jobs WHERE state = 'queued'")
            .await;
        let back = w.submit(job(gone)).await;
        let cost = Priority::Normal.rank_per_cost();
        assert_eq!(
            back.rank,
            head + cost,
            "{}: at the head of the queue, as with a lane",
            w.name
        );
    })
    .await;
}

/// A lane that is ahead of the queue's time is what keeps its user from overtaking; it stays for long.
#[tokio::test]
async fn a_lane_ahead_of_the_queue_is_kept_and_goes_at_last() {
    for_each_database(async |w| {
        let owner = w.user().await;
        let ids: Vec<JobId> = w
            .submit_all(some_jobs(owner, 5))
            .await
            .iter()
            .map(|j| j.id)
            .collect();
        for id in ids {
            jobs::cancel(&w.db, owner, id).await.expect("cancel");
        }
        w.clock.advance(DAY);
        assert_eq!(forget_lanes(&w.db).await.expect("forget"), 0, "{}", w.name);
        w.clock.advance(7 * DAY);
        assert_eq!(forget_lanes(&w.db).await.expect("forget"), 1, "{}", w.name);
    })
    .await;
}

/// Lanes come and go while their users submit: no submit fails, and the counts stay true.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn lanes_are_forgotten_while_their_users_submit() {
    const ROUNDS: usize = 60;
    for_each_database(async |w| {
        let me = worker("a");
        let users = [w.user().await, w.user().await, w.user().await];
        let (over, forgetting) = tokio::sync::watch::channel(false);
        let mut forgetters = JoinSet::new();
        for _ in 0..2 {
            let (db, clock, over) = (w.db.clone(), w.clock.clone(), forgetting.clone());
            forgetters.spawn(async move {
                let mut forgotten = 0;
                while !*over.borrow() {
                    clock.advance(11 * MINUTE);
                    forgotten += forget_lanes(&db).await.expect("forget");
                    tokio::task::yield_now().await;
                }
                forgotten
            });
        }
        for _ in 0..ROUNDS {
            let patient = users.map(|owner| NewJob {
                start_timeout: Duration::from_secs(10_000_000),
                ..job(owner)
            });
            w.submit_all(patient.to_vec()).await;
            let claimed = w.claim(&me, 10).await;
            w.succeed(&me, &claimed).await;
        }
        over.send_replace(true);
        let forgotten: u64 = forgetters.join_all().await.into_iter().sum();
        println!(
            "{}: {forgotten} lanes forgotten during {ROUNDS} rounds of submits",
            w.name
        );
        assert!(forgotten > 0, "{}: the race was run", w.name);
        assert_eq!(
            w.number("SELECT count(*) FROM jobs WHERE state <> 'succeeded'")
                .await,
            0
        );
    })
    .await;
}
