//! Every metric there is: its name, kind and help, and the process's registry of them.
//!
//! Whoever does something counts it where it happens, by the macros of crate `metrics` and a name from
//! here: `counter!(JOBS, "model" => model, "status" => state.as_str()).increment(1)`. Labels come from
//! closed sets (models of the catalogue, states, operations): never an id, an address or a text of a user.

use std::{sync::OnceLock, time::Duration};

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// The media type of [`render`]'s text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How often samples of histograms are moved into their buckets while nobody asks.
const UPKEEP: Duration = Duration::from_secs(5);

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Only grows; `bare`: it has no labels, and is there from the start.
    Counter {
        /// Whether it has no labels.
        bare: bool,
    },
    /// Goes up and down.
    Gauge,
    /// Counts samples by size: the upper ends of its buckets.
    Histogram(&'static [f64]),
}

/// One metric.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// What it says, in a sentence.
    pub help: &'static str,
}

const COUNTER: Kind = Kind::Counter { bare: false };
const BARE: Kind = Kind::Counter { bare: true };
/// From a claim that was waited for to a day in the queue.
const WAITS: Kind = Kind::Histogram(&[
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 86400.0,
]);
/// From an echo to an hour's run.
const RUNS: Kind = Kind::Histogram(&[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0,
]);
const LOADS: Kind = Kind::Histogram(&[
    0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0,
]);
const SIZES: Kind = Kind::Histogram(&[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0]);
const TOKENS: Kind = Kind::Histogram(&[
    16.0, 64.0, 256.0, 1024.0, 4096.0, 8192.0, 16384.0, 32768.0, 65536.0, 262144.0,
]);
/// Up to the longest `Prefer: wait`.
const REQUESTS: Kind = Kind::Histogram(&[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
]);

macro_rules! metrics_table {
    ($($constant:ident = $name:literal, $kind:expr, $help:literal;)*) => {
        $(#[doc = $help] pub const $constant: &str = concat!("lamplighter_", $name);)*

        /// All of them.
        pub const ALL: &[Metric] = &[$(Metric { name: $constant, kind: $kind, help: $help }),*];
    };
}

metrics_table! {
    JOBS = "jobs_total", COUNTER, "Jobs that ended, by model and status, counted by the process that wrote the end.";
    JOB_QUEUE = "job_queue_seconds", WAITS, "From the submission of a job to the start of a run, by model.";
    JOB_RUN = "job_run_seconds", RUNS, "How long jobs were in the model (the whole batch: its members run together), by model.";
    BATCH_SIZE = "batch_size", SIZES, "Jobs in a batch, by model.";
    BATCH_WAIT = "batch_wait_seconds", WAITS, "From the claim of a job to the start of its batch, by model.";
    BATCH_TOKENS = "batch_tokens", TOKENS, "Tokens in a batch, by model.";
    MODEL_LOAD = "model_load_seconds", LOADS, "How long loading took, from the first byte read to the canary, by model.";
    WORKER_BUSY = "worker_busy_ratio", Kind::Gauge, "Share of the last seconds in which the model had a job to compute, by model.";
    WORKERS = "workers", Kind::Gauge, "Registered workers, by state.";
    QUEUE_DEPTH = "queue_depth", Kind::Gauge, "Jobs that wait, by model and priority; of the whole installation.";
    QUEUE_OLDEST = "queue_oldest_seconds", Kind::Gauge, "How long the oldest job has waited, by model; of the whole installation.";
    GPU_MEMORY = "gpu_memory_bytes", Kind::Gauge, "Memory of the device that models run on (main memory where there is no GPU): the kinds budget and used.";
    SSE_CLIENTS = "sse_clients", Kind::Gauge, "Open event streams.";
    STALE_RESULTS = "stale_result_rejected_total", BARE, "Ends of runs that were refused because the run was lost before.";
    LEASE_LOSSES = "lease_losses_total", BARE, "Runs that this worker stopped because their lease was gone.";
    REAPED_JOBS = "reaped_jobs_total", COUNTER, "Jobs that this process took from lost workers or that waited too long, by where they stand now.";
    HTTP_REQUESTS = "http_requests_total", COUNTER, "Answered requests, by operation and status.";
    HTTP_REQUEST = "http_request_seconds", REQUESTS, "From the head of a request to the head of its answer, by operation.";
    REQUESTS_SHED = "requests_shed_total", BARE, "Requests that were told to come again because too many were in work.";
    DOORBELLS = "doorbells_total", COUNTER, "Doorbells, by result.";
    EVENTS_DROPPED = "events_dropped_total", BARE, "Events of jobs that were given up because their carrier was away or slow.";
    TOKEN_CACHE = "token_cache_total", COUNTER, "Looks for a token in the cache, by result.";
    TOKEN_READS = "token_reads_total", COUNTER, "Tokens and sessions that were read from the database to check a request, by kind.";
    SEALS_TRIED = "seals_tried_total", BARE, "Texts (tokens, sealed cookies, sealed mails) that a key of ours was tried on; what has not the form of one is refused before.";
    LOGINS = "logins_total", COUNTER, "Logins that were tried, by outcome.";
    PASSWORD_HASHINGS = "password_hashings_total", BARE, "Passwords that were hashed, to store or to compare; also those of accounts that do not exist.";
    PASSWORDS_REFUSED = "passwords_refused_total", BARE, "Requests that were told to come again because too many passwords were being hashed.";
    RATE_LIMIT = "ratelimit_decisions_total", COUNTER, "Decisions of rate limits, by policy and outcome.";
    MAILS = "mails_total", COUNTER, "Tries to send a mail that this process made, by outcome: sent, failed (tried again later), put_off (its address got many), dead (given up).";
    OUTBOX = "outbox_mails", Kind::Gauge, "Mails that were not sent, by state: queued or dead; of the whole installation.";
    DATABASE_UNAVAILABLE = "database_unavailable_total", BARE, "Statements that failed because the database was not there.";
    BUILD_INFO = "build_info", Kind::Gauge, "Always 1; the label says which version runs.";
}

/// Starts counting, once a process; later calls change nothing.
pub fn install() {
    let _ = handle();
}

/// Everything counted so far, in Prometheus' text form. Samples may be rendered by any number of
/// askers at once.
pub fn render() -> String {
    handle().map(PrometheusHandle::render).unwrap_or_default()
}

/// Keeps histograms small while nobody renders them, for ever.
pub async fn keep_up() {
    let Some(handle) = handle() else { return };
    loop {
        tokio::time::sleep(UPKEEP).await;
        handle.run_upkeep();
    }
}

/// The registry; none where some other recorder was installed in this process before.
fn handle() -> Option<&'static PrometheusHandle> {
    static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    HANDLE
        .get_or_init(|| {
            let recorder = builder().build_recorder();
            let handle = recorder.handle();
            metrics::set_global_recorder(recorder).ok()?;
            describe();
            Some(handle)
        })
        .as_ref()
}

fn builder() -> PrometheusBuilder {
    ALL.iter().fold(PrometheusBuilder::new(), |builder, metric| {
        let Kind::Histogram(buckets) = metric.kind else {
            return builder;
        };
        builder
            .set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), buckets)
            .expect("every list of buckets has some: a test reads them")
    })
}

fn describe() {
    for Metric { name, kind, help } in ALL {
        match kind {
            Kind::Counter { bare } => {
                describe_counter!(*name, *help);
                if *bare {
                    // An alert on its growth needs the zero before.
                    counter!(*name).increment(0);
                }
            }
            Kind::Gauge => describe_gauge!(*name, *help),
            Kind::Histogram(_) => describe_histogram!(*name, *help),
        }
    }
    gauge!(BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_kinds_and_units_and_stand_in_the_operator_s_manual() {
        let manual = include_str!("../../../docs/operations.md");
        let mut names = std::collections::BTreeSet::new();
        for Metric { name, kind, help } in ALL {
            assert!(names.insert(name), "{name} is there twice");
            assert!(
                name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
                "{name}"
            );
            assert_eq!(
                name.ends_with("_total"),
                matches!(kind, Kind::Counter { .. }),
                "{name}"
            );
            assert!(help.ends_with('.') && !help.contains('\n'), "{name}: {help}");
            if let Kind::Histogram(buckets) = kind {
                assert!(!buckets.is_empty() && buckets.is_sorted(), "{name}");
                let unit = ["_seconds", "_size", "_tokens"].iter().any(|u| name.ends_with(u));
                assert!(unit, "{name}");
            }
            assert!(
                manual.contains(&format!("`{name}`")),
                "docs/operations.md does not name {name}"
            );
        }
    }

    #[test]
    fn nobody_counts_what_has_no_help() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut folders: Vec<_> = ["shared/src", "api/src", "worker/src"]
            .map(|f| root.join(f))
            .into();
        let mut found = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("sources") {
                let path = entry.expect("sources").path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                if path.extension().is_none_or(|end| end != "rs") {
                    continue;
                }
                let text = std::fs::read_to_string(&path).expect("text");
                for call in ["counter!(\"", "gauge!(\"", "histogram!(\""] {
                    for place in text.split(call).skip(1) {
                        let name = place.split('"').next().unwrap_or_default();
                        found += 1;
                        assert!(
                            ALL.iter().any(|m| m.name == name),
                            "{}: {name} stands in no table",
                            path.display()
                        );
                    }
                }
            }
        }
        println!("{found} metrics are named by their text");
    }

    #[test]
    fn what_is_counted_is_rendered_with_its_help() {
        install();
        install();
        counter!(JOBS, "model" => "of-this-test", "status" => "succeeded").increment(3);
        metrics::histogram!(JOB_RUN, "model" => "of-this-test").record(0.02);
        let text = render();
        let line = |line: &str| assert!(text.lines().any(|l| l == line), "{line}: {text}");
        line("# TYPE lamplighter_jobs_total counter");
        line("lamplighter_jobs_total{model=\"of-this-test\",status=\"succeeded\"} 3");
        line("# TYPE lamplighter_job_run_seconds histogram");
        line("lamplighter_job_run_seconds_bucket{model=\"of-this-test\",le=\"0.01\"} 0");
        line("lamplighter_job_run_seconds_bucket{model=\"of-this-test\",le=\"0.025\"} 1");
        line("lamplighter_job_run_seconds_count{model=\"of-this-test\"} 1");
        line("lamplighter_stale_result_rejected_total 0");
        assert!(
            text.contains("# HELP lamplighter_jobs_total Jobs that ended"),
            "{text}"
        );
    }
}
