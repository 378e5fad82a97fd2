//! Tasks: what a kind of model takes and gives, as JSON Schema. The API validates against them, the
//! playground draws its form from them, the documentation shows them.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The most characters in one text, checked before anything is tokenised.
pub const MAX_TEXT_CHARS: usize = 32_000;

/// The kind of work a model does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// Texts to vectors.
    TextEmbedding,
    /// The input comes back; for demonstrations and fault tests.
    Echo,
}

impl Task {
    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TextEmbedding => "text-embedding",
            Self::Echo => "echo",
        }
    }

    /// JSON Schema (2020-12) of the input. `max_items` caps the list a job may carry.
    pub fn input_schema(self, max_items: usize) -> Value {
        match self {
            Self::TextEmbedding => {
                let text = json!({"type": "string", "minLength": 1, "maxLength": MAX_TEXT_CHARS});
                let mut list = json!({"type": "array", "title": "Texts", "description": "Texts to embed, in order.",
                    "minItems": 1, "maxItems": max_items});
                list["items"] = text.clone();
                let mut one = text;
                one["title"] = "Text".into();
                one["description"] = "One text; short for a list of one.".into();
                json!({
                    "type": "object",
                    "title": "Texts to embed",
                    "description": "Either `texts` or `text`.",
                    "properties": {"texts": list, "text": one},
                    "additionalProperties": false,
                    "minProperties": 1,
                    "maxProperties": 1
                })
            }
            Self::Echo => json!({
                "type": "object",
                "title": "Anything",
                "description": "The input object is the output. The keys named here make the run misbehave.",
                "properties": {
                    "sleep_ms": {"type": "integer", "minimum": 0, "maximum": 600_000, "description": "Sleep before the answer."},
                    "fail": {"type": "string", "maxLength": 1000, "description": "Fail with this message."},
                    "crash": {"type": "boolean", "description": "Abort the runner."},
                    "overflow": {"type": "boolean", "description": "End the runner's stack."},
                    "panic": {"type": "boolean", "description": "Panic."},
                    "hang": {"type": "boolean", "description": "Never return."},
                    "spin": {"type": "boolean", "description": "Compute for ever."},
                    "chunks": {"type": "integer", "minimum": 0, "maximum": 10_000, "description": "Stream this many chunks of output, spread over `sleep_ms`."},
                    "chunk_bytes": {"type": "integer", "minimum": 0, "maximum": 16_384, "description": "Make each of these chunks this long at least."},
                    "allocate_mb": {"type": "integer", "minimum": 0, "maximum": 1_048_576, "description": "Allocate and touch this much memory, MiB."}
                },
                "additionalProperties": true
            }),
        }
    }

    /// JSON Schema (2020-12) of the output.
    pub fn output_schema(self) -> Value {
        match self {
            Self::TextEmbedding => json!({
                "type": "object",
                "properties": {
                    "embeddings": {"type": "array", "description": "One vector a text, in order, of length 1.",
                        "items": {"type": "array", "items": {"type": "number"}}},
                    "usage": {"type": "object", "properties": {"tokens": {"type": "integer",
                        "description": "Tokens the model read, special tokens included."}}, "required": ["tokens"]}
                },
                "required": ["embeddings", "usage"]
            }),
            Self::Echo => json!({"type": "object", "additionalProperties": true}),
        }
    }

    /// An input to show and to try.
    pub fn example(self) -> Value {
        match self {
            Self::TextEmbedding => json!({"texts": ["The quick brown fox", "jumps over the lazy dog"]}),
            Self::Echo => json!({"hello": "world"}),
        }
    }

    /// The input that a plain text stands for, as on a command line.
    pub fn input_of_text(self, text: &str) -> Value {
        json!({"text": text})
    }

    /// How much work an input is, in units of the task; what fair sharing counts. At least 1.
    pub fn cost(self, input: &Value) -> i64 {
        match self {
            Self::TextEmbedding => input
                .get("texts")
                .and_then(Value::as_array)
                .map_or(1, |texts| texts.len().max(1) as i64),
            Self::Echo => 1,
        }
    }
}
