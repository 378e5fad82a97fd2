//! How far each model of this worker is, and the report of it that the fleet and the queue read.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use lamplighter_shared::db::{
    DbError, disabled_models,
    workers::{self, ModelStatus, Phase, Report, WorkerModel},
};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep, timeout_at},
};
use uuid::Uuid;

use crate::{
    context::Context,
    duty::{Duty, Orders},
    seat::Seat,
    tally,
};

/// How often a worker that was asked to stop claiming looks how far it is.
const LOOK: Duration = Duration::from_millis(250);
/// Pause after a report that failed while the worker does not know its duty.
const AGAIN: Duration = Duration::from_millis(500);

/// The state of every model of this worker.
pub struct Board {
    models: Mutex<HashMap<String, WorkerModel>>,
    seats: Mutex<HashMap<String, Seat>>,
    changed: Notify,
    boot: Uuid,
    name: String,
    device: Mutex<String>,
}

impl Board {
    /// A board without models.
    pub fn new(boot: Uuid, name: String) -> Self {
        Self {
            models: Mutex::default(),
            seats: Mutex::default(),
            changed: Notify::new(),
            boot,
            name,
            device: Mutex::new("cpu".to_owned()),
        }
    }

    /// Notes what the models compute on, as a runner has told.
    pub fn set_device(&self, device: &str) {
        // Runners use the first one there is.
        let device = if device == "cuda" { "cuda:0" } else { device };
        device.clone_into(&mut self.device.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Notes how far a model is.
    pub fn set(&self, model: &str, status: ModelStatus, detail: Option<String>, digest: Option<String>) {
        let entry = WorkerModel {
            status,
            detail,
            digest,
            // Known when it is told, and different then.
            memory_bytes: None,
        };
        let before = self.lock().insert(model.to_owned(), entry.clone());
        if before.as_ref() != Some(&entry) {
            self.changed.notify_one();
        }
    }

    /// Notes where a model's memory is counted.
    pub fn seat(&self, model: &str, seat: Seat) {
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        seats.insert(model.to_owned(), seat);
    }

    /// The models as they are told, with the memory of those that have some.
    fn told(&self) -> HashMap<String, WorkerModel> {
        let mut models = self.lock().clone();
        let seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        for (id, model) in &mut models {
            model.memory_bytes = seats.get(id).and_then(Seat::taken);
        }
        models
    }

    /// How far each model is, by name.
    pub fn statuses(&self) -> BTreeMap<String, &'static str> {
        let models = self.lock();
        models
            .iter()
            .map(|(id, model)| (id.clone(), model.status.as_str()))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, WorkerModel>> {
        self.models.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn report(&self, context: &Context) -> Report {
        Report {
            device: self.device.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            memory_bytes: context.residency.budget(),
            memory_used_bytes: context.residency.used(),
            in_flight: u32::try_from(context.leases.len()).unwrap_or(u32::MAX),
            phase: phase(context),
            boot: self.boot,
            name: self.name.clone(),
            host: host_name(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            models: self.told(),
        }
    }
}

/// Reports at once when something changed and at every heartbeat, and passes on what is asked of the
/// worker, until it stops; then signs off.
pub async fn keep_reported(context: Context, orders: watch::Sender<Orders>) {
    let stop = context.lifecycle.soft.clone();
    let heartbeat = context.config.jobs.heartbeat();
    while !stop.is_cancelled() {
        let report = context.board.report(&context);
        tally::memory(report.memory_bytes, report.memory_used_bytes);
        let mut pause = heartbeat;
        match tell(&context, &report).await {
            Ok(asked) => {
                context.liveness.database_answered();
                hear(&orders, asked);
            }
            Err(error) => {
                tracing::warn!(%error, "this worker could not report itself; it goes on");
                if orders.borrow().duty == Duty::Unknown {
                    pause = AGAIN;
                }
            }
        }
        tokio::select! {
            () = news(&context, report.phase, pause) => {}
            () = stop.cancelled() => {}
        }
    }
    if let Err(error) = workers::remove(&context.db, context.claimer.boot).await {
        tracing::warn!(%error, "this worker could not sign off; it is forgotten in a while");
    }
}

/// Stores the report; what is asked of the worker and its models.
async fn tell(context: &Context, report: &Report) -> Result<Orders, DbError> {
    let order = workers::report(&context.db, report).await?;
    Ok(Orders {
        duty: Duty::of(order),
        disabled: disabled_models::all(&context.db).await?,
    })
}

fn hear(orders: &watch::Sender<Orders>, now: Orders) {
    let before = orders.borrow().clone();
    if before == now {
        return;
    }
    if before.duty != now.duty && (before.duty != Duty::Unknown || now.duty != Duty::Serve) {
        tracing::info!(before = ?before.duty, now = ?now.duty, "another duty");
    }
    if before.disabled != now.disabled {
        tracing::info!(models = ?now.disabled, "these models are switched off");
    }
    orders.send_replace(now);
}

/// Waits for a change worth a report, at most so long.
async fn news(context: &Context, reported: Phase, at_most: Duration) {
    let until = Instant::now() + at_most;
    let progress = async {
        // How far an order is is a matter of many parts; they are asked rather than made to tell.
        while phase(context) == reported {
            sleep(LOOK).await;
        }
    };
    tokio::select! {
        // A change or the next heartbeat, whichever comes first.
        _ = timeout_at(until, context.board.changed.notified()) => {}
        () = progress => {}
    }
}

fn phase(context: &Context) -> Phase {
    context
        .orders
        .borrow()
        .duty
        .phase(context.leases.len(), context.residency.is_empty())
}

/// The machine's name, for people.
pub fn host_name() -> String {
    nix::unistd::gethostname()
        .ok()
        .and_then(|name| name.into_string().ok())
        .unwrap_or_else(|| "unknown".to_owned())
}
