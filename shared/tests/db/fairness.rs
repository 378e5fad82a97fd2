//! Fairness, as users feel it: what a simulated worker serves, sixteen jobs at a time.
//!
//! Only the statements are here, no clock and no model: every job takes as long as any other.

use std::collections::HashMap;

use lamplighter_shared::{
    db::submit::NewJob,
    id::UserId,
    job::{Job, Priority},
};

use crate::world::{World, for_each_database, job, jobs as some_jobs, worker};

const BATCH: usize = 16;
/// What a greedy user has waiting.
const GREEDY: usize = 10_000;

/// Runs one batch to its end; its jobs.
async fn serve(w: &World) -> Vec<Job> {
    let me = worker("a");
    let batch = w.claim(&me, BATCH).await;
    w.succeed(&me, &batch).await;
    batch.into_iter().map(|c| c.job).collect()
}

/// (Σx)² ÷ (n Σx²): 1 when all are served alike, 1 ÷ n when one is served alone.
fn jain(served: &[u32]) -> f64 {
    let sum: f64 = served.iter().map(|n| f64::from(*n)).sum();
    let squares: f64 = served.iter().map(|n| f64::from(*n).powi(2)).sum();
    sum * sum / (served.len() as f64 * squares)
}

#[tokio::test]
async fn two_thousand_waiting_jobs_delay_anothers_single_job_by_at_most_two_batches() {
    for_each_database(async |w| {
        let (greedy, other) = (w.user().await, w.user().await);
        w.submit_all(some_jobs(greedy, 2000)).await;
        let mut worst = 0;
        // At once, and from time to time while the backlog is worked off.
        for pause in [0, 1, 1, 5, 20, 1, 1] {
            for _ in 0..pause {
                assert!(serve(w).await.iter().all(|j| j.owner == greedy));
            }
            let single = w.submit(job(other)).await;
            let mut batches = 0;
            while serve(w).await.iter().all(|j| j.id != single.id) {
                batches += 1;
                assert!(batches < 10, "{}: it waits and waits", w.name);
            }
            worst = worst.max(batches);
        }
        println!("{}: behind 2,000 jobs of another user: at most {worst} batches of {BATCH} went before a single job", w.name);
        assert!(worst <= 2, "{}: {worst}", w.name);
    })
    .await;
}

/// A backlog that others built up while nobody asked does not hurt either: many greedy users, one newcomer.
#[tokio::test]
async fn a_newcomer_among_many_busy_users_waits_at_most_two_batches() {
    for_each_database(async |w| {
        for _ in 0..15 {
            w.submit_all(some_jobs(w.user().await, 100)).await;
        }
        let mut worst = 0;
        for _ in 0..5 {
            serve(w).await;
            let newcomer = w.submit(job(w.user().await)).await;
            let mut batches = 0;
            while serve(w).await.iter().all(|j| j.id != newcomer.id) {
                batches += 1;
            }
            worst = worst.max(batches);
        }
        println!(
            "{}: among 15 busy users: at most {worst} batches of {BATCH} went before a newcomer's job",
            w.name
        );
        assert!(worst <= 2, "{}: {worst}", w.name);
    })
    .await;
}

#[tokio::test]
async fn twenty_busy_users_one_of_them_greedy_are_served_alike() {
    for_each_database(async |w| {
        let greedy = w.user().await;
        w.submit_all(some_jobs(greedy, GREEDY)).await;
        // Alone at first, the greedy user has everything.
        for _ in 0..5 {
            serve(w).await;
        }
        let mut served = HashMap::<UserId, u32>::from([(greedy, 0)]);
        for _ in 1..20 {
            let user = w.user().await;
            served.insert(user, 0);
            w.submit_all(some_jobs(user, 4)).await;
        }
        // The others always have four waiting: what is served is sent again.
        const BATCHES: usize = 100;
        for _ in 0..BATCHES {
            let batch = serve(w).await;
            assert_eq!(batch.len(), BATCH);
            for one in &batch {
                *served.entry(one.owner).or_default() += 1;
            }
            w.submit_all(batch.iter().filter(|j| j.owner != greedy).map(|j| job(j.owner)).collect()).await;
        }
        let counts: Vec<u32> = served.values().copied().collect();
        let index = jain(&counts);
        println!(
            "{}: 20 busy users, one with {GREEDY} waiting, {} jobs served: Jain index {index:.5}; greedy {}, others {} to {}",
            w.name,
            BATCHES * BATCH,
            served[&greedy],
            counts.iter().min().expect("20"),
            counts.iter().max().expect("20"),
        );
        assert!(index >= 0.95, "{}: {served:?}", w.name);
    })
    .await;
}

/// Serves `batches` while every lane is busy; jobs served by the key that `of` gives.
async fn shares<K: Eq + std::hash::Hash>(
    w: &World,
    batches: usize,
    of: impl Fn(&Job) -> K,
) -> HashMap<K, f64> {
    let mut served = HashMap::new();
    for _ in 0..batches {
        for job in serve(w).await {
            *served.entry(of(&job)).or_default() += 1.0;
        }
    }
    served
}

#[tokio::test]
async fn priorities_weigh_four_to_one_to_a_quarter() {
    for_each_database(async |w| {
        for priority in Priority::ALL {
            let user = w.user().await;
            w.submit_all(
                (0..700)
                    .map(|_| NewJob {
                        priority,
                        ..job(user)
                    })
                    .collect(),
            )
            .await;
        }
        let served = shares(w, 50, |j| j.priority).await;
        let (high, low) = (
            served[&Priority::High] / served[&Priority::Normal],
            served[&Priority::Normal] / served[&Priority::Low],
        );
        println!(
            "{}: high ÷ normal {high:.2}, normal ÷ low {low:.2} (800 jobs served)",
            w.name
        );
        assert!(
            (3.6..=4.4).contains(&high) && (3.6..=4.4).contains(&low),
            "{}",
            w.name
        );
    })
    .await;
}

#[tokio::test]
async fn plans_weigh_what_they_say_and_large_jobs_count_for_more() {
    for_each_database(async |w| {
        let (plain, double, large) = (w.user().await, w.user().await, w.user().await);
        w.submit_all(some_jobs(plain, 400)).await;
        w.submit_all(
            (0..400)
                .map(|_| NewJob {
                    plan_weight: 2,
                    ..job(double)
                })
                .collect(),
        )
        .await;
        w.submit_all(
            (0..400)
                .map(|_| NewJob {
                    cost: 8,
                    ..job(large)
                })
                .collect(),
        )
        .await;
        let served = shares(w, 30, |j| j.owner).await;
        let (weight, cost) = (served[&double] / served[&plain], served[&plain] / served[&large]);
        println!(
            "{}: weight 2 ÷ weight 1 {weight:.2}, cost 1 ÷ cost 8 {cost:.2} (480 jobs served)",
            w.name
        );
        assert!(
            (1.8..=2.2).contains(&weight) && (7.0..=9.0).contains(&cost),
            "{}",
            w.name
        );
    })
    .await;
}
