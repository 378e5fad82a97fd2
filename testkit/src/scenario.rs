//! What every scenario states: its seed, its size, and one line of figures.

use std::{env, fmt::Display, sync::OnceLock, thread};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::sync::{Semaphore, SemaphorePermit};

/// A scenario: a name, and the seed of everything it leaves to chance.
#[derive(Debug, Clone)]
pub struct Scenario {
    name: String,
    seed: u64,
}

impl Scenario {
    /// A scenario with the seed of `LAMPLIGHTER_TEST_SEED`, else a new one; prints both at once, so that
    /// they stand in the output of a test that hangs, too.
    ///
    /// # Panics
    /// Where the variable is no number.
    pub fn new(name: &str) -> Self {
        let seed = match env::var("LAMPLIGHTER_TEST_SEED") {
            Ok(text) => text.parse().expect("LAMPLIGHTER_TEST_SEED is a number"),
            Err(_) => rand::rng().random_range(0..1_000_000_000),
        };
        println!("scenario={name:?} LAMPLIGHTER_TEST_SEED={seed} begins");
        Self {
            name: name.to_owned(),
            seed,
        }
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Random numbers of this seed.
    pub fn random(&self) -> StdRng {
        StdRng::seed_from_u64(self.seed)
    }

    /// Prints the line of figures.
    pub fn report(&self, figures: &dyn Display) {
        println!("scenario={:?} seed={} {figures}", self.name, self.seed);
    }
}

/// The right to load this machine, until it is dropped.
#[derive(Debug)]
pub struct Turn(#[expect(dead_code, reason = "held, never read")] SemaphorePermit<'static>);

/// Waits for a turn: one scenario of this process for every two cores of the machine, since a fleet is a dozen
/// processes; or only this one where its bars are about latency or about every single answer.
///
/// # Panics
/// Never: nobody closes the gate.
pub async fn turn(alone: bool) -> Turn {
    static GATE: OnceLock<(Semaphore, u32)> = OnceLock::new();
    let (gate, all) = GATE.get_or_init(|| {
        let cores = thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).clamp(1, 16));
        let all = u32::try_from(cores).expect("at most 16");
        (Semaphore::new(cores), all)
    });
    let permit = gate.acquire_many(if alone { *all } else { 1 }).await;
    Turn(permit.expect("nobody closes the gate"))
}

/// Whether the sizes of a bench are asked for (`LAMPLIGHTER_TEST_SIZE=soak`) instead of those of every run.
pub fn soaking() -> bool {
    static SOAKING: OnceLock<bool> = OnceLock::new();
    *SOAKING.get_or_init(|| env::var("LAMPLIGHTER_TEST_SIZE").is_ok_and(|size| size == "soak"))
}

/// The size for every run, or that for a bench.
pub fn sized<T>(every_run: T, soak: T) -> T {
    if soaking() { soak } else { every_run }
}
