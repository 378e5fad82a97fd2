//! Convolutions with all that follows them.

use candle_core::{D, Result, Tensor};
use lamplighter_engine::conv::{Activation, Dense, Depthwise, Padding};

use super::{Feature, Place};

/// What a layer is made of.
#[derive(Debug)]
pub struct Parts {
    /// Side of its kernel.
    pub kernel: usize,
    /// Distance of windows.
    pub stride: usize,
    /// Whether each channel has a kernel of its own.
    pub depthwise: bool,
    /// Weights as torch orders them: outputs, inputs (one, where depthwise), rows, columns.
    pub weights: Vec<f32>,
    /// One number an output.
    pub bias: Vec<f32>,
    /// What follows.
    pub activation: Activation,
}

/// A convolution with all that follows it.
#[derive(Debug)]
pub struct Conv {
    kernel: usize,
    stride: usize,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Dense(Dense),
    Depthwise(Depthwise),
    Candle(Box<InCandle>),
}

#[derive(Debug)]
struct InCandle {
    weights: Tensor,
    bias: Tensor,
    groups: usize,
    activation: Activation,
    /// Of each output, where the activation has any.
    slopes: Option<Tensor>,
}

impl Conv {
    /// A layer where the model computes.
    ///
    /// # Errors
    /// Where the device refuses its weights.
    pub fn new(place: &Place, parts: Parts) -> Result<Self> {
        let Parts {
            kernel,
            stride,
            depthwise,
            weights,
            bias,
            activation,
        } = parts;
        let kind = match place {
            Place::Engine { isa, .. } if depthwise => {
                Kind::Depthwise(Depthwise::new(*isa, kernel, stride, &weights, &bias, activation))
            }
            Place::Engine { isa, .. } => {
                Kind::Dense(Dense::new(*isa, kernel, stride, &weights, &bias, activation))
            }
            Place::Candle(device) => {
                let outputs = bias.len();
                let inputs = weights.len() / outputs / kernel / kernel;
                let column = (1, outputs, 1, 1);
                let slopes = match &activation {
                    Activation::Prelu(slopes) => Some(Tensor::from_slice(slopes, column, device)?),
                    _ => None,
                };
                Kind::Candle(Box::new(InCandle {
                    weights: Tensor::from_vec(weights, (outputs, inputs, kernel, kernel), device)?,
                    bias: Tensor::from_vec(bias, column, device)?,
                    groups: if depthwise { outputs } else { 1 },
                    activation,
                    slopes,
                }))
            }
        };
        Ok(Self { kernel, stride, kind })
    }

    /// Convolves with zeros around, adds `residual`, activates.
    ///
    /// # Errors
    /// Where the device refuses it, or `input` is elsewhere.
    pub fn run(
        &self,
        place: &Place,
        input: &Feature,
        padding: Padding,
        residual: Option<&Feature>,
    ) -> Result<Feature> {
        match (&self.kind, place, input) {
            (Kind::Dense(layer), Place::Engine { pool, .. }, Feature::Engine(map)) => {
                let residual = match residual {
                    Some(Feature::Engine(map)) => Some(map),
                    _ => None,
                };
                Ok(Feature::Engine(layer.run(map, padding, residual, pool)))
            }
            (Kind::Depthwise(layer), Place::Engine { pool, .. }, Feature::Engine(map)) => {
                Ok(Feature::Engine(layer.run(map, padding, pool)))
            }
            (Kind::Candle(layer), _, Feature::Candle(tensor)) => {
                let residual = match residual {
                    Some(Feature::Candle(tensor)) => Some(tensor),
                    _ => None,
                };
                layer
                    .run(tensor, padding, self.stride, residual)
                    .map(Feature::Candle)
            }
            _ => candle_core::bail!("a layer and its input are in different places"),
        }
    }

    /// As [`Conv::run`], with as much around as makes an output of the input's size over the stride.
    ///
    /// # Errors
    /// As [`Conv::run`].
    pub fn run_same(&self, place: &Place, input: &Feature, residual: Option<&Feature>) -> Result<Feature> {
        let (height, width) = match input {
            Feature::Engine(map) => (map.height, map.width),
            Feature::Candle(tensor) => (tensor.dim(2)?, tensor.dim(D::Minus1)?),
        };
        let padding = Padding::same(height, width, self.kernel, self.stride);
        self.run(place, input, padding, residual)
    }
}

impl InCandle {
    fn run(
        &self,
        input: &Tensor,
        padding: Padding,
        stride: usize,
        residual: Option<&Tensor>,
    ) -> Result<Tensor> {
        let padded = input
            .pad_with_zeros(2, padding.top, padding.bottom)?
            .pad_with_zeros(3, padding.left, padding.right)?;
        let mut out = padded
            .conv2d(&self.weights, 0, stride, 1, self.groups)?
            .broadcast_add(&self.bias)?;
        if let Some(residual) = residual {
            out = (out + residual)?;
        }
        match (&self.activation, &self.slopes) {
            (Activation::Relu, _) => out.relu(),
            (Activation::Relu6, _) => out.clamp(0_f32, 6_f32),
            (Activation::Prelu(_), Some(slopes)) => {
                let below = out.minimum(0_f32)?.broadcast_mul(slopes)?;
                out.relu()? + below
            }
            _ => Ok(out),
        }
    }
}
