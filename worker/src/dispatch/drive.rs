//! The life of one runner: messages, batches, timers.

use std::time::Duration;

use lamplighter_shared::{db::finish::Outcome, event::JobEvent};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};

use super::{Dispatcher, Kill, pace::Batch, standing::Course};
use crate::{
    batcher::{Candidate, plan},
    member::{Phase, Run},
    runner::{
        process::{Exit, Runner},
        protocol::{FromRunner, Ticket, ToRunner},
    },
    tally::{self, Effort},
};

/// Chunks and progress are gathered so long before they are published.
const GATHER: Duration = Duration::from_millis(50);
/// A runner is asked for a sign of life so often …
const PING: Duration = Duration::from_secs(1);
/// … and killed after so many questions without an answer.
const UNANSWERED: u64 = 10;

/// Why a runner is no longer driven.
pub(super) enum End {
    /// The worker stops.
    Stopped,
    /// The model is to leave the memory.
    Left,
    /// The runner is gone.
    Exited(Exit),
}

/// Questions and answers of signs of life.
struct Pings {
    ticks: Interval,
    asked: u64,
    answered: u64,
}

impl Dispatcher {
    /// Serves with this runner until it is gone or the worker stops.
    pub(super) async fn drive(&mut self, runner: &mut Runner) -> End {
        let lifecycle = self.context.lifecycle.clone();
        let mut pings = Pings {
            ticks: interval(PING),
            asked: 0,
            answered: 0,
        };
        // A process that slept must not blame its runner for questions it did not ask.
        pings.ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut effort = Effort::new(&self.spec.id);
        loop {
            let course = self.course();
            let draining = course != Course::Serve;
            if draining {
                // Also jobs that were claimed just before.
                self.hand_back_waiting();
                if self.members.running().next().is_none() {
                    match course {
                        Course::Stop => return End::Stopped,
                        Course::Leave => return End::Left,
                        Course::Pause | Course::Serve => {}
                    }
                }
            } else {
                self.start_ready();
            }
            self.note_work();
            effort.note(Instant::now(), self.members.running().next().is_some());
            self.gate
                .send_if_modified(|open| std::mem::replace(open, self.wants_jobs(draining)) != *open);
            let timer = self.next_timer(draining);
            tokio::select! {
                message = runner.recv() => match message {
                    Ok(FromRunner::Pong { n }) => pings.answered = pings.answered.max(n),
                    Ok(message) => self.hear(message).await,
                    Err(exit) => return End::Exited(exit),
                },
                held = self.inbox.recv(), if self.inbox_open => self.admit(held),
                Some(control) = self.control.recv() => self.obey(control),
                () = sleep_until(timer.unwrap_or_else(Instant::now)), if timer.is_some() => self.on_timer(runner).await,
                _ = pings.ticks.tick() => {
                    effort.tell(Instant::now());
                    if pings.asked - pings.answered >= UNANSWERED {
                        tracing::error!(model = self.spec.id, "the runner does not answer; it is killed");
                        self.kill(runner, Kill::Silent);
                    }
                    pings.asked += 1;
                    self.tell_runner(ToRunner::Ping { n: pings.asked });
                }
                _ = self.beats.tick() => self.beat.tick(),
                Ok(()) = self.duty.changed() => {}
                Ok(()) = self.door.changed() => {}
                () = lifecycle.soft.cancelled(), if course != Course::Stop => {}
                () = lifecycle.hard.cancelled() => {
                    // Its jobs are about to be handed back: it must not go on with them.
                    runner.kill();
                    return End::Stopped;
                }
            }
        }
    }

    /// Whether the feeder should claim: always with free slots where members run on their own, else
    /// only when no batch runs or the one that runs should end soon.
    fn wants_jobs(&self, draining: bool) -> bool {
        let ahead = self
            .batch
            .as_ref()
            .is_none_or(|batch| self.pace.claim_from(batch) <= Instant::now());
        !draining && self.killed.is_none() && ahead
    }

    /// Has the runner read and run what it can now.
    fn start_ready(&mut self) {
        if self.killed.is_some() {
            return;
        }
        if let Some(ticket) = self.solo_in_turn() {
            return self.advance_alone(ticket);
        }
        for ticket in self
            .members
            .tickets(|m| matches!(m.phase, Phase::Unread) && !m.solo())
        {
            self.prepare(ticket);
        }
        self.start_waiting();
    }

    /// The solo job that the runner is at work on, else the one whose turn it is.
    fn solo_in_turn(&self) -> Option<Ticket> {
        let at_work = self.members.iter().find(|(_, m)| m.solo() && m.at_work());
        let first = || self.members.first_waiting().filter(|(_, m)| m.solo());
        at_work.or_else(first).map(|(ticket, _)| ticket)
    }

    /// A solo job is read and run while the runner does nothing else: if it dies, there is no doubt of what.
    fn advance_alone(&mut self, ticket: Ticket) {
        if self.members.iter().any(|(_, m)| m.at_work()) || !self.abandoned.is_empty() {
            return;
        }
        match self.members.get(ticket).map(|m| &m.phase) {
            Some(Phase::Unread) => self.prepare(ticket),
            Some(Phase::Ready(cost)) => {
                let tokens = cost.tokens;
                self.run_together(vec![ticket], tokens);
            }
            _ => {}
        }
    }

    fn start_waiting(&mut self) {
        let waiting = self.members.candidates();
        if waiting.is_empty() {
            return;
        }
        if self.joint() {
            // What is being read will be ready in a moment, and rather rides along than waits a batch.
            let full = waiting.len() >= self.budget().jobs;
            let reading = self
                .members
                .iter()
                .any(|(_, m)| matches!(m.phase, Phase::Preparing));
            if self.batch.is_none() && (full || !reading) {
                let tickets = plan(&waiting, self.budget());
                let tokens = waiting
                    .iter()
                    .filter(|c| tickets.contains(&c.ticket))
                    .map(|c| c.cost.tokens)
                    .sum();
                self.run_together(tickets, tokens);
            }
        } else {
            self.start_each(&waiting);
        }
    }

    /// Where members run on their own, each starts as soon as there is room.
    fn start_each(&mut self, waiting: &[Candidate]) {
        let busy = self.members.running().count() + self.abandoned.len();
        let room = self.budget().jobs.saturating_sub(busy);
        let tickets: Vec<Ticket> = waiting.iter().take(room).map(|c| c.ticket).collect();
        if !tickets.is_empty() {
            self.run_together(tickets, 0);
        }
    }

    fn run_together(&mut self, tickets: Vec<Ticket>, tokens: usize) {
        let since = Instant::now();
        let joint = self.joint();
        if joint {
            self.batch = Some(Batch { since, tokens });
        }
        let beside = if joint { 0 } else { self.members.running().count() };
        let batch_size = u32::try_from(tickets.len() + beside).unwrap_or(u32::MAX);
        tally::batch(&self.spec.id, batch_size, tokens);
        for ticket in &tickets {
            if let Some(member) = self.members.get(*ticket) {
                tally::waited(&self.spec.id, member.held.since.elapsed());
                let deadline = since + member.run_timeout();
                member.phase = Phase::Running(Run {
                    since,
                    deadline,
                    batch_size,
                    cancel_until: None,
                    result: None,
                });
                if joint {
                    // Its place is free for a job of the next batch.
                    member.held.free_slot();
                }
            }
        }
        self.tell_runner(ToRunner::Run { tickets });
    }

    async fn hear(&mut self, message: FromRunner) {
        match message {
            FromRunner::Prepared { ticket, cost } => {
                if let Some(member) = self.members.get(ticket)
                    && matches!(member.phase, Phase::Preparing)
                {
                    member.phase = Phase::Ready(cost);
                }
            }
            FromRunner::Done { ticket, output, seed } => {
                if let Some(member) = self.members.get(ticket) {
                    member.seed = seed;
                }
                self.result(ticket, Outcome::Succeeded(output.get().to_owned()))
                    .await
            }
            FromRunner::Failed { ticket, error } => self.result(ticket, Outcome::Failed(error)).await,
            FromRunner::Canceled { ticket } => self.result(ticket, Outcome::Canceled).await,
            FromRunner::Progress { ticket, progress } => self.note_event(ticket, |m| m.progress(progress)),
            FromRunner::Output { ticket, chunk } => self.note_event(ticket, |m| m.output(chunk)),
            FromRunner::BatchDone { compute_ms } => self.batch_done(compute_ms).await,
            // Said only while loading, or dealt with by whoever receives.
            FromRunner::Ready(_)
            | FromRunner::LoadFailed(_)
            | FromRunner::OutOfMemory { .. }
            | FromRunner::Pong { .. } => {}
        }
    }

    fn note_event(&mut self, ticket: Ticket, event: impl FnOnce(&mut crate::member::Member) -> JobEvent) {
        let Some(member) = self.members.get(ticket) else {
            return;
        };
        let (job, event) = (member.held.job(), event(member));
        match self.events.iter_mut().find(|(j, _)| *j == job) {
            Some((_, events)) => events.push(event),
            None => self.events.push((job, vec![event])),
        }
        self.flush_at.get_or_insert_with(|| Instant::now() + GATHER);
    }

    /// The next moment at which something is due without a message.
    fn next_timer(&self, draining: bool) -> Option<Instant> {
        if self.killed.is_some() {
            // Its end is all there is to wait for; however long that takes, no deadline is met again and again.
            return self.flush_at;
        }
        let ahead = self
            .batch
            .as_ref()
            .filter(|_| !draining)
            .map(|b| self.pace.claim_from(b))
            .filter(|at| *at > Instant::now());
        self.members
            .running()
            .flat_map(|(_, run)| [Some(run.deadline), run.cancel_until])
            .chain(self.abandoned.values().map(|a| Some(a.until(self.wanted()))))
            .chain([ahead, self.flush_at])
            .flatten()
            .min()
    }

    async fn on_timer(&mut self, runner: &Runner) {
        let now = Instant::now();
        if self.flush_at.is_some_and(|at| at <= now) {
            self.flush().await;
        }
        if self.killed.is_none() {
            self.give_up_on_cancels(now);
            if self.end_overdue(now) {
                self.flush().await;
                self.kill(runner, Kill::Overdue);
            }
        }
    }

    /// Kills the runner; nothing is started with it from now on.
    fn kill(&mut self, runner: &Runner, why: Kill) {
        self.killed.get_or_insert(why);
        runner.kill();
    }

    /// Whether anybody waits for what the runner computes.
    pub(super) fn wanted(&self) -> bool {
        self.members.running().any(|(_, run)| run.result.is_none())
    }
}
