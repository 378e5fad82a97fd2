//! Tasks on sound: speech to text, voice activity.

use serde_json::{Value, json};

use super::{MAX_MEDIA_CHARS, data_url, object};

fn audio() -> Value {
    json!({"type": "string", "title": "Recording", "minLength": 1, "maxLength": MAX_MEDIA_CHARS, "pattern": "^data:",
        "contentEncoding": "base64", "description": "A data URL (`data:audio/wav;base64,…`) of a WAV, MP3, FLAC or Ogg Vorbis file."})
}

pub(super) fn speech_input() -> Value {
    let properties = json!({
        "audio": audio(),
        "language": {"type": "string", "title": "Language", "pattern": "^[a-z]{2,3}$",
            "description": "The language spoken (ISO 639-1); without it, it is recognised."}
    });
    object("A recording", properties, &["audio"])
}

pub(super) fn speech_output() -> Value {
    let properties = json!({"text": {"type": "string"}, "segments": segments(&["start", "end", "text"])});
    json!({"type": "object", "properties": properties, "required": ["text", "segments"]})
}

pub(super) fn voice_input() -> Value {
    object("A recording", json!({"audio": audio()}), &["audio"])
}

pub(super) fn voice_output() -> Value {
    json!({"type": "object", "properties": {"segments": segments(&["start", "end"])}, "required": ["segments"]})
}

fn segments(required: &[&str]) -> Value {
    json!({"type": "array", "description": "In order.", "items": {
        "type": "object",
        "properties": {
            "start": {"type": "number", "description": "Seconds from the beginning."},
            "end": {"type": "number", "description": "Seconds from the beginning."},
            "text": {"type": "string"}
        },
        "required": required
    }})
}

pub(super) fn example() -> Value {
    json!({"audio": data_url("audio/wav", include_bytes!("examples/tone.wav"))})
}

/// Mebibytes of the recording.
pub(super) fn cost(input: &Value) -> i64 {
    let characters = input.get("audio").and_then(Value::as_str).map_or(0, str::len);
    (characters >> 20).max(1) as i64
}
