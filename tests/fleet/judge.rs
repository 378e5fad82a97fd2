//! What clients may be told while something behind the APIs is away: yes, or "not now, come again", soon;
//! never a refusal for another reason, a fault of ours, or nothing.

use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use lamplighter_testkit::history::{Answer, Entry, Seen};

/// Now, as the database of this machine writes it.
#[expect(
    clippy::disallowed_methods,
    reason = "Postgres runs on this machine; what it wrote is compared"
)]
pub fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let ms = since.expect("it is after 1970").as_millis();
    i64::try_from(ms).expect("it is before the year 292278994")
}

/// The answers of a part of a history.
#[derive(Debug, Default)]
pub struct Answers {
    /// 2xx.
    pub good: usize,
    /// 503 (or 409 of a key that is being stored) with `Retry-After`.
    pub later: usize,
    /// Anything else, and no answer at all; how many of each.
    pub wrong: BTreeMap<String, usize>,
    /// The longest that an answer took.
    pub slowest: Duration,
    /// The longest that an answer other than 2xx took.
    pub slowest_refusal: Duration,
    /// Answers other than 2xx that took longer than two seconds.
    pub slow_refusals: usize,
    /// When the last that was not good was given.
    pub last_not_good: Option<Duration>,
}

impl Answers {
    /// Of those requests of which `wanted(api, entry)` says so.
    pub fn of(entries: &[Entry], wanted: impl Fn(usize, &Entry) -> bool) -> Self {
        let mut answers = Self::default();
        for entry in entries {
            let (Seen::Submit { api, answer, .. } | Seen::Read { api, answer, .. }) = &entry.what else {
                continue;
            };
            if wanted(*api, entry) {
                answers.take(entry, answer);
            }
        }
        answers
    }

    /// Nobody was refused for a wrong reason, somebody was told to come again, and nobody waited long: a
    /// request that is under way when the database falls silent has the 5 s of one transaction.
    ///
    /// # Panics
    /// Where that is not so.
    pub fn assert_bounded(&self) {
        assert!(self.wrong.is_empty(), "{self}");
        assert!(self.later > 0, "nobody noticed: {self}");
        assert!(self.slowest < Duration::from_secs(15), "{self}");
    }

    fn take(&mut self, entry: &Entry, answer: &Answer) {
        let took = entry.ended.saturating_sub(entry.began);
        self.slowest = self.slowest.max(took);
        if answer.success().is_some() {
            self.good += 1;
            return;
        }
        self.slowest_refusal = self.slowest_refusal.max(took);
        self.slow_refusals += usize::from(took > Duration::from_secs(2));
        self.last_not_good = self.last_not_good.max(Some(entry.ended));
        match answer {
            Answer::Got {
                status: 503 | 409,
                retry_after: Some(_),
                ..
            } => self.later += 1,
            Answer::Got { status, body, .. } => {
                *self
                    .wrong
                    .entry(format!("{status} {}", body["code"]))
                    .or_default() += 1;
            }
            Answer::None(how) => *self.wrong.entry(how.clone()).or_default() += 1,
        }
    }
}

impl fmt::Display for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            good,
            later,
            wrong,
            slowest,
            slowest_refusal,
            slow_refusals,
            ..
        } = self;
        write!(
            f,
            "answers 2xx={good} 503={later} wrong={wrong:?} slowest={slowest:.1?} \
             slowest_refusal={slowest_refusal:.1?} refusals_over_2s={slow_refusals}"
        )
    }
}

/// How often a stream that was open ended before `done`.
pub fn broken_streams(entries: &[Entry]) -> Vec<String> {
    let broken = |entry: &Entry| match &entry.what {
        Seen::Closed { how, .. } if how.starts_with("broke") || how.starts_with("the server") => {
            Some(format!("{:.1?} {how}", entry.ended))
        }
        _ => None,
    };
    entries.iter().filter_map(broken).collect()
}
