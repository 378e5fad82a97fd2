//! Reaping: a lease is suspected first and taken later; what waited too long expires.

use std::time::Duration;

use lamplighter_shared::{
    db::{
        claim::{Claimed, Claimer},
        jobs,
        lease::heartbeat,
        reap::{ReapRules, Reaped, requeue_all, tick},
        submit::NewJob,
    },
    error::ErrorCode,
    job::JobState,
};

use crate::world::{LEASE, MODEL, World, for_each_database, job, jobs as some_jobs, worker};

const RULES: ReapRules = ReapRules {
    confirm: Duration::from_secs(4),
    max_lease_losses: 3,
};
const LEASE_MS: i64 = LEASE.as_millis() as i64;

async fn reap(w: &World) -> Vec<Reaped> {
    tick(&w.db, RULES).await.expect("tick")
}

/// Two ticks that take a lease that has run out.
async fn lose(w: &World) -> Vec<Reaped> {
    w.clock.advance(LEASE_MS + 1);
    assert!(reap(w).await.is_empty(), "the first look only suspects");
    w.clock.advance(4000);
    reap(w).await
}

async fn beat(w: &World, me: &Claimer, run: &Claimed) -> usize {
    heartbeat(&w.db, me.boot, &[(run.job.id, run.job.epoch)], LEASE)
        .await
        .expect("heartbeat")
        .len()
}

#[tokio::test]
async fn a_lease_is_suspected_first_and_taken_on_a_later_tick() {
    for_each_database(async |w| {
        let patient = NewJob {
            start_timeout: Duration::from_secs(86_400),
            ..job(w.user().await)
        };
        let id = w.submit(patient).await.id;
        let me = worker("a");
        let run = w.claim_one(&me).await;
        w.clock.advance(LEASE_MS);
        assert!(reap(w).await.is_empty());
        assert_eq!(w.row(id).await.suspect_at, None, "it holds to its last moment");
        // However long nobody looked: the first look only suspects.
        w.clock.advance(3_600_000 - LEASE_MS - 1);
        assert!(reap(w).await.is_empty());
        assert_eq!(w.row(id).await.suspect_at, Some(w.clock.now()));
        let seen = w.clock.now();
        w.clock.advance(3999);
        assert!(reap(w).await.is_empty(), "not yet");
        assert_eq!(
            w.row(id).await.suspect_at,
            Some(seen),
            "a second look does not begin anew"
        );
        w.clock.advance(1);
        assert_eq!(
            reap(w).await,
            [Reaped {
                job: id,
                model: MODEL.to_owned(),
                state: JobState::Queued
            }]
        );
        let row = w.row(id).await;
        assert_eq!(
            (row.state, row.lease_losses, row.attempt, row.crashes),
            (JobState::Queued, 1, 1, 0)
        );
        assert_eq!(
            (row.boot, row.lease_until, row.suspect_at, row.solo),
            (None, None, None, false)
        );
        w.assert_lanes_true().await;
        assert!(reap(w).await.is_empty(), "once");
        assert_eq!(beat(w, &me, &run).await, 0, "the old run is told");
        assert_eq!(w.claim_one(&worker("b")).await.job.epoch, 2);
    })
    .await;
}

#[tokio::test]
async fn a_heartbeat_in_between_clears_the_suspicion() {
    for_each_database(async |w| {
        let id = w.submit(job(w.user().await)).await.id;
        let me = worker("a");
        let run = w.claim_one(&me).await;
        for _ in 0..3 {
            w.clock.advance(LEASE_MS + 1);
            assert!(reap(w).await.is_empty());
            assert!(w.row(id).await.suspect_at.is_some());
            w.clock.advance(3999);
            assert_eq!(beat(w, &me, &run).await, 1, "late, but before it was taken");
            assert_eq!(w.row(id).await.suspect_at, None);
            w.clock.advance(1);
            assert!(reap(w).await.is_empty());
        }
        w.succeed(&me, &[run]).await;
    })
    .await;
}

#[tokio::test]
async fn losses_have_a_cap_of_their_own() {
    for_each_database(async |w| {
        let owner = w.user().await;
        let id = w
            .submit(NewJob {
                start_timeout: Duration::from_secs(86_400),
                ..job(owner)
            })
            .await
            .id;
        for losses in 1..=RULES.max_lease_losses {
            w.claim_one(&worker("a")).await;
            let last = losses == RULES.max_lease_losses;
            let state = if last { JobState::Failed } else { JobState::Queued };
            assert_eq!(
                lose(w).await,
                [Reaped {
                    job: id,
                    model: MODEL.to_owned(),
                    state
                }]
            );
            let job = jobs::get(&w.db, owner, id).await.expect("get").expect("is there");
            assert_eq!(job.error.map(|e| e.kind), last.then_some(ErrorCode::LeaseLost));
            assert_eq!(job.completed_at, last.then_some(w.clock.now()));
            assert_eq!((w.row(id).await.lease_losses, job.crashes), (losses, 0));
            w.assert_lanes_true().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_lost_run_that_was_asked_to_stop_is_canceled() {
    for_each_database(async |w| {
        let owner = w.user().await;
        let ids: Vec<_> = w
            .submit_all(some_jobs(owner, 2))
            .await
            .iter()
            .map(|j| j.id)
            .collect();
        w.claim(&worker("a"), 2).await;
        jobs::cancel(&w.db, owner, ids[0]).await.expect("cancel");
        let mut reaped = lose(w).await;
        reaped.sort_by_key(|r| r.job);
        assert_eq!(
            reaped.iter().map(|r| r.state).collect::<Vec<_>>(),
            [JobState::Canceled, JobState::Queued]
        );
        let row = w.row(ids[0]).await;
        assert_eq!((row.completed_at, row.error), (Some(w.clock.now()), None));
    })
    .await;
}

#[tokio::test]
async fn what_waits_too_long_expires_and_what_runs_does_not() {
    for_each_database(async |w| {
        let owner = w.user().await;
        let short = || NewJob {
            start_timeout: Duration::from_secs(5),
            ..job(owner)
        };
        let (late, running, patient) = (short(), short(), job(owner));
        let ids = [running.id, late.id, patient.id];
        w.submit_all(vec![running, late, patient]).await;
        assert_eq!(w.claim_one(&worker("a")).await.job.id, ids[0]);
        w.clock.advance(4999);
        assert!(reap(w).await.is_empty());
        w.clock.advance(1);
        assert_eq!(
            reap(w).await,
            [Reaped {
                job: ids[1],
                model: MODEL.to_owned(),
                state: JobState::Expired
            }]
        );
        let row = w.row(ids[1]).await;
        assert_eq!(
            (row.state, row.completed_at, row.attempt),
            (JobState::Expired, Some(w.clock.now()), 0)
        );
        assert_eq!(w.row(ids[0]).await.state, JobState::Processing);
        assert_eq!(w.row(ids[2]).await.state, JobState::Queued);
        w.assert_lanes_true().await;
        // Lost after its deadline: it waits again, and the deadline to start has passed.
        w.clock.advance(LEASE_MS);
        reap(w).await;
        w.clock.advance(4000);
        let states: Vec<_> = reap(w).await.into_iter().map(|r| (r.job, r.state)).collect();
        assert_eq!(
            states.last(),
            Some(&(ids[0], JobState::Expired)),
            "{}: {states:?}",
            w.name
        );
    })
    .await;
}

#[tokio::test]
async fn a_restart_puts_everything_in_hand_back_at_once() {
    for_each_database(async |w| {
        let owner = w.user().await;
        let ids: Vec<_> = w
            .submit_all(some_jobs(owner, 5))
            .await
            .iter()
            .map(|j| j.id)
            .collect();
        let me = worker("a");
        let runs = w.claim(&me, 4).await;
        w.succeed(&me, &runs[..1]).await;
        jobs::cancel(&w.db, owner, ids[1]).await.expect("cancel");
        let mut reaped: Vec<_> = requeue_all(&w.db)
            .await
            .expect("requeue")
            .into_iter()
            .map(|r| (r.job, r.state))
            .collect();
        reaped.sort_by_key(|r| r.0);
        assert_eq!(
            reaped,
            [
                (ids[1], JobState::Canceled),
                (ids[2], JobState::Queued),
                (ids[3], JobState::Queued)
            ]
        );
        let states: Vec<_> = w.rows().await.iter().map(|r| r.state).collect();
        use JobState::{Canceled, Queued, Succeeded};
        assert_eq!(states, [Succeeded, Canceled, Queued, Queued, Queued]);
        let row = w.row(ids[2]).await;
        assert_eq!(
            (row.lease_losses, row.crashes, row.boot),
            (0, 0, None),
            "nobody's fault"
        );
        assert!(requeue_all(&w.db).await.expect("requeue").is_empty());
        assert_eq!(
            w.claim(&me, 10)
                .await
                .iter()
                .map(|c| c.job.epoch)
                .collect::<Vec<_>>(),
            [2, 2, 1]
        );
    })
    .await;
}
