//! Streams while Redis is not there: the row is polled, so `status` and `done` come all the same, what is
//! missing between them is told as a `gap`, and once Redis is back new streams have everything.

use std::time::{Duration, Instant};

use lamplighter_testkit::{api::Api, history::Seen, sse::Event};
use reqwest::Method;
use serde_json::json;
use tokio::time::sleep;

use crate::{
    judge::unix_ms,
    streams::{Crowd, quantile, told},
    support::Trial,
};

/// A row is read each second by those who have nothing else; here on a busy machine.
const TOLD_WITHIN: Duration = Duration::from_secs(6);
/// Connections to Redis are tried again after 5 s at the latest.
const BACK_WITHIN: Duration = Duration::from_secs(30);

/// How long after its end each listener was told `done`, by the clock that wrote the end; shortest first.
/// `now` is a moment on the history's clock and on the database's.
async fn told_after(trial: &Trial, now: (Duration, i64)) -> Vec<Duration> {
    let rows = trial
        .fleet
        .sql()
        .query("SELECT id, completed_at FROM jobs WHERE completed_at IS NOT NULL")
        .await;
    let ends: Vec<(String, i64)> = rows
        .iter()
        .map(|row| {
            let text = |n: usize| row[n].clone().unwrap_or_default();
            let id = lamplighter_testkit::checker::job_id(&text(0));
            (id, text(1).parse().expect("a number"))
        })
        .collect();
    let mut took = Vec::new();
    for entry in trial.history.entries() {
        let Seen::Event { job, event, .. } = &entry.what else {
            continue;
        };
        if event.name != "done" {
            continue;
        }
        let since = entry.ended.as_millis() as i64 - now.0.as_millis() as i64;
        let (_, end) = ends.iter().find(|(id, _)| id == job).expect("it has ended");
        took.push(Duration::from_millis((now.1 + since - end).max(0).unsigned_abs()));
    }
    took.sort_unstable();
    took
}

/// How many listeners saw a `status` that says so.
fn saw(trial: &Trial, status: &str) -> usize {
    let mut listeners: Vec<u64> = Vec::new();
    for entry in trial.history.entries() {
        if let Seen::Event { listener, event, .. } = &entry.what
            && event.name == "status"
            && event.data["status"] == status
        {
            listeners.push(*listener);
        }
    }
    listeners.sort_unstable();
    listeners.dedup();
    listeners.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_streams_tell_of_status_and_end_by_polling() {
    let mut trial = Trial::begin("SSE by polling", |builder| builder.without_redis()).await;
    let now = (trial.history.now(), unix_ms());
    let apis = trial.fleet.all_apis();
    let history = trial.history.clone();
    let crowd = Crowd {
        apis: &apis,
        history: &history,
        seed: trial.scenario.seed(),
    };
    let streams = 80;
    // More than run at once: some listeners see them wait, all see them run.
    let jobs = crowd
        .submit("polling", 80, &json!({"sleep_ms": 2500, "chunks": 5}))
        .await;
    crowd.follow(&jobs, streams).join_all().await;
    let verdict = trial.settle(Duration::from_secs(30)).await;
    let entries = history.entries();
    let late = told_after(&trial, now).await;
    let (queued, running) = (saw(&trial, "queued"), saw(&trial, "processing"));
    trial.scenario.report(&format_args!(
        "{verdict} streams={streams} saw_queued={queued} saw_processing={running} gaps={} done_p50={:?} done_max={:?}",
        told(&entries, "gap"),
        quantile(&late, 0.5),
        quantile(&late, 1.0),
    ));
    verdict.assert_clean();
    // Each ran longer than two looks are apart; the machine may have held a few up.
    assert!(running >= streams * 9 / 10, "{running} of {streams}");
    assert!(queued > 0);
    // No other process tells its chunks here, and the streams say so.
    assert_eq!((told(&entries, "output"), told(&entries, "gap")), (0, streams));
    assert_eq!(told(&entries, "done"), streams);
    assert!(quantile(&late, 1.0) <= TOLD_WITHIN, "{late:?}");
}

/// Streams a job of ten chunks again and again until all of them are told; how long that took.
async fn until_chunks_are_told(api: &Api, other: &Api) -> Duration {
    let began = Instant::now();
    loop {
        let input = json!({"sleep_ms": 200, "chunks": 10});
        let job = api.post_job(&json!({"model": "echo", "input": input})).await;
        let id = job["id"].as_str().expect("an id");
        let events = other.events(id, None).await.expect("a stream").rest().await;
        let chunks = events.iter().filter(|event| event.name == "output").count();
        if chunks == 10 && events.iter().all(|event| event.name != "gap") {
            return began.elapsed();
        }
        assert!(
            began.elapsed() < BACK_WITHIN,
            "events do not come back: {chunks} of 10 chunks"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_goes_in_mid_stream_is_missed_by_chunks_alone() {
    let mut trial = Trial::begin("SSE, Redis killed in mid-stream", |builder| builder).await;
    let now = (trial.history.now(), unix_ms());
    let apis = trial.fleet.all_apis();
    let history = trial.history.clone();
    let crowd = Crowd {
        apis: &apis,
        history: &history,
        seed: trial.scenario.seed(),
    };
    let input = json!({"sleep_ms": 4000, "chunks": 40});
    let jobs = crowd.submit("before", 20, &input).await;
    let before = crowd.follow(&jobs, 40);
    while told(&history.entries(), "output") < 400 {
        sleep(Duration::from_millis(20)).await;
    }
    trial.fleet.redis_mut().kill9();
    history.fault("Redis is killed");
    // These begin without it.
    let jobs = crowd
        .submit("away", 20, &json!({"sleep_ms": 2500, "chunks": 5}))
        .await;
    let away = crowd.follow(&jobs, 40);
    before.join_all().await;
    away.join_all().await;
    let ran = saw(&trial, "processing");
    let (outputs, gaps) = (
        told(&history.entries(), "output"),
        told(&history.entries(), "gap"),
    );
    trial.fleet.redis_mut().restart_empty();
    history.fault("Redis is back, empty");
    let back = until_chunks_are_told(&apis[0], &apis[1]).await;
    let verdict = trial.settle(Duration::from_secs(30)).await;
    let late = told_after(&trial, now).await;
    trial.scenario.report(&format_args!(
        "{verdict} streams=80 saw_processing={ran} outputs={outputs} gaps={gaps} done_p50={:?} done_max={:?} \
         chunks_again_after={back:?}",
        quantile(&late, 0.5),
        quantile(&late, 1.0),
    ));
    verdict.assert_clean();
    assert_eq!(verdict.count("succeeded"), 40);
    assert!(ran >= 72, "of 80, {ran} were told that the job runs");
    assert_eq!(
        gaps, 80,
        "chunks were missed by everybody, and everybody was told so"
    );
    assert!(quantile(&late, 1.0) <= TOLD_WITHIN, "{late:?}");
}

fn place(event: &Event) -> u64 {
    let (_, seq) = event.id.split_once('-').expect("<epoch>-<number>");
    seq.parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_a_flush_took_are_told_as_a_gap() {
    let trial = Trial::begin("SSE, Redis flushed in mid-run", |builder| builder.workers(1)).await;
    let (first, second) = (trial.fleet.api(0), trial.fleet.api(1));
    let input = json!({"sleep_ms": 4000, "chunks": 80});
    let job = first.post_job(&json!({"model": "echo", "input": input})).await;
    let id = job["id"].as_str().expect("an id");
    let mut watching = first.events(id, None).await.expect("a stream");
    let mut leaving = second.events(id, None).await.expect("a stream");
    let last = leaving.until("output").await;
    drop(leaving);
    // So that some are kept that the one who left has not seen.
    while watching.until("output").await.data["index"] != 20 {}
    let redis = trial.fleet.redis.as_ref().expect("a fleet with Redis");
    redis.command(&["FLUSHALL"]);
    let mut seen = watching.until("output").await;
    while seen.data["index"].as_u64() < Some(40) {
        let next = watching.until("output").await;
        assert_eq!(
            next.data["index"].as_u64(),
            seen.data["index"].as_u64().map(|n| n + 1),
            "who watches misses nothing"
        );
        seen = next;
    }
    let events = second
        .events(id, Some(&last.id))
        .await
        .expect("a stream")
        .rest()
        .await;
    let gaps: Vec<&Event> = events.iter().filter(|event| event.name == "gap").collect();
    let outputs: Vec<u64> = events
        .iter()
        .filter(|event| event.name == "output")
        .filter_map(|event| event.data["index"].as_u64())
        .collect();
    trial.scenario.report(&format_args!(
        "left at {}, gap {:?}, then chunks {:?} to {:?}",
        last.id,
        gaps.first().map(|gap| &gap.data),
        outputs.first(),
        outputs.last()
    ));
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    assert_eq!(gaps[0].data["after"], place(&last));
    assert!(
        gaps[0].data["before"].as_u64() > Some(20),
        "what was flushed is gone"
    );
    let first_left = outputs.first().copied().expect("chunks after the gap");
    assert_eq!(
        outputs,
        (first_left..80).collect::<Vec<_>>(),
        "no second hole, to the end"
    );
    assert_eq!(events.last().map(|event| event.name.as_str()), Some("done"));
    let rest = watching.rest().await;
    assert!(rest.iter().all(|event| event.name != "gap"), "{rest:?}");
    let (status, _) = first.call(Method::GET, "/readyz", None).await;
    assert_eq!(status.as_u16(), 200);
}
