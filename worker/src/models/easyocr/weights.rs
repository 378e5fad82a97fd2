//! The networks' weights, batch normalisation folded into the convolutions that it follows.

use lamplighter_engine::vision::{Conv, Shape};
use safetensors::{Dtype, SafeTensors};

/// What batch normalisation adds to a variance.
const EPSILON: f32 = 1e-5;

/// The tensors of one network; names are those of the original.
pub struct Weights<'a> {
    tensors: SafeTensors<'a>,
    prefix: &'a str,
}

impl<'a> Weights<'a> {
    /// Of the bytes of a safetensors file: those whose names begin with `prefix` and a dot.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(bytes: &'a [u8], prefix: &'a str) -> Result<Self, String> {
        let tensors = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
        Ok(Self { tensors, prefix })
    }

    /// The numbers of a tensor of a known number of them.
    pub fn numbers(&self, name: &str, count: usize) -> Result<Vec<f32>, String> {
        let name = format!("{}.{name}", self.prefix);
        let tensor = self.tensors.tensor(&name).map_err(|error| error.to_string())?;
        if tensor.dtype() != Dtype::F32 || tensor.data().len() != 4 * count {
            return Err(format!(
                "{name} is {:?} of {:?}, not F32 of {count} numbers",
                tensor.dtype(),
                tensor.shape()
            ));
        }
        let (words, _) = tensor.data().as_chunks::<4>();
        Ok(words.iter().map(|word| f32::from_le_bytes(*word)).collect())
    }

    /// Weights and biases of a convolution, `norm` (if any) folded in.
    fn folded(
        &self,
        name: &str,
        norm: Option<&str>,
        shape: &Shape,
        biased: bool,
    ) -> Result<(Vec<f32>, Vec<f32>), String> {
        let mut weights = self.numbers(&format!("{name}.weight"), shape.weights())?;
        let mut bias = if biased {
            self.numbers(&format!("{name}.bias"), shape.output)?
        } else {
            vec![0.0; shape.output]
        };
        let Some(norm) = norm else {
            return Ok((weights, bias));
        };
        let list = |part: &str| self.numbers(&format!("{norm}.{part}"), shape.output);
        let (scale, shift) = (list("weight")?, list("bias")?);
        let (mean, variance) = (list("running_mean")?, list("running_var")?);
        let reach = shape.weights() / shape.output;
        for (output, window) in weights.chunks_exact_mut(reach).enumerate() {
            let factor = scale[output] / (variance[output] + EPSILON).sqrt();
            for weight in window {
                *weight *= factor;
            }
            bias[output] = (bias[output] - mean[output]) * factor + shift[output];
        }
        Ok((weights, bias))
    }

    /// A convolution with a bias of its own; `norm` names the batch normalisation after it.
    pub fn conv(&self, name: &str, norm: Option<&str>, shape: Shape) -> Result<Conv, String> {
        let (weights, bias) = self.folded(name, norm, &shape, true)?;
        Ok(Conv::new(shape, &weights, &bias))
    }

    /// A convolution without one.
    pub fn conv_unbiased(&self, name: &str, norm: Option<&str>, shape: Shape) -> Result<Conv, String> {
        let (weights, bias) = self.folded(name, norm, &shape, false)?;
        Ok(Conv::new(shape, &weights, &bias))
    }

    /// A convolution of one pixel over two inputs side by side, as two whose outputs are to be
    /// added; the second one has the bias.
    pub fn split(
        &self,
        name: &str,
        norm: &str,
        inputs: [usize; 2],
        output: usize,
    ) -> Result<[Conv; 2], String> {
        let both = inputs[0] + inputs[1];
        let (weights, bias) = self.folded(name, Some(norm), &Shape::point(both, output), true)?;
        let part = |from: usize, count: usize| -> Vec<f32> {
            weights
                .chunks_exact(both)
                .flat_map(|row| row[from..from + count].iter().copied())
                .collect()
        };
        Ok([
            Conv::new(
                Shape::point(inputs[0], output),
                &part(0, inputs[0]),
                &vec![0.0; output],
            ),
            Conv::new(
                Shape::point(inputs[1], output),
                &part(inputs[0], inputs[1]),
                &bias,
            ),
        ])
    }
}
