//! What encoder and decoder are made of.

use candle_core::{Module, Result, Tensor};
use candle_nn::{LayerNorm, VarBuilder, ops::softmax_last_dim};

/// Numbers of a head, in every Whisper.
pub(super) const HEAD: usize = 64;
const EPSILON: f64 = 1e-5;

/// A matrix, transposed, and what is added.
pub(super) struct Linear {
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    /// `outputs` from `inputs`.
    pub(super) fn load(inputs: usize, outputs: usize, weights: &VarBuilder) -> Result<Self> {
        Self::merged(inputs, &[(outputs, weights.clone())])
    }

    /// Several in one, their outputs side by side; one without a bias gets zeros.
    pub(super) fn merged(inputs: usize, parts: &[(usize, VarBuilder)]) -> Result<Self> {
        let weight = |(outputs, weights): &(usize, VarBuilder)| weights.get((*outputs, inputs), "weight");
        let bias = |(outputs, weights): &(usize, VarBuilder)| match weights.contains_tensor("bias") {
            true => weights.get(*outputs, "bias"),
            false => Tensor::zeros(*outputs, weights.dtype(), weights.device()),
        };
        let all = |parts: Result<Vec<Tensor>>| Tensor::cat(&parts?, 0);
        Ok(Self {
            weight: all(parts.iter().map(weight).collect())?,
            bias: all(parts.iter().map(bias).collect())?,
        })
    }

    /// Of rows.
    pub(super) fn forward(&self, rows: &Tensor) -> Result<Tensor> {
        rows.matmul(&self.weight.t()?)?.broadcast_add(&self.bias)
    }
}

pub(super) fn norm(size: usize, weights: &VarBuilder) -> Result<LayerNorm> {
    candle_nn::layer_norm(size, EPSILON, weights.clone())
}

/// Two layers with a bend between.
pub(super) struct Feed {
    norm: LayerNorm,
    wide: Linear,
    narrow: Linear,
}

impl Feed {
    pub(super) fn load(size: usize, weights: &VarBuilder) -> Result<Self> {
        Ok(Self {
            norm: norm(size, &weights.pp("final_layer_norm"))?,
            wide: Linear::load(size, 4 * size, &weights.pp("fc1"))?,
            narrow: Linear::load(4 * size, size, &weights.pp("fc2"))?,
        })
    }

    /// Adds its part to `x`.
    pub(super) fn add(&self, x: &Tensor) -> Result<Tensor> {
        let wide = self.wide.forward(&self.norm.forward(x)?)?.gelu_erf()?;
        x + self.narrow.forward(&wide)?
    }
}

/// Rows of `parts` vectors side by side become `parts` tensors of (heads, rows, [`HEAD`]).
pub(super) fn heads(rows: &Tensor, parts: usize) -> Result<Vec<Tensor>> {
    let (count, width) = rows.dims2()?;
    let split = rows.reshape((count, parts, width / parts / HEAD, HEAD))?;
    let split = split.permute((1, 2, 0, 3))?.contiguous()?;
    (0..parts).map(|part| split.get(part)).collect()
}

/// Attention of queries to keys and values, all (heads, rows, [`HEAD`]); `mask` is added to the scores.
pub(super) fn attend(
    queries: &Tensor,
    keys: &Tensor,
    values: &Tensor,
    mask: Option<&Tensor>,
) -> Result<Tensor> {
    let (heads, rows, _) = queries.dims3()?;
    let scores = (queries * (HEAD as f64).powf(-0.5))?.matmul(&keys.t()?)?;
    let scores = match mask {
        Some(mask) => scores.broadcast_add(mask)?,
        None => scores,
    };
    let mixed = softmax_last_dim(&scores)?.matmul(values)?;
    mixed.transpose(0, 1)?.reshape((rows, heads * HEAD))
}
