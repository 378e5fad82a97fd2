//! Tasks on pictures: labels, faces, text.

use serde_json::{Value, json};

use super::{MAX_MEDIA_CHARS, data_url, object};

fn image() -> Value {
    json!({"type": "string", "title": "Picture", "minLength": 1, "maxLength": MAX_MEDIA_CHARS, "pattern": "^data:",
        "contentEncoding": "base64", "description": "A data URL (`data:image/png;base64,…`) of a PNG, JPEG or WebP \
        picture: at most 12 MiB, 8,192 pixels a side and 40,000,000 in all. Some kinds take more memory to decode and \
        may have fewer: a JPEG with colours at full resolution (4:4:4) 33,500,000, one of four colours (CMYK) 27,900,000, \
        a lossy WebP with transparency 31,900,000."})
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

/// Side of the copy that text is looked for in.
fn max_side() -> Value {
    json!({"type": "integer", "title": "Longest side", "minimum": 320, "maximum": 2048, "default": 1280,
        "description": "Text is looked for in a copy whose longer side is no longer than this, in pixels; lines are \
            then read in the picture itself. More finds smaller text, and takes time and memory by its square."})
}

pub(super) fn ocr_input() -> Value {
    let properties = json!({
        "image": image(),
        "max_side": max_side(),
        "min_confidence": {"type": "number", "title": "Least confidence", "minimum": 0, "maximum": 1, "default": 0,
            "description": "Lines that are less sure are left out."},
        "letters": {"type": "string", "title": "Letters", "minLength": 1, "maxLength": 256,
            "description": "Nothing but these is read, `0123456789` say; all letters where it is left out."}
    });
    object("A picture with text", properties, &["image"])
}

pub(super) fn ocr_output() -> Value {
    json!({
        "type": "object",
        "properties": {"lines": {"type": "array", "description": "In reading order.", "items": {
            "type": "object",
            "properties": {
                "text": {"type": "string"},
                "polygon": polygon(),
                "confidence": {"type": "number", "description": "From 0 to 1."}
            },
            "required": ["text", "polygon", "confidence"]
        }}},
        "required": ["lines"]
    })
}

pub(super) fn ocr_example() -> Value {
    json!({"image": data_url("image/png", include_bytes!("examples/line.png"))})
}

pub(super) fn mrz_input() -> Value {
    object(
        "A picture of a document",
        json!({"image": image(), "max_side": max_side()}),
        &["image"],
    )
}

pub(super) fn mrz_output() -> Value {
    json!({
        "type": "object",
        "properties": {
            "mrz": {"type": "array", "items": {"type": "string"},
                "description": "The lines of the zone, corrected; none where the picture has no zone."},
            "type": {"type": ["string", "null"], "enum": ["TD1", "TD2", "TD3", "MRV-A", "MRV-B", null],
                "description": "The kind of zone (ICAO Doc 9303)."},
            "fields": {"type": "object", "additionalProperties": {"type": ["string", "null"]},
                "description": "document_code, issuing_state, surname, given_names, document_number, nationality, \
                    birth_date, sex, expiry_date, optional_data (and optional_data_2 of TD1); dates as YYYY-MM-DD, as far \
                    as they are known; null where the zone says nothing."},
            "valid": {"type": "boolean",
                "description": "Whether all check digits are right and all fields are as the standard has them. Names, \
                    states and sex have no check digit; and one digit agrees with one wrong text in ten."},
            "checks": {"type": "object", "additionalProperties": {"type": "boolean"},
                "description": "Whether each check digit is right."},
            "corrections": {"type": "integer", "minimum": 0,
                "description": "How many characters were corrected after they were recognised."}
        },
        "required": ["mrz", "type", "fields", "valid", "checks", "corrections"]
    })
}

pub(super) fn mrz_example() -> Value {
    json!({"image": data_url("image/png", include_bytes!("examples/zone.png"))})
}

#[cfg(test)]
mod tests {
    use crate::model_spec::Catalog;

    #[test]
    fn whoever_takes_media_says_how_much_memory_that_takes() {
        let mut found = 0;
        for model in Catalog::built_in().0.values() {
            if model.tasks.iter().any(|task| task.takes_media()) {
                found += 1;
                // Decoding a picture may take 320 MiB, a recording as much as it has samples.
                let least = 512 << 20;
                let said = model.limits.memory_bytes;
                assert!(said.is_some_and(|bytes| bytes >= least), "{}: {said:?}", model.id);
                // What a machine of 2 GiB may give, which shows 1.9 of them.
                let most = (0.8 * 1.9 * f64::from(1 << 30)) as u64;
                assert!(said.is_some_and(|bytes| bytes <= most), "{}: {said:?}", model.id);
            }
        }
        assert_eq!(found, 5);
    }
}
