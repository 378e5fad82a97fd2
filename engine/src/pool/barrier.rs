//! A place where lanes wait for one another, as often as they like.

use std::sync::atomic::{
    AtomicBool, AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};

use super::gate::Gate;

/// Lets nobody on before all are there. What a lane wrote before it, every lane reads after it.
#[derive(Debug)]
pub(super) struct Barrier {
    lanes: usize,
    here: AtomicUsize,
    gate: Gate,
    broken: AtomicBool,
}

impl Barrier {
    /// A barrier for this many lanes (at least one).
    #[must_use]
    pub(super) fn new(lanes: usize) -> Self {
        Self {
            lanes: lanes.max(1),
            here: AtomicUsize::new(0),
            gate: Gate::default(),
            broken: AtomicBool::new(false),
        }
    }

    /// Waits until every lane has called it.
    ///
    /// # Panics
    /// Where the barrier is broken: a lane is not going to come, so nobody may wait for it.
    pub(super) fn wait(&self) {
        if self.lanes == 1 {
            return;
        }
        let seen = self.gate.epoch();
        self.check();
        if self.here.fetch_add(1, SeqCst) + 1 == self.lanes {
            // Nobody comes again before the gate opens.
            self.here.store(0, Relaxed);
            self.gate.open();
        } else {
            self.gate.pass(seen);
        }
        self.check();
    }

    /// Sends everyone away who waits or is going to.
    pub(super) fn break_up(&self) {
        self.broken.store(true, SeqCst);
        self.gate.open();
    }

    /// Makes it as new. Nobody may be waiting.
    pub(super) fn mend(&self) {
        self.here.store(0, Relaxed);
        self.broken.store(false, SeqCst);
    }

    fn check(&self) {
        assert!(!self.broken.load(SeqCst), "another lane of the pool has panicked");
    }
}
