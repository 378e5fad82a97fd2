//! Workers and what admins ask of them, and the queues as an operator sees them.

use std::{collections::HashMap, time::Duration};

use lamplighter_shared::{
    db::{
        audit::Origin,
        disabled_models,
        finish::Outcome,
        jobs, queues,
        submit::NewJob,
        workers::{self, ModelStatus, Order, Phase, Report, WorkerModel, WorkerState},
    },
    id::WorkerId,
    job::Priority,
};
use uuid::Uuid;

use crate::world::{MODEL, World, end, for_each_database, job, jobs as some_jobs, worker};

fn report(boot: Uuid, name: &str, phase: Phase) -> Report {
    let model = WorkerModel {
        status: ModelStatus::Ready,
        detail: None,
        digest: Some("ab".to_owned()),
        memory_bytes: None,
    };
    Report {
        boot,
        name: name.to_owned(),
        host: "h".to_owned(),
        version: "1".to_owned(),
        device: "cuda:0".to_owned(),
        memory_bytes: 1 << 40,
        memory_used_bytes: 5,
        in_flight: 3,
        phase,
        models: HashMap::from([(MODEL.to_owned(), model)]),
    }
}

async fn says(w: &World, boot: Uuid, phase: Phase) -> Option<Order> {
    workers::report(&w.db, &report(boot, "a", phase))
        .await
        .expect("report")
}

async fn state(w: &World, boot: Uuid) -> WorkerState {
    let found = workers::get(&w.db, WorkerId(boot)).await.expect("read");
    found.expect("it is on the list").state
}

async fn ask(w: &World, boot: Uuid, order: Option<Order>) -> WorkerState {
    let found = workers::order(&w.db, WorkerId(boot), order, &Origin::operator())
        .await
        .expect("order");
    found.expect("it is on the list").state
}

#[tokio::test]
async fn an_order_holds_for_a_name_until_it_is_taken_back() {
    for_each_database(async |w| {
        let boot = Uuid::now_v7();
        assert_eq!(says(w, boot, Phase::Active).await, None);
        let known = workers::get(&w.db, WorkerId(boot))
            .await
            .expect("read")
            .expect("there");
        assert_eq!(
            (known.memory_bytes, known.memory_used_bytes, known.in_flight),
            (1 << 40, 5, 3)
        );
        assert_eq!(
            (known.device.as_str(), known.state),
            ("cuda:0", WorkerState::Active)
        );
        assert!(
            workers::model_states(&w.db)
                .await
                .expect("states")
                .contains_key(MODEL)
        );

        assert_eq!(ask(w, boot, Some(Order::Drain)).await, WorkerState::Draining);
        assert!(
            workers::model_states(&w.db).await.expect("states").is_empty(),
            "from the order on nobody waits for it"
        );
        assert_eq!(says(w, boot, Phase::Active).await, Some(Order::Drain));
        says(w, boot, Phase::Draining).await;
        assert_eq!(state(w, boot).await, WorkerState::Draining);
        says(w, boot, Phase::Drained).await;
        assert_eq!(state(w, boot).await, WorkerState::Drained);
        let at = w.number("SELECT ordered_at FROM worker_orders").await;
        w.clock.advance(1000);
        assert_eq!(ask(w, boot, Some(Order::Drain)).await, WorkerState::Drained);
        assert_eq!(
            w.number("SELECT ordered_at FROM worker_orders").await,
            at,
            "twice is once"
        );
        assert_eq!(ask(w, boot, Some(Order::Maintenance)).await, WorkerState::Drained);
        assert_eq!(says(w, boot, Phase::Maintenance).await, Some(Order::Maintenance));
        assert_eq!(state(w, boot).await, WorkerState::Maintenance);

        // The next process of that name follows it; one of another name does not.
        let (next, other) = (Uuid::now_v7(), Uuid::now_v7());
        workers::remove(&w.db, boot).await.expect("remove");
        assert_eq!(says(w, next, Phase::Active).await, Some(Order::Maintenance));
        let elsewhere = workers::report(&w.db, &report(other, "b", Phase::Active)).await;
        assert_eq!(elsewhere.expect("report"), None);
        assert_eq!(ask(w, next, None).await, WorkerState::Active);
        assert_eq!(ask(w, next, None).await, WorkerState::Active);
        assert_eq!(says(w, next, Phase::Maintenance).await, None);
        let names: Vec<String> = workers::list(&w.db)
            .await
            .expect("list")
            .into_iter()
            .map(|one| one.name)
            .collect();
        assert_eq!(names, ["a", "b"]);

        // Nobody is no fault, and leaves no order behind.
        let nobody = workers::order(
            &w.db,
            WorkerId(Uuid::now_v7()),
            Some(Order::Drain),
            &Origin::operator(),
        )
        .await;
        assert!(nobody.expect("asked").is_none());
        assert_eq!(w.number("SELECT count(*) FROM worker_orders").await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_lost_worker_is_told_for_an_hour_and_orders_for_nobody_for_a_month() {
    for_each_database(async |w| {
        let boot = Uuid::now_v7();
        says(w, boot, Phase::Active).await;
        ask(w, boot, Some(Order::Drain)).await;
        w.clock.advance(14_999);
        assert_eq!(state(w, boot).await, WorkerState::Draining);
        w.clock.advance(1);
        assert_eq!(state(w, boot).await, WorkerState::Lost);
        w.clock.advance(3_600_000);
        assert_eq!(workers::forget_lost(&w.db).await.expect("forget"), 1);
        assert_eq!(w.number("SELECT count(*) FROM worker_orders").await, 1);
        let next = Uuid::now_v7();
        w.clock.advance(31 * 86_400_000);
        assert_eq!(
            says(w, next, Phase::Active).await,
            Some(Order::Drain),
            "not forgotten yet"
        );
        workers::forget_lost(&w.db).await.expect("forget");
        assert_eq!(
            w.number("SELECT count(*) FROM worker_orders").await,
            1,
            "somebody bears the name"
        );
        workers::remove_all(&w.db).await.expect("remove");
        workers::forget_lost(&w.db).await.expect("forget");
        assert_eq!(w.number("SELECT count(*) FROM worker_orders").await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_queue_says_how_deep_how_old_and_how_fast() {
    for_each_database(async |w| {
        let all = async || queues::queues(&w.db, [MODEL, "other"]).await.expect("queues");
        let [mine, other] = &all().await[..] else {
            panic!("two models")
        };
        assert_eq!(
            (mine.waiting.total(), mine.oldest_seconds, mine.eta_seconds),
            (0, None, None)
        );
        assert_eq!((other.model.as_str(), other.in_flight), ("other", 0));

        let (a, b, me) = (w.user().await, w.user().await, worker("a"));
        let of = |priority, job: NewJob| NewJob { priority, ..job };
        w.submit_all(some_jobs(b, 30)).await;
        w.clock.advance(4000);
        w.submit(of(Priority::Low, job(a))).await;
        w.submit(of(Priority::High, job(a))).await;
        let gone = w
            .submit(NewJob {
                model: "gone".to_owned(),
                ..job(a)
            })
            .await;
        // Ten a second: the first of the crowd, and the one of high priority.
        for _ in 0..2 {
            let claimed = w.claim(&me, 1).await;
            w.clock.advance(100);
            w.succeed(&me, &claimed).await;
        }
        w.clock.advance(100);
        let held = w.claim(&me, 2).await;
        workers::report(&w.db, &report(me.boot, "a", Phase::Active))
            .await
            .expect("report");
        let [unserved, mine, _] = &all().await[..] else {
            panic!("and one that nobody serves")
        };
        assert_eq!(
            (
                unserved.model.as_str(),
                unserved.waiting.total(),
                unserved.eta_seconds
            ),
            ("gone", 1, None)
        );
        assert!(unserved.state.is_none());
        let depth = mine.waiting;
        assert_eq!((depth.low, depth.normal, depth.high), (1, 27, 0), "{}", w.name);
        assert_eq!((depth.total(), mine.in_flight), (28, 2));
        assert_eq!(mine.oldest_seconds, Some(4.3));
        assert_eq!(mine.service_rate, Some(10.0));
        // Somebody new stands behind the first of the crowd, not behind all of it.
        assert_eq!(mine.eta_seconds, Some(0.4));
        for claimed in &held {
            w.finish(&me, &[end(claimed, Outcome::HandedBack { solo: false })])
                .await;
        }
        assert_eq!(all().await[1].in_flight, 0);
        jobs::cancel(&w.db, gone.owner, gone.id).await.expect("cancel");
        assert_eq!(
            all().await.len(),
            2,
            "what nobody serves and nobody waits for is not there"
        );
    })
    .await;
}

#[tokio::test]
async fn work_is_what_could_be_claimed() {
    for_each_database(async |w| {
        let waited = async |ms| {
            let time = Duration::from_millis(ms);
            queues::has_work(&w.db, MODEL, time).await.expect("asked")
        };
        let there = async || waited(0).await;
        assert!(!there().await);
        let first = w.submit(job(w.user().await)).await;
        assert!(there().await);
        let other = queues::has_work(&w.db, "other", Duration::ZERO).await;
        assert!(!other.expect("asked"));
        assert!(!waited(250).await, "it came just now");
        w.clock.advance(249);
        assert!(!waited(250).await);
        w.clock.advance(1);
        assert!(waited(250).await);
        jobs::cancel(&w.db, first.owner, first.id).await.expect("cancel");
        assert!(!there().await);
        let me = worker("a");
        w.submit(job(w.user().await)).await;
        let claimed = w.claim_one(&me).await;
        assert!(!there().await, "it is in hand");
        w.succeed(&me, &[claimed]).await;
        w.submit(job(w.user().await)).await;
        w.clock.advance(3_600_000);
        assert!(!there().await, "too late");
    })
    .await;
}

#[tokio::test]
async fn a_model_that_is_switched_off_is_offline_until_it_is_switched_on() {
    for_each_database(async |w| {
        says(w, Uuid::now_v7(), Phase::Active).await;
        let off = async || disabled_models::all(&w.db).await.expect("read");
        let switch = async |model: &str, enabled| {
            disabled_models::set(&w.db, model, enabled, &Origin::operator())
                .await
                .expect("switched")
        };
        let states = async || workers::model_states(&w.db).await.expect("read");
        assert!(off().await.is_empty());
        assert_eq!(states().await[MODEL].status, "ready");
        // Twice is once, and a model that nobody serves may be off, too.
        for model in [MODEL, MODEL, "later"] {
            switch(model, false).await;
        }
        assert_eq!(off().await.into_iter().collect::<Vec<_>>(), ["later", MODEL]);
        assert!(states().await.is_empty());
        for model in [MODEL, MODEL] {
            switch(model, true).await;
        }
        assert_eq!(off().await.into_iter().collect::<Vec<_>>(), ["later"]);
        assert_eq!(states().await[MODEL].status, "ready");
        let logged = |action: &str| format!("SELECT count(*) FROM audit_log WHERE action = '{action}'");
        assert_eq!(
            w.number(&logged("model.disable")).await,
            3,
            "what was asked is told"
        );
        assert_eq!(w.number(&logged("model.enable")).await, 2);
    })
    .await;
}
