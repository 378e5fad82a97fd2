//! Every kind of bad input through the real router: a 4xx with a code and a place, never a 5xx, and
//! nothing is stored.

mod support;

use lamplighter_shared::id::JobId;
use poem::{
    Body, RequestBuilder,
    http::{Method, StatusCode},
};
use serde_json::{Value, json};
use support::{World, send};

/// A body for `POST /v1/jobs`, the status and code it gets, and the pointer of its first fault.
type Case = (&'static str, Vec<u8>, u16, &'static str, Option<&'static str>);

fn minilm(input: Value) -> Vec<u8> {
    json!({"model": "minilm", "input": input})
        .to_string()
        .into_bytes()
}

fn with(field: &str, value: Value) -> Vec<u8> {
    let mut body = json!({"model": "echo", "input": {}});
    body[field] = value;
    body.to_string().into_bytes()
}

fn malformed() -> Vec<Case> {
    let deep = format!(
        "{{\"model\":\"echo\",\"input\":{{\"a\":{}1{}}}}}",
        "[".repeat(70),
        "]".repeat(70)
    );
    let deeper = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let case =
        |name, body: &str, pointer| (name, body.as_bytes().to_vec(), 400, "malformed_request", pointer);
    vec![
        case("empty", "", None),
        case("not JSON", "model=echo", None),
        case("cut off", "{\"model\":\"echo\"", None),
        case("two documents", "{}{}", None),
        case(
            "duplicate key",
            "{\"model\":\"echo\",\"model\":\"minilm\",\"input\":{}}",
            Some("/model"),
        ),
        case(
            "duplicate key inside",
            "{\"model\":\"echo\",\"input\":{\"a\":1,\"a\":2}}",
            Some("/input/a"),
        ),
        case(
            "NUL",
            "{\"model\":\"echo\",\"input\":{\"a\":\"x\\u0000\"}}",
            Some("/input/a"),
        ),
        case(
            "NUL in a key",
            "{\"model\":\"echo\",\"input\":{\"a\\u0000\":1}}",
            Some("/input/a\0"),
        ),
        case(
            "lone surrogate",
            "{\"model\":\"echo\",\"input\":{\"a\":\"\\ud800\"}}",
            None,
        ),
        case(
            "huge number",
            "{\"model\":\"echo\",\"input\":{\"a\":1e400}}",
            None,
        ),
        case("deep nesting", &deep, None),
        case("very deep nesting", &deeper, None),
        (
            "not UTF-8",
            b"{\"model\":\"\xff\"}".to_vec(),
            400,
            "malformed_request",
            None,
        ),
        (
            "byte order mark",
            b"\xef\xbb\xbf{}".to_vec(),
            400,
            "malformed_request",
            None,
        ),
    ]
}

fn unfit() -> Vec<Case> {
    let invalid = |name, body, pointer| (name, body, 422, "validation_failed", Some(pointer));
    let text = |n: usize| Value::from("x".repeat(n));
    vec![
        invalid("no object", b"[]".to_vec(), ""),
        invalid("null", b"null".to_vec(), ""),
        invalid("nothing", b"{}".to_vec(), "/model"),
        invalid(
            "no input",
            json!({"model": "echo"}).to_string().into_bytes(),
            "/input",
        ),
        invalid("unknown field", with("role", json!("admin")), "/role"),
        invalid(
            "unknown field inside",
            with("timeout", json!({"x": 1})),
            "/timeout/x",
        ),
        invalid("wrong type of model", with("model", json!(1)), "/model"),
        invalid("wrong type of input", with("input", json!("text")), "/input"),
        invalid("empty model", with("model", json!("")), "/model"),
        invalid("unknown priority", with("priority", json!("urgent")), "/priority"),
        invalid(
            "zero seconds",
            with("timeout", json!({"run_seconds": 0})),
            "/timeout/run_seconds",
        ),
        invalid(
            "too many seconds",
            with("timeout", json!({"run_seconds": 1_000_000})),
            "/timeout/run_seconds",
        ),
        invalid(
            "negative seconds",
            with("timeout", json!({"start_seconds": -1})),
            "/timeout/start_seconds",
        ),
        invalid(
            "half a second",
            with("timeout", json!({"run_seconds": 1.5})),
            "/timeout/run_seconds",
        ),
        invalid(
            "float for an integer",
            with("timeout", json!({"run_seconds": 2.0})),
            "/timeout/run_seconds",
        ),
        invalid("metadata no object", with("metadata", json!([])), "/metadata"),
        invalid(
            "metadata too long",
            with("metadata", json!({"a": text(20_000)})),
            "/metadata",
        ),
        invalid("input field missing", minilm(json!({})), "/input"),
        invalid(
            "text and texts",
            minilm(json!({"text": "a", "texts": ["b"]})),
            "/input",
        ),
        invalid("input field unknown", minilm(json!({"txt": "a"})), "/input/txt"),
        invalid(
            "text of a wrong type",
            minilm(json!({"texts": ["a", "b", "c", 4]})),
            "/input/texts/3",
        ),
        invalid(
            "empty text",
            minilm(json!({"texts": ["a", ""]})),
            "/input/texts/1",
        ),
        invalid("no texts", minilm(json!({"texts": []})), "/input/texts"),
        invalid(
            "too many texts",
            minilm(json!({"texts": vec!["a"; 129]})),
            "/input/texts",
        ),
        invalid(
            "too long a text",
            minilm(json!({"texts": [text(32_001)]})),
            "/input/texts/0",
        ),
        (
            "unknown model",
            with("model", json!("gpt")),
            422,
            "unknown_model",
            Some("/model"),
        ),
        (
            "a path as model",
            with("model", json!("../../etc/passwd")),
            422,
            "unknown_model",
            Some("/model"),
        ),
    ]
}

#[tokio::test]
async fn bad_bodies_are_refused_with_a_place_and_nothing_is_stored() {
    let world = World::new().await;
    let api = world.api();
    let cases: Vec<Case> = malformed().into_iter().chain(unfit()).collect();
    for (name, body, status, code, pointer) in &cases {
        let read = send(&api, world.submission().body(body.clone())).await;
        let problem = read.json();
        assert_eq!(read.status.as_u16(), *status, "{name}: {problem}");
        assert_eq!(read.header("content-type"), "application/problem+json", "{name}");
        assert_eq!(problem["code"], *code, "{name}: {problem}");
        assert_eq!(problem["type"], format!("/docs/errors#{code}"), "{name}");
        assert_eq!(problem["request_id"], read.header("x-request-id"), "{name}");
        assert!(read.text.len() < 10_000, "{name}: the answer repeats the input");
        if let Some(pointer) = pointer {
            assert_eq!(problem["errors"][0]["pointer"], *pointer, "{name}: {problem}");
        }
    }
    assert_eq!(world.stored().await, 0);
    println!("kinds of bad bodies refused: {}, stored: 0", cases.len());
}

#[tokio::test]
async fn bad_framing_is_refused() {
    let world = World::new().await;
    let api = world.api();
    let good = json!({"model": "echo", "input": {}}).to_string();
    let large = json!({"model": "echo", "input": {"a": "x".repeat(300_000)}}).to_string();
    let chunks: Vec<Result<Vec<u8>, std::io::Error>> =
        large.as_bytes().chunks(1000).map(|c| Ok(c.to_vec())).collect();
    let plain = || world.request(Method::POST, "/v1/jobs");
    let json = || plain().content_type("application/json");
    let with = |request: RequestBuilder| request.body(good.clone());
    let cases = [
        ("no media type", with(plain()), 415, "unsupported_media_type"),
        (
            "wrong media type",
            with(plain().content_type("text/plain")),
            415,
            "unsupported_media_type",
        ),
        (
            "a form",
            with(plain().content_type("application/x-www-form-urlencoded")),
            415,
            "unsupported_media_type",
        ),
        (
            "other characters",
            with(plain().content_type("application/json; charset=latin1")),
            415,
            "unsupported_media_type",
        ),
        (
            "gzip",
            with(json().header("content-encoding", "gzip")),
            415,
            "unsupported_media_type",
        ),
        (
            "too long, said so",
            json().header("content-length", large.len()).body(large.clone()),
            413,
            "payload_too_large",
        ),
        (
            "too long, not said",
            json().body(Body::from_bytes_stream(futures::stream::iter(chunks))),
            413,
            "payload_too_large",
        ),
        (
            "unacceptable form",
            with(json().header("accept", "application/xml")),
            406,
            "not_acceptable",
        ),
        (
            "empty key",
            with(json().header("idempotency-key", "\"\"")),
            400,
            "malformed_request",
        ),
        (
            "long key",
            with(json().header("idempotency-key", "k".repeat(256))),
            400,
            "malformed_request",
        ),
    ];
    let count = cases.len();
    for (name, request, status, code) in cases {
        let read = send(&api, request).await;
        assert_eq!(
            (read.status.as_u16(), read.json()["code"].as_str()),
            (status, Some(code)),
            "{name}: {}",
            read.text
        );
    }
    assert_eq!(world.stored().await, 0);
    println!("kinds of bad framing refused: {count}");
}

#[tokio::test]
async fn bad_addresses_and_parameters_are_refused() {
    let world = World::new().await;
    let job = world.echo().await;
    let missing = JobId::generate();
    let cases = [
        (Method::GET, "/v1/jobs/nonsense".to_owned(), 404, "not_found", ""),
        (
            Method::GET,
            format!("/v1/jobs/{}", job.to_string().to_uppercase()),
            404,
            "not_found",
            "",
        ),
        (Method::GET, format!("/v1/jobs/{missing}"), 404, "not_found", ""),
        (Method::GET, "/v1/jobs/%FF".to_owned(), 404, "not_found", ""),
        (Method::GET, "/v1/jobs/job_%00".to_owned(), 404, "not_found", ""),
        (Method::POST, "/v1/jobs/x/cancel".to_owned(), 404, "not_found", ""),
        (Method::POST, "/v1/jobs/x/retry".to_owned(), 404, "not_found", ""),
        (Method::DELETE, "/v1/jobs/x".to_owned(), 404, "not_found", ""),
        (Method::GET, "/v1/jobs/x/events".to_owned(), 404, "not_found", ""),
        (Method::GET, "/v1/models/x".to_owned(), 404, "not_found", ""),
        (Method::GET, "/v2/jobs".to_owned(), 404, "not_found", ""),
        (Method::GET, "/docs/x".to_owned(), 404, "not_found", ""),
        (Method::PUT, "/v1/jobs".to_owned(), 405, "method_not_allowed", ""),
        (Method::POST, "/docs".to_owned(), 405, "method_not_allowed", ""),
        (
            Method::GET,
            format!("/v1/jobs/{job}/cancel"),
            405,
            "method_not_allowed",
            "",
        ),
        (
            Method::GET,
            "/v1/jobs?limit=0".to_owned(),
            400,
            "malformed_request",
            "limit",
        ),
        (
            Method::GET,
            "/v1/jobs?limit=101".to_owned(),
            400,
            "malformed_request",
            "limit",
        ),
        (
            Method::GET,
            "/v1/jobs?limit=x".to_owned(),
            400,
            "malformed_request",
            "limit",
        ),
        (
            Method::GET,
            "/v1/jobs?limit=-1".to_owned(),
            400,
            "malformed_request",
            "limit",
        ),
        (
            Method::GET,
            "/v1/jobs?status=done".to_owned(),
            400,
            "malformed_request",
            "status",
        ),
        (
            Method::GET,
            "/v1/jobs?cursor=x".to_owned(),
            400,
            "malformed_request",
            "cursor",
        ),
        (
            Method::GET,
            "/v1/jobs?created_after=yesterday".to_owned(),
            400,
            "malformed_request",
            "created_after",
        ),
        (
            Method::GET,
            "/v1/jobs?created_before=1".to_owned(),
            400,
            "malformed_request",
            "created_before",
        ),
        (
            Method::GET,
            format!("/v1/jobs/{job}/events?starting_after=x"),
            400,
            "malformed_request",
            "starting_after",
        ),
    ];
    let api = world.api();
    for (method, path, status, code, parameter) in &cases {
        let read = send(&api, world.request(method.clone(), path).finish()).await;
        let problem = read.json();
        assert_eq!(
            (read.status.as_u16(), problem["code"].as_str()),
            (*status, Some(*code)),
            "{path}: {problem}"
        );
        if !parameter.is_empty() {
            assert_eq!(problem["errors"][0]["parameter"], *parameter, "{path}: {problem}");
        }
        assert_eq!(read.headers.contains_key("allow"), *status == 405, "{path}");
    }
    let bad = world
        .request(Method::GET, &format!("/v1/jobs/{job}/events"))
        .header("last-event-id", "1-x");
    let read = send(&api, bad.finish()).await;
    assert_eq!(
        (read.status, &read.json()["errors"][0]["parameter"]),
        (StatusCode::BAD_REQUEST, &json!("Last-Event-ID"))
    );
    println!(
        "kinds of bad addresses and parameters refused: {}",
        cases.len() + 1
    );
}
