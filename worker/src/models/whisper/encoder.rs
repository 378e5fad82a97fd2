//! The encoder: from 30 seconds of a mel spectrogram to 1,500 vectors.

use candle_core::{Module, Result, Tensor};
use candle_nn::{LayerNorm, VarBuilder};

use super::layers::{Feed, Linear, attend, heads, norm};

/// The encoder in memory.
pub(super) struct Encoder {
    first: Tensor,
    first_bias: Tensor,
    second: Tensor,
    second_bias: Tensor,
    positions: Tensor,
    layers: Vec<Layer>,
    norm: LayerNorm,
}

struct Layer {
    norm: LayerNorm,
    /// Queries, keys and values.
    merged: Linear,
    out: Linear,
    feed: Feed,
}

impl Layer {
    fn load(size: usize, weights: &VarBuilder) -> Result<Self> {
        let attention = weights.pp("self_attn");
        let parts = ["q_proj", "k_proj", "v_proj"].map(|name| (size, attention.pp(name)));
        Ok(Self {
            norm: norm(size, &weights.pp("self_attn_layer_norm"))?,
            merged: Linear::merged(size, &parts)?,
            out: Linear::load(size, size, &attention.pp("out_proj"))?,
            feed: Feed::load(size, weights)?,
        })
    }

    /// Head by head, so that the scores of all need not be in memory at once.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let merged = heads(&self.merged.forward(&self.norm.forward(x)?)?, 3)?;
        let count = merged[0].dim(0)?;
        let head = |index: usize| {
            let part = |part: usize| merged[part].narrow(0, index, 1);
            attend(&part(0)?, &part(1)?, &part(2)?, None)
        };
        let mixed = (0..count).map(head).collect::<Result<Vec<_>>>()?;
        let x = (x + self.out.forward(&Tensor::cat(&mixed, 1)?)?)?;
        self.feed.add(&x)
    }
}

impl Encoder {
    /// Reads the weights, in the names of a hub.
    pub(super) fn load(
        size: usize,
        layers: usize,
        mels: usize,
        places: usize,
        weights: &VarBuilder,
    ) -> Result<Self> {
        let convolution = |name: &str, inputs: usize| {
            let weights = weights.pp(name);
            Ok::<_, candle_core::Error>((
                weights.get((size, inputs, 3), "weight")?,
                weights.get(size, "bias")?.reshape((1, size, 1))?,
            ))
        };
        let (first, first_bias) = convolution("conv1", mels)?;
        let (second, second_bias) = convolution("conv2", size)?;
        let layer = |index: usize| Layer::load(size, &weights.pp("layers").pp(index));
        Ok(Self {
            first,
            first_bias,
            second,
            second_bias,
            positions: weights.get((places, size), "embed_positions.weight")?,
            layers: (0..layers).map(layer).collect::<Result<_>>()?,
            norm: norm(size, &weights.pp("layer_norm"))?,
        })
    }

    /// Vectors (places, size) of a spectrogram (mels, twice as many places); none where `stop` says so.
    pub(super) fn forward(&self, mel: &Tensor, stop: &dyn Fn() -> bool) -> Result<Option<Tensor>> {
        let x = mel.unsqueeze(0)?.conv1d(&self.first, 1, 1, 1, 1)?;
        let x = x.broadcast_add(&self.first_bias)?.gelu_erf()?;
        if stop() {
            return Ok(None);
        }
        let x = x
            .conv1d(&self.second, 1, 2, 1, 1)?
            .broadcast_add(&self.second_bias)?
            .gelu_erf()?;
        let mut x = (x.squeeze(0)?.t()?.contiguous()? + &self.positions)?;
        for layer in &self.layers {
            if stop() {
                return Ok(None);
            }
            x = layer.forward(&x)?;
        }
        self.norm.forward(&x).map(Some)
    }
}
