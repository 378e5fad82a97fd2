//! Which models an admin has switched off. What was switched at another process is known here within a second.

use std::{
    collections::BTreeSet,
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::{Duration, Instant},
};

use lamplighter_shared::{
    db::{Db, DbError, audit::Origin, disabled_models},
    error::ErrorCode,
};
use tokio::sync::Mutex;

use crate::{error::ApiError, message::message};

/// How long what was read is good.
const GOOD: Duration = Duration::from_secs(1);

/// The switches of all models.
pub(crate) struct Switches {
    db: Db,
    read: RwLock<Read>,
    /// Whoever reads.
    reading: Mutex<()>,
}

#[derive(Default)]
struct Read {
    off: BTreeSet<String>,
    /// When that was so; none before the first look.
    at: Option<Instant>,
    /// Switched here: what was read before the last of them is old.
    switched_here: u64,
}

impl Read {
    fn is_due(&self) -> bool {
        self.at.is_none_or(|at| at.elapsed() >= GOOD)
    }
}

impl Switches {
    /// Those in the database.
    pub(crate) fn new(db: Db) -> Self {
        Self {
            db,
            read: RwLock::default(),
            reading: Mutex::default(),
        }
    }

    /// Whether a model is switched off.
    pub(crate) async fn is_off(&self, model: &str) -> bool {
        self.refresh().await;
        self.now().off.contains(model)
    }

    /// Lets a job for a model pass.
    ///
    /// # Errors
    /// 503 where the model is switched off.
    pub(crate) async fn check(&self, model: &str) -> Result<(), ApiError> {
        if !self.is_off(model).await {
            return Ok(());
        }
        let detail = message!(
            "An administrator has switched the model {model} off; it takes no new jobs until it is switched on again.",
            model = model
        );
        Err(ApiError::new(ErrorCode::ModelUnavailable, detail))
    }

    /// Switches a model on or off: it counts here from now on.
    ///
    /// # Errors
    /// Where the database fails.
    pub(crate) async fn switch(&self, model: &str, enabled: bool, origin: &Origin) -> Result<(), DbError> {
        disabled_models::set(&self.db, model, enabled, origin).await?;
        let mut read = self.write();
        if enabled {
            read.off.remove(model);
        } else {
            read.off.insert(model.to_owned());
        }
        read.switched_here += 1;
        Ok(())
    }

    fn now(&self) -> RwLockReadGuard<'_, Read> {
        self.read.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Read> {
        self.read.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the switches where that is due. One caller does, the others go on with what is known; where nothing is
    /// known yet, they wait.
    async fn refresh(&self) {
        let (due, first) = (self.now().is_due(), self.now().at.is_none());
        if !due {
            return;
        }
        let _turn = match self.reading.try_lock() {
            Ok(turn) => turn,
            Err(_) if first => self.reading.lock().await,
            Err(_) => return,
        };
        let (due, switched_here) = (self.now().is_due(), self.now().switched_here);
        if !due {
            return;
        }
        let found = disabled_models::all(&self.db).await;
        let mut read = self.write();
        match found {
            Ok(off) if read.switched_here == switched_here => {
                read.off = off;
                read.at = Some(Instant::now());
            }
            // The next one reads what was switched here meanwhile.
            Ok(_) => {}
            Err(error) => {
                tracing::debug!(%error, "which models are switched off was not read");
                // Whoever asks next needs the database as well; not all of them have to wait for this.
                read.at = Some(Instant::now());
            }
        }
    }
}
