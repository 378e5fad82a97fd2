//! Time. Leases, deadlines and expiry are decided by the database's clock alone; this names the unit
//! and lets tests put a clock they can turn in its place.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

/// Milliseconds since 1970-01-01T00:00:00Z. Columns and fields named `…_at` hold this.
pub type UnixMillis = i64;

/// Which clock the statements of a [`crate::db::Db`] read.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// The database's own clock, at the moment the statement runs.
    #[default]
    Database,
    /// A clock that stands still until a test advances it.
    Manual(ManualClock),
}

/// A clock that only [`ManualClock::advance`] moves. Clones share the time.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// A clock that shows `now`.
    pub fn at(now: UnixMillis) -> Self {
        Self(Arc::new(AtomicI64::new(now)))
    }

    /// What the clock shows.
    pub fn now(&self) -> UnixMillis {
        self.0.load(Ordering::SeqCst)
    }

    /// Moves the clock forward.
    pub fn advance(&self, by_ms: i64) {
        self.0.fetch_add(by_ms, Ordering::SeqCst);
    }
}
