//! Signs of life of a worker: when its claim loops last went round, when the database and Redis last
//! answered. Whoever does the work notes them; `/readyz` and the heartbeat read them.
//!
//! Not here: what follows from silence (`health`, `lease`).

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// A claim loop that has not gone round for so long is stuck: its jobs must not be kept alive.
pub const CLAIM_SILENCE: Duration = Duration::from_secs(5);
/// A database or a Redis that has not answered for so long is not there; short enough that `/readyz`
/// tells within 10 s, whoever asks it how seldom.
pub const STORE_SILENCE: Duration = Duration::from_secs(6);

/// When each part of a worker was last seen to work. Starts as if everything had just worked.
#[derive(Debug)]
pub struct Liveness {
    started: Instant,
    loops: Mutex<HashMap<u64, (String, Arc<AtomicU64>)>>,
    next_loop: AtomicU64,
    database: AtomicU64,
    redis: AtomicU64,
}

impl Default for Liveness {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            loops: Mutex::default(),
            next_loop: AtomicU64::new(0),
            database: AtomicU64::new(0),
            redis: AtomicU64::new(0),
        }
    }
}

impl Liveness {
    /// Watches one more claim loop, until the beat is dropped. It ticks at least every two seconds or so,
    /// also while it has nothing to claim.
    pub fn claim_loop(self: &Arc<Self>, model: &str) -> Beat {
        let last = Arc::new(AtomicU64::new(self.now()));
        let number = self.next_loop.fetch_add(1, Ordering::Relaxed);
        self.lock().insert(number, (model.to_owned(), Arc::clone(&last)));
        Beat {
            liveness: Arc::clone(self),
            number,
            last,
        }
    }

    /// The database answered just now.
    pub fn database_answered(&self) {
        self.database.fetch_max(self.now(), Ordering::Relaxed);
    }

    /// Redis answered just now.
    pub fn redis_answered(&self) {
        self.redis.fetch_max(self.now(), Ordering::Relaxed);
    }

    /// How long the database has been silent.
    pub fn database_silence(&self) -> Duration {
        self.since(&self.database)
    }

    /// How long Redis has been silent; of no meaning where there is none.
    pub fn redis_silence(&self) -> Duration {
        self.since(&self.redis)
    }

    /// Models whose claim loop is stuck, in order.
    pub fn stuck_loops(&self) -> Vec<String> {
        self.silent_loops(CLAIM_SILENCE)
    }

    /// Whether every claim loop goes round: only then may leases be renewed.
    pub fn claims(&self) -> bool {
        self.stuck_loops().is_empty()
    }

    fn silent_loops(&self, limit: Duration) -> Vec<String> {
        let mut silent: Vec<String> = self
            .lock()
            .values()
            .filter(|(_, last)| self.since(last) > limit)
            .map(|(model, _)| model.clone())
            .collect();
        silent.sort_unstable();
        silent
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn since(&self, last: &AtomicU64) -> Duration {
        Duration::from_millis(self.now().saturating_sub(last.load(Ordering::Relaxed)))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, (String, Arc<AtomicU64>)>> {
        self.loops.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The pulse of one claim loop; dropped when the loop ends in an orderly way.
#[derive(Debug)]
pub struct Beat {
    liveness: Arc<Liveness>,
    number: u64,
    last: Arc<AtomicU64>,
}

impl Beat {
    /// The loop went round just now.
    pub fn tick(&self) {
        self.last.fetch_max(self.liveness.now(), Ordering::Relaxed);
    }
}

impl Drop for Beat {
    fn drop(&mut self) {
        self.liveness.lock().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_is_stuck_until_it_ticks_and_is_forgotten_when_it_ends() {
        let liveness = Arc::new(Liveness::default());
        let (one, two) = (liveness.claim_loop("one"), liveness.claim_loop("two"));
        assert!(liveness.claims(), "all have just begun");
        std::thread::sleep(Duration::from_millis(30));
        let limit = Duration::from_millis(15);
        assert_eq!(liveness.silent_loops(limit), ["one", "two"]);
        one.tick();
        assert_eq!(liveness.silent_loops(limit), ["two"]);
        drop(two);
        assert_eq!(liveness.silent_loops(limit), Vec::<String>::new());
    }

    #[test]
    fn silence_ends_with_an_answer() {
        let liveness = Liveness::default();
        std::thread::sleep(Duration::from_millis(30));
        assert!(liveness.database_silence() >= Duration::from_millis(20));
        assert!(liveness.redis_silence() >= Duration::from_millis(20));
        liveness.database_answered();
        assert!(liveness.database_silence() < liveness.redis_silence());
    }
}
