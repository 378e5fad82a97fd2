//! What a process tells of itself: logs (one line an event on standard error, JSON when asked),
//! [`metrics`], and what [`probes`] find.
//!
//! Not here: routes that show them (`api`, and `worker` for a worker's own).

pub mod metrics;
pub mod probes;

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Starts counting, and logging as [`init_logs`] says. For processes with a runtime.
pub fn init() {
    init_logs();
    metrics::install();
    tokio::spawn(metrics::keep_up());
}

/// Starts logging. `LAMPLIGHTER_LOG` filters (`info`, `lamplighter_worker=debug`);
/// `LAMPLIGHTER_LOG_FORMAT=json` writes one JSON object a line.
pub fn init_logs() {
    let filter = EnvFilter::try_from_env("LAMPLIGHTER_LOG").unwrap_or_else(|_| {
        // The last one is for all targets that begin so: they tell what is odd in a sound, which is as much as whoever
        // sent it likes.
        EnvFilter::new(
            "info,sqlx=warn,sea_orm=warn,sea_orm_migration=warn,poem=warn,apalis_core=warn,symphonia=off",
        )
    });
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // A log that can't be written (a full disk, a reader that left) would be told on standard error, too,
        // which panics there: it would end whatever task has something to say.
        .log_internal_errors(false)
        .with_writer(std::io::stderr);
    let started = if std::env::var("LAMPLIGHTER_LOG_FORMAT").is_ok_and(|f| f == "json") {
        builder.json().try_init()
    } else {
        builder
            .with_target(false)
            .with_ansi(std::io::stderr().is_terminal())
            .try_init()
    };
    // Tests of one process may start it twice; the first one stands.
    let _ = started;
}
