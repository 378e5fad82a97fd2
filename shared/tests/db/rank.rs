//! Ranks: start-time fair queueing, one rule a test.
//!
//! One unit of cost at normal priority in a plan of weight 1 is a million.

use lamplighter_shared::{
    db::{finish::Outcome, jobs, submit::NewJob},
    job::{JobState, Priority},
};

use crate::world::{World, end, for_each_database, job, jobs as some_jobs, worker};

const UNIT: i64 = 1_000_000;

/// Model ids in the order in which a worker gets them.
async fn order(w: &World) -> Vec<lamplighter_shared::id::JobId> {
    w.claim(&worker("order"), 1000)
        .await
        .iter()
        .map(|c| c.job.id)
        .collect()
}

#[tokio::test]
async fn a_lane_counts_up_by_cost_over_weight() {
    for_each_database(async |w| {
        let owner = w.user().await;
        let ranks = async |change: fn(&mut NewJob)| {
            let mut new = job(owner);
            change(&mut new);
            w.submit(new).await.rank
        };
        assert_eq!(ranks(|_| {}).await, UNIT);
        assert_eq!(ranks(|_| {}).await, 2 * UNIT);
        assert_eq!(ranks(|j| j.cost = 10).await, 12 * UNIT);
        assert_eq!(ranks(|j| j.plan_weight = 4).await, 12 * UNIT + UNIT / 4);
        assert_eq!(
            ranks(|j| j.cost = 0).await,
            13 * UNIT + UNIT / 4,
            "a cost is at least 1"
        );
        let tiny = ranks(|j| j.plan_weight = i64::MAX).await;
        assert_eq!(tiny, 13 * UNIT + UNIT / 4 + 1, "a lane always moves on");
        assert_eq!(
            ranks(|j| j.plan_weight = 0).await,
            tiny + UNIT,
            "a weight is at least 1"
        );
    })
    .await;
}

#[tokio::test]
async fn a_group_gets_the_ranks_it_would_have_got_one_by_one() {
    for_each_database(async |w| {
        let (a, b) = (w.user().await, w.user().await);
        let mut group = some_jobs(a, 3);
        group.extend(some_jobs(b, 2));
        let ranks: Vec<i64> = w.submit_all(group).await.iter().map(|j| j.rank).collect();
        // b's lane starts where the queue is: at a's first.
        assert_eq!(ranks, [1, 2, 3, 2, 3].map(|r| r * UNIT));
    })
    .await;
}

#[tokio::test]
async fn a_newcomer_lands_near_the_head() {
    for_each_database(async |w| {
        let (greedy, newcomer) = (w.user().await, w.user().await);
        w.submit_all(some_jobs(greedy, 500)).await;
        let a = worker("a");
        let claimed = w.claim(&a, 100).await;
        w.succeed(&a, &claimed).await;
        let head = w
            .number("SELECT min(rank) FROM jobs WHERE state = 'queued'")
            .await;
        let single = w.submit(job(newcomer)).await;
        assert_eq!(single.rank, head + UNIT);
        let place = order(w).await.iter().position(|id| *id == single.id);
        assert!(place <= Some(2), "{}: place {place:?}", w.name);
    })
    .await;
}

#[tokio::test]
async fn a_high_priority_overtakes_ones_own_backlog_and_nobody_elses_head() {
    for_each_database(async |w| {
        let (a, b) = (w.user().await, w.user().await);
        let backlog = w.submit_all(some_jobs(a, 50)).await;
        let others = w.submit_all(some_jobs(b, 50)).await;
        let high = w
            .submit(NewJob {
                priority: Priority::High,
                ..job(a)
            })
            .await;
        let low = w
            .submit(NewJob {
                priority: Priority::Low,
                ..job(a)
            })
            .await;
        assert_eq!(high.rank, backlog[0].rank + UNIT / 4);
        assert_eq!(low.rank, backlog[0].rank + 4 * UNIT);
        let order = order(w).await;
        let place = |id| order.iter().position(|x| *x == id).expect("claimed");
        assert!(
            place(high.id) < place(backlog[1].id),
            "it overtakes the own backlog"
        );
        assert!(
            place(high.id) > place(backlog[0].id),
            "what is at the head stays there"
        );
        assert!(place(low.id) > place(others[2].id), "low waits longer");
        // A hundred more of high priority do not starve the other user: four of them a unit.
        let more: Vec<NewJob> = (0..100)
            .map(|_| NewJob {
                priority: Priority::High,
                ..job(a)
            })
            .collect();
        w.submit_all(more).await;
        let next = w.submit(job(b)).await;
        let order = self::order(w).await;
        let before = order.iter().position(|id| *id == next.id).expect("claimed");
        println!(
            "{}: behind {before} of 100 jobs of high priority of another user",
            w.name
        );
        assert!(before <= 5, "{before}");
    })
    .await;
}

#[tokio::test]
async fn a_job_that_is_put_back_keeps_its_rank_and_is_no_head() {
    for_each_database(async |w| {
        let (a, b) = (w.user().await, w.user().await);
        let first = w.submit_all(some_jobs(a, 40)).await;
        let worker = worker("a");
        let claimed = w.claim(&worker, 30).await;
        w.succeed(&worker, &claimed[1..]).await;
        w.finish(&worker, &[end(&claimed[0], Outcome::HandedBack { solo: false })])
            .await;
        let back = w.row(first[0].id).await;
        assert_eq!((back.state, back.rank), (JobState::Queued, first[0].rank));
        // The newcomer starts at the first job that never ran, not at the one that came back.
        let newcomer = w.submit(job(b)).await;
        assert_eq!(newcomer.rank, first[30].rank + UNIT);
        assert_eq!(
            w.claim_one(&worker).await.job.id,
            first[0].id,
            "what came back is the next to run"
        );
    })
    .await;
}

#[tokio::test]
async fn an_empty_queue_goes_on_where_it_was() {
    for_each_database(async |w| {
        let (a, b, c) = (w.user().await, w.user().await, w.user().await);
        let first = w.submit_all(some_jobs(a, 20)).await;
        let worker = worker("a");
        let claimed = w.claim(&worker, 30).await;
        w.succeed(&worker, &claimed[1..]).await;
        // Only a job that came back waits: the queue is as good as empty.
        w.finish(&worker, &[end(&claimed[0], Outcome::HandedBack { solo: false })])
            .await;
        assert_eq!(
            w.submit(job(b)).await.rank,
            first[19].rank + UNIT,
            "from the last that was claimed"
        );
        // Jobs that were never claimed leave no trace in the time of the queue.
        let far = w.submit(NewJob { cost: 1000, ..job(a) }).await;
        jobs::cancel(&w.db, a, far.id).await.expect("cancel");
        assert_eq!(
            w.submit(job(c)).await.rank,
            first[19].rank + 2 * UNIT,
            "b's job is the head"
        );
    })
    .await;
}

#[tokio::test]
async fn queues_of_models_are_independent() {
    for_each_database(async |w| {
        let owner = w.user().await;
        w.submit_all(some_jobs(owner, 30)).await;
        let other = w
            .submit(NewJob {
                model: "other".to_owned(),
                ..job(owner)
            })
            .await;
        assert_eq!(other.rank, UNIT);
        assert_eq!(
            w.claim(&worker("a"), 100).await.len(),
            30,
            "a claim takes its model only"
        );
    })
    .await;
}
