//! A log that can't be written costs the log and nothing else.

use std::{
    fs::File,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use lamplighter_testkit::process;

const PROGRAM: &str = env!("CARGO_BIN_EXE_lamplighter");
const LIMIT: Duration = Duration::from_secs(30);

/// `/dev/full` refuses every byte, as a full disk does.
#[test]
fn a_server_whose_log_can_not_be_written_serves_on() {
    let dir = tempfile::tempdir().expect("a folder");
    let full = File::options()
        .write(true)
        .open("/dev/full")
        .expect("Linux has it");
    let mut serve = Command::new(PROGRAM);
    serve
        .args(["serve", "--bind", "127.0.0.1:0", "--data-dir"])
        .arg(dir.path())
        .env("LAMPLIGHTER_MODELS__ENABLED", r#"["echo"]"#)
        .env("LAMPLIGHTER_LOG", "debug")
        .stdout(Stdio::null())
        .stderr(full);
    let mut server = process::spawn(serve, process::Signal::SIGKILL);
    let started = Instant::now();
    while !dir.path().join("server.addr").exists() {
        assert!(started.elapsed() < LIMIT, "the server did not start");
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut run = Command::new(PROGRAM);
    run.args(["run", "echo", r#"{"x":1}"#, "--data-dir"])
        .arg(dir.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut run = process::spawn(run, process::Signal::SIGKILL);
    let status = process::wait_at_most(&mut run, LIMIT);
    server.kill().expect("it runs still");
    server.wait().expect("it is a child of this process");
    println!("a job with a log that can't be written: {status:?}");
    assert_eq!(status.and_then(|status| status.code()), Some(0));
}
