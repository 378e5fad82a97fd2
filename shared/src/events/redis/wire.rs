//! Events as text, between processes. What another version says and we don't know is passed over.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::event::{EventId, JobEvent, Progress};

#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Wire {
    Changed,
    Progress {
        id: EventId,
        #[serde(flatten)]
        progress: Progress,
    },
    Output {
        id: EventId,
        index: u64,
        chunk: Value,
    },
}

/// One event as text; none where it can't be said in JSON.
pub(super) fn write(event: JobEvent) -> Option<String> {
    let wire = match event {
        JobEvent::Changed => Wire::Changed,
        JobEvent::Progress { id, progress } => Wire::Progress { id, progress },
        JobEvent::Output { id, index, chunk } => Wire::Output { id, index, chunk },
    };
    serde_json::to_string(&wire).ok()
}

/// The event that a text says.
pub(super) fn read(text: &[u8]) -> Option<JobEvent> {
    let wire = serde_json::from_slice(text);
    wire.map(event).ok()
}

/// The events of a list.
pub(super) fn read_all(text: &[u8]) -> Vec<JobEvent> {
    let all: Vec<Value> = serde_json::from_slice(text).unwrap_or_default();
    let known = all.into_iter().filter_map(|one| serde_json::from_value(one).ok());
    known.map(event).collect()
}

fn event(wire: Wire) -> JobEvent {
    match wire {
        Wire::Changed => JobEvent::Changed,
        Wire::Progress { id, progress } => JobEvent::Progress { id, progress },
        Wire::Output { id, index, chunk } => JobEvent::Output { id, index, chunk },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    proptest! {
        #[test]
        fn events_round_trip(epoch in 0..i64::MAX, seq: u64, index: u64, text in "\\PC*", parts in 0..=1024u16) {
            let id = EventId { epoch, seq };
            // Parts of two: the reader of JSON may be off by the last bit of others.
            let progress = Progress { fraction: f64::from(parts) / 1024.0, stage: text.clone() };
            for event in [
                JobEvent::Changed,
                JobEvent::Progress { id, progress },
                JobEvent::Output { id, index, chunk: json!({"text": text, "list": [1, null]}) },
            ] {
                let text = write(event.clone()).expect("JSON");
                prop_assert_eq!(read(text.as_bytes()), Some(event.clone()));
                prop_assert_eq!(read_all(format!("[{text},{{\"type\":\"new\"}},{text}]").as_bytes()), [event.clone(), event]);
            }
        }
    }

    #[test]
    fn what_is_not_ours_is_passed_over() {
        for text in [
            "",
            "x",
            "{}",
            "[",
            "[1,\"a\",{\"type\":\"output\"}]",
            "{\"type\":\"changed\"}",
        ] {
            assert!(read_all(text.as_bytes()).is_empty(), "{text}");
        }
    }
}
