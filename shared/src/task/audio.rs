//! Tasks on sound: speech to text, voice activity.

use serde_json::{Value, json};

use super::{MAX_MEDIA_CHARS, data_url, object};

/// The longest recording of both tasks, seconds; for the descriptions.
const MAX_SECONDS: u32 = 1_800;

fn audio() -> Value {
    json!({"type": "string", "title": "Recording", "minLength": 1, "maxLength": MAX_MEDIA_CHARS, "pattern": "^data:",
        "contentEncoding": "base64", "description": format!("A data URL (`data:audio/wav;base64,…`) of a WAV, MP3, \
        FLAC or Ogg Vorbis file: at most 12 MiB, {MAX_SECONDS} seconds, 8 channels (they are averaged), 4,000 to \
        192,000 samples a second.")})
}

pub(super) fn speech_input() -> Value {
    let properties = json!({
        "audio": audio(),
        "language": {"type": "string", "title": "Language", "pattern": "^[a-z]{2,3}$",
            "description": "The language spoken (ISO 639-1); without it, it is recognised by the first 30 seconds."},
        "task": {"type": "string", "title": "Write", "enum": ["transcribe", "translate"], "default": "transcribe",
            "description": "What is said, or what it means in English."},
        "timestamps": {"type": "string", "title": "Times", "enum": ["segment", "none"], "default": "segment",
            "description": "`none`: only the text, and no segments."}
    });
    object("A recording", properties, &["audio"])
}

pub(super) fn speech_output() -> Value {
    let properties = json!({
        "text": {"type": "string", "description": "All that was said."},
        "segments": segments(json!({"text": {"type": "string"}}), &["start", "end", "text"]),
        "language": {"type": "string", "description": "The language spoken (ISO 639-1); `und` where nobody speaks."},
        "duration": {"type": "number", "description": "Seconds of the recording."},
        "usage": {"type": "object", "properties": {
            "seconds": {"type": "integer", "description": "Seconds of the recording, rounded up."},
            "tokens": {"type": "integer", "description": "Tokens written, those of times included."}
        }, "required": ["seconds", "tokens"]}
    });
    json!({"type": "object", "properties": properties, "required": ["text", "segments", "language", "duration", "usage"]})
}

pub(super) fn voice_input() -> Value {
    let ms = |title: &str, default: u32, description: &str| {
        json!({"type": "integer", "title": title, "minimum": 0, "maximum": 60_000, "default": default,
            "description": description})
    };
    let properties = json!({
        "audio": audio(),
        "threshold": {"type": "number", "title": "Threshold", "minimum": 0.01, "maximum": 0.99, "default": 0.5,
            "description": "The probability from which it counts as speech; speech ends 0.15 below."},
        "min_speech_duration_ms": ms("Shortest speech, ms", 250, "Shorter speech is left out."),
        "min_silence_duration_ms": ms("Shortest silence, ms", 100, "Shorter silence does not end a segment."),
        "speech_pad_ms": ms("Room, ms", 30, "What segments are made longer by at both ends."),
        "max_speech_duration_s": {"type": "number", "title": "Longest speech, s", "minimum": 1, "maximum": MAX_SECONDS,
            "description": "Longer speech is cut, at its longest silence if it has one. It has to have space for the \
                shortest speech, the room at both ends, and 64 ms."},
        "probabilities": {"type": "boolean", "title": "Probabilities", "default": false,
            "description": "Also give the probability of speech of every 32 ms."}
    });
    object("A recording", properties, &["audio"])
}

pub(super) fn voice_output() -> Value {
    let confidence =
        json!({"confidence": {"type": "number", "description": "Mean probability of speech, 0 to 1."}});
    let properties = json!({
        "segments": segments(confidence, &["start", "end", "confidence"]),
        "duration": {"type": "number", "description": "Seconds of the recording."},
        "probabilities": {"type": "array", "items": {"type": "number"},
            "description": "Where asked for: one of every 512 samples at 16 kHz (32 ms)."}
    });
    json!({"type": "object", "properties": properties, "required": ["segments", "duration"]})
}

/// A list of pieces of the recording with `more` to each.
fn segments(more: Value, required: &[&str]) -> Value {
    let mut properties = json!({
        "start": {"type": "number", "description": "Seconds from the beginning."},
        "end": {"type": "number", "description": "Seconds from the beginning."}
    });
    if let (Some(properties), Value::Object(more)) = (properties.as_object_mut(), more) {
        properties.extend(more);
    }
    json!({"type": "array", "description": "In order.",
        "items": {"type": "object", "properties": properties, "required": required}})
}

/// "Hello world", by a robot.
pub(super) fn example() -> Value {
    json!({"audio": data_url("audio/wav", include_bytes!("examples/speech.wav"))})
}

/// Mebibytes of the recording.
pub(super) fn cost(input: &Value) -> i64 {
    let characters = input.get("audio").and_then(Value::as_str).map_or(0, str::len);
    (characters >> 20).max(1) as i64
}
