//! What can happen, and how often: the alphabet of the random sequences.

use lamplighter_shared::job::Priority;
use proptest::prelude::*;

use super::{USERS, reference::Ending};

/// One thing that happens. Numbers choose among what there is, modulo.
#[derive(Debug, Clone)]
pub enum Step {
    /// `key`: with one of three keys, for one of two bodies.
    Submit {
        user: usize,
        priority: Priority,
        cost: i64,
        patient: bool,
        key: Option<(u8, u8)>,
    },
    /// A doorbell: the worker asks for so many.
    Claim { worker: usize, limit: usize },
    /// The same doorbell at both workers, twice.
    Doorbells { limit: usize },
    /// A worker renews what it holds, or (`zombie`) all it ever held.
    Heartbeat { worker: usize, zombie: bool },
    /// A worker ends some of its latest runs, whether it still holds them or not; `impostor`: under
    /// the name of the other worker's start.
    Finish {
        worker: usize,
        picks: Vec<(usize, Ending)>,
        impostor: bool,
    },
    /// A user asks to cancel any user's job.
    Cancel { user: usize, job: usize },
    /// A user asks to delete any user's job.
    Delete { user: usize, job: usize },
    /// Time passes and the reaper looks.
    Tick { ms: i64 },
    /// The only process starts again: all runs are put back.
    Restart,
}

/// A walk through the places that a few random sequences may all miss: a repetition, every end, a lost lease
/// with what its holder still says, and both quotas of the second user used up.
pub fn tour() -> Vec<Step> {
    let submit = |user, patient, key| Step::Submit {
        user,
        priority: Priority::Normal,
        cost: 1,
        patient,
        key,
    };
    let claim = |limit| Step::Claim { worker: 0, limit };
    let finish = |ending| Step::Finish {
        worker: 0,
        picks: vec![(0, ending)],
        impostor: false,
    };
    let (first, any, limited) = (
        submit(2, true, Some((0, 0))),
        submit(2, true, None),
        submit(1, true, None),
    );
    let mut tour = vec![first.clone(), first, claim(1), finish(Ending::Succeeded)];
    tour.extend([any.clone(), claim(1), finish(Ending::Failed)]);
    tour.extend([any.clone(), Step::Cancel { user: 2, job: 0 }]);
    tour.extend([submit(2, false, None), Step::Tick { ms: 100_000 }]);
    tour.extend([any, claim(1), Step::Tick { ms: 12_000 }, Step::Tick { ms: 5000 }]);
    let zombie = Step::Heartbeat {
        worker: 0,
        zombie: true,
    };
    tour.extend([
        zombie,
        finish(Ending::Succeeded),
        claim(1),
        finish(Ending::Succeeded),
    ]);
    let waiting = || std::iter::repeat_n(limited.clone(), 4);
    tour.extend(waiting().chain([claim(3)]).chain(waiting()));
    tour
}

/// A random step.
pub fn step() -> impl Strategy<Value = Step> {
    let priority =
        prop_oneof![1 => Just(Priority::Low), 3 => Just(Priority::Normal), 1 => Just(Priority::High)];
    let ending = prop_oneof![
        3 => Just(Ending::Succeeded),
        1 => Just(Ending::Failed),
        1 => Just(Ending::Canceled),
        3 => Just(Ending::Crashed),
        1 => any::<bool>().prop_map(|solo| Ending::HandedBack { solo }),
    ];
    let picks = prop::collection::vec((0..4usize, ending), 1..4);
    let user = || 0..USERS;
    prop_oneof![
        9 => (user(), priority, 1..4i64, prop::bool::weighted(0.8), prop::option::weighted(0.4, (0..3u8, 0..2u8)))
            .prop_map(|(user, priority, cost, patient, key)| Step::Submit { user, priority, cost, patient, key }),
        6 => (0..2usize, 1..5usize).prop_map(|(worker, limit)| Step::Claim { worker, limit }),
        1 => (1..3usize).prop_map(|limit| Step::Doorbells { limit }),
        3 => (0..2usize, any::<bool>()).prop_map(|(worker, zombie)| Step::Heartbeat { worker, zombie }),
        5 => (0..2usize, picks, prop::bool::weighted(0.1))
            .prop_map(|(worker, picks, impostor)| Step::Finish { worker, picks, impostor }),
        2 => (user(), 0..8usize).prop_map(|(user, job)| Step::Cancel { user, job }),
        1 => (user(), 0..8usize).prop_map(|(user, job)| Step::Delete { user, job }),
        4 => prop_oneof![0..500i64, 3000..6000i64, 9_000..12_000i64].prop_map(|ms| Step::Tick { ms }),
        1 => prop::bool::weighted(0.3).prop_map(|yes| if yes { Step::Restart } else { Step::Tick { ms: 0 } }),
    ]
}
