//! Positions: how many stand before a job, whether it can run at all, and when.

use std::collections::HashMap;

use lamplighter_shared::{
    db::{
        audit::Origin,
        disabled_models, jobs,
        position::{Positions, QueueInfo},
        workers::{self, ModelStatus, Phase, Report, WorkerModel},
    },
    job::Job,
};
use uuid::Uuid;

use crate::world::{MODEL, World, for_each_database, job, jobs as some_jobs, worker};

/// What a fresh process answers.
async fn of(w: &World, job: &Job) -> QueueInfo {
    Positions::new(w.db.clone()).of(job).await.expect("position")
}

fn report(boot: Uuid, status: ModelStatus, detail: Option<&str>) -> Report {
    let model = WorkerModel {
        status,
        detail: detail.map(str::to_owned),
        digest: Some("ab".to_owned()),
        memory_bytes: None,
    };
    Report {
        boot,
        name: "a".to_owned(),
        host: "h".to_owned(),
        version: "1".to_owned(),
        device: "cpu".to_owned(),
        memory_bytes: 0,
        memory_used_bytes: 0,
        in_flight: 0,
        phase: Phase::Active,
        models: HashMap::from([(MODEL.to_owned(), model)]),
    }
}

async fn ready(w: &World) {
    workers::report(&w.db, &report(Uuid::now_v7(), ModelStatus::Ready, None))
        .await
        .expect("report");
}

#[tokio::test]
async fn a_position_counts_who_stands_before_up_to_a_thousand() {
    for_each_database(async |w| {
        let (a, b) = (w.user().await, w.user().await);
        let backlog = w.submit_all(some_jobs(a, 1100)).await;
        let newcomer = w.submit(job(b)).await;
        let positions = Positions::new(w.db.clone());
        let of = async |job: &Job| {
            let info = positions.of(job).await.expect("position");
            (info.position.expect("it waits"), info.capped)
        };
        assert_eq!(of(&backlog[0]).await, (0, false));
        assert_eq!(
            of(&backlog[1]).await,
            (1, false),
            "the same rank as the newcomer, and an earlier id"
        );
        assert_eq!(of(&newcomer).await, (2, false));
        assert_eq!(of(&backlog[2]).await, (3, false));
        assert_eq!(of(&backlog[998]).await, (999, false));
        assert_eq!(of(&backlog[999]).await, (1000, true));
        assert_eq!(of(&backlog[1099]).await, (1000, true));
        let claimed = w.claim_one(&worker("a")).await;
        assert_eq!(
            positions.of(&claimed.job).await.expect("position"),
            QueueInfo::default(),
            "it does not wait"
        );
        assert_eq!(
            Positions::new(w.db.clone())
                .of(&backlog[1])
                .await
                .expect("position")
                .position,
            Some(0)
        );
    })
    .await;
}

/// A position says in which order jobs are claimed.
#[tokio::test]
async fn positions_are_the_order_of_claims() {
    for_each_database(async |w| {
        let mut all = Vec::new();
        for _ in 0..4 {
            all.extend(w.submit_all(some_jobs(w.user().await, 7)).await);
        }
        let canceled = all.remove(9);
        jobs::cancel(&w.db, canceled.owner, canceled.id)
            .await
            .expect("cancel");
        let mut told = Vec::new();
        for job in &all {
            told.push((of(w, job).await.position.expect("it waits"), job.id));
        }
        told.sort_unstable();
        let claimed = w.claim(&worker("a"), 100).await;
        let expected: Vec<_> = claimed
            .iter()
            .enumerate()
            .map(|(i, c)| (i as u64, c.job.id))
            .collect();
        assert_eq!(told, expected, "{}", w.name);
    })
    .await;
}

#[tokio::test]
async fn a_job_can_run_when_a_live_worker_has_its_model() {
    for_each_database(async |w| {
        let job = w.submit(job(w.user().await)).await;
        let told = async || {
            let info = of(w, &job).await;
            (info.possible, info.reason)
        };
        let because = |possible, text: &str| (possible, Some(text.to_owned()));
        let nobody = because(false, "no live worker serves this model");
        assert_eq!(told().await, nobody);
        let boots = [Uuid::now_v7(), Uuid::now_v7()];
        let say = async |i: usize, status, detail| {
            workers::report(&w.db, &report(boots[i], status, detail))
                .await
                .expect("report");
        };
        say(0, ModelStatus::Failed, Some("no memory")).await;
        assert_eq!(
            told().await,
            because(false, "the model can't be loaded: no memory")
        );
        say(1, ModelStatus::Fetching, Some("42 %")).await;
        assert_eq!(
            told().await,
            because(true, "the model's files are being fetched: 42 %"),
            "the best worker counts"
        );
        say(1, ModelStatus::Unloaded, None).await;
        assert_eq!(
            told().await,
            because(
                true,
                "the model is not in memory; it is loaded when there is room for it"
            )
        );
        say(1, ModelStatus::Loading, None).await;
        assert_eq!(told().await, because(true, "the model is being loaded"));
        say(1, ModelStatus::Ready, None).await;
        assert_eq!(told().await, (true, None));
        let states = workers::model_states(&w.db).await.expect("states");
        assert_eq!((states[MODEL].status, states[MODEL].workers), ("ready", 1));
        let switch = async |on| {
            let switched = disabled_models::set(&w.db, MODEL, on, &Origin::operator()).await;
            switched.expect("switch");
        };
        switch(false).await;
        assert_eq!(told().await, because(false, "the model is switched off"));
        switch(true).await;
        assert_eq!(told().await, (true, None));
        // The ready one is not heard of any more; the failed one is.
        w.clock.advance(14_000);
        say(0, ModelStatus::Failed, None).await;
        assert_eq!(told().await, (true, None));
        w.clock.advance(1_000);
        assert_eq!(told().await, because(false, "the model can't be loaded"));
        workers::remove(&w.db, boots[0]).await.expect("remove");
        assert_eq!(told().await, nobody);
        w.clock.advance(3_600_000);
        assert_eq!(workers::forget_lost(&w.db).await.expect("forget"), 1);
    })
    .await;
}

#[tokio::test]
async fn an_eta_is_measured_or_not_given() {
    for_each_database(async |w| {
        let owner = w.user().await;
        let me = worker("a");
        let all = w.submit_all(some_jobs(owner, 40)).await;
        ready(w).await;
        assert_eq!(of(w, &all[39]).await.eta_seconds, None, "nothing has ended yet");
        w.succeed(&me, &w.claim(&me, 1).await).await;
        assert_eq!(of(w, &all[39]).await.eta_seconds, None, "one end is no rate");
        // Two jobs a second from here on.
        for _ in 0..9 {
            w.clock.advance(500);
            w.succeed(&me, &w.claim(&me, 1).await).await;
        }
        let info = of(w, &all[39]).await;
        assert_eq!(info.position, Some(29));
        let eta = info.eta_seconds.expect("ten jobs have ended in 4.5 s");
        println!("{}: 30th of the queue at two jobs a second: {eta:.1} s", w.name);
        assert!((13.0..=17.0).contains(&eta), "{eta}");
        // A worker that is not ready, or gone, makes every rate a guess.
        w.clock.advance(15_001);
        let info = of(w, &all[39]).await;
        assert_eq!((info.possible, info.eta_seconds), (false, None));
        // After a minute the measurement is too old.
        w.clock.advance(60_000);
        ready(w).await;
        let info = of(w, &all[39]).await;
        assert_eq!((info.possible, info.eta_seconds), (true, None));
    })
    .await;
}

#[tokio::test]
async fn cancelled_and_expired_jobs_are_no_service() {
    for_each_database(async |w| {
        let owner = w.user().await;
        ready(w).await;
        let all = w.submit_all(some_jobs(owner, 20)).await;
        for one in &all[..10] {
            jobs::cancel(&w.db, owner, one.id).await.expect("cancel");
        }
        let info = of(w, &all[19]).await;
        assert_eq!((info.position, info.eta_seconds), (Some(9), None));
    })
    .await;
}

/// Many streams ask at once; an answer serves all of them for a second.
#[tokio::test]
async fn an_answer_is_shared() {
    for_each_database(async |w| {
        let owner = w.user().await;
        let all = w.submit_all(some_jobs(owner, 3)).await;
        let positions = Positions::new(w.db.clone());
        assert_eq!(positions.of(&all[2]).await.expect("position").position, Some(2));
        w.claim_one(&worker("a")).await;
        assert_eq!(
            positions.of(&all[2]).await.expect("position").position,
            Some(2),
            "not asked again yet"
        );
        assert_eq!(of(w, &all[2]).await.position, Some(1));
    })
    .await;
}
