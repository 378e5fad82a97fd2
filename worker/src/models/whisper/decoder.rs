//! The decoder: from the encoder's vectors and the tokens so far to what the next token may be. Keys and values
//! of the sound are computed once a window, those of a token once.

use candle_core::{Device, Module, Result, Tensor};
use candle_nn::{LayerNorm, VarBuilder};

use super::layers::{Feed, HEAD, Linear, attend, heads, norm};

/// The decoder in memory.
pub(super) struct Decoder {
    /// A vector a token; also what the last layer is compared with.
    embeddings: Tensor,
    positions: Tensor,
    layers: Vec<Layer>,
    norm: LayerNorm,
    size: usize,
}

struct Layer {
    own_norm: LayerNorm,
    own: Linear,
    own_out: Linear,
    sound_norm: LayerNorm,
    sound_query: Linear,
    /// Keys and values of the sound.
    sound: Linear,
    sound_out: Linear,
    feed: Feed,
}

/// What is kept of a window: for each layer the keys and values of the sound, and room for those of the tokens.
pub(super) struct Memory {
    layers: Vec<Kept>,
    /// Tokens in it.
    length: usize,
}

struct Kept {
    sound: Vec<Tensor>,
    keys: Tensor,
    values: Tensor,
}

impl Memory {
    /// Forgets all tokens after the first `length`.
    pub(super) fn rewind(&mut self, length: usize) {
        self.length = self.length.min(length);
    }
}

impl Layer {
    fn load(size: usize, weights: &VarBuilder) -> Result<Self> {
        let (own, sound) = (weights.pp("self_attn"), weights.pp("encoder_attn"));
        let parts = ["q_proj", "k_proj", "v_proj"].map(|name| (size, own.pp(name)));
        let pair = ["k_proj", "v_proj"].map(|name| (size, sound.pp(name)));
        Ok(Self {
            own_norm: norm(size, &weights.pp("self_attn_layer_norm"))?,
            own: Linear::merged(size, &parts)?,
            own_out: Linear::load(size, size, &own.pp("out_proj"))?,
            sound_norm: norm(size, &weights.pp("encoder_attn_layer_norm"))?,
            sound_query: Linear::load(size, size, &sound.pp("q_proj"))?,
            sound: Linear::merged(size, &pair)?,
            sound_out: Linear::load(size, size, &sound.pp("out_proj"))?,
            feed: Feed::load(size, weights)?,
        })
    }

    fn forward(&self, x: &Tensor, kept: &Kept, before: usize, mask: Option<&Tensor>) -> Result<Tensor> {
        let merged = heads(&self.own.forward(&self.own_norm.forward(x)?)?, 3)?;
        kept.keys.slice_set(&merged[1], 1, before)?;
        kept.values.slice_set(&merged[2], 1, before)?;
        let length = before + x.dim(0)?;
        let (keys, values) = (kept.keys.narrow(1, 0, length)?, kept.values.narrow(1, 0, length)?);
        let x = (x + self.own_out.forward(&attend(&merged[0], &keys, &values, mask)?)?)?;
        let query = heads(&self.sound_query.forward(&self.sound_norm.forward(&x)?)?, 1)?;
        let heard = attend(&query[0], &kept.sound[0], &kept.sound[1], None)?;
        let x = (&x + self.sound_out.forward(&heard)?)?;
        self.feed.add(&x)
    }
}

impl Decoder {
    /// Reads the weights, in the names of a hub.
    pub(super) fn load(
        size: usize,
        layers: usize,
        words: usize,
        places: usize,
        weights: &VarBuilder,
    ) -> Result<Self> {
        let layer = |index: usize| Layer::load(size, &weights.pp("layers").pp(index));
        Ok(Self {
            embeddings: weights.get((words, size), "embed_tokens.weight")?,
            positions: weights.get((places, size), "embed_positions.weight")?,
            layers: (0..layers).map(layer).collect::<Result<_>>()?,
            norm: norm(size, &weights.pp("layer_norm"))?,
            size,
        })
    }

    fn device(&self) -> &Device {
        self.embeddings.device()
    }

    /// Tokens a window may have.
    pub(super) fn places(&self) -> usize {
        self.positions.dims()[0]
    }

    /// Begins a window.
    pub(super) fn memory(&self, sound: &Tensor) -> Result<Memory> {
        let room = (self.size / HEAD, self.places(), HEAD);
        let kept = |layer: &Layer| {
            Ok(Kept {
                sound: heads(&layer.sound.forward(sound)?, 2)?,
                keys: Tensor::zeros(room, sound.dtype(), sound.device())?,
                values: Tensor::zeros(room, sound.dtype(), sound.device())?,
            })
        };
        let layers = self.layers.iter().map(kept).collect::<Result<_>>()?;
        Ok(Memory { layers, length: 0 })
    }

    /// Takes further tokens; gives the vectors of each.
    pub(super) fn forward(&self, tokens: &[u32], memory: &mut Memory) -> Result<Tensor> {
        let (before, count) = (memory.length, tokens.len());
        if before + count > self.places() {
            candle_core::bail!("{} tokens are more than the model has places for", before + count);
        }
        let ids = Tensor::new(tokens, self.device())?;
        let places = self.positions.narrow(0, before, count)?;
        let mut x = (self.embeddings.index_select(&ids, 0)? + places)?;
        let mask = self.mask(before, count)?;
        for (layer, kept) in self.layers.iter().zip(&memory.layers) {
            x = layer.forward(&x, kept, before, mask.as_ref())?;
        }
        memory.length += count;
        self.norm.forward(&x)
    }

    /// A token sees those before it only.
    fn mask(&self, before: usize, count: usize) -> Result<Option<Tensor>> {
        if count == 1 {
            return Ok(None);
        }
        let length = before + count;
        let hidden = |row: usize, column: usize| {
            if column > before + row {
                f32::NEG_INFINITY
            } else {
                0.0
            }
        };
        let mask = (0..count).flat_map(|row| (0..length).map(move |column| hidden(row, column)));
        Tensor::from_vec(mask.collect(), (1, count, length), self.device()).map(Some)
    }

    /// How much each token of the vocabulary would fit after row `row` of what [`Self::forward`] gave.
    pub(super) fn logits(&self, rows: &Tensor, row: usize) -> Result<Vec<f32>> {
        let logits = rows.narrow(0, row, 1)?.matmul(&self.embeddings.t()?)?;
        logits.flatten_all()?.to_vec1()
    }
}
