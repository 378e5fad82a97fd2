//! What clients saw, in order: the evidence that the checker reads.
//!
//! Times are of one monotonic clock from the start of the history. Every entry also goes to a file of JSON
//! lines, for people. It judges nothing; that is [`crate::checker`].

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::sse::Event;

/// One thing that happened.
#[derive(Debug, Clone)]
pub struct Entry {
    /// When it was asked for; of an event, when it came.
    pub began: Duration,
    /// When it was there.
    pub ended: Duration,
    /// What.
    pub what: Seen,
}

/// What happened.
#[derive(Debug, Clone)]
pub enum Seen {
    /// A submit and its answer, or how there was none.
    Submit {
        /// Its idempotency key.
        key: String,
        /// The body that was sent.
        body: Value,
        /// Which API.
        api: usize,
        /// What came of it.
        answer: Answer,
    },
    /// A read of a job (`GET /v1/jobs/{id}`).
    Read {
        /// The job.
        job: String,
        /// Which API.
        api: usize,
        /// What came of it.
        answer: Answer,
    },
    /// A listener opened the stream of its job.
    Opened {
        /// The job.
        job: String,
        /// The listener: one over all its connections.
        listener: u64,
    },
    /// An event of a listener's stream.
    Event {
        /// The job.
        job: String,
        /// The listener.
        listener: u64,
        /// The event.
        event: Event,
    },
    /// A stream ended or broke, or could not be opened; the text says how.
    Closed {
        /// The job.
        job: String,
        /// The listener.
        listener: u64,
        /// How.
        how: String,
    },
    /// What the test did to the fleet.
    Fault(String),
}

/// What came of a request.
#[derive(Debug, Clone)]
pub enum Answer {
    /// A whole answer.
    Got {
        /// The status.
        status: u16,
        /// Whether it said `Retry-After`.
        retry_after: Option<f64>,
        /// The body.
        body: Value,
    },
    /// No whole answer; the text says how.
    None(String),
}

impl Answer {
    /// The status, where there was an answer.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Got { status, .. } => Some(*status),
            Self::None(_) => None,
        }
    }

    /// The body of a 2xx.
    pub fn success(&self) -> Option<&Value> {
        match self {
            Self::Got { status, body, .. } if (200..300).contains(status) => Some(body),
            _ => None,
        }
    }
}

/// A growing list of entries, shared by all clients of a test.
#[derive(Debug)]
pub struct History {
    start: Instant,
    kept: Mutex<Kept>,
    listeners: AtomicU64,
}

#[derive(Debug)]
struct Kept {
    entries: Vec<Entry>,
    file: BufWriter<File>,
}

impl History {
    /// An empty history, written to `folder/history.jsonl` too.
    ///
    /// # Panics
    /// Where the file can't be made.
    pub fn new(folder: &Path) -> Self {
        let file = File::create(folder.join("history.jsonl")).expect("the folder is writable");
        Self {
            start: Instant::now(),
            kept: Mutex::new(Kept {
                entries: Vec::new(),
                file: BufWriter::new(file),
            }),
            listeners: AtomicU64::new(0),
        }
    }

    /// Now, on the history's clock.
    pub fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Adds what was asked for at `began` and has just come.
    ///
    /// # Panics
    /// Where the file can't be written.
    pub fn add(&self, began: Duration, what: Seen) {
        let mut kept = self.lock();
        // Under the lock, so that entries stand in the order of their ends.
        let ended = self.now();
        let line = line(began, ended, &what);
        writeln!(kept.file, "{line}").expect("the history can be written");
        kept.entries.push(Entry { began, ended, what });
    }

    /// Adds what has just happened.
    pub fn note(&self, what: Seen) {
        self.add(self.now(), what);
    }

    /// Adds what the test has just done to the fleet.
    pub fn fault(&self, text: impl Into<String>) {
        self.note(Seen::Fault(text.into()));
    }

    /// A number for a new listener.
    pub fn listener(&self) -> u64 {
        self.listeners.fetch_add(1, Ordering::Relaxed)
    }

    /// All entries so far.
    pub fn entries(&self) -> Vec<Entry> {
        let mut kept = self.lock();
        let _ = kept.file.flush();
        kept.entries.clone()
    }

    /// The ids of all acknowledged jobs so far.
    pub fn acknowledged(&self) -> Vec<String> {
        let kept = self.lock();
        let id = |entry: &Entry| match &entry.what {
            Seen::Submit { answer, .. } => Some(answer.success()?["id"].as_str()?.to_owned()),
            _ => None,
        };
        let mut ids: Vec<String> = kept.entries.iter().filter_map(id).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // A client that panicked has failed the test; the rest of the evidence is still good.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One entry as a line of the file; bodies of jobs are cut to what is judged.
fn line(began: Duration, ended: Duration, what: &Seen) -> Value {
    let mut line = match what {
        Seen::Submit { key, api, answer, .. } => {
            json!({"submit": key, "api": api, "answer": outcome(answer)})
        }
        Seen::Read { job, api, answer } => json!({"read": job, "api": api, "answer": outcome(answer)}),
        Seen::Opened { job, listener } => json!({"opened": job, "listener": listener}),
        Seen::Event { job, listener, event } => json!({
            "event": event.name, "job": job, "listener": listener, "id": event.id,
            "data": {"status": event.data["status"], "index": event.data["index"], "epoch": event.data["epoch"],
                "after": event.data["after"], "before": event.data["before"]},
        }),
        Seen::Closed { job, listener, how } => json!({"closed": job, "listener": listener, "how": how}),
        Seen::Fault(text) => json!({"fault": text}),
    };
    line["began_ms"] = (began.as_secs_f64() * 1e3).into();
    line["ended_ms"] = (ended.as_secs_f64() * 1e3).into();
    line
}

fn outcome(answer: &Answer) -> Value {
    match answer {
        Answer::Got { status, body, .. } => json!({
            "http": status, "id": body["id"], "status": body["status"], "attempt": body["attempt"],
            "code": body["code"], "worker": body["worker"],
        }),
        Answer::None(how) => json!({"none": how}),
    }
}
