//! Tasks on pictures: labels, faces, text.

use serde_json::{Value, json};

use super::{MAX_MEDIA_CHARS, data_url, object};

fn image() -> Value {
    json!({"type": "string", "title": "Picture", "minLength": 1, "maxLength": MAX_MEDIA_CHARS, "pattern": "^data:",
        "contentEncoding": "base64", "description": "A data URL (`data:image/png;base64,…`) of a PNG, JPEG or WebP picture."})
}

/// Corners in pixels.
fn polygon() -> Value {
    json!({"type": "array", "description": "Corners [x, y] in pixels, clockwise from the top left.",
        "items": {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}})
}

fn example() -> Value {
    json!({"image": data_url("image/png", include_bytes!("examples/picture.png"))})
}

pub(super) fn classification_input() -> Value {
    let properties = json!({
        "image": image(),
        "top_k": {"type": "integer", "title": "Labels told", "minimum": 1, "maximum": 1000, "default": 5,
            "description": "So many labels, the best first."}
    });
    object("A picture", properties, &["image"])
}

pub(super) fn classification_output() -> Value {
    json!({
        "type": "object",
        "properties": {"labels": {"type": "array", "description": "The best first.", "items": {
            "type": "object",
            "properties": {"label": {"type": "string"}, "score": {"type": "number", "description": "From 0 to 1."}},
            "required": ["label", "score"]
        }}},
        "required": ["labels"]
    })
}

pub(super) fn classification_example() -> Value {
    example()
}

pub(super) fn faces_input() -> Value {
    object("A picture", json!({"image": image()}), &["image"])
}

pub(super) fn faces_output() -> Value {
    json!({
        "type": "object",
        "properties": {"boxes": {"type": "array", "description": "The surest face first.", "items": {
            "type": "object",
            "properties": {"polygon": polygon(), "score": {"type": "number"}, "landmarks": polygon()},
            "required": ["polygon", "score", "landmarks"]
        }}},
        "required": ["boxes"]
    })
}

pub(super) fn faces_example() -> Value {
    example()
}

pub(super) fn ocr_input() -> Value {
    object("A picture", json!({"image": image()}), &["image"])
}

pub(super) fn ocr_output() -> Value {
    json!({
        "type": "object",
        "properties": {"lines": {"type": "array", "description": "In reading order.", "items": {
            "type": "object",
            "properties": {"text": {"type": "string"}, "polygon": polygon(), "confidence": {"type": "number"}},
            "required": ["text", "polygon", "confidence"]
        }}},
        "required": ["lines"]
    })
}

pub(super) fn ocr_example() -> Value {
    example()
}

pub(super) fn mrz_input() -> Value {
    object("A picture of a document", json!({"image": image()}), &["image"])
}

pub(super) fn mrz_output() -> Value {
    json!({
        "type": "object",
        "properties": {
            "mrz": {"type": "array", "items": {"type": "string"}},
            "type": {"type": ["string", "null"]},
            "fields": {"type": "object"},
            "valid": {"type": "boolean"}
        },
        "required": ["mrz", "type", "fields", "valid"]
    })
}

pub(super) fn mrz_example() -> Value {
    example()
}
