//! The shape of an encoder.

use crate::tile::Activation;

/// Largest size of anything: a configuration that says more is lying.
const LARGEST: usize = 1 << 24;

/// The shape of an encoder, as its `config.json` gives it.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Tokens that have a vector.
    pub vocabulary: usize,
    /// Numbers of a token's vector.
    pub hidden: usize,
    /// Layers.
    pub layers: usize,
    /// Attention heads; they share `hidden` evenly.
    pub heads: usize,
    /// Numbers of a token inside of a layer's feed-forward part.
    pub intermediate: usize,
    /// Rows of the table of positions.
    pub positions: usize,
    /// Position of the first token: 0 in BERT; the padding token's id + 1 in RoBERTa and its kin.
    pub position_offset: usize,
    /// Kinds of token (first text, second text); 0 where the model knows none.
    pub types: usize,
    /// What keeps layer normalisation from dividing by zero.
    pub epsilon: f32,
    /// What activates the feed-forward part.
    pub activation: Activation,
}

impl Config {
    /// Most tokens of one text.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.positions.saturating_sub(self.position_offset)
    }

    /// Numbers of one head.
    pub(super) fn head(&self) -> usize {
        self.hidden / self.heads
    }

    /// Whether sizes make sense.
    pub(super) fn check(&self) -> Result<(), String> {
        let sizes = [
            ("vocabulary", self.vocabulary),
            ("hidden size", self.hidden),
            ("number of layers", self.layers),
            ("number of heads", self.heads),
            ("intermediate size", self.intermediate),
            ("number of positions", self.longest()),
        ];
        for (name, size) in sizes {
            if size == 0 || size > LARGEST {
                return Err(format!("a {name} of {size} is not supported"));
            }
        }
        if self.layers > 1024 {
            return Err(format!("{} layers are too many", self.layers));
        }
        if !self.hidden.is_multiple_of(self.heads) {
            return Err(format!(
                "the hidden size {} is not a multiple of the {} heads",
                self.hidden, self.heads
            ));
        }
        if !(self.epsilon.is_finite() && self.epsilon >= 0.0) {
            return Err(format!("a layer norm epsilon of {} is no use", self.epsilon));
        }
        Ok(())
    }
}
