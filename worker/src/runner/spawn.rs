//! Starts the child process and holds on to it: it dies with this process, inherits nothing but its end
//! of the socket, is always reaped, and its number is never used after that.

use std::{
    io,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::process::{CommandExt, ExitStatusExt},
    },
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, OnceLock, PoisonError, mpsc},
    thread,
};

use tokio::sync::{oneshot, watch};

use super::RunnerOptions;

/// A child process.
pub(super) struct Process {
    pid: u32,
    /// The child until it is reaped; its number may be used only while it is here.
    child: Arc<Mutex<Option<Child>>>,
    exited: watch::Receiver<Option<ExitStatus>>,
}

impl Process {
    /// Starts `program runner --fd N`, N being `socket`.
    pub(super) async fn start(options: &RunnerOptions, threads: usize, socket: OwnedFd) -> io::Result<Self> {
        let command = command(&options.program, threads, &socket)?;
        let (answer, started) = oneshot::channel();
        let lost = || io::Error::other("the thread that starts runners is gone");
        spawner()?
            .send(Request {
                command,
                _socket: socket,
                answer,
            })
            .map_err(|_| lost())?;
        let child = started.await.map_err(|_| lost())??;
        let pid = child.id();
        let child = Arc::new(Mutex::new(Some(child)));
        let (exit, exited) = watch::channel(None);
        let process = Self { pid, child, exited };
        let child = process.child.clone();
        let reaper = thread::Builder::new().name("reap-runner".to_owned());
        // Without the thread nobody would reap it; dropping `process` kills it then.
        reaper
            .stack_size(64 << 10)
            .spawn(move || exit.send_replace(reap(pid, &child)))?;
        Ok(process)
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// How it ended; none while it runs.
    pub(super) fn exited(&self) -> watch::Receiver<Option<ExitStatus>> {
        self.exited.clone()
    }

    /// SIGKILL, unless it has ended already.
    pub(super) fn kill(&self) {
        if let Some(child) = self.child.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            // It fails only where the process has just ended.
            let _ = child.kill();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// How an exit is told.
pub(super) fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => "an unknown end".to_owned(),
    }
}

/// Waits for the end without reaping, then reaps under the lock, so that `kill` never meets a number
/// that the system has given to another process.
fn reap(pid: u32, child: &Mutex<Option<Child>>) -> Option<ExitStatus> {
    loop {
        // SAFETY: an all-zero siginfo_t is a valid place for the result.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        // SAFETY: `info` outlives the call.
        let result = unsafe { libc::waitid(libc::P_PID, pid, &mut info, libc::WEXITED | libc::WNOWAIT) };
        if result == 0 || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            break;
        }
    }
    let child = child.lock().unwrap_or_else(PoisonError::into_inner).take();
    let status = child.and_then(|mut child| child.wait().ok());
    // A status that can't be read (someone else reaped it) is still an end.
    Some(status.unwrap_or_else(|| ExitStatus::from_raw(0xff00)))
}

struct Request {
    command: Command,
    /// Stays open until the child has its copy.
    _socket: OwnedFd,
    answer: oneshot::Sender<io::Result<Child>>,
}

/// The thread that starts all runners. The kernel ties "die with your parent" to the *thread* that
/// forked, so that thread must live as long as the process: no thread of a pool will do.
fn spawner() -> io::Result<&'static mpsc::Sender<Request>> {
    static SPAWNER: OnceLock<mpsc::Sender<Request>> = OnceLock::new();
    if let Some(spawner) = SPAWNER.get() {
        return Ok(spawner);
    }
    let (sender, requests) = mpsc::channel::<Request>();
    let work = move || {
        for mut request in requests {
            let result = request.command.spawn();
            if let Err(Ok(mut unwanted)) = request.answer.send(result) {
                let _ = unwanted.kill();
                let _ = unwanted.wait();
            }
        }
    };
    thread::Builder::new()
        .name("spawn-runners".to_owned())
        .spawn(work)?;
    // Where two callers raced, the loser's thread ends as its sender is dropped here.
    Ok(SPAWNER.get_or_init(|| sender))
}

fn command(program: &Path, threads: usize, socket: &OwnedFd) -> io::Result<Command> {
    let fd = socket.as_raw_fd();
    let parent = std::process::id();
    let mut command = Command::new(program);
    // `program` may be a link of the kernel's whose name tells a person nothing.
    command.arg0("lamplighter");
    command.arg("runner").arg("--fd").arg(fd.to_string());
    command.stdin(Stdio::null()).stdout(Stdio::null());
    // A Ctrl-C in the terminal is for the supervisor, which ends its runners in its own time.
    command.process_group(0);
    // A runner needs no secret, and not to know where the data is.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text == "HF_TOKEN" || (text.starts_with("LAMPLIGHTER_") && !text.starts_with("LAMPLIGHTER_LOG")) {
            command.env_remove(&name);
        }
    }
    for name in ["RAYON_NUM_THREADS", "CANDLE_NUM_THREADS"] {
        command.env(name, threads.max(1).to_string());
    }
    // SAFETY: `in_child` makes system calls only: it neither allocates nor takes a lock.
    unsafe { command.pre_exec(move || in_child(fd, parent)) };
    Ok(command)
}

/// Between fork and exec: die with the parent, and keep no descriptor but the socket (and 0 to 2).
fn in_child(socket: i32, parent: u32) -> io::Result<()> {
    alone(parent)?;
    // SAFETY: a plain system call; the socket is open in this copy of the process.
    match unsafe { libc::fcntl(socket, libc::F_SETFD, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Between fork and exec: die with the thread of `parent` that forked, and keep no descriptor but 0 to 2. Neither
/// allocates nor takes a lock.
pub(crate) fn alone(parent: u32) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: plain system calls with constant arguments.
        unsafe {
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0 {
                return Err(io::Error::last_os_error());
            }
            // The parent may have died before the line above took effect.
            if libc::getppid() as u32 != parent {
                libc::_exit(1);
            }
        }
    }
    let _ = parent;
    close_on_exec_from(3);
    Ok(())
}

/// Marks every descriptor from `first` on, rather than closing it: the standard library still needs one
/// to report a failed exec.
fn close_on_exec_from(first: i32) {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: a plain system call; where the kernel is older than the flag it changes nothing.
        let result = unsafe {
            libc::syscall(
                libc::SYS_close_range,
                first,
                u32::MAX,
                libc::CLOSE_RANGE_CLOEXEC as libc::c_uint,
            )
        };
        if result == 0 {
            return;
        }
    }
    // SAFETY: plain system calls; those on a number that is not open fail and change nothing.
    unsafe {
        let end = libc::sysconf(libc::_SC_OPEN_MAX).clamp(256, 65_536) as i32;
        for fd in first..end {
            libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC);
        }
    }
}
