//! Events on their way to Redis. Whoever publishes only puts them here; one task sends them, in order for
//! each job. While Redis is down they wait, within bounds; beyond those the oldest are dropped and counted.
//! Sending twice is harmless: the stream refuses a number it has.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use fred::prelude::Value;
use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{key, wire};
use crate::{
    cache::redis::{Redis, RedisError, Script, Seldom},
    event::JobEvent,
    events::MemoryLimits,
    id::JobId,
};

/// What waits at most: batches, and bytes of them.
const MOST: (usize, usize) = (32_768, 16 << 20);
/// Jobs, and bytes, that are sent together.
const ROUND: (usize, usize) = (64, 1 << 20);
/// What one batch may take. More than a plain command: it may be a large one.
const SEND_LIMIT: Duration = Duration::from_millis(1000);
/// While a job runs its events are kept so long after the last of them.
const RUNNING: Duration = Duration::from_secs(3600);
/// A pause after a failure, so that it is not repeated at full speed.
const REST: Duration = Duration::from_millis(50);

static SELDOM: Seldom = Seldom::new();
static PUBLISH: Script = Script::new(include_str!("publish.lua"));

/// Events of one job, in order.
struct Batch {
    job: JobId,
    /// Id (empty where it has none) and text.
    events: Vec<(String, String)>,
    bytes: usize,
    closes: bool,
}

#[derive(Default)]
struct Queue {
    batches: VecDeque<Batch>,
    bytes: usize,
}

/// Events on their way.
pub(super) struct Outbox {
    queue: Mutex<Queue>,
    filled: Notify,
    /// Whether nothing waits and nothing is being sent.
    idle: watch::Sender<bool>,
    limits: MemoryLimits,
}

impl Outbox {
    pub(super) fn new(limits: MemoryLimits) -> Self {
        Self {
            queue: Mutex::default(),
            filled: Notify::new(),
            idle: watch::channel(true).0,
            limits,
        }
    }

    /// Puts events of a job in.
    pub(super) fn put(&self, job: JobId, events: Vec<JobEvent>, closes: bool) {
        let mut texts = Vec::with_capacity(events.len());
        for event in events {
            let id = event.id().map_or_else(String::new, |id| id.to_string());
            texts.extend(wire::write(event).map(|text| (id, text)));
        }
        if texts.is_empty() {
            return;
        }
        let batch = Batch {
            job,
            bytes: texts.iter().map(|(id, text)| 64 + id.len() + text.len()).sum(),
            events: texts,
            closes,
        };
        let mut queue = self.lock();
        queue.bytes += batch.bytes;
        queue.batches.push_back(batch);
        queue.shed();
        self.idle.send_replace(false);
        drop(queue);
        self.filled.notify_one();
    }

    /// Returns when all is sent, or the time is up.
    pub(super) async fn sent_within(&self, limit: Duration) {
        let mut idle = self.idle.subscribe();
        // Best effort: what is not sent by then is found in the row.
        let _ = timeout(limit, idle.wait_for(|idle| *idle)).await;
    }

    /// Events and bytes that wait.
    #[cfg(test)]
    fn waiting(&self) -> (usize, usize) {
        let queue = self.lock();
        (queue.batches.len(), queue.bytes)
    }

    /// Sends, for ever.
    pub(super) async fn send_all(self: Arc<Self>, redis: Redis) {
        loop {
            let filled = self.filled.notified();
            if self.settle() {
                filled.await;
                continue;
            }
            if !redis.connected_within(SEND_LIMIT).await || !redis.is_connected() {
                sleep(REST).await;
                continue;
            }
            let round = self.take();
            let failed = self.send(&redis, round).await;
            if !failed.is_empty() {
                self.put_back(failed);
                sleep(REST).await;
            }
        }
    }

    /// Whether there is nothing to send.
    fn settle(&self) -> bool {
        let queue = self.lock();
        let empty = queue.batches.is_empty();
        if empty {
            self.idle.send_replace(true);
        }
        empty
    }

    /// Sends batches of different jobs at the same time; returns those to be sent again.
    async fn send(&self, redis: &Redis, round: Vec<Batch>) -> Vec<Batch> {
        let mut sends = JoinSet::new();
        for (at, batch) in round.into_iter().enumerate() {
            let words = self.words(&batch);
            let redis = redis.clone();
            sends.spawn(async move { (at, PUBLISH.run(&redis, SEND_LIMIT, 1, words).await, batch) });
        }
        let mut failed = Vec::new();
        while let Some(sent) = sends.join_next().await {
            match sent {
                Ok((_, Ok(_), _)) | Err(_) => {}
                Ok((at, Err(RedisError::Unavailable(_)), batch)) => failed.push((at, batch)),
                Ok((_, Err(error), batch)) => {
                    if SELDOM.is_due() {
                        tracing::warn!(%error, job = %batch.job, "events were refused by Redis");
                    }
                    dropped(batch.events.len());
                }
            }
        }
        failed.sort_by_key(|(at, _)| *at);
        failed.into_iter().map(|(_, batch)| batch).collect()
    }

    fn words(&self, batch: &Batch) -> Vec<Value> {
        let ttl = if batch.closes { self.limits.linger } else { RUNNING };
        let mut words: Vec<Value> = vec![
            key(batch.job).into(),
            (self.limits.events_per_job as i64).into(),
            (self.limits.bytes_per_job as i64).into(),
            (ttl.as_millis() as i64).into(),
            i64::from(batch.closes).into(),
        ];
        for (id, text) in &batch.events {
            words.push(id.as_str().into());
            words.push(text.as_str().into());
        }
        words
    }

    /// Takes the oldest batches, those of one job as one.
    fn take(&self) -> Vec<Batch> {
        let mut queue = self.lock();
        let mut round: Vec<Batch> = Vec::new();
        let mut bytes = 0;
        while let Some(batch) = queue.batches.front() {
            if round.len() >= ROUND.0 || (bytes > 0 && bytes + batch.bytes > ROUND.1) {
                break;
            }
            let Some(batch) = queue.batches.pop_front() else {
                break;
            };
            queue.bytes -= batch.bytes;
            bytes += batch.bytes;
            match round.iter_mut().find(|b| b.job == batch.job) {
                Some(earlier) => earlier.append(batch),
                None => round.push(batch),
            }
        }
        round
    }

    fn put_back(&self, failed: Vec<Batch>) {
        let mut queue = self.lock();
        for batch in failed.into_iter().rev() {
            queue.bytes += batch.bytes;
            queue.batches.push_front(batch);
        }
        queue.shed();
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Batch {
    fn append(&mut self, later: Self) {
        // That the row changed is said once.
        let last_says_so = self.events.last().is_some_and(|(id, _)| id.is_empty());
        let skip = usize::from(last_says_so && later.events.first().is_some_and(|(id, _)| id.is_empty()));
        self.events.extend(later.events.into_iter().skip(skip));
        self.bytes += later.bytes;
        self.closes |= later.closes;
    }
}

impl Queue {
    fn shed(&mut self) {
        while self.batches.len() > MOST.0 || self.bytes > MOST.1 {
            let Some(oldest) = self.batches.pop_front() else {
                return;
            };
            self.bytes -= oldest.bytes;
            dropped(oldest.events.len());
        }
    }
}

fn dropped(events: usize) {
    metrics::counter!("lamplighter_events_dropped_total").increment(events as u64);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::event::EventId;

    fn output(seq: u64, size: usize) -> JobEvent {
        JobEvent::Output {
            id: EventId { epoch: 1, seq },
            index: seq - 1,
            chunk: json!("x".repeat(size)),
        }
    }

    #[test]
    fn what_waits_is_bounded_and_the_oldest_goes_first() {
        let outbox = Outbox::new(MemoryLimits::default());
        let job = JobId::generate();
        for seq in 1..=40_000 {
            outbox.put(job, vec![output(seq, 1000)], false);
        }
        let (batches, bytes) = outbox.waiting();
        println!("of 40,000 batches of 1 KB {batches} wait, {bytes} bytes");
        assert!(batches <= MOST.0 && bytes <= MOST.1 && bytes > MOST.1 / 2);
        let last = outbox.lock().batches.back().map(|b| b.events[0].0.clone());
        assert_eq!(last.as_deref(), Some("1-40000"));
    }

    #[test]
    fn batches_of_a_job_are_joined_in_order_and_a_change_is_said_once() {
        let outbox = Outbox::new(MemoryLimits::default());
        let (a, b) = (JobId::generate(), JobId::generate());
        outbox.put(a, vec![output(1, 1)], false);
        outbox.put(b, vec![JobEvent::Changed], false);
        outbox.put(a, vec![output(2, 1), JobEvent::Changed], false);
        outbox.put(a, vec![JobEvent::Changed], true);
        let round = outbox.take();
        let ids = |batch: &Batch| batch.events.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&round[0]), ["1-1", "1-2", ""]);
        assert!(round[0].closes && !round[1].closes);
        assert_eq!(outbox.waiting(), (0, 0));
        outbox.put(b, vec![output(9, 1)], false);
        outbox.put_back(round);
        assert_eq!(
            outbox.take().iter().map(|batch| batch.job).collect::<Vec<_>>(),
            [a, b]
        );
    }
}
