//! `/metrics`: what was counted, for Prometheus. For the inside of an installation: the proxy in front
//! does not pass it on. Not in the API's document.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use lamplighter_shared::{
    db::{
        DbError, outbox, queues,
        workers::{self, WorkerState},
    },
    telemetry::metrics::{self, OUTBOX, QUEUE_DEPTH, QUEUE_OLDEST, WORKERS},
};
use poem::{Endpoint, Response, endpoint::make, get, http::header};
use poem_openapi::OperationId;
use tokio::{sync::Mutex, time::timeout};

use crate::state::App;

/// The database is read at most so often for it.
const FRESH: Duration = Duration::from_secs(1);
/// A scrape does not wait longer for the database; what it had said stands.
const PATIENCE: Duration = Duration::from_secs(2);

/// The endpoint.
pub(super) fn endpoint(app: Arc<App>) -> impl Endpoint {
    let gauges = Arc::new(Mutex::new(Gauges::default()));
    get(make(move |_| {
        let (app, gauges) = (app.clone(), gauges.clone());
        async move {
            let refreshed = timeout(PATIENCE, async { gauges.lock().await.refresh(&app).await }).await;
            if !matches!(refreshed, Ok(Ok(()))) {
                tracing::debug!("the gauges of the queues are old: the database does not answer");
            }
            let mut answer = Response::builder()
                .header(header::CONTENT_TYPE, metrics::CONTENT_TYPE)
                .body(metrics::render());
            answer.set_data(OperationId("getMetrics"));
            answer
        }
    }))
}

const STATES: [(WorkerState, &str); 5] = [
    (WorkerState::Active, "active"),
    (WorkerState::Draining, "draining"),
    (WorkerState::Drained, "drained"),
    (WorkerState::Maintenance, "maintenance"),
    (WorkerState::Lost, "lost"),
];

/// What is read from the database, and what of it was told before.
#[derive(Default)]
struct Gauges {
    read: Option<Instant>,
    models: BTreeSet<String>,
}

impl Gauges {
    async fn refresh(&mut self, app: &App) -> Result<(), DbError> {
        if self.read.is_some_and(|at| at.elapsed() < FRESH) {
            return Ok(());
        }
        // Also after a failure: a database in trouble is not asked more often.
        self.read = Some(Instant::now());
        self.read_queues(app).await?;
        self.read_workers(app).await?;
        read_outbox(app).await
    }

    async fn read_queues(&mut self, app: &App) -> Result<(), DbError> {
        let served: Vec<&str> = app.catalog.0.keys().map(String::as_str).collect();
        let queues = queues::queues(&app.db, served).await?;
        let now: BTreeSet<String> = queues.iter().map(|queue| queue.model.clone()).collect();
        for gone in self.models.difference(&now) {
            tell_depth(gone, queues::Waiting::default(), 0.0);
        }
        self.models.extend(now);
        for queue in queues {
            tell_depth(&queue.model, queue.waiting, queue.oldest_seconds.unwrap_or(0.0));
        }
        Ok(())
    }

    async fn read_workers(&mut self, app: &App) -> Result<(), DbError> {
        let workers = workers::list(&app.db).await?;
        for (state, name) in STATES {
            let number = workers.iter().filter(|worker| worker.state == state).count();
            ::metrics::gauge!(WORKERS, "state" => name).set(number as f64);
        }
        Ok(())
    }
}

async fn read_outbox(app: &App) -> Result<(), DbError> {
    let (queued, dead) = outbox::depth(&app.db).await?;
    ::metrics::gauge!(OUTBOX, "state" => "queued").set(queued as f64);
    ::metrics::gauge!(OUTBOX, "state" => "dead").set(dead as f64);
    Ok(())
}

fn tell_depth(model: &str, waiting: queues::Waiting, oldest: f64) {
    let numbers = [
        ("low", waiting.low),
        ("normal", waiting.normal),
        ("high", waiting.high),
    ];
    for (priority, number) in numbers {
        ::metrics::gauge!(QUEUE_DEPTH, "model" => model.to_owned(), "priority" => priority)
            .set(number as f64);
    }
    ::metrics::gauge!(QUEUE_OLDEST, "model" => model.to_owned()).set(oldest);
}
