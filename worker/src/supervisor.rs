//! The supervisor: for each model a feeder, an apalis worker and a dispatcher; for all of them the
//! leases, the writer of ends, the reaper and the report. Never touches a device.

use std::{path::PathBuf, sync::Arc};

use lamplighter_shared::{
    config::Config,
    db::{Db, claim::Claimer, workers::ModelStatus},
    events::Events,
    lifecycle::Lifecycle,
    model_spec::ModelSpec,
    queue::Doorbell,
};
use tokio::sync::{Semaphore, mpsc, watch};
use uuid::Uuid;

use crate::{
    board::{self, Board},
    claim::Feeder,
    context::Context,
    dispatch::{Dispatcher, Inputs},
    feed, fetch,
    finish::{self, Writer},
    lease::{self, Leases},
    reap,
};

/// What a supervisor is made of.
pub struct Supervisor {
    /// The truth.
    pub db: Db,
    /// Where running jobs tell their progress.
    pub events: Arc<dyn Events>,
    /// What wakes it.
    pub doorbell: Arc<dyn Doorbell>,
    /// The settings.
    pub config: Arc<Config>,
    /// The models it serves.
    pub models: Vec<ModelSpec>,
    /// Its name, for people.
    pub name: String,
    /// The binary that runners are started from.
    pub program: PathBuf,
}

impl Supervisor {
    /// Starts everything; it ends with `lifecycle`. Jobs in hand when it stops are finished, or handed
    /// back once the hard token says so.
    pub fn start(self, lifecycle: &Lifecycle) {
        let boot = Uuid::now_v7();
        let board = Arc::new(Board::new(boot, self.name.clone()));
        let (endings, written) = mpsc::unbounded_channel();
        let context = Context {
            db: self.db,
            events: self.events,
            doorbell: self.doorbell,
            claimer: Claimer {
                boot,
                worker: self.name,
                lease: self.config.jobs.lease(),
            },
            config: self.config,
            lifecycle: lifecycle.clone(),
            program: self.program,
            leases: Arc::new(Leases::default()),
            board,
            liveness: Arc::default(),
            endings,
        };
        // The writer ends when the last holder of a job is gone: it has no sender of its own.
        lifecycle.spawn(finish::write_all(Writer::new(&context), written));
        lifecycle.spawn(lease::keep(context.clone()));
        lifecycle.spawn(reap::keep_reaping(context.clone()));
        let (board, db, heartbeat) = (
            context.board.clone(),
            context.db.clone(),
            context.config.jobs.heartbeat(),
        );
        let stop = lifecycle.soft.clone();
        lifecycle.spawn(async move { board::keep_reported(&board, &db, heartbeat, stop).await });
        for spec in self.models {
            context.board.set(&spec.id, ModelStatus::Fetching, None, None);
            lifecycle.spawn(serve_model(context.clone(), spec));
        }
    }
}

/// Serves one model: its files first, then its jobs.
async fn serve_model(context: Context, spec: ModelSpec) {
    let Some(dir) = fetch::files(&context, &spec).await else {
        return;
    };
    let slots = spec.limits.max_batch_jobs.max(1);
    let (gate, opened) = watch::channel(false);
    let (control, controls) = mpsc::unbounded_channel();
    let (claimed, jobs) = mpsc::channel(slots);
    let (dispatcher, inbox) = mpsc::channel(slots);
    let feeder = Feeder {
        context: context.clone(),
        model: spec.id.clone(),
        slots: Arc::new(Semaphore::new(slots)),
        gate: opened,
        jobs: claimed,
        control,
    };
    let name = format!(
        "{}-{}-{}",
        context.claimer.worker,
        spec.id,
        context.claimer.boot.simple()
    );
    // Twice the batch: one runs while the next is prepared.
    let worker = feed::work(name, jobs, dispatcher, 2 * slots);
    let dispatcher = Dispatcher::new(
        context,
        spec,
        dir,
        Inputs {
            inbox,
            control: controls,
            gate,
        },
    );
    tokio::join!(feeder.run(), worker, dispatcher.run());
}
