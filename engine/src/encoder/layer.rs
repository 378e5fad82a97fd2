//! The weights of one layer, and of what stands before the first.

use super::{Config, Method};
use crate::{
    kernels::Kernels,
    matrix::Packed,
    weights::{Tensor, Weights},
};

/// A layer normalisation's weights.
#[derive(Debug)]
pub(super) struct Norm {
    gain: Vec<f32>,
    bias: Vec<f32>,
    epsilon: f32,
}

/// One layer.
#[derive(Debug)]
pub(super) struct Layer {
    /// Queries, keys and values, side by side; queries scaled for attention.
    pub qkv: Packed,
    /// Behind attention.
    pub out: Packed,
    /// After that.
    pub out_norm: Norm,
    /// To the intermediate size.
    pub up: Packed,
    /// And back.
    pub down: Packed,
    /// After that.
    pub down_norm: Norm,
}

/// From tokens to vectors.
#[derive(Debug)]
pub(super) struct Embedding {
    words: Tensor,
    positions: Tensor,
    offset: usize,
    /// One vector a kind of token.
    types: Vec<f32>,
    norm: Norm,
}

impl Norm {
    /// Older files call gain and bias gamma and beta.
    fn load(weights: &Weights, name: &str, config: &Config) -> Result<Self, String> {
        let part = |new: &str, old: &str| {
            let shape = [config.hidden];
            let new = weights.get(&format!("{name}.{new}"), &shape);
            let old = weights.get(&format!("{name}.{old}"), &shape);
            new.or_else(|error| old.map_err(|_| error)).map(Tensor::to_vec)
        };
        Ok(Self {
            gain: part("weight", "gamma")?,
            bias: part("bias", "beta")?,
            epsilon: config.epsilon,
        })
    }

    /// Normalises a row.
    pub(super) fn apply(&self, kernels: &Kernels, row: &mut [f32]) {
        kernels.normalise(row, &self.gain, &self.bias, self.epsilon);
    }
}

impl Layer {
    /// Packs the layer whose tensors' names begin with `prefix`.
    pub(super) fn load(
        weights: &Weights,
        prefix: &str,
        config: &Config,
        method: Method,
    ) -> Result<Self, String> {
        let (hidden, inside) = (config.hidden, config.intermediate);
        let scale = 1.0 / (config.head() as f32).sqrt();
        let attention = |part: &str| format!("{prefix}.attention.{part}");
        let qkv = [
            (attention("self.query"), scale),
            (attention("self.key"), 1.0),
            (attention("self.value"), 1.0),
        ];
        let one = |name: String| [(name, 1.0)];
        Ok(Self {
            qkv: pack(weights, &qkv, hidden, hidden, method)?,
            out: pack(weights, &one(attention("output.dense")), hidden, hidden, method)?,
            out_norm: Norm::load(weights, &attention("output.LayerNorm"), config)?,
            up: pack(
                weights,
                &one(format!("{prefix}.intermediate.dense")),
                hidden,
                inside,
                method,
            )?,
            down: pack(
                weights,
                &one(format!("{prefix}.output.dense")),
                inside,
                hidden,
                method,
            )?,
            down_norm: Norm::load(weights, &format!("{prefix}.output.LayerNorm"), config)?,
        })
    }
}

/// Packs linear layers of `inputs` × `outputs` side by side, each scaled.
fn pack(
    weights: &Weights,
    parts: &[(String, f32)],
    inputs: usize,
    outputs: usize,
    method: Method,
) -> Result<Packed, String> {
    // All are looked up before memory is spent.
    let tensors = parts
        .iter()
        .map(|(name, scale)| {
            let weight = weights.get(&format!("{name}.weight"), &[outputs, inputs])?;
            let bias = weights.get(&format!("{name}.bias"), &[outputs])?;
            Ok((weight, bias, *scale))
        })
        .collect::<Result<Vec<_>, String>>()?;
    let mut packed = Packed::new(method.kernels, method.paired, inputs, outputs * parts.len());
    let mut row = vec![0.0; inputs];
    for (part, (weight, bias, scale)) in tensors.into_iter().enumerate() {
        for (output, bias) in bias.to_vec().into_iter().enumerate() {
            weight.read(output, &mut row);
            row.iter_mut().for_each(|number| *number *= scale);
            packed.put(part * outputs + output, &row, bias * scale);
        }
    }
    Ok(packed)
}

impl Embedding {
    /// Takes the tables, which stay where they are.
    pub(super) fn load(weights: &Weights, prefix: &str, config: &Config) -> Result<Self, String> {
        let table = |name: &str, rows: usize| {
            weights.get(
                &format!("{prefix}embeddings.{name}_embeddings.weight"),
                &[rows, config.hidden],
            )
        };
        let types = match config.types {
            0 => Vec::new(),
            types => table("token_type", types)?.to_vec(),
        };
        Ok(Self {
            words: table("word", config.vocabulary)?.clone(),
            positions: table("position", config.positions)?.clone(),
            offset: config.position_offset,
            types,
            norm: Norm::load(weights, &format!("{prefix}embeddings.LayerNorm"), config)?,
        })
    }

    /// The vector of token `id` of kind `kind` at `position`; `spare` is as long as the vector.
    pub(super) fn write(
        &self,
        kernels: &Kernels,
        (id, kind, position): (u32, u32, usize),
        row: &mut [f32],
        spare: &mut [f32],
    ) {
        self.words.read(id as usize, row);
        if let Some(kind) = self.types.chunks_exact(row.len()).nth(kind as usize) {
            row.iter_mut().zip(kind).for_each(|(x, kind)| *x += kind);
        }
        self.positions.read(self.offset + position, spare);
        row.iter_mut()
            .zip(spare)
            .for_each(|(x, position)| *x += *position);
        self.norm.apply(kernels, row);
    }
}
