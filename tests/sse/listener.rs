//! A client that follows one job to its end, connects again when the stream breaks, breaks it itself now
//! and then, and counts what it should never have seen.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use lamplighter_testkit::{
    api::Api,
    http_client,
    sse::{Event, Events, OpenError},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::Value;

/// What to follow, and how badly.
#[derive(Clone)]
pub struct Listener {
    /// The server, as the job's owner.
    pub api: Api,
    /// The job's id.
    pub job: String,
    /// Chunks that each run of the job tells.
    pub chunks: u64,
    /// Hang up after 1 to this many events; 0: never.
    pub patience: u64,
    /// Chunks that were seen by all who share this.
    pub seen_by_all: Arc<AtomicU64>,
}

/// What a client has seen.
#[derive(Debug, Default)]
pub struct Seen {
    /// Times it hung up.
    pub disconnects: u64,
    /// Times it continued by `?starting_after=` instead of `Last-Event-ID`.
    pub by_query: u64,
    /// `reset` events.
    pub resets: u64,
    /// `gap` events.
    pub gaps: u64,
    /// Chunks left out without a `gap` before them.
    pub lost: u64,
    /// Chunks that came again in one run.
    pub repeated: u64,
    /// Other faults, in words.
    pub faults: Vec<String>,
    /// The job as `done` told it.
    pub job: Value,
    last_id: String,
    /// The run of the last chunk, and the index of the next.
    run: (u64, u64),
    /// A `gap` said that the next index may jump.
    excused: bool,
}

impl Seen {
    /// Takes one event in; says whether it was the last.
    pub fn take(&mut self, event: &Event) -> bool {
        match event.name.as_str() {
            "output" => self.take_chunk(event),
            "progress" => self.take_number(&event.id),
            "reset" => {
                self.resets += 1;
                self.run = (0, 0);
            }
            "gap" => {
                self.gaps += 1;
                self.excused = true;
            }
            "status" => {}
            "done" => self.job = event.data.clone(),
            other => self.faults.push(format!("an unknown event: {other}")),
        }
        self.last_id.clone_from(&event.id);
        event.name == "done"
    }

    fn take_chunk(&mut self, event: &Event) {
        self.take_number(&event.id);
        let index = event.data["index"].as_u64().unwrap_or(u64::MAX);
        let (epoch, _) = place(&event.id);
        if self.run.0 == 0 {
            self.run.0 = epoch;
        }
        if self.run.0 != epoch {
            self.faults
                .push(format!("no reset between runs {} and {epoch}", self.run.0));
            self.run = (epoch, 0);
        }
        match self.run.1 {
            next if index < next => self.repeated += 1,
            next if index > next && !self.excused => self.lost += index - next,
            _ => {}
        }
        self.run.1 = self.run.1.max(index + 1);
        self.excused = false;
        if event.data["chunk"] != format!("chunk {index}") {
            self.faults.push(format!("a wrong chunk: {}", event.data));
        }
    }

    /// Numbered events come in the order of their numbers.
    fn take_number(&mut self, id: &str) {
        if place(id) <= place(&self.last_id) {
            self.faults.push(format!("{id} after {}", self.last_id));
        }
    }

    /// Counts the chunks that are missing at the end.
    fn finish(&mut self, chunks: u64) {
        if !self.excused {
            self.lost += chunks.saturating_sub(self.run.1);
        }
        if self.job["status"] != "succeeded" {
            self.faults.push(format!("ended as {}", self.job["status"]));
        }
    }
}

/// `<epoch>-<seq>` as numbers; `(0, 0)` before any.
fn place(id: &str) -> (u64, u64) {
    let part = |text: &str| text.parse().unwrap_or(0);
    id.split_once('-')
        .map_or((0, 0), |(epoch, seq)| (part(epoch), part(seq)))
}

impl Listener {
    /// Follows the job until `done`.
    ///
    /// # Panics
    /// Where the server refuses the stream for good.
    pub async fn follow(self, seed: u64) -> Seen {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut seen = Seen::default();
        let http = http_client();
        loop {
            let by_query = !seen.last_id.is_empty() && rng.random_bool(0.3);
            seen.by_query += u64::from(by_query);
            let query = if by_query {
                format!("?starting_after={}", seen.last_id)
            } else {
                String::new()
            };
            let url = self.api.url(&format!("/v1/jobs/{}/events{query}", self.job));
            let header = (!by_query && !seen.last_id.is_empty()).then_some(seen.last_id.as_str());
            match Events::open(&http, &url, self.api.token(), header).await {
                Ok(events) => {
                    let patience = match self.patience {
                        0 => u64::MAX,
                        most => rng.random_range(1..=most),
                    };
                    if self.listen(events, patience, &mut seen).await {
                        seen.finish(self.chunks);
                        return seen;
                    }
                }
                Err(OpenError::Refused(status, body)) if status.is_client_error() => {
                    panic!("{url}: {status} {body}")
                }
                // The server is away; it will be back.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..30))).await;
        }
    }

    /// Reads until `done` (true), the end of the stream, or the end of patience.
    async fn listen(&self, mut events: Events, patience: u64, seen: &mut Seen) -> bool {
        for _ in 0..patience {
            match events.next().await {
                Some(Ok(event)) => {
                    if event.name == "output" {
                        self.seen_by_all.fetch_add(1, Ordering::Relaxed);
                    }
                    if seen.take(&event) {
                        return true;
                    }
                }
                Some(Err(_)) | None => return false,
            }
        }
        seen.disconnects += 1;
        false
    }
}

/// What all clients together have seen.
pub fn sum(all: Vec<Seen>) -> Seen {
    let mut sum = Seen::default();
    for seen in all {
        sum.disconnects += seen.disconnects;
        sum.by_query += seen.by_query;
        sum.resets += seen.resets;
        sum.gaps += seen.gaps;
        sum.lost += seen.lost;
        sum.repeated += seen.repeated;
        sum.faults.extend(seen.faults);
    }
    sum
}

/// The seed of this run: `TEST_SEED`, else a new one.
pub fn seed() -> u64 {
    std::env::var("TEST_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| rand::rng().random_range(0..1_000_000))
}
