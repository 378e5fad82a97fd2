//! The implementations of each seam, ready for use. Where there are several processes in reality there are
//! two handles here, each with its own connections.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use lamplighter_shared::{
    cache::{Cache, MemoryCache, Redis, RedisCache},
    event::{EventId, JobEvent},
    events::{Events, MemoryEvents, MemoryLimits, RedisEvents},
    id::JobId,
    lifecycle::Lifecycle,
    queue::{Doorbell, Listener, MemoryDoorbell, RedisDoorbell},
};
use lamplighter_testkit::redis;
use serde_json::json;

/// How long anything may take that happens at all.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// How long we look before we say that something does not happen.
pub const SILENCE: Duration = Duration::from_millis(60);

/// One implementation: what the sending process has, what the receiving one has, and what must live as long.
pub struct Pair<T: ?Sized> {
    /// For messages of tests.
    pub name: &'static str,
    pub here: Arc<T>,
    pub there: Arc<T>,
    pub server: Option<redis::Redis>,
}

/// A connection that stands.
pub async fn connected(server: &redis::Redis) -> Redis {
    let redis = Redis::connect(&server.url()).expect("an address");
    assert!(redis.connected_within(PATIENCE).await, "Redis is there");
    redis
}

pub async fn doorbells() -> Vec<Pair<dyn Doorbell>> {
    let memory: Arc<dyn Doorbell> = Arc::new(MemoryDoorbell::default());
    let server = redis::Redis::start();
    let (here, there) = (connected(&server).await, connected(&server).await);
    let lifecycle = Lifecycle::default();
    vec![
        Pair {
            name: "memory",
            here: memory.clone(),
            there: memory,
            server: None,
        },
        Pair {
            name: "redis",
            here: Arc::new(RedisDoorbell::start(&here, &lifecycle)),
            there: Arc::new(RedisDoorbell::start(&there, &lifecycle)),
            server: Some(server),
        },
    ]
}

pub async fn events(limits: MemoryLimits) -> Vec<Pair<dyn Events>> {
    let memory: Arc<dyn Events> = Arc::new(MemoryEvents::new(limits));
    let server = redis::Redis::start();
    let (here, there) = (connected(&server).await, connected(&server).await);
    let lifecycle = Lifecycle::default();
    let redis = Pair::<dyn Events> {
        name: "redis",
        here: Arc::new(RedisEvents::with_limits(&here, &lifecycle, limits)),
        there: Arc::new(RedisEvents::with_limits(&there, &lifecycle, limits)),
        server: Some(server),
    };
    subscribed(&*redis.there, JobId::generate(), EventId::default()).await;
    vec![
        Pair {
            name: "memory",
            here: memory.clone(),
            there: memory,
            server: None,
        },
        redis,
    ]
}

pub async fn caches() -> Vec<Pair<dyn Cache>> {
    let memory: Arc<dyn Cache> = Arc::new(MemoryCache::default());
    let server = redis::Redis::start();
    let (here, there) = (connected(&server).await, connected(&server).await);
    vec![
        Pair {
            name: "memory",
            here: memory.clone(),
            there: memory,
            server: None,
        },
        Pair {
            name: "redis",
            here: Arc::new(RedisCache::with_quarantine(&here, Duration::ZERO)),
            there: Arc::new(RedisCache::with_quarantine(&there, Duration::ZERO)),
            server: Some(server),
        },
    ]
}

/// Subscribes, again and again until the carrier says that all will come.
pub async fn subscribed(
    events: &dyn Events,
    job: JobId,
    after: EventId,
) -> lamplighter_shared::events::Subscription {
    let start = Instant::now();
    loop {
        let subscription = events.subscribe(job, after).await;
        if subscription.connected {
            return subscription;
        }
        assert!(start.elapsed() < PATIENCE, "no subscription");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Whether the listener is rung within the time.
pub async fn rung(listener: &mut Listener, limit: Duration) -> bool {
    tokio::time::timeout(limit, listener.rung()).await.is_ok()
}

/// Waits until rings get through, then until all is silent.
pub async fn settle(ringer: &dyn Doorbell, model: &str, listener: &mut Listener) {
    let start = Instant::now();
    loop {
        ringer.ring(model, JobId::generate()).await;
        if rung(listener, SILENCE).await {
            break;
        }
        assert!(start.elapsed() < PATIENCE, "no ring gets through");
    }
    while rung(listener, 2 * SILENCE).await {}
}

/// Waits for a condition.
pub async fn until<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) -> Duration {
    let start = Instant::now();
    while !condition().await {
        assert!(start.elapsed() < PATIENCE, "not within 10 s: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    start.elapsed()
}

pub fn at(epoch: i64, seq: u64) -> EventId {
    EventId { epoch, seq }
}

/// A piece of output whose text says where it stands.
pub fn output(epoch: i64, seq: u64) -> JobEvent {
    JobEvent::Output {
        id: at(epoch, seq),
        index: seq - 1,
        chunk: json!(format!("{epoch}/{seq}")),
    }
}

pub fn outputs(epoch: i64, seqs: impl IntoIterator<Item = u64>) -> Vec<JobEvent> {
    seqs.into_iter().map(|seq| output(epoch, seq)).collect()
}
