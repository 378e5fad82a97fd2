//! Runs a batch: its texts in passes of so many tokens, in the order they came, each member answered as soon
//! as the last of its texts is computed.

use std::{collections::BTreeMap, ops::Range};

use lamplighter_shared::{error::ErrorCode, job::JobError};

use super::{
    Encoder,
    ask::Ask,
    reader::{Asked, Tokens},
};
use crate::{
    models::{Model, invalid},
    runner::{Cancel, Member},
};

/// Most tokens in one pass. More gain nothing, and the longer a pass, the later a cancel is seen.
pub(super) const PASS_TOKENS: usize = 512;

impl Model for Encoder {
    fn run(&mut self, batch: Vec<Member>) {
        let mut work = Work::new(batch, self.compute.pads());
        let lengths: Vec<usize> = work.texts.iter().map(|text| text.tokens.ids.len()).collect();
        for pass in passes(&lengths, self.pass_tokens, self.compute.pads()) {
            work.pass(self, pass);
        }
    }
}

/// Cuts texts, in their order, into passes of at most `budget` tokens; a single text may exceed it. Where
/// shorter texts are padded to the longest of the pass, padding counts.
fn passes(lengths: &[usize], budget: usize, padded: bool) -> Vec<Range<usize>> {
    let mut passes = Vec::new();
    let (mut begin, mut sum, mut longest) = (0, 0, 0);
    for (n, &length) in lengths.iter().enumerate() {
        sum += length;
        longest = longest.max(length);
        let cost = if padded { (n + 1 - begin) * longest } else { sum };
        if n > begin && cost > budget {
            passes.push(begin..n);
            (begin, sum, longest) = (n, length, length);
        }
    }
    if begin < lengths.len() {
        passes.push(begin..lengths.len());
    }
    passes
}

/// A batch in the making.
struct Work {
    /// Every text, and whose it is.
    texts: Vec<Text>,
    cancels: Vec<Cancel>,
    /// By position in the batch; those that are answered are gone.
    open: BTreeMap<usize, Open>,
}

struct Text {
    owner: usize,
    /// Which of its owner's texts it is.
    place: usize,
    tokens: Tokens,
}

/// A member that has not been answered.
struct Open {
    member: Member,
    ask: Ask,
    vectors: Vec<Vec<f32>>,
    missing: usize,
    tokens: usize,
}

impl Work {
    /// Takes the batch apart; `sorted` puts short texts first, for who pads.
    fn new(batch: Vec<Member>, sorted: bool) -> Self {
        let mut texts = Vec::new();
        let mut open = BTreeMap::new();
        let mut cancels = Vec::with_capacity(batch.len());
        for (owner, mut member) in batch.into_iter().enumerate() {
            cancels.push(member.cancel().clone());
            let Some(Asked { ask, texts: mine }) = member.take_payload() else {
                member.failed(invalid("not a list of texts"));
                continue;
            };
            let (count, tokens) = (mine.len(), mine.iter().map(|text| text.ids.len()).sum());
            let vectors = vec![Vec::new(); count];
            open.insert(
                owner,
                Open {
                    member,
                    ask,
                    vectors,
                    missing: count,
                    tokens,
                },
            );
            let mine = mine.into_iter().enumerate();
            texts.extend(mine.map(|(place, tokens)| Text { owner, place, tokens }));
        }
        if sorted {
            texts.sort_by_key(|text| text.tokens.ids.len());
        }
        Self { texts, cancels, open }
    }

    /// Computes the texts of a pass, but for those that nobody waits for any more.
    fn pass(&mut self, encoder: &mut Encoder, texts: Range<usize>) {
        self.drop_canceled();
        let texts: Vec<usize> = texts
            .filter(|&n| self.open.contains_key(&self.texts[n].owner))
            .collect();
        if texts.is_empty() {
            return;
        }
        let tokens: Vec<&Tokens> = texts.iter().map(|&n| &self.texts[n].tokens).collect();
        match encoder.forward(&tokens) {
            Ok(vectors) => self.keep(&texts, vectors),
            Err(error) => self.fail(&texts, &error),
        }
    }

    fn drop_canceled(&mut self) {
        for (owner, cancel) in self.cancels.iter().enumerate() {
            if cancel.is_canceled()
                && let Some(open) = self.open.remove(&owner)
            {
                open.member.canceled();
            }
        }
    }

    /// Puts the vectors of a pass in their places, and answers who has all of theirs.
    fn keep(&mut self, texts: &[usize], vectors: Vec<Vec<f32>>) {
        let mut touched = Vec::new();
        for (&n, vector) in texts.iter().zip(vectors) {
            let text = &self.texts[n];
            if let Some(owner) = self.open.get_mut(&text.owner) {
                owner.vectors[text.place] = vector;
                owner.missing -= 1;
                touched.push(text.owner);
            }
        }
        touched.sort_unstable();
        touched.dedup();
        for owner in touched {
            match self.open.get(&owner) {
                Some(open) if open.missing > 0 => {
                    let fraction = 1.0 - open.missing as f64 / open.vectors.len() as f64;
                    open.member.progress(fraction, "running");
                }
                _ => self.open.remove(&owner).into_iter().for_each(Open::answer),
            }
        }
    }

    fn fail(&mut self, texts: &[usize], detail: &str) {
        // A device says so in words only.
        let full = detail
            .to_ascii_lowercase()
            .replace('_', " ")
            .contains("out of memory");
        let code = if full {
            ErrorCode::OutOfMemory
        } else {
            ErrorCode::ModelError
        };
        for &n in texts {
            if let Some(open) = self.open.remove(&self.texts[n].owner) {
                open.member.failed(JobError::new(code, detail));
            }
        }
    }
}

impl Open {
    /// Answers a member whose vectors are all there.
    fn answer(self) {
        match self.ask.answer(self.vectors, self.tokens) {
            Ok(output) => self.member.done(output),
            Err(error) => self
                .member
                .failed(JobError::new(ErrorCode::ModelError, error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_keep_to_the_budget_and_the_order() {
        // Lengths, whether they are padded, and where each pass ends.
        let cases: [(&[usize], bool, &[usize]); 8] = [
            (&[], false, &[]),
            (&[7], false, &[1]),
            (&[40, 30, 30, 1], false, &[3, 4]),
            // Too long for any pass: alone.
            (&[5, 500, 4, 4], false, &[1, 2, 4]),
            (&[100, 100], false, &[1, 2]),
            // Padded, three times 40 is too much.
            (&[20, 30, 40], false, &[3]),
            (&[20, 30, 40], true, &[2, 3]),
            (&[25, 25, 25, 25, 25], true, &[4, 5]),
        ];
        for (lengths, padded, ends) in cases {
            let passes = passes(lengths, 100, padded);
            let begins = std::iter::once(0).chain(ends.iter().copied());
            let expected: Vec<Range<usize>> = begins.zip(ends).map(|(begin, end)| begin..*end).collect();
            assert_eq!(passes, expected, "{lengths:?}");
        }
    }
}
