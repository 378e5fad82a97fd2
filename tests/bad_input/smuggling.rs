//! S15: requests that two readers could read in two ways, and headers that claim what is not theirs to claim.
//! Each hides a request that would remove a job, the canary. With both a length and chunks, the chunks count
//! here; nginx in front refuses that, and is asked so with its other tests.

use std::time::Duration;

use lamplighter_testkit::server::{Options, Server};
use reqwest::Method;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// After so long without a byte nothing more comes.
const SILENCE: Duration = Duration::from_millis(600);

/// Sends these bytes on one connection; the statuses of all answers.
async fn send(server: &Server, bytes: &[u8]) -> Vec<u16> {
    let mut stream = TcpStream::connect(server.address()).await.expect("it listens");
    stream.write_all(bytes).await.expect("it is taken");
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    // The first answer takes as long as it takes.
    let mut patience = Duration::from_secs(10);
    while let Ok(Ok(n @ 1..)) = timeout(patience, stream.read(&mut buffer)).await {
        answer.extend_from_slice(&buffer[..n]);
        patience = SILENCE;
    }
    let text = String::from_utf8_lossy(&answer).into_owned();
    let statuses = text.split("HTTP/1.1 ").skip(1);
    statuses
        .map(|rest| rest[..3].parse().expect("a status"))
        .collect()
}

/// A job that has ended, and whether it is still there.
async fn canary(server: &Server) -> String {
    let job = server.post_job(&json!({"model": "echo", "input": {}})).await;
    server.wait(&job).await;
    format!("/v1/jobs/{}", job["id"].as_str().expect("an id"))
}

async fn is_there(server: &Server, path: &str) -> bool {
    server.get(path).await.0.as_u16() == 200
}

#[tokio::test]
async fn nothing_hides_in_another_request() {
    let server = Options::new(env!("CARGO_BIN_EXE_lamplighter")).start().await;
    let canary = canary(&server).await;
    let owner = format!("Host: x\r\nAuthorization: Bearer {}\r\n", server.token());
    let hidden = format!("DELETE {canary} HTTP/1.1\r\n{owner}\r\n");
    let post = format!("POST /v1/jobs HTTP/1.1\r\n{owner}Content-Type: application/json\r\n");
    let (length, chunk) = (hidden.len(), format!("{:x}", hidden.len()));
    let mut answers = 0;
    let cases = [
        // A reader of lengths sees one request more than a reader of chunks, and the other way round.
        (
            "TE.CL",
            format!(
                "{post}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n{chunk}\r\n{hidden}\r\n0\r\n\r\n"
            ),
        ),
        (
            "CL.TE, hidden by its length",
            format!(
                "{post}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}\r\n{hidden}\r\n0\r\n\r\n"
            ),
        ),
        (
            "two lengths",
            format!("{post}Content-Length: 0\r\nContent-Length: {length}\r\n\r\n{hidden}"),
        ),
        (
            "two lengths in a list",
            format!("{post}Content-Length: 0, {length}\r\n\r\n{hidden}"),
        ),
        (
            "a signed length",
            format!("{post}Content-Length: +{length}\r\n\r\n{hidden}"),
        ),
        (
            "an unknown coding",
            format!("{post}Transfer-Encoding: xchunked\r\n\r\n{chunk}\r\n{hidden}\r\n0\r\n\r\n"),
        ),
        (
            "chunked is not the last coding",
            format!("{post}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{hidden}"),
        ),
        (
            "a folded coding",
            format!("{post}Transfer-Encoding:\r\n xchunked\r\n\r\n{chunk}\r\n{hidden}\r\n0\r\n\r\n"),
        ),
        (
            "a folded header",
            format!("GET /v1/jobs HTTP/1.1\r\n{owner}X: a\r\n {hidden}"),
        ),
        (
            "a blank before the colon",
            format!("{post}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n{hidden}"),
        ),
        (
            "a chunk of a bad size",
            format!("{post}Transfer-Encoding: chunked\r\n\r\n-1\r\n{hidden}\r\n0\r\n\r\n"),
        ),
        (
            "a size too large",
            format!("{post}Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{hidden}\r\n0\r\n\r\n"),
        ),
        (
            "a bare line feed in a header",
            format!("GET /v1/jobs HTTP/1.1\r\n{owner}User-Agent: a\rX: b\r\n\r\n{hidden}"),
        ),
        (
            "a body of a request without one",
            format!("GET /v1/jobs HTTP/1.1\r\n{owner}Content-Length: {length}\r\n\r\n{hidden}"),
        ),
    ];
    for (name, bytes) in &cases {
        let statuses = send(&server, bytes.as_bytes()).await;
        assert_eq!(statuses.len(), 1, "{name}: {statuses:?}");
        assert!(statuses[0] < 500, "{name}: {statuses:?}");
        assert!(is_there(&server, &canary).await, "{name}: the canary is gone");
        answers += statuses.len();
    }
    println!(
        "S15 framing: {} requests, {answers} answers, canary moved 0 times",
        cases.len()
    );
    // The same request in the open does what it says.
    assert_eq!(send(&server, hidden.as_bytes()).await, [204]);
}

#[tokio::test]
async fn headers_claim_nothing_and_no_line_of_the_log_is_forged() {
    let server = Options::new(env!("CARGO_BIN_EXE_lamplighter"))
        .env("LAMPLIGHTER_LOG", "debug")
        .start()
        .await;
    let canary = canary(&server).await;
    let admin = server.token().to_owned();
    let other = server.create_token("other@example.org", &["jobs:read", "jobs:write"]);
    let mut ignored = 0;
    for (name, value) in [
        ("X-User-Id", "user_00000000000000000000000000"),
        ("X-Forwarded-User", "owner@localhost"),
        ("X-Remote-User", "admin"),
        ("X-HTTP-Method-Override", "DELETE"),
        ("X-HTTP-Method", "DELETE"),
        ("X-Method-Override", "DELETE"),
        ("X-Original-URL", canary.as_str()),
        ("X-Rewrite-URL", canary.as_str()),
        ("X-Forwarded-For", "127.0.0.1"),
        ("Forwarded", "for=127.0.0.1;proto=https"),
    ] {
        for (token, expected) in [(&other, [404, 405]), (&admin, [200, 405])] {
            let api = server.api_as(token);
            let get = api.request(Method::GET, &canary).header(name, value).send().await;
            let post = api
                .request(Method::POST, &canary)
                .header(name, value)
                .send()
                .await;
            let statuses = [get, post].map(|answer| answer.expect("an answer").status().as_u16());
            assert_eq!(statuses, expected, "{name}");
            ignored += 2;
        }
    }
    assert!(is_there(&server, &canary).await);
    let forged = "2026-01-01T00:00:00Z ERROR forged";
    let bytes = |text: String| text.into_bytes();
    let mail = json!({"email": format!("a@example.org\r\n{forged}"), "password": "p"}).to_string();
    let tries = [
        bytes(format!(
            "GET /v1/jobs/%0d%0a{} HTTP/1.1\r\nHost: x\r\n\r\n",
            forged.replace(' ', "%20")
        )),
        bytes(format!("GET /v1/jobs?x=\r{forged} HTTP/1.1\r\nHost: x\r\n\r\n")),
        bytes(format!(
            "GET /v1/jobs HTTP/1.1\r\nHost: x\r\nUser-Agent: a\r{forged}\r\n\r\n"
        )),
        bytes(format!(
            "GET /v1/jobs HTTP/1.1\r\nHost: x\r\nUser-Agent: a\r\n {forged}\r\n\r\n"
        )),
        bytes(format!(
            "GET /v1/jobs HTTP/1.1\r\nHost: x\r\nX-Request-Id: a %0a{forged}\r\n\r\n"
        )),
        bytes(format!(
            "GET /v1/jobs HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\x0b\u{85}{forged}\r\n\r\n"
        )),
        bytes(format!(
            "GET /v1/jobs HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 1.1.1.1 {forged}\r\n\r\n"
        )),
        bytes(format!(
            "POST /v1/account/register HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{mail}",
            mail.len()
        )),
    ];
    for bytes in &tries {
        let statuses = send(&server, bytes).await;
        let refused = statuses.iter().all(|status| (400..500).contains(status));
        assert!(
            refused && statuses.len() == 1,
            "{statuses:?}: {}",
            String::from_utf8_lossy(bytes)
        );
    }
    let log = server.log();
    assert!(log.contains("a request was refused"), "the log tells of each");
    let lines = log
        .lines()
        .filter(|line| line.trim_start().starts_with("2026-01-01"))
        .count();
    let strange: Vec<char> = log
        .chars()
        .filter(|c| (c.is_control() && !matches!(c, '\n' | '\u{1b}')) || matches!(c, '\u{85}' | '\u{2028}'))
        .collect();
    println!(
        "S15 headers: {ignored} claims ignored, {} tries at the log, forged lines {lines}",
        tries.len()
    );
    assert_eq!((lines, strange), (0, Vec::new()));
}
