//! The child's side: plain threads, no async runtime.
//!
//! The main thread reads the socket and answers pings at once, whatever the model does; one thread
//! tokenises, so that the next batch is ready when the current one ends; one thread owns the model.
//! The end of the socket is the end of the process: without a supervisor nobody wants a result.

use std::{
    collections::HashMap,
    fs::File,
    io::{BufReader, Write},
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, mpsc},
    thread,
    time::Instant,
};

use lamplighter_shared::{
    error::ErrorCode, job::JobError, model_spec::ModelSpec, task::Task, telemetry::init_logs, trace::Trace,
};
use serde_json::value::RawValue;
use tracing::Span;

use super::{
    alloc,
    member::{Cancel, Member, Report},
    protocol::{self, About, FromRunner, ModelInfo, Ticket, ToRunner},
};
use crate::{
    catalog,
    models::{self, Files, Loaded, Model, Payload, Preparer},
};

/// Runs a runner whose supervisor is at the other end of the socket `fd`. For the hidden subcommand
/// `runner --fd N` and nothing else: it takes over the descriptor and ends the process.
pub fn main(fd: i32) -> ExitCode {
    // SAFETY: the parent opened this descriptor for us and told us its number; nothing else uses it.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    let Ok(writer) = socket.try_clone() else {
        eprintln!("runner: {fd} is not an open descriptor; this command is started by lamplighter only");
        return ExitCode::from(2);
    };
    // Our own children, should a library start any, get no copy of the socket.
    for end in [&socket, &writer] {
        // SAFETY: a plain system call on an open descriptor.
        unsafe { libc::fcntl(end.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) };
    }
    // What `top` shows; else it could be the name of a link.
    #[cfg(target_os = "linux")]
    let _ = nix::sys::prctl::set_name(c"lamp-runner");
    ignore_stop_signals();
    init_logs();
    limit(libc::RLIMIT_CORE, 0);
    alloc::report_to(writer.as_raw_fd());
    let report = report_to(File::from(writer));
    let mut reader = BufReader::new(File::from(socket));
    let Ok(Some(ToRunner::Load {
        spec,
        files,
        threads,
        faults,
    })) = protocol::read(&mut reader)
    else {
        return ExitCode::from(2);
    };
    if let Some(bytes) = spec.memory_limit {
        limit_memory(bytes);
    }
    let desk = Arc::new(Desk {
        report,
        jobs: Mutex::default(),
        preparer: OnceLock::new(),
    });
    let Ok((inputs, batches)) = start_threads(&desk, spec, files, (threads, faults)) else {
        return ExitCode::FAILURE;
    };
    loop {
        match protocol::read(&mut reader) {
            Ok(Some(message)) => desk.take(message, &inputs, &batches),
            Ok(None) => exit(0),
            Err(error) => {
                tracing::error!(%error, "what the supervisor says can't be read");
                exit(1)
            }
        }
    }
}

/// Where everything about the jobs in hand is known.
struct Desk {
    report: Report,
    jobs: Mutex<HashMap<Ticket, Entry>>,
    /// Set once the model is loaded.
    preparer: OnceLock<Arc<dyn Preparer>>,
}

/// A job in hand. It stays here from `Prepare` until it is forgotten or answered.
struct Entry {
    cancel: Cancel,
    /// The run, in the log.
    span: Span,
    /// There between `Prepared` and `Run`.
    payload: Option<Payload>,
    running: bool,
}

type Inputs = mpsc::Sender<(Ticket, Cancel, Task, Box<RawValue>)>;
type Batches = mpsc::Sender<Vec<Ticket>>;

impl Desk {
    fn take(&self, message: ToRunner, inputs: &Inputs, batches: &Batches) {
        match message {
            ToRunner::Ping { n } => (self.report)(FromRunner::Pong { n }),
            ToRunner::Prepare {
                ticket,
                task,
                input,
                about,
            } => {
                let cancel = Cancel::default();
                self.jobs().insert(
                    ticket,
                    Entry {
                        cancel: cancel.clone(),
                        span: span(&about),
                        payload: None,
                        running: false,
                    },
                );
                // The threads end only with the process.
                let _ = inputs.send((ticket, cancel, task, input));
            }
            ToRunner::Run { tickets } => {
                let _ = batches.send(tickets);
            }
            ToRunner::Forget { ticket } => {
                let mut jobs = self.jobs();
                if let Some(entry) = jobs.get(&ticket) {
                    entry.cancel.cancel();
                    if !entry.running {
                        jobs.remove(&ticket);
                    }
                }
            }
            ToRunner::Load { .. } => {
                tracing::error!("a second Load is ignored");
            }
            ToRunner::Shutdown => exit(0),
        }
    }

    fn jobs(&self) -> MutexGuard<'_, HashMap<Ticket, Entry>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tokenises one input. Runs on a thread of its own.
    fn prepare(&self, ticket: Ticket, cancel: &Cancel, task: Task, input: &RawValue) {
        if cancel.is_canceled() {
            return;
        }
        let Some(preparer) = self.preparer.get() else {
            return;
        };
        let result = catch_unwind(AssertUnwindSafe(|| preparer.prepare(task, input))).unwrap_or_else(|_| {
            Err(JobError::new(
                ErrorCode::ModelError,
                "the input could not be prepared: a panic",
            ))
        });
        let mut jobs = self.jobs();
        let answer = match result {
            Ok((payload, cost)) => {
                let Some(entry) = jobs.get_mut(&ticket) else {
                    return;
                };
                entry.payload = Some(payload);
                FromRunner::Prepared { ticket, cost }
            }
            Err(error) => {
                jobs.remove(&ticket);
                FromRunner::Failed { ticket, error }
            }
        };
        drop(jobs);
        (self.report)(answer);
    }

    /// Runs a batch. Runs on the model's thread.
    fn run(self: &Arc<Self>, model: &mut dyn Model, tickets: Vec<Ticket>) {
        let desk = self.clone();
        // A job leaves the desk with its answer.
        let report: Report = Arc::new(move |message| {
            if let FromRunner::Done { ticket, .. }
            | FromRunner::Failed { ticket, .. }
            | FromRunner::Canceled { ticket } = &message
            {
                let left = desk.jobs().remove(ticket);
                if let Some(entry) = left {
                    entry
                        .span
                        .in_scope(|| tracing::debug!(answer = name(&message), "a job leaves the model"));
                }
            }
            (desk.report)(message);
        });
        let mut jobs = Vec::with_capacity(tickets.len());
        let (mut gone, mut spans) = (Vec::new(), Vec::new());
        {
            let mut known = self.jobs();
            for ticket in tickets {
                match known
                    .get_mut(&ticket)
                    .and_then(|entry| Some((entry.payload.take()?, entry)))
                {
                    Some((payload, entry)) => {
                        entry.running = true;
                        spans.push(entry.span.clone());
                        jobs.push((ticket, payload, entry.cancel.clone()));
                    }
                    None => gone.push(ticket),
                }
            }
        }
        for ticket in gone {
            (self.report)(FromRunner::Canceled { ticket });
        }
        if jobs.is_empty() {
            return (self.report)(FromRunner::BatchDone { compute_ms: 0.0 });
        }
        for span in spans {
            span.in_scope(|| tracing::debug!("a job enters the model"));
        }
        let members = Member::batch(jobs, report);
        // Members that a panic leaves behind answer for themselves.
        let _ = catch_unwind(AssertUnwindSafe(|| model.run(members)));
    }
}

/// The span of a run; its lines carry the trace of the request.
fn span(about: &About) -> Span {
    let trace = about.trace.as_ref();
    tracing::info_span!(
        "compute",
        job = about.job,
        epoch = about.epoch,
        trace_id = trace.map(Trace::trace_id),
        span_id = trace.map(Trace::span_id)
    )
}

/// How an answer is called in the log.
fn name(answer: &FromRunner) -> &'static str {
    match answer {
        FromRunner::Done { .. } => "done",
        FromRunner::Failed { .. } => "failed",
        _ => "canceled",
    }
}

/// Starts the tokenising thread and the model's, which first loads the model.
fn start_threads(
    desk: &Arc<Desk>,
    spec: Box<ModelSpec>,
    files: Files,
    (threads, faults): (usize, bool),
) -> std::io::Result<(Inputs, Batches)> {
    let (inputs, to_prepare) = mpsc::channel::<(Ticket, Cancel, Task, Box<RawValue>)>();
    let (batches, to_run) = mpsc::channel::<Vec<Ticket>>();
    let owner = desk.clone();
    thread::Builder::new().name("model".to_owned()).spawn(move || {
        let (mut model, preparer, info) = match load(&spec, &files, threads) {
            Ok(ready) => ready,
            Err(error) => {
                (owner.report)(FromRunner::LoadFailed(error));
                exit(1)
            }
        };
        let preparer = if faults {
            preparer
        } else {
            models::without_faults(spec.family, preparer)
        };
        // Set once: there is one Load.
        let _ = owner.preparer.set(preparer);
        (owner.report)(FromRunner::Ready(info));
        for tickets in to_run {
            owner.run(model.as_mut(), tickets);
        }
    })?;
    let desk = desk.clone();
    thread::Builder::new()
        .name("tokenise".to_owned())
        .spawn(move || {
            for (ticket, cancel, task, input) in to_prepare {
                desk.prepare(ticket, &cancel, task, &input);
            }
        })?;
    Ok((inputs, batches))
}

type Ready = (Box<dyn Model>, Arc<dyn Preparer>, ModelInfo);

/// Loads the model and has it compute its canary: what passes can compute.
fn load(spec: &ModelSpec, files: &Files, threads: usize) -> Result<Ready, JobError> {
    let started = Instant::now();
    let loaded = catch_unwind(|| models::load(spec, files, threads))
        .unwrap_or_else(|_| Err(JobError::new(ErrorCode::ModelUnavailable, "loading panicked")))?;
    let Loaded {
        mut model,
        preparer,
        dtype,
        device,
        joint,
    } = loaded;
    models::canary(spec, model.as_mut(), preparer.as_ref())?;
    let load_ms = started.elapsed().as_millis() as u64;
    Ok((
        model,
        preparer,
        ModelInfo {
            digest: catalog::digest(spec),
            dtype,
            device,
            load_ms,
            joint,
        },
    ))
}

/// Writes each message as one frame; the end of the process if the supervisor is gone.
fn report_to(socket: File) -> Report {
    let socket = Mutex::new(socket);
    Arc::new(move |message| {
        let bytes = match protocol::frame(&message) {
            Ok(bytes) => bytes,
            Err(error) => {
                tracing::error!(%error, "a message can't be sent");
                exit(1)
            }
        };
        let mut socket = socket.lock().unwrap_or_else(PoisonError::into_inner);
        if alloc::exclusively(|| socket.write_all(&bytes)).is_err() {
            exit(0);
        }
    })
}

/// Whoever stops the service may signal each of its processes: when a runner ends is the supervisor's
/// decision, which finishes or hands back the jobs first.
fn ignore_stop_signals() {
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
        // SAFETY: ignoring a signal installs no handler.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

/// Limits the address space, which makes allocations fail in this process rather than the machine run
/// out. Each arena of the C library reserves 64 MiB of it, so a limited runner gets two.
fn limit_memory(bytes: u64) {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: a plain call before any thread has been started.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 2);
    }
    limit(libc::RLIMIT_AS, bytes);
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
type Resource = libc::__rlimit_resource_t;
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
type Resource = libc::c_int;

fn limit(resource: Resource, most: u64) {
    let limit = libc::rlimit {
        rlim_cur: most as libc::rlim_t,
        rlim_max: most as libc::rlim_t,
    };
    // SAFETY: `limit` outlives the call. Where the system refuses (a higher limit than ours), the old one stands.
    if unsafe { libc::setrlimit(resource, &limit) } != 0 {
        let error = std::io::Error::last_os_error();
        tracing::warn!(%error, "a resource limit can't be set");
    }
}

/// Ends the process at once: no destructor, no waiting for a model that computes.
fn exit(code: i32) -> ! {
    // SAFETY: always sound; nothing runs after it.
    unsafe { libc::_exit(code) }
}
