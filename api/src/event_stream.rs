//! One client's view of a job's events, in order and without repetition (`docs/api.md`, "Events").
//!
//! It is a state machine that is asked for the next piece of text when the socket can take one, so a
//! slow client holds a bounded handful of events and nothing else. [`EventStream::next`] subscribes
//! before it reads the row, drops what it has seen, and tells holes (`gap`) and new runs (`reset`).
//! Cutting clients that take nothing is not its business: no code of it runs then (`serve`).

use std::{collections::VecDeque, sync::Arc, time::Duration};

use lamplighter_shared::{
    db::jobs,
    error::ErrorCode,
    event::{EventId, JobEvent, Progress},
    job::{Job, JobState},
};
use serde::Serialize;
use serde_json::json;
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until},
};

use crate::{
    auth::principal::Credential, error::ApiError, locale::Locale, message, present, sse, state::App,
    stream_slots::StreamSlot,
};

/// The most a stream holds for its client: events, and bytes of them.
const MAX_HELD: usize = 256;
const MAX_HELD_BYTES: usize = 64 * 1024;
/// A sign of life when nothing else was sent.
const PING_EVERY: Duration = Duration::from_secs(15);
/// The row is read at least so often …
const ROW_EVERY: Duration = Duration::from_secs(2);
/// … and each second while the carrier of events is away.
const ROW_ALONE: Duration = Duration::from_millis(900);
/// The token is looked at so often: a revoked one loses its streams within 5 s, one for the beat included.
const TOKEN_EVERY: Duration = Duration::from_secs(3);
/// How long the last events of a job that has ended may be on their way …
const LAST_EVENTS: Duration = Duration::from_millis(300);
/// … where the carrier has brought those before them …
const LAST_EVENTS_DUE: Duration = Duration::from_secs(2);
/// … and how often a carrier is asked for them that brought those before and is away.
const LAST_QUESTIONS: u8 = 5;

/// Who watches what, from where.
pub struct Start {
    /// The job, as its owner may see it.
    pub job: Job,
    /// In which language it is told.
    pub locale: Locale,
    /// The last event the client has.
    pub after: EventId,
    /// What proved it; looked at again while the stream is open.
    pub credential: Credential,
    /// The right to one stream.
    pub slot: StreamSlot,
}

/// One client's stream.
pub struct EventStream {
    app: Arc<App>,
    locale: Locale,
    job: Job,
    credential: Credential,
    _slot: StreamSlot,
    /// The place of the client: what was last handed out.
    last: EventId,
    /// The run the client is in; events of earlier ones are void.
    epoch: i64,
    live: Receiver<JobEvent>,
    held: VecDeque<String>,
    held_bytes: usize,
    /// How far kept events have been taken up, void ones included.
    replayed: EventId,
    /// More is kept for this client than could be held: subscribe again when the held is out.
    refill: bool,
    /// Whether the carrier brings what comes; else the row is all there is to go by.
    connected: bool,
    /// How often it may still be asked for the last events.
    questions: u8,
    progress: Option<Progress>,
    /// The snapshot last sent, without what changes by itself.
    told: Option<Snapshot>,
    phase: Phase,
    tick: Interval,
    ping_at: Instant,
    row_at: Instant,
    token_at: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    /// The row is terminal: hand out what is kept, then `done`.
    Ending,
    Over,
}

/// What makes a new `status` worth sending.
#[derive(Debug, Clone, PartialEq)]
struct Snapshot {
    state: JobState,
    epoch: i64,
    attempt: i32,
    canceling: bool,
    queue: Option<(Option<u64>, bool, bool)>,
    /// Why it can't run now. Of what only takes its time the reason is no news: it counts percents.
    obstacle: Option<String>,
}

impl EventStream {
    /// Opens a stream. The row is read once more, after the subscription.
    ///
    /// # Errors
    /// 404 where the job is gone, 503 where the database does not answer.
    pub async fn open(app: Arc<App>, start: Start) -> Result<Self, ApiError> {
        let Start {
            job,
            locale,
            after,
            credential,
            slot,
        } = start;
        let subscription = app.events.subscribe(job.id, after).await;
        let row = jobs::get(&app.db, job.owner, job.id)
            .await?
            .ok_or_else(ApiError::no_such_job)?;
        let now = Instant::now();
        let mut tick = interval_at(now + Duration::from_secs(1), Duration::from_secs(1));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // A place in a run that has not begun can't be continued: from the start, then.
        let imagined = after.epoch > row.epoch;
        let mut stream = Self {
            last: if imagined { EventId::default() } else { after },
            epoch: if imagined { 0 } else { after.epoch },
            app,
            locale,
            job: row.clone(),
            credential,
            _slot: slot,
            live: subscription.live,
            held: VecDeque::new(),
            held_bytes: 0,
            replayed: EventId::default(),
            refill: imagined,
            connected: subscription.connected,
            questions: LAST_QUESTIONS,
            progress: None,
            told: None,
            phase: Phase::Running,
            tick,
            ping_at: now + PING_EVERY,
            row_at: now,
            token_at: now + TOKEN_EVERY,
        };
        stream.hold(sse::retry(rand::random_range(1000..=5000)));
        if imagined {
            stream.hold_event("reset", &json!({"epoch": row.epoch}))?;
        }
        stream.take_row(row).await?;
        stream.absorb(subscription.replay, subscription.more)?;
        Ok(stream)
    }

    /// The next piece of text; `None` at the end.
    pub async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(text) = self.held.pop_front() {
                self.held_bytes -= text.len();
                self.ping_at = Instant::now() + PING_EVERY;
                return Some(text);
            }
            let step = match self.phase {
                Phase::Over => return None,
                _ if self.refill => self.subscribe_again().await,
                Phase::Ending => self.finish().await,
                Phase::Running => self.wait().await,
            };
            if let Err(e) = step {
                // The client connects again and learns then what is wrong.
                tracing::debug!(job = %self.job.id, error = %e, "an event stream ended early");
                return None;
            }
        }
    }

    /// Whether every event up to the end of the job was handed out.
    fn complete(&self) -> bool {
        let end = self.job.last_event;
        end.seq == 0 || self.last >= end
    }

    async fn wait(&mut self) -> Result<(), ApiError> {
        tokio::select! {
            // In this order: a flood of events must not starve what runs by the clock.
            biased;
            () = self.app.stop.cancelled() => self.phase = Phase::Over,
            _ = self.tick.tick() => return self.look().await,
            () = sleep_until(self.ping_at) => self.hold(sse::PING.to_owned()),
            event = self.live.recv() => match event {
                Ok(JobEvent::Changed) => return self.read_row().await,
                Ok(event) => self.take_live(event)?,
                // Overtaken, or the carrier let go of the job: replay from the last place.
                Err(RecvError::Lagged(_) | RecvError::Closed) => self.refill = true,
            },
        }
        Ok(())
    }

    /// Once a second: the place in the queue; now and then the row and the token.
    async fn look(&mut self) -> Result<(), ApiError> {
        let now = Instant::now();
        if now >= self.token_at {
            self.token_at = now + TOKEN_EVERY;
            // Only a clear no ends the stream; a database that does not answer says nothing.
            if matches!(self.credential.still_good(&self.app).await, Ok(false)) {
                self.phase = Phase::Over;
                return Ok(());
            }
        }
        if now >= self.row_at {
            if !self.connected {
                // Perhaps the carrier is back. The row is read after that.
                self.refill = true;
                return Ok(());
            }
            return self.read_row().await;
        }
        if self.job.state == JobState::Queued {
            self.tell_status().await
        } else {
            Ok(())
        }
    }

    async fn read_row(&mut self) -> Result<(), ApiError> {
        match jobs::get(&self.app.db, self.job.owner, self.job.id).await {
            Ok(Some(job)) => self.take_row(job).await,
            Ok(None) => {
                self.phase = Phase::Over;
                Ok(())
            }
            // The events go on without the row; it is read again in a while.
            Err(_) => {
                self.row_was_read();
                Ok(())
            }
        }
    }

    fn row_was_read(&mut self) {
        self.row_at = Instant::now() + if self.connected { ROW_EVERY } else { ROW_ALONE };
    }

    async fn take_row(&mut self, job: Job) -> Result<(), ApiError> {
        self.row_was_read();
        self.job = job;
        self.enter(self.job.epoch)?;
        if self.job.state.is_terminal() {
            self.phase = Phase::Ending;
            self.refill |= !self.complete();
            // Every stream begins with a snapshot; one that has begun ends with `done`, which says more.
            if self.told.is_some() {
                return Ok(());
            }
        }
        self.tell_status().await
    }

    /// Sends a snapshot when there is news in it.
    async fn tell_status(&mut self) -> Result<(), ApiError> {
        let view = match present::brief(&self.app, &self.job, self.progress.clone()).await {
            Ok(view) => view.in_locale(self.locale),
            // The first snapshot has to come; a later one can wait for the next look.
            Err(e) if self.told.is_none() => return Err(e),
            Err(_) => return Ok(()),
        };
        let snapshot = Snapshot {
            state: self.job.state,
            epoch: self.job.epoch,
            attempt: self.job.attempt,
            canceling: self.job.cancel_requested_at.is_some(),
            queue: view
                .queue
                .as_ref()
                .map(|q| (q.position, q.position_is_minimum, q.possible)),
            obstacle: view
                .queue
                .as_ref()
                .filter(|q| !q.possible)
                .and_then(|q| q.reason.clone()),
        };
        if self.told.as_ref() != Some(&snapshot) {
            self.hold_event("status", &view)?;
            self.told = Some(snapshot);
        }
        Ok(())
    }

    /// Takes up what is kept after the client's place.
    async fn subscribe_again(&mut self) -> Result<(), ApiError> {
        let place = self.last.max(self.replayed);
        let subscription = self.app.events.subscribe(self.job.id, place).await;
        self.live = subscription.live;
        self.connected = subscription.connected;
        self.refill = false;
        if !subscription.replay.is_empty() {
            self.questions = LAST_QUESTIONS;
        }
        self.absorb(subscription.replay, subscription.more)?;
        // A change may have been told to the receiver that was let go.
        if self.phase == Phase::Running && !self.refill {
            self.read_row().await
        } else {
            Ok(())
        }
    }

    /// Replays kept events, as many as may be held; `more`: others are kept after them.
    fn absorb(&mut self, replay: Vec<JobEvent>, more: bool) -> Result<(), ApiError> {
        self.refill |= more;
        for event in replay {
            if self.held.len() >= MAX_HELD || self.held_bytes >= MAX_HELD_BYTES {
                self.refill = true;
                break;
            }
            self.replayed = self.replayed.max(event.id().unwrap_or_default());
            self.offer(event)?;
        }
        Ok(())
    }

    /// Takes an event as it comes. Where one before it has not come, that is no gap yet: it may be kept, and
    /// is there when the kept events are read (again, where they could not be).
    fn take_live(&mut self, event: JobEvent) -> Result<(), ApiError> {
        let hole = event
            .id()
            .is_some_and(|id| id.epoch >= self.epoch && id.seq > self.expected(id.epoch));
        if hole {
            // While the carrier is away `look` asks now and then.
            self.refill |= self.connected;
            Ok(())
        } else {
            self.offer(event)
        }
    }

    /// The number of a run's event that is the next for this client.
    fn expected(&self, epoch: i64) -> u64 {
        if self.last.epoch == epoch {
            // A client may name any place, the last one there is included.
            self.last.seq.saturating_add(1)
        } else {
            1
        }
    }

    /// Hands out one event, unless it is void or a repetition. What is missing before it is gone.
    fn offer(&mut self, event: JobEvent) -> Result<(), ApiError> {
        let Some(id) = event.id() else { return Ok(()) };
        self.enter(id.epoch)?;
        let expected = self.expected(id.epoch);
        if id.epoch < self.epoch || id.seq < expected {
            return Ok(());
        }
        if id.seq > expected {
            self.hold_event("gap", &json!({"after": expected - 1, "before": id.seq}))?;
        }
        self.last = id;
        match event {
            JobEvent::Changed => Ok(()),
            JobEvent::Progress { progress, .. } => {
                let told = Progress {
                    stage: message::translate_stored(self.locale, &progress.stage),
                    ..progress.clone()
                };
                self.hold_event("progress", &told)?;
                self.progress = Some(progress);
                Ok(())
            }
            JobEvent::Output { index, chunk, .. } => {
                self.hold_event("output", &json!({"index": index, "chunk": chunk}))
            }
        }
    }

    /// Comes to a run. Where the client was in an earlier one, what that told is void.
    fn enter(&mut self, epoch: i64) -> Result<(), ApiError> {
        if epoch <= self.epoch {
            return Ok(());
        }
        let was_in_one = self.epoch > 0;
        self.epoch = epoch;
        self.progress = None;
        if was_in_one {
            self.hold_event("reset", &json!({"epoch": epoch}))
        } else {
            Ok(())
        }
    }

    /// The job has ended: its last events, a `gap` if some are gone, then `done`.
    async fn finish(&mut self) -> Result<(), ApiError> {
        let begun = self.last.seq > 0 && self.last.epoch == self.job.last_event.epoch;
        let wait = if begun && self.connected {
            LAST_EVENTS_DUE
        } else {
            LAST_EVENTS
        };
        let deadline = Instant::now() + wait;
        while !self.complete() && self.held.is_empty() {
            tokio::select! {
                event = self.live.recv() => match event {
                    Ok(event) => {
                        self.take_live(event)?;
                        if self.refill {
                            return Ok(());
                        }
                    }
                    Err(RecvError::Lagged(_) | RecvError::Closed) => {
                        self.refill = true;
                        return Ok(());
                    }
                },
                () = sleep_until(deadline) => {
                    if begun && !self.connected && self.questions > 0 {
                        self.questions -= 1;
                        self.refill = true;
                        return Ok(());
                    }
                    break;
                }
            }
        }
        if !self.held.is_empty() {
            return Ok(());
        }
        // Before anything more is told, so that nothing is told twice.
        let view = match present::whole(&self.app, &self.job).await {
            Ok(view) => view.in_locale(self.locale),
            // The end is known; it is told once the output can be read.
            Err(e) if e.code == ErrorCode::Unavailable => {
                self.pause().await;
                return Ok(());
            }
            Err(e) => return Err(e),
        };
        if !self.complete() {
            let after = if self.last.epoch == self.job.last_event.epoch {
                self.last.seq
            } else {
                0
            };
            self.hold_event(
                "gap",
                &json!({"after": after, "before": self.job.last_event.seq + 1}),
            )?;
        }
        self.hold_event("done", &view)?;
        self.phase = Phase::Over;
        Ok(())
    }

    /// Waits for a database that is away, with signs of life.
    async fn pause(&mut self) {
        tokio::select! {
            () = self.app.stop.cancelled() => self.phase = Phase::Over,
            _ = self.tick.tick() => {}
        }
        if Instant::now() >= self.ping_at {
            self.hold(sse::PING.to_owned());
        }
    }

    fn hold_event(&mut self, name: &str, data: &impl Serialize) -> Result<(), ApiError> {
        let text = sse::event(name, self.last, data).map_err(ApiError::internal)?;
        self.hold(text);
        Ok(())
    }

    fn hold(&mut self, text: String) {
        self.held_bytes += text.len();
        self.held.push_back(text);
    }
}
