//! Submitting: what is stored, idempotency keys, and commits that many submits share.

use std::{collections::HashMap, time::Duration};

use lamplighter_shared::{
    clock::Clock,
    db::{
        Db, DbError,
        finish::Outcome,
        jobs::{self, Delete},
        submit::{NewJob, Submitted, Submitter, forget_keys},
    },
    id::{JobId, UserId},
    job::{Job, JobState, Priority},
    lifecycle::Lifecycle,
};
use serde_json::json;
use tokio::task::JoinSet;

use crate::world::{KEY_TTL, START, end, for_each_database, job, keyed, worker};

fn replayed(result: Result<Submitted, DbError>) -> Job {
    match result {
        Ok(Submitted::Replayed(job)) => job,
        other => panic!("expected the first job, not {other:?}"),
    }
}

#[tokio::test]
async fn a_job_is_stored_as_it_was_sent() {
    for_each_database(async |w| {
        let owner = w.user().await;
        let first = w.submit(job(owner)).await;
        let sent = NewJob {
            priority: Priority::High,
            metadata: Some(json!({"note": "naïve \u{0} \"quoted\" 漢字"})),
            input: "{\"text\":\"'; DROP TABLE jobs; -- 漢字\"}".to_owned(),
            retry_of: Some(first.id),
            start_timeout: Duration::from_millis(1500),
            run_timeout: Duration::from_millis(2500),
            ..job(owner)
        };
        let stored = w.submit(sent.clone()).await;
        assert_eq!(
            jobs::get(&w.db, owner, sent.id).await.expect("get"),
            Some(stored.clone())
        );
        assert_eq!(stored.id, sent.id);
        assert_eq!(
            (stored.owner, stored.state, stored.priority),
            (owner, JobState::Queued, Priority::High)
        );
        assert_eq!((stored.model, stored.task), (sent.model, sent.task));
        assert_eq!(
            (stored.metadata, stored.retry_of),
            (sent.metadata, Some(first.id))
        );
        assert_eq!((stored.created_at, stored.start_deadline), (START, START + 1500));
        assert_eq!(stored.run_timeout, Duration::from_millis(2500));
        assert_eq!(
            (
                stored.attempt,
                stored.epoch,
                stored.started_at,
                stored.completed_at
            ),
            (0, 0, None, None)
        );
        let payload = jobs::payload(&w.db, owner, sent.id)
            .await
            .expect("payload")
            .expect("is there");
        assert_eq!((payload.input, payload.output), (Some(sent.input), None));
    })
    .await;
}

#[tokio::test]
async fn the_databases_own_clock_is_the_time() {
    for_each_database(async |w| {
        let db = w.db.clone().with_clock(Clock::Database);
        let before = db.now().await.expect("now");
        let owner = w.user().await;
        let submitter = Submitter::start(db.clone(), &Lifecycle::default(), KEY_TTL);
        let Ok(Submitted::Created(stored)) = submitter.submit(job(owner)).await else {
            panic!("a new job")
        };
        let after = db.now().await.expect("now");
        assert!(
            (before..=after).contains(&stored.created_at),
            "{before} {} {after}",
            stored.created_at
        );
        assert!(
            before > 1_600_000_000_000,
            "milliseconds since 1970, not {before}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_key_replays_its_job_and_refuses_another_body() {
    for_each_database(async |w| {
        let (owner, other) = (w.user().await, w.user().await);
        let first = w.submit(keyed(owner, "k", 1)).await;
        assert_eq!(replayed(w.submitter.submit(keyed(owner, "k", 1)).await), first);
        assert_eq!(
            w.submitter.submit(keyed(owner, "k", 2)).await.ok(),
            Some(Submitted::KeyReused)
        );
        // Keys of other owners, other keys, and other spellings are independent.
        w.submit(keyed(other, "k", 2)).await;
        w.submit(keyed(owner, "K", 1)).await;
        w.submit(keyed(owner, "k ", 1)).await;
        // The replay shows the job as it is now.
        let a = worker("a");
        let claimed = w.claim(&a, 10).await;
        let run = claimed.iter().find(|c| c.job.id == first.id).expect("claimed");
        w.finish(&a, &[end(run, Outcome::Succeeded("{}".to_owned()))])
            .await;
        let again = replayed(w.submitter.submit(keyed(owner, "k", 1)).await);
        assert_eq!((again.id, again.state), (first.id, JobState::Succeeded));
        assert_eq!(w.rows().await.len(), 4);
    })
    .await;
}

#[tokio::test]
async fn a_key_is_free_after_it_ran_out_or_its_job_was_deleted() {
    for_each_database(async |w| {
        let owner = w.user().await;
        let first = w.submit(keyed(owner, "k", 1)).await;
        w.clock.advance(KEY_TTL.as_millis() as i64 - 1);
        assert_eq!(
            replayed(w.submitter.submit(keyed(owner, "k", 1)).await).id,
            first.id
        );
        w.clock.advance(1);
        let second = w.submit(keyed(owner, "k", 2)).await;
        jobs::cancel(&w.db, owner, second.id).await.expect("cancel");
        assert_eq!(
            jobs::delete(&w.db, owner, second.id).await.ok(),
            Some(Delete::Deleted)
        );
        let third = w.submit(keyed(owner, "k", 3)).await;
        assert_eq!(
            replayed(w.submitter.submit(keyed(owner, "k", 3)).await).id,
            third.id
        );
    })
    .await;
}

#[tokio::test]
async fn keys_that_ran_out_are_forgotten() {
    for_each_database(async |w| {
        let owner = w.user().await;
        w.submit(keyed(owner, "old", 1)).await;
        w.clock.advance(1);
        let young = w.submit(keyed(owner, "young", 1)).await;
        assert_eq!(forget_keys(&w.db).await.ok(), Some(0));
        w.clock.advance(KEY_TTL.as_millis() as i64 - 1);
        assert_eq!(forget_keys(&w.db).await.ok(), Some(1));
        assert_eq!(w.number("SELECT count(*) FROM idempotency_keys").await, 1);
        assert_eq!(
            replayed(w.submitter.submit(keyed(owner, "young", 1)).await).id,
            young.id
        );
    })
    .await;
}

/// Two submitters, as two nodes would have, so that groups race for the same keys.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_submits_of_twenty_keys_make_one_job_a_key() {
    for_each_database(async |w| {
        let owner = w.user().await;
        let second = Db::connect(&w.url)
            .await
            .expect("connect")
            .with_clock(Clock::Manual(w.clock.clone()));
        let nodes = [
            w.submitter.clone(),
            Submitter::start(second, &Lifecycle::default(), KEY_TTL),
        ];
        let mut tasks = JoinSet::new();
        for i in 0..200usize {
            // Neighbours differ in key, and each key meets both nodes.
            let (key, node) = (i % 20, nodes[(i / 20) % 2].clone());
            tasks.spawn(async move { (key, node.submit(keyed(owner, &format!("key-{key}"), 7)).await) });
        }
        let mut ids = HashMap::<usize, Vec<JobId>>::new();
        let mut created = 0;
        while let Some(done) = tasks.join_next().await {
            let (key, result) = done.expect("no panic");
            let job = match result.expect("a submit") {
                Submitted::Created(job) => {
                    created += 1;
                    job
                }
                Submitted::Replayed(job) => job,
                other => panic!("{other:?}"),
            };
            ids.entry(key).or_default().push(job.id);
        }
        assert_eq!(created, 20);
        assert!(
            ids.values()
                .all(|ids| ids.len() == 10 && ids.iter().all(|id| *id == ids[0])),
            "{ids:?}"
        );
        assert_eq!(w.rows().await.len(), 20);
        println!("{}: 200 submits of 20 keys by 2 nodes: {created} jobs", w.name);
    })
    .await;
}

#[tokio::test]
async fn two_requests_with_one_key_in_one_group_are_one_job() {
    for_each_database(async |w| {
        let owner = w.user().await;
        let submits = [keyed(owner, "k", 1), keyed(owner, "k", 1), keyed(owner, "k", 2)];
        let [a, b, c] = submits.map(|job| w.submitter.submit(job));
        let (a, b, c) = tokio::join!(a, b, c);
        let Ok(Submitted::Created(first)) = a else {
            panic!("{a:?}")
        };
        assert_eq!(replayed(b), first);
        assert_eq!(c.ok(), Some(Submitted::KeyReused));
    })
    .await;
}

#[tokio::test]
async fn a_bad_member_of_a_group_fails_alone() {
    for_each_database(async |w| {
        let owner = w.user().await;
        let nobody = UserId::generate();
        let mut tasks = JoinSet::new();
        for i in 0..20 {
            let submitter = w.submitter.clone();
            let job = if i == 7 {
                job(nobody)
            } else {
                keyed(owner, &format!("k{i}"), 1)
            };
            tasks.spawn(async move { (i, submitter.submit(job).await) });
        }
        for (i, result) in tasks.join_all().await {
            match result {
                Ok(Submitted::Created(_)) if i != 7 => {}
                // A fault of the request, not of the database: trying again would not help.
                Err(DbError::Statement(_)) if i == 7 => {}
                other => panic!("{}: member {i}: {other:?}", w.name),
            }
        }
        assert_eq!(w.rows().await.len(), 19);
        // Alone in its group, it fails in the same way.
        let alone = w.submitter.submit(job(nobody)).await;
        assert!(
            matches!(alone, Err(DbError::Statement(_))),
            "{}: {alone:?}",
            w.name
        );
        assert_eq!(
            w.number("SELECT count(*) FROM lanes").await,
            1,
            "nothing of a failed submit stays"
        );
    })
    .await;
}

/// A key that another transaction holds for more than a second is told as such; a lane that is held is
/// no matter of keys.
#[tokio::test]
async fn a_key_in_another_transaction_is_in_flight() {
    use sea_orm::{ConnectionTrait, TransactionTrait};
    let w = crate::world::World::fresh("postgres").await;
    let owner = w.user().await;
    let other = crate::world::raw(&w.url).await;
    let txn = other.begin().await.expect("begin");
    let sql = format!(
        "INSERT INTO idempotency_keys (owner_id, key, body_hash, job_id, expires_at)
         VALUES ('{}', 'k', '\\x01', '{}', {})",
        owner.0,
        JobId::generate().0,
        START + 1000
    );
    txn.execute_unprepared(&sql).await.expect("insert");
    assert_eq!(
        w.submitter.submit(keyed(owner, "k", 1)).await.ok(),
        Some(Submitted::InFlight)
    );
    txn.rollback().await.expect("rollback");
    w.submit(keyed(owner, "k", 1)).await;

    let txn = other.begin().await.expect("begin");
    txn.execute_unprepared("UPDATE lanes SET waiting = waiting")
        .await
        .expect("lock");
    let held = w.submitter.submit(job(owner)).await;
    assert!(matches!(held, Err(DbError::Unavailable(_))), "{held:?}");
    txn.rollback().await.expect("rollback");
    w.assert_lanes_true().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_group_commit_each_job_has_a_transaction_of_its_own() {
    const JOBS: usize = 100;
    for_each_database(async |w| {
        let owner = w.user().await;
        let alone = Submitter::start_with(w.db.clone(), &Lifecycle::default(), KEY_TTL, false);
        let mut tasks = JoinSet::new();
        for _ in 0..JOBS {
            let alone = alone.clone();
            tasks.spawn(async move { alone.submit(job(owner)).await });
        }
        for result in tasks.join_all().await {
            assert!(matches!(result, Ok(Submitted::Created(_))), "{result:?}");
        }
        let ranks = w.number("SELECT count(DISTINCT rank) FROM jobs").await;
        assert_eq!(ranks, JOBS as i64, "{}: the lane was counted on by each", w.name);
        if w.name == "postgres" {
            let transactions = w
                .number("SELECT count(DISTINCT xmin::text)::bigint FROM jobs")
                .await;
            assert_eq!(transactions, JOBS as i64, "each had its own");
        }
    })
    .await;
}
