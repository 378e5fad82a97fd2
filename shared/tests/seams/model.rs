//! Events against a model: whatever is published, trimmed, begun anew, flushed and repeated, a watcher that
//! resumes from its place sees no event twice, none out of order, none of a run that was given up, and no
//! hole that it was not told of.

use lamplighter_shared::{
    event::{EventId, JobEvent},
    events::{Events, MemoryLimits},
    id::JobId,
};
use rand::{Rng, RngExt, SeedableRng, rngs::SmallRng};

use crate::world::{Pair, at, events, output, subscribed, until};

const STEPS: usize = 150;
const KEPT: usize = 20;

/// What a client knows: its place, and what it was handed.
#[derive(Default)]
struct Client {
    last: EventId,
    seen: usize,
    gaps: usize,
}

impl Client {
    /// Takes up what is kept after its place, as a stream of the API does.
    async fn resume(&mut self, events: &dyn Events, job: JobId, what: &str) {
        loop {
            let subscription = subscribed(events, job, self.last).await;
            let (from, told) = (self.last, subscription.gap);
            let gaps = self.gaps;
            for event in &subscription.replay {
                let id = event.id().expect("only numbered events are kept");
                assert!(id > self.last, "{what}: {id} after {}", self.last);
                let expected = if id.epoch == self.last.epoch {
                    self.last.seq + 1
                } else {
                    1
                };
                if id.seq > expected {
                    assert!(
                        told,
                        "{what}: from {from} a hole {expected}..{} nobody told of",
                        id.seq
                    );
                }
                assert_eq!(*event, output(id.epoch, id.seq), "{what}: another event's text");
                self.gaps += usize::from(id.seq > expected);
                self.last = id;
                self.seen += 1;
            }
            assert_eq!(
                told,
                self.gaps > gaps,
                "{what}: from {from} a hole is told of that is none"
            );
            if !subscription.more {
                return;
            }
        }
    }
}

async fn run(pair: &Pair<dyn Events>, seed: u64) {
    let mut rng = SmallRng::seed_from_u64(seed);
    let job = JobId::generate();
    let mut clients: Vec<Client> = (0..3).map(|_| Client::default()).collect();
    let mut top = EventId { epoch: 1, seq: 0 };
    let mut published = 0;
    for step in 0..STEPS {
        let what = format!("{} seed {seed} step {step}", pair.name);
        let publisher = if rng.random_bool(0.5) {
            &pair.here
        } else {
            &pair.there
        };
        match rng.random_range(0..100) {
            0..50 => {
                let many = rng.random_range(1..=KEPT as u64 / 2);
                let batch = (1..=many).map(|n| output(top.epoch, top.seq + n)).collect();
                publisher.publish(job, batch).await;
                top.seq += many;
                published += many;
                arrived(&*pair.there, job, top).await;
            }
            // A zombie, or the same again.
            50..60 if top.seq > 0 => {
                let epoch = rng.random_range(1..=top.epoch);
                let seq = rng.random_range(1..=top.seq);
                let batch = vec![output(epoch, seq), JobEvent::Changed];
                publisher.publish(job, batch).await;
            }
            60..65 if top.seq > 0 => {
                top = at(top.epoch + rng.random_range(1..=3), 0);
            }
            65..68 => flush(pair),
            68..72 => publisher.publish(job, vec![JobEvent::Changed]).await,
            72..74 => poison(pair, job, &mut rng),
            _ => {
                let at = rng.random_range(0..clients.len());
                clients[at].resume(&*pair.there, job, &what).await;
            }
        }
    }
    top.seq += 1;
    pair.here.publish(job, vec![output(top.epoch, top.seq)]).await;
    arrived(&*pair.there, job, top).await;
    let what = format!("{} seed {seed} at the end", pair.name);
    for client in &mut clients {
        client.resume(&*pair.there, job, &what).await;
        assert_eq!(client.last, top, "{what}");
    }
    let seen: usize = clients.iter().map(|c| c.seen).sum();
    let gaps: usize = clients.iter().map(|c| c.gaps).sum();
    println!(
        "{} seed {seed}: {published} published, {seen} seen by 3 clients, {gaps} gaps told",
        pair.name
    );
}

async fn arrived(events: &dyn Events, job: JobId, last: EventId) {
    until("the events are kept", || async {
        let before = at(last.epoch, last.seq - 1);
        let kept = subscribed(events, job, before).await.replay;
        kept.last().and_then(JobEvent::id) == Some(last)
    })
    .await;
}

fn flush(pair: &Pair<dyn Events>) {
    if let Some(server) = &pair.server {
        server.command(&["FLUSHALL"]);
    }
}

/// Somebody else writes where our events are.
fn poison(pair: &Pair<dyn Events>, job: JobId, rng: &mut impl Rng) {
    let Some(server) = &pair.server else { return };
    let key = format!("lamplighter:events:{job}");
    match rng.random_range(0..3) {
        0 => {
            server.command(&["SET", &key, "no stream"]);
        }
        1 => {
            server.command(&["XADD", &key, "*", "some", "thing"]);
        }
        _ => {
            server.command(&["PUBLISH", &key, "[{\"type\":1}, no JSON"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_event_twice_and_no_hole_that_is_not_told() {
    let seeds: Vec<u64> = match std::env::var("LAMPLIGHTER_TEST_SEED") {
        Ok(seed) => vec![seed.parse().expect("LAMPLIGHTER_TEST_SEED is a number")],
        Err(_) => (0..6).map(|_| rand::random_range(0..1_000_000)).collect(),
    };
    let limits = MemoryLimits {
        events_per_job: KEPT,
        ..Default::default()
    };
    for pair in events(limits).await {
        for seed in &seeds {
            println!("LAMPLIGHTER_TEST_SEED={seed} replays");
            run(&pair, *seed).await;
        }
    }
}
