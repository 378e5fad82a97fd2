//! What a running job tells: progress and chunks of output, numbered within an epoch.
//!
//! The row of the job stays the truth; an event that is lost costs a client nothing but the moment.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The place of an event in its job: the epoch of the run that told it, and a number from 1 in that epoch.
///
/// Written `<epoch>-<seq>`. `0-0` stands before every event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct EventId {
    /// The run, counted by claims.
    pub epoch: i64,
    /// The number in the run, from 1.
    pub seq: u64,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.seq)
    }
}

/// The text is not `<epoch>-<seq>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event id looks like 1-42")]
pub struct InvalidEventId;

impl FromStr for EventId {
    type Err = InvalidEventId;

    fn from_str(text: &str) -> Result<Self, InvalidEventId> {
        let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let (epoch, seq) = text
            .split_once('-')
            .filter(|(e, s)| plain(e) && plain(s))
            .ok_or(InvalidEventId)?;
        Ok(Self {
            epoch: epoch.parse().map_err(|_| InvalidEventId)?,
            seq: seq.parse().map_err(|_| InvalidEventId)?,
        })
    }
}

/// How far a run has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// From 0 to 1.
    pub fraction: f64,
    /// What the model is doing, in the model's own words (`"running"`).
    pub stage: String,
}

/// What is published about one job.
#[derive(Debug, Clone, PartialEq)]
pub enum JobEvent {
    /// The row changed; read it again. Carries no number: missing one does not matter.
    Changed,
    /// The run came further.
    Progress {
        /// Where it stands in the job.
        id: EventId,
        /// How far.
        progress: Progress,
    },
    /// A piece of the output.
    Output {
        /// Where it stands in the job.
        id: EventId,
        /// The number of the chunk in its epoch, from 0.
        index: u64,
        /// The chunk.
        chunk: Value,
    },
}

impl JobEvent {
    /// The number of the event, where it has one.
    pub fn id(&self) -> Option<EventId> {
        match self {
            Self::Changed => None,
            Self::Progress { id, .. } | Self::Output { id, .. } => Some(*id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_ids_round_trip_and_refuse_the_rest() {
        let id = EventId { epoch: 3, seq: 42 };
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in [
            "",
            "-",
            "1",
            "1-",
            "-1",
            "1--2",
            "+1-2",
            "1-2-3",
            "1-99999999999999999999999",
            " 1-2",
            "a-b",
        ] {
            assert!(bad.parse::<EventId>().is_err(), "{bad}");
        }
    }
}
