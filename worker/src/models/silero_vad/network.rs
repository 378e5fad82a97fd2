//! The network: a short-time Fourier transform as a convolution, four convolutions, a recurrent cell.

use std::path::Path;

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::VarBuilder;
use lamplighter_engine::audio::{Lstm, State};

/// Samples of a chunk.
pub(super) const CHUNK: usize = 512;
/// Samples of the chunk before that are seen with it.
const CONTEXT: usize = 64;
/// Samples mirrored at the end.
const MIRRORED: usize = 64;
/// Samples of a transform, and from one to the next.
const WINDOW: usize = 256;
const STRIDE: usize = 128;
/// Frequencies of a transform.
const BINS: usize = WINDOW / 2 + 1;
/// Numbers of the cell.
const HIDDEN: usize = 128;
/// In and out, and from one place to the next, of the convolutions.
const CONVOLUTIONS: [(usize, usize, usize); 4] = [(BINS, 128, 1), (128, 64, 2), (64, 64, 2), (64, 128, 1)];

/// The network in memory.
pub(super) struct Network {
    device: Device,
    transform: Tensor,
    convolutions: Vec<Convolution>,
    /// Of the cell's inputs: transposed weights, and both biases.
    inputs: Tensor,
    bias: Tensor,
    cell: Lstm,
    /// Of the last layer.
    weights: Vec<f32>,
    offset: f32,
}

struct Convolution {
    weight: Tensor,
    bias: Tensor,
    stride: usize,
}

/// What is carried from chunk to chunk.
pub(super) struct Heard {
    context: Vec<f32>,
    state: State,
}

impl Network {
    /// Reads the weights.
    pub(super) fn load(path: &Path, device: &Device) -> Result<Self> {
        let bytes = std::fs::read(path)?;
        let weights = VarBuilder::from_buffered_safetensors(bytes, DType::F32, device)?;
        let convolution = |(index, (inputs, outputs, stride)): (usize, (usize, usize, usize))| {
            let weights = weights.pp(format!("conv{}", index + 1));
            Ok(Convolution {
                weight: weights.get((outputs, inputs, 3), "weight")?,
                bias: weights.get(outputs, "bias")?.reshape((1, outputs, 1))?,
                stride,
            })
        };
        let cell = weights.pp("lstm_cell");
        let recurrent = cell
            .get((4 * HIDDEN, HIDDEN), "weight_hh")?
            .flatten_all()?
            .to_vec1::<f32>()?;
        let bias = (cell.get(4 * HIDDEN, "bias_ih")? + cell.get(4 * HIDDEN, "bias_hh")?)?;
        let last = weights.pp("final_conv");
        Ok(Self {
            device: device.clone(),
            transform: weights.get((2 * BINS, 1, WINDOW), "stft_conv.weight")?,
            convolutions: CONVOLUTIONS
                .into_iter()
                .enumerate()
                .map(convolution)
                .collect::<Result<_>>()?,
            inputs: cell.get((4 * HIDDEN, HIDDEN), "weight_ih")?.t()?.contiguous()?,
            bias,
            cell: Lstm::new(&recurrent, HIDDEN)
                .ok_or_else(|| candle_core::Error::Msg("the cell has another size".to_owned()))?,
            weights: last.get((1, HIDDEN, 1), "weight")?.flatten_all()?.to_vec1()?,
            offset: last.get(1, "bias")?.to_vec1::<f32>()?[0],
        })
    }

    /// Before the first chunk: silence.
    pub(super) fn start(&self) -> Heard {
        Heard {
            context: vec![0.0; CONTEXT],
            state: self.cell.start(),
        }
    }

    /// The probability of speech in each chunk of `samples`; the last chunk is filled up with silence.
    pub(super) fn listen(&self, samples: &[f32], heard: &mut Heard) -> Result<Vec<f32>> {
        let chunks = samples.len().div_ceil(CHUNK);
        let length = CONTEXT + CHUNK + MIRRORED;
        let mut rows = Vec::with_capacity(chunks * length);
        for chunk in samples.chunks(CHUNK) {
            let start = rows.len();
            rows.extend_from_slice(&heard.context);
            rows.extend_from_slice(chunk);
            rows.resize(start + CONTEXT + CHUNK, 0.0);
            let end = rows.len();
            heard.context.copy_from_slice(&rows[end - CONTEXT..]);
            for back in 2..MIRRORED + 2 {
                rows.push(rows[end - back]);
            }
        }
        let gates = self.gates(Tensor::from_vec(rows, (chunks, 1, length), &self.device)?)?;
        let mut outputs = Vec::with_capacity(chunks * HIDDEN);
        self.cell.run(&gates, &mut heard.state, &mut outputs);
        Ok(outputs
            .chunks_exact(HIDDEN)
            .map(|output| self.last(output))
            .collect())
    }

    /// What the inputs add to the gates of the cell, chunk after chunk.
    fn gates(&self, rows: Tensor) -> Result<Vec<f32>> {
        let parts = rows.conv1d(&self.transform, 0, STRIDE, 1, 1)?;
        let square = |start: usize| parts.narrow(1, start, BINS)?.sqr();
        let mut x = (square(0)? + square(BINS)?)?.sqrt()?;
        for Convolution { weight, bias, stride } in &self.convolutions {
            x = x.conv1d(weight, 1, *stride, 1, 1)?.broadcast_add(bias)?.relu()?;
        }
        let gates = x
            .squeeze(2)?
            .contiguous()?
            .matmul(&self.inputs)?
            .broadcast_add(&self.bias)?;
        gates.flatten_all()?.to_vec1()
    }

    fn last(&self, output: &[f32]) -> f32 {
        let sum: f32 = self
            .weights
            .iter()
            .zip(output)
            .map(|(weight, number)| weight * number.max(0.0))
            .sum();
        1.0 / (1.0 + (-(sum + self.offset)).exp())
    }
}
