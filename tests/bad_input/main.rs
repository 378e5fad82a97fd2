//! Bad input of every kind against a real server: always a 4xx problem document with a code, with the
//! place where a field is to blame; never a 5xx; nothing stored; no memory spent.
//!
//! `cases` says what a case is, `bodies` and `requests` have them, `wire` sends their bytes; `smuggling` is
//! about requests that hide others, `slow` about clients that take their time, `media` about
//! bodies that may be large, `unknown_fields` and
//! `odd_texts` about all bodies there are.
//! The same kinds against the router alone stand with the crate `api`.

mod cases;
mod bodies;
mod requests;
mod media;
mod slow;
mod smuggling;
mod unknown_fields;
mod odd_texts;
mod wire;

use std::{fs, time::Instant};

use cases::{Case, Expect};
use lamplighter_testkit::server::{Options, Server};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Memory that refusing may take, KiB.
const MEMORY: u64 = 32 * 1024;

/// The most resident memory so far, KiB.
fn peak_kb(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("the server runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.expect("the kernel tells")
}

/// A model of texts whose files are nowhere: its input is judged all the same.
const CATALOG: &str = r#"
[[model]]
id = "texts"
task = "text-embedding"
family = "bert"
sources = ["path:/nowhere"]
files = [{ path = "config.json", sha256 = "00", size = 1 }]
"#;

/// A server, and its data folder.
async fn start() -> (Server, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("models.toml"), CATALOG).expect("written");
    let server = Options::new(env!("CARGO_BIN_EXE_lamplighter"))
        .data_dir(folder.path())
        .models(&["echo", "texts"])
        .start()
        .await;
    // The code paths of a good request are warm before memory is compared.
    let job = server.post_job(&json!({"model": "echo", "input": {}})).await;
    server.wait(&job).await;
    let path = format!("/v1/jobs/{}", job["id"].as_str().expect("an id"));
    let (status, _) = server.call(reqwest::Method::DELETE, &path, None).await;
    assert_eq!(status.as_u16(), 204);
    (server, folder)
}

async fn stored(server: &Server) -> usize {
    let (status, list) = server.get("/v1/jobs").await;
    assert_eq!(status.as_u16(), 200, "{list}");
    list["data"].as_array().expect("a list").len()
}

/// Compares an answer with what the case expects; returns what is wrong.
fn judge(case: &Case, answer: &wire::Answer) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("{}: {what}: {answer:?}", case.name));
    let Expect { status, code, place } = &case.expect;
    if answer.status != *status {
        return wrong(&format!("status {}", answer.status));
    }
    if *code == cases::BARE {
        return Ok(());
    }
    if answer.header("content-type") != "application/problem+json" {
        return wrong("not a problem document");
    }
    let Ok(problem) = serde_json::from_str::<Value>(&answer.body) else {
        return wrong("not JSON");
    };
    for field in [
        "type",
        "title",
        "status",
        "detail",
        "instance",
        "code",
        "request_id",
    ] {
        if problem.get(field).is_none() {
            return wrong(&format!("no {field}"));
        }
    }
    if problem["code"] != *code || problem["status"] != *status {
        return wrong("another code");
    }
    if answer.body.len() > 16 * 1024 {
        return wrong("a long answer");
    }
    let Some((kind, name)) = place else { return Ok(()) };
    let found = problem["errors"].as_array().is_some_and(|errors| {
        errors.iter().any(|error| {
            error[*kind] == **name && is_documented(&error["code"]) && error["detail"].is_string()
        })
    });
    if found {
        Ok(())
    } else {
        wrong(&format!("no error at {kind} {name}"))
    }
}

/// Whether a fault's code is in the list of `docs/api.md`.
fn is_documented(code: &Value) -> bool {
    let (_, list) = include_str!("../../docs/api.md")
        .split_once("Codes of single faults:")
        .expect("the list is there");
    let list = list.split("\n\n").next().unwrap_or_default();
    list.contains(&format!("`{}`", code.as_str().unwrap_or_default()))
}

#[tokio::test]
async fn every_kind_is_refused_with_a_code_and_nothing_is_stored() {
    let (server, _folder) = start().await;
    let (before, started) = (peak_kb(&server), Instant::now());
    let (mut faults, mut slowest) = (Vec::new(), (0, ""));
    let mut server_errors = 0;
    let cases = cases::all(&server);
    for case in &cases {
        let asked = Instant::now();
        let answer = wire::send(&server.address(), &case.head, &case.body).await;
        slowest = slowest.max((asked.elapsed().as_millis(), case.name));
        server_errors += u32::from(answer.status >= 500);
        faults.extend(judge(case, &answer).err());
        let health = server.get("/readyz").await.0;
        assert_eq!(health.as_u16(), 200, "after {}", case.name);
    }
    let (stored, grown) = (stored(&server).await, peak_kb(&server).saturating_sub(before));
    println!(
        "S13 bad input: {} kinds, 5xx {server_errors}, stored {stored}; {grown} KiB at the most, slowest {slowest:?} ms, {:?}",
        cases.len(),
        started.elapsed()
    );
    assert!(
        faults.is_empty(),
        "{} faults:\n{}",
        faults.len(),
        faults.join("\n")
    );
    assert_eq!((server_errors, stored), (0, 0));
    assert!(grown < MEMORY, "{grown} KiB");
    let log = server.log();
    assert!(
        !log.contains("a request failed") && !log.contains("panicked"),
        "{log}"
    );
    // The same bytes with nothing wrong are taken.
    let good = cases::nothing_wrong(&server);
    let answer = wire::send(&server.address(), &good.head, &good.body).await;
    assert_eq!(judge(&good, &answer), Ok(()));
    assert_eq!(self::stored(&server).await, 1);
}

#[tokio::test]
async fn many_large_bodies_at_once_take_no_memory() {
    let (server, _folder) = start().await;
    let before = peak_kb(&server);
    let case = cases::large_body(&server);
    let senders: tokio::task::JoinSet<_> = (0..50)
        .map(|number| {
            let body = match number % 2 {
                0 => wire::Body::ChunkedBlanks(100_000_000),
                _ => case.body.clone(),
            };
            let (address, head) = (server.address(), case.head.clone());
            async move { wire::send(&address, &head, &body).await.status }
        })
        .collect();
    let statuses = senders.join_all().await;
    let grown = peak_kb(&server).saturating_sub(before);
    println!(
        "S13 large bodies: 50 of 100 MB at once: {grown} KiB, stored {}",
        stored(&server).await
    );
    assert!(statuses.iter().all(|status| *status == 413), "{statuses:?}");
    assert!(grown < MEMORY, "{grown} KiB");
}
