//! R15: clients that ask for events and never read them are cut, cost a bounded amount of memory, and disturb
//! nobody; clients that come and go by the thousand leave nothing behind.

use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use lamplighter_testkit::{api::Api, fleet::Fleet, scenario::sized};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::{interval, sleep},
};

use crate::{
    signs::{metric, until},
    streams::quantile,
    support::Trial,
};

/// KiB for a slow reader: 64 that may be kept for it, and what a connection and a stream take by themselves
/// without optimisation; and what the process may take besides: pools of the allocator.
const MEMORY_KIB: (u64, u64) = (64 + 96, 16 * 1024);
/// Their socket is full within seconds, and then 2 s of no progress are the end.
const CONFIG: &str = "[server]\nwrite_timeout_seconds = 2\nstreams_per_owner = 3000\n";
const CUT_WITHIN: Duration = Duration::from_secs(30);
/// From when an event was due to when a normal reader had it, for 99 of 100. 0.1 s on a free machine; one that
/// is so busy that readers fall behind the live events needs seconds.
const LATENCY: Duration = Duration::from_secs(5);
/// Clients that come and go at the same time.
const AT_ONCE: usize = 32;
/// Descriptors more or less than before.
const DESCRIPTORS: usize = 10;

/// What an API process holds.
#[derive(Debug, Clone, Copy)]
struct Held {
    descriptors: usize,
    /// Open event streams, by its own count.
    streams: usize,
    /// Channels that anybody is subscribed to.
    channels: usize,
}

impl Held {
    async fn by(fleet: &Fleet) -> Self {
        let redis = fleet.redis.as_ref().expect("a fleet with Redis");
        Self {
            descriptors: descriptors(fleet),
            streams: metric(&fleet.apis[0], "sse_clients").await as usize,
            channels: redis.command(&["PUBSUB", "CHANNELS"]).list().len(),
        }
    }

    fn is_back_at(self, before: Self) -> bool {
        self.descriptors.abs_diff(before.descriptors) <= DESCRIPTORS
            && self.streams <= before.streams
            && self.channels <= before.channels
    }
}

fn descriptors(fleet: &Fleet) -> usize {
    let folder = format!("/proc/{}/fd", fleet.apis[0].pid());
    fs::read_dir(folder).expect("the API runs").count()
}

/// Reads all of a job's events: when each chunk came, by its number, and whether any was missing.
async fn read_all(api: Api, job: String, began: Instant) -> Vec<(u64, Duration)> {
    let mut events = api.events(&job, None).await.expect("a stream");
    let mut came: Vec<(u64, Duration)> = Vec::new();
    loop {
        let event = events.next().await.expect("an event").expect("a whole event");
        match event.name.as_str() {
            "done" => return came,
            "output" => {
                let index = event.data["index"].as_u64().expect("a number");
                assert_eq!(index, came.len() as u64, "once, and in order");
                came.push((index, began.elapsed()));
            }
            "gap" | "reset" => panic!("a normal reader is told {event:?}"),
            _ => {}
        }
    }
}

/// How long after it was due each event came. Chunks are made at even times; that of the one that came soonest
/// for its number is the start of the count.
fn latencies(readers: &[Vec<(u64, Duration)>], every: Duration) -> Vec<Duration> {
    let due = |index: u64| every.mul_f64(index as f64);
    let all = || readers.iter().flatten();
    let start = all().map(|(index, came)| came.saturating_sub(due(*index))).min();
    let start = start.unwrap_or_default();
    let late = |(index, came): &(u64, Duration)| came.saturating_sub(start + due(*index));
    let mut late: Vec<Duration> = all().map(late).collect();
    late.sort_unstable();
    late
}

#[tokio::test(flavor = "multi_thread")]
async fn r15_clients_that_never_read_are_cut_and_disturb_nobody() {
    let plan =
        |builder: lamplighter_testkit::fleet::Builder| builder.alone().apis(1).workers(1).config(CONFIG);
    let trial = Trial::begin("R15 slow readers", plan).await;
    let (slow, normal, chunks, run_ms) = sized((200, 50, 1_000, 8_000), (1_000, 50, 2_000, 40_000));
    let (fleet, api) = (&trial.fleet, trial.fleet.api(0));
    // Long ones, so that a socket of which nobody reads is soon full.
    let input = json!({"sleep_ms": run_ms, "chunks": chunks, "chunk_bytes": sized(300, 1_000)});
    let job = api.post_job(&json!({"model": "echo", "input": input})).await;
    let id = job["id"].as_str().expect("an id").to_owned();
    let path = format!("/v1/jobs/{id}/events");
    let began = Instant::now();
    let mut readers = JoinSet::new();
    for _ in 0..normal {
        readers.spawn(read_all(api.clone(), id.clone(), began));
    }
    until("all normal readers are there", async || {
        (metric(&fleet.apis[0], "sse_clients").await as usize >= normal).then_some(())
    })
    .await;
    let (open, resident) = (descriptors(fleet), fleet.apis[0].rss_kb());
    let mut stalled = Vec::new();
    // Not all at once: that is another scenario.
    let mut arrivals = interval(Duration::from_millis(100));
    while stalled.len() < slow {
        arrivals.tick().await;
        let some = (0..20).map(|_| api.stall(&path));
        stalled.extend(futures::future::join_all(some).await);
    }
    until("most of the slow readers have streams", async || {
        (metric(&fleet.apis[0], "sse_clients").await as usize >= normal + slow / sized(2, 10)).then_some(())
    })
    .await;
    let (stalled_at, mut most) = (Instant::now(), resident);
    let mut looks = interval(Duration::from_millis(50));
    while descriptors(fleet) > open + DESCRIPTORS {
        looks.tick().await;
        most = most.max(fleet.apis[0].rss_kb());
        assert!(
            stalled_at.elapsed() < CUT_WITHIN,
            "{} descriptors, {open} before",
            descriptors(fleet)
        );
    }
    let cut = stalled_at.elapsed();
    let came = readers.join_all().await;
    drop(stalled);
    let every = Duration::from_millis(run_ms) / u32::try_from(chunks).expect("few");
    let late = latencies(&came, every);
    trial.scenario.report(&format_args!(
        "slow={slow} all_cut_after={cut:?} resident_kib={resident} grown_kib={} normal={normal} events={} \
         latency_p50={:?} p99={:?} max={:?}",
        most - resident,
        late.len(),
        quantile(&late, 0.5),
        quantile(&late, 0.99),
        quantile(&late, 1.0),
    ));
    assert_eq!(late.len(), normal * chunks, "every normal reader had every chunk");
    assert!(
        most - resident <= MEMORY_KIB.0 * slow as u64 + MEMORY_KIB.1,
        "{} KiB for {slow} slow readers",
        most - resident
    );
    assert!(quantile(&late, 0.99) <= LATENCY, "{:?}", quantile(&late, 0.99));
}

/// Opens a stream and goes away: at once, after the first bytes, or after a while; orderly or not.
async fn come_and_go(api: &Api, job: &str, random: &mut StdRng) {
    let address = api.address();
    let mut stream = TcpStream::connect(&address).await.expect("it takes connections");
    let request = format!(
        "GET /v1/jobs/{job}/events HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\n\r\n",
        api.token()
    );
    stream.write_all(request.as_bytes()).await.expect("it listens");
    if random.random_bool(0.7) {
        let mut start = [0; 12];
        stream.read_exact(&mut start).await.expect("an answer");
        assert_eq!(&start, b"HTTP/1.1 200");
    }
    if random.random_bool(0.1) {
        sleep(Duration::from_millis(random.random_range(1..50))).await;
    }
    if random.random_bool(0.5) {
        stream.set_zero_linger().expect("a socket can be reset");
    }
}

/// So many clients come and go, some at once.
async fn crowd(api: &Api, jobs: &Arc<Vec<String>>, clients: usize, seed: u64) {
    let mut all = JoinSet::new();
    for lane in 0..AT_ONCE {
        let (api, jobs) = (api.clone(), jobs.clone());
        all.spawn(async move {
            let mut random = StdRng::seed_from_u64(seed + lane as u64);
            for _ in (lane..clients).step_by(AT_ONCE) {
                let job = &jobs[random.random_range(0..jobs.len())];
                come_and_go(&api, job, &mut random).await;
            }
        });
    }
    all.join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r15_clients_that_come_and_go_leave_nothing_behind() {
    let plan = |builder: lamplighter_testkit::fleet::Builder| builder.apis(1).workers(1).config(CONFIG);
    let trial = Trial::begin("R15 come and go", plan).await;
    let (fleet, api, seed) = (&trial.fleet, trial.fleet.api(0), trial.scenario.seed());
    let nobody = Held::by(fleet).await;
    // Some run, most wait; all are there until the end.
    let submits = (0..64).map(|_| async {
        let body = json!({"model": "echo", "input": {"sleep_ms": 600_000}});
        let job = api.post_job(&body).await;
        job["id"].as_str().expect("an id").to_owned()
    });
    let jobs = Arc::new(futures::future::join_all(submits).await);
    // Connections to the database, and to us, are as many as they ever will be.
    crowd(&api, &jobs, 200, seed).await;
    until("the first are gone", async || {
        let now = Held::by(fleet).await;
        (now.streams == 0 && now.channels <= nobody.channels).then_some(())
    })
    .await;
    let (before, resident) = (Held::by(fleet).await, fleet.apis[0].rss_kb());
    let (clients, began) = (sized(2_000, 10_000), Instant::now());
    crowd(&api, &jobs, clients, seed + 1_000).await;
    let took = began.elapsed();
    until("all is as before", async || {
        Held::by(fleet).await.is_back_at(before).then_some(())
    })
    .await;
    let (after, settled) = (Held::by(fleet).await, began.elapsed() - took);
    let grown = fleet.apis[0].rss_kb().saturating_sub(resident);
    trial.scenario.report(&format_args!(
        "clients={clients} took={took:?} settled_after={settled:?} before={before:?} after={after:?} grown_kib={grown}"
    ));
    // And whoever comes now is served.
    let mut events = api.events(&jobs[0], None).await.expect("a stream");
    events.until("status").await;
    assert!(grown <= MEMORY_KIB.1, "{grown} KiB");
}
