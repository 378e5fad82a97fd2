//! The client's command line, as a process against a real server: exit codes, clean pipes, where input
//! comes from, and what survives.

mod accounts;
mod models;
mod tokens;

use std::{path::Path, process::Stdio, time::Duration};

use lamplighter_testkit::{
    process,
    server::{Options, Server},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_lamplighter");
const LIMIT: Duration = Duration::from_secs(60);
/// Nobody listens on port 1.
const NOBODY: &str = "http://127.0.0.1:1";

/// How a command ended.
#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ended {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out)
            .unwrap_or_else(|e| panic!("standard output is not JSON ({e}): {self:?}"))
    }

    fn lines(&self) -> Vec<Value> {
        self.out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}")))
            .collect()
    }
}

/// The program in an empty folder, with nothing set.
fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).current_dir(folder).kill_on_drop(true);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for (key, _) in std::env::vars_os() {
        if key.to_string_lossy().starts_with("LAMPLIGHTER_") {
            command.env_remove(key);
        }
    }
    command
}

async fn end(child: Child) -> Ended {
    let output = timeout(LIMIT, child.wait_with_output())
        .await
        .expect("it ends in time")
        .expect("it can be waited for");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it prints UTF-8");
    Ended {
        code: output.status.code(),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

/// A client of a server, told only its data folder.
fn client(server: &Server, arguments: &[&str]) -> Command {
    let mut command = command(server.data_dir(), arguments);
    command.env("LAMPLIGHTER_DATA_DIR", server.data_dir());
    command
}

async fn run(server: &Server, arguments: &[&str]) -> Ended {
    end(client(server, arguments).spawn().expect("the program starts")).await
}

async fn run_with_input(server: &Server, arguments: &[&str], input: &[u8]) -> Ended {
    let mut child = client(server, arguments)
        .stdin(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("it was asked for");
    stdin.write_all(input).await.expect("the program reads its input");
    drop(stdin);
    end(child).await
}

async fn echo_server() -> Server {
    Options::new(PROGRAM).start().await
}

#[tokio::test]
async fn without_a_server_the_exit_code_tells_usage_from_absence() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let cases: &[(&[&str], i32)] = &[
        (&["run", "echo", "x", "--server", NOBODY], 3),
        (&["jobs", "list", "--server", NOBODY], 3),
        (&["jobs", "events", "job_x", "--server", "not an address"], 2),
        (&["run", "echo", "--server", NOBODY], 2),
        (&["run", "echo", "x", "--no-such-option"], 2),
        (&["run", "echo", "@no-such-file", "--server", NOBODY], 2),
        (&["run", "echo", "x", "--timeout", "soon"], 2),
        (&["jobs"], 2),
        (&["run", "--help"], 0),
    ];
    for (arguments, code) in cases {
        let ended = end(command(folder.path(), arguments)
            .spawn()
            .expect("the program starts"))
        .await;
        assert_eq!(ended.code, Some(*code), "{arguments:?}: {ended:?}");
        assert_eq!(ended.out.is_empty(), *code != 0, "{arguments:?}: {ended:?}");
        assert_eq!(ended.err.is_empty(), *code == 0, "{arguments:?}: {ended:?}");
    }
}

#[tokio::test]
async fn a_pipe_gets_the_output_and_nothing_else() {
    let server = echo_server().await;
    let cases: &[(&str, Value)] = &[
        (
            r#"{"a": [1, 2.5, null], "ü": "✓"}"#,
            json!({"a": [1, 2.5, null], "ü": "✓"}),
        ),
        ("plain words", json!({"text": "plain words"})),
        ("-5", json!({"text": "-5"})),
    ];
    for (input, output) in cases {
        let ended = run(&server, &["run", "echo", input]).await;
        assert_eq!(
            (ended.code, ended.err.as_str(), &ended.json()),
            (Some(0), "", output)
        );
        assert_eq!(ended.out.lines().count(), 1);
    }
    let job = run(
        &server,
        &[
            "run",
            "echo",
            "x",
            "--json",
            "--priority",
            "low",
            "--timeout",
            "9",
        ],
    )
    .await
    .json();
    assert_eq!(
        (&job["status"], &job["output"]),
        (&json!("succeeded"), &json!({"text": "x"}))
    );
    assert_eq!(
        (&job["priority"], &job["timeout"]["run_seconds"]),
        (&json!("low"), &json!(9))
    );
}

#[tokio::test]
async fn input_comes_from_standard_input_and_files() {
    let server = echo_server().await;
    let ended = run_with_input(&server, &["run", "echo", "-"], b"from a pipe\n").await;
    assert_eq!(
        (ended.code, ended.json()),
        (Some(0), json!({"text": "from a pipe"}))
    );
    let ended = run_with_input(&server, &["run", "echo", "-"], b"{\n  \"a\": 1\n}\n").await;
    assert_eq!((ended.code, ended.json()), (Some(0), json!({"a": 1})));
    let ended = run_with_input(&server, &["run", "echo", "-"], &[0xff, 0xfe]).await;
    assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""), "{ended:?}");
    std::fs::write(server.data_dir().join("input.json"), r#"{"from": "file"}"#)
        .expect("the folder is writable");
    let ended = run(&server, &["run", "echo", "@input.json"]).await;
    assert_eq!((ended.code, ended.json()), (Some(0), json!({"from": "file"})));
}

#[tokio::test]
async fn what_does_not_succeed_is_told_on_standard_error() {
    let server = echo_server().await;
    let failed = run(&server, &["run", "echo", r#"{"fail": "out of oil"}"#]).await;
    assert_eq!((failed.code, failed.out.as_str()), (Some(1), ""), "{failed:?}");
    assert!(
        failed.err.starts_with("model_error: ") && failed.err.contains("out of oil"),
        "{failed:?}"
    );

    let whole = run(&server, &["run", "echo", r#"{"fail": "out of oil"}"#, "--json"]).await;
    assert_eq!((whole.code, &whole.json()["status"]), (Some(1), &json!("failed")));

    let refused = run(&server, &["run", "echo", r#"{"sleep_ms": "long"}"#]).await;
    assert_eq!((refused.code, refused.out.as_str()), (Some(1), ""), "{refused:?}");
    assert!(
        refused.err.contains("validation_failed: ") && refused.err.contains("/input/sleep_ms: "),
        "{refused:?}"
    );

    let unknown = run(&server, &["run", "no-such-model", "x"]).await;
    assert_eq!(unknown.code, Some(1), "{unknown:?}");
    assert!(unknown.err.contains("unknown_model: "), "{unknown:?}");

    let stranger = run(&server, &["jobs", "list", "--token", "lmp_wrong"]).await;
    assert_eq!(
        (stranger.code, stranger.out.as_str()),
        (Some(1), ""),
        "{stranger:?}"
    );
    assert!(
        stranger.err.contains("unauthorized: ") && stranger.err.contains("owner.token"),
        "{stranger:?}"
    );
}

#[tokio::test]
async fn follow_prints_every_chunk_once_and_then_the_output() {
    let server = echo_server().await;
    let input = r#"{"chunks": 20, "sleep_ms": 200}"#;
    let ended = run(&server, &["run", "echo", input, "--follow"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let (output, chunks) = ended
        .lines()
        .split_last()
        .map(|(o, c)| (o.clone(), c.to_vec()))
        .expect("there are lines");
    assert_eq!(output, serde_json::from_str::<Value>(input).expect("it is JSON"));
    println!("{} chunks", chunks.len());
    assert_eq!(chunks.len(), 20, "{ended:?}");
    // Without --follow only the output.
    assert_eq!(run(&server, &["run", "echo", input]).await.lines(), [output]);
}

#[tokio::test]
async fn jobs_are_listed_shown_retried_canceled_and_followed() {
    let server = echo_server().await;
    let done = run(&server, &["run", "echo", r#"{"n": 1}"#, "--json"])
        .await
        .json();
    let id = done["id"].as_str().expect("a job has an id");

    assert_eq!(
        run(&server, &["jobs", "show", id]).await.json()["output"],
        json!({"n": 1})
    );
    let again = run(&server, &["jobs", "retry", id]).await.json();
    assert_eq!(again["retry_of"], json!(id));
    server.wait(&again).await;
    let listed = run(&server, &["jobs", "list", "--status", "succeeded"])
        .await
        .lines();
    let ids: Vec<_> = listed.iter().map(|job| job["id"].clone()).collect();
    assert_eq!(ids, [again["id"].clone(), json!(id)]);
    assert_eq!(
        run(&server, &["jobs", "list", "--limit", "1"])
            .await
            .lines()
            .len(),
        1
    );

    let events = run(&server, &["jobs", "events", id]).await;
    let last = events.lines().pop().expect("there is an event");
    assert_eq!(
        (events.code, &last["event"], &last["data"]["id"]),
        (Some(0), &json!("done"), &json!(id))
    );

    let finished = run(&server, &["jobs", "cancel", id]).await;
    assert_eq!(
        (finished.code, finished.out.as_str()),
        (Some(1), ""),
        "{finished:?}"
    );
    assert!(finished.err.starts_with("job_finished: "), "{finished:?}");
    let long = server
        .post_job(&json!({"model": "echo", "input": {"sleep_ms": 60_000}}))
        .await;
    let long_id = long["id"].as_str().expect("a job has an id");
    assert_eq!(run(&server, &["jobs", "cancel", long_id]).await.code, Some(0));
    assert_eq!(server.wait(&long).await["status"], json!("canceled"));

    let missing = run(&server, &["jobs", "show", "job_00000000000000000000000000"]).await;
    assert_eq!(missing.code, Some(1), "{missing:?}");
    assert!(missing.err.starts_with("not_found: "), "{missing:?}");
}

/// Starts a `run --follow` and waits for its first chunk: by then the job is running.
async fn started(server: &Server, input: &str) -> (Child, String) {
    let mut child = client(server, &["run", "echo", input, "--follow"])
        .spawn()
        .expect("the program starts");
    let out = child.stdout.as_mut().expect("it was asked for");
    let mut first = String::new();
    let read = BufReader::with_capacity(1, out).read_line(&mut first).await;
    assert!(read.is_ok_and(|n| n > 0), "it ended before it printed anything");
    (child, first)
}

#[tokio::test]
async fn an_interrupt_cancels_the_job() {
    let server = echo_server().await;
    let (child, _) = started(&server, r#"{"sleep_ms": 60000, "chunks": 600}"#).await;
    process::signal(child.id().expect("it runs"), process::Signal::SIGINT);
    let ended = end(child).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.err.starts_with("canceled: "), "{ended:?}");
    let jobs = server.get("/v1/jobs").await.1;
    assert_eq!(jobs["data"][0]["status"], json!("canceled"));
}

#[tokio::test]
async fn a_run_survives_kill_9_of_the_server() {
    let mut server = echo_server().await;
    let input = r#"{"sleep_ms": 2000, "chunks": 20}"#;
    let (child, _) = started(&server, input).await;
    server.kill9();
    server.restart().await;
    let ended = end(child).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let last = ended.lines().pop().expect("there is output");
    assert_eq!(last, serde_json::from_str::<Value>(input).expect("it is JSON"));
    assert_eq!(
        server.get("/v1/jobs").await.1["data"].as_array().map(Vec::len),
        Some(1),
        "one job, not two"
    );
}

#[tokio::test]
async fn a_reader_that_leaves_ends_the_client_quietly() {
    let server = echo_server().await;
    let (mut child, _) = started(&server, r#"{"sleep_ms": 2000, "chunks": 200}"#).await;
    drop(child.stdout.take());
    let ended = end(child).await;
    assert_eq!((ended.code, ended.err.as_str()), (Some(1), ""), "{ended:?}");
}
