//! What every part of a worker shares.

use std::{path::PathBuf, sync::Arc};

use lamplighter_shared::{
    config::Config,
    db::{Db, Dialect, claim::Claimer},
    events::Events,
    lifecycle::Lifecycle,
    queue::Doorbell,
};
use tokio::sync::{mpsc, watch};

use crate::{board::Board, duty::Orders, held::Ending, lease::Leases, liveness::Liveness, seat::Residency};

/// What every part of a worker shares. Clones are cheap.
#[derive(Clone)]
pub struct Context {
    /// The truth.
    pub db: Db,
    /// Where running jobs tell their progress.
    pub events: Arc<dyn Events>,
    /// What wakes it.
    pub doorbell: Arc<dyn Doorbell>,
    /// The settings.
    pub config: Arc<Config>,
    /// How it ends.
    pub lifecycle: Lifecycle,
    /// The binary that runners are started from.
    pub program: PathBuf,
    /// Who claims.
    pub claimer: Claimer,
    /// The jobs in hand.
    pub leases: Arc<Leases>,
    /// How far the models are.
    pub board: Arc<Board>,
    /// What it is to do.
    pub orders: watch::Receiver<Orders>,
    /// Who of the models is in memory.
    pub residency: Arc<Residency>,
    /// Its signs of life.
    pub liveness: Arc<Liveness>,
    /// Where ends of runs go.
    pub endings: mpsc::UnboundedSender<Ending>,
}

impl Context {
    /// Whether `echo` may misbehave when a job asks it to: where somebody has allowed it, and in an
    /// installation of one process, whose jobs are its owner's.
    pub fn allows_faults(&self) -> bool {
        self.config.worker.echo_faults || self.db.dialect() == Dialect::Sqlite
    }
}
