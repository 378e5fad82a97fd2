//! What the system knows of a process: the processor time it used.

use std::fs;

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
