//! Bad bodies: what is not JSON, and JSON that does not fit.

use serde_json::{Value, json};

use crate::cases::{INVALID, MALFORMED, Maker};

/// What is not JSON, or is JSON that parsers disagree about.
pub fn texts(to: &mut Maker) {
    to.post("empty body", "", MALFORMED, None);
    to.post("not JSON", "model=echo", MALFORMED, None);
    to.post("cut off", r#"{"model":"echo","input":{"#, MALFORMED, None);
    to.post(
        "two documents",
        r#"{"model":"echo","input":{}}{}"#,
        MALFORMED,
        None,
    );
    to.post(
        "duplicate key",
        r#"{"model":"echo","input":{"a":1,"a":2}}"#,
        MALFORMED,
        Some("/input/a"),
    );
    to.post("nested 65 deep", nested(63), MALFORMED, None);
    to.post("nested 10,000 deep", nested(10_000), MALFORMED, None);
    to.post(
        "nested objects",
        format!("{}1{}", r#"{"a":"#.repeat(20_000), "}".repeat(20_000)),
        MALFORMED,
        None,
    );
    to.post("only opened", "[".repeat(200_000), MALFORMED, None);
    to.post(
        "NUL as an escape",
        "{\"model\":\"echo\",\"input\":{\"a\":\"\\u0000\"}}",
        MALFORMED,
        Some("/input/a"),
    );
    to.post(
        "NUL as a byte",
        &b"{\"model\":\"echo\",\"input\":{\"a\":\"\0\"}}"[..],
        MALFORMED,
        None,
    );
    to.post(
        "lone surrogate",
        r#"{"model":"echo","input":{"a":"\ud800"}}"#,
        MALFORMED,
        None,
    );
    to.post(
        "1e400",
        r#"{"model":"echo","input":{"a":1e400}}"#,
        MALFORMED,
        None,
    );
    let digits = format!(r#"{{"model":"echo","input":{{"a":{}}}}}"#, "9".repeat(1000));
    to.post("a number of 1,000 digits", digits, MALFORMED, None);
    to.post("NaN", r#"{"model":"echo","input":{"a":NaN}}"#, MALFORMED, None);
    to.post(
        "invalid UTF-8",
        &b"{\"model\":\"echo\",\"input\":{\"a\":\"\xff\xfe\"}}"[..],
        MALFORMED,
        None,
    );
    to.post(
        "overlong UTF-8",
        &b"{\"model\":\"echo\",\"input\":{\"a\":\"\xc0\x80\"}}"[..],
        MALFORMED,
        None,
    );
    to.post(
        "byte order mark",
        &b"\xef\xbb\xbf{\"model\":\"echo\",\"input\":{}}"[..],
        MALFORMED,
        None,
    );
    to.post(
        "UTF-16",
        "{}".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>(),
        MALFORMED,
        None,
    );
}

/// JSON that does not fit the operation or the model.
pub fn fields(to: &mut Maker) {
    to.post("array body", "[]", INVALID, Some(""));
    to.post("null body", "null", INVALID, Some(""));
    to.post("no model", r#"{"input":{}}"#, INVALID, Some("/model"));
    to.post("no input", r#"{"model":"echo"}"#, INVALID, Some("/input"));
    to.field("unknown field", "role", json!("admin"), "/role");
    to.field("unknown field with a slash", "a/b~c", json!(1), "/a~1b~0c");
    to.field("wrong type of model", "model", json!(1), "/model");
    to.field("null model", "model", Value::Null, "/model");
    to.field("long model", "model", "x".repeat(201).into(), "/model");
    to.field("text as input", "input", json!("text"), "/input");
    to.field(
        "wrong type in the input",
        "input",
        json!({"sleep_ms": "1"}),
        "/input/sleep_ms",
    );
    to.field(
        "negative number",
        "input",
        json!({"sleep_ms": -1}),
        "/input/sleep_ms",
    );
    to.field(
        "too large a number",
        "input",
        json!({"sleep_ms": 600_001}),
        "/input/sleep_ms",
    );
    to.field(
        "text too long",
        "input",
        json!({"fail": "x".repeat(1001)}),
        "/input/fail",
    );
    to.field("bad priority", "priority", json!("urgent"), "/priority");
    to.field("null priority", "priority", Value::Null, "/priority");
    to.field(
        "no seconds",
        "timeout",
        json!({"run_seconds": 0}),
        "/timeout/run_seconds",
    );
    to.field(
        "seconds as a float",
        "timeout",
        json!({"run_seconds": 1.5}),
        "/timeout/run_seconds",
    );
    to.field(
        "seconds as 1e30",
        "timeout",
        json!({"start_seconds": 1e30}),
        "/timeout/start_seconds",
    );
    to.field(
        "unknown timeout",
        "timeout",
        json!({"total": 1}),
        "/timeout/total",
    );
    to.field(
        "metadata too large",
        "metadata",
        json!({"a": "x".repeat(17_000)}),
        "/metadata",
    );
    to.field("metadata as a list", "metadata", json!([1]), "/metadata");
    let many: String = (0..20_000).map(|n| format!(r#""k{n}":1,"#)).collect();
    let many = format!(r#"{{{many}"model":"echo","input":{{}}}}"#);
    to.post("20,000 unknown keys", many, INVALID, None);
    let body = json!({"model": "no-such-model", "input": {}}).to_string();
    to.post("unknown model", body, (422, "unknown_model"), Some("/model"));
    let body = json!({"model": "../../etc/passwd", "input": {}}).to_string();
    to.post("model as a path", body, (422, "unknown_model"), Some("/model"));
}

/// What the operation takes and the model does not.
pub fn models_input(to: &mut Maker) {
    let text = |length: usize| Value::from("é".repeat(length));
    for (name, input, pointer) in [
        ("too many items", json!({"texts": vec!["a"; 129]}), "/input/texts"),
        ("no items", json!({"texts": []}), "/input/texts"),
        ("a text too long", json!({"text": text(32_001)}), "/input/text"),
        (
            "an item too long",
            json!({"texts": ["a", text(32_001)]}),
            "/input/texts/1",
        ),
        ("an empty text", json!({"text": ""}), "/input/text"),
        (
            "a number as an item",
            json!({"texts": ["a", "b", 3]}),
            "/input/texts/2",
        ),
        (
            "blanks only, a text too long",
            json!({"text": " ".repeat(200_000)}),
            "/input/text",
        ),
        ("text and texts", json!({"text": "a", "texts": ["b"]}), "/input"),
        ("neither", json!({}), "/input"),
        (
            "unknown field in the input",
            json!({"text": "a", "mode": 1}),
            "/input/mode",
        ),
    ] {
        let body = json!({"model": "texts", "input": input}).to_string();
        to.post(name, body, INVALID, Some(pointer));
    }
}

fn nested(depth: usize) -> String {
    let (open, close) = ("[".repeat(depth), "]".repeat(depth));
    format!("{{\"model\":\"echo\",\"input\":{{\"a\":{open}{close}}}}}")
}
