//! Tasks of a model that writes: chat and text generation.

use serde_json::{Value, json};

use super::{MAX_TEXT_CHARS, object};

/// The most messages of a conversation.
const MAX_MESSAGES: usize = 256;
/// The most tokens one job may ask for.
const MAX_NEW_TOKENS: i64 = 4096;
/// Tokens a job gets that does not say.
const DEFAULT_NEW_TOKENS: i64 = 256;

fn options() -> Value {
    json!({
        "max_tokens": {"type": "integer", "title": "Most tokens", "minimum": 1, "maximum": MAX_NEW_TOKENS,
            "default": DEFAULT_NEW_TOKENS, "description": "Stop after so many new tokens."}
    })
}

fn with_options(own: Value) -> Value {
    let mut properties = own;
    if let (Some(all), Some(options)) = (properties.as_object_mut(), options().as_object()) {
        all.extend(options.clone());
    }
    properties
}

pub(super) fn chat_input() -> Value {
    let properties = with_options(json!({
        "messages": {"type": "array", "title": "Messages", "description": "The conversation so far.", "minItems": 1, "maxItems": MAX_MESSAGES,
            "items": object("Message", json!({
                "role": {"enum": ["system", "user", "assistant"]},
                "content": {"type": "string", "maxLength": MAX_TEXT_CHARS}
            }), &["role", "content"])}
    }));
    object("A conversation", properties, &["messages"])
}

pub(super) fn completion_input() -> Value {
    let properties = with_options(json!({
        "prompt": {"type": "string", "title": "Prompt", "description": "The text to go on with.", "minLength": 1, "maxLength": MAX_TEXT_CHARS}
    }));
    object("A text to go on with", properties, &["prompt"])
}

pub(super) fn output() -> Value {
    json!({
        "type": "object",
        "properties": {
            "text": {"type": "string"},
            "finish_reason": {"enum": ["stop", "length"]},
            "usage": {"type": "object", "properties": {
                "prompt_tokens": {"type": "integer"}, "completion_tokens": {"type": "integer"}, "total_tokens": {"type": "integer"}
            }, "required": ["prompt_tokens", "completion_tokens", "total_tokens"]}
        },
        "required": ["text", "finish_reason", "usage"]
    })
}

pub(super) fn chat_example() -> Value {
    json!({"messages": [{"role": "user", "content": "What is the capital of France?"}], "max_tokens": 16})
}

pub(super) fn completion_example() -> Value {
    json!({"prompt": "Once upon a time", "max_tokens": 16})
}

/// Tokens asked for, in units of 64.
pub(super) fn cost(input: &Value) -> i64 {
    let asked = input.get("max_tokens").and_then(Value::as_i64);
    asked.unwrap_or(DEFAULT_NEW_TOKENS).div_euclid(64).max(1)
}
