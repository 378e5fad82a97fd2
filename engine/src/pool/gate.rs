//! A number that only grows, and threads that wait for it to: they look for a while, then sleep.

use std::{
    hint,
    sync::{
        Condvar, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

/// How long a thread looks before it sleeps. Longer than the parts of a step differ on an idle machine,
/// and so short that threads which have to share a core do not burn it for one another.
const LOOK: Duration = Duration::from_micros(40);
/// Looks between two looks at the clock.
const LOOKS: usize = 16;

/// The number. It has cache lines of its own: those who wait read it all the time.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Gate {
    epoch: AtomicUsize,
    asleep: AtomicUsize,
    lock: Mutex<()>,
    bell: Condvar,
}

impl Gate {
    /// The number as it is.
    pub(super) fn epoch(&self) -> usize {
        self.epoch.load(SeqCst)
    }

    /// Adds one and wakes who sleeps.
    pub(super) fn open(&self) {
        self.epoch.fetch_add(1, SeqCst);
        // Whoever goes to sleep counts itself first and looks at the number after that: either it is seen
        // here or it sees the new number.
        if self.asleep.load(SeqCst) > 0 {
            drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner));
            self.bell.notify_all();
        }
    }

    /// Waits until the number is no longer `seen`.
    pub(super) fn pass(&self, seen: usize) {
        let mut began = None;
        while self.epoch() == seen {
            for _ in 0..LOOKS {
                if self.epoch() != seen {
                    return;
                }
                hint::spin_loop();
            }
            if began.get_or_insert_with(Instant::now).elapsed() > LOOK {
                return self.sleep(seen);
            }
        }
    }

    fn sleep(&self, seen: usize) {
        let mut lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.asleep.fetch_add(1, SeqCst);
        while self.epoch() == seen {
            lock = self.bell.wait(lock).unwrap_or_else(PoisonError::into_inner);
        }
        self.asleep.fetch_sub(1, SeqCst);
        drop(lock);
    }
}
