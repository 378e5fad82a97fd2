//! The text of server-sent events.

use std::fmt::Write;

use lamplighter_shared::event::EventId;
use serde::Serialize;

/// One event as bytes on the wire. `data` is JSON.
pub fn event(name: &str, id: EventId, data: &impl Serialize) -> Result<String, serde_json::Error> {
    let json = serde_json::to_string(data)?;
    let mut text = String::with_capacity(json.len() + 48);
    let _ = writeln!(text, "id: {id}\nevent: {name}");
    // A stored document may have line breaks between its tokens; each line is its own `data`.
    for line in json.split(['\n', '\r']) {
        let _ = writeln!(text, "data: {line}");
    }
    text.push('\n');
    Ok(text)
}

/// How long a client waits before it connects again, milliseconds.
pub fn retry(ms: u64) -> String {
    format!("retry: {ms}\n\n")
}

/// A sign of life that clients ignore.
pub const PING: &str = ": ping\n\n";

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    #[test]
    fn an_event_is_id_name_and_data_lines() {
        let id = EventId { epoch: 1, seq: 2 };
        let text = event("output", id, &serde_json::json!({"chunk": "a\nb"})).expect("JSON");
        assert_eq!(text, "id: 1-2\nevent: output\ndata: {\"chunk\":\"a\\nb\"}\n\n");
        let raw = RawValue::from_string("{\n\"a\":1}".to_owned()).expect("JSON");
        assert_eq!(
            event("done", id, &raw).expect("JSON"),
            "id: 1-2\nevent: done\ndata: {\ndata: \"a\":1}\n\n"
        );
    }
}
