//! A newer program has changed the schema while this one runs: what it has prepared goes on working.

use std::time::Duration;

use lamplighter_shared::db::{
    jobs::{self, Cancel, Filter},
    reap::{ReapRules, tick},
    workers,
};

use crate::world::{World, for_each_database, job, worker};

const RULES: ReapRules = ReapRules {
    confirm: Duration::from_secs(4),
    max_lease_losses: 3,
};

/// Submit, claim, finish, cancel, replay and read, so that every statement has been prepared.
async fn all_statements(w: &World) {
    let (user, me) = (w.user().await, worker("a"));
    let id = w.submit(job(user)).await.id;
    let run = w.claim_one(&me).await;
    assert_eq!(run.job.id, id, "{}", w.name);
    w.succeed(&me, &[run]).await;
    let canceled = w.submit(job(user)).await.id;
    let outcome = jobs::cancel(&w.db, user, canceled).await.expect("cancel");
    assert!(matches!(outcome, Cancel::Canceled(_)), "{}: {outcome:?}", w.name);
    let filter = Filter {
        limit: 10,
        ..Filter::default()
    };
    let listed = jobs::list(&w.db, user, &filter).await.expect("list");
    assert_eq!(listed.len(), 2, "{}", w.name);
    workers::list(&w.db).await.expect("the workers");
    tick(&w.db, RULES).await.expect("a look for lost leases");
}

#[tokio::test]
async fn columns_that_a_newer_program_adds_change_nothing_for_this_one() {
    for_each_database(async |w| {
        // More often than there are connections: each of them has prepared its own.
        for _ in 0..20 {
            all_statements(w).await;
        }
        for table in [
            "jobs",
            "job_payloads",
            "lanes",
            "queues",
            "workers",
            "idempotency_keys",
        ] {
            w.execute(&format!("ALTER TABLE {table} ADD COLUMN of_a_newer_program text"))
                .await;
        }
        for _ in 0..20 {
            all_statements(w).await;
        }
    })
    .await;
}
