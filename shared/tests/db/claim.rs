//! Claiming: which rows, in which order, and what comes along.

use std::time::Duration;

use lamplighter_shared::{
    db::{claim::claim, finish::Outcome, jobs, submit::NewJob},
    job::JobState,
};

use crate::world::{LEASE, MODEL, START, end, for_each_database, job, jobs as some_jobs, worker};

#[tokio::test]
async fn the_best_ranks_come_first_with_their_inputs() {
    for_each_database(async |w| {
        let (a, b) = (w.user().await, w.user().await);
        let mut expected = w.submit_all(some_jobs(a, 5)).await;
        let with_input = NewJob {
            input: "{\"text\":\"漢字 \\u0000\"}".to_owned(),
            ..job(b)
        };
        expected.push(w.submit(with_input.clone()).await);
        expected.sort_by_key(|j| (j.rank, j.id));
        let worker = worker("a");
        w.clock.advance(1234);
        let claimed = w.claim(&worker, 3).await;
        assert_eq!(claimed.len(), 3);
        for (claimed, expected) in claimed.iter().zip(&expected) {
            let job = &claimed.job;
            assert_eq!(job.id, expected.id);
            assert_eq!((job.state, job.attempt, job.epoch), (JobState::Processing, 1, 1));
            assert_eq!(
                (job.worker.as_deref(), job.started_at),
                (Some("a"), Some(START + 1234))
            );
            assert!(!claimed.solo);
            let input = if job.id == with_input.id {
                &with_input.input
            } else {
                r#"{"hello":"world"}"#
            };
            assert_eq!(claimed.input, *input);
            let row = w.row(job.id).await;
            assert_eq!(
                (row.boot, row.lease_until),
                (Some(worker.boot), Some(START + 1234 + LEASE.as_millis() as i64))
            );
        }
        let rest = w.claim(&worker, usize::MAX).await;
        assert_eq!(
            rest.iter().map(|c| c.job.id).collect::<Vec<_>>(),
            expected[3..].iter().map(|j| j.id).collect::<Vec<_>>()
        );
        assert!(w.claim(&worker, 10).await.is_empty());
        assert!(w.claim(&worker, 0).await.is_empty());
        assert!(
            claim(&w.db, "no such model", 10, &worker)
                .await
                .expect("claim")
                .is_empty()
        );
    })
    .await;
}

#[tokio::test]
async fn what_must_not_run_now_is_left() {
    for_each_database(async |w| {
        let owner = w.user().await;
        let late = w
            .submit(NewJob {
                start_timeout: Duration::from_millis(100),
                ..job(owner)
            })
            .await;
        let later = w.submit(job(owner)).await;
        let canceled = w.submit(job(owner)).await;
        let good = w.submit(job(owner)).await;
        w.execute(&format!(
            "UPDATE jobs SET run_at = {} WHERE rank = {}",
            START + 5000,
            later.rank
        ))
        .await;
        jobs::cancel(&w.db, owner, canceled.id).await.expect("cancel");
        w.clock.advance(100);
        let worker = worker("a");
        let ids = async |n| {
            w.claim(&worker, n)
                .await
                .iter()
                .map(|c| c.job.id)
                .collect::<Vec<_>>()
        };
        assert_eq!(ids(10).await, [good.id], "{}", w.name);
        w.clock.advance(4899);
        assert!(ids(10).await.is_empty());
        w.clock.advance(1);
        assert_eq!(ids(10).await, [later.id]);
        assert_eq!(
            w.row(late.id).await.state,
            JobState::Queued,
            "only the reaper expires a job"
        );
    })
    .await;
}

/// A row that waits although its owner asked to cancel it can't come about by our statements; should
/// one exist all the same, it does not run.
#[tokio::test]
async fn a_waiting_row_with_a_cancel_request_is_left() {
    for_each_database(async |w| {
        let owner = w.user().await;
        w.submit(job(owner)).await;
        w.execute("UPDATE jobs SET cancel_requested_at = 1").await;
        assert!(w.claim(&worker("a"), 10).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_claim_that_finds_nothing_writes_nothing() {
    for_each_database(async |w| {
        assert!(w.claim(&worker("a"), 10).await.is_empty());
        assert_eq!(w.number("SELECT count(*) FROM queues").await, 0);
        if w.name == "postgres" {
            // Nor where the row is there: what writes has a number, and the row would bear it.
            let owner = w.user().await;
            w.submit(job(owner)).await;
            w.claim_one(&worker("a")).await;
            let before = w.number("SELECT xmin::text::bigint FROM queues").await;
            assert!(w.claim(&worker("a"), 10).await.is_empty());
            assert_eq!(w.number("SELECT xmin::text::bigint FROM queues").await, before);
        }
    })
    .await;
}

#[tokio::test]
async fn every_claim_is_a_new_epoch_and_attempt() {
    for_each_database(async |w| {
        let owner = w.user().await;
        let id = w.submit(job(owner)).await.id;
        let (a, b) = (worker("a"), worker("b"));
        let run = w.claim_one(&a).await;
        w.finish(&a, &[end(&run, Outcome::HandedBack { solo: true })])
            .await;
        let run = w.claim_one(&b).await;
        assert_eq!(
            (run.job.id, run.job.epoch, run.job.attempt),
            (id, 2, 1),
            "a hand-back does not count"
        );
        assert!(run.solo, "it said that it has to run alone");
        assert_eq!(w.row(id).await.boot, Some(b.boot));
    })
    .await;
}

#[tokio::test]
async fn a_hundred_jobs_are_claimed_in_one_go() {
    for_each_database(async |w| {
        let owner = w.user().await;
        let all = w.submit_all(some_jobs(owner, 300)).await;
        let claimed = claim(&w.db, MODEL, 300, &worker("a")).await.expect("claim");
        assert_eq!(
            claimed.iter().map(|c| c.job.id).collect::<Vec<_>>(),
            all.iter().map(|j| j.id).collect::<Vec<_>>()
        );
    })
    .await;
}

#[tokio::test]
async fn a_clock_that_is_set_back_holds_no_job() {
    for_each_database(async |w| {
        let owner = w.user().await;
        w.clock.advance(3_600_000);
        let id = w.submit(job(owner)).await.id;
        w.clock.advance(-3_600_000);
        assert_eq!(w.claim_one(&worker("a")).await.job.id, id, "{}", w.name);
    })
    .await;
}

#[tokio::test]
async fn a_job_whose_input_is_gone_holds_up_nobody() {
    for_each_database(async |w| {
        let owner = w.user().await;
        let jobs = w.submit_all(some_jobs(owner, 3)).await;
        let lost = jobs[1].id;
        let uuid = lost.0;
        let gone = match w.name {
            "sqlite" => format!(
                "DELETE FROM job_payloads WHERE hex(job_id) = '{:X}'",
                uuid.simple()
            ),
            _ => format!("DELETE FROM job_payloads WHERE job_id = '{uuid}'"),
        };
        w.execute(&gone).await;
        let claimed = w.claim(&worker("a"), 10).await;
        let empty: Vec<_> = claimed
            .iter()
            .filter(|c| c.input.is_empty())
            .map(|c| c.job.id)
            .collect();
        assert_eq!((claimed.len(), empty), (3, vec![lost]), "{}", w.name);
    })
    .await;
}
