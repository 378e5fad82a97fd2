//! What an owner may ask: get, list, cancel, delete; and that nobody else may.

use lamplighter_shared::{
    db::{
        finish::Outcome,
        jobs::{self, Cancel, Delete, Filter},
        submit::NewJob,
    },
    error::ErrorCode,
    id::JobId,
    job::{JobError, JobState},
};

use crate::world::{START, World, end, for_each_database, job, jobs as some_jobs, worker};

#[tokio::test]
async fn a_cancel_ends_what_waits_and_asks_what_runs() {
    for_each_database(async |w| {
        let owner = w.user().await;
        let me = worker("a");
        w.submit(job(owner)).await;
        let run = w.claim_one(&me).await;
        let waiting = w.submit(job(owner)).await;
        w.clock.advance(10);
        let cancel = async |id| jobs::cancel(&w.db, owner, id).await.expect("cancel");

        let Cancel::Canceled(job) = cancel(waiting.id).await else {
            panic!("at once")
        };
        assert_eq!(
            (job.state, job.completed_at, job.cancel_requested_at),
            (JobState::Canceled, Some(START + 10), Some(START + 10))
        );
        w.assert_lanes_true().await;
        w.clock.advance(10);
        assert_eq!(
            cancel(waiting.id).await,
            Cancel::Canceled(job),
            "again is the same"
        );

        let Cancel::Requested(job) = cancel(run.job.id).await else {
            panic!("its worker is asked")
        };
        assert_eq!(
            (job.state, job.completed_at, job.cancel_requested_at),
            (JobState::Processing, None, Some(START + 20))
        );
        w.clock.advance(10);
        assert_eq!(
            cancel(run.job.id).await,
            Cancel::Requested(job),
            "the first request counts"
        );

        w.succeed(&me, std::slice::from_ref(&run)).await;
        let Cancel::Finished(job) = cancel(run.job.id).await else {
            panic!("too late")
        };
        assert_eq!(job.state, JobState::Succeeded);
        assert_eq!(cancel(JobId::generate()).await, Cancel::NotFound);
    })
    .await;
}

#[tokio::test]
async fn only_what_has_ended_can_be_deleted() {
    for_each_database(async |w| {
        let owner = w.user().await;
        let me = worker("a");
        w.submit(job(owner)).await;
        let run = w.claim_one(&me).await;
        let waiting = w.submit(job(owner)).await;
        let delete = async |id| jobs::delete(&w.db, owner, id).await.expect("delete");
        assert_eq!(delete(run.job.id).await, Delete::Active);
        assert_eq!(delete(waiting.id).await, Delete::Active);
        w.succeed(&me, std::slice::from_ref(&run)).await;
        assert_eq!(delete(run.job.id).await, Delete::Deleted);
        assert_eq!(delete(run.job.id).await, Delete::NotFound);
        assert_eq!(jobs::get(&w.db, owner, run.job.id).await.expect("get"), None);
        assert_eq!(
            jobs::payload(&w.db, owner, run.job.id).await.expect("payload"),
            None
        );
        assert_eq!(
            w.number("SELECT count(*) FROM job_payloads").await,
            1,
            "the data goes with the job"
        );
        jobs::cancel(&w.db, owner, waiting.id).await.expect("cancel");
        assert_eq!(delete(waiting.id).await, Delete::Deleted);
    })
    .await;
}

/// Three jobs of each state that a list can hold, one second apart, of two models and three tasks.
async fn some_of_all(w: &World, owner: lamplighter_shared::id::UserId) -> Vec<JobId> {
    let me = worker("a");
    let mut ids = Vec::new();
    for i in 0..12 {
        w.clock.advance(1000);
        let model = if i % 2 == 0 { "even" } else { "odd" };
        let new = NewJob {
            model: model.to_owned(),
            task: ["red", "green", "blue"][i % 3].to_owned(),
            ..job(owner)
        };
        ids.push(w.submit(new).await.id);
        let claim = async || {
            lamplighter_shared::db::claim::claim(&w.db, model, 1, &me)
                .await
                .expect("claim")
        };
        match i / 3 {
            0 => w.succeed(&me, &claim().await).await,
            1 => {
                let error = JobError::new(ErrorCode::ModelError, "x");
                w.finish(&me, &[end(&claim().await[0], Outcome::Failed(error))])
                    .await;
            }
            2 => drop(jobs::cancel(&w.db, owner, ids[i]).await.expect("cancel")),
            _ => {}
        }
    }
    ids
}

#[tokio::test]
async fn a_list_filters_and_pages_newest_first() {
    for_each_database(async |w| {
        let (owner, other) = (w.user().await, w.user().await);
        let ids = some_of_all(w, owner).await;
        w.submit_all(some_jobs(other, 3)).await;
        let list = async |filter: Filter| {
            let jobs = jobs::list(&w.db, owner, &filter).await.expect("list");
            jobs.iter()
                .map(|j| ids.iter().position(|id| *id == j.id).expect("one of ours"))
                .collect::<Vec<_>>()
        };
        let all = Filter {
            limit: 100,
            ..Filter::default()
        };
        assert_eq!(list(all.clone()).await, (0..12).rev().collect::<Vec<_>>());
        let state = |state| Filter {
            state: Some(state),
            ..all.clone()
        };
        assert_eq!(list(state(JobState::Succeeded)).await, [2, 1, 0]);
        assert_eq!(list(state(JobState::Failed)).await, [5, 4, 3]);
        assert_eq!(list(state(JobState::Canceled)).await, [8, 7, 6]);
        assert_eq!(list(state(JobState::Queued)).await, [11, 10, 9]);
        assert!(list(state(JobState::Processing)).await.is_empty());
        let odd = Filter {
            model: Some("odd".to_owned()),
            ..all.clone()
        };
        assert_eq!(list(odd.clone()).await, [11, 9, 7, 5, 3, 1]);
        let green = Filter {
            task: Some("green".to_owned()),
            ..all.clone()
        };
        assert_eq!(list(green.clone()).await, [10, 7, 4, 1]);
        let last = Some(ids[7]);
        assert_eq!(
            list(Filter {
                before: last,
                ..green
            })
            .await,
            [4, 1]
        );
        let red = Filter {
            task: Some("red".to_owned()),
            ..odd.clone()
        };
        assert_eq!(list(red).await, [9, 3], "of one model and one task");
        let (after, before) = (Some(START + 4000), Some(START + 8000));
        let time = Filter {
            created_after: after,
            created_before: before,
            ..all.clone()
        };
        assert_eq!(
            list(time).await,
            [6, 5, 4, 3],
            "from and including, up to and excluding"
        );
        let both = Filter {
            state: Some(JobState::Failed),
            created_after: after,
            ..odd.clone()
        };
        assert_eq!(list(both).await, [5, 3]);
        // Pages: each starts after the last job of the one before.
        let (mut pages, mut last) = (Vec::new(), None);
        loop {
            let page = list(Filter {
                before: last,
                limit: 4,
                ..odd.clone()
            })
            .await;
            let Some(end) = page.last() else { break };
            last = Some(ids[*end]);
            pages.push(page);
        }
        assert_eq!(pages, [vec![11, 9, 7, 5], vec![3, 1]]);
        let injection = Some("odd' OR '1'='1".to_owned());
        let model = Filter {
            model: injection.clone(),
            ..all.clone()
        };
        let task = Filter {
            task: injection,
            ..all
        };
        assert!(list(model).await.is_empty() && list(task).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_foreign_job_is_as_absent_as_a_missing_one() {
    for_each_database(async |w| {
        let (owner, stranger) = (w.user().await, w.user().await);
        let ids = some_of_all(w, owner).await;
        let running = w.submit(job(owner)).await;
        w.claim_one(&worker("a")).await;
        let before = w.rows().await;
        for id in ids.into_iter().chain([running.id, JobId::generate()]) {
            assert_eq!(jobs::get(&w.db, stranger, id).await.expect("get"), None);
            assert_eq!(jobs::payload(&w.db, stranger, id).await.expect("payload"), None);
            assert_eq!(
                jobs::cancel(&w.db, stranger, id).await.expect("cancel"),
                Cancel::NotFound
            );
            assert_eq!(
                jobs::delete(&w.db, stranger, id).await.expect("delete"),
                Delete::NotFound
            );
        }
        let all = Filter {
            limit: 100,
            ..Filter::default()
        };
        assert!(jobs::list(&w.db, stranger, &all).await.expect("list").is_empty());
        assert_eq!(w.rows().await, before, "{}: nothing changed", w.name);
        assert_eq!(w.number("SELECT count(*) FROM job_payloads").await, 13);
    })
    .await;
}
