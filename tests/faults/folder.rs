//! A data folder has one server, and what the command line does to it is true at once.

use std::time::Duration;

use lamplighter_testkit::process;
use serde_json::json;

use crate::support::{echo, echo_server};

#[tokio::test]
async fn a_second_server_on_the_same_folder_is_refused() {
    let server = echo_server("").await;
    let mut command = server.command(&["serve", "--bind", "127.0.0.1:0"]);
    command
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped());
    let mut second = process::spawn(command, process::Signal::SIGKILL);
    let status = process::wait_at_most(&mut second, Duration::from_secs(20)).expect("it ends by itself");
    let mut said = String::new();
    std::io::Read::read_to_string(&mut second.stderr.take().expect("it was piped"), &mut said)
        .expect("it is text");
    println!("a second server: {status}, {said:?}");
    assert_eq!(status.code(), Some(1));
    assert!(said.contains("another lamplighter already serves"), "{said}");
    let job = server.wait(&echo(&server, json!({})).await).await;
    assert_eq!(job["status"], "succeeded", "the first one is not harmed");
}

#[tokio::test]
async fn a_revoked_token_is_refused_from_the_next_request_on() {
    let server = echo_server("").await;
    let token = server.create_token("guest@example.org", &["jobs:read"]);
    let api = server.api_as(&token);
    let (mut before, mut after) = (0, 0);
    for _ in 0..20 {
        before += u32::from(api.get("/v1/jobs").await.0.as_u16() == 200);
    }
    let done = server
        .command(&["token", "revoke", &token])
        .output()
        .expect("it runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    for _ in 0..20 {
        after += u32::from(api.get("/v1/jobs").await.0.as_u16() == 200);
    }
    println!("revoke: {before} of 20 accepted before, {after} of 20 after");
    assert_eq!((before, after), (20, 0));
    assert_eq!(server.get("/v1/jobs").await.0.as_u16(), 200);
}
