//! What the system knows of processor time: how much a process used, and how much everybody else did.

use std::{fs, thread, time::Instant};

/// Clock ticks a second in `/proc`; a constant of the kernel's interface on every common platform.
const TICKS: f64 = 100.0;

/// Processor time of a process with all its threads, its children not counted, in seconds; 0 where there
/// is no such process.
pub fn cpu_seconds(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The second field, in parentheses, may hold spaces; user and system time are fields 14 and 15.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: f64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|n| n.parse::<f64>().ok())
        .sum();
    ticks / TICKS
}

/// Watches how much of the machine is used by processes that have nothing to do with the measurement.
pub struct Others {
    ours: Vec<u32>,
    since: Instant,
    busy: f64,
    used: f64,
}

impl Others {
    /// Watches from now on. `ours` are the processes that belong to the measurement, beside this one.
    pub fn watch(ours: &[u32]) -> Self {
        let mut ours = ours.to_vec();
        ours.push(std::process::id());
        Self {
            since: Instant::now(),
            busy: busy_seconds(),
            used: ours.iter().map(|pid| cpu_seconds(*pid)).sum(),
            ours,
        }
    }

    /// The part of all processors (0 to 1) that others used since.
    pub fn share(&self) -> f64 {
        let processors = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let used: f64 = self.ours.iter().map(|pid| cpu_seconds(*pid)).sum();
        let theirs = (busy_seconds() - self.busy) - (used - self.used);
        (theirs / (self.since.elapsed().as_secs_f64() * processors as f64)).clamp(0.0, 1.0)
    }
}

/// Time all processors were not idle, seconds; time that the host took away counts too.
fn busy_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let first = stat.lines().next().unwrap_or_default();
    // cpu user nice system idle iowait irq softirq steal
    let ticks = first.split_whitespace().skip(1).take(8).enumerate();
    let busy: f64 = ticks
        .filter(|(place, _)| *place != 3 && *place != 4)
        .filter_map(|(_, n)| n.parse::<f64>().ok())
        .sum();
    busy / TICKS
}
