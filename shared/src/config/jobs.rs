//! `[jobs]`: deadlines, leases, retries.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{ConfigError, check};

/// Deadlines, leases, retries.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jobs {
    /// Default of `timeout.start_seconds`.
    pub start_seconds: u64,
    /// Most of `timeout.start_seconds`.
    pub max_start_seconds: u64,
    /// Default of `timeout.run_seconds`.
    pub run_seconds: u64,
    /// Most of `timeout.run_seconds`.
    pub max_run_seconds: u64,
    /// Seconds a worker holds a job without a sign of life.
    pub lease_seconds: f64,
    /// Seconds between renewals of leases.
    pub heartbeat_seconds: f64,
    /// Seconds between looks for lost leases and passed deadlines.
    pub reap_seconds: f64,
    /// Seconds a lease must be seen as expired before it is taken.
    pub reap_confirm_seconds: f64,
    /// Runner exits after which a job fails.
    pub max_crashes: i32,
    /// Lost leases after which a job fails.
    pub max_lease_losses: i32,
    /// Seconds between an idle worker's own looks (± 20 %).
    pub poll_seconds: f64,
    /// Seconds an idempotency key is remembered.
    pub idempotency_seconds: u64,
}

impl Jobs {
    /// Times are more than nothing, a lease outlives a lost heartbeat, and defaults keep to their maximum.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        check::positive("jobs.lease_seconds", self.lease_seconds)?;
        check::positive("jobs.heartbeat_seconds", self.heartbeat_seconds)?;
        check::positive("jobs.reap_seconds", self.reap_seconds)?;
        check::positive("jobs.poll_seconds", self.poll_seconds)?;
        if self.heartbeat_seconds * 2.0 > self.lease_seconds {
            return Err(ConfigError(format!(
                "jobs.heartbeat_seconds ({}) must be at most half of jobs.lease_seconds ({})",
                self.heartbeat_seconds, self.lease_seconds
            )));
        }
        if self.run_seconds > self.max_run_seconds || self.start_seconds > self.max_start_seconds {
            return Err(ConfigError(
                "jobs.run_seconds and jobs.start_seconds must not exceed their max_…".to_owned(),
            ));
        }
        Ok(())
    }

    /// How long a claim or heartbeat holds a job.
    pub fn lease(&self) -> Duration {
        Duration::from_secs_f64(self.lease_seconds)
    }

    /// Time between heartbeats.
    pub fn heartbeat(&self) -> Duration {
        Duration::from_secs_f64(self.heartbeat_seconds)
    }
}
