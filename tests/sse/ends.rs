//! Streams that end, or start at the end: of finished jobs, after a trim, at a stop.

use std::time::{Duration, Instant};

use lamplighter_testkit::{
    server::Server,
    sse::{Event, Events},
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    listener::{Listener, Seen},
    server,
};

const CHUNKS: u64 = 20;

async fn finished_job(server: &Server) -> Value {
    let input = json!({"chunks": CHUNKS, "sleep_ms": 10});
    let job = server.post_job(&json!({"model": "echo", "input": input})).await;
    server.wait(&job).await
}

async fn whole_stream(server: &Server, job: &Value, after: Option<&str>) -> Vec<Event> {
    let id = job["id"].as_str().expect("an id");
    let events = server.events(id, after).await.expect("a stream");
    tokio::time::timeout(Duration::from_secs(20), events.rest())
        .await
        .expect("it ends")
}

fn names(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.name.as_str()).collect()
}

fn indexes(events: &[Event]) -> Vec<u64> {
    let outputs = events.iter().filter(|event| event.name == "output");
    outputs.filter_map(|event| event.data["index"].as_u64()).collect()
}

#[tokio::test]
async fn the_stream_of_a_finished_job_tells_all_of_it_and_ends() {
    let mut server = server().start().await;
    let job = finished_job(&server).await;
    let all = whole_stream(&server, &job, None).await;
    assert_eq!(names(&all)[0], "status", "{:?}", names(&all));
    assert_eq!(all[0].data["status"], "succeeded");
    assert!(all[0].data.get("output").is_none(), "a snapshot is brief");
    assert_eq!(indexes(&all), (0..CHUNKS).collect::<Vec<_>>());
    let done = all.last().expect("events");
    assert_eq!((done.name.as_str(), &done.data), ("done", &job));
    assert_eq!(done.data["output"]["chunks"], CHUNKS);

    // From the middle, from the end, and from a place that never was.
    let middle = &all[all.len() / 2];
    let rest = whole_stream(&server, &job, Some(&middle.id)).await;
    let later = |event: &&Event| {
        event.name == "output" && event.data["index"].as_u64() > middle.data["index"].as_u64()
    };
    assert_eq!(
        indexes(&rest),
        indexes(&all.iter().filter(later).cloned().collect::<Vec<_>>())
    );
    let end = whole_stream(&server, &job, Some(&done.id)).await;
    assert_eq!(names(&end), ["status", "done"]);
    let imagined = whole_stream(&server, &job, Some("9-9")).await;
    assert_eq!(names(&imagined)[..2], ["reset", "status"]);
    assert_eq!(indexes(&imagined), (0..CHUNKS).collect::<Vec<_>>());

    // A new process has no events of it; it says so, and has the result.
    server.restart().await;
    let after = whole_stream(&server, &job, Some(&middle.id)).await;
    assert_eq!(names(&after), ["status", "gap", "done"]);
    assert_eq!(after[2].data["output"], job["output"]);
}

#[tokio::test]
async fn chunks_that_were_trimmed_are_told_as_a_gap() {
    let server = server().start().await;
    let started = Instant::now();
    // Chunks and the progress between them are more than the 10,000 events that are kept.
    let (chunks, sleep_ms) = (10_000, 4000);
    let input = json!({"chunks": chunks, "sleep_ms": sleep_ms});
    let job = server.post_job(&json!({"model": "echo", "input": input})).await;
    let watching = Listener {
        api: server.api().clone(),
        job: job["id"].as_str().expect("an id").to_owned(),
        chunks,
        patience: 0,
        seen_by_all: Default::default(),
    };
    let live = watching.follow(1).await;
    assert_eq!(
        (live.lost, live.repeated, live.gaps),
        (0, 0, 0),
        "who watches misses nothing"
    );
    assert_eq!(live.faults, [""; 0]);

    let mut late = Seen::default();
    let events = whole_stream(&server, &job, None).await;
    events.iter().for_each(|event| {
        late.take(event);
    });
    let gap = events.iter().find(|event| event.name == "gap").expect("a gap");
    println!(
        "{} events, gap {}, then {} chunks; {:?}",
        events.len(),
        gap.data,
        indexes(&events).len(),
        started.elapsed()
    );
    assert_eq!((late.lost, late.repeated, late.gaps), (0, 0, 1));
    assert_eq!(late.faults, [""; 0]);
    assert_eq!(gap.data["after"], 0);
    let first = events
        .iter()
        .find(|event| event.name == "output")
        .expect("chunks");
    let before = gap.data["before"].as_u64().expect("a number");
    assert!(
        before > 1 && first.data["index"].as_u64() > Some(0),
        "{gap:?} {first:?}"
    );
    assert_eq!(indexes(&events).last(), Some(&(chunks - 1)));
}

#[tokio::test]
async fn a_stop_ends_streams_in_an_orderly_way() {
    let mut server = server().config("[server]\ngrace_seconds = 1\n").start().await;
    let input = json!({"sleep_ms": 60_000});
    let job = server.post_job(&json!({"model": "echo", "input": input})).await;
    let id = job["id"].as_str().expect("an id");
    let mut streams: Vec<Events> = Vec::new();
    for _ in 0..10 {
        let mut events = server.events(id, None).await.expect("a stream");
        events.until("status").await;
        streams.push(events);
    }
    let started = Instant::now();
    server.sigterm();
    for events in streams {
        // `rest` panics where the connection breaks instead of ending.
        let rest = tokio::time::timeout(Duration::from_secs(5), events.rest())
            .await
            .expect("the stream ends");
        assert!(names(&rest).iter().all(|name| *name != "done"), "{rest:?}");
    }
    let ended = started.elapsed();
    let status = server.wait_exit(Duration::from_secs(15));
    println!(
        "10 streams ended {ended:?} after the signal, the server after {:?}",
        started.elapsed()
    );
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn submitting_can_answer_with_the_stream() {
    let server = server().start().await;
    let body = json!({"model": "echo", "input": {"chunks": CHUNKS, "sleep_ms": 200}});
    let request = server.request(Method::POST, "/v1/jobs").json(&body);
    let response = request
        .header("accept", "text/event-stream")
        .send()
        .await
        .expect("an answer");
    assert_eq!(response.status(), 200);
    let header = |name: &str| {
        let value = response.headers().get(name);
        value.map_or(String::new(), |v| v.to_str().expect("text").to_owned())
    };
    assert!(header("content-type").starts_with("text/event-stream"));
    assert_eq!(
        (
            header("x-accel-buffering").as_str(),
            header("cache-control").as_str()
        ),
        ("no", "no-store")
    );
    let location = header("location");
    let text = response.text().await.expect("the whole stream");
    assert_eq!(text.matches("event: output\n").count() as u64, CHUNKS, "{text}");
    assert_eq!(text.matches("event: done\n").count(), 1);
    let (status, job) = server.get(&location).await;
    assert_eq!((status.as_u16(), &job["status"]), (200, &json!("succeeded")));
    // Nothing is stored where the answer can't be given.
    let request = server.request(Method::POST, "/v1/jobs").json(&body);
    let refused = request
        .header("accept", "image/png")
        .send()
        .await
        .expect("an answer");
    assert_eq!(refused.status(), 406);
    let (_, list) = server.get("/v1/jobs").await;
    assert_eq!(list["data"].as_array().map(Vec::len), Some(1));
}
