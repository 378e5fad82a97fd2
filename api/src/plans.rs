//! The plans: those of the settings, with what admins changed. What another process changed is known here within
//! five seconds.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::{Duration, Instant},
};

use lamplighter_shared::{
    config::Config,
    db::{Db, plans},
    plan::{Plan, PlanChanges},
};
use tokio::sync::Mutex;

use crate::{error::Fault, message::message};

/// How long what was read of the changes is good.
const GOOD: Duration = Duration::from_secs(5);

/// What is wrong with the name of a plan that nobody knows, where a body gives one.
pub(crate) fn unknown_plan() -> Fault {
    Fault::at("/plan", "not_allowed", message!("is not the name of a plan"))
}

/// The plans, by name.
pub struct Plans {
    configured: BTreeMap<String, Plan>,
    db: Db,
    read: RwLock<Read>,
    /// Whoever reads.
    reading: Mutex<()>,
}

#[derive(Default)]
struct Read {
    changes: BTreeMap<String, PlanChanges>,
    /// When that was so; none before the first look.
    at: Option<Instant>,
    /// Changes that were made here: what was read before the last of them is old.
    made_here: u64,
}

impl Read {
    fn is_due(&self) -> bool {
        self.at.is_none_or(|at| at.elapsed() >= GOOD)
    }
}

impl Plans {
    /// Those of the settings, with the changes in the database.
    pub fn new(config: &Arc<Config>, db: Db) -> Self {
        Self {
            configured: config.plans.clone(),
            db,
            read: RwLock::default(),
            reading: Mutex::default(),
        }
    }

    /// The plan of this name. One that is not there any more is as narrow as a guest's.
    pub async fn get(&self, name: &str) -> Plan {
        self.refresh().await;
        match self.known(name).or_else(|| self.known("guest")) {
            Some((plan, _)) => plan,
            None => Plan::NOTHING,
        }
    }

    /// The plan of this name, and what admins changed of it.
    pub async fn find(&self, name: &str) -> Option<(Plan, PlanChanges)> {
        self.refresh().await;
        self.known(name)
    }

    /// The names of all plans.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.configured.keys().map(String::as_str)
    }

    /// A change was stored: it counts here from now on.
    pub fn changed(&self, name: &str, changes: PlanChanges) {
        let mut read = self.write();
        read.changes.insert(name.to_owned(), changes);
        read.made_here += 1;
    }

    fn now(&self) -> RwLockReadGuard<'_, Read> {
        self.read.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Read> {
        self.read.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self, name: &str) -> Option<(Plan, PlanChanges)> {
        let plan = self.configured.get(name)?.clone();
        let read = self.now();
        let changes = read.changes.get(name).cloned().unwrap_or_default();
        Some((plan.with(&changes), changes))
    }

    /// Reads the changes where that is due. One caller does, the others go on with what is known; where nothing is
    /// known yet, they wait: the settings alone may allow what an admin took away.
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
        let (due, made_here) = (self.now().is_due(), self.now().made_here);
        if !due {
            return;
        }
        let found = plans::changes(&self.db).await;
        let mut read = self.write();
        match found {
            Ok(changes) if read.made_here == made_here => {
                read.changes = changes;
                read.at = Some(Instant::now());
            }
            // The next one reads what was changed here meanwhile.
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "the changes of plans were not read");
                // Whoever asks next needs the database as well; not all of them have to wait for this.
                read.at = Some(Instant::now());
            }
        }
    }
}
