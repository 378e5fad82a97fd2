//! Events between processes: a short stream a job for replay, and a channel of the same name for those who
//! watch now. One script does both, so the two never differ.
//!
//! The id of an entry is the id of the event, `<epoch>-<seq>`. Redis takes only ids above the last one, which
//! keeps repetitions and runs that were given up out of the stream and off the channel.

mod hub;
mod outbox;
mod wire;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use fred::prelude::Value;
use tokio::sync::Semaphore;
use tokio_util::sync::{CancellationToken, DropGuard};

use self::{hub::Hub, outbox::Outbox};
use super::{Events, MemoryLimits, REPLAY, Subscription};
use crate::{
    cache::redis::{PREFIX, Redis, RedisError},
    event::{EventId, JobEvent},
    id::JobId,
    lifecycle::Lifecycle,
};

/// While the process stops, whoever publishes waits so long for it to be sent: there may be no later.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// The longest that kept events may be on their way: many may ask at once, each for much.
const REPLAY_LIMIT: Duration = Duration::from_secs(2);

/// Watchers that read kept events at the same time. More would only wait for each other, each with its answer
/// in memory, until all of them have waited too long.
const REPLAYS: usize = 16;

/// Events of a fleet.
pub struct RedisEvents {
    redis: Redis,
    replays: Semaphore,
    hub: Arc<Hub>,
    outbox: Arc<Outbox>,
    stopping: CancellationToken,
    _end: DropGuard,
}

impl RedisEvents {
    /// Starts to send and to listen. Goes on while the process stops softly, until it stops hard.
    pub fn start(redis: &Redis, lifecycle: &Lifecycle) -> Self {
        Self::with_limits(redis, lifecycle, MemoryLimits::default())
    }

    /// The same with other bounds; for tests.
    pub fn with_limits(redis: &Redis, lifecycle: &Lifecycle, limits: MemoryLimits) -> Self {
        let (hub, orders) = Hub::new();
        let outbox = Arc::new(Outbox::new(limits));
        let end = CancellationToken::new();
        let (dropped, hard) = (end.clone(), lifecycle.hard.clone());
        let sending = outbox.clone().send_all(redis.clone());
        let listening = hub.clone().run(redis.clone(), orders);
        // Not one of the tasks that a stop waits for: those who publish wait themselves then.
        tokio::spawn(async move {
            tokio::select! {
                ((), ()) = async { tokio::join!(sending, listening) } => {}
                () = dropped.cancelled() => {}
                () = hard.cancelled() => {}
            }
        });
        Self {
            redis: redis.clone(),
            replays: Semaphore::new(REPLAYS),
            hub,
            outbox,
            stopping: lifecycle.soft.clone(),
            _end: end.drop_guard(),
        }
    }

    /// How many jobs are watched in this process.
    pub fn watched(&self) -> usize {
        self.hub.len()
    }

    async fn put(&self, job: JobId, events: Vec<JobEvent>, closes: bool) {
        self.outbox.put(job, events, closes);
        if self.stopping.is_cancelled() && self.redis.is_connected() {
            self.outbox.sent_within(LAST_WORDS).await;
        }
    }

    /// Kept events after a place, [`REPLAY`] at most, and whether there are more.
    async fn replay(&self, job: JobId, after: EventId) -> Result<(Vec<JobEvent>, bool), RedisError> {
        if after.seq == u64::MAX {
            // Whoever asks for nothing gets it without a question.
            return Ok((Vec::new(), false));
        }
        let words = vec![
            key(job).into(),
            format!("({}-{}", after.epoch.max(0), after.seq).into(),
            "+".into(),
            "COUNT".into(),
            (REPLAY as i64 + 1).into(),
        ];
        // Nobody closes it. Where Redis is silent the first to find out spare the others the wait.
        let _turn = self.replays.acquire().await;
        let entries = match self.redis.call(REPLAY_LIMIT, "XRANGE", words).await {
            Ok(entries) => entries.into_array(),
            // Not a stream: nothing is kept.
            Err(RedisError::Refused(_)) => Vec::new(),
            Err(error) => return Err(error),
        };
        let more = entries.len() > REPLAY;
        let events = entries.into_iter().take(REPLAY).filter_map(|entry| {
            let fields = entry.into_array().into_iter().nth(1)?.into_array();
            fields.get(3).and_then(Value::as_bytes).and_then(wire::read)
        });
        Ok((events.collect(), more))
    }
}

#[async_trait]
impl Events for RedisEvents {
    async fn publish(&self, job: JobId, events: Vec<JobEvent>) {
        self.put(job, events, false).await;
    }

    async fn close(&self, job: JobId) {
        self.put(job, vec![JobEvent::Changed], true).await;
    }

    async fn subscribe(&self, job: JobId, after: EventId) -> Subscription {
        let (live, stands) = self.hub.watch(job).await;
        let (replay, more, connected) = match self.replay(job, after).await {
            Ok((replay, more)) => (replay, more, stands),
            Err(error) => {
                tracing::debug!(%error, %job, "kept events could not be read");
                (Vec::new(), false, false)
            }
        };
        Subscription {
            gap: super::gap(after, &replay),
            replay,
            more,
            connected,
            live,
        }
    }
}

/// The stream of a job, and its channel.
fn key(job: JobId) -> String {
    format!("{PREFIX}events:{job}")
}

/// The job whose channel this is.
fn job_of(channel: &str) -> Option<JobId> {
    channel
        .strip_prefix(PREFIX)?
        .strip_prefix("events:")?
        .parse()
        .ok()
}
