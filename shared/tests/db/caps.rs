//! The cap on jobs of a share that run at once on a model is exact, whoever claims.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering},
    },
};

use lamplighter_shared::{
    db::{
        claim::{Claimed, claim},
        finish::{Outcome, finish},
        submit::NewJob,
    },
    id::{JobId, UserId},
    job::Priority,
};
use tokio::task::JoinSet;

use crate::world::{MAX_CRASHES, MODEL, World, end, for_each_database, job, jobs as some_jobs, worker};

const CLAIMERS: usize = 8;
const CAP: i32 = 2;
const CAPPED: usize = 1000;
const OTHERS: usize = 200;

fn capped(owner: UserId, cap: i32) -> NewJob {
    NewJob {
        running_cap: Some(cap),
        ..job(owner)
    }
}

/// 1,000 rows of a capped user, of which most stand before the 200 rows of ten others.
async fn fill(w: &World) -> UserId {
    let greedy = w.user().await;
    w.submit_all((0..CAPPED).map(|_| capped(greedy, CAP)).collect())
        .await;
    for _ in 0..10 {
        w.submit_all(some_jobs(w.user().await, OTHERS / 10)).await;
    }
    greedy
}

/// What the claimers saw.
#[derive(Default)]
struct Watch {
    /// How often each job was claimed.
    claims: Mutex<HashMap<JobId, usize>>,
    /// Jobs of others that were claimed.
    others: AtomicUsize,
    /// Jobs of the capped user between the answer to their claim and the call that ends them.
    running: AtomicI64,
    most: AtomicI64,
}

impl Watch {
    fn claimed(&self, batch: &[Claimed], greedy: UserId) {
        let own = batch.iter().filter(|c| c.job.owner == greedy).count();
        let running = self.running.fetch_add(own as i64, Ordering::SeqCst) + own as i64;
        self.most.fetch_max(running, Ordering::SeqCst);
        self.others.fetch_add(batch.len() - own, Ordering::SeqCst);
        let mut claims = self.claims.lock().expect("no panic");
        for one in batch {
            *claims.entry(one.job.id).or_default() += 1;
        }
    }
}

/// Nothing ends: racing claimers take everything of the others and exactly the cap of the greedy user.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn eight_claimers_take_two_of_a_capped_user_and_all_of_the_others() {
    for_each_database(async |w| {
        let greedy = fill(w).await;
        let watch = Arc::new(Watch::default());
        let mut claimers = JoinSet::new();
        for i in 0..CLAIMERS {
            let (db, watch) = (w.db.clone(), Arc::clone(&watch));
            claimers.spawn(async move {
                let me = worker(&format!("w{i}"));
                loop {
                    let batch = claim(&db, MODEL, 16, &me).await.expect("claim");
                    if batch.is_empty() {
                        break;
                    }
                    watch.claimed(&batch, greedy);
                }
            });
        }
        claimers.join_all().await;
        let twice = watch
            .claims
            .lock()
            .expect("no panic")
            .values()
            .filter(|n| **n > 1)
            .count();
        let (most, others) = (
            watch.most.load(Ordering::SeqCst),
            watch.others.load(Ordering::SeqCst),
        );
        println!(
            "{}: {CLAIMERS} claimers, cap {CAP}, {CAPPED} waiting rows: {most} running of the capped user, \
             {others} of {OTHERS} of others, {twice} claimed twice",
            w.name
        );
        assert_eq!((most, others, twice), (i64::from(CAP), OTHERS, 0), "{}", w.name);
    })
    .await;
}

/// Runs end all the time: a count over the committed rows, taken again and again, never exceeds the cap.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_cap_holds_while_runs_end() {
    for_each_database(async |w| {
        let greedy = fill(w).await;
        let (watch, over) = (Arc::new(Watch::default()), Arc::new(AtomicBool::new(false)));
        let mut claimers = JoinSet::new();
        for i in 0..CLAIMERS {
            let (db, watch, over) = (w.db.clone(), Arc::clone(&watch), Arc::clone(&over));
            claimers.spawn(async move {
                let me = worker(&format!("w{i}"));
                while !over.load(Ordering::SeqCst) {
                    let batch = claim(&db, MODEL, 16, &me).await.expect("claim");
                    watch.claimed(&batch, greedy);
                    tokio::task::yield_now().await;
                    let own = batch.iter().filter(|c| c.job.owner == greedy).count();
                    watch.running.fetch_sub(own as i64, Ordering::SeqCst);
                    let ends: Vec<_> = batch.iter().map(|c| end(c, Outcome::Succeeded("{}".to_owned()))).collect();
                    finish(&db, me.boot, MAX_CRASHES, &ends).await.expect("finish");
                }
            });
        }
        let (mut looks, mut most) = (0, 0);
        let sql = format!("SELECT count(*) FROM jobs WHERE state = 'processing' AND share_key = '{greedy}'");
        let left = "SELECT count(*) FROM jobs WHERE state = 'queued'";
        while w.number(left).await > (CAPPED * 3 / 4) as i64 {
            most = most.max(w.number(&sql).await);
            looks += 1;
        }
        over.store(true, Ordering::SeqCst);
        claimers.join_all().await;
        let twice = watch.claims.lock().expect("no panic").values().filter(|n| **n > 1).count();
        let held = watch.most.load(Ordering::SeqCst);
        println!("{}: while runs end: most {most} running in {looks} looks, {held} held at once, {twice} claimed twice", w.name);
        assert!(most <= i64::from(CAP) && held <= i64::from(CAP) && twice == 0, "{}", w.name);
        assert_eq!(watch.others.load(Ordering::SeqCst), OTHERS, "{}: nobody waits for the capped user", w.name);
    })
    .await;
}

#[tokio::test]
async fn the_cap_is_of_the_share_over_all_priorities_and_of_one_model() {
    for_each_database(async |w| {
        let owner = w.user().await;
        let me = worker("a");
        for priority in Priority::ALL {
            w.submit_all(
                (0..3)
                    .map(|_| NewJob {
                        priority,
                        ..capped(owner, 2)
                    })
                    .collect(),
            )
            .await;
        }
        w.submit(NewJob {
            model: "other".to_owned(),
            ..capped(owner, 2)
        })
        .await;
        let claimed = w.claim(&me, 10).await;
        assert_eq!(claimed.len(), 2, "{}", w.name);
        assert!(w.claim(&me, 10).await.is_empty());
        assert_eq!(claim(&w.db, "other", 10, &me).await.expect("claim").len(), 1);
        w.succeed(&me, &claimed[..1]).await;
        assert_eq!(w.claim(&me, 10).await.len(), 1, "what ended makes room");
    })
    .await;
}

#[tokio::test]
async fn a_cap_counts_what_ran_before_there_was_one() {
    for_each_database(async |w| {
        let owner = w.user().await;
        let me = worker("a");
        w.submit_all(some_jobs(owner, 3)).await;
        assert_eq!(w.claim(&me, 10).await.len(), 3, "no cap yet");
        w.submit(NewJob {
            priority: Priority::High,
            ..capped(owner, 2)
        })
        .await;
        assert!(
            w.claim(&me, 10).await.is_empty(),
            "{}: three run, two may",
            w.name
        );
    })
    .await;
}

#[tokio::test]
async fn a_new_cap_is_the_cap_of_the_whole_share() {
    for_each_database(async |w| {
        let owner = w.user().await;
        let me = worker("a");
        for _ in 0..5 {
            w.submit(capped(owner, 1)).await;
        }
        assert_eq!(w.claim(&me, 10).await.len(), 1);
        w.submit(NewJob {
            priority: Priority::High,
            ..capped(owner, 4)
        })
        .await;
        assert_eq!(w.claim(&me, 10).await.len(), 3, "{}: a better plan", w.name);
        w.submit(NewJob {
            priority: Priority::Low,
            running_cap: None,
            ..job(owner)
        })
        .await;
        assert_eq!(
            w.claim(&me, 10).await.len(),
            3,
            "{}: and one without a cap",
            w.name
        );
    })
    .await;
}
