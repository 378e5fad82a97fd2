//! Streams that break: by their clients, and by the end of the server.

use std::{
    sync::{Arc, atomic::AtomicU64, atomic::Ordering},
    time::{Duration, Instant},
};

use lamplighter_testkit::server::Server;
use serde_json::json;
use tokio::task::JoinSet;

use crate::{
    listener::{Listener, Seen, seed, sum},
    server,
};

/// Jobs that stream, and clients that follow each of them.
struct Scene {
    jobs: u64,
    clients: u64,
    chunks: u64,
    sleep_ms: u64,
    patience: u64,
}

impl Scene {
    /// Submits the jobs and sends the clients.
    async fn begin(&self, server: &Server, seed: u64) -> (JoinSet<Seen>, Arc<AtomicU64>) {
        let mut clients = JoinSet::new();
        let seen_by_all = Arc::new(AtomicU64::new(0));
        for number in 0..self.jobs {
            let input = json!({"sleep_ms": self.sleep_ms, "chunks": self.chunks});
            let job = server.post_job(&json!({"model": "echo", "input": input})).await;
            for client in 0..self.clients {
                let listener = Listener {
                    api: server.api().clone(),
                    job: job["id"].as_str().expect("an id").to_owned(),
                    chunks: self.chunks,
                    patience: self.patience,
                    seen_by_all: seen_by_all.clone(),
                };
                clients.spawn(listener.follow(seed + number * self.clients + client));
            }
        }
        (clients, seen_by_all)
    }
}

async fn end(clients: JoinSet<Seen>) -> Vec<Seen> {
    tokio::time::timeout(Duration::from_secs(90), clients.join_all())
        .await
        .expect("every stream comes to its end")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_disconnects_lose_and_repeat_nothing() {
    let (server, seed, started) = (server().start().await, seed(), Instant::now());
    let scene = Scene {
        jobs: 50,
        clients: 4,
        chunks: 80,
        sleep_ms: 3000,
        patience: 25,
    };
    let (clients, _) = scene.begin(&server, seed).await;
    let all = sum(end(clients).await);
    println!(
        "200 streams, {} disconnects ({} resumed by query), lost {}, repeated {}; seed {seed}, {:?}",
        all.disconnects,
        all.by_query,
        all.lost,
        all.repeated,
        started.elapsed()
    );
    assert_eq!((all.lost, all.repeated, all.gaps, all.resets), (0, 0, 0, 0));
    assert_eq!(all.faults, [""; 0]);
    assert!(
        all.disconnects > 200 && all.by_query > 20,
        "the test did its worst"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_resets_its_streams_and_tells_everything_again() {
    let (mut server, seed, started) = (server().start().await, seed(), Instant::now());
    let scene = Scene {
        jobs: 10,
        clients: 4,
        chunks: 60,
        sleep_ms: 4000,
        patience: 40,
    };
    let (clients, seen_by_all) = scene.begin(&server, seed).await;
    // In the middle of the first run of every job: each client has seen a third of it on average.
    while seen_by_all.load(Ordering::Relaxed) < 10 * 4 * 20 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    server.kill9();
    server.restart().await;
    let all = end(clients).await;
    let reset = all.iter().filter(|seen| seen.resets > 0).count();
    let attempts = all.iter().filter_map(|seen| seen.job["attempt"].as_u64()).max();
    let all = sum(all);
    println!(
        "40 streams, 1 kill, {reset} told of a reset, {} disconnects, lost {}, repeated {}; seed {seed}, {:?}",
        all.disconnects,
        all.lost,
        all.repeated,
        started.elapsed()
    );
    assert_eq!((all.lost, all.repeated, all.gaps), (0, 0, 0));
    assert_eq!(all.faults, [""; 0]);
    assert_eq!(reset, 40, "every client was in the first run");
    assert_eq!(attempts, Some(2));
}
