//! Leases: what a heartbeat renews, and what it tells.

use lamplighter_shared::{
    db::{
        finish::Outcome,
        jobs,
        lease::{Held, cancel_requested, heartbeat},
    },
    id::JobId,
};
use uuid::Uuid;

use crate::world::{LEASE, START, end, for_each_database, job, jobs as some_jobs, worker};

#[tokio::test]
async fn a_heartbeat_renews_what_is_held_and_tells_what_to_stop() {
    for_each_database(async |w| {
        let owner = w.user().await;
        w.submit_all(some_jobs(owner, 3)).await;
        let me = worker("a");
        let claimed = w.claim(&me, 3).await;
        let runs: Vec<(JobId, i64)> = claimed.iter().map(|c| (c.job.id, c.job.epoch)).collect();
        jobs::cancel(&w.db, owner, runs[1].0).await.expect("cancel");
        w.clock.advance(9_999);
        let mut held = heartbeat(&w.db, me.boot, &runs, LEASE).await.expect("heartbeat");
        held.sort_by_key(|h| h.job);
        let expected: Vec<Held> = runs
            .iter()
            .enumerate()
            .map(|(i, (job, epoch))| Held {
                job: *job,
                epoch: *epoch,
                cancel_requested: i == 1,
            })
            .collect();
        assert_eq!(held, expected);
        for row in w.rows().await {
            assert_eq!(row.lease_until, Some(START + 9_999 + LEASE.as_millis() as i64));
        }
        assert_eq!(cancel_requested(&w.db, &runs).await.expect("query"), [runs[1].0]);
        assert!(
            heartbeat(&w.db, me.boot, &[], LEASE)
                .await
                .expect("heartbeat")
                .is_empty()
        );
        assert!(cancel_requested(&w.db, &[]).await.expect("query").is_empty());
    })
    .await;
}

#[tokio::test]
async fn what_is_lost_does_not_come_back() {
    for_each_database(async |w| {
        let owner = w.user().await;
        w.submit_all(some_jobs(owner, 4)).await;
        let (a, b) = (worker("a"), worker("b"));
        let claimed = w.claim(&a, 4).await;
        let runs: Vec<(JobId, i64)> = claimed.iter().map(|c| (c.job.id, c.job.epoch)).collect();
        // 0 is done, 1 was put back, 2 was put back and is another worker's, 3 is still held.
        w.succeed(&a, &claimed[..1]).await;
        w.finish(&a, &[end(&claimed[2], Outcome::HandedBack { solo: false })])
            .await;
        assert_eq!(w.claim_one(&b).await.job.id, runs[2].0);
        w.finish(&a, &[end(&claimed[1], Outcome::HandedBack { solo: false })])
            .await;
        let before = w.rows().await;
        w.clock.advance(1000);
        let held = heartbeat(&w.db, a.boot, &runs, LEASE).await.expect("heartbeat");
        assert_eq!(
            held,
            [Held {
                job: runs[3].0,
                epoch: 1,
                cancel_requested: false
            }]
        );
        let after = w.rows().await;
        assert_eq!(before[..3], after[..3], "{}: only the held row changed", w.name);
    })
    .await;
}

#[tokio::test]
async fn neither_an_old_epoch_nor_another_start_nor_a_stranger_is_renewed() {
    for_each_database(async |w| {
        let owner = w.user().await;
        let id = w.submit(job(owner)).await.id;
        let me = worker("a");
        let run = w.claim_one(&me).await;
        w.finish(&me, &[end(&run, Outcome::HandedBack { solo: false })])
            .await;
        let run = w.claim_one(&me).await;
        assert_eq!(run.job.epoch, 2);
        let before = w.rows().await;
        w.clock.advance(1000);
        let beat = async |boot, epoch| {
            heartbeat(&w.db, boot, &[(id, epoch)], LEASE)
                .await
                .expect("heartbeat")
        };
        assert!(beat(me.boot, 1).await.is_empty(), "an old epoch");
        assert!(beat(me.boot, 3).await.is_empty(), "an epoch that never was");
        assert!(beat(Uuid::now_v7(), 2).await.is_empty(), "another start");
        let unknown = heartbeat(&w.db, me.boot, &[(JobId::generate(), 2)], LEASE)
            .await
            .expect("heartbeat");
        assert!(unknown.is_empty(), "no such job");
        assert_eq!(w.rows().await, before);
        assert_eq!(beat(me.boot, 2).await.len(), 1);
        jobs::cancel(&w.db, owner, id).await.expect("cancel");
        assert!(
            cancel_requested(&w.db, &[(id, 1)])
                .await
                .expect("query")
                .is_empty(),
            "an old run is not asked"
        );
    })
    .await;
}
