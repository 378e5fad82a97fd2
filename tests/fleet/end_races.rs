//! The race of an end (of a token, a session, a role) against everybody who uses what ends: from the answer to
//! the end on, nobody whose request starts after it may be let in.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::{StreamExt, stream};
use rand::RngExt;
use tokio::{task::JoinSet, time::sleep};

use crate::town::{Clients, Proof};

/// Any proof opens this, and it costs no query of its own.
pub const OPEN: &str = "/v1/plans/basic";
/// Rounds that run at once.
const AT_ONCE: usize = 8;
/// Users come within this time, milliseconds, and the end begins somewhere in it.
const SPREAD: std::ops::Range<u64> = 0..80;
/// Between two requests of one user, milliseconds.
const PAUSE: std::ops::Range<u64> = 20..60;

/// What is raced.
#[derive(Debug, Clone, Copy)]
pub struct Race {
    /// Users of the proof, at all APIs in turn.
    pub users: usize,
    /// Requests of each that start after the end was answered.
    pub afterwards: usize,
    /// What they ask for.
    pub path: &'static str,
    /// How they are refused.
    pub refused: &'static [u16],
}

/// What came of it.
#[derive(Debug, Default, Clone, Copy)]
pub struct Tally {
    /// Let in before the end was answered.
    pub before: usize,
    /// Requests that started after it was.
    pub afterwards: usize,
    /// Those of them that were not refused.
    pub accepted: usize,
    /// Those of them that the API was too busy for.
    pub busy: usize,
}

impl Tally {
    fn and(self, other: Self) -> Self {
        Self {
            before: self.before + other.before,
            afterwards: self.afterwards + other.afterwards,
            accepted: self.accepted + other.accepted,
            busy: self.busy + other.busy,
        }
    }

    /// Nobody was let in who came too late, and it was a race.
    ///
    /// # Panics
    /// Where that is not so.
    pub fn assert_clean(&self, rounds: usize, race: &Race) {
        assert_eq!(self.accepted, 0, "{self:?}");
        assert_eq!(self.afterwards, rounds * race.users * race.afterwards, "{self:?}");
        assert!(
            self.before >= rounds * race.users / 4,
            "the race was none: {self:?}"
        );
        assert!(self.busy * 20 < self.afterwards, "too few answers: {self:?}");
    }
}

impl Race {
    /// So many rounds, some at once.
    pub async fn rounds(&self, count: usize, round: impl AsyncFn(usize) -> Tally) -> Tally {
        let rounds = stream::iter(0..count).map(|number| round(number));
        let tallies = rounds.buffer_unordered(AT_ONCE);
        tallies
            .fold(Tally::default(), async |sum, tally| sum.and(tally))
            .await
    }

    /// One round: the proofs are used until `end` was answered, and then so often again. Returns when all are done.
    pub async fn round(&self, clients: &Clients, proofs: &[Proof], end: impl Future<Output = ()>) -> Tally {
        let ended = Arc::new(AtomicBool::new(false));
        let mut users = JoinSet::new();
        for number in 0..self.users {
            let user = User {
                race: *self,
                clients: clients.clone(),
                api: number / proofs.len(),
                proof: proofs[number % proofs.len()].clone(),
                ended: ended.clone(),
            };
            users.spawn(user.run());
        }
        sleep(Duration::from_millis(rand::rng().random_range(SPREAD))).await;
        end.await;
        ended.store(true, Ordering::SeqCst);
        let tallies = users.join_all().await;
        tallies.into_iter().fold(Tally::default(), Tally::and)
    }
}

/// One user of a proof.
struct User {
    race: Race,
    clients: Clients,
    api: usize,
    proof: Proof,
    ended: Arc<AtomicBool>,
}

impl User {
    async fn run(self) -> Tally {
        let mut tally = Tally::default();
        let mut asked = self.api;
        pause(SPREAD).await;
        while tally.afterwards < self.race.afterwards {
            let late = self.ended.load(Ordering::SeqCst);
            let status = self.clients.status(asked, &self.proof, self.race.path).await;
            asked += 1;
            if late {
                tally.afterwards += 1;
                tally.busy += usize::from(status == 503);
                tally.accepted += usize::from(status != 503 && !self.race.refused.contains(&status));
            } else {
                tally.before += usize::from(status == 200);
            }
            if !self.ended.load(Ordering::SeqCst) || late {
                pause(PAUSE).await;
            }
        }
        tally
    }
}

async fn pause(milliseconds: std::ops::Range<u64>) {
    let pause = rand::rng().random_range(milliseconds);
    sleep(Duration::from_millis(pause)).await;
}
