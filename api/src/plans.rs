//! The plans: those of the settings, with what admins changed. What another process changed is known here within
//! five seconds.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use lamplighter_shared::{
    config::Config,
    db::{Db, plans},
    plan::{Plan, PlanChanges},
};

/// How long what was read of the changes is good.
const GOOD: Duration = Duration::from_secs(5);

/// The plans, by name.
pub struct Plans {
    configured: BTreeMap<String, Plan>,
    db: Db,
    read: RwLock<Read>,
}

#[derive(Default)]
struct Read {
    changes: BTreeMap<String, PlanChanges>,
    at: Option<Instant>,
}

impl Plans {
    /// Those of the settings, with the changes in the database.
    pub fn new(config: &Arc<Config>, db: Db) -> Self {
        Self {
            configured: config.plans.clone(),
            db,
            read: RwLock::default(),
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
        let mut read = self.read.write().unwrap_or_else(PoisonError::into_inner);
        read.changes.insert(name.to_owned(), changes);
    }

    fn known(&self, name: &str) -> Option<(Plan, PlanChanges)> {
        let plan = self.configured.get(name)?.clone();
        let read = self.read.read().unwrap_or_else(PoisonError::into_inner);
        let changes = read.changes.get(name).cloned().unwrap_or_default();
        Some((plan.with(&changes), changes))
    }

    /// Reads the changes where that is due; one caller does, the others go on with what is known.
    async fn refresh(&self) {
        let due = |read: &Read| read.at.is_none_or(|at| at.elapsed() >= GOOD);
        if !due(&self.read.read().unwrap_or_else(PoisonError::into_inner)) {
            return;
        }
        {
            let mut read = self.read.write().unwrap_or_else(PoisonError::into_inner);
            if !due(&read) {
                return;
            }
            read.at = Some(Instant::now());
        }
        match plans::changes(&self.db).await {
            Ok(changes) => self.read.write().unwrap_or_else(PoisonError::into_inner).changes = changes,
            Err(error) => tracing::warn!(%error, "the changes of plans were not read"),
        }
    }
}
