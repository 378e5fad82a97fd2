//! `[worker]`: the fleet side.

use serde::{Deserialize, Serialize};

use super::{ConfigError, check};

/// The fleet side.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Worker {
    /// Its name, for people and orders; empty: the machine's.
    pub name: String,
    /// Address of its health and metrics, `HOST:PORT`; empty: none.
    pub health_bind: String,
    /// Threads that each model computes with; 0: one for each core there is.
    pub threads: usize,
    /// Memory that its models may take together, bytes; 0: most of what the machine gives us.
    pub memory_bytes: u64,
    /// Seconds a busy model stays in memory before it makes room for another.
    pub min_residency_seconds: f64,
    /// Whether `echo` misbehaves when it is asked to, also where the database is shared.
    pub echo_faults: bool,
}

impl Worker {
    /// A model stays for some time, and has no more threads than any machine has.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.threads > 1024 {
            return Err(ConfigError(format!(
                "worker.threads must be at most 1024, not {}",
                self.threads
            )));
        }
        check::positive("worker.min_residency_seconds", self.min_residency_seconds)
    }
}
