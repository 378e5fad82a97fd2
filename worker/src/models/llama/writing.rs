//! One answer on its way: which tokens come next into the model, and what comes out of its numbers.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use lamplighter_shared::{error::ErrorCode, job::JobError};

use super::{
    decoder::Sequence,
    input::Ask,
    json::{self, State},
    output::{self, Finish, Logprob},
    sampling::{draw, likeliest, log_total, penalise, pick},
    text::Text,
    vocabulary::Vocabulary,
};
use crate::runner::Member;

/// Progress is told this often at most.
const PROGRESS_EVERY: Duration = Duration::from_millis(250);

/// An answer that is being written.
pub(super) struct Writing {
    member: Member,
    ask: Ask,
    /// What the decoder knows of it.
    pub sequence: Sequence,
    /// Tokens of the prompt that were read.
    read: usize,
    written: Vec<u32>,
    text: Text,
    /// Where the output stands that has to have a form.
    state: Option<State>,
    /// Whether it would have gone on otherwise with more tokens.
    squeezed: bool,
    /// Tokens that a penalty counts.
    seen: BTreeSet<u32>,
    logprobs: Vec<Logprob>,
    told: Instant,
}

/// What the tokens of a vocabulary are, for writing.
pub(super) struct Letters<'a> {
    /// Of the model.
    pub vocabulary: &'a Vocabulary,
    /// The same, for constrained output.
    pub tokens: &'a json::Vocabulary,
    /// Scratch: what may come next.
    pub mask: Vec<Option<usize>>,
}

impl Writing {
    /// Begins with nothing read.
    pub(super) fn new(member: Member, mut ask: Ask, sequence: Sequence, vocabulary: &Vocabulary) -> Self {
        let counted = ask
            .prompt
            .iter()
            .copied()
            .filter(|id| !vocabulary.is_control(*id));
        Self {
            seen: match ask.sampling.repetition_penalty == 1.0 {
                true => BTreeSet::new(),
                false => counted.collect(),
            },
            text: Text::new(std::mem::take(&mut ask.stops)),
            state: ask.grammar.as_ref().map(State::new),
            member,
            sequence,
            read: 0,
            written: Vec::new(),
            squeezed: false,
            logprobs: Vec::new(),
            told: Instant::now(),
            ask,
        }
    }

    /// Tokens that it may need in all.
    pub(super) fn tokens(&self) -> usize {
        self.ask.prompt.len() + self.ask.max_tokens
    }

    /// Whether it is still wanted.
    pub(super) fn is_canceled(&self) -> bool {
        self.member.cancel().is_canceled()
    }

    /// Ends because it is not wanted any more.
    pub(super) fn canceled(self) {
        self.member.canceled();
    }

    /// Ends with an error.
    pub(super) fn failed(self, error: JobError) {
        self.member.failed(error);
    }

    /// Tokens of the prompt that are still to be read.
    pub(super) fn unread(&self) -> usize {
        self.ask.prompt.len() - self.read
    }

    /// What the decoder is to compute next: so many tokens of the prompt at most, else the last that was written;
    /// and whether the answer goes on from there.
    pub(super) fn next(&mut self, most: usize) -> (&mut Sequence, &[u32], bool) {
        if self.unread() == 0 {
            let last = self.written.len().saturating_sub(1);
            return (&mut self.sequence, &self.written[last..], true);
        }
        let end = self.ask.prompt.len().min(self.read + most);
        let tokens = &self.ask.prompt[self.read..end];
        self.read = end;
        (&mut self.sequence, tokens, end == self.ask.prompt.len())
    }

    /// Tells how far the reading is.
    pub(super) fn tell_reading(&mut self) {
        self.tell("reading");
    }

    fn tell(&mut self, stage: &str) {
        if self.told.elapsed() >= PROGRESS_EVERY {
            self.told = Instant::now();
            let done = self.read + self.written.len();
            self.member.progress(done as f64 / self.tokens() as f64, stage);
        }
    }

    /// Writes one more token; how it ends, if it does.
    ///
    /// # Errors
    /// `model_error` where the numbers are none.
    pub(super) fn write(
        &mut self,
        logits: &mut [f32],
        letters: &mut Letters<'_>,
    ) -> Result<Option<Finish>, JobError> {
        if logits.iter().any(|logit| !logit.is_finite()) {
            let detail = "the model computed a number that is not finite";
            return Err(JobError::new(ErrorCode::ModelError, detail));
        }
        let total = self
            .ask
            .logprobs
            .map(|top| (log_total(logits), likeliest(logits, top), logits.to_vec()));
        let seen: Vec<u32> = self.seen.iter().copied().collect();
        penalise(logits, &seen, self.ask.sampling.repetition_penalty);
        let Some(id) = self.choose(logits, letters) else {
            return Err(JobError::new(ErrorCode::ModelError, "no token can come next"));
        };
        let vocabulary = letters.vocabulary;
        if vocabulary.is_end(id) {
            return Ok(Some(self.finish(false)));
        }
        if let Some((total, top, raw)) = total {
            let told = |id: u32| output::told(vocabulary, id, f64::from(raw[id as usize]) - total);
            self.logprobs.push(Logprob {
                chosen: told(id),
                top: top.into_iter().map(told).collect(),
            });
        }
        let piece = vocabulary.piece(id, self.written.is_empty());
        self.written.push(id);
        if self.ask.sampling.repetition_penalty != 1.0 {
            self.seen.insert(id);
        }
        let stopped = self.text.push(piece);
        if let Some(piece) = self.text.ready() {
            self.member.output(piece.into());
        }
        self.tell("writing");
        let whole = self.follow(piece);
        Ok(
            match (stopped || whole, self.written.len() >= self.ask.max_tokens) {
                (true, _) => Some(self.finish(false)),
                (false, true) => Some(self.finish(true)),
                (false, false) => None,
            },
        )
    }

    /// Follows the form of the output; whether it is complete.
    fn follow(&mut self, piece: &[u8]) -> bool {
        let (Some(grammar), Some(state)) = (&self.ask.grammar, &mut self.state) else {
            return false;
        };
        for &byte in piece {
            if let Some(next) = state.next(grammar, byte) {
                *state = next;
            }
        }
        state.is_whole()
    }

    fn choose(&mut self, logits: &[f32], letters: &mut Letters<'_>) -> Option<u32> {
        let drawn = draw(self.ask.seed, self.written.len() as u64);
        let (vocabulary, sampling) = (letters.vocabulary, &self.ask.sampling);
        let (Some(grammar), Some(state)) = (&self.ask.grammar, &self.state) else {
            return pick(logits, sampling, |id| vocabulary.is_writable(id), drawn);
        };
        letters.tokens.mask(grammar, state, &mut letters.mask);
        let (mask, may_end) = (&letters.mask, state.may_end(grammar));
        let within = |id: usize, left: usize| match mask.get(id).copied().flatten() {
            Some(close) => close <= left,
            None => may_end && vocabulary.is_end(id as u32),
        };
        let left = self.ask.max_tokens - self.written.len() - 1;
        let chosen = pick(logits, sampling, |id| within(id, left), drawn);
        let tight = mask.iter().flatten().any(|close| *close > left);
        if tight && pick(logits, sampling, |id| within(id, usize::MAX), drawn) != chosen {
            self.squeezed = true;
        }
        chosen
    }

    fn finish(&self, cut: bool) -> Finish {
        match cut || self.squeezed {
            true => Finish::Length,
            false => Finish::Stop,
        }
    }

    /// Answers the job.
    pub(super) fn done(mut self, finish: Finish) {
        let (piece, text) = self.text.finish();
        if !piece.is_empty() {
            self.member.output(piece.into());
        }
        self.member.seeded(self.ask.seed);
        let answer = output::Answer {
            finish,
            prompt: self.ask.prompt.len(),
            written: self.written.len(),
            seed: self.ask.seed,
            logprobs: self.ask.logprobs.map(|_| self.logprobs),
            text,
        };
        match answer.to_raw() {
            Ok(output) => self.member.done(output),
            Err(error) => self
                .member
                .failed(JobError::new(ErrorCode::ModelError, error.to_string())),
        }
    }
}
