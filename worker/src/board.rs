//! How far each model of this worker is, and the report of it that the fleet and the queue read.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use lamplighter_shared::db::{
    Db,
    workers::{self, ModelStatus, Report, WorkerModel},
};
use tokio::{sync::Notify, time::timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The state of every model of this worker.
pub struct Board {
    models: Mutex<HashMap<String, WorkerModel>>,
    changed: Notify,
    boot: Uuid,
    name: String,
}

impl Board {
    /// A board without models.
    pub fn new(boot: Uuid, name: String) -> Self {
        Self {
            models: Mutex::default(),
            changed: Notify::new(),
            boot,
            name,
        }
    }

    /// Notes how far a model is.
    pub fn set(&self, model: &str, status: ModelStatus, detail: Option<String>, digest: Option<String>) {
        let entry = WorkerModel {
            status,
            detail,
            digest,
        };
        let before = self.lock().insert(model.to_owned(), entry.clone());
        if before.as_ref() != Some(&entry) {
            self.changed.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, WorkerModel>> {
        self.models.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn report(&self) -> Report {
        Report {
            boot: self.boot,
            name: self.name.clone(),
            host: host_name(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            models: self.lock().clone(),
        }
    }
}

/// Reports at once when something changed and at every heartbeat, until `stop`; then signs off.
pub async fn keep_reported(board: &Board, db: &Db, heartbeat: Duration, stop: CancellationToken) {
    while !stop.is_cancelled() {
        if let Err(error) = workers::report(db, &board.report()).await {
            tracing::warn!(%error, "this worker could not report itself; it goes on");
        }
        tokio::select! {
            // A change or the next heartbeat, whichever comes first.
            _ = timeout(heartbeat, board.changed.notified()) => {}
            () = stop.cancelled() => {}
        }
    }
    if let Err(error) = workers::remove(db, board.boot).await {
        tracing::warn!(%error, "this worker could not sign off; it is forgotten in a while");
    }
}

/// The machine's name, for people.
pub fn host_name() -> String {
    nix::unistd::gethostname()
        .ok()
        .and_then(|name| name.into_string().ok())
        .unwrap_or_else(|| "unknown".to_owned())
}
