//! Tasks on texts that an encoder does: embedding, similarity, classification, reranking.

use serde_json::{Value, json};

use super::object;

/// The most characters in one text, checked before anything is tokenised.
pub const MAX_TEXT_CHARS: usize = 32_000;
/// The most labels of a zero-shot classification.
const MAX_LABELS: usize = 64;
/// The most characters of a label, a prefix or a template.
const MAX_LABEL_CHARS: usize = 200;

fn one_text(title: &str, description: &str) -> Value {
    json!({"type": "string", "title": title, "description": description,
        "minLength": 1, "maxLength": MAX_TEXT_CHARS})
}

fn texts(description: &str, least: usize, most: usize) -> Value {
    json!({"type": "array", "title": "Texts", "description": description,
        "items": {"type": "string", "minLength": 1, "maxLength": MAX_TEXT_CHARS},
        "minItems": least, "maxItems": most})
}

fn truncate() -> Value {
    json!({"type": "boolean", "title": "Truncate", "default": true,
        "description": "Cut a text that is longer than the model reads; `false`: refuse the job."})
}

fn usage() -> Value {
    json!({"type": "object", "properties": {"tokens": {"type": "integer",
        "description": "Tokens the model read, special tokens included."}}, "required": ["tokens"]})
}

pub(super) fn embedding_input(max_items: usize) -> Value {
    json!({
        "type": "object",
        "title": "Texts to embed",
        "description": "Either `texts` or `text`.",
        "properties": {
            "texts": texts("Texts to embed, in order.", 1, max_items),
            "text": one_text("Text", "One text; short for a list of one."),
            "normalise": {"type": "boolean", "title": "Normalise",
                "description": "Scale each vector to length 1, or leave it; without it as the model's files say."},
            "prefix": {"type": "string", "title": "Prefix", "maxLength": MAX_LABEL_CHARS,
                "description": "Put before each text, as some models want it (`query: `)."},
            "truncate": truncate()
        },
        "oneOf": [{"required": ["texts"]}, {"required": ["text"]}],
        "additionalProperties": false
    })
}

pub(super) fn embedding_output() -> Value {
    json!({
        "type": "object",
        "properties": {
            "embeddings": {"type": "array", "description": "One vector a text, in order.",
                "items": {"type": "array", "items": {"type": "number"}}},
            "usage": usage()
        },
        "required": ["embeddings", "usage"]
    })
}

pub(super) fn embedding_example() -> Value {
    json!({"texts": ["The quick brown fox", "jumps over the lazy dog"]})
}

pub(super) fn similarity_input(max_items: usize) -> Value {
    let properties = json!({
        "texts": texts("Texts to compare, each with each.", 2, max_items.max(2)),
        "prefix": {"type": "string", "title": "Prefix", "maxLength": MAX_LABEL_CHARS, "description": "Put before each text."},
        "truncate": truncate()
    });
    object("Texts to compare", properties, &["texts"])
}

pub(super) fn similarity_output() -> Value {
    json!({
        "type": "object",
        "properties": {
            "matrix": {"type": "array", "description": "Cosine of the texts' vectors: row i, column j for texts i and j; from -1 to 1.",
                "items": {"type": "array", "items": {"type": "number"}}},
            "usage": usage()
        },
        "required": ["matrix", "usage"]
    })
}

pub(super) fn similarity_example() -> Value {
    json!({"texts": ["A cat sits on the mat.", "A kitten is on a rug.", "Stocks fell on Friday."]})
}

pub(super) fn zero_shot_input(max_items: usize) -> Value {
    let properties = json!({
        "texts": texts("Texts to classify.", 1, max_items),
        "labels": {"type": "array", "title": "Labels", "description": "What a text may be about.",
            "items": {"type": "string", "minLength": 1, "maxLength": MAX_LABEL_CHARS},
            "minItems": 1, "maxItems": MAX_LABELS, "uniqueItems": true},
        "template": {"type": "string", "title": "Template", "maxLength": MAX_LABEL_CHARS, "default": "{}", "pattern": "\\{\\}",
            "description": "What a label is made into before it is compared; `{}` stands for the label."},
        "truncate": truncate()
    });
    object("Texts and labels", properties, &["texts", "labels"])
}

pub(super) fn zero_shot_example() -> Value {
    json!({"texts": ["The team won the final after extra time."], "labels": ["sports", "politics", "cooking"]})
}

pub(super) fn classification_input(max_items: usize) -> Value {
    let properties = json!({
        "texts": texts("Texts to classify.", 1, max_items),
        "top_k": {"type": "integer", "title": "Labels told", "minimum": 1, "maximum": 1000,
            "description": "So many labels a text, the best; without it all."},
        "truncate": truncate()
    });
    object("Texts to classify", properties, &["texts"])
}

/// Of both classifications.
pub(super) fn classification_output() -> Value {
    json!({
        "type": "object",
        "properties": {
            "results": {"type": "array", "description": "One entry a text, in order.", "items": {
                "type": "object",
                "properties": {"labels": {"type": "array", "description": "The best label first.", "items": {
                    "type": "object",
                    "properties": {"label": {"type": "string"}, "score": {"type": "number", "description": "From 0 to 1."}},
                    "required": ["label", "score"]
                }}},
                "required": ["labels"]
            }},
            "usage": usage()
        },
        "required": ["results", "usage"]
    })
}

pub(super) fn classification_example() -> Value {
    json!({"texts": ["What a wonderful day!", "The parcel never came."]})
}

pub(super) fn rerank_input(max_items: usize) -> Value {
    let properties = json!({
        "query": one_text("Query", "What is asked."),
        "texts": texts("Texts that may answer it.", 1, max_items),
        "top_k": {"type": "integer", "title": "Texts told", "minimum": 1,
            "description": "Tell of so many texts, the best; without it of all."},
        "truncate": truncate()
    });
    object("A query and texts", properties, &["query", "texts"])
}

pub(super) fn rerank_output() -> Value {
    json!({
        "type": "object",
        "properties": {
            "scores": {"type": "array", "description": "The best text first.", "items": {
                "type": "object",
                "properties": {
                    "index": {"type": "integer", "description": "Place of the text in the input, from 0."},
                    "score": {"type": "number", "description": "From 0 to 1."}
                },
                "required": ["index", "score"]
            }},
            "usage": usage()
        },
        "required": ["scores", "usage"]
    })
}

pub(super) fn rerank_example() -> Value {
    json!({"query": "How do plants make sugar?", "texts": ["Photosynthesis turns light into sugar.", "Sugar is sold in bags."]})
}

/// Texts to be read.
pub(super) fn cost(input: &Value) -> i64 {
    let list = |key: &str| input.get(key).and_then(Value::as_array).map_or(0, Vec::len);
    (list("texts") + list("labels")).max(1) as i64
}
