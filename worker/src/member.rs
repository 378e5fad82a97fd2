//! A job in the hands of a dispatcher, from its claim to its end.

use std::{collections::BTreeMap, time::Duration};

use lamplighter_shared::{
    db::finish::Outcome,
    event::{EventId, JobEvent, Progress},
    id::JobId,
    job::Metrics,
};
use serde_json::Value;
use tokio::time::Instant;

use crate::{
    batcher::Candidate,
    held::Held,
    runner::protocol::{Cost, ModelInfo, Ticket},
};

/// How far a member is.
#[derive(Debug)]
pub enum Phase {
    /// The runner has not heard of it.
    Unread,
    /// The runner reads its input.
    Preparing,
    /// It can run.
    Ready(Cost),
    /// It runs.
    Running(Run),
}

/// A run under way.
#[derive(Debug)]
pub struct Run {
    /// When it entered the runner.
    pub since: Instant,
    /// When the runner is killed for it.
    pub deadline: Instant,
    /// Jobs it runs with, itself included.
    pub batch_size: u32,
    /// Until when a cancellation may take.
    pub cancel_until: Option<Instant>,
    /// How it ended, where the end of its batch is still to come.
    pub result: Option<Outcome>,
}

/// A job in hand.
#[derive(Debug)]
pub struct Member {
    /// The claim.
    pub held: Held,
    /// How far it is.
    pub phase: Phase,
    /// The seed of its run, where numbers were drawn.
    pub seed: Option<u64>,
    seq: u64,
    chunks: u64,
}

impl Member {
    /// A job that was just claimed.
    pub fn new(held: Held) -> Self {
        Self {
            held,
            phase: Phase::Unread,
            seed: None,
            seq: 0,
            chunks: 0,
        }
    }

    /// Longest time one run may take.
    pub fn run_timeout(&self) -> Duration {
        self.held.claimed.job.run_timeout
    }

    /// Whether it has to run alone, its reading included: a runner died that had it.
    pub fn solo(&self) -> bool {
        self.held.claimed.solo
    }

    /// Whether the runner is at work on it, and may be dying of it.
    pub fn at_work(&self) -> bool {
        matches!(self.phase, Phase::Preparing | Phase::Running(_))
    }

    /// Whether it is in the runner.
    pub fn run(&self) -> Option<&Run> {
        match &self.phase {
            Phase::Running(run) => Some(run),
            _ => None,
        }
    }

    /// The next progress event.
    pub fn progress(&mut self, progress: Progress) -> JobEvent {
        JobEvent::Progress {
            id: self.next_id(),
            progress,
        }
    }

    /// The next chunk of output.
    pub fn output(&mut self, chunk: Value) -> JobEvent {
        let index = self.chunks;
        self.chunks += 1;
        JobEvent::Output {
            id: self.next_id(),
            index,
            chunk,
        }
    }

    fn next_id(&mut self) -> EventId {
        self.seq += 1;
        EventId {
            epoch: self.held.epoch(),
            seq: self.seq,
        }
    }

    /// Ends it.
    pub fn end(self, outcome: Outcome, info: Option<&ModelInfo>, compute_ms: Option<f64>) {
        let job = &self.held.claimed.job;
        let metrics = Metrics {
            queue_ms: job.started_at.map(|at| (at - job.created_at).max(0)),
            compute_ms,
            batch_size: self.run().map(|run| run.batch_size),
            digest: info.map(|i| i.digest.clone()),
            dtype: info.map(|i| i.dtype.clone()),
            device: info.map(|i| i.device.clone()),
            seed: self.seed,
            ..Metrics::default()
        };
        let seq = self.seq;
        self.held.end(outcome, metrics, seq);
    }
}

/// All jobs in hand, by ticket.
#[derive(Debug, Default)]
pub struct Members {
    by_ticket: BTreeMap<Ticket, Member>,
    last: Ticket,
}

impl Members {
    /// Takes a job; its ticket.
    pub fn add(&mut self, held: Held) -> Ticket {
        self.last += 1;
        self.by_ticket.insert(self.last, Member::new(held));
        self.last
    }

    /// The member with this ticket.
    pub fn get(&mut self, ticket: Ticket) -> Option<&mut Member> {
        self.by_ticket.get_mut(&ticket)
    }

    /// Takes the member with this ticket out.
    pub fn remove(&mut self, ticket: Ticket) -> Option<Member> {
        self.by_ticket.remove(&ticket)
    }

    /// The ticket of this run.
    pub fn find(&self, job: JobId, epoch: i64) -> Option<Ticket> {
        self.by_ticket
            .iter()
            .find(|(_, m)| m.held.job() == job && m.held.epoch() == epoch)
            .map(|(t, _)| *t)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_ticket.is_empty()
    }

    /// Everyone.
    pub fn iter(&self) -> impl Iterator<Item = (Ticket, &Member)> {
        self.by_ticket.iter().map(|(t, m)| (*t, m))
    }

    /// Those in the runner.
    pub fn running(&self) -> impl Iterator<Item = (Ticket, &Run)> {
        self.by_ticket.iter().filter_map(|(t, m)| Some((*t, m.run()?)))
    }

    /// Tickets for which `keep` holds.
    pub fn tickets(&self, keep: impl Fn(&Member) -> bool) -> Vec<Ticket> {
        self.by_ticket
            .iter()
            .filter(|(_, m)| keep(m))
            .map(|(t, _)| *t)
            .collect()
    }

    /// The first in the order of the queue of those that do not run.
    pub fn first_waiting(&self) -> Option<(Ticket, &Member)> {
        let place = |m: &Member| (m.held.claimed.job.rank, m.held.claimed.job.id);
        self.iter()
            .filter(|(_, m)| m.run().is_none())
            .min_by_key(|(_, m)| place(m))
    }

    /// Those that can run, in the order of the queue.
    pub fn candidates(&self) -> Vec<Candidate> {
        let mut ready: Vec<_> = self
            .by_ticket
            .iter()
            .filter_map(|(ticket, member)| match member.phase {
                Phase::Ready(cost) => {
                    let claimed = &member.held.claimed;
                    let candidate = Candidate {
                        ticket: *ticket,
                        cost,
                        solo: claimed.solo,
                    };
                    Some((claimed.job.rank, claimed.job.id, candidate))
                }
                _ => None,
            })
            .collect();
        ready.sort_by_key(|(rank, id, _)| (*rank, *id));
        ready.into_iter().map(|(_, _, candidate)| candidate).collect()
    }
}
