//! The event stream of a job: order, resumption, new runs, gaps, ends.

mod support;

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures::{Stream, StreamExt};
use lamplighter_shared::{
    db::finish::Outcome,
    event::{EventId, JobEvent},
    events::{Events, MemoryEvents, Subscription},
    id::JobId,
};
use poem::http::Method;
use serde_json::{Value, json};
use support::{World, output, send};

/// One event as a client reads it.
#[derive(Debug, Clone, PartialEq)]
struct Event {
    id: String,
    name: String,
    data: Value,
}

/// A client of a stream.
struct Client {
    bytes: std::pin::Pin<Box<dyn Stream<Item = std::io::Result<bytes::Bytes>> + Send>>,
    text: String,
    ready: VecDeque<Event>,
}

impl Client {
    async fn open(world: &World, job: &str, after: Option<&str>) -> Self {
        let mut request = world.request(Method::GET, &format!("/v1/jobs/{job}/events"));
        if let Some(after) = after {
            request = request.header("last-event-id", after);
        }
        let mut response = poem::Endpoint::get_response(&world.api(), request.finish()).await;
        assert_eq!(response.content_type(), Some("text/event-stream; charset=utf-8"));
        assert_eq!(response.header("x-accel-buffering"), Some("no"));
        let bytes = Box::pin(response.take_body().into_bytes_stream());
        let mut client = Self {
            bytes,
            text: String::new(),
            ready: VecDeque::new(),
        };
        client.fill().await;
        assert!(client.text.starts_with("retry: "), "{}", client.text);
        client.text.clear();
        client
    }

    async fn fill(&mut self) -> bool {
        let next = tokio::time::timeout(Duration::from_secs(10), self.bytes.next())
            .await
            .expect("an event in time");
        let Some(chunk) = next else { return false };
        self.text
            .push_str(std::str::from_utf8(&chunk.expect("bytes")).expect("text"));
        true
    }

    /// The next event; none at the end of the stream.
    async fn next(&mut self) -> Option<Event> {
        while self.ready.is_empty() {
            if !self.fill().await {
                return None;
            }
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    block
                        .lines()
                        .find_map(|l| l.strip_prefix(name))
                        .unwrap_or_default()
                        .to_owned()
                };
                if !block.starts_with(':') {
                    let data = serde_json::from_str(&field("data: ")).expect("JSON");
                    self.ready.push_back(Event {
                        id: field("id: "),
                        name: field("event: "),
                        data,
                    });
                }
                self.text = rest.to_owned();
            }
        }
        self.ready.pop_front()
    }

    async fn names(mut self) -> Vec<String> {
        let mut names = Vec::new();
        while let Some(event) = self.next().await {
            names.push(format!("{} {}", event.name, event.id));
        }
        names
    }
}

fn numbered(epoch: i64, seqs: std::ops::RangeInclusive<u64>) -> Vec<String> {
    let name = |seq: u64| {
        if seq.is_multiple_of(10) {
            "progress"
        } else {
            "output"
        }
    };
    seqs.map(|seq| format!("{} {epoch}-{seq}", name(seq))).collect()
}

#[tokio::test]
async fn a_stream_tells_the_whole_life_in_order() {
    let world = World::new().await;
    let job = world.echo().await.to_string();
    let mut client = Client::open(&world, &job, None).await;
    let first = client.next().await.expect("a status");
    assert_eq!(
        (first.name.as_str(), first.id.as_str(), &first.data["status"]),
        ("status", "0-0", &json!("queued"))
    );
    assert_eq!(first.data["queue"]["position"], 0);
    assert!(first.data.get("input").is_none());
    let run = world.claim().await;
    let second = client.next().await.expect("a status");
    assert_eq!(
        (second.name.as_str(), &second.data["status"]),
        ("status", &json!("processing"))
    );
    assert!(second.data.get("attempts").is_none());
    world.tell(run, 1..=12).await;
    for seq in 1..=12u64 {
        let event = client.next().await.expect("an event");
        assert_eq!(event.id, format!("1-{seq}"));
        if seq == 10 {
            assert_eq!(event.data, json!({"fraction": 0.5, "stage": "running"}));
        } else {
            assert_eq!(
                event.data,
                json!({"index": seq - 1, "chunk": format!("chunk {seq}")})
            );
        }
    }
    world
        .finish(run, Outcome::Succeeded("{\"a\":1}".to_owned()), 12)
        .await;
    let done = client.next().await.expect("done");
    assert_eq!(
        (done.name.as_str(), done.id.as_str(), &done.data["output"]),
        ("done", "1-12", &json!({"a": 1}))
    );
    assert_eq!(done.data["input"], json!({"hello": "world"}));
    assert_eq!(done.data["attempts"][0]["outcome"], "succeeded");
    assert_eq!(client.next().await, None);
}

#[tokio::test]
async fn a_late_or_returning_client_sees_each_event_once() {
    let world = World::new().await;
    let job = world.echo().await.to_string();
    let run = world.claim().await;
    world.tell(run, 1..=600).await;
    world.finish(run, Outcome::Succeeded("{}".to_owned()), 600).await;
    let after = |place: &str, seq: u64| {
        let mut names = vec![format!("status {place}")];
        names.extend(numbered(1, seq + 1..=600));
        names.push("done 1-600".to_owned());
        names
    };
    assert_eq!(
        Client::open(&world, &job, None).await.names().await,
        after("0-0", 0),
        "more than a client may hold at once"
    );
    for seq in [0, 597, 600] {
        let place = format!("1-{seq}");
        let names = Client::open(&world, &job, Some(&place)).await.names().await;
        assert_eq!(names, after(&place, seq));
    }
    let path = format!("/v1/jobs/{job}/events?starting_after=1-599");
    let read = send(&world.api(), world.request(Method::GET, &path).finish()).await;
    assert_eq!(read.text.matches("event: ").count(), 3, "{}", read.text);
}

#[tokio::test]
async fn a_new_run_resets_and_old_runs_are_void() {
    let world = World::new().await;
    let job = world.echo().await.to_string();
    let first = world.claim().await;
    let mut client = Client::open(&world, &job, None).await;
    assert_eq!(client.next().await.expect("status").data["status"], "processing");
    world.tell(first, 1..=3).await;
    world.finish(first, Outcome::HandedBack { solo: false }, 3).await;
    let second = world.claim().await;
    assert_eq!(second.1, 2);
    world.tell(second, 1..=2).await;
    // A zombie of the first run still talks.
    world.tell(first, 4..=5).await;
    world.tell(second, 3..=3).await;
    world.finish(second, Outcome::Succeeded("{}".to_owned()), 3).await;
    let names: Vec<String> = client
        .names()
        .await
        .into_iter()
        .filter(|n| !n.starts_with("status"))
        .collect();
    let want = [
        "output 1-1",
        "output 1-2",
        "output 1-3",
        "reset 1-3",
        "output 2-1",
        "output 2-2",
        "output 2-3",
        "done 2-3",
    ];
    assert_eq!(names, want);
    let back = Client::open(&world, &job, Some("1-2")).await.names().await;
    let second_run = ["output 2-1", "output 2-2", "output 2-3", "done 2-3"];
    assert_eq!(back[..2], ["reset 1-2", "status 1-2"]);
    assert_eq!(back[2..], second_run);
    let new = Client::open(&world, &job, None).await.names().await;
    assert_eq!(new[..1], ["status 0-0"]);
    assert_eq!(new[1..], second_run);
    let imagined = Client::open(&world, &job, Some("9-9")).await.names().await;
    assert_eq!(imagined[..2], ["reset 0-0", "status 0-0"]);
    assert_eq!(imagined[2..], second_run);
}

#[tokio::test]
async fn missing_events_are_told_as_a_gap() {
    let world = World::new().await;
    let job = world.echo().await.to_string();
    let run = world.claim().await;
    let mut client = Client::open(&world, &job, None).await;
    client.next().await.expect("status");
    world.tell(run, [1, 2, 5]).await;
    let names = [client.next().await, client.next().await].map(|e| e.expect("an event").name);
    assert_eq!(names, ["output", "output"]);
    let gap = client.next().await.expect("a gap");
    assert_eq!(
        (gap.name.as_str(), gap.id.as_str(), gap.data),
        ("gap", "1-2", json!({"after": 2, "before": 5}))
    );
    assert_eq!(client.next().await.expect("an event").id, "1-5");
    // The run ended at 8; the last three never come.
    world.finish(run, Outcome::Succeeded("{}".to_owned()), 8).await;
    let gap = client.next().await.expect("a gap");
    assert_eq!(
        (gap.name.as_str(), gap.data),
        ("gap", json!({"after": 5, "before": 9}))
    );
    assert_eq!(client.next().await.expect("done").name, "done");
    assert_eq!(client.next().await, None);
}

/// A carrier whose kept events can't be read the first times: it does not answer in time.
struct Stammering {
    events: Arc<MemoryEvents>,
    failures: AtomicUsize,
}

#[async_trait]
impl Events for Stammering {
    async fn publish(&self, job: JobId, events: Vec<JobEvent>) {
        self.events.publish(job, events).await;
    }

    async fn close(&self, job: JobId) {
        self.events.close(job).await;
    }

    async fn subscribe(&self, job: JobId, after: EventId) -> Subscription {
        let subscription = self.events.subscribe(job, after).await;
        let less = |n: usize| n.checked_sub(1);
        if self
            .failures
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
            .is_err()
        {
            return subscription;
        }
        Subscription {
            replay: Vec::new(),
            more: false,
            gap: false,
            connected: false,
            live: subscription.live,
        }
    }
}

#[tokio::test]
async fn kept_events_that_could_not_be_read_at_once_are_no_gap() {
    let mut world = World::new().await;
    world.carried_by(Arc::new(Stammering {
        events: world.events.clone(),
        failures: AtomicUsize::new(2),
    }));
    let job = world.echo().await.to_string();
    let run = world.claim().await;
    world.tell(run, 1..=5).await;
    let mut client = Client::open(&world, &job, None).await;
    client.next().await.expect("status");
    // It comes live, before those that are kept have been read.
    world.tell(run, [6]).await;
    for seq in 1..=6 {
        let event = client.next().await.expect("an event");
        assert_eq!((event.name.as_str(), event.id), ("output", format!("1-{seq}")));
    }
    world.finish(run, Outcome::Succeeded("{}".to_owned()), 6).await;
    assert_eq!(client.next().await.expect("done").name, "done");
}

#[tokio::test]
async fn a_slow_client_that_was_overtaken_still_sees_everything() {
    let world = World::new().await;
    let job = world.echo().await.to_string();
    let run = world.claim().await;
    let mut client = Client::open(&world, &job, None).await;
    client.next().await.expect("status");
    // Far more than the live channel holds, while the client reads nothing.
    for first in (1..=2000).step_by(100) {
        world.tell(run, first..first + 100).await;
    }
    world.finish(run, Outcome::Succeeded("{}".to_owned()), 2000).await;
    let names: Vec<String> = client
        .names()
        .await
        .into_iter()
        .filter(|n| !n.starts_with("status"))
        .collect();
    let mut want = numbered(1, 1..=2000);
    want.push("done 1-2000".to_owned());
    assert_eq!(names, want);
}

#[tokio::test]
async fn two_hundred_streams_with_random_breaks_see_every_chunk_once_in_order() {
    let world = World::new().await;
    let job = world.echo().await.to_string();
    let run = world.claim().await;
    let world = &world;
    let readers = (0..200).map(|n: u64| {
        let job = job.clone();
        async move {
            let (mut seen, mut last, mut breaks) = (Vec::new(), None::<String>, 0);
            loop {
                let mut client = Client::open(world, &job, last.as_deref()).await;
                let patience = 3 + (n * 7 + breaks * 13) % 50;
                for _ in 0..patience {
                    let Some(event) = client.next().await else {
                        return (seen, breaks);
                    };
                    if event.name == "output" {
                        seen.push(event.data["index"].as_u64().expect("a number"));
                    }
                    assert_ne!(event.name, "gap");
                    if event.name == "done" {
                        return (seen, breaks);
                    }
                    last = Some(event.id);
                }
                breaks += 1;
            }
        }
    });
    let telling = async {
        for seq in 1..=300 {
            world.events.clone().publish_one(run, seq).await;
            tokio::task::yield_now().await;
        }
        world.finish(run, Outcome::Succeeded("{}".to_owned()), 300).await;
    };
    let (results, ()) = tokio::join!(futures::future::join_all(readers), telling);
    let want: Vec<u64> = (1..=300u64)
        .filter(|seq| !seq.is_multiple_of(10))
        .map(|seq| seq - 1)
        .collect();
    assert!(results.iter().all(|(seen, _)| *seen == want));
    let breaks: u64 = results.iter().map(|(_, breaks)| breaks).sum();
    println!(
        "streams: {}, breaks: {breaks}, chunks each: {}, lost 0, repeated 0",
        results.len(),
        want.len()
    );
    assert!(breaks > 400);
}

trait PublishOne {
    async fn publish_one(self, run: (lamplighter_shared::id::JobId, i64), seq: u64);
}

impl PublishOne for std::sync::Arc<lamplighter_shared::events::MemoryEvents> {
    async fn publish_one(self, run: (lamplighter_shared::id::JobId, i64), seq: u64) {
        lamplighter_shared::events::Events::publish(&*self, run.0, vec![output(run.1, seq)]).await;
    }
}

#[tokio::test]
async fn submitting_can_stream_at_once() {
    let world = World::new().await;
    let body = json!({"model": "echo", "input": {}}).to_string();
    let request = world
        .submission()
        .header("accept", "text/event-stream")
        .body(body);
    let mut response = poem::Endpoint::get_response(&world.api(), request).await;
    assert!(
        response
            .header("location")
            .is_some_and(|l| l.starts_with("/v1/jobs/job_"))
    );
    let run = world.claim().await;
    world.tell(run, 1..=2).await;
    world.finish(run, Outcome::Succeeded("{}".to_owned()), 2).await;
    let text = response.take_body().into_string().await.expect("text");
    assert_eq!(text.matches("event: output").count(), 2, "{text}");
    assert!(text.contains("event: done"));
}

#[tokio::test]
async fn streams_of_an_owner_are_capped_and_given_back() {
    let world = World::with(|config| config.server.streams_per_owner = 2).await;
    let job = world.echo().await.to_string();
    let api = world.api();
    let open = async || {
        let request = world.request(Method::GET, &format!("/v1/jobs/{job}/events"));
        poem::Endpoint::get_response(&api, request.finish()).await
    };
    let held = [open().await, open().await];
    assert!(held.iter().all(|response| response.status().is_success()));
    let refused = open().await;
    assert_eq!(
        (refused.status().as_u16(), refused.header("retry-after")),
        (429, Some("5"))
    );
    drop(held);
    assert!(open().await.status().is_success());
}

#[tokio::test]
async fn a_revoked_token_loses_its_stream() {
    let world = World::new().await;
    let job = world.echo().await.to_string();
    let mut client = Client::open(&world, &job, None).await;
    client.next().await.expect("status");
    lamplighter_api::auth::token::revoke(&world.state.db, &world.state.cache, &world.token)
        .await
        .expect("revoked");
    assert_eq!(client.next().await, None);
}

#[tokio::test]
async fn canceling_a_waiting_job_ends_its_stream() {
    let world = World::new().await;
    let job = world.echo().await.to_string();
    let mut client = Client::open(&world, &job, None).await;
    client.next().await.expect("status");
    world.post(&format!("/v1/jobs/{job}/cancel")).await;
    let done = client.next().await.expect("done");
    assert_eq!(
        (done.name.as_str(), &done.data["status"]),
        ("done", &json!("canceled"))
    );
}

#[tokio::test]
async fn a_client_may_name_the_last_place_there_is() {
    let world = World::new().await;
    let job = world.echo().await.to_string();
    let run = world.claim().await;
    let last = format!("1-{}", u64::MAX);
    let client = Client::open(&world, &job, Some(&last)).await;
    world.tell(run, 1..=5).await;
    world.finish(run, Outcome::Succeeded("{}".to_owned()), 5).await;
    // All there is stands before its place: no event, and above all no gap that goes backwards.
    assert_eq!(
        client.names().await,
        [format!("status {last}"), format!("done {last}")]
    );
}
