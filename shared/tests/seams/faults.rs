//! What happens to a Redis, and that nothing of it ends a listener, holds up a caller or is remembered: after
//! each fault rings and events are heard again within 5 s, without a restart of anything.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use lamplighter_shared::{
    cache::{Cache, Found, Redis, RedisCache},
    event::{EventId, JobEvent},
    events::{Events, RedisEvents},
    id::JobId,
    lifecycle::Lifecycle,
    queue::{Doorbell, Listener, RedisDoorbell},
};
use lamplighter_testkit::{
    proxy::{Fault, Proxy},
    redis,
};

use crate::world::{PATIENCE, connected, output, rung, settle, subscribed};

/// Heard again after the end of a fault.
const AGAIN: Duration = Duration::from_secs(5);

/// Two processes: one that tells (directly), one that listens (perhaps through a proxy).
struct Scene {
    server: redis::Redis,
    proxy: Option<Proxy>,
    teller: (RedisDoorbell, RedisEvents),
    bell: RedisDoorbell,
    events: Arc<RedisEvents>,
    cache: RedisCache,
    listener: Listener,
}

impl Scene {
    async fn start(options: redis::Options, with_proxy: bool) -> Self {
        let server = redis::Redis::start_with(options);
        let direct = connected(&server).await;
        let proxy = with_proxy.then(|| Proxy::start(server.port()));
        let url = proxy
            .as_ref()
            .map_or_else(|| server.url(), |p| p.url(&server.url(), server.port()));
        let redis = Redis::connect(&url).expect("an address");
        assert!(redis.connected_within(PATIENCE).await);
        let lifecycle = Lifecycle::default();
        let bell = RedisDoorbell::start(&redis, &lifecycle);
        let teller = (
            RedisDoorbell::start(&direct, &lifecycle),
            RedisEvents::start(&direct, &lifecycle),
        );
        let mut listener = bell.listen("m");
        settle(&teller.0, "m", &mut listener).await;
        let events = Arc::new(RedisEvents::start(&redis, &lifecycle));
        subscribed(&*events, JobId::generate(), EventId::default()).await;
        Self {
            cache: RedisCache::with_quarantine(&redis, Duration::ZERO),
            server,
            proxy,
            teller,
            bell,
            events,
            listener,
        }
    }

    /// Until a ring, a cancellation and an event have got through, as a worker and a stream would hear them.
    async fn heard_again(&mut self, what: &str) {
        let start = Instant::now();
        // What is heard from the connection itself (all bells once) says nothing yet.
        let mut rings = 0;
        while rings < 2 {
            self.teller.0.ring("m", JobId::generate()).await;
            rings += u32::from(rung(&mut self.listener, Duration::from_millis(50)).await);
            assert!(start.elapsed() < AGAIN, "{what}: no ring in {AGAIN:?}");
        }
        let rung = start.elapsed();
        let (mut cancels, job) = (self.bell.listen_cancels(), JobId::generate());
        loop {
            self.teller.0.ring_cancel(job).await;
            let heard = tokio::time::timeout(Duration::from_millis(50), cancels.recv()).await;
            if heard == Ok(Ok(job)) {
                break;
            }
            assert!(start.elapsed() < AGAIN, "{what}: no cancellation in {AGAIN:?}");
        }
        let (job, mut last, mut heard) = (JobId::generate(), EventId::default(), 0);
        for seq in 1.. {
            // A stream subscribes anew as long as it is told that not all will come.
            let mut subscription = self.events.subscribe(job, last).await;
            self.teller.1.publish(job, vec![output(1, seq)]).await;
            let live = tokio::time::timeout(Duration::from_millis(200), subscription.live.recv()).await;
            let events = subscription
                .replay
                .into_iter()
                .chain(live.ok().and_then(Result::ok));
            for id in events
                .filter_map(|e| e.id())
                .filter(|id| *id > last)
                .collect::<Vec<_>>()
            {
                last = id;
                heard += 1;
            }
            if heard >= 3 {
                break;
            }
            assert!(
                start.elapsed() < AGAIN + Duration::from_secs(1),
                "{what}: no events in {AGAIN:?}"
            );
            if !subscription.connected {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        println!(
            "{what}: rings heard after {rung:?}, events after {:?}",
            start.elapsed()
        );
        // A connection of its own, which comes back in its own time.
        while let Err(error) = self.cache.set("k", b"x", PATIENCE).await {
            assert!(
                start.elapsed() < AGAIN + Duration::from_secs(1),
                "{what}: {error}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The longest that each kind of call took while nothing answers.
    async fn calls_are_bounded(&self, what: &str) {
        let job = JobId::generate();
        let mut took = [Duration::ZERO; 4];
        for _ in 0..5 {
            let start = Instant::now();
            self.bell.ring("m", job).await;
            took[0] = took[0].max(start.elapsed());
            let start = Instant::now();
            self.events.publish(job, vec![JobEvent::Changed]).await;
            took[1] = took[1].max(start.elapsed());
            let start = Instant::now();
            let subscription = self.events.subscribe(job, EventId::default()).await;
            took[2] = took[2].max(start.elapsed());
            drop(subscription);
            let start = Instant::now();
            let _ = self.cache.get("k").await;
            took[3] = took[3].max(start.elapsed());
        }
        println!(
            "{what}: longest ring {:?}, publish {:?}, subscribe {:?}, cache {:?}",
            took[0], took[1], took[2], took[3]
        );
        let limits = [250, 100, 2500, 1000].map(Duration::from_millis);
        for (took, limit) in took.iter().zip(limits) {
            assert!(*took < limit, "{what}: {took:?} of {limit:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poison_in_the_streams_stops_nobody() {
    let mut scene = Scene::start(redis::Options::default(), false).await;
    let huge = "x".repeat(1 << 20);
    let poisons: [&[&str]; 9] = [
        &["XADD", "KEY", "*", "job", "job_nonsense"],
        &["XADD", "KEY", "*", "a", "b", "job", "", "c", "d"],
        &["XADD", "KEY", "*", "\u{0}", "\u{fffd}"],
        &["XADD", "KEY", "*", "job", &huge],
        &["SET", "KEY", "a text"],
        &["DEL", "KEY"],
        &[
            "XADD",
            "KEY",
            "18446744073709551615-18446744073709551615",
            "job",
            "last of all",
        ],
        &["XADD", "KEY", "18446744073709551614-0", "job", "nearly last"],
        &["XTRIM", "KEY", "MAXLEN", "0"],
    ];
    for poison in poisons {
        for key in ["lamplighter:bell:m", "lamplighter:cancels"] {
            if poison[0] == "SET" {
                scene.server.command(&["DEL", key]);
            }
            let words: Vec<&str> = poison.iter().map(|w| if *w == "KEY" { key } else { w }).collect();
            scene.server.command(&words);
        }
        let shown: String = poison.join(" ").chars().take(50).collect();
        scene.heard_again(&shown).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_connections_and_a_flush_are_survived() {
    let mut scene = Scene::start(redis::Options::default(), false).await;
    for round in 0..3 {
        for kind in ["normal", "pubsub"] {
            scene.server.command(&["CLIENT", "KILL", "TYPE", kind]);
        }
        scene.heard_again(&format!("CLIENT KILL {round}")).await;
        scene.server.command(&["FLUSHALL"]);
        scene.server.command(&["SCRIPT", "FLUSH"]);
        scene.heard_again(&format!("FLUSHALL {round}")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_and_an_empty_or_old_restart_are_survived() {
    let options = redis::Options {
        append_only: true,
        ..Default::default()
    };
    let mut scene = Scene::start(options, false).await;
    scene.server.kill9();
    scene.calls_are_bounded("killed").await;
    scene.server.restart();
    scene.heard_again("restart with what it knew").await;
    scene.server.restart_empty();
    scene.heard_again("restart with nothing").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stands_still_for_three_seconds_holds_nobody_up() {
    let mut scene = Scene::start(redis::Options::default(), false).await;
    scene.server.pause();
    let start = Instant::now();
    scene.calls_are_bounded("stopped").await;
    tokio::time::sleep(Duration::from_secs(3).saturating_sub(start.elapsed())).await;
    scene.server.resume();
    scene.heard_again("SIGSTOP for 3 s").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_swallows_resets_or_refuses_is_survived() {
    let mut scene = Scene::start(redis::Options::default(), true).await;
    let faults = [
        (Fault::BlackHole, 4000),
        (Fault::Mute, 3000),
        (Fault::Reset, 500),
        (Fault::HalfClose, 500),
        (Fault::Refuse, 1000),
    ];
    for (fault, ms) in faults {
        let set = |fault| scene.proxy.as_ref().expect("there is one").set(fault);
        set(fault);
        let start = Instant::now();
        scene.calls_are_bounded(&format!("{fault:?}")).await;
        tokio::time::sleep(Duration::from_millis(ms).saturating_sub(start.elapsed())).await;
        set(Fault::Pass);
        scene.heard_again(&format!("{fault:?}")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_server_is_survived() {
    let mut scene = Scene::start(redis::Options::default(), false).await;
    scene.server.command(&["CONFIG", "SET", "maxmemory", "1"]);
    scene.calls_are_bounded("full").await;
    scene.server.command(&["CONFIG", "SET", "maxmemory", "0"]);
    scene.heard_again("full").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_told_while_a_server_is_full_comes_later_and_what_is_void_goes_at_once() {
    let scene = Scene::start(redis::Options::default(), false).await;
    scene.cache.set("k", b"old", PATIENCE).await.expect("room");
    scene.server.command(&["CONFIG", "SET", "maxmemory", "1"]);
    scene.cache.bury("k", PATIENCE).await.expect("what takes no room");
    assert_eq!(scene.cache.get("k").await, Ok(Found::Buried));
    let job = JobId::generate();
    for seq in 1..=3 {
        scene
            .teller
            .1
            .publish(job, vec![output(1, seq), JobEvent::Changed])
            .await;
    }
    // Long enough to have been tried; how often does not matter.
    tokio::time::sleep(Duration::from_millis(200)).await;
    scene.server.command(&["CONFIG", "SET", "maxmemory", "0"]);
    let start = Instant::now();
    loop {
        let told = scene.events.subscribe(job, EventId::default()).await.replay;
        let seqs: Vec<u64> = told.iter().filter_map(JobEvent::id).map(|id| id.seq).collect();
        if seqs == [1, 2, 3] {
            break;
        }
        assert!(start.elapsed() < AGAIN, "kept of 3 events: {seqs:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!(
        "told while there was no room, kept {:?} after there was",
        start.elapsed()
    );
}

#[tokio::test]
async fn a_redis_that_is_not_there_costs_nothing_and_is_found_when_it_comes() {
    let mut server = redis::Redis::start();
    server.kill9();
    let start = Instant::now();
    let redis = Redis::connect(&server.url()).expect("an address");
    let bell = RedisDoorbell::start(&redis, &Lifecycle::default());
    let mut listener = bell.listen("m");
    assert!(!redis.is_connected() && redis.ping().await.is_err());
    for _ in 0..1000 {
        bell.ring("m", JobId::generate()).await;
    }
    println!("start and 1000 rings without a Redis: {:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(1));
    server.restart();
    let start = Instant::now();
    assert!(redis.connected_within(AGAIN).await);
    settle(&bell, "m", &mut listener).await;
    println!("found after {:?}", start.elapsed());
    assert!(Redis::connect("http://nonsense").is_err());
}
