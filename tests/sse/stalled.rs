//! Clients that ask and never read: they are cut, what was held for them is freed, and nobody else
//! notices.

use std::{
    fs,
    time::{Duration, Instant},
};

use lamplighter_testkit::server::Server;
use serde_json::json;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpSocket, TcpStream},
};

use crate::{
    listener::{Listener, sum},
    server,
};

/// Answers that a stalled client asks for at once, 500 kB each: more than the buffers of a connection.
const ASKED: usize = 16;
/// Clients that stall in one round.
const STALLED: usize = 12;
/// Streams that the owner may have: enough for one round, and too few for two that are not given back.
const STREAMS: usize = 16;
/// Streams that read all the time.
const READING: usize = 4;
/// Of each round: the stall is noticed 2 s after the buffers are full; filling them takes a busy machine
/// a while.
const CUT_WITHIN: Duration = Duration::from_secs(20);

fn descriptors(server: &Server) -> usize {
    fs::read_dir(format!("/proc/{}/fd", server.pid()))
        .expect("the server runs")
        .count()
}

/// Asks for a path many times over and reads nothing.
async fn stall(server: &Server, path: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a small buffer");
    let address = server.address();
    let mut stream = socket
        .connect(address.parse().expect("a numeric address"))
        .await
        .expect("the server takes connections");
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\n\r\n",
        server.token()
    );
    // The server stops reading when it can't answer; what does not fit is not needed.
    let all = request.repeat(ASKED);
    let _ = tokio::time::timeout(Duration::from_millis(200), stream.write_all(all.as_bytes())).await;
    stream
}

/// Lets clients stall, waits until the server has let go of them, and returns how long that took.
async fn round(server: &Server, big: &str, baseline: usize) -> Duration {
    // All at once: one after the other they could take as long as the first of them may stall.
    let stalling = (0..STALLED).map(async |number| {
        let path = match number % 3 {
            0 => format!("/v1/jobs/{big}"),
            _ => format!("/v1/jobs/{big}/events"),
        };
        stall(server, &path).await
    });
    let stalled = futures::future::join_all(stalling).await;
    let started = Instant::now();
    // All are in before the first is out: a stalled client costs at least the timeout.
    until(server, started, |open| open >= baseline + STALLED).await;
    until(server, started, |open| open <= baseline + 4).await;
    drop(stalled);
    started.elapsed()
}

/// Waits until the number of the server's descriptors is as it should be.
async fn until(server: &Server, started: Instant, fits: impl Fn(usize) -> bool) {
    while !fits(descriptors(server)) {
        let elapsed = started.elapsed();
        assert!(
            elapsed < CUT_WITHIN,
            "{} descriptors after {elapsed:?}",
            descriptors(server)
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_never_read_are_cut_and_cost_nothing_after() {
    let server = server()
        .config(&format!(
            "[server]\nwrite_timeout_seconds = 2\nstreams_per_owner = {STREAMS}\n"
        ))
        .start()
        .await;
    // Input and output are both in an answer.
    let blob = "x".repeat(250_000);
    let big = server
        .post_job(&json!({"model": "echo", "input": {"blob": blob}}))
        .await;
    let big = server.wait(&big).await["id"].as_str().expect("an id").to_owned();
    let input = json!({"chunks": 500, "sleep_ms": 12_000});
    let job = server.post_job(&json!({"model": "echo", "input": input})).await;
    let baseline = descriptors(&server);
    let normal: tokio::task::JoinSet<_> = (0..READING)
        .map(|seed| {
            let listener = Listener {
                api: server.api().clone(),
                job: job["id"].as_str().expect("an id").to_owned(),
                chunks: 500,
                patience: 0,
                seen_by_all: Default::default(),
            };
            listener.follow(seed as u64)
        })
        .collect();
    until(&server, Instant::now(), |open| open >= baseline + READING).await;
    let (mut cut, mut resident) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        cut.push(round(&server, &big, baseline + READING).await);
        resident.push(server.rss_kb());
    }
    let others = sum(normal.join_all().await);
    // Every slot that a stalled stream had is free again.
    let waiting = server
        .post_job(&json!({"model": "echo", "input": {"sleep_ms": 600_000}}))
        .await;
    let waiting = waiting["id"].as_str().expect("an id");
    let mut again = Vec::new();
    for _ in 0..STREAMS {
        let events = server.events(waiting, None).await;
        again.push(events.unwrap_or_else(|e| panic!("stream {} is refused: {e}", again.len())));
    }
    assert!(server.events(waiting, None).await.is_err(), "the cap is real");
    drop(again);
    println!(
        "3 × {STALLED} stalled clients, write timeout 2 s: all cut after {cut:?}; resident {resident:?} KiB; \
         others lost {}, repeated {}",
        others.lost, others.repeated
    );
    assert_eq!((others.lost, others.repeated, others.gaps), (0, 0, 0));
    assert_eq!(others.faults, [""; 0]);
    // The first round fills the allocator's pools, whose size then varies by some MiB; one round holds more.
    assert!(resident[2] < resident[0] + 16 * 1024, "{resident:?} KiB");
    let (status, _) = server.get("/readyz").await;
    assert_eq!(status.as_u16(), 200);
}
