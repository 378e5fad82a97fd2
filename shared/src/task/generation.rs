//! Tasks of a model that writes: chat and text generation.

use serde_json::{Value, json};

use super::{MAX_TEXT_CHARS, object};

/// The most messages of a conversation.
const MAX_MESSAGES: usize = 256;
/// The most tokens one job may ask for; a model's context may be less.
const MAX_NEW_TOKENS: i64 = 8192;
/// Tokens a job gets that does not say.
const DEFAULT_NEW_TOKENS: i64 = 256;
/// Tokens in a unit of cost.
const COST_UNIT: i64 = 64;
/// Characters that make a token, by and large: what a prompt costs before it is tokenised.
const CHARS_PER_TOKEN: usize = 4;

fn options() -> Value {
    let stop = json!({"type": "string", "minLength": 1, "maxLength": 256});
    json!({
        "max_tokens": {"type": "integer", "title": "Most tokens", "minimum": 1, "maximum": MAX_NEW_TOKENS,
            "default": DEFAULT_NEW_TOKENS,
            "description": "Stop after so many new tokens, or when prompt and answer fill the model's context."},
        "temperature": {"type": "number", "title": "Temperature", "minimum": 0, "maximum": 2, "default": 0.7,
            "description": "How freely tokens are drawn. 0 takes the likeliest, always."},
        "top_p": {"type": "number", "title": "Top-p", "minimum": 0, "maximum": 1, "default": 0.95,
            "description": "Draw from the likeliest tokens that together have this probability."},
        "top_k": {"type": "integer", "title": "Top-k", "minimum": 0, "maximum": 1000, "default": 0,
            "description": "Draw from so many of the likeliest tokens; 0 for all. Applied before top-p."},
        "min_p": {"type": "number", "title": "Min-p", "minimum": 0, "maximum": 1, "default": 0.05,
            "description": "Leave out tokens less likely than this part of the likeliest. Applied after top-p."},
        "repetition_penalty": {"type": "number", "title": "Penalty on repetition", "minimum": 0.5, "maximum": 2, "default": 1,
            "description": "Above 1, tokens of the prompt and of the answer so far become less likely."},
        "seed": {"type": "integer", "title": "Seed", "minimum": 0, "maximum": (1_u64 << 53) - 1,
            "description": "Draw as another job with this seed did. Without it one is drawn; the output tells which."},
        "stop": {"title": "Stop", "anyOf": [stop.clone(), {"type": "array", "maxItems": 8, "items": stop}],
            "description": "End in front of the first of these texts."},
        "logprobs": {"type": "boolean", "title": "Log probabilities", "default": false,
            "description": "Tell the logarithm of each token's probability, as the model had it before any option."},
        "top_logprobs": {"type": "integer", "title": "Alternative tokens", "minimum": 0, "maximum": 20, "default": 0,
            "description": "And those of so many of the likeliest tokens in its place; needs `logprobs`."},
        "response_format": response_format()
    })
}

fn response_format() -> Value {
    json!({
        "type": "object",
        "title": "Form of the answer",
        "description": "`json_object` gives a JSON object, `json_schema` what fits the schema; both always parse, \
            also when the tokens run out (then `finish_reason` is `length`). Supported keywords: type, properties, \
            required, additionalProperties, items, minItems, maxItems, minLength, maxLength, minimum 0, enum, const, \
            anyOf and oneOf of different types, $ref without recursion; others are refused. Required properties \
            come first, in the order of `required`. Say in the prompt what is wanted, too. Not together with `stop`.",
        "properties": {
            "type": {"enum": ["text", "json_object", "json_schema"]},
            "json_schema": {"type": "object", "properties": {
                "name": {"type": "string", "maxLength": 64},
                "description": {"type": "string", "maxLength": 1024},
                "strict": {"type": "boolean"},
                "schema": {"type": ["object", "boolean"]}
            }, "required": ["schema"], "additionalProperties": false}
        },
        "required": ["type"],
        "additionalProperties": false
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
        "messages": {"type": "array", "title": "Messages", "minItems": 1, "maxItems": MAX_MESSAGES,
            "description": "The conversation so far. What is written here stays text: names of control tokens in it have no effect.",
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
    let token = |description: &str| {
        json!({"type": "object", "description": description, "properties": {
            "token": {"type": "string"},
            "bytes": {"type": "array", "items": {"type": "integer"}, "description": "A token may be a part of a character."},
            "logprob": {"type": "number"}
        }, "required": ["token", "bytes", "logprob"]})
    };
    let mut content = token("A token of the answer.");
    content["properties"]["top_logprobs"] = json!({"type": "array", "items": token("A token in its place.")});
    json!({
        "type": "object",
        "description": "While it is written, `output` events carry the text in pieces: each `chunk` is a string, together they are `text`.",
        "properties": {
            "text": {"type": "string"},
            "finish_reason": {"enum": ["stop", "length"],
                "description": "`length` when the tokens ran out, `stop` when the answer ended by itself or at a stop text."},
            "seed": {"type": "integer", "description": "The seed that was used: with it, the same input gives the same text."},
            "logprobs": {"type": "object", "properties": {"content": {"type": "array", "items": content}}, "required": ["content"]},
            "usage": {"type": "object", "properties": {
                "prompt_tokens": {"type": "integer"}, "completion_tokens": {"type": "integer"}, "total_tokens": {"type": "integer"}
            }, "required": ["prompt_tokens", "completion_tokens", "total_tokens"]}
        },
        "required": ["text", "finish_reason", "seed", "usage"]
    })
}

pub(super) fn chat_example() -> Value {
    json!({"messages": [{"role": "user", "content": "What is the capital of France? Answer in one sentence."}], "max_tokens": 16, "temperature": 0})
}

pub(super) fn completion_example() -> Value {
    json!({"prompt": "Once upon a time", "max_tokens": 16, "seed": 7})
}

/// Tokens asked for and tokens that the prompt has by its length, in units of 64.
pub(super) fn cost(input: &Value) -> i64 {
    let asked = input.get("max_tokens").and_then(Value::as_i64);
    let messages = input
        .get("messages")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let texts = messages
        .map(|message| &message["content"])
        .chain(input.get("prompt"));
    let chars: usize = texts.filter_map(Value::as_str).map(str::len).sum();
    let prompt = i64::try_from(chars / CHARS_PER_TOKEN).unwrap_or(i64::MAX / 2);
    let asked = asked.unwrap_or(DEFAULT_NEW_TOKENS).clamp(1, MAX_NEW_TOKENS);
    prompt.saturating_add(asked).div_euclid(COST_UNIT).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_and_what_is_given_to_read_costs() {
        assert_eq!(cost(&json!({"prompt": "x"})), 4);
        assert_eq!(cost(&json!({"prompt": "x", "max_tokens": 1})), 1);
        assert_eq!(cost(&json!({"prompt": "x", "max_tokens": 8192})), 128);
        let long = "x".repeat(25_600);
        assert_eq!(
            cost(&json!({"messages": [{"role": "user", "content": long}], "max_tokens": 64})),
            101
        );
    }

    #[test]
    fn options_out_of_range_and_unknown_ones_do_not_fit() {
        let schema = jsonschema::validator_for(&completion_input()).expect("a schema");
        let fits = |options: Value| {
            let mut input = completion_example();
            if let (Some(input), Some(options)) = (input.as_object_mut(), options.as_object()) {
                input.extend(options.clone());
            }
            schema.is_valid(&input)
        };
        for good in [
            json!({"stop": "x"}),
            json!({"stop": ["x", "y"]}),
            json!({"response_format": {"type": "json_object"}}),
            json!({"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}}),
            json!({"logprobs": true, "top_logprobs": 20, "top_k": 40, "min_p": 0, "repetition_penalty": 1.1}),
        ] {
            assert!(fits(good.clone()), "{good}");
        }
        for bad in [
            json!({"temperature": 2.1}),
            json!({"top_p": -0.1}),
            json!({"max_tokens": 0}),
            json!({"stop": ""}),
            json!({"seed": 1_u64 << 53}),
            json!({"top_logprobs": 21}),
            json!({"response_format": {"type": "yaml"}}),
            json!({"n": 2}),
        ] {
            assert!(!fits(bad.clone()), "{bad}");
        }
    }
}
