//! A step as the model sees it: the tokens of all sequences one behind the other, each with its position.

use std::ops::Range;

use super::Step;

/// A packed batch.
pub(super) struct Plan {
    /// Tokens of all sequences, in order.
    pub tokens: Vec<u32>,
    /// Rows of each sequence in the batch.
    pub spans: Vec<Range<usize>>,
    /// Position of the first row of each sequence.
    pub starts: Vec<usize>,
    /// Rows whose logits are wanted.
    pub wanted: Vec<usize>,
    /// Cosine of each row and pair.
    pub cos: Vec<f32>,
    /// Sine of each row and pair.
    pub sin: Vec<f32>,
}

impl Plan {
    /// Lines the batch up. `turns`: what each pair of a head turns by from one position to the next.
    pub(super) fn new(batch: &[Step<'_>], turns: &[f64]) -> Self {
        let rows = batch.iter().map(|step| step.tokens.len()).sum();
        let mut plan = Self {
            tokens: Vec::with_capacity(rows),
            spans: Vec::with_capacity(batch.len()),
            starts: Vec::with_capacity(batch.len()),
            wanted: Vec::new(),
            cos: Vec::with_capacity(rows * turns.len()),
            sin: Vec::with_capacity(rows * turns.len()),
        };
        for step in batch {
            let first = plan.tokens.len();
            plan.tokens.extend_from_slice(step.tokens);
            plan.spans.push(first..plan.tokens.len());
            plan.starts.push(step.sequence.length);
            if step.logits {
                plan.wanted.push(plan.tokens.len() - 1);
            }
            for position in step.sequence.length..step.sequence.length + step.tokens.len() {
                for turn in turns {
                    let (sin, cos) = (turn * position as f64).sin_cos();
                    plan.cos.push(cos as f32);
                    plan.sin.push(sin as f32);
                }
            }
        }
        plan
    }
}
