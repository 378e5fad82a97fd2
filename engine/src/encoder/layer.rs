//! The weights of one layer, and of what stands before the first.

use super::Config;
use crate::{
    buffer::Buffer,
    kernels::Kernels,
    matrix::{Method, Packed},
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

/// Linear layers of `inputs` × `outputs`, side by side in one matrix; each name with a factor.
struct Linear {
    parts: Vec<(String, f32)>,
    inputs: usize,
    outputs: usize,
}

impl Layer {
    /// Its four matrices, in the order that rows go through them.
    fn linears(prefix: &str, config: &Config) -> [Linear; 4] {
        let (hidden, inside) = (config.hidden, config.intermediate);
        let scale = 1.0 / (config.head() as f32).sqrt();
        let linear = |parts: &[(&str, f32)], inputs, outputs| Linear {
            parts: parts
                .iter()
                .map(|(name, factor)| (format!("{prefix}.{name}"), *factor))
                .collect(),
            inputs,
            outputs,
        };
        let qkv = [
            ("attention.self.query", scale),
            ("attention.self.key", 1.0),
            ("attention.self.value", 1.0),
        ];
        [
            linear(&qkv, hidden, hidden),
            linear(&[("attention.output.dense", 1.0)], hidden, hidden),
            linear(&[("intermediate.dense", 1.0)], hidden, inside),
            linear(&[("output.dense", 1.0)], inside, hidden),
        ]
    }

    /// Numbers that its matrices take. All tensors are there and of the right shape.
    pub(super) fn room(
        weights: &Weights,
        prefix: &str,
        config: &Config,
        method: Method,
    ) -> Result<usize, String> {
        let mut room = 0;
        for linear in Self::linears(prefix, config) {
            for (name, _) in &linear.parts {
                weights.get(&format!("{name}.weight"), &[linear.outputs, linear.inputs])?;
                weights.get(&format!("{name}.bias"), &[linear.outputs])?;
            }
            room += Packed::room(method, linear.inputs, linear.outputs * linear.parts.len());
        }
        Ok(room)
    }

    /// Packs the layer whose tensors' names begin with `prefix`.
    pub(super) fn load(
        weights: &Weights,
        prefix: &str,
        config: &Config,
        method: Method,
        room: &mut Buffer,
    ) -> Result<Self, String> {
        let [qkv, out, up, down] = Self::linears(prefix, config);
        let norm = |name: &str| Norm::load(weights, &format!("{prefix}.{name}.LayerNorm"), config);
        Ok(Self {
            qkv: qkv.pack(weights, method, room)?,
            out: out.pack(weights, method, room)?,
            out_norm: norm("attention.output")?,
            up: up.pack(weights, method, room)?,
            down: down.pack(weights, method, room)?,
            down_norm: norm("output")?,
        })
    }
}

impl Linear {
    fn pack(&self, weights: &Weights, method: Method, room: &mut Buffer) -> Result<Packed, String> {
        let (inputs, outputs) = (self.inputs, self.outputs);
        let mut packed = Packed::new(method, inputs, outputs * self.parts.len(), room);
        let mut row = vec![0.0; inputs];
        for (part, (name, factor)) in self.parts.iter().enumerate() {
            let weight = weights.get(&format!("{name}.weight"), &[outputs, inputs])?;
            let bias = weights.get(&format!("{name}.bias"), &[outputs])?;
            for (output, bias) in bias.to_vec().into_iter().enumerate() {
                weight.read(output, &mut row);
                row.iter_mut().for_each(|number| *number *= factor);
                packed.put(part * outputs + output, &row, bias * factor);
            }
        }
        Ok(packed)
    }
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
