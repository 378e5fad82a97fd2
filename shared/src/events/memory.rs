//! Events inside one process: a broadcast and a bounded ring for each watched or running job.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use tokio::sync::broadcast;

use super::{Events, REPLAY, Subscription};
use crate::{
    event::{EventId, JobEvent},
    id::JobId,
};

/// What the process keeps for replay.
#[derive(Debug, Clone, Copy)]
pub struct MemoryLimits {
    /// Events of one job.
    pub events_per_job: usize,
    /// Bytes of output chunks of one job.
    pub bytes_per_job: usize,
    /// How long the events of an ended job, or an unused entry, are kept.
    pub linger: Duration,
}

impl Default for MemoryLimits {
    fn default() -> Self {
        Self {
            events_per_job: 10_000,
            bytes_per_job: 4 << 20,
            linger: Duration::from_secs(600),
        }
    }
}

/// Events of a process that is API and worker in one.
pub struct MemoryEvents {
    limits: MemoryLimits,
    /// Whether jobs run in other processes, too.
    partial: bool,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    jobs: HashMap<JobId, Channel>,
    last_sweep: Option<Instant>,
}

struct Channel {
    /// Only while somebody watches: its buffer is the larger part of an entry.
    live: Option<broadcast::Sender<JobEvent>>,
    kept: VecDeque<Arc<JobEvent>>,
    kept_bytes: usize,
    /// The last that was kept.
    last: EventId,
    touched: Instant,
    ended: bool,
}

/// Room between a publisher and the slowest watcher before that watcher has to replay.
const LIVE_CAPACITY: usize = 128;
/// Least time between looks for entries that nobody needs any more.
const SWEEP: Duration = Duration::from_secs(5);

impl Default for MemoryEvents {
    fn default() -> Self {
        Self::new(MemoryLimits::default())
    }
}

impl MemoryEvents {
    /// An empty carrier with these bounds.
    pub fn new(limits: MemoryLimits) -> Self {
        Self {
            limits,
            partial: false,
            inner: Mutex::default(),
        }
    }

    /// For one process of several that share a database and nothing else: watchers are told to look at
    /// the row by themselves.
    pub fn of_one_among_many() -> Self {
        Self {
            partial: true,
            ..Self::default()
        }
    }

    /// How many jobs have an entry; for tests and metrics.
    pub fn len(&self) -> usize {
        self.lock().jobs.len()
    }

    /// Whether no job has an entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn channel(&mut self, job: JobId) -> &mut Channel {
        let channel = self.jobs.entry(job).or_insert_with(|| Channel {
            live: None,
            kept: VecDeque::new(),
            kept_bytes: 0,
            last: EventId::default(),
            touched: Instant::now(),
            ended: false,
        });
        channel.touched = Instant::now();
        channel
    }

    /// Drops what nobody needs any more: at once where nothing is kept, else after the linger time.
    fn sweep(&mut self, linger: Duration) {
        let now = Instant::now();
        if self
            .last_sweep
            .is_some_and(|last| now - last < SWEEP.min(linger / 10))
        {
            return;
        }
        self.last_sweep = Some(now);
        self.jobs.retain(|_, channel| {
            channel.watched()
                || !(channel.kept.is_empty() || channel.ended && now - channel.touched >= linger)
        });
    }
}

impl Channel {
    fn watched(&mut self) -> bool {
        self.live.take_if(|live| live.receiver_count() == 0);
        self.live.is_some()
    }

    /// Nobody watching is no fault: numbered events are kept.
    fn send(&self, event: JobEvent) {
        if let Some(live) = &self.live {
            let _ = live.send(event);
        }
    }

    fn keep(&mut self, event: &JobEvent, limits: &MemoryLimits) {
        let Some(id) = event.id() else { return };
        if self.last.epoch < id.epoch {
            // A new run voids what an earlier one told.
            self.kept.clear();
            self.kept_bytes = 0;
        }
        self.last = id;
        self.kept_bytes += weight(event);
        self.kept.push_back(Arc::new(event.clone()));
        while self.kept.len() > limits.events_per_job
            || (self.kept_bytes > limits.bytes_per_job && self.kept.len() > 1)
        {
            let Some(oldest) = self.kept.pop_front() else {
                break;
            };
            self.kept_bytes -= weight(&oldest);
        }
    }
}

fn weight(event: &JobEvent) -> usize {
    match event {
        JobEvent::Output { chunk, .. } => {
            64 + chunk.as_str().map_or_else(|| chunk.to_string().len(), str::len)
        }
        _ => 64,
    }
}

#[async_trait]
impl Events for MemoryEvents {
    async fn publish(&self, job: JobId, events: Vec<JobEvent>) {
        let mut inner = self.lock();
        inner.sweep(self.limits.linger);
        // A change of a row that nobody watches needs no entry: whoever comes later reads the row.
        if events.iter().all(|e| e.id().is_none()) && !inner.jobs.contains_key(&job) {
            return;
        }
        let channel = inner.channel(job);
        for event in events {
            if event.id().is_some_and(|id| id <= channel.last) {
                // Told before, or a zombie still talks: kept, it would pass for the newest run and void the
                // real one.
                continue;
            }
            channel.keep(&event, &self.limits);
            channel.send(event);
        }
    }

    async fn close(&self, job: JobId) {
        let mut inner = self.lock();
        if let Some(channel) = inner.jobs.get_mut(&job) {
            channel.ended = true;
            channel.touched = Instant::now();
            channel.send(JobEvent::Changed);
            if channel.kept.is_empty() {
                // Watchers hear the change, then the end of the channel; the row has the rest.
                inner.jobs.remove(&job);
            }
        }
    }

    async fn subscribe(&self, job: JobId, after: EventId) -> Subscription {
        let mut inner = self.lock();
        inner.sweep(self.limits.linger);
        let channel = inner.channel(job);
        let mut later = channel
            .kept
            .iter()
            .filter(|e| e.id().is_some_and(|id| id > after));
        let replay: Vec<JobEvent> = later.by_ref().take(REPLAY).map(|e| (**e).clone()).collect();
        let more = later.next().is_some();
        let live = channel
            .live
            .get_or_insert_with(|| broadcast::channel(LIVE_CAPACITY).0);
        Subscription {
            gap: super::gap(after, &replay),
            replay,
            more,
            connected: !self.partial,
            live: live.subscribe(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn output(epoch: i64, seq: u64) -> JobEvent {
        JobEvent::Output {
            id: EventId { epoch, seq },
            index: seq - 1,
            chunk: json!("x"),
        }
    }

    #[tokio::test]
    async fn a_watcher_resumes_without_a_hole() {
        let events = MemoryEvents::default();
        let job = JobId::generate();
        events.publish(job, (1..=5).map(|s| output(1, s)).collect()).await;
        let mut sub = events.subscribe(job, EventId { epoch: 1, seq: 3 }).await;
        events.publish(job, vec![output(1, 6)]).await;
        assert_eq!(sub.replay, [output(1, 4), output(1, 5)]);
        assert!(!sub.gap);
        assert_eq!(sub.live.recv().await, Ok(output(1, 6)));
    }

    #[tokio::test]
    async fn dropped_events_are_told_as_a_gap() {
        let events = MemoryEvents::new(MemoryLimits {
            events_per_job: 3,
            ..Default::default()
        });
        let job = JobId::generate();
        events.publish(job, (1..=5).map(|s| output(1, s)).collect()).await;
        assert!(events.subscribe(job, EventId { epoch: 1, seq: 1 }).await.gap);
        assert!(!events.subscribe(job, EventId { epoch: 1, seq: 2 }).await.gap);
        assert!(events.subscribe(job, EventId::default()).await.gap);
    }

    #[tokio::test]
    async fn a_new_epoch_voids_the_old_one() {
        let events = MemoryEvents::default();
        let job = JobId::generate();
        events.publish(job, (1..=5).map(|s| output(1, s)).collect()).await;
        events.publish(job, vec![output(2, 1)]).await;
        let sub = events.subscribe(job, EventId { epoch: 1, seq: 2 }).await;
        assert_eq!(sub.replay, [output(2, 1)]);
        assert!(!sub.gap);
    }

    #[tokio::test]
    async fn a_zombie_voids_nothing() {
        let events = MemoryEvents::default();
        let job = JobId::generate();
        events.publish(job, vec![output(2, 1)]).await;
        let mut sub = events.subscribe(job, EventId::default()).await;
        events.publish(job, vec![output(1, 5), output(2, 2)]).await;
        assert_eq!(sub.live.recv().await, Ok(output(2, 2)));
        assert_eq!(
            events.subscribe(job, EventId::default()).await.replay,
            [output(2, 1), output(2, 2)]
        );
    }

    #[tokio::test]
    async fn a_job_without_events_leaves_no_entry() {
        let events = MemoryEvents::default();
        let job = JobId::generate();
        let mut sub = events.subscribe(job, EventId::default()).await;
        events.close(job).await;
        assert!(events.is_empty());
        assert_eq!(
            sub.live.recv().await,
            Ok(JobEvent::Changed),
            "the watcher heard of it"
        );
    }

    #[tokio::test]
    async fn an_ended_job_replays_its_events_to_early_and_late_watchers() {
        let events = MemoryEvents::default();
        let job = JobId::generate();
        let mut early = events.subscribe(job, EventId::default()).await;
        events.publish(job, vec![output(1, 1)]).await;
        events.close(job).await;
        assert_eq!(early.live.recv().await, Ok(output(1, 1)));
        assert_eq!(early.live.recv().await, Ok(JobEvent::Changed));
        let late = events.subscribe(job, EventId::default()).await;
        assert_eq!(late.replay, [output(1, 1)]);
    }

    #[tokio::test]
    async fn ended_jobs_are_forgotten_after_the_linger_time() {
        let events = MemoryEvents::new(MemoryLimits {
            linger: Duration::ZERO,
            ..Default::default()
        });
        let job = JobId::generate();
        events.publish(job, vec![output(1, 1)]).await;
        events.close(job).await;
        events.publish(JobId::generate(), vec![JobEvent::Changed]).await;
        assert!(events.is_empty());
    }
}
