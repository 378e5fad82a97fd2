//! The supervisor: for each model a feeder, an apalis worker and a dispatcher; for all of them the
//! leases, the writer of ends, the reaper and the report. Never touches a device.

use std::{panic::AssertUnwindSafe, path::PathBuf, sync::Arc, time::Duration};

use futures::{FutureExt, future::BoxFuture};
use lamplighter_shared::{
    config::Config,
    db::{Db, claim::Claimer, workers::ModelStatus},
    events::Events,
    lifecycle::Lifecycle,
    model_spec::ModelSpec,
    queue::Doorbell,
    reaper::Reaper,
};
use tokio::{
    sync::{Semaphore, mpsc, watch},
    time::sleep,
};
use uuid::Uuid;

use crate::{
    board::{self, Board},
    claim::Feeder,
    context::Context,
    dispatch::{Dispatcher, Inputs},
    duty::{Duty, ModelDuty, Orders},
    feed, fetch,
    finish::{self, Writer},
    health::Signs,
    lease::{self, Leases},
    memory, residency,
    scout::Scout,
    seat::{Residency, Seat},
    weights,
};

/// Pause before a model is served anew after a part of that broke.
const ANEW: Duration = Duration::from_secs(1);

/// Jobs with inputs of up to 16 MiB that wait here at once.
const LARGE_SLOTS: usize = 8;

/// Jobs in hand of a model that computes one after the other: one runs while the next is read.
const IN_TURN_SLOTS: usize = 2;

/// What is said of a model that an admin has switched off.
pub(crate) const SWITCHED_OFF: &str = "switched off by an administrator";

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
    /// back once the hard token says so. Returns where its health is read.
    pub fn start(self, lifecycle: &Lifecycle) -> Signs {
        let boot = Uuid::now_v7();
        let board = Arc::new(Board::new(boot, self.name.clone()));
        let (endings, written) = mpsc::unbounded_channel();
        let (tell, orders) = watch::channel(Orders::default());
        let min_stay = Duration::from_secs_f64(self.config.worker.min_residency_seconds);
        let residency = Residency::new(memory::budget(self.config.worker.memory_bytes), min_stay);
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
            orders,
            residency,
            liveness: Arc::default(),
            endings,
        };
        // The writer ends when the last holder of a job is gone: it has no sender of its own.
        let vital = |part| lifecycle.spawn(vital(lifecycle.clone(), part));
        vital(finish::write_all(Writer::new(&context), written).boxed());
        vital(lease::keep(context.clone()).boxed());
        let reaper = Reaper {
            db: context.db.clone(),
            events: context.events.clone(),
            doorbell: context.doorbell.clone(),
            config: context.config.clone(),
        };
        vital(reaper.run(lifecycle.soft.clone()).boxed());
        vital(board::keep_reported(context.clone(), tell).boxed());
        let models_dir = context.config.models_dir();
        let need = |spec: &ModelSpec| {
            let dir = weights::find(spec, &models_dir);
            memory::need(&weights::with_recorded(spec, &models_dir), dir.as_deref())
        };
        let needs: Vec<u64> = self.models.iter().map(need).collect();
        let eager = residency::eager(&needs, context.residency.budget());
        for (spec, (need, eager)) in self.models.into_iter().zip(needs.into_iter().zip(eager)) {
            context.board.set(&spec.id, ModelStatus::Fetching, None, None);
            let seat = context.residency.seat(need);
            context.board.seat(&spec.id, seat.clone());
            lifecycle.spawn(keep_serving(context.clone(), spec, seat, eager));
        }
        Signs {
            liveness: context.liveness,
            board: context.board,
        }
    }
}

/// Runs a part that the worker can't do without. Where it breaks, the process ends, and whoever has
/// started it starts it again: half a worker would hold jobs that it does not run.
async fn vital(lifecycle: Lifecycle, part: BoxFuture<'static, ()>) {
    if AssertUnwindSafe(part).catch_unwind().await.is_err() {
        tracing::error!("a part of the worker broke; the worker ends");
        lifecycle.soft.cancel();
    }
}

/// Serves one model until the worker stops; again from the start where a part of that breaks. Its jobs go
/// back to the queue, by their guards.
async fn keep_serving(context: Context, spec: ModelSpec, seat: Seat, eager: bool) {
    loop {
        let serving = serve_model(context.clone(), spec.clone(), seat.clone(), eager);
        let why = match AssertUnwindSafe(serving).catch_unwind().await {
            Ok(Ok(())) => return,
            Ok(Err(Ended)) => "its apalis worker ended by itself",
            Err(_) => "a part of it panicked",
        };
        tracing::error!(
            model = spec.id,
            why,
            "a model is not served any more; it is started anew"
        );
        let detail = Some(why.to_owned());
        context.board.set(&spec.id, ModelStatus::Failed, detail, None);
        seat.left();
        tokio::select! {
            () = sleep(ANEW) => {}
            () = context.lifecycle.soft.cancelled() => return,
        }
    }
}

/// Jobs that may wait here for a batch. Pictures and sounds are large, so that there are fewer of them; where
/// one is computed after the other, no more than the next one is taken from workers that have nothing to do.
fn slots(spec: &ModelSpec) -> usize {
    let large = spec.tasks.iter().any(|task| task.takes_media());
    let most = match (spec.family.in_turn(), large) {
        (true, _) => IN_TURN_SLOTS,
        (false, true) => LARGE_SLOTS,
        (false, false) => usize::MAX,
    };
    spec.limits.max_batch_jobs.clamp(1, most)
}

/// Waits while the model is switched off, or while it is not known whether it is; `false` when the worker stops
/// first. Whoever is switched off need not even be fetched.
async fn wanted(context: &Context, model: &str) -> bool {
    let mut duty = ModelDuty::new(context.orders.clone(), model);
    loop {
        if duty.now() != Duty::Unknown && !duty.is_disabled() {
            return true;
        }
        if duty.is_disabled() {
            let detail = Some(SWITCHED_OFF.to_owned());
            context.board.set(model, ModelStatus::Unloaded, detail, None);
        }
        tokio::select! {
            Ok(()) = duty.changed() => {}
            () = context.lifecycle.soft.cancelled() => return false,
        }
    }
}

/// An apalis worker ended though nobody has stopped it.
struct Ended;

/// Serves one model: its files first, then its jobs. Where it is `eager` it is loaded before there are any.
async fn serve_model(context: Context, spec: ModelSpec, seat: Seat, eager: bool) -> Result<(), Ended> {
    if !wanted(&context, &spec.id).await {
        return Ok(());
    }
    let Some(files) = fetch::files(&context, &spec).await else {
        return Ok(());
    };
    // What was recorded of a model whose entry lists no files is known only now.
    let spec = weights::with_recorded(&spec, &context.config.models_dir());
    let soft = context.lifecycle.soft.clone();
    // Of a model without a list of files it is known only now.
    seat.measured(memory::need(&spec, Some(&files.dir)));
    let model: Arc<str> = spec.id.as_str().into();
    let slots = slots(&spec);
    let (gate, opened) = watch::channel(false);
    let (control, controls) = mpsc::unbounded_channel();
    let (claimed, jobs) = mpsc::channel(slots);
    let (dispatcher, inbox) = mpsc::channel(slots);
    let (waits, waiting) = watch::channel(false);
    let scout = Scout {
        context: context.clone(),
        model: model.clone(),
        door: seat.door(),
        waiting: waits,
    };
    let feeder = Feeder {
        context: context.clone(),
        model,
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
        files,
        Inputs {
            inbox,
            control: controls,
            gate,
            seat,
            waiting,
            eager,
        },
    );
    let worker = async {
        worker.await;
        soft.is_cancelled().then_some(()).ok_or(Ended)
    };
    let others = async {
        tokio::join!(feeder.run(), scout.run(), dispatcher.run());
        Ok(())
    };
    tokio::try_join!(worker, others).map(|_| ())
}

#[cfg(test)]
mod tests {
    use lamplighter_shared::model_spec::Catalog;

    use super::*;
    use crate::dispatch::budget;

    #[test]
    fn where_jobs_run_in_turn_one_runs_and_one_is_read() {
        let catalog = Catalog::built_in();
        let mut in_turn = 0;
        for spec in catalog.0.values() {
            let mut wide = spec.clone();
            wide.limits.max_batch_jobs = 64;
            if spec.family.in_turn() {
                in_turn += 1;
                assert_eq!((slots(&wide), budget(&wide).jobs), (2, 1), "{}", spec.id);
            } else {
                assert_eq!(budget(&wide).jobs, 64, "{}", spec.id);
                assert!(slots(&wide) > 2, "{}", spec.id);
            }
            // What the catalogue allows less of stays so.
            wide.limits.max_batch_jobs = 1;
            assert_eq!((slots(&wide), budget(&wide).jobs), (1, 1), "{}", spec.id);
        }
        assert_eq!(in_turn, 5);
    }
}
