//! R4, the half with Redis: processes cut from it, and a Redis that stands still. It only carries hints, so
//! everybody goes on; workers say that they hear nothing, and all hear again by themselves.

use std::time::Duration;

use lamplighter_testkit::{
    checker::Verdict,
    fleet::{Builder, Fleet},
    proxy::Fault,
    scenario::sized,
};
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

use crate::{
    judge::{broken_streams, unix_ms},
    partition::{
        BACK, NOTICED, UNDER_WAY, begun, clients, cuttable, three_cuts, until_all_work, until_readyz,
    },
    support::Trial,
};

/// Waits until the first API hears, event by event, what a worker tells of a job; how long it took.
///
/// # Panics
/// Where it does not within the limit.
async fn until_chunks(fleet: &Fleet, limit: Duration) -> Duration {
    let began = Instant::now();
    loop {
        let job = json!({"model": "echo", "input": {"sleep_ms": 200, "chunks": 3}});
        let (status, job) = fleet.api(1).post("/v1/jobs", &job).await;
        let Some(id) = job["id"].as_str() else {
            assert!(status == 503 && began.elapsed() < limit, "{status} {job}");
            continue;
        };
        let stream = fleet.api(0).events(id, None).await.expect("a stream");
        let events = timeout(Duration::from_secs(20), stream.rest())
            .await
            .expect("it ends");
        let names: Vec<&str> = events.iter().map(|event| event.name.as_str()).collect();
        assert_eq!(names.last(), Some(&"done"), "{names:?}");
        if names.iter().filter(|name| **name == "output").count() == 3 && !names.contains(&"gap") {
            return began.elapsed();
        }
        assert!(began.elapsed() < limit, "after {:?}: {names:?}", began.elapsed());
    }
}

/// Nothing broke, and nobody was refused because of Redis: that would be everybody, or all who ask one of
/// the two APIs. A machine with too much to do may put off some.
fn assert_unharmed(trial: &Trial, verdict: &Verdict) {
    verdict.assert_clean();
    let submits = &verdict.submits;
    assert!(
        submits.unavailable * 4 <= submits.tries,
        "submits that were not taken: {verdict}"
    );
    assert_eq!(submits.unanswered, 0);
    let broken = broken_streams(&trial.history.entries());
    assert!(broken.is_empty(), "{broken:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_processes_cut_from_redis_go_on_and_hear_again() {
    let plan = |builder: Builder| cuttable(builder).apis(2).workers(4);
    let mut trial = Trial::begin("R4 processes cut from Redis", plan).await;
    let faults = three_cuts(&trial.scenario);
    let clients = clients(&trial, 20.0, sized(11.0, 60.0));
    sleep(Duration::from_secs(1)).await;
    let (deaf, alone) = trial.fleet.workers.split_at(faults.len());
    let cut_at = unix_ms();
    let api = trial.fleet.apis[0].lines();
    api.redis.as_ref().expect("a line to Redis").set(Fault::BlackHole);
    for (worker, fault) in deaf.iter().zip(faults) {
        worker.lines().redis.as_ref().expect("a line to Redis").set(fault);
    }
    // The last is cut from both.
    let both = alone[0].lines();
    both.redis
        .as_ref()
        .expect("a line to Redis")
        .set(Fault::BlackHole);
    both.postgres.set(Fault::BlackHole);
    trial.history.fault("cut");
    let noticed = until_readyz(&trial.fleet.workers, 503, NOTICED).await;
    // An API serves without it.
    let serves = until_readyz(&trial.fleet.apis, 200, NOTICED).await;
    let page = trial.fleet.apis[0].page("/readyz").await.expect("an answer").1;
    sleep(sized(Duration::ZERO, Duration::from_secs(25))).await;
    let healed_at = unix_ms();
    for node in trial.fleet.apis.iter().chain(&trial.fleet.workers) {
        node.lines().redis.as_ref().expect("a line to Redis").heal();
        node.lines().postgres.heal();
    }
    trial.history.fault("the lines are whole");
    let working = until_all_work(&trial.fleet, &trial.fleet.workers, healed_at, BACK).await;
    let ready = until_readyz(&trial.fleet.workers, 200, BACK).await;
    let hearing = until_chunks(&trial.fleet, BACK).await;
    let mut while_cut = begun(&trial.fleet, cut_at + UNDER_WAY, healed_at).await;
    let alone = while_cut.remove(alone[0].name()).unwrap_or_default();
    let deaf: Vec<_> = deaf.iter().map(|worker| worker.name().to_owned()).collect();
    clients.await.expect("the clients end well");
    let verdict = trial.settle(Duration::from_secs(20)).await;
    trial.scenario.report(&format!(
        "faults={faults:?} noticed={noticed:.1?} working_again={working:.1?} ready_again={ready:.1?} \
         chunks_again={hearing:.1?} claims_while_deaf={while_cut:?} claims_while_cut_from_both={alone} {verdict}"
    ));
    assert_unharmed(&trial, &verdict);
    assert!(
        serves < Duration::from_secs(2),
        "APIs are ready without Redis: {serves:?}"
    );
    assert!(page.contains("\"redis\":\"unavailable\""), "{page}");
    assert_eq!(alone, 0, "claims without a database");
    for worker in deaf {
        assert!(
            while_cut.contains_key(&worker),
            "{worker} goes on by polling: {while_cut:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_a_redis_that_stands_still_stops_nobody() {
    let mut trial = Trial::begin("R4 Redis stands still", cuttable).await;
    let clients = clients(&trial, 20.0, sized(9.0, 40.0));
    sleep(Duration::from_secs(1)).await;
    let (stopped, stopped_at) = (trial.history.now(), unix_ms());
    trial.fleet.redis_mut().pause();
    trial.history.fault("Redis is stopped");
    let noticed = until_readyz(&trial.fleet.workers, 503, NOTICED).await;
    sleep(sized(Duration::ZERO, Duration::from_secs(25))).await;
    let healed_at = unix_ms();
    trial.fleet.redis_mut().resume();
    trial.history.fault("Redis goes on");
    let ready = until_readyz(&trial.fleet.workers, 200, BACK).await;
    let hearing = until_chunks(&trial.fleet, BACK).await;
    let meanwhile = begun(&trial.fleet, stopped_at + UNDER_WAY, healed_at).await;
    clients.await.expect("the clients end well");
    let verdict = trial.settle(Duration::from_secs(20)).await;
    let entries = trial.history.entries();
    let then = crate::judge::Answers::of(&entries, |_, entry| entry.began >= stopped);
    trial.scenario.report(&format!(
        "noticed={noticed:.1?} ready_again={ready:.1?} chunks_again={hearing:.1?} claims_meanwhile={meanwhile:?} \
         {then} {verdict}"
    ));
    assert_unharmed(&trial, &verdict);
    assert_eq!(
        meanwhile.len(),
        trial.fleet.workers.len(),
        "all go on: {meanwhile:?}"
    );
    // A command of Redis has at most half a second; a few of them may stand in the way of one request.
    assert!(
        then.slowest < Duration::from_secs(8),
        "nobody waits for Redis: {then}"
    );
}
