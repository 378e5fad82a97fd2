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

/// Points of a face.
fn landmarks() -> Value {
    json!({"type": "array", "description": "Points [x, y] in pixels: the eye on the left of the picture, the one on \
            the right, the nose, the left and the right corner of the mouth.",
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
    let mut schema = object("A picture to label", properties, &["image"]);
    schema["description"] =
        "The middle of the picture is what counts: its longer side is cut to a square.".into();
    schema
}

pub(super) fn classification_output() -> Value {
    json!({
        "type": "object",
        "properties": {"labels": {"type": "array", "description": "The best first.", "items": {
            "type": "object",
            "properties": {
                "label": {"type": "string"},
                "score": {"type": "number", "description": "From 0 to 1; all labels together have 1."}
            },
            "required": ["label", "score"]
        }}},
        "required": ["labels"]
    })
}

pub(super) fn classification_example() -> Value {
    json!({"image": data_url("image/jpeg", include_bytes!("examples/coffee.jpg")), "top_k": 3})
}

pub(super) fn faces_input() -> Value {
    let properties = json!({
        "image": image(),
        "min_size": {"type": "integer", "title": "Smallest face", "minimum": 20, "maximum": 4096, "default": 20,
            "description": "Side of the smallest face to look for, in pixels. Large pictures are made smaller first, \
                which may raise it; a larger one is faster."}
    });
    object("A picture with faces", properties, &["image"])
}

pub(super) fn faces_output() -> Value {
    json!({
        "type": "object",
        "properties": {"boxes": {"type": "array", "description": "The surest face first.", "items": {
            "type": "object",
            "properties": {
                "polygon": polygon(),
                "score": {"type": "number", "description": "From 0 to 1."},
                "landmarks": landmarks()
            },
            "required": ["polygon", "score", "landmarks"]
        }}},
        "required": ["boxes"]
    })
}

pub(super) fn faces_example() -> Value {
    json!({"image": data_url("image/jpeg", include_bytes!("examples/face.jpg"))})
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
