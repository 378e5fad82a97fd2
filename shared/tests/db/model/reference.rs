//! What must happen, in plain Rust: the states of a job, its fence, its rank and its lane's cap.
//!
//! Written from the rules, not from the statements. One job after the other, no clock, no database.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use lamplighter_shared::{
    db::{finish::Outcome, jobs::Delete, reap::ReapRules, shares::ShareLimits},
    error::ErrorCode,
    id::JobId,
    job::{JobError, JobState, Priority},
    run::{Run, RunEnd, RunOutcome},
};

/// A job, as far as the two sides are compared.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub id: JobId,
    pub state: JobState,
    pub rank: i64,
    pub attempt: i32,
    pub epoch: i64,
    pub crashes: i32,
    pub lease_losses: i32,
    pub solo: bool,
    /// The worker that holds it, by number.
    pub holder: Option<usize>,
    pub lease_until: Option<i64>,
    pub suspect_at: Option<i64>,
    pub completed_at: Option<i64>,
    pub cancel_requested_at: Option<i64>,
    pub error: Option<ErrorCode>,
    pub runs: Vec<Run>,
}

/// What a user asks for.
#[derive(Debug, Clone)]
pub struct Submission {
    pub user: usize,
    pub priority: Priority,
    pub cost: i64,
    pub patient: bool,
    pub key: Option<(u8, u8)>,
}

/// What a submit comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Stored {
    Created(JobId),
    Replayed(JobId),
    KeyReused,
    Refused(&'static str),
}

/// How a worker ends a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Ending {
    Succeeded,
    Failed,
    Canceled,
    Crashed,
    HandedBack { solo: bool },
}

impl Ending {
    /// The same for the database.
    pub fn outcome(self) -> Outcome {
        match self {
            Self::Succeeded => Outcome::Succeeded("{}".to_owned()),
            Self::Failed => Outcome::Failed(JobError::new(ErrorCode::ModelError, "no")),
            Self::Canceled => Outcome::Canceled,
            Self::Crashed => Outcome::Crashed(JobError::new(ErrorCode::WorkerCrashed, "bang")),
            Self::HandedBack { solo } => Outcome::HandedBack { solo },
        }
    }

    /// What is told of the run.
    fn of_run(self) -> RunOutcome {
        match self {
            Self::Succeeded => RunOutcome::Succeeded,
            Self::Failed => RunOutcome::Failed,
            Self::Canceled => RunOutcome::Canceled,
            Self::Crashed => RunOutcome::Crashed,
            Self::HandedBack { .. } => RunOutcome::HandedBack,
        }
    }
}

/// How long a job may wait to start.
pub fn patience(patient: bool) -> Duration {
    Duration::from_secs(if patient { 3600 } else { 20 })
}

struct Entry {
    row: Row,
    user: usize,
    deadline: i64,
    cost: i64,
    /// The hour it was counted in.
    hour: i64,
    /// Whether its end was counted.
    settled: bool,
}

/// What a user has used of an hour and of a day.
#[derive(Default)]
struct Share {
    hour: i64,
    hour_used: i64,
    day: i64,
    day_used: i64,
}

struct Key {
    body: u8,
    job: JobId,
    expires_at: i64,
}

/// The whole installation: one model, some users.
pub struct Model {
    jobs: BTreeMap<JobId, Entry>,
    /// The last rank of each lane.
    lanes: HashMap<(usize, Priority), i64>,
    keys: HashMap<(usize, u8), Key>,
    last_claimed: i64,
    /// Of the first user.
    cap: usize,
    /// Of the second user.
    limits: ShareLimits,
    shares: HashMap<usize, Share>,
    /// Jobs that ran and ended, those that succeeded, those that failed, units of those that succeeded.
    usage: HashMap<usize, [i64; 4]>,
}

const HOUR: i64 = 3_600_000;

/// The workers' names, by their numbers.
pub const WORKERS: [&str; 2] = ["a", "b"];

impl Model {
    pub fn new(cap: i32, limits: ShareLimits) -> Self {
        let cap = usize::try_from(cap).expect("a cap is not negative");
        Self {
            jobs: BTreeMap::new(),
            lanes: HashMap::new(),
            keys: HashMap::new(),
            last_claimed: 0,
            cap,
            limits,
            shares: HashMap::new(),
            usage: HashMap::new(),
        }
    }

    /// What a user has used of the hour and of the day of their last submit.
    pub fn used(&self, user: usize) -> Vec<(i64, i64)> {
        let share = self.shares.get(&user);
        share
            .map(|share| (share.hour_used, share.day_used))
            .into_iter()
            .collect()
    }

    /// What a user has used for good.
    pub fn usage(&self, user: usize) -> [i64; 4] {
        self.usage.get(&user).copied().unwrap_or_default()
    }

    /// Counts the jobs that have ended since: those that ran, and gives back those that did not, or that failed
    /// through no fault of theirs.
    pub fn settle(&mut self) {
        for entry in self
            .jobs
            .values_mut()
            .filter(|e| e.row.state.is_terminal() && !e.settled)
        {
            entry.settled = true;
            let row = &entry.row;
            if row.attempt == 0 || row.error == Some(ErrorCode::LeaseLost) {
                let share = self.shares.entry(entry.user).or_default();
                share.hour_used -= i64::from(share.hour == entry.hour);
                share.day_used -= i64::from(share.day == entry.hour / 24);
            }
            if row.attempt > 0 {
                let [requests, succeeded, failed, units] = self.usage.entry(entry.user).or_default();
                let success = i64::from(row.state == JobState::Succeeded);
                *requests += 1;
                *succeeded += success;
                *failed += i64::from(row.state == JobState::Failed);
                *units += success * entry.cost;
            }
        }
    }

    /// Counts a submit, or says what is used up.
    fn count(&mut self, user: usize, now: i64) -> Option<&'static str> {
        let of_user = |e: &&Entry| e.user == user && e.row.state == JobState::Queued;
        let waiting = self.jobs.values().filter(of_user).count();
        let share = self.shares.entry(user).or_default();
        let hour = now / HOUR;
        if share.hour != hour {
            (share.hour, share.hour_used) = (hour, 0);
        }
        if share.day != hour / 24 {
            (share.day, share.day_used) = (hour / 24, 0);
        }
        if user == 1 {
            if share.day_used >= self.limits.jobs_per_day.into() {
                return Some("daily");
            }
            if share.hour_used >= self.limits.jobs_per_hour.into() {
                return Some("hourly");
            }
            if waiting >= self.limits.waiting as usize {
                return Some("waiting");
            }
        }
        share.hour_used += 1;
        share.day_used += 1;
        None
    }

    /// All jobs, oldest first.
    pub fn rows(&self) -> Vec<Row> {
        self.jobs.values().map(|entry| entry.row.clone()).collect()
    }

    pub fn submit(&mut self, id: JobId, new: &Submission, key_ttl: Duration, now: i64) -> Stored {
        if let Some((key, body)) = new.key {
            let held = self
                .keys
                .get(&(new.user, key))
                .filter(|k| k.expires_at > now && self.jobs.contains_key(&k.job));
            if let Some(held) = held {
                return if held.body == body {
                    Stored::Replayed(held.job)
                } else {
                    Stored::KeyReused
                };
            }
        }
        if let Some(quota) = self.count(new.user, now) {
            return Stored::Refused(quota);
        }
        if let Some((key, body)) = new.key {
            self.keys.insert(
                (new.user, key),
                Key {
                    body,
                    job: id,
                    expires_at: now + millis(key_ttl),
                },
            );
        }
        let fresh = self
            .jobs
            .values()
            .filter(|e| e.row.state == JobState::Queued && e.row.epoch == 0);
        let head = fresh.map(|e| e.row.rank).min().unwrap_or(self.last_claimed);
        let lane = self.lanes.entry((new.user, new.priority)).or_insert(0);
        let weight = match new.priority {
            Priority::Low => 0.25,
            Priority::Normal => 1.0,
            Priority::High => 4.0,
        };
        let rank = head.max(*lane) + (new.cost as f64 / weight * 1e6) as i64;
        *lane = rank;
        let row = Row {
            id,
            state: JobState::Queued,
            rank,
            attempt: 0,
            epoch: 0,
            crashes: 0,
            lease_losses: 0,
            solo: false,
            holder: None,
            lease_until: None,
            suspect_at: None,
            completed_at: None,
            cancel_requested_at: None,
            error: None,
            runs: Vec::new(),
        };
        self.jobs.insert(
            id,
            Entry {
                row,
                user: new.user,
                deadline: now + millis(patience(new.patient)),
                cost: new.cost,
                hour: now / HOUR,
                settled: false,
            },
        );
        Stored::Created(id)
    }

    /// The runs given out: job, epoch, whether it has to run alone.
    pub fn claim(
        &mut self,
        worker: usize,
        limit: usize,
        now: i64,
        lease: Duration,
    ) -> Vec<(JobId, i64, bool)> {
        let running = self
            .jobs
            .values()
            .filter(|e| e.user == 0 && e.row.state == JobState::Processing)
            .count();
        let mut room = self.cap.saturating_sub(running);
        let mut waiting: Vec<(i64, JobId, usize)> = self
            .jobs
            .values()
            .filter(|e| e.row.state == JobState::Queued && e.deadline > now && (e.user != 0 || room > 0))
            .map(|e| (e.row.rank, e.row.id, e.user))
            .collect();
        waiting.sort_unstable();
        let mut given = Vec::new();
        // The best `limit` rows are looked at; of those, a capped user's beyond the room are left.
        for (rank, id, user) in waiting.into_iter().take(limit) {
            if user == 0 {
                if room == 0 {
                    continue;
                }
                room -= 1;
            }
            let row = &mut self.jobs.get_mut(&id).expect("it waits").row;
            row.state = JobState::Processing;
            row.attempt += 1;
            row.epoch += 1;
            row.holder = Some(worker);
            row.runs.push(Run {
                number: row.epoch,
                worker: WORKERS[worker].to_owned(),
                started_at: now,
                end: None,
            });
            row.lease_until = Some(now + millis(lease));
            self.last_claimed = self.last_claimed.max(rank);
            given.push((id, row.epoch, row.solo));
        }
        given
    }

    /// Whether the worker still holds this run.
    pub fn holds(&self, worker: usize, (id, epoch): (JobId, i64)) -> bool {
        self.jobs
            .get(&id)
            .is_some_and(|e| e.row.holder == Some(worker) && e.row.epoch == epoch)
    }

    /// The runs that are still the worker's: job, epoch, whether it should stop.
    pub fn heartbeat(
        &mut self,
        worker: usize,
        runs: &[(JobId, i64)],
        now: i64,
        lease: Duration,
    ) -> Vec<(JobId, i64, bool)> {
        let mut held = Vec::new();
        for (id, epoch) in runs {
            if self.holds(worker, (*id, *epoch)) {
                let row = &mut self.jobs.get_mut(id).expect("it is held").row;
                row.lease_until = Some(now + millis(lease));
                row.suspect_at = None;
                held.push((*id, *epoch, row.cancel_requested_at.is_some()));
            }
        }
        held.sort_unstable();
        held
    }

    /// The jobs whose runs ended, and where they stand.
    pub fn finish(
        &mut self,
        worker: usize,
        ends: &[((JobId, i64), Ending)],
        max_crashes: i32,
        now: i64,
    ) -> Vec<(JobId, &'static str)> {
        let mut written = Vec::new();
        for (run, ending) in ends {
            if !self.holds(worker, *run) {
                continue;
            }
            let row = &mut self.jobs.get_mut(&run.0).expect("it is held").row;
            row.end_run(ending.of_run(), u32::try_from(ends.len()).ok(), now);
            match ending {
                Ending::Succeeded => row.end(JobState::Succeeded, None, now),
                Ending::Failed => row.end(JobState::Failed, Some(ErrorCode::ModelError), now),
                Ending::Canceled => row.end(JobState::Canceled, None, now),
                Ending::Crashed => {
                    row.crashes += 1;
                    row.solo = true;
                    row.put_back(row.crashes >= max_crashes, ErrorCode::WorkerCrashed, now);
                }
                Ending::HandedBack { solo } => {
                    row.attempt -= 1;
                    row.solo |= *solo;
                    row.put_back(false, ErrorCode::WorkerCrashed, now);
                }
            }
            written.push((run.0, row.state.as_str()));
        }
        written.sort_unstable();
        written
    }

    pub fn cancel(&mut self, user: usize, id: JobId, now: i64) -> &'static str {
        let Some(entry) = self.jobs.get_mut(&id).filter(|e| e.user == user) else {
            return "not found";
        };
        let row = &mut entry.row;
        match row.state {
            JobState::Queued => {
                row.cancel_requested_at = Some(now);
                row.end(JobState::Canceled, None, now);
                "canceled"
            }
            JobState::Processing => {
                row.cancel_requested_at.get_or_insert(now);
                "requested"
            }
            JobState::Canceled => "canceled",
            _ => "finished",
        }
    }

    pub fn delete(&mut self, user: usize, id: JobId) -> Delete {
        match self.jobs.get(&id).filter(|e| e.user == user) {
            None => Delete::NotFound,
            Some(entry) if !entry.row.state.is_terminal() => Delete::Active,
            Some(_) => {
                self.jobs.remove(&id);
                Delete::Deleted
            }
        }
    }

    /// What the reaper moved (a job may be put back and expire in one tick), and how many leases it took.
    pub fn tick(&mut self, now: i64, rules: ReapRules) -> (Vec<(JobId, &'static str)>, u64) {
        let (mut moved, mut taken) = (Vec::new(), 0);
        for entry in self.jobs.values_mut() {
            let row = &mut entry.row;
            if row.lease_until.is_some_and(|until| until < now) {
                let since = *row.suspect_at.get_or_insert(now);
                if now - since >= millis(rules.confirm) {
                    row.end_run(RunOutcome::Lost, None, now);
                    row.lease_losses += 1;
                    row.put_back(
                        row.lease_losses >= rules.max_lease_losses,
                        ErrorCode::LeaseLost,
                        now,
                    );
                    moved.push((row.id, row.state.as_str()));
                    taken += 1;
                }
            }
            if row.state == JobState::Queued && entry.deadline <= now {
                row.end(JobState::Expired, None, now);
                moved.push((row.id, row.state.as_str()));
            }
        }
        moved.sort_unstable();
        (moved, taken)
    }

    /// Puts back all that is held; how many that were.
    pub fn restart(&mut self, now: i64) -> usize {
        let held = self
            .jobs
            .values_mut()
            .filter(|e| e.row.state == JobState::Processing);
        held.map(|e| {
            e.row.end_run(RunOutcome::Lost, None, now);
            e.row.put_back(false, ErrorCode::LeaseLost, now);
        })
        .count()
    }
}

impl Row {
    fn end_run(&mut self, outcome: RunOutcome, batch_size: Option<u32>, now: i64) {
        self.runs.last_mut().expect("it runs").end = Some(RunEnd {
            at: now,
            outcome,
            batch_size,
        });
    }

    fn end(&mut self, state: JobState, error: Option<ErrorCode>, now: i64) {
        self.release(state);
        self.error = error;
        self.completed_at = Some(now);
    }

    /// It waits again, unless its owner wants no more of it or it has `failed` too often.
    fn put_back(&mut self, failed: bool, error: ErrorCode, now: i64) {
        if self.cancel_requested_at.is_some() {
            self.end(JobState::Canceled, None, now);
        } else if failed {
            self.end(JobState::Failed, Some(error), now);
        } else {
            self.release(JobState::Queued);
        }
    }

    fn release(&mut self, state: JobState) {
        self.state = state;
        self.holder = None;
        self.lease_until = None;
        self.suspect_at = None;
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).expect("a short time")
}
