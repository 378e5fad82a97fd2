//! The process that converts: this same program with the hidden command `convert`, without secrets, within limits.
//!
//! What it reads was published by anybody. Its reader believes nothing, and should it be wrong once, it is wrong in
//! a process that has no token, no descriptor and no network connection of ours, that may use so much memory and
//! time and write so many bytes, and whose death is a sentence in the log.

use std::{
    fs,
    io::{self, Read, Write},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use lamplighter_shared::{job::JobError, model_spec::ModelSpec};
use serde::{Deserialize, Serialize};

use super::unavailable;
use crate::runner::spawn::alone;

/// The hidden command's name.
pub const COMMAND: &str = "convert";
/// A conversion that computes longer than this is stopped by the system; of a real model it takes seconds.
const CPU: Duration = Duration::from_secs(600);
/// One that waits longer than this (for a disk, for its turn) is stopped by us.
const PATIENCE: Duration = Duration::from_secs(1800);
/// Address space before the model's files count, bytes; and per byte of them: mapped, joined, and made.
const MEMORY: (u64, u64) = (1 << 30, 6);
/// The same of the longest file it may write: half-precision numbers become twice as long.
const WRITTEN: (u64, u64) = (64 << 20, 4);
/// The longest answer that is read.
const ANSWER: u64 = 64 << 10;

/// What the process is told, as JSON on its standard input.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    /// The model.
    pub spec: ModelSpec,
    /// Its files.
    pub dir: PathBuf,
    /// The empty folder for what is made of them.
    pub out: PathBuf,
    /// What it may use.
    pub limits: Limits,
}

/// What a conversion may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Address space, bytes.
    pub memory: u64,
    /// Computing time, seconds.
    pub cpu: u64,
    /// The longest file, bytes.
    pub written: u64,
}

impl Limits {
    /// For a model whose files are in a folder: by the size of those that are listed of it, else of all.
    pub fn for_model(spec: &ModelSpec, dir: &Path) -> Self {
        match spec.files.is_empty() {
            true => Self::for_folder(dir),
            false => Self::for_bytes(spec.files.iter().map(|file| file.size).sum()),
        }
    }

    /// For the files in a folder, by their size.
    pub fn for_folder(dir: &Path) -> Self {
        Self::for_bytes(size_of(dir, 4))
    }

    fn for_bytes(size: u64) -> Self {
        let of = |(base, factor): (u64, u64)| size.saturating_mul(factor).saturating_add(base);
        Self {
            memory: of(MEMORY),
            cpu: CPU.as_secs(),
            written: of(WRITTEN),
        }
    }
}

/// Bytes of the files in a folder, and in those below it.
fn size_of(dir: &Path, depth: u32) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| fs::metadata(entry.path()).ok().map(|found| (entry.path(), found)))
        .map(|(path, found)| match found.is_dir() {
            true if depth > 0 => size_of(&path, depth - 1),
            true => 0,
            false => found.len(),
        })
        .sum()
}

/// What the process answers, as JSON on its standard output: nothing, or why not.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) error: Option<JobError>,
}

/// Converts in a process of its own and waits for its end.
///
/// # Errors
/// `model_unavailable`: what the conversion says, or how its process ended.
pub fn run(program: &Path, request: &Request) -> Result<(), JobError> {
    let failed = |error: io::Error| unavailable(format!("the conversion can't be started: {error}"));
    let told = serde_json::to_vec(request).map_err(|error| failed(error.into()))?;
    let mut child = Running(command(program).spawn().map_err(failed)?);
    // One that ended before it read everything says so by its answer.
    let _ = child.0.stdin.take().map(|mut stdin| stdin.write_all(&told));
    let answer = child.answer(PATIENCE)?;
    let status = child.0.wait().map_err(failed)?;
    match serde_json::from_slice::<Answer>(&answer) {
        Ok(Answer { error: Some(error) }) => Err(error),
        Ok(Answer { error: None }) if status.success() => Ok(()),
        _ => Err(unavailable(format!(
            "the conversion {}",
            describe(status, request.limits)
        ))),
    }
}

/// A process that is killed and reaped when it is not wanted any more.
struct Running(Child);

impl Running {
    /// All that it writes until it ends.
    fn answer(&mut self, patience: Duration) -> Result<Vec<u8>, JobError> {
        let Some(stdout) = self.0.stdout.take() else {
            return Err(unavailable("the conversion has no output"));
        };
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let mut answer = Vec::new();
            // What could not be read is no answer; the status tells the rest.
            let _ = stdout.take(ANSWER).read_to_end(&mut answer);
            let _ = sender.send(answer);
        });
        receiver.recv_timeout(patience).map_err(|_| {
            unavailable(format!(
                "the conversion did not end within {} s",
                patience.as_secs()
            ))
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail where it has ended and is reaped.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn command(program: &Path) -> Command {
    let parent = std::process::id();
    let mut command = Command::new(program);
    command.arg0("lamplighter").arg(COMMAND);
    command.env_clear().current_dir("/");
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .process_group(0);
    // SAFETY: `alone` makes system calls only: it neither allocates nor takes a lock. The process dies with the
    // thread that starts it, which is the one that waits for it.
    unsafe { command.pre_exec(move || alone(parent)) };
    command
}

/// Why there is no answer.
fn describe(status: ExitStatus, limits: Limits) -> String {
    match (status.signal(), status.code()) {
        (Some(libc::SIGXCPU), _) => format!("took more than {} s of computing time", limits.cpu),
        (Some(libc::SIGXFSZ), _) => format!("wrote a file of more than {} bytes", limits.written),
        (Some(signal @ (libc::SIGABRT | libc::SIGKILL | libc::SIGSEGV)), _) => {
            format!(
                "ended by signal {signal}, perhaps because it needed more than {} bytes of memory",
                limits.memory
            )
        }
        (Some(signal), _) => format!("ended by signal {signal}"),
        (None, Some(code)) => format!("ended with code {code} and without an answer"),
        (None, None) => "ended in an unknown way".to_owned(),
    }
}
