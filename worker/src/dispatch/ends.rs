//! How jobs leave a dispatcher: results, cancellations, deadlines, crashes.

use lamplighter_shared::{db::finish::Outcome, error::ErrorCode, job::JobError};
use tokio::time::Instant;

use super::Dispatcher;
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
            run.result = Some(outcome);
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

    /// An input that is not JSON can't have come through the API; it is told all the same.
    pub(super) fn refuse(&mut self, ticket: Ticket, error: &serde_json::Error) {
        let error = JobError::new(ErrorCode::InvalidInput, format!("the input is not JSON: {error}"));
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
                tracing::warn!(%job, epoch, "a lease was lost; the job is stopped");
                self.tell_runner(ToRunner::Forget { ticket });
                if let Some(member) = self.members.remove(ticket) {
                    self.abandon_run(ticket, member.run().map(|run| run.deadline));
                    member.held.abandon();
                }
            }
        }
    }

    fn abandon_run(&mut self, ticket: Ticket, deadline: Option<Instant>) {
        if let Some(deadline) = deadline {
            self.abandoned.insert(ticket, deadline);
        }
    }

    /// Ends canceled jobs that the runner goes on computing; whether the runner has to be killed,
    /// because it computes nothing else.
    pub(super) fn give_up_on_cancels(&mut self, now: Instant) -> bool {
        let late = self.members.tickets(|m| {
            m.run()
                .is_some_and(|run| run.result.is_none() && run.cancel_until.is_some_and(|until| until <= now))
        });
        let gave_up = !late.is_empty();
        for ticket in late {
            let deadline = self
                .members
                .get(ticket)
                .and_then(|m| m.run().map(|run| run.deadline));
            self.end(ticket, Outcome::Canceled, None);
            self.abandon_run(ticket, deadline);
        }
        for ticket in self
            .members
            .tickets(|m| m.run().is_some_and(|run| run.result.is_some()))
        {
            if let Some(Phase::Running(run)) = self.members.get(ticket).map(|m| &mut m.phase) {
                run.cancel_until = None;
            }
        }
        gave_up && !self.members.running().any(|(_, run)| run.result.is_none())
    }

    /// Ends jobs past their deadline; whether the runner has to be killed for them.
    ///
    /// Where each member runs on its own, the late one is known. In a batch that is computed together
    /// it is not, unless it is alone: all wait again, each to run alone, and the late one is found then.
    pub(super) fn end_overdue(&mut self, now: Instant) -> bool {
        let overdue = self
            .members
            .tickets(|m| m.run().is_some_and(|run| run.deadline <= now));
        let abandoned_overdue = self.abandoned.values().any(|deadline| *deadline <= now);
        if overdue.is_empty() && !abandoned_overdue {
            return false;
        }
        let running = self.members.tickets(|m| m.run().is_some());
        let guilty_known = !self.joint() || running.len() == 1;
        tracing::warn!(
            model = self.spec.id,
            late = overdue.len(),
            running = running.len(),
            "a run took too long; the runner is killed"
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

    /// The runner is gone: whoever it computed may be to blame. Nobody was running when it is the
    /// reading of an input that killed it.
    pub(super) fn crashed(&mut self, exit: &Exit) {
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
        let mut suspects = self.members.tickets(|m| m.run().is_some());
        if suspects.is_empty() && self.batch.is_none() && self.abandoned.is_empty() && !self.killed_on_purpose
        {
            suspects = self.members.tickets(|m| matches!(m.phase, Phase::Preparing));
        }
        if !self.killed_on_purpose {
            tracing::error!(model = self.spec.id, jobs = suspects.len(), %exit, "the runner is gone");
        }
        self.killed_on_purpose = false;
        self.batch = None;
        self.abandoned.clear();
        for ticket in suspects {
            let result = self.members.get(ticket).and_then(|m| match &mut m.phase {
                Phase::Running(run) => run.result.take(),
                _ => None,
            });
            self.end(
                ticket,
                result.unwrap_or_else(|| Outcome::Crashed(error.clone())),
                None,
            );
        }
    }

    /// Hands back whatever has not started.
    pub(super) fn hand_back_waiting(&mut self) {
        for ticket in self.members.tickets(|m| m.run().is_none()) {
            self.members.remove(ticket);
        }
    }
}
