//! What is written down of runs: every end by its name, beside programs that write nothing, in bounds, for as long as
//! the row is there. That it is right after any sequence of steps is a matter of `model`.

use std::time::Duration;

use lamplighter_shared::{
    db::{
        Db,
        claim::{Claimer, claim},
        finish::{Outcome, finish},
        jobs,
        reap::{ReapRules, requeue_all, tick},
        retention::expire_results,
    },
    error::ErrorCode,
    id::{JobId, UserId},
    job::{Job, JobError, JobState},
    run::{MOST, Run, RunOutcome},
};

use crate::world::{MAX_CRASHES, MODEL, START, World, end, for_each_database, job, worker};

const RULES: ReapRules = ReapRules {
    confirm: Duration::from_secs(4),
    max_lease_losses: 3,
};

/// Ends the next run this way.
async fn run(w: &World, me: &Claimer, outcome: Outcome) {
    let claimed = w.claim_one(me).await;
    w.clock.advance(10);
    w.finish(me, &[end(&claimed, outcome)]).await;
}

/// Lets the next run be lost.
async fn lose(w: &World, me: &Claimer) {
    w.claim_one(me).await;
    for ms in [10_001, 4000] {
        w.clock.advance(ms);
        tick(&w.db, RULES).await.expect("tick");
    }
}

async fn stored(w: &World, id: JobId) -> Job {
    let owner = w.query("SELECT owner_id FROM jobs").await[0]
        .try_get("", "owner_id")
        .expect("an owner");
    let job = jobs::get(&w.db, UserId(owner), id).await;
    job.expect("get").expect("it is there")
}

fn outcomes(job: &Job) -> Vec<Option<RunOutcome>> {
    let runs = job.runs.list();
    runs.iter().map(|r| r.end.as_ref().map(|e| e.outcome)).collect()
}

fn error(kind: ErrorCode) -> JobError {
    JobError::new(kind, "no")
}

#[tokio::test]
async fn every_end_has_its_name_and_time() {
    for_each_database(async |w| {
        let (a, b) = (worker("a"), worker("b \"[\n"));
        let id = w.submit(job(w.user().await)).await.id;
        assert_eq!(stored(w, id).await.runs.list(), []);
        run(w, &a, Outcome::HandedBack { solo: false }).await;
        run(w, &b, Outcome::Crashed(error(ErrorCode::WorkerCrashed))).await;
        lose(w, &a).await;
        w.claim_one(&b).await;
        assert_eq!(outcomes(&stored(w, id).await).last(), Some(&None), "it runs");
        requeue_all(&w.db).await.expect("requeue");
        run(w, &a, Outcome::Failed(error(ErrorCode::Timeout))).await;
        let job = stored(w, id).await;
        let runs = job.runs.list();
        let told = |of: fn(&Run) -> i64| runs.iter().map(of).collect::<Vec<_>>();
        let lost = START + 20 + 14_001;
        assert_eq!(told(|run| run.number), [1, 2, 3, 4, 5], "{}", w.name);
        assert_eq!(
            told(|run| run.started_at),
            [START, START + 10, START + 20, lost, lost]
        );
        assert_eq!(
            told(|run| run.end.as_ref().map_or(0, |end| end.at)),
            [START + 10, START + 20, lost, lost, lost + 10]
        );
        let workers: Vec<_> = runs.iter().map(|run| run.worker.as_str()).collect();
        assert_eq!(workers, ["a", "b \"[\n", "a", "b \"[\n", "a"]);
        use RunOutcome::{Crashed, HandedBack, Lost, TimedOut};
        assert_eq!(
            outcomes(&job),
            [HandedBack, Crashed, Lost, Lost, TimedOut].map(Some)
        );
        assert_eq!((job.state, job.attempt), (JobState::Failed, 4));
    })
    .await;
}

#[tokio::test]
async fn a_job_that_is_handed_back_for_ever_keeps_its_row_small() {
    for_each_database(async |w| {
        // As long as the names of pods are.
        let me = worker("lamplighter-worker-7d9f8b6c5-x2x4z");
        let id = w.submit(job(w.user().await)).await.id;
        for _ in 0..100 {
            run(w, &me, Outcome::HandedBack { solo: false }).await;
        }
        let length = w.number("SELECT CAST(length(runs) AS bigint) FROM jobs").await;
        assert!(length < 3200, "{}: {length}", w.name);
        let job = stored(w, id).await;
        let numbers: Vec<_> = job.runs.list().iter().map(|run| run.number).collect();
        assert_eq!(
            numbers,
            (101 - MOST as i64..=100).collect::<Vec<_>>(),
            "{}",
            w.name
        );
        assert_eq!(outcomes(&job), [Some(RunOutcome::HandedBack); MOST]);
    })
    .await;
}

/// While a fleet is upgraded, programs from before claim and end runs and write nothing of them.
#[tokio::test]
async fn runs_of_programs_from_before_are_missing_and_harm_nothing() {
    for_each_database(async |w| {
        let me = worker("new");
        let id = w.submit(job(w.user().await)).await.id;
        // Claimed by an old one, and lost.
        w.claim_one(&me).await;
        w.execute("UPDATE jobs SET runs = ''").await;
        for ms in [10_001, 4000] {
            w.clock.advance(ms);
            tick(&w.db, RULES).await.expect("tick");
        }
        assert_eq!(stored(w, id).await.runs.list(), [], "{}", w.name);
        // Claimed by a new one; an old reaper takes the lease.
        w.claim_one(&me).await;
        w.execute("UPDATE jobs SET state = 'queued', boot = NULL, lease_until = NULL, suspect_at = NULL")
            .await;
        w.execute("UPDATE lanes SET waiting = 1, running = 0").await;
        run(w, &me, Outcome::Succeeded("{}".to_owned())).await;
        let job = stored(w, id).await;
        assert_eq!(outcomes(&job), [None, Some(RunOutcome::Succeeded)], "{}", w.name);
        assert_eq!(job.runs.list()[0].number, 2);
    })
    .await;
}

#[tokio::test]
async fn runs_stay_where_the_data_goes() {
    for_each_database(async |w| {
        let id = w.submit(job(w.user().await)).await.id;
        run(w, &worker("a"), Outcome::Succeeded("{}".to_owned())).await;
        w.clock.advance(2000);
        assert_eq!(
            expire_results(&w.db, Duration::from_secs(1))
                .await
                .expect("expire"),
            1
        );
        let job = stored(w, id).await;
        assert!(job.data_removed);
        assert_eq!(outcomes(&job), [Some(RunOutcome::Succeeded)]);
    })
    .await;
}

/// Postgres asks its clock anew wherever a statement says so.
#[tokio::test]
async fn the_times_of_a_run_are_those_of_its_row() {
    for_each_database(async |w| {
        let db = Db::connect(&w.url).await.expect("connect");
        let (user, me) = (w.user().await, worker("a"));
        for _ in 0..40 {
            w.submit_all(crate::world::jobs(user, 8)).await;
        }
        // By the real clock the jobs of this world are due in some years.
        w.execute("UPDATE jobs SET run_at = 0").await;
        let mut ended = 0;
        loop {
            let claimed = claim(&db, MODEL, 8, &me).await.expect("claim");
            if claimed.is_empty() {
                break;
            }
            let ends: Vec<_> = claimed
                .iter()
                .map(|c| end(c, Outcome::Succeeded("{}".to_owned())))
                .collect();
            ended += finish(&db, me.boot, MAX_CRASHES, &ends)
                .await
                .expect("finish")
                .len();
        }
        assert_eq!(ended, 320, "{}", w.name);
        for row in w.rows().await {
            let run = &row.runs.list()[0];
            assert_eq!(Some(run.started_at), row.started_at, "{}", w.name);
            assert_eq!(run.end.as_ref().map(|end| end.at), row.completed_at);
        }
    })
    .await;
}
