//! Everything at once: submits, workers, heartbeats, cancels, deletes and two reapers race on the same
//! rows. No statement may fail (deadlocks are the statements' own to repeat), every job ends exactly
//! once, and the lanes stay true.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use lamplighter_shared::{
    clock::ManualClock,
    db::{
        Db,
        claim::{Claimed, claim},
        finish::{Outcome, finish},
        jobs::{self, Cancel},
        lease::heartbeat,
        reap::{ReapRules, tick},
        shares::ShareLimits,
        submit::{NewJob, Submitted, Submitter},
    },
    error::ErrorCode,
    id::{JobId, UserId},
    job::{JobError, JobState, Priority},
};
use tokio::task::JoinSet;

use crate::world::{LEASE, MAX_CRASHES, MODEL, end, for_each_database, job, worker};

const USERS: usize = 6;
const JOBS_PER_USER: usize = 100;
const WORKERS: usize = 4;
const RULES: ReapRules = ReapRules {
    confirm: Duration::from_secs(4),
    max_lease_losses: 1000,
};

/// What all tasks share.
struct Storm {
    db: Db,
    clock: ManualClock,
    submitter: Submitter,
    /// Who told the end of a job, and as what.
    ends: Mutex<HashMap<JobId, Vec<JobState>>>,
    over: AtomicBool,
    stale: AtomicU64,
}

impl Storm {
    fn ended(&self, id: JobId, state: JobState) {
        if state.is_terminal() {
            self.ends
                .lock()
                .expect("no panic")
                .entry(id)
                .or_default()
                .push(state);
        }
    }
}

/// Small numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

async fn user(storm: Arc<Storm>, owner: UserId, seed: u64) -> Vec<JobId> {
    let mut dice = Dice(seed);
    let mut ids = Vec::new();
    for _ in 0..JOBS_PER_USER {
        let priority = Priority::ALL[dice.roll(3) as usize];
        let running_cap = (seed == 0).then_some(2);
        // Never reached: what is counted must be true all the same.
        let limits = ShareLimits {
            jobs_per_hour: 1000,
            jobs_per_day: 1000,
            waiting: 1000,
        };
        let new = NewJob {
            priority,
            running_cap,
            limits,
            start_timeout: Duration::from_secs(86_400),
            ..job(owner)
        };
        match storm.submitter.submit(new).await {
            Ok(Submitted::Created(job)) => ids.push(job.id),
            other => panic!("{other:?}"),
        }
        let any = ids[dice.roll(ids.len() as u64) as usize];
        if dice.roll(10) == 0
            && let Cancel::Canceled(job) = jobs::cancel(&storm.db, owner, any).await.expect("cancel")
        {
            // A job that was canceled before is told as such again: only the first is an end.
            let mut ends = storm.ends.lock().expect("no panic");
            if ends.get(&job.id).is_none_or(Vec::is_empty) {
                ends.insert(job.id, vec![JobState::Canceled]);
            }
        }
    }
    ids
}

async fn work(storm: Arc<Storm>, number: u64) {
    let me = worker(&format!("w{number}"));
    let mut dice = Dice(1000 + number);
    let mut late = VecDeque::<Vec<Claimed>>::new();
    while !storm.over.load(Ordering::SeqCst) {
        let mut batch = claim(&storm.db, MODEL, 1 + dice.roll(12) as usize, &me)
            .await
            .expect("claim");
        let runs: Vec<_> = batch.iter().map(|c| (c.job.id, c.job.epoch)).collect();
        for _ in 0..dice.roll(3) {
            heartbeat(&storm.db, me.boot, &runs, LEASE)
                .await
                .expect("heartbeat");
        }
        // One batch in eight is dropped without a word, and the reaper has to find it; one in eight is
        // ended late, when the reaper may have found it already.
        match dice.roll(8) {
            0 => continue,
            1 => late.push_back(batch.split_off(0)),
            _ => {}
        }
        if late.len() > 3 {
            batch.extend(late.pop_front().unwrap_or_default());
        }
        let ends: Vec<_> = batch
            .iter()
            .map(|run| {
                let outcome = match dice.roll(8) {
                    0 => Outcome::HandedBack { solo: false },
                    1 => Outcome::Crashed(JobError::new(ErrorCode::WorkerCrashed, "bang")),
                    2 => Outcome::Failed(JobError::new(ErrorCode::ModelError, "no")),
                    _ => Outcome::Succeeded("{}".to_owned()),
                };
                end(run, outcome)
            })
            .collect();
        let written = finish(&storm.db, me.boot, MAX_CRASHES, &ends)
            .await
            .expect("finish");
        storm
            .stale
            .fetch_add((ends.len() - written.len()) as u64, Ordering::SeqCst);
        for one in written {
            storm.ended(one.job, one.state);
        }
    }
}

async fn reap(storm: Arc<Storm>) {
    while !storm.over.load(Ordering::SeqCst) {
        storm.clock.advance(1500);
        for one in tick(&storm.db, RULES).await.expect("tick") {
            storm.ended(one.job, one.state);
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn everything_at_once_ends_every_job_once() {
    for_each_database(async |w| {
        let storm = Arc::new(Storm {
            db: w.db.clone(),
            clock: w.clock.clone(),
            submitter: w.submitter.clone(),
            ends: Mutex::default(),
            over: AtomicBool::new(false),
            stale: AtomicU64::new(0),
        });
        let mut background = JoinSet::new();
        for number in 0..WORKERS as u64 {
            background.spawn(work(Arc::clone(&storm), number));
        }
        for _ in 0..2 {
            background.spawn(reap(Arc::clone(&storm)));
        }
        let mut users = JoinSet::new();
        for seed in 0..USERS as u64 {
            users.spawn(user(Arc::clone(&storm), w.user().await, seed));
        }
        let all: Vec<JobId> = users.join_all().await.into_iter().flatten().collect();
        while w
            .number("SELECT count(*) FROM jobs WHERE completed_at IS NULL")
            .await
            > 0
        {
            assert!(
                background.try_join_next().is_none(),
                "{}: a worker or a reaper gave up",
                w.name
            );
            tokio::task::yield_now().await;
        }
        storm.over.store(true, Ordering::SeqCst);
        background.join_all().await;
        let rows: HashMap<JobId, JobState> = w.rows().await.into_iter().map(|r| (r.id, r.state)).collect();
        let ends = storm.ends.lock().expect("no panic").clone();
        let lost = all
            .iter()
            .filter(|id| !rows.get(id).is_some_and(|s| s.is_terminal()))
            .count();
        let twice = ends.values().filter(|states| states.len() > 1).count();
        let untrue = ends
            .iter()
            .filter(|(id, states)| states.last() != rows.get(id))
            .count();
        println!(
            "{}: {} jobs of {USERS} users, {WORKERS} workers, 2 reapers: lost {lost}, ended twice {twice}, \
             told otherwise {untrue}, stale ends refused {}",
            w.name,
            all.len(),
            storm.stale.load(Ordering::SeqCst)
        );
        w.assert_counted_true().await;
        assert_eq!(
            (all.len(), lost, twice, untrue),
            (USERS * JOBS_PER_USER, 0, 0, 0),
            "{}",
            w.name
        );
    })
    .await;
}
