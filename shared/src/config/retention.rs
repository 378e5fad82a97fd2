//! `[retention]`: how long what has ended is kept.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{ConfigError, check};

/// How long what has ended is kept; 0: for ever.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// Days until the input and output of a job that has ended are removed.
    pub results_days: f64,
    /// Days until the job itself is forgotten.
    pub rows_days: f64,
}

impl Retention {
    /// The days are days.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        check::days("retention.results_days", self.results_days)?;
        check::days("retention.rows_days", self.rows_days)
    }

    /// How long input and output are kept after the end; none: for ever.
    pub fn results(&self) -> Option<Duration> {
        days(self.results_days)
    }

    /// How long a client finds input and output after the end: they go with the job at the latest.
    pub fn data(&self) -> Option<Duration> {
        [self.results(), self.rows()].into_iter().flatten().min()
    }

    /// How long the job is kept after its end; none: for ever.
    pub fn rows(&self) -> Option<Duration> {
        days(self.rows_days)
    }
}

fn days(days: f64) -> Option<Duration> {
    const DAY: f64 = 86_400.0;
    // More than a `Duration` holds is for ever, too.
    Duration::try_from_secs_f64(days * DAY)
        .ok()
        .filter(|d| !d.is_zero())
}
