//! What every part of a worker shares.

use std::{path::PathBuf, sync::Arc};

use lamplighter_shared::{
    config::Config,
    db::{Db, claim::Claimer},
    events::Events,
    lifecycle::Lifecycle,
    queue::Doorbell,
};
use tokio::sync::mpsc;

use crate::{board::Board, held::Ending, lease::Leases, liveness::Liveness};

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
    /// Its signs of life.
    pub liveness: Arc<Liveness>,
    /// Where ends of runs go.
    pub endings: mpsc::UnboundedSender<Ending>,
}
