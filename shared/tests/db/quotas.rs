//! Quotas of shares are exact: whoever submits, in whatever groups and from however many processes; their windows
//! are those of the database's clock, and what never ran is given back.

use std::time::Duration;

use lamplighter_shared::{
    clock::{Clock, ManualClock},
    db::{
        Db,
        finish::Outcome,
        jobs,
        shares::{self, Quota, ShareLimits},
        submit::{NewJob, Submitted, Submitter},
        usage::{self, Counts, Grain, Group, Query},
    },
    error::ErrorCode,
    id::{TokenId, UserId},
    job::{JobError, Metrics},
    lifecycle::Lifecycle,
};
use tokio::task::JoinSet;

use crate::world::{KEY_TTL, MODEL, START, World, end, for_each_database, job, keyed, worker};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

fn limited(owner: UserId, limits: ShareLimits) -> NewJob {
    NewJob { limits, ..job(owner) }
}

fn hourly(jobs_per_hour: u32) -> ShareLimits {
    ShareLimits {
        jobs_per_hour,
        ..ShareLimits::default()
    }
}

/// Whether a job was stored; if not, what was used up.
async fn stored(submitter: &Submitter, new: NewJob) -> Result<(), Quota> {
    match submitter.submit(new).await {
        Ok(Submitted::Created(_)) => Ok(()),
        Ok(Submitted::Refused(refusal)) => Err(refusal.quota),
        other => panic!("{other:?}"),
    }
}

/// 200 submits at once at two submitters with connections of their own, as two API processes have them.
async fn burst(w: &World, limits: ShareLimits, model_of: fn(usize) -> String) -> usize {
    let owner = w.user().await;
    let other = Db::connect(&w.url).await.expect("connect");
    let other = other.with_clock(Clock::Manual(ManualClock::at(START)));
    let other = Submitter::start(other, &Lifecycle::default(), KEY_TTL);
    let mut all = JoinSet::new();
    for i in 0..200 {
        let submitter = if i % 2 == 0 { &w.submitter } else { &other }.clone();
        let new = NewJob {
            model: model_of(i),
            ..limited(owner, limits)
        };
        all.spawn(async move { stored(&submitter, new).await });
    }
    let created = all.join_all().await.into_iter().filter(Result::is_ok).count();
    let rows = w
        .number(&format!("SELECT count(*) FROM jobs WHERE share_key = '{owner}'"))
        .await;
    assert_eq!(rows, created as i64, "{}: rows, and what was told", w.name);
    created
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_submits_at_a_limit_of_fifty_store_fifty() {
    for_each_database(async |w| {
        let of_day = ShareLimits {
            jobs_per_day: 50,
            ..ShareLimits::default()
        };
        let of_waiting = ShareLimits {
            waiting: 50,
            ..ShareLimits::default()
        };
        let models = |i: usize| format!("m{}", i % 3);
        let of_hour = burst(w, hourly(50), |_| MODEL.to_owned()).await;
        let of_day = burst(w, of_day, models).await;
        let of_waiting = burst(w, of_waiting, models).await;
        println!(
            "{}: 200 parallel submits of two processes at a limit of 50: hourly {of_hour}, daily {of_day}, \
             waiting over three models {of_waiting}",
            w.name
        );
        assert_eq!((of_hour, of_day, of_waiting), (50, 50, 50), "{}", w.name);
    })
    .await;
}

#[tokio::test]
async fn windows_are_those_of_the_databases_clock() {
    for_each_database(async |w| {
        let owner = w.user().await;
        let limits = ShareLimits {
            jobs_per_hour: 2,
            jobs_per_day: 3,
            waiting: 0,
        };
        let submit = async || stored(&w.submitter, limited(owner, limits)).await;
        w.clock.advance(DAY - START % DAY);
        assert_eq!((submit().await, submit().await), (Ok(()), Ok(())));
        assert_eq!(submit().await, Err(Quota::Hourly), "{}", w.name);
        let Ok(Submitted::Refused(refusal)) = w.submitter.submit(limited(owner, limits)).await else {
            panic!("refused");
        };
        assert_eq!(refusal.retry_after, Duration::from_secs(3600));
        assert_eq!((refusal.limit, refusal.used), (2, 2));
        w.clock.advance(HOUR);
        assert_eq!(submit().await, Ok(()));
        assert_eq!(submit().await, Err(Quota::Daily));
        // Set back across the hour: what was counted stays counted.
        w.clock.advance(-1);
        assert_eq!(submit().await, Err(Quota::Daily));
        w.clock.advance(1 + 23 * HOUR);
        assert_eq!((submit().await, submit().await), (Ok(()), Ok(())));
        assert_eq!(submit().await, Err(Quota::Hourly));
        let glance = shares::glance(&w.db, &owner.to_string()).await.expect("a glance");
        assert_eq!((glance.standing.hour_used, glance.standing.day_used), (2, 2));
        assert_eq!((glance.waiting, glance.running), (5, 0));
        w.clock.advance(HOUR);
        let glance = shares::glance(&w.db, &owner.to_string()).await.expect("a glance");
        assert_eq!((glance.standing.hour_used, glance.standing.day_used), (0, 2));
    })
    .await;
}

#[tokio::test]
async fn a_refused_job_takes_no_key_and_fails_no_neighbour() {
    for_each_database(async |w| {
        let (greedy, other) = (w.user().await, w.user().await);
        let mut group = JoinSet::new();
        for i in 0..20 {
            let new = match i % 2 {
                0 => limited(greedy, hourly(3)),
                _ => job(other),
            };
            let submitter = w.submitter.clone();
            group.spawn(async move { (i % 2, stored(&submitter, new).await) });
        }
        let results = group.join_all().await;
        let count = |who, ok| {
            results
                .iter()
                .filter(|(w, r)| *w == who && r.is_ok() == ok)
                .count()
        };
        assert_eq!(
            (count(0, true), count(0, false), count(1, true)),
            (3, 7, 10),
            "{}",
            w.name
        );
        let with_key = |limit| NewJob {
            limits: hourly(limit),
            ..keyed(greedy, "k", 1)
        };
        assert_eq!(stored(&w.submitter, with_key(3)).await, Err(Quota::Hourly));
        assert_eq!(w.number("SELECT count(*) FROM idempotency_keys").await, 0);
        assert_eq!(stored(&w.submitter, with_key(4)).await, Ok(()));
        let again = w.submitter.submit(with_key(4)).await;
        assert!(matches!(again, Ok(Submitted::Replayed(_))), "{again:?}");
        let glance = shares::glance(&w.db, &greedy.to_string())
            .await
            .expect("a glance");
        assert_eq!(glance.standing.hour_used, 4);
    })
    .await;
}

#[tokio::test]
async fn what_never_ran_or_failed_for_our_reasons_is_given_back() {
    for_each_database(async |w| {
        let owner = w.user().await;
        let used = async || {
            let glance = shares::glance(&w.db, &owner.to_string()).await.expect("a glance");
            glance.standing.hour_used
        };
        let a = w.submit(job(owner)).await;
        w.submit(job(owner)).await;
        w.submit(job(owner)).await;
        jobs::cancel(&w.db, owner, a.id).await.expect("canceled");
        assert_eq!(used().await, 2, "{}: one was canceled", w.name);
        let me = worker("w");
        let runs = w.claim(&me, 2).await;
        let failed = |kind| Outcome::Failed(JobError::new(kind, "no"));
        let ends = [
            end(&runs[0], failed(ErrorCode::ModelUnavailable)),
            end(&runs[1], failed(ErrorCode::InvalidInput)),
        ];
        w.finish(&me, &ends).await;
        assert_eq!(used().await, 1, "{}: one failed for our reasons", w.name);
        // In the next hour there is nothing to give back.
        let b = w.submit(job(owner)).await;
        w.clock.advance(HOUR);
        w.submit(job(owner)).await;
        jobs::cancel(&w.db, owner, b.id).await.expect("canceled");
        assert_eq!(used().await, 1, "{}", w.name);
    })
    .await;
}

#[tokio::test]
async fn usage_is_summed_by_hour_and_old_hours_become_days() {
    for_each_database(async |w| {
        let (owner, token) = (w.user().await, TokenId::generate());
        w.clock.advance(DAY - START % DAY);
        let me = worker("w");
        for i in 0..6 {
            w.submit(NewJob {
                token: (i % 2 == 0).then_some(token),
                cost: 5,
                ..job(owner)
            })
            .await;
            let runs = w.claim(&me, 1).await;
            let mut end = end(
                &runs[0],
                Outcome::Succeeded(r#"{"usage":{"tokens":7}}"#.to_owned()),
            );
            end.metrics = Metrics {
                compute_ms: Some(1.0),
                batch_size: Some(4),
                ..Metrics::default()
            };
            w.finish(&me, &[end]).await;
            w.clock.advance(HOUR);
        }
        let all = Query {
            from: 0,
            to: i64::MAX,
            grain: Grain::Hour,
            model: None,
            token: None,
            group: Group::Nothing,
        };
        let series = async |query: &Query| usage::series(&w.db, owner, query).await.expect("a series");
        let each = Counts {
            requests: 1,
            succeeded: 1,
            failed: 0,
            units: 5,
            tokens: 7,
            compute_us: 250,
        };
        let hours = series(&all).await;
        assert_eq!(hours.len(), 6, "{}", w.name);
        assert!(hours.iter().all(|point| point.counts == each), "{hours:?}");
        let days = Query {
            grain: Grain::Day,
            group: Group::Token,
            ..all.clone()
        };
        let before = series(&days).await;
        let of = |id| {
            before
                .iter()
                .find(|point| point.token == id)
                .map(|point| point.counts.units)
        };
        assert_eq!((of(None), of(Some(token))), (Some(15), Some(15)));
        assert_eq!(usage::roll(&w.db).await.expect("rolled"), 0);
        w.clock.advance(40 * DAY);
        assert_eq!(usage::roll(&w.db).await.expect("rolled"), 6);
        assert_eq!(series(&days).await, before, "{}: days stay what they are", w.name);
        assert_eq!(series(&all).await, []);
        let of_token = usage::of_token(&w.db, owner, token).await.expect("usage");
        assert_eq!(of_token.len(), 1);
        assert_eq!(of_token[0].counts.tokens, 21);
        w.clock.advance(400 * DAY);
        assert_eq!(usage::forget(&w.db).await.expect("forgotten"), 2);
        assert_eq!(shares::forget(&w.db).await.expect("forgotten"), 1);
    })
    .await;
}
