//! The states of jobs against a model in plain Rust: random sequences of what two workers, a reaper,
//! an owner and a restart may do, each step compared row by row.
//!
//! [`reference`] says what must happen, [`steps`] what can happen, [`run`] does it to both sides. After
//! every step: all rows are what the model says, rows that have ended are untouched to the last
//! column, no run was given out twice, and the counts of the lanes are true.

mod reference;
mod steps;
mod run;

use std::{cell::RefCell, collections::HashMap, time::Duration};

use lamplighter_shared::{
    db::{reap::ReapRules, shares::ShareLimits, submit::Submitter},
    job::JobState,
    lifecycle::Lifecycle,
};
use lamplighter_testkit::scenario::sized;
use proptest::{
    prelude::prop,
    test_runner::{Config, FileFailurePersistence, TestCaseError, TestRunner},
};

use self::{
    reference::{Model, WORKERS},
    run::Run,
    steps::{Step, step, tour},
};
use crate::world::{World, worker};

/// How long keys are remembered here: short enough to run out in a sequence.
const KEY_TTL: Duration = Duration::from_secs(30);
const RULES: ReapRules = ReapRules {
    confirm: Duration::from_secs(4),
    max_lease_losses: 3,
};
const USERS: usize = 3;
/// The first user may have so many running; the others as many as they like.
const CAP: i32 = 2;
/// The second user's quotas; the others have none.
const LIMITS: ShareLimits = ShareLimits {
    jobs_per_hour: 6,
    jobs_per_day: 90,
    waiting: 3,
};

/// What happened in all sequences.
#[derive(Debug, Default)]
struct Counts {
    sequences: u64,
    steps: u64,
    runs: u64,
    ends: u64,
    stale_ends_refused: u64,
    stale_renewals_refused: u64,
    leases_taken: u64,
    replays: u64,
    refused: HashMap<&'static str, u64>,
    ended: HashMap<&'static str, u64>,
}

/// One sequence on an emptied database.
async fn sequence(
    world: &World,
    submitter: &Submitter,
    steps: &[Step],
    counts: &RefCell<Counts>,
) -> Result<(), TestCaseError> {
    for table in ["users", "lanes", "queues", "shares"] {
        world.execute(&format!("DELETE FROM {table}")).await;
    }
    let mut users = Vec::new();
    for _ in 0..USERS {
        users.push(world.user().await);
    }
    let mut run = Run {
        world,
        submitter,
        model: Model::new(CAP, LIMITS),
        users,
        workers: WORKERS.map(worker),
        given: [Vec::new(), Vec::new()],
        stored: Vec::new(),
        ended: HashMap::new(),
        counts,
    };
    for step in steps {
        run.apply(step).await?;
        run.check().await?;
        counts.borrow_mut().steps += 1;
    }
    counts.borrow_mut().sequences += 1;
    Ok(())
}

/// Runs random sequences on one database and prints what they came to.
fn hold(database: &'static str, cases: u32) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let (world, submitter) = runtime.block_on(async {
        let world = World::fresh(database).await;
        let submitter = Submitter::start(world.db.clone(), &Lifecycle::default(), KEY_TTL);
        (world, submitter)
    });
    let counts = RefCell::new(Counts::default());
    let config = Config {
        cases,
        max_shrink_iters: 2000,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(
            "proptest-regressions/model.txt",
        ))),
        ..Config::default()
    };
    if let Err(violation) = runtime.block_on(sequence(&world, &submitter, &tour(), &counts)) {
        panic!("{database}, on the tour: {violation}");
    }
    let steps = prop::collection::vec(step(), 30..50);
    let result = TestRunner::new(config).run(&steps, |steps| {
        runtime.block_on(sequence(&world, &submitter, &steps, &counts))
    });
    if let Err(violation) = result {
        panic!("{database}: {violation}");
    }
    let counts = counts.into_inner();
    println!(
        "{database}: {} sequences, {} steps, violations 0; {} runs, {} ends, stale and refused: {} ends and {} renewals; \
         {} leases taken, {} replays; refused: {:?}; ended: {:?}",
        counts.sequences,
        counts.steps,
        counts.runs,
        counts.ends,
        counts.stale_ends_refused,
        counts.stale_renewals_refused,
        counts.leases_taken,
        counts.replays,
        counts.refused,
        counts.ended
    );
    // Sequences that never came to the interesting places would prove nothing; the tour did.
    for state in JobState::ALL.into_iter().filter(|s| s.is_terminal()) {
        assert!(
            counts.ended.contains_key(state.as_str()),
            "{database}: no job was ever {state}"
        );
    }
    let rare = [
        counts.stale_ends_refused,
        counts.stale_renewals_refused,
        counts.leases_taken,
        counts.replays,
    ];
    assert!(rare.iter().all(|n| *n > 0), "{database}: {rare:?}");
    for quota in ["hourly", "waiting"] {
        assert!(
            counts.refused.contains_key(quota),
            "{database}: {quota} was never used up"
        );
    }
}

#[test]
fn random_sequences_on_sqlite_do_what_the_model_says() {
    hold("sqlite", sized(128, 2048));
}

#[test]
fn random_sequences_on_postgres_do_what_the_model_says() {
    hold("postgres", sized(12, 256));
}
