//! Children that die with the test process, whatever ends it.
//!
//! The kernel's parent-death signal belongs to the *thread* that forked, and a test's thread ends long
//! before its process does. So every child is forked by one thread that lives as long as the process.

use std::{
    fs, io,
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{Child, Command, ExitStatus},
    sync::{OnceLock, mpsc},
    thread,
    time::{Duration, Instant},
};

pub use nix::sys::signal::Signal;
use nix::{
    sys::{prctl, signal::kill},
    unistd::{Pid, getppid},
};

type Order = (Command, mpsc::Sender<io::Result<Child>>);

/// Starts a child that gets `on_parent_death` when this process ends.
///
/// # Panics
/// Where the program can't be started; the message names it.
pub fn spawn(mut command: Command, on_parent_death: Signal) -> Child {
    let program = command.get_program().to_owned();
    let parent = Pid::this();
    let arm = move || {
        prctl::set_pdeathsig(on_parent_death)?;
        // The parent may have gone between the fork and the line above.
        if getppid() == parent {
            Ok(())
        } else {
            Err(io::Error::other("the test process has ended"))
        }
    };
    // SAFETY: between fork and exec the closure makes two system calls and allocates only on its way
    // to failing.
    unsafe { command.pre_exec(arm) };
    let (answer, child) = mpsc::channel();
    spawner()
        .send((command, answer))
        .expect("the spawning thread never ends");
    match child.recv().expect("the spawning thread always answers") {
        Ok(child) => child,
        Err(e) => panic!("can't start {}: {e}", program.display()),
    }
}

/// The one thread that forks.
fn spawner() -> &'static mpsc::Sender<Order> {
    static SPAWNER: OnceLock<mpsc::Sender<Order>> = OnceLock::new();
    SPAWNER.get_or_init(|| {
        let (orders, inbox) = mpsc::channel::<Order>();
        let run = move || {
            for (mut command, answer) in inbox {
                // Whoever asked has panicked if nobody takes the answer.
                let _ = answer.send(command.spawn());
            }
        };
        thread::Builder::new()
            .name("spawner".to_owned())
            .spawn(run)
            .expect("a thread can be started");
        orders
    })
}

/// Sends a signal to a process that this test started. One that is gone already is fine.
pub fn signal(pid: u32, signal: Signal) {
    let _ = kill(Pid::from_raw(pid.cast_signed()), signal);
}

/// Waits for a child, at most `limit`.
pub fn wait_at_most(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let end = Instant::now() + limit;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            // Somebody else reaped it: it is gone, and that is what was asked.
            Err(_) => return Some(ExitStatus::from_raw(0)),
            Ok(None) if Instant::now() >= end => return None,
            Ok(None) => thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// The processes whose parent is `pid`, oldest id first.
pub fn children(pid: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let mut found: Vec<u32> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|child| parent(*child) == Some(pid))
        .collect();
    found.sort_unstable();
    found
}

/// The arguments a process was started with; empty once it is gone.
pub fn arguments(pid: u32) -> Vec<String> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    bytes
        .split(|b| *b == 0)
        .filter(|a| !a.is_empty())
        .map(|a| String::from_utf8_lossy(a).into_owned())
        .collect()
}

/// Resident memory of a process, KiB; none once it is gone.
pub fn rss_kb(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// How many descriptors a process has open; none once it is gone.
pub fn open_files(pid: u32) -> Option<usize> {
    Some(fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count())
}

/// Whether a process is there and not a zombie.
pub fn alive(pid: u32) -> bool {
    state_and_parent(pid).is_some_and(|(state, _)| state != 'Z' && state != 'X')
}

fn parent(pid: u32) -> Option<u32> {
    state_and_parent(pid)
        .filter(|(state, _)| *state != 'Z')
        .map(|(_, parent)| parent)
}

/// Reads `/proc/PID/stat`, whose second field, in parentheses, may hold spaces and parentheses itself.
fn state_and_parent(pid: u32) -> Option<(char, u32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper() -> Child {
        let mut command = Command::new("sleep");
        command.arg("600");
        spawn(command, Signal::SIGKILL)
    }

    #[test]
    fn a_child_outlives_the_thread_that_asked_for_it_and_is_found() {
        let mut child = thread::spawn(sleeper).join().expect("the thread ends well");
        assert!(alive(child.id()));
        assert!(children(std::process::id()).contains(&child.id()));
        assert_eq!(arguments(child.id()), ["sleep", "600"]);
        assert!(rss_kb(child.id()).is_some());
        assert!(open_files(child.id()).is_some_and(|open| open >= 3));
        signal(child.id(), Signal::SIGKILL);
        let status = wait_at_most(&mut child, Duration::from_secs(10)).expect("it was killed");
        assert_eq!(status.signal(), Some(9));
        assert!(!alive(child.id()));
    }
}
