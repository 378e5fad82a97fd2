//! Measures Lamplighter against yardsticks of the same run: what is compared stands side by side, on the
//! same machine, in turns. The figures of a run come out as the table that RESULTS.md keeps.
//!
//! Start with [`batching`] (the platform against its own runner), then [`latency`], [`idle`] and [`queue`];
//! all that in one process on SQLite. [`fleet`] measures the distributed platform.
//! Not here: tests. Nothing of this fails a build, since a busy machine would.

mod batching;
mod decode;
mod direct;
mod encoder;
mod load;
mod client;
mod sentences;
mod latency;
mod commits;
mod idle;
mod pictures;
mod process;
mod queue;
mod fleet;
mod report;
mod stats;

use std::{fs, io, path::PathBuf, process::ExitCode, time::Duration};

use clap::{Parser, ValueEnum};

use crate::{batching::Size, report::Report};

/// Measures a built `lamplighter`.
#[derive(Debug, Parser)]
struct Cli {
    /// What to measure.
    #[arg(value_enum, default_value = "all")]
    what: What,
    /// The program that is measured; by default the `lamplighter` beside this one.
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// A quick look: less of everything, and figures that mean less.
    #[arg(long)]
    quick: bool,
    /// Rounds of each kind that `batching` takes the middle of.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// A Python with onnxruntime, onnx and safetensors, for `encoder` to compare with.
    #[arg(long, value_name = "FILE")]
    python: Option<PathBuf>,
    /// Threads of each side of `encoder`; by default as many as there are processors.
    #[arg(long)]
    threads: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Everything.
    All,
    /// The platform's sentences a second against the runner's.
    Batching,
    /// Tokens a second of generation, against llama.cpp where its bindings are there.
    Decode,
    /// Idle latency against durable commits; submitting and echo with many clients.
    Latency,
    /// Time to be ready, memory and processor time when idle.
    Idle,
    /// The queue's statements with few and many jobs waiting.
    Queue,
    /// Two APIs and two workers on Postgres: jobs a second, with Redis and without.
    Fleet,
    /// Claims and submits on Postgres with a thousand and with a million jobs waiting; Redis' memory.
    Flatness,
    /// Submitting to two APIs, with group commit and without.
    Submit,
    /// From the request to the claim when the fleet is idle, against durable commits.
    Doorbell,
    /// What checking a token adds to a request, and what it takes of Redis and of Postgres.
    Auth,
    /// Submitting under a plan with limits against one without.
    Limits,
    /// The engine's encoder against onnxruntime and candle. Not a part of `all`.
    Encoder,
    /// The engine's convolutions against candle's own.
    Pictures,
}

// One thread: the clients should take little from the two processors of a small machine.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match measure(Cli::parse()).await {
        Ok(report) => {
            println!("{report}");
            if report.all_met() {
                ExitCode::SUCCESS
            } else {
                ExitCode::from(1)
            }
        }
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::from(2)
        }
    }
}

/// The encoder alone: it needs no program.
fn measure_encoder(cli: &Cli) -> io::Result<Report> {
    let mut report = Report::default();
    let before = load_average();
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let size = (
        cli.threads.unwrap_or(processors),
        if cli.quick { 1 } else { cli.rounds.max(1) },
    );
    encoder::measure(&direct::folder()?, cli.python.as_deref(), size, &mut report)?;
    report.note(
        "Load average (1 min) before and after",
        format!("{before} / {}", load_average()),
    );
    Ok(report)
}

async fn measure(cli: Cli) -> io::Result<Report> {
    if cli.what == What::Encoder {
        return measure_encoder(&cli);
    }
    if cli.what == What::Pictures {
        // Needs no program.
        let mut report = Report::default();
        pictures::measure(if cli.quick { 3 } else { 15 }, &mut report)?;
        return Ok(report);
    }
    let program = match cli.program {
        Some(program) => program,
        None => std::env::current_exe()?.with_file_name("lamplighter"),
    };
    if !program.is_file() {
        let hint = "build it: cargo build --release --workspace --bins";
        return Err(io::Error::other(format!(
            "{}: no such program; {hint}",
            program.display()
        )));
    }
    let program = program.canonicalize()?;
    let wanted = |part| cli.what == What::All || cli.what == part;
    let mut report = Report::default();
    let load_before = load_average();
    if wanted(What::Batching) {
        let size = if cli.quick {
            Size {
                sentences: 200,
                rounds: 1,
            }
        } else {
            Size {
                sentences: 2000,
                rounds: cli.rounds.max(1),
            }
        };
        batching::measure(&program, size, &mut report).await?;
    }
    if wanted(What::Decode) {
        decode::measure(if cli.quick { 1 } else { cli.rounds }, &mut report)?;
    }
    if wanted(What::Latency) {
        latency::measure(&program, if cli.quick { 50 } else { 500 }, &mut report).await?;
    }
    if wanted(What::Idle) {
        idle::measure(&program, if cli.quick { 100 } else { 2000 }, &mut report).await?;
    }
    if wanted(What::Queue) {
        let waiting: &[usize] = if cli.quick { &[1000] } else { &[1000, 100_000] };
        queue::measure(waiting, if cli.quick { 5 } else { 40 }, &mut report).await?;
    }
    if wanted(What::Doorbell) {
        fleet::doorbell::measure(&program, if cli.quick { 50 } else { 500 }, &mut report).await?;
    }
    if wanted(What::Auth) {
        fleet::auth::measure(&program, if cli.quick { 200 } else { 2000 }, &mut report).await?;
        let (clients, tokens) = if cli.quick { (200, 20) } else { (2000, 500) };
        fleet::cold::measure(&program, clients, tokens, &mut report).await?;
    }
    if wanted(What::Limits) {
        let (jobs, rounds) = if cli.quick { (200, 2) } else { (4000, 5) };
        fleet::limits::measure(&program, jobs, rounds, &mut report).await?;
    }
    if wanted(What::Submit) {
        fleet::submit::measure(&program, if cli.quick { 200 } else { 5000 }, &mut report).await?;
    }
    if wanted(What::Fleet) {
        let seconds = if cli.quick { 4 } else { 20 };
        fleet::throughput::measure(&program, Duration::from_secs(seconds), &mut report).await?;
    }
    if wanted(What::Flatness) {
        let (rows, rounds) = if cli.quick { (20_000, 20) } else { (1_000_000, 300) };
        fleet::flatness::measure(rows, rounds, &mut report).await?;
    }
    report.note(
        "Load average (1 min) before and after",
        format!("{load_before} / {}", load_average()),
    );
    Ok(report)
}

/// How busy the machine is, ourselves included.
fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or("?").to_owned()
}
