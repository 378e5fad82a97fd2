//! Judges a history offline, against the rows the fleet was left with: was a job lost, did one show two
//! results, did a stream skip or repeat.
//!
//! Running a job twice is allowed (it is counted); seeing it end twice is not. What a client of this fleet
//! may be told is in `docs/api.md`; this is its mirror, written from the outside.

mod jobs;
mod row;
mod stream;

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    time::Duration,
};

pub use self::row::{Row, job_id, rows};
use crate::history::{Answer, Entry, Seen};

/// Findings of one kind that a failed test shows.
const SHOWN: usize = 10;

/// What the checker found.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Jobs that were acknowledged.
    pub acknowledged: usize,
    /// Acknowledged jobs that are gone, or have not ended.
    pub lost: Vec<String>,
    /// Two results of a job, an end that is not the end, a stream that skips or repeats, two jobs of a key.
    pub doubly_visible: Vec<String>,
    /// Outputs that are not what the model must give.
    pub wrong: Vec<String>,
    /// Answers that no client should get: a failure of ours other than 503, a 503 without `Retry-After`, a
    /// refusal of what is right.
    pub improper: Vec<String>,
    /// Keys whose job was never acknowledged.
    pub given_up: Vec<String>,
    /// Listeners who were never told `done`.
    pub unfinished: Vec<String>,
    /// Jobs by the state they are in.
    pub states: BTreeMap<String, usize>,
    /// Runs of acknowledged jobs, handed back ones not counted.
    pub executions: i64,
    /// Claims of acknowledged jobs: runs and hand-backs.
    pub claims: i64,
    /// Tries to submit, and how they were answered.
    pub submits: Submits,
}

/// Tries to submit.
#[derive(Debug, Default)]
pub struct Submits {
    /// All of them.
    pub tries: usize,
    /// Answered with 2xx.
    pub taken: usize,
    /// Answered with 503.
    pub unavailable: usize,
    /// Not answered.
    pub unanswered: usize,
    /// How they were not answered.
    pub reasons: BTreeMap<String, usize>,
    /// How long each 2xx took, shortest first.
    pub latencies: Vec<Duration>,
    /// The slowest 503.
    pub slowest_refusal: Duration,
}

impl Submits {
    /// The latency that this part of the 2xx kept (0.5, 0.99); zero where there is none.
    pub fn quantile(&self, part: f64) -> Duration {
        let place = (self.latencies.len() as f64 * part) as usize;
        let last = self.latencies.len().saturating_sub(1);
        self.latencies.get(place.min(last)).copied().unwrap_or_default()
    }

    fn take(&mut self, answer: &Answer, took: Duration) {
        self.tries += 1;
        match answer.status() {
            Some(200..300) => {
                self.taken += 1;
                self.latencies.push(took);
            }
            Some(503) => {
                self.unavailable += 1;
                self.slowest_refusal = self.slowest_refusal.max(took);
            }
            Some(_) => {}
            None => self.unanswered += 1,
        }
        if let Answer::None(how) = answer {
            *self.reasons.entry(how.clone()).or_default() += 1;
        }
    }
}

impl Verdict {
    /// Judges.
    pub fn of(entries: &[Entry], rows: &[Row]) -> Self {
        let mut verdict = Self::default();
        let bodies = verdict.look_at_submits(entries);
        jobs::judge(&mut verdict, entries, rows, &bodies);
        stream::judge(&mut verdict, entries, &bodies);
        verdict
    }

    /// Runs more than jobs.
    pub fn extra(&self) -> i64 {
        self.executions - i64::try_from(self.acknowledged).unwrap_or(i64::MAX)
    }

    /// How many jobs are in a state.
    pub fn count(&self, state: &str) -> usize {
        self.states.get(state).copied().unwrap_or_default()
    }

    /// Fails the test where anything is wrong that must never be, with the first findings of each kind.
    ///
    /// # Panics
    /// Then.
    pub fn assert_clean(&self) {
        let kinds = [
            ("lost", &self.lost),
            ("doubly visible", &self.doubly_visible),
            ("wrong", &self.wrong),
            ("improper answers", &self.improper),
            ("given up", &self.given_up),
            ("streams without an end", &self.unfinished),
        ];
        let found: Vec<String> = kinds
            .into_iter()
            .filter(|(_, list)| !list.is_empty())
            .map(|(kind, list)| {
                let shown: Vec<&str> = list.iter().take(SHOWN).map(String::as_str).collect();
                format!("{} {kind}:\n  {}", list.len(), shown.join("\n  "))
            })
            .collect();
        assert!(found.is_empty(), "{}", found.join("\n"));
    }

    /// The answers to submits, and the bodies of acknowledged jobs by id.
    fn look_at_submits(&mut self, entries: &[Entry]) -> HashMap<String, serde_json::Value> {
        let mut keys: BTreeMap<&str, Option<&str>> = BTreeMap::new();
        let mut bodies = HashMap::new();
        for entry in entries {
            let Seen::Submit {
                key, body, answer, ..
            } = &entry.what
            else {
                if let Seen::Read { answer, .. } = &entry.what {
                    self.look_at_answer(entry, answer, "a read");
                }
                continue;
            };
            self.submits.take(answer, entry.ended - entry.began);
            self.look_at_answer(entry, answer, "a submit");
            let known = keys.entry(key).or_default();
            let Some(id) = answer.success().and_then(|job| job["id"].as_str()) else {
                continue;
            };
            match known {
                Some(before) if *before != id => {
                    self.doubly_visible
                        .push(format!("key {key} has two jobs: {before} and {id}"));
                }
                _ => *known = Some(id),
            }
            bodies.insert(id.to_owned(), body.clone());
        }
        let without = keys.iter().filter(|(_, id)| id.is_none());
        self.given_up = without.map(|(key, _)| (*key).to_owned()).collect();
        self.acknowledged = bodies.len();
        self.submits.latencies.sort_unstable();
        bodies
    }

    /// 503 and 429 say when to come again; 409 is a key that is under way; a read's 404 is judged elsewhere.
    fn look_at_answer(&mut self, entry: &Entry, answer: &Answer, what: &str) {
        let Answer::Got {
            status,
            retry_after,
            body,
        } = answer
        else {
            return;
        };
        let proper = match status {
            200..300 => true,
            503 | 429 => retry_after.is_some(),
            409 => what == "a submit",
            404 => what == "a read",
            _ => false,
        };
        if !proper {
            let when = entry.ended.as_secs_f64();
            self.improper.push(format!(
                "{what} at {when:.3} s: {status}, Retry-After {retry_after:?}: {body}"
            ));
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        write!(
            f,
            "acknowledged={} lost={} doubly_visible={} wrong={} improper={} given_up={} unfinished={} executions={} extra={} claims={} \
             states={:?} submit_p50_ms={:.1} submit_p99_ms={:.1} tries={} unavailable={} unanswered={} slowest_503_ms={:.0}",
            self.acknowledged,
            self.lost.len(),
            self.doubly_visible.len(),
            self.wrong.len(),
            self.improper.len(),
            self.given_up.len(),
            self.unfinished.len(),
            self.executions,
            self.extra(),
            self.claims,
            self.states,
            ms(self.submits.quantile(0.5)),
            ms(self.submits.quantile(0.99)),
            self.submits.tries,
            self.submits.unavailable,
            self.submits.unanswered,
            ms(self.submits.slowest_refusal),
        )?;
        if self.submits.reasons.is_empty() {
            Ok(())
        } else {
            write!(f, " unanswered_because={:?}", self.submits.reasons)
        }
    }
}

#[cfg(test)]
mod tests;
