//! Continuous batching: answers join the running ones and leave them between any two steps. A step computes the
//! next token of every answer together, and beside them a part of the prompts that are still to be read: as much
//! as keeps the step short, so that running answers do not stall and a cancel is seen in time.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use lamplighter_shared::{error::ErrorCode, job::JobError};

use super::{
    decoder::{Decoder, Step},
    input::Ask,
    json,
    vocabulary::Vocabulary,
    writing::{Letters, Writing},
};
use crate::{
    models::{Model, invalid, unavailable},
    runner::Member,
};

/// How long a step should take at most; a cancel is seen after one.
const STEP: Duration = Duration::from_millis(80);

/// Answers that take little longer together than one: the weights are read once.
const FEW: usize = 4;

/// Tokens of prompts in one step: so many at least, in this many at once, and so many at most.
const CHUNK: (usize, usize) = (8, 256);

/// What may run at the same time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// Answers.
    pub answers: usize,
    /// Tokens of all their prompts and of what they may become: what the memory is made for.
    pub tokens: usize,
}

/// The model's side that takes jobs; another thread computes them.
pub(super) struct Desk(mpsc::Sender<Vec<Member>>);

impl Model for Desk {
    fn run(&mut self, batch: Vec<Member>) {
        // Without the other side, dropping the members answers them as failed.
        if let Err(batch) = self.0.send(batch) {
            drop(batch);
        }
    }
}

/// Starts the thread that computes, until its desk is dropped.
///
/// # Errors
/// `model_unavailable` where there is no thread.
pub(super) fn start(
    decoder: Decoder,
    vocabulary: Arc<Vocabulary>,
    tokens: Arc<json::Vocabulary>,
    room: Room,
) -> Result<Desk, JobError> {
    let (desk, jobs) = mpsc::channel();
    let scheduler = Scheduler {
        decoder,
        room,
        waiting: VecDeque::new(),
        running: Vec::new(),
        chunk: CHUNK.0 * 4,
        answering: Duration::ZERO,
    };
    thread::Builder::new()
        .name("generate".to_owned())
        .spawn(move || {
            let letters = Letters {
                vocabulary: &vocabulary,
                tokens: &tokens,
                mask: Vec::new(),
            };
            scheduler.serve(&jobs, letters);
        })
        .map_err(|error| unavailable(format!("no thread to compute on: {error}")))?;
    Ok(Desk(desk))
}

struct Scheduler {
    decoder: Decoder,
    room: Room,
    /// In the order of the queue.
    waiting: VecDeque<(Member, Ask)>,
    running: Vec<Writing>,
    /// Tokens of prompts that the next step takes.
    chunk: usize,
    /// How long the last step took without prompts.
    answering: Duration,
}

impl Scheduler {
    fn serve(mut self, jobs: &mpsc::Receiver<Vec<Member>>, mut letters: Letters<'_>) {
        loop {
            if self.running.is_empty() && self.waiting.is_empty() {
                match jobs.recv() {
                    Ok(batch) => self.take(batch),
                    Err(_) => return,
                }
            }
            while let Ok(batch) = jobs.try_recv() {
                self.take(batch);
            }
            self.drop_canceled();
            self.admit(letters.vocabulary);
            if !self.running.is_empty() {
                self.step(&mut letters);
            }
        }
    }

    fn take(&mut self, batch: Vec<Member>) {
        for mut member in batch {
            match member.take_payload::<Ask>() {
                Some(ask) => self.waiting.push_back((member, ask)),
                None => member.failed(invalid("not a prompt")),
            }
        }
    }

    fn drop_canceled(&mut self) {
        for writing in self.running.extract_if(.., |writing| writing.is_canceled()) {
            writing.canceled();
        }
        let waiting = std::mem::take(&mut self.waiting);
        for (member, ask) in waiting {
            match member.cancel().is_canceled() {
                true => member.canceled(),
                false => self.waiting.push_back((member, ask)),
            }
        }
    }

    /// Lets in who fits, in order: whoever needs much room is not passed over for ever.
    fn admit(&mut self, vocabulary: &Vocabulary) {
        let mut tokens: usize = self.running.iter().map(Writing::tokens).sum();
        while let Some((_, ask)) = self.waiting.front() {
            let needs = ask.prompt.len() + ask.max_tokens;
            // A step of all the answers is not divided: where it is long, nobody makes it longer.
            let fits = self.running.len() < self.room.answers
                && tokens + needs <= self.room.tokens
                && (self.running.len() < FEW || self.answering < STEP);
            // Alone there is room for everybody.
            if !fits && !self.running.is_empty() {
                return;
            }
            let Some((member, ask)) = self.waiting.pop_front() else {
                return;
            };
            tokens += needs;
            let sequence = self.decoder.sequence(needs);
            self.running.push(Writing::new(member, ask, sequence, vocabulary));
        }
    }

    /// One step of all who run.
    fn step(&mut self, letters: &mut Letters<'_>) {
        let started = Instant::now();
        let unread: Vec<usize> = self.running.iter().map(Writing::unread).collect();
        let mut count = 0;
        let (mut steps, mut goes_on) = (Vec::new(), Vec::new());
        for (writing, most) in self.running.iter_mut().zip(shares(&unread, self.chunk)) {
            if most == 0 {
                goes_on.push(None);
                continue;
            }
            let (sequence, tokens, logits) = writing.next(most);
            count += tokens.len();
            goes_on.push(Some(logits));
            steps.push(Step {
                sequence,
                tokens,
                logits,
            });
        }
        let result = catch_unwind(AssertUnwindSafe(|| self.decoder.step(&mut steps)));
        drop(steps);
        match result {
            Ok(Ok(logits)) => {
                self.write(logits, &goes_on, letters);
                self.pace(count, unread.len(), started.elapsed());
            }
            Ok(Err(error)) => self.fail(&error),
            Err(_) => self.fail(&JobError::new(ErrorCode::ModelError, "the model panicked")),
        }
    }

    /// Whoever was computed with may be to blame, and what the decoder knows of them is of no more use.
    fn fail(&mut self, error: &JobError) {
        for writing in self.running.drain(..) {
            writing.failed(error.clone());
        }
    }

    /// Has the next step take as long as a step may: twice as much at most, of tokens by the dozen.
    fn pace(&mut self, count: usize, answers: usize, took: Duration) {
        let fits = count as f64 * STEP.as_secs_f64() / took.as_secs_f64().max(1e-6);
        let fits = (fits as usize).clamp(self.chunk / 2, self.chunk * 2);
        // A step that is full of answers says little of what prompts cost.
        if count > answers {
            self.chunk = (fits / CHUNK.0 * CHUNK.0).clamp(CHUNK.0, CHUNK.1);
        } else {
            self.answering = took;
        }
    }

    /// Writes the tokens that follow from a step, and answers who has ended.
    fn write(&mut self, logits: Vec<Vec<f32>>, goes_on: &[Option<bool>], letters: &mut Letters<'_>) {
        let mut logits = logits.into_iter();
        let running = std::mem::take(&mut self.running);
        for (mut writing, goes_on) in running.into_iter().zip(goes_on) {
            let mut numbers = match goes_on {
                None => {
                    self.running.push(writing);
                    continue;
                }
                Some(_) => logits.next().unwrap_or_default(),
            };
            if *goes_on != Some(true) {
                writing.tell_reading();
                self.running.push(writing);
                continue;
            }
            // What one of them breaks is no matter of the others.
            let end = catch_unwind(AssertUnwindSafe(|| writing.write(&mut numbers, letters)));
            match end {
                Ok(Ok(None)) => self.running.push(writing),
                Ok(Ok(Some(finish))) => writing.done(finish),
                Ok(Err(error)) => writing.failed(error),
                Err(_) => writing.failed(JobError::new(ErrorCode::ModelError, "the model panicked")),
            }
        }
    }
}

/// How many tokens each may bring to a step: answers one, and of prompts `chunk` together. The chunk is shared by all
/// who read, and what short prompts leave goes to the longer ones, so that a long prompt holds nobody up.
fn shares(unread: &[usize], chunk: usize) -> Vec<usize> {
    let mut most = vec![1; unread.len()];
    let mut readers: Vec<usize> = (0..unread.len()).filter(|&n| unread[n] > 0).collect();
    readers.sort_by_key(|&n| unread[n]);
    let mut left = chunk;
    for (done, &n) in readers.iter().enumerate() {
        let share = (left / (readers.len() - done)).max(1);
        most[n] = share.min(unread[n]).min(left);
        left -= most[n];
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_prompt_holds_nobody_up() {
        assert_eq!(shares(&[7000, 0, 20, 300], 64), [22, 1, 20, 22]);
        assert_eq!(
            shares(&[7000, 5], 64),
            [59, 5],
            "what is left goes to the longer one"
        );
        assert_eq!(
            shares(&[9, 9, 9], 2),
            [1, 1, 0],
            "more readers than tokens: some wait"
        );
        assert_eq!(shares(&[0, 0], 8), [1, 1]);
        assert_eq!(shares(&[100], 8), [8]);
    }
}
