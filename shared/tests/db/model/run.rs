//! A sequence in progress: each step is done to the database and to the model, and both are compared.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
};

use lamplighter_shared::{
    db::{
        claim::Claimer,
        finish::Finish,
        jobs::{self, Cancel},
        lease::heartbeat,
        reap,
        shares::ShareLimits,
        submit::{Idempotency, NewJob, Submitted, Submitter},
        usage::{self, Counts as Used, Grain, Group, Query},
    },
    id::{JobId, UserId},
    job::{JobError, JobState, Metrics},
};
use proptest::{prelude::*, test_runner::TestCaseError};

use super::{
    CAP, Counts, KEY_TTL, LIMITS, RULES,
    reference::{self, Ending, Model, Stored, Submission},
    steps::Step,
};
use crate::world::{LEASE, MAX_CRASHES, Row, World, job};

/// A sequence in progress: the database, the model, and what the workers believe.
pub struct Run<'a> {
    pub world: &'a World,
    pub submitter: &'a Submitter,
    pub model: Model,
    pub users: Vec<UserId>,
    pub workers: [Claimer; 2],
    /// Every run a worker was ever given, oldest first.
    pub given: [Vec<(JobId, i64)>; 2],
    /// Every job that was ever stored, deleted ones too.
    pub stored: Vec<(usize, JobId)>,
    /// Rows that have ended, as they were then.
    pub ended: HashMap<JobId, Row>,
    pub counts: &'a RefCell<Counts>,
}

macro_rules! same {
    ($what:expr, $database:expr, $model:expr) => {{
        let (database, model) = ($database, $model);
        prop_assert_eq!(&database, &model, "{}: database (left), model (right)", $what);
    }};
}

impl Run<'_> {
    /// Does the step to both sides, and compares what each says.
    pub async fn apply(&mut self, step: &Step) -> Result<(), TestCaseError> {
        let now = self.world.clock.now();
        match step {
            Step::Submit {
                user,
                priority,
                cost,
                patient,
                key,
            } => {
                let submission = Submission {
                    user: *user,
                    priority: *priority,
                    cost: *cost,
                    patient: *patient,
                    key: *key,
                };
                self.submit(submission, now).await?;
            }
            Step::Claim { worker, limit } => self.claim(*worker, *limit, now).await?,
            Step::Doorbells { limit } => {
                for worker in [0, 1, 0, 1] {
                    self.claim(worker, *limit, now).await?;
                }
            }
            Step::Heartbeat { worker, zombie } => self.heartbeat(*worker, *zombie, now).await?,
            Step::Finish {
                worker,
                picks,
                impostor,
            } => self.finish(*worker, picks, *impostor, now).await?,
            Step::Cancel { user, job } => {
                let Some((_, id)) = self.pick(*job) else {
                    return Ok(());
                };
                let told = jobs::cancel(&self.world.db, self.users[*user], id)
                    .await
                    .expect("cancel");
                let told = match told {
                    Cancel::NotFound => "not found",
                    Cancel::Canceled(_) => "canceled",
                    Cancel::Requested(_) => "requested",
                    Cancel::Finished(_) => "finished",
                };
                same!("cancel", told, self.model.cancel(*user, id, now));
            }
            Step::Delete { user, job } => {
                let Some((_, id)) = self.pick(*job) else {
                    return Ok(());
                };
                let told = jobs::delete(&self.world.db, self.users[*user], id)
                    .await
                    .expect("delete");
                same!("delete", told, self.model.delete(*user, id));
            }
            Step::Tick { ms } => {
                self.world.clock.advance(*ms);
                let reaped = reap::tick(&self.world.db, RULES).await.expect("tick");
                let mut moved: Vec<_> = reaped.into_iter().map(|r| (r.job, r.state.as_str())).collect();
                moved.sort_unstable();
                let expected = self.model.tick(self.world.clock.now(), RULES);
                self.counts.borrow_mut().leases_taken += expected.1;
                same!("reaped", moved, expected.0);
            }
            Step::Restart => {
                let moved = reap::requeue_all(&self.world.db).await.expect("requeue");
                same!("put back", moved.len(), self.model.restart(now));
            }
        }
        Ok(())
    }

    /// One of the latest jobs.
    fn pick(&self, choice: usize) -> Option<(usize, JobId)> {
        let newest = self.stored.len().min(8);
        (newest > 0).then(|| self.stored[self.stored.len() - 1 - choice % newest])
    }

    async fn submit(&mut self, submission: Submission, now: i64) -> Result<(), TestCaseError> {
        let owner = self.users[submission.user];
        let new = NewJob {
            priority: submission.priority,
            cost: submission.cost,
            running_cap: (submission.user == 0).then_some(CAP),
            limits: if submission.user == 1 {
                LIMITS
            } else {
                ShareLimits::default()
            },
            start_timeout: reference::patience(submission.patient),
            idempotency: submission.key.map(|(key, body)| Idempotency {
                key: format!("k{key}"),
                body_hash: [body; 32],
            }),
            ..job(owner)
        };
        let expected = self.model.submit(new.id, &submission, KEY_TTL, now);
        let id = new.id;
        match self.submitter.submit(new).await.expect("submit") {
            Submitted::Created(job) => {
                same!("created", Stored::Created(job.id), expected);
                self.stored.push((submission.user, id));
            }
            Submitted::Replayed(job) => {
                self.counts.borrow_mut().replays += 1;
                same!("replayed", Stored::Replayed(job.id), expected);
            }
            Submitted::KeyReused => same!("reused", Stored::KeyReused, expected),
            Submitted::Refused(refusal) => {
                let quota = refusal.quota.as_str();
                *self.counts.borrow_mut().refused.entry(quota).or_default() += 1;
                same!("refused", Stored::Refused(quota), expected);
            }
            Submitted::InFlight => prop_assert!(false, "nothing is in flight"),
        }
        Ok(())
    }

    async fn claim(&mut self, worker: usize, limit: usize, now: i64) -> Result<(), TestCaseError> {
        let claimed = self.world.claim(&self.workers[worker], limit).await;
        let got: Vec<_> = claimed.iter().map(|c| (c.job.id, c.job.epoch, c.solo)).collect();
        same!("claimed", &got, &self.model.claim(worker, limit, now, LEASE));
        for (id, epoch, _) in got {
            let known = self.given.iter().flatten().any(|run| *run == (id, epoch));
            prop_assert!(!known, "a run was given out twice");
            self.given[worker].push((id, epoch));
            self.counts.borrow_mut().runs += 1;
        }
        Ok(())
    }

    async fn heartbeat(&mut self, worker: usize, zombie: bool, now: i64) -> Result<(), TestCaseError> {
        let runs: Vec<_> = self.given[worker]
            .iter()
            .filter(|run| zombie || self.model.holds(worker, **run))
            .copied()
            .collect();
        let held = heartbeat(&self.world.db, self.workers[worker].boot, &runs, LEASE)
            .await
            .expect("heartbeat");
        let mut held: Vec<_> = held
            .into_iter()
            .map(|h| (h.job, h.epoch, h.cancel_requested))
            .collect();
        held.sort_unstable();
        self.counts.borrow_mut().stale_renewals_refused += (runs.len() - held.len()) as u64;
        same!("renewed", held, self.model.heartbeat(worker, &runs, now, LEASE));
        Ok(())
    }

    async fn finish(
        &mut self,
        worker: usize,
        picks: &[(usize, Ending)],
        impostor: bool,
        now: i64,
    ) -> Result<(), TestCaseError> {
        let given = &self.given[worker];
        let mut seen = HashSet::new();
        let mut ends = Vec::new();
        for (choice, ending) in picks {
            let newest = given.len().min(6);
            let Some(run) = (newest > 0).then(|| given[given.len() - 1 - choice % newest]) else {
                break;
            };
            if seen.insert(run) {
                ends.push((run, *ending));
            }
        }
        let signer = if impostor { 1 - worker } else { worker };
        let batch = u32::try_from(ends.len()).ok();
        let told: Vec<Finish> = ends
            .iter()
            .map(|((job, epoch), ending)| Finish {
                job: *job,
                epoch: *epoch,
                outcome: ending.outcome(),
                metrics: Metrics {
                    batch_size: batch,
                    ..Metrics::default()
                },
                last_seq: 1,
            })
            .collect();
        let written = self.world.finish(&self.workers[signer], &told).await;
        let mut written: Vec<_> = written.into_iter().map(|f| (f.job, f.state.as_str())).collect();
        written.sort_unstable();
        let mut counts = self.counts.borrow_mut();
        counts.ends += written.len() as u64;
        counts.stale_ends_refused += (ends.len() - written.len()) as u64;
        same!(
            "ended",
            written,
            self.model.finish(signer, &ends, MAX_CRASHES, now)
        );
        Ok(())
    }

    /// The rows are the model's, what has ended is untouched, and the lanes are true.
    pub async fn check(&mut self) -> Result<(), TestCaseError> {
        let rows = self.world.rows().await;
        let seen: Vec<_> = rows.iter().map(|row| self.seen(row)).collect();
        same!("rows", seen, self.model.rows());
        for row in rows {
            if row.state.is_terminal() {
                let first = self.ended.entry(row.id).or_insert_with(|| {
                    *self
                        .counts
                        .borrow_mut()
                        .ended
                        .entry(row.state.as_str())
                        .or_default() += 1;
                    row.clone()
                });
                prop_assert_eq!(&*first, &row, "a row that has ended changed");
            } else {
                prop_assert!(
                    !self.ended.contains_key(&row.id),
                    "a job that had ended runs again: {row:?}"
                );
            }
            prop_assert_eq!(
                row.boot.is_some(),
                row.state == JobState::Processing,
                "who holds it: {:?}",
                row
            );
            prop_assert_eq!(
                row.completed_at.is_some(),
                row.state.is_terminal(),
                "when it ended: {:?}",
                row
            );
        }
        self.world.assert_lanes_true().await;
        self.model.settle();
        for (number, user) in self.users.iter().enumerate() {
            let key = user.to_string();
            let used = self
                .world
                .query(&format!(
                    "SELECT hour_used, day_used FROM shares WHERE share_key = '{key}'"
                ))
                .await;
            let used: Vec<(i64, i64)> = used
                .iter()
                .map(|row| {
                    (
                        row.try_get("", "hour_used").expect("a number"),
                        row.try_get("", "day_used").expect("a number"),
                    )
                })
                .collect();
            same!("quotas", used, self.model.used(number));
            let all = Query {
                from: 0,
                to: i64::MAX,
                grain: Grain::Hour,
                model: None,
                token: None,
                group: Group::Nothing,
            };
            let points = usage::series(&self.world.db, *user, &all).await.expect("usage");
            let sum = points
                .into_iter()
                .fold(Used::default(), |sum, point| sum.and(point.counts));
            let sum = [sum.requests, sum.succeeded, sum.failed, sum.units];
            same!("usage", sum, self.model.usage(number));
        }
        Ok(())
    }

    /// A row as the model writes rows.
    fn seen(&self, row: &Row) -> reference::Row {
        let error = row
            .error
            .as_ref()
            .map(|text| serde_json::from_str::<JobError>(text).expect("an error").kind);
        reference::Row {
            id: row.id,
            state: row.state,
            rank: row.rank,
            attempt: row.attempt,
            epoch: row.epoch,
            crashes: row.crashes,
            lease_losses: row.lease_losses,
            solo: row.solo,
            holder: row.boot.map(|boot| {
                self.workers
                    .iter()
                    .position(|w| w.boot == boot)
                    .expect("one of the two")
            }),
            lease_until: row.lease_until,
            suspect_at: row.suspect_at,
            completed_at: row.completed_at,
            cancel_requested_at: row.cancel_requested_at,
            error,
            runs: row.runs.list(),
        }
    }
}
