//! Encoders of BERT's shape: BERT, RoBERTa, XLM-R and what was trained from them, whatever stands on top.
//!
//! Texts are packed: the rows of all tokens of all texts stand one after the other, without padding. A
//! text's result does not depend on what it is computed with, to the last bit.

mod attention;
mod config;
mod forward;
mod layer;

use std::fmt;

pub use self::config::Config;
use self::layer::{Embedding, Layer};
pub use crate::tile::Activation;
use crate::{buffer::Buffer, isa::Isa, kernels::Kernels, matrix::Method, pool::Pool, weights::Weights};

/// What matrix products are computed in. All else is f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// f32.
    #[default]
    F32,
    /// Products of bf16, summed up as f32; weights take half the memory. Needs a processor that has it.
    Bf16,
}

/// A text: its tokens, with the special ones.
#[derive(Debug, Clone, Copy)]
pub struct Text<'a> {
    /// Token ids, at least one.
    pub ids: &'a [u32],
    /// The kind of each token (0 in the first text of a pair, 1 in the second), or empty for 0 throughout.
    pub types: &'a [u32],
}

/// An encoder in memory. Tables of vectors are read where they are, in what [`Weights`] refer to; the matrices
/// are packed copies.
#[derive(Debug)]
pub struct Encoder {
    config: Config,
    embedding: Embedding,
    layers: Vec<Layer>,
    kernels: &'static Kernels,
}

/// Room that passes compute in; it grows to the largest and is used again.
#[derive(Debug, Default)]
pub struct Scratch {
    rows: Buffer,
    qkv: Buffer,
    mixed: Buffer,
    inner: Buffer,
    lanes: Vec<Lane>,
}

/// One lane's own room.
#[derive(Debug, Default)]
struct Lane {
    keys: Buffer,
    values: Buffer,
    scores: Buffer,
    pairs: Buffer,
}

/// Why texts can't be computed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit(String);

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unfit {}

impl Encoder {
    /// Packs the weights of an encoder of this shape. Names are those of Hugging Face's BERT, with or without a
    /// model's name in front (`bert.`, `roberta.`).
    ///
    /// # Errors
    /// Where a tensor is missing or has another shape, the configuration makes no sense, or the processor has no
    /// bf16: what is wrong, in words.
    pub fn new(config: Config, weights: &Weights, isa: Isa, precision: Precision) -> Result<Self, String> {
        config.check()?;
        let kernels = Kernels::of(isa);
        let method = match precision {
            Precision::F32 => Method {
                kernels,
                paired: false,
            },
            Precision::Bf16 => Method {
                kernels: Kernels::bf16().ok_or(
                    "this processor does not multiply bf16 numbers (AVX512-BF16): f32 is the choice",
                )?,
                paired: true,
            },
        };
        let word = "embeddings.word_embeddings.weight";
        let prefix = weights
            .names()
            .filter_map(|name| name.strip_suffix(word))
            .min_by_key(|prefix| prefix.len())
            .ok_or_else(|| format!("there is no tensor {word:?}"))?;
        let names: Vec<String> = (0..config.layers)
            .map(|n| format!("{prefix}encoder.layer.{n}"))
            .collect();
        // All is looked up before memory is spent.
        let rooms = names
            .iter()
            .map(|name| Layer::room(weights, name, &config, method));
        let mut room = Buffer::zeros(rooms.sum::<Result<usize, String>>()?);
        Ok(Self {
            embedding: Embedding::load(weights, prefix, &config)?,
            layers: names
                .iter()
                .map(|name| Layer::load(weights, name, &config, method, &mut room))
                .collect::<Result<_, _>>()?,
            config,
            kernels,
        })
    }

    /// The last layer's vectors: `hidden` numbers for each token of the first text, then of the next.
    ///
    /// # Errors
    /// Where a text has no token or too many, or a token that the model does not know.
    pub fn forward<'s>(
        &self,
        pool: &Pool,
        scratch: &'s mut Scratch,
        texts: &[Text<'_>],
    ) -> Result<&'s [f32], Unfit> {
        for text in texts {
            self.check(text)?;
        }
        let tokens = texts.iter().map(|text| text.ids.len()).sum::<usize>();
        scratch.fit(&self.config, tokens, pool.lanes());
        forward::run(self, pool, scratch, texts);
        Ok(&scratch.rows[..tokens * self.config.hidden])
    }

    fn check(&self, text: &Text<'_>) -> Result<(), Unfit> {
        let (len, longest) = (text.ids.len(), self.config.longest());
        if len == 0 || len > longest {
            return Err(Unfit(format!(
                "a text of {len} tokens; the model takes 1 to {longest}"
            )));
        }
        if !(text.types.is_empty() || text.types.len() == len) {
            return Err(Unfit(format!("{len} tokens, but {} types", text.types.len())));
        }
        if let Some(id) = text.ids.iter().find(|id| **id as usize >= self.config.vocabulary) {
            return Err(Unfit(format!(
                "token {id} is not in the vocabulary of {}",
                self.config.vocabulary
            )));
        }
        let kinds = self.config.types.max(1);
        if let Some(kind) = text.types.iter().find(|kind| **kind as usize >= kinds) {
            return Err(Unfit(format!("a token of type {kind}; the model has {kinds}")));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
