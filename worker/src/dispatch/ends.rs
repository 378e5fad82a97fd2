//! How jobs leave a dispatcher: results, cancellations, deadlines, crashes.

use lamplighter_shared::{db::finish::Outcome, error::ErrorCode, job::JobError};
use tokio::time::Instant;

use super::{Abandoned, Dispatcher, Kill};
use crate::{
    lease::Control,
    member::Phase,
    runner::{
        process::Exit,
        protocol::{Ticket, ToRunner},
    },
};

/// A running job that does not answer a cancellation for so long is ended without its answer: the
/// owner sees it canceled within 2 s.
const CANCEL_GRACE: std::time::Duration = std::time::Duration::from_millis(1200);

impl Abandoned {
    /// When the runner is killed for it; `wanted`: whether the runner computes something else, too.
    pub(super) fn until(&self, wanted: bool) -> Instant {
        if wanted {
            self.deadline
        } else {
            self.idle.min(self.deadline)
        }
    }
}

/// Whether a failure in a batch that is computed together can be another member's doing: the members of a
/// pass fail with it, and all members with the model's thread.
fn may_be_anothers(kind: ErrorCode) -> bool {
    matches!(kind, ErrorCode::ModelError | ErrorCode::OutOfMemory)
}

impl Dispatcher {
    /// A member's own end. Where members are computed together it is kept until the batch is done, so
    /// that all ends are written in one statement.
    pub(super) async fn result(&mut self, ticket: Ticket, outcome: Outcome) {
        if self.abandoned.remove(&ticket).is_some() {
            return;
        }
        let joint = self.joint();
        let Some(member) = self.members.get(ticket) else {
            return;
        };
        let Phase::Running(run) = &mut member.phase else {
            // Its input was refused, or it was dropped as asked.
            self.end(ticket, outcome, None);
            return;
        };
        // A cancelled member is done with: its owner need not wait for the others.
        if joint && outcome != Outcome::Canceled {
            let in_company = run.batch_size > 1;
            run.result = Some(match outcome {
                Outcome::Failed(error) if in_company && may_be_anothers(error.kind) => {
                    tracing::warn!(
                        model = self.spec.id,
                        ?error,
                        "a batch failed; its members run again alone"
                    );
                    Outcome::HandedBack { solo: true }
                }
                own => own,
            });
            // The batch's end should be near: the runner is not killed in between.
            let idle = Instant::now() + CANCEL_GRACE;
            self.abandoned
                .values_mut()
                .for_each(|a| a.idle = a.idle.max(idle));
        } else {
            let compute_ms = run.since.elapsed().as_secs_f64() * 1000.0;
            self.flush().await;
            self.end(ticket, outcome, Some(compute_ms));
        }
    }

    pub(super) async fn batch_done(&mut self, compute_ms: f64) {
        if !self.joint() {
            return;
        }
        if let Some(batch) = self.batch.take() {
            self.pace.note(batch.tokens, compute_ms);
        }
        self.abandoned.clear();
        self.flush().await;
        for ticket in self.members.tickets(|m| m.run().is_some()) {
            let result = self.members.get(ticket).and_then(|m| match &mut m.phase {
                Phase::Running(run) => run.result.take(),
                _ => None,
            });
            let missing =
                || Outcome::Failed(JobError::new(ErrorCode::ModelError, "the model gave no result"));
            self.end(ticket, result.unwrap_or_else(missing), Some(compute_ms));
        }
    }

    pub(super) fn end(&mut self, ticket: Ticket, outcome: Outcome, compute_ms: Option<f64>) {
        if let Some(member) = self.members.remove(ticket) {
            member.end(outcome, self.runner.as_ref().map(|(_, info)| info), compute_ms);
        }
    }

    /// An input that is not JSON, or is gone, can't have come through the API; it is told all the same.
    pub(super) fn refuse(&mut self, ticket: Ticket, why: &str) {
        let gone = self
            .members
            .get(ticket)
            .is_some_and(|m| m.held.claimed.input.is_empty());
        let detail = match gone {
            true => "the input is gone".to_owned(),
            false => why.to_owned(),
        };
        let error = JobError::new(ErrorCode::InvalidInput, detail);
        self.end(ticket, Outcome::Failed(error), None);
    }

    pub(super) fn obey(&mut self, control: Control) {
        match control {
            Control::Cancel(job, epoch) => {
                let Some(ticket) = self.members.find(job, epoch) else {
                    return;
                };
                self.tell_runner(ToRunner::Forget { ticket });
                match self.members.get(ticket).map(|m| &mut m.phase) {
                    Some(Phase::Running(run)) => run.cancel_until = Some(Instant::now() + CANCEL_GRACE),
                    _ => self.end(ticket, Outcome::Canceled, None),
                }
            }
            Control::Lost(job, epoch) => {
                let Some(ticket) = self.members.find(job, epoch) else {
                    return;
                };
                self.tell_runner(ToRunner::Forget { ticket });
                if let Some(member) = self.members.remove(ticket) {
                    let span = member.held.span.clone();
                    span.in_scope(|| tracing::warn!("a lease was lost; the job is stopped"));
                    let idle = Instant::now() + CANCEL_GRACE;
                    self.abandon_run(ticket, member.run().map(|run| run.deadline), idle);
                    member.held.abandon();
                }
            }
        }
    }

    /// What is abandoned keeps its place in the runner until it answers; a runner that has nothing else
    /// to do is not kept for it.
    fn abandon_run(&mut self, ticket: Ticket, deadline: Option<Instant>, idle: Instant) {
        if let Some(deadline) = deadline {
            self.abandoned.insert(ticket, Abandoned { idle, deadline });
        }
    }

    /// Ends canceled jobs that the runner goes on computing.
    pub(super) fn give_up_on_cancels(&mut self, now: Instant) {
        let late = self.members.tickets(|m| {
            m.run()
                .is_some_and(|run| run.result.is_none() && run.cancel_until.is_some_and(|until| until <= now))
        });
        for ticket in late {
            let deadline = self
                .members
                .get(ticket)
                .and_then(|m| m.run().map(|run| run.deadline));
            self.end(ticket, Outcome::Canceled, None);
            self.abandon_run(ticket, deadline, now);
        }
        for ticket in self
            .members
            .tickets(|m| m.run().is_some_and(|run| run.result.is_some()))
        {
            if let Some(Phase::Running(run)) = self.members.get(ticket).map(|m| &mut m.phase) {
                run.cancel_until = None;
            }
        }
    }

    /// Ends jobs past their deadline; whether the runner has to be killed, for them or for runs that
    /// nobody waits for.
    ///
    /// Where each member runs on its own, the late one is known. In a batch that is computed together
    /// it is not, unless it is alone: all wait again, each to run alone, and the late one is found then.
    pub(super) fn end_overdue(&mut self, now: Instant) -> bool {
        let overdue = self
            .members
            .tickets(|m| m.run().is_some_and(|run| run.deadline <= now));
        let wanted = self.wanted();
        let abandoned_overdue = self.abandoned.values().any(|a| a.until(wanted) <= now);
        if overdue.is_empty() && !abandoned_overdue {
            return false;
        }
        let running = self.members.tickets(|m| m.run().is_some());
        let guilty_known = !self.joint() || (running.len() == 1 && self.abandoned.is_empty());
        tracing::warn!(
            model = self.spec.id,
            late = overdue.len(),
            running = running.len(),
            abandoned = self.abandoned.len(),
            "a run took too long or is not wanted any more; the runner is killed"
        );
        for ticket in running {
            let timed_out = overdue.contains(&ticket);
            let Some(member) = self.members.get(ticket) else {
                continue;
            };
            let limit = member.run_timeout();
            let result = match &mut member.phase {
                Phase::Running(run) => run.result.take(),
                _ => None,
            };
            let outcome = match result {
                Some(result) => result,
                None if timed_out && guilty_known => {
                    let detail = format!("the run took longer than {} s", limit.as_secs_f64());
                    Outcome::Failed(JobError::new(ErrorCode::Timeout, detail))
                }
                None => Outcome::HandedBack { solo: !guilty_known },
            };
            self.end(ticket, outcome, None);
        }
        true
    }

    /// The runner is gone: whoever it was at work on may be to blame, by running or by being read.
    /// Whether it is known why: by our doing, or by one of the jobs.
    pub(super) fn crashed(&mut self, exit: &Exit) -> bool {
        let error = match exit.out_of_memory {
            Some(bytes) => JobError::new(
                ErrorCode::OutOfMemory,
                format!("an allocation of {bytes} bytes failed"),
            ),
            None => JobError::new(
                ErrorCode::WorkerCrashed,
                format!("the model's process ended: {}", exit.description),
            ),
        };
        let killed = self.killed.take();
        // Reading goes on beside the answers to signs of life: it can crash a runner, but not silence it.
        let suspects = self.members.tickets(|m| match killed {
            None => m.at_work(),
            Some(_) => m.run().is_some(),
        });
        if killed != Some(Kill::Overdue) {
            tracing::error!(model = self.spec.id, jobs = suspects.len(), %exit, "the runner is gone");
        }
        let explained = killed.is_some() || !suspects.is_empty() || !self.abandoned.is_empty();
        self.batch = None;
        self.abandoned.clear();
        let outcome = match killed {
            Some(Kill::Overdue) => Outcome::HandedBack { solo: false },
            _ => Outcome::Crashed(error),
        };
        for ticket in suspects {
            let result = self.members.get(ticket).and_then(|m| match &mut m.phase {
                Phase::Running(run) => run.result.take(),
                _ => None,
            });
            self.end(ticket, result.unwrap_or_else(|| outcome.clone()), None);
        }
        explained
    }

    /// Hands back whatever has not started.
    pub(super) fn hand_back_waiting(&mut self) {
        for ticket in self.members.tickets(|m| m.run().is_none()) {
            self.members.remove(ticket);
        }
    }
}
