//! A runner process from start to end: what it answers, and every way it can die.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    time::{Duration, Instant},
};

use lamplighter_shared::{
    error::ErrorCode,
    job::JobError,
    model_spec::{Catalog, ModelSpec},
    task::Task,
};
use lamplighter_worker::{
    models::Files,
    runner::{
        Exit, Runner, RunnerOptions, StartError,
        protocol::{About, Cost, FromRunner, ModelInfo, Ticket, ToRunner},
    },
};
use serde_json::{Value, json, value::to_raw_value};
use tokio::time::timeout;

/// Longer than anything here takes on a busy machine; reaching it is a failure.
const PATIENCE: Duration = Duration::from_secs(30);

fn options() -> RunnerOptions {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_lamplighter-runner"));
    RunnerOptions {
        program,
        threads: 2,
        load_timeout: PATIENCE,
        faults: true,
    }
}

fn spec() -> ModelSpec {
    Catalog::built_in().get("echo").expect("built in").clone()
}

async fn start() -> (Runner, ModelInfo) {
    Runner::start(&spec(), &Files::plain("/"), &options())
        .await
        .expect("a runner")
}

async fn next(runner: &mut Runner) -> FromRunner {
    timeout(PATIENCE, runner.recv())
        .await
        .expect("an answer in time")
        .expect("a living runner")
}

async fn end(runner: &mut Runner) -> Exit {
    loop {
        match timeout(PATIENCE, runner.recv()).await.expect("an end in time") {
            Ok(_) => {}
            Err(exit) => return exit,
        }
    }
}

async fn send(runner: &Runner, message: ToRunner) {
    runner.send(message).await.expect("a living runner");
}

async fn prepare(runner: &mut Runner, ticket: Ticket, input: Value) {
    send(
        runner,
        ToRunner::Prepare {
            ticket,
            task: Task::Echo,
            input: to_raw_value(&input).expect("JSON"),
            about: About::default(),
        },
    )
    .await;
    match next(runner).await {
        FromRunner::Prepared {
            ticket: prepared,
            cost,
        } => {
            assert_eq!(
                (prepared, cost),
                (
                    ticket,
                    Cost {
                        items: 1,
                        tokens: 1,
                        longest: 1
                    }
                )
            );
        }
        other => panic!("{other:?}"),
    }
}

/// Prepares and runs inputs as tickets 1, 2, …
async fn run(runner: &mut Runner, inputs: Vec<Value>) {
    let tickets: Vec<Ticket> = (1..=inputs.len() as u64).collect();
    for (ticket, input) in tickets.iter().zip(inputs) {
        prepare(runner, *ticket, input).await;
    }
    send(runner, ToRunner::Run { tickets }).await;
}

/// How each job ended, once the batch is done.
async fn ends(runner: &mut Runner) -> BTreeMap<Ticket, String> {
    let mut ends = BTreeMap::new();
    loop {
        let (ticket, end) = match next(runner).await {
            FromRunner::Done { ticket, output, .. } => (ticket, format!("done {output}")),
            FromRunner::Failed { ticket, error } => {
                (ticket, format!("failed {}: {}", error.kind, error.detail))
            }
            FromRunner::Canceled { ticket } => (ticket, "canceled".to_owned()),
            FromRunner::BatchDone { compute_ms } => {
                assert!(compute_ms >= 0.0);
                return ends;
            }
            _ => continue,
        };
        assert!(
            ends.insert(ticket, end).is_none(),
            "job {ticket} was answered twice"
        );
    }
}

async fn ping(runner: &mut Runner, n: u64) -> Duration {
    let sent = Instant::now();
    send(runner, ToRunner::Ping { n }).await;
    loop {
        if let FromRunner::Pong { n: back } = next(runner).await {
            assert_eq!(back, n);
            return sent.elapsed();
        }
    }
}

/// Whether there is a process with this number that is not a zombie.
fn runs(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        !stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .trim_start()
            .starts_with('Z')
    })
}

async fn gone(pid: u32) {
    let wait = async {
        while runs(pid) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, wait).await.expect("the process ends");
}

#[tokio::test]
async fn a_batch_is_run_and_the_next_one_too() {
    let (mut runner, info) = start().await;
    assert_eq!(
        (info.device.as_str(), info.joint, info.digest.as_str()),
        ("cpu", false, "")
    );
    for _ in 0..2 {
        run(
            &mut runner,
            vec![
                json!({"a": [1.50, "é"]}),
                json!({"fail": "on purpose"}),
                json!({}),
            ],
        )
        .await;
        let ends = ends(&mut runner).await;
        assert_eq!(ends[&1], "done {\"a\":[1.5,\"é\"]}");
        assert_eq!(ends[&2], "failed model_error: on purpose");
        assert_eq!(ends[&3], "done {}");
    }
    let pid = runner.pid();
    runner.shutdown().await;
    assert!(!runs(pid), "shutdown reaps");
}

#[tokio::test]
async fn bad_inputs_fail_alone() {
    let (mut runner, _) = start().await;
    for input in [
        json!({"sleep_ms": "x"}),
        json!([]),
        json!({"chunks": -1}),
        json!(null),
    ] {
        send(
            &runner,
            ToRunner::Prepare {
                ticket: 9,
                task: Task::Echo,
                input: to_raw_value(&input).expect("JSON"),
                about: About::default(),
            },
        )
        .await;
        match next(&mut runner).await {
            FromRunner::Failed {
                ticket: 9,
                error:
                    JobError {
                        kind: ErrorCode::InvalidInput,
                        ..
                    },
            } => {}
            other => panic!("{input}: {other:?}"),
        }
    }
    send(&runner, ToRunner::Run { tickets: vec![9] }).await;
    assert_eq!(
        ends(&mut runner).await,
        BTreeMap::from([(9, "canceled".to_owned())]),
        "it is not prepared"
    );
}

#[tokio::test]
async fn pings_are_answered_while_the_model_computes() {
    let (mut runner, _) = start().await;
    run(&mut runner, vec![json!({"hang": true})]).await;
    let slowest = {
        let mut slowest = Duration::ZERO;
        for n in 0..100 {
            slowest = slowest.max(ping(&mut runner, n).await);
        }
        slowest
    };
    println!("slowest of 100 pings: {slowest:?}");
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
}

#[tokio::test]
async fn chunks_and_progress_come_in_order() {
    let (mut runner, _) = start().await;
    run(&mut runner, vec![json!({"chunks": 5, "sleep_ms": 400})]).await;
    let mut chunks = Vec::new();
    let mut fractions = Vec::new();
    loop {
        match next(&mut runner).await {
            FromRunner::Output { chunk, .. } => chunks.push(chunk),
            FromRunner::Progress { progress, .. } => fractions.push(progress.fraction),
            FromRunner::BatchDone { compute_ms } => {
                assert!(compute_ms >= 400.0, "{compute_ms}");
                break;
            }
            _ => {}
        }
    }
    assert_eq!(chunks, ["chunk 0", "chunk 1", "chunk 2", "chunk 3", "chunk 4"]);
    assert!(!fractions.is_empty() && fractions.is_sorted(), "{fractions:?}");
}

#[tokio::test]
async fn a_forgotten_job_is_dropped_or_canceled() {
    let (mut runner, _) = start().await;
    prepare(&mut runner, 1, json!({"sleep_ms": 600_000})).await;
    prepare(&mut runner, 2, json!({})).await;
    prepare(&mut runner, 3, json!({})).await;
    send(&runner, ToRunner::Forget { ticket: 2 }).await;
    send(
        &runner,
        ToRunner::Run {
            tickets: vec![1, 2, 3],
        },
    )
    .await;
    // The one that sleeps is running once another of its batch has ended.
    let mut told = Vec::new();
    while !told.contains(&"done 3".to_owned()) {
        match next(&mut runner).await {
            FromRunner::Done { ticket, .. } => told.push(format!("done {ticket}")),
            FromRunner::Canceled { ticket } => told.push(format!("canceled {ticket}")),
            other => panic!("{other:?}"),
        }
    }
    assert!(told.contains(&"canceled 2".to_owned()), "{told:?}");
    let asked = Instant::now();
    send(&runner, ToRunner::Forget { ticket: 1 }).await;
    assert_eq!(
        ends(&mut runner).await,
        BTreeMap::from([(1, "canceled".to_owned())])
    );
    println!("canceled after {:?}", asked.elapsed());
    // One that is not known is no matter.
    send(&runner, ToRunner::Forget { ticket: 77 }).await;
    run(&mut runner, vec![json!({})]).await;
    assert_eq!(ends(&mut runner).await.len(), 1);
}

#[tokio::test]
async fn members_that_end_on_their_own_do_not_hold_up_the_next_batch() {
    let (mut runner, _) = start().await;
    prepare(&mut runner, 1, json!({"hang": true})).await;
    prepare(&mut runner, 2, json!({"x": 1})).await;
    send(&runner, ToRunner::Run { tickets: vec![1] }).await;
    send(&runner, ToRunner::Run { tickets: vec![2] }).await;
    assert_eq!(
        ends(&mut runner).await,
        BTreeMap::from([(2, "done {\"x\":1}".to_owned())])
    );
}

#[tokio::test]
async fn a_crash_is_told_and_so_is_sending_after_it() {
    let (mut runner, _) = start().await;
    run(&mut runner, vec![json!({"crash": true})]).await;
    let exit = end(&mut runner).await;
    assert_eq!(
        exit,
        Exit {
            description: "killed by signal 6".to_owned(),
            out_of_memory: None
        }
    );
    assert_eq!(end(&mut runner).await, exit, "again on each call");
    assert!(runner.send(ToRunner::Ping { n: 1 }).await.is_err());
    assert!(runner.sender().send(ToRunner::Ping { n: 1 }).is_err());
}

#[tokio::test]
async fn a_hanging_runner_is_killed() {
    let (mut runner, _) = start().await;
    run(&mut runner, vec![json!({"hang": true})]).await;
    send(&runner, ToRunner::Forget { ticket: 1 }).await;
    let pid = runner.pid();
    runner.kill();
    assert_eq!(end(&mut runner).await.description, "killed by signal 9");
    assert!(!runs(pid));
    runner.kill();
}

#[tokio::test]
async fn a_stopped_runner_is_killed_by_shutdown() {
    let (runner, _) = start().await;
    let pid = runner.pid();
    // SAFETY: a signal to a child of ours that lives.
    assert_eq!(unsafe { libc::kill(pid as i32, libc::SIGSTOP) }, 0);
    let asked = Instant::now();
    runner.shutdown().await;
    let took = asked.elapsed();
    assert!(!runs(pid));
    assert!(took >= Duration::from_secs(2) && took < PATIENCE, "{took:?}");
}

#[tokio::test]
async fn signals_to_the_whole_service_leave_it_to_the_supervisor() {
    let (mut runner, _) = start().await;
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
        // SAFETY: a signal to a child of ours that lives.
        assert_eq!(unsafe { libc::kill(runner.pid() as i32, signal) }, 0);
    }
    ping(&mut runner, 1).await;
    run(&mut runner, vec![json!({})]).await;
    assert_eq!(ends(&mut runner).await.len(), 1);
}

#[tokio::test]
async fn running_out_of_memory_is_told() {
    let limited = ModelSpec {
        memory_limit: Some(1 << 30),
        ..spec()
    };
    let (mut runner, _) = Runner::start(&limited, &Files::plain("/"), &options())
        .await
        .expect("a runner");
    run(&mut runner, vec![json!({"allocate_mb": 100}), json!({})]).await;
    assert_eq!(
        ends(&mut runner).await.len(),
        2,
        "100 MiB of 1 GiB are no trouble"
    );
    run(&mut runner, vec![json!({"allocate_mb": 2048})]).await;
    let exit = end(&mut runner).await;
    assert_eq!(exit.out_of_memory, Some(2 << 30), "{exit:?}");
    assert_eq!(exit.description, "killed by signal 6");
}

#[tokio::test]
async fn dropping_it_ends_the_process() {
    let (runner, _) = start().await;
    let pid = runner.pid();
    let _sender = runner.sender();
    drop(runner);
    gone(pid).await;
}

#[tokio::test]
async fn the_child_inherits_nothing() {
    // A descriptor without the close-on-exec flag, as a careless library would leave it.
    let file = tempfile::tempfile().expect("a file");
    // SAFETY: plain system calls on an open descriptor.
    let careless = unsafe { libc::dup(std::os::fd::AsRawFd::as_raw_fd(&file)) };
    assert!(careless > 2);
    let (runner, _) = start().await;
    let mut open: Vec<String> = std::fs::read_dir(format!("/proc/{}/fd", runner.pid()))
        .expect("its descriptors")
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .map(|target| target.display().to_string())
        .filter(|target| !target.starts_with("/dev/null"))
        .collect();
    open.sort();
    open.dedup();
    println!("open in the child: {open:?}");
    // Standard error, and the socket (twice: a copy to write on).
    let foreign = open
        .iter()
        .filter(|target| !target.starts_with("socket:"))
        .count();
    assert!(foreign <= 1, "{open:?}");
    assert!(!open.iter().any(|target| target.contains("deleted")), "{open:?}");
    // SAFETY: it was opened above.
    unsafe { libc::close(careless) };
}

#[tokio::test]
async fn a_program_that_is_not_there_or_is_no_runner() {
    let no_program = RunnerOptions {
        program: "/nowhere/at/all".into(),
        ..options()
    };
    assert!(matches!(
        Runner::start(&spec(), &Files::plain("/"), &no_program).await,
        Err(StartError::Spawn(_))
    ));
    let not_one = RunnerOptions {
        program: "/bin/false".into(),
        ..options()
    };
    match Runner::start(&spec(), &Files::plain("/"), &not_one).await {
        Err(StartError::Exited(exit)) => assert_eq!(exit.description, "exit code 1"),
        other => panic!("{:?}", other.err()),
    }
}

#[tokio::test]
async fn a_model_that_can_not_be_loaded_says_why() {
    let minilm = Catalog::built_in().get("minilm").expect("built in").clone();
    let empty = tempfile::tempdir().expect("a folder");
    match Runner::start(&minilm, &Files::plain(empty.path()), &options()).await {
        Err(StartError::Model(error)) => {
            assert_eq!(error.kind, ErrorCode::ModelUnavailable);
            assert!(error.detail.contains("config.json"), "{}", error.detail);
        }
        other => panic!("{:?}", other.err()),
    }
}

#[tokio::test]
async fn many_start_and_end_at_once() {
    let tasks: Vec<_> = (0..8)
        .map(|n| {
            tokio::spawn(async move {
                let (mut runner, _) = start().await;
                run(&mut runner, vec![json!({"n": n})]).await;
                assert_eq!(ends(&mut runner).await[&1], format!("done {{\"n\":{n}}}"));
                runner.shutdown().await;
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic");
    }
}
