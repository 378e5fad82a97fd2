//! Bad requests around a body that may be good: its wrapping, headers, addresses, and bytes that are no
//! request at all.

use crate::{
    cases::{BARE, JSON, MALFORMED, Maker, good},
    wire::Body,
};

/// Bodies that are wrapped in the wrong way.
pub fn framing(to: &mut Maker) {
    let json = to.head("POST /v1/jobs", JSON);
    to.add(
        "no content type",
        to.head("POST /v1/jobs", ""),
        Body::Sized(good()),
        (415, "unsupported_media_type"),
        None,
    );
    for (name, kind) in [
        ("text/plain", "Content-Type: text/plain\r\n"),
        ("a form", "Content-Type: application/x-www-form-urlencoded\r\n"),
        ("JSON of another kind", "Content-Type: application/jsonp\r\n"),
        (
            "JSON in Latin-1",
            "Content-Type: application/json; charset=iso-8859-1\r\n",
        ),
        (
            "gzip",
            "Content-Type: application/json\r\nContent-Encoding: gzip\r\n",
        ),
        (
            "many codings",
            "Content-Type: application/json\r\nContent-Encoding: identity, gzip\r\n",
        ),
    ] {
        to.headers(name, kind, (415, "unsupported_media_type"), None);
    }
    to.add("no body at all", json.clone(), Body::None, MALFORMED, None);
    to.add(
        "cap, chunked",
        json.clone(),
        Body::ChunkedBlanks(300_000),
        (413, "payload_too_large"),
        None,
    );
    to.add(
        "100 MB, chunked",
        json.clone(),
        Body::ChunkedBlanks(100_000_000),
        (413, "payload_too_large"),
        None,
    );
    to.add(
        "one byte over the cap",
        json.clone(),
        Body::Blanks(256 * 1024 + 1),
        (413, "payload_too_large"),
        None,
    );
    to.add(
        "the cap in blanks",
        json.clone(),
        Body::Blanks(256 * 1024),
        MALFORMED,
        None,
    );
    to.add(
        "not JSON, chunked",
        json,
        Body::Chunked(b"{".repeat(5000)),
        MALFORMED,
        None,
    );
}

/// Headers that can't be read.
pub fn headers(to: &mut Maker) {
    let with = |header: &str| format!("{JSON}{header}\r\n");
    let key = Some(("parameter", "Idempotency-Key"));
    for (name, header) in [
        ("empty key", "Idempotency-Key: \"\""),
        ("half a quoted key", "Idempotency-Key: \"abc"),
        ("key with a tab", "Idempotency-Key: a\tb"),
        ("two keys", "Idempotency-Key: a\r\nIdempotency-Key: b"),
        ("key that is not ASCII", "Idempotency-Key: schlüssel"),
    ] {
        to.headers(name, &with(header), MALFORMED, key);
    }
    let long = format!("Idempotency-Key: {}", "k".repeat(256));
    to.headers("long key", &with(&long), MALFORMED, key);
    to.headers(
        "Accept of images",
        &with("Accept: image/png"),
        (406, "not_acceptable"),
        None,
    );
    let foreign = "Authorization: Bearer lmp_v4.local.AAAA_000000";
    for (name, line) in [
        ("a token that is none", foreign),
        ("a token that is not ASCII", "Authorization: Bearer tökén"),
        ("another scheme", "Authorization: Basic YTpi"),
    ] {
        let head = format!(
            "POST /v1/jobs HTTP/1.1\r\nHost: {}\r\n{line}\r\n{JSON}",
            to.address
        );
        to.add(
            name,
            head.into_bytes(),
            Body::Sized(good()),
            (401, "unauthorized"),
            None,
        );
    }
}

/// Addresses, methods and parameters.
pub fn addresses(to: &mut Maker) {
    const MISSING: (u16, &str) = (404, "not_found");
    for (name, line) in [
        ("unknown path", "GET /v1/nothing"),
        ("a path upwards", "GET /v1/../../etc/passwd"),
        ("an encoded path", "GET /v1/jobs/..%2f..%2fetc"),
        ("bad id", "GET /v1/jobs/1"),
        ("an id with SQL", "GET /v1/jobs/job_'%20OR%201=1--"),
        ("an id that is not UTF-8", "GET /v1/jobs/%ff%fe"),
        ("a half encoding", "GET /v1/jobs/%"),
        ("bad id to cancel", "POST /v1/jobs/1/cancel"),
        ("bad id to stream", "GET /v1/jobs/job_1/events"),
        ("unknown model's page", "GET /v1/models/none"),
    ] {
        to.line(name, line, MISSING, None);
    }
    let long = format!("GET /v1/jobs/{}", "a".repeat(5000));
    to.line("long id", &long, MISSING, None);
    to.line("bad method", "PATCH /v1/jobs", (405, "method_not_allowed"), None);
    to.line(
        "invented method",
        "BREW /v1/jobs",
        (405, "method_not_allowed"),
        None,
    );
    for (name, query, parameter) in [
        ("bad cursor", "cursor=abc", "cursor"),
        ("bad limit", "limit=0", "limit"),
        ("limit over the cap", "limit=101", "limit"),
        ("negative limit", "limit=-1", "limit"),
        ("limit as text", "limit=ten", "limit"),
        ("huge limit", "limit=99999999999999999999999", "limit"),
        ("bad status", "status=done", "status"),
        ("a model with a NUL", "model=a%00", "model"),
        ("a task with a NUL", "task=a%00", "task"),
        ("bad time", "created_after=yesterday", "created_after"),
        (
            "a day that is none",
            "created_before=2026-02-30T00:00:00Z",
            "created_before",
        ),
    ] {
        to.line(
            name,
            &format!("GET /v1/jobs?{query}"),
            MALFORMED,
            Some(("parameter", parameter)),
        );
    }
    let id = "job_01ke1c2v7h8q9r0s1t2v3w4x5y";
    for (name, place) in [
        ("bad Last-Event-ID", "abc"),
        ("a Last-Event-ID too large", "1-99999999999999999999"),
    ] {
        let head = to.head(
            &format!("GET /v1/jobs/{id}/events"),
            &format!("Last-Event-ID: {place}\r\n"),
        );
        to.add(
            name,
            head,
            Body::None,
            MALFORMED,
            Some(("parameter", "Last-Event-ID")),
        );
    }
    let line = format!("GET /v1/jobs/{id}/events?starting_after=-1");
    to.line(
        "bad starting_after",
        &line,
        MALFORMED,
        Some(("parameter", "starting_after")),
    );
}

/// What is no HTTP request: the server says 400 (or 431, 414) and closes, before any of our code.
pub fn below_http(to: &mut Maker) {
    let bare = |status| (status, BARE);
    to.add(
        "a line that is none",
        b"HELLO\r\n".to_vec(),
        Body::None,
        bare(400),
        None,
    );
    to.add(
        "a NUL in a header",
        to.head("GET /v1/jobs", "X: a\0b\r\n"),
        Body::None,
        bare(400),
        None,
    );
    to.add(
        "a bad length",
        to.head("POST /v1/jobs", "Content-Length: ten\r\n"),
        Body::None,
        bare(400),
        None,
    );
    let two = "Content-Length: 5\r\nContent-Length: 6\r\n";
    to.add(
        "two lengths",
        to.head("POST /v1/jobs", two),
        Body::None,
        bare(400),
        None,
    );
    let many: String = (0..200).map(|n| format!("X-{n}: a\r\n")).collect();
    to.add(
        "200 headers",
        to.head("GET /v1/jobs", &many),
        Body::None,
        bare(431),
        None,
    );
}
