//! What a worker counts, each by one line where it happens. Names and meanings stand in
//! [`lamplighter_shared::telemetry::metrics`].

use std::time::Duration;

use lamplighter_shared::{
    job::{Job, JobState},
    telemetry::metrics::{
        BATCH_SIZE, BATCH_TOKENS, BATCH_WAIT, GPU_MEMORY, JOB_QUEUE, JOB_RUN, JOBS, LEASE_LOSSES, MODEL_LOAD,
        STALE_RESULTS, WORKER_BUSY,
    },
};
use metrics::{counter, gauge, histogram};
use tokio::time::Instant;

/// How much of the share of busy time comes from the last look.
const LATEST: f64 = 0.2;

/// A job was claimed.
pub fn claimed(job: &Job) {
    let waited = job.started_at.unwrap_or(job.created_at) - job.created_at;
    histogram!(JOB_QUEUE, "model" => job.model.clone()).record(waited.max(0) as f64 / 1000.0);
}

/// A batch of `jobs` entered the model; `tokens` is 0 where the model knows none.
pub fn batch(model: &str, jobs: u32, tokens: usize) {
    histogram!(BATCH_SIZE, "model" => model.to_owned()).record(jobs);
    if tokens > 0 {
        histogram!(BATCH_TOKENS, "model" => model.to_owned()).record(tokens as f64);
    }
}

/// A member of a batch had been in hand for so long.
pub fn waited(model: &str, since_claim: Duration) {
    histogram!(BATCH_WAIT, "model" => model.to_owned()).record(since_claim.as_secs_f64());
}

/// A model was loaded.
pub fn loaded(model: &str, load_ms: u64) {
    histogram!(MODEL_LOAD, "model" => model.to_owned()).record(load_ms as f64 / 1000.0);
}

/// A run's end was written; the job stands in `state` now.
pub fn ended(model: &str, state: JobState, compute_ms: Option<f64>) {
    if let Some(compute_ms) = compute_ms {
        histogram!(JOB_RUN, "model" => model.to_owned()).record(compute_ms / 1000.0);
    }
    if state.is_terminal() {
        counter!(JOBS, "model" => model.to_owned(), "status" => state.as_str()).increment(1);
    }
}

/// A run's end was refused.
pub fn stale() {
    counter!(STALE_RESULTS).increment(1);
}

/// A run was stopped, for its lease is gone.
pub fn lease_lost() {
    counter!(LEASE_LOSSES).increment(1);
}

/// How much memory the models may take, and take.
pub fn memory(budget: u64, used: u64) {
    gauge!(GPU_MEMORY, "kind" => "budget").set(budget as f64);
    gauge!(GPU_MEMORY, "kind" => "used").set(used as f64);
}

/// How much of its time one runner computes.
#[derive(Debug)]
pub struct Effort {
    model: String,
    /// When it was last looked at, and whether it computed then.
    seen: (Instant, bool),
    busy: Duration,
    told: Instant,
    ratio: f64,
}

impl Effort {
    /// Of a runner that has just been started.
    pub fn new(model: &str) -> Self {
        let now = Instant::now();
        Self {
            model: model.to_owned(),
            seen: (now, false),
            busy: Duration::ZERO,
            told: now,
            ratio: 0.0,
        }
    }

    /// Whether it computes from now on.
    pub fn note(&mut self, now: Instant, computes: bool) {
        let (before, computed) = self.seen;
        if computed {
            self.busy += now.saturating_duration_since(before);
        }
        self.seen = (now, computes);
    }

    /// Tells the share; to be called about once a second.
    pub fn tell(&mut self, now: Instant) {
        self.note(now, self.seen.1);
        let window = now.saturating_duration_since(self.told);
        if window.is_zero() {
            return;
        }
        let latest = self.busy.as_secs_f64() / window.as_secs_f64();
        self.ratio = (self.ratio * (1.0 - LATEST) + latest * LATEST).clamp(0.0, 1.0);
        (self.busy, self.told) = (Duration::ZERO, now);
        gauge!(WORKER_BUSY, "model" => self.model.clone()).set(self.ratio);
    }
}

impl Drop for Effort {
    fn drop(&mut self) {
        gauge!(WORKER_BUSY, "model" => self.model.clone()).set(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_busy_time_follows_the_last_seconds() {
        let start = Instant::now();
        let mut effort = Effort::new("m");
        let at = |ms: u64| start + Duration::from_millis(ms);
        for second in 0..30 {
            effort.note(at(second * 1000), true);
            effort.note(at(second * 1000 + 250), false);
            effort.tell(at(second * 1000 + 1000));
        }
        assert!((effort.ratio - 0.25).abs() < 0.01, "{}", effort.ratio);
        for second in 30..60 {
            effort.tell(at(second * 1000 + 1000));
        }
        assert!(effort.ratio < 0.01, "{}", effort.ratio);
    }
}
