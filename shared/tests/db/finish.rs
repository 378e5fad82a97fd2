//! Finishing: every outcome, the fence, and batches in which each member ends differently.

use lamplighter_shared::{
    db::{
        claim::Claimed,
        finish::{Finish, Finished, Outcome},
        jobs,
    },
    error::ErrorCode,
    event::EventId,
    id::JobId,
    job::{JobError, JobState, Metrics},
};
use uuid::Uuid;

use crate::world::{MAX_CRASHES, START, end, for_each_database, job, jobs as some_jobs, worker};

fn failure() -> JobError {
    JobError::new(ErrorCode::ModelError, "no \"luck\" today")
}

fn crash() -> JobError {
    JobError::new(ErrorCode::WorkerCrashed, "the runner died")
}

fn done() -> Outcome {
    Outcome::Succeeded(r#"{"answer":42}"#.to_owned())
}

#[tokio::test]
async fn a_batch_ends_in_every_way_at_once() {
    for_each_database(async |w| {
        let owner = w.user().await;
        w.submit_all(some_jobs(owner, 6)).await;
        let me = worker("a");
        let runs = w.claim(&me, 6).await;
        w.clock.advance(500);
        let outcomes = [
            (done(), JobState::Succeeded),
            (Outcome::Failed(failure()), JobState::Failed),
            (Outcome::Canceled, JobState::Canceled),
            (Outcome::Crashed(crash()), JobState::Queued),
            (Outcome::HandedBack { solo: false }, JobState::Queued),
            (Outcome::HandedBack { solo: true }, JobState::Queued),
        ];
        let metrics = Metrics {
            compute_ms: Some(1.5),
            batch_size: Some(6),
            digest: Some("ab".to_owned()),
            ..Metrics::default()
        };
        let ends: Vec<Finish> = runs
            .iter()
            .zip(&outcomes)
            .enumerate()
            .map(|(i, (run, (outcome, _)))| Finish {
                metrics: metrics.clone(),
                last_seq: i as u64 + 7,
                ..end(run, outcome.clone())
            })
            .collect();
        let mut finished = w.finish(&me, &ends).await;
        finished.sort_by_key(|f| f.job);
        let expected: Vec<Finished> = runs
            .iter()
            .zip(&outcomes)
            .map(|(run, (_, state))| Finished {
                job: run.job.id,
                epoch: run.job.epoch,
                state: *state,
            })
            .collect();
        assert_eq!(finished, expected, "{}", w.name);
        for (i, (run, (outcome, state))) in runs.iter().zip(&outcomes).enumerate() {
            let row = w.row(run.job.id).await;
            let back = *state == JobState::Queued;
            let handed_back = matches!(outcome, Outcome::HandedBack { .. });
            assert_eq!(
                (row.state, row.boot, row.lease_until, row.suspect_at),
                (*state, None, None, None)
            );
            assert_eq!(
                (row.attempt, row.epoch),
                (i32::from(!handed_back), 1),
                "{outcome:?}"
            );
            assert_eq!(row.crashes, i32::from(matches!(outcome, Outcome::Crashed(_))));
            assert_eq!(
                row.solo,
                matches!(outcome, Outcome::Crashed(_) | Outcome::HandedBack { solo: true })
            );
            assert_eq!(row.completed_at, (!back).then_some(START + 500), "{outcome:?}");
            let job = jobs::get(&w.db, owner, run.job.id)
                .await
                .expect("get")
                .expect("is there");
            assert_eq!(
                job.error,
                matches!(outcome, Outcome::Failed(_)).then(failure),
                "{outcome:?}"
            );
            // How long it took in all is the database's to say.
            assert_eq!(
                job.metrics,
                Metrics {
                    total_ms: (!back).then_some(500),
                    ..metrics.clone()
                }
            );
            assert_eq!(
                job.last_event,
                EventId {
                    epoch: 1,
                    seq: i as u64 + 7
                }
            );
            let output = jobs::payload(&w.db, owner, run.job.id)
                .await
                .expect("payload")
                .expect("is there")
                .output;
            assert_eq!(
                output,
                matches!(outcome, Outcome::Succeeded(_)).then(|| r#"{"answer":42}"#.to_owned())
            );
        }
    })
    .await;
}

#[tokio::test]
async fn a_stale_end_changes_nothing() {
    for_each_database(async |w| {
        let owner = w.user().await;
        let id = w.submit(job(owner)).await.id;
        let (a, b) = (worker("a"), worker("b"));
        let old = w.claim_one(&a).await;
        w.finish(&a, &[end(&old, Outcome::HandedBack { solo: false })])
            .await;
        let now = w.claim_one(&a).await;
        let before = w.rows().await;
        let stale = |epoch| Finish {
            job: id,
            epoch,
            outcome: done(),
            metrics: Metrics::default(),
            last_seq: 99,
        };
        assert!(w.finish(&a, &[stale(1)]).await.is_empty(), "an old epoch");
        assert!(
            w.finish(&a, &[stale(3)]).await.is_empty(),
            "an epoch that never was"
        );
        assert!(w.finish(&b, &[stale(2)]).await.is_empty(), "another worker");
        let unknown = Finish {
            job: JobId(Uuid::now_v7()),
            ..stale(1)
        };
        assert!(w.finish(&a, &[unknown]).await.is_empty(), "no such job");
        assert!(w.finish(&a, &[]).await.is_empty(), "nothing at all");
        assert_eq!(w.rows().await, before);
        let output = async || {
            jobs::payload(&w.db, owner, id)
                .await
                .expect("payload")
                .expect("is there")
                .output
        };
        assert_eq!(output().await, None, "no output of a stale run");
        w.assert_lanes_true().await;
        // A stale member does not hurt its neighbours, and a second end finds nothing to end.
        let second = w.submit(job(owner)).await;
        let run = w.claim_one(&a).await;
        assert_eq!(
            w.finish(&a, &[stale(1), end(&run, done())]).await,
            [Finished {
                job: second.id,
                epoch: run.job.epoch,
                state: JobState::Succeeded
            }]
        );
        assert_eq!(
            w.finish(&a, &[end(&now, Outcome::Failed(failure()))]).await.len(),
            1
        );
        let before = w.rows().await;
        assert!(
            w.finish(&a, &[end(&now, done()), end(&run, Outcome::Canceled)])
                .await
                .is_empty()
        );
        assert_eq!(w.rows().await, before);
        assert_eq!(output().await, None);
    })
    .await;
}

#[tokio::test]
async fn one_run_in_a_batch_twice_ends_once() {
    for_each_database(async |w| {
        let owner = w.user().await;
        w.submit(job(owner)).await;
        let me = worker("a");
        let run = w.claim_one(&me).await;
        let twice = [end(&run, done()), end(&run, done())];
        assert_eq!(w.finish(&me, &twice).await.len(), 1, "{}", w.name);
        assert_eq!(w.row(run.job.id).await.state, JobState::Succeeded);
    })
    .await;
}

#[tokio::test]
async fn two_runs_of_one_job_in_a_batch_leave_the_result_of_the_later() {
    for_each_database(async |w| {
        let owner = w.user().await;
        let id = w.submit(job(owner)).await.id;
        let me = worker("a");
        let lost = w.claim_one(&me).await;
        w.finish(&me, &[end(&lost, Outcome::HandedBack { solo: false })])
            .await;
        let now = w.claim_one(&me).await;
        let (old, new) = (r#"{"run":1}"#, r#"{"run":2}"#);
        let succeeded = |run: &Claimed, output: &str| end(run, Outcome::Succeeded(output.to_owned()));
        let crashed = [succeeded(&lost, old), end(&now, Outcome::Crashed(crash()))];
        w.finish(&me, &crashed).await;
        let output = async || {
            let payload = jobs::payload(&w.db, owner, id).await.expect("payload");
            payload.expect("is there").output
        };
        assert_eq!(
            output().await,
            None,
            "{}: a waiting job got a stale output",
            w.name
        );
        let last = w.claim_one(&me).await;
        // Whichever stands first.
        let both = [succeeded(&lost, old), succeeded(&last, new), succeeded(&now, old)];
        let finished = w.finish(&me, &both).await;
        assert_eq!(
            finished.iter().map(|f| f.epoch).collect::<Vec<_>>(),
            [last.job.epoch]
        );
        assert_eq!(output().await.as_deref(), Some(new), "{}", w.name);
    })
    .await;
}

#[tokio::test]
async fn the_third_crash_ends_the_job() {
    for_each_database(async |w| {
        let owner = w.user().await;
        w.submit_all(some_jobs(owner, 2)).await;
        let me = worker("a");
        for crashes in 1..=MAX_CRASHES {
            let mut runs: Vec<Claimed> = w.claim(&me, 10).await;
            assert_eq!(runs.len(), if crashes == 1 { 2 } else { 1 });
            assert!(
                runs.iter().all(|r| r.solo == (crashes > 1)),
                "after the first it runs alone"
            );
            if crashes == 1 {
                // The other member of the batch was only near it.
                let other = runs.pop().expect("two");
                w.finish(&me, &[end(&other, done())]).await;
            }
            let last = crashes == MAX_CRASHES;
            let state = if last { JobState::Failed } else { JobState::Queued };
            let finished = w.finish(&me, &[end(&runs[0], Outcome::Crashed(crash()))]).await;
            assert_eq!(
                finished,
                [Finished {
                    job: runs[0].job.id,
                    epoch: runs[0].job.epoch,
                    state
                }]
            );
            let job = jobs::get(&w.db, owner, runs[0].job.id)
                .await
                .expect("get")
                .expect("is there");
            assert_eq!(
                (job.crashes, job.attempt, job.epoch),
                (crashes, crashes, i64::from(crashes))
            );
            assert_eq!(
                (job.error, job.completed_at),
                (last.then(crash), last.then_some(START))
            );
        }
    })
    .await;
}

#[tokio::test]
async fn a_request_to_cancel_wins_over_waiting_again() {
    for_each_database(async |w| {
        let owner = w.user().await;
        w.submit_all(some_jobs(owner, 5)).await;
        let me = worker("a");
        let runs = w.claim(&me, 5).await;
        for run in &runs {
            jobs::cancel(&w.db, owner, run.job.id).await.expect("cancel");
        }
        let outcomes = [
            (Outcome::Crashed(crash()), JobState::Canceled),
            (Outcome::HandedBack { solo: false }, JobState::Canceled),
            (Outcome::Canceled, JobState::Canceled),
            // What came to an end before the worker heard of the request keeps it.
            (done(), JobState::Succeeded),
            (Outcome::Failed(failure()), JobState::Failed),
        ];
        let ends: Vec<Finish> = runs
            .iter()
            .zip(&outcomes)
            .map(|(run, (outcome, _))| end(run, outcome.clone()))
            .collect();
        w.finish(&me, &ends).await;
        for (run, (outcome, state)) in runs.iter().zip(&outcomes) {
            let row = w.row(run.job.id).await;
            assert_eq!(
                (row.state, row.completed_at),
                (*state, Some(START)),
                "{}: {outcome:?}",
                w.name
            );
            assert_eq!(row.error.is_some(), *state == JobState::Failed, "{outcome:?}");
        }
    })
    .await;
}

/// The last crash of a job that was asked to stop is a cancel too, not a failure.
#[tokio::test]
async fn a_last_crash_after_a_request_to_cancel_is_a_cancel() {
    for_each_database(async |w| {
        let owner = w.user().await;
        w.submit(job(owner)).await;
        let me = worker("a");
        for crashes in 1..=MAX_CRASHES {
            let run = w.claim_one(&me).await;
            if crashes == MAX_CRASHES {
                jobs::cancel(&w.db, owner, run.job.id).await.expect("cancel");
            }
            w.finish(&me, &[end(&run, Outcome::Crashed(crash()))]).await;
        }
        let row = &w.rows().await[0];
        assert_eq!(
            (row.state, row.crashes, &row.error),
            (JobState::Canceled, MAX_CRASHES, &None),
            "{}",
            w.name
        );
    })
    .await;
}
