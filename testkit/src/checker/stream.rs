//! Streams: what a listener sees over all its connections is each event of the last run once, in order,
//! unless it was told otherwise (`reset`, `gap`), and nothing after `done`.

use std::collections::HashMap;

use serde_json::Value;

use super::Verdict;
use crate::{
    history::{Entry, Seen},
    load::is_terminal,
    sse::Event,
};

/// Where a listener is.
#[derive(Default)]
struct Listener {
    /// The last numbered event: epoch and number.
    last: (u64, u64),
    /// The run it is in; ahead of `last` after a `reset`.
    epoch: u64,
    /// A `gap` said that the next number is at least this.
    excused: Option<u64>,
    /// A `gap` of this run leaves chunks out.
    incomplete: bool,
    next_chunk: u64,
    done: bool,
}

pub(super) fn judge(verdict: &mut Verdict, entries: &[Entry], bodies: &HashMap<String, Value>) {
    let mut listeners: HashMap<u64, Listener> = HashMap::new();
    let mut waiting: HashMap<u64, &str> = HashMap::new();
    for entry in entries {
        if let Seen::Opened { job, listener } | Seen::Closed { job, listener, .. } = &entry.what {
            let done = listeners.get(listener).is_some_and(|listener| listener.done);
            if !done {
                waiting.insert(*listener, job);
            }
        }
        let Seen::Event { job, listener, event } = &entry.what else {
            continue;
        };
        if event.name == "done" {
            waiting.remove(listener);
        }
        let chunks = bodies.get(job).and_then(|body| body["input"]["chunks"].as_u64());
        let state = listeners.entry(*listener).or_default();
        if let Err(complaint) = state.take(event, chunks) {
            verdict.doubly_visible.push(format!(
                "{job}, listener {listener} at {:.3} s: {complaint}",
                entry.ended.as_secs_f64()
            ));
        }
    }
    let unfinished = waiting
        .iter()
        .map(|(listener, job)| format!("{job}, listener {listener}"));
    verdict.unfinished.extend(unfinished);
}

impl Listener {
    fn take(&mut self, event: &Event, chunks: Option<u64>) -> Result<(), String> {
        if self.done {
            return Err(format!("`{}` after `done`", event.name));
        }
        let place = place(&event.id);
        match event.name.as_str() {
            "progress" => self.take_number(place),
            // What an old run tells is void.
            "output" if place.0 < self.epoch => self.take_number(place),
            "output" => {
                let number = self.take_number(place);
                // One complaint for one fault.
                number.and(self.take_chunk(&event.data))
            }
            // The others repeat the number before them: a client goes on from there after a break.
            _ if place > self.last => Err(format!(
                "`{}` has the number {} of an event to come",
                event.name, event.id
            )),
            "reset" => self.reset(event.data["epoch"].as_u64().unwrap_or(0)),
            "gap" => {
                self.excused = event.data["before"].as_u64();
                self.incomplete = true;
                Ok(())
            }
            "done" => self.finish(&event.data, chunks),
            _ => Ok(()),
        }
    }

    fn take_number(&mut self, (epoch, seq): (u64, u64)) -> Result<(), String> {
        if epoch < self.epoch {
            return Err(format!("run {epoch} after run {}", self.epoch));
        }
        let unannounced = epoch > self.epoch && self.epoch > 0;
        if unannounced {
            self.enter(epoch);
        }
        self.epoch = epoch;
        let next = if self.last.0 == epoch { self.last.1 + 1 } else { 1 };
        let expected = self.excused.take().map_or(next, |before| before.max(next));
        self.last = (epoch, seq);
        match seq {
            _ if unannounced => Err(format!("run {epoch} without `reset`")),
            seq if seq < expected => Err(format!("{epoch}-{seq} again; {epoch}-{expected} was due")),
            seq if seq > expected => Err(format!(
                "{epoch}-{seq} without {epoch}-{expected} and without `gap`"
            )),
            _ => Ok(()),
        }
    }

    fn take_chunk(&mut self, data: &Value) -> Result<(), String> {
        let index = data["index"].as_u64().unwrap_or(u64::MAX);
        let expected = self.next_chunk;
        self.next_chunk = index.saturating_add(1);
        if index == expected || (index > expected && self.incomplete) {
            Ok(())
        } else {
            Err(format!("chunk {index} where {expected} was due"))
        }
    }

    fn reset(&mut self, epoch: u64) -> Result<(), String> {
        if epoch < self.epoch {
            return Err(format!("`reset` to run {epoch} after run {}", self.epoch));
        }
        self.enter(epoch);
        Ok(())
    }

    fn enter(&mut self, epoch: u64) {
        self.epoch = epoch;
        self.next_chunk = 0;
        self.excused = None;
        self.incomplete = false;
    }

    fn finish(&mut self, job: &Value, chunks: Option<u64>) -> Result<(), String> {
        self.done = true;
        if !is_terminal(&job["status"]) {
            return Err(format!("`done`, but the job is {}", job["status"]));
        }
        match chunks {
            Some(chunks) if job["status"] == "succeeded" && !self.incomplete && self.next_chunk != chunks => {
                Err(format!(
                    "`done` after {} of {chunks} chunks without `gap`",
                    self.next_chunk
                ))
            }
            _ => Ok(()),
        }
    }
}

/// `<epoch>-<seq>` as numbers; `(0, 0)` before any.
fn place(id: &str) -> (u64, u64) {
    let number = |text: &str| text.parse().unwrap_or(0);
    id.split_once('-')
        .map_or((0, 0), |(epoch, seq)| (number(epoch), number(seq)))
}
