//! Layers of picture models: the engine's kernels on a processor, candle's on another device. A model is
//! written once over [`Place`], [`Feature`] and [`Conv`].

use std::{collections::HashMap, path::Path};

use candle_core::{D, Device, Result, Tensor};
use lamplighter_engine::{
    conv::{Activation, Dense, Depthwise, Map, Padding},
    isa::Isa,
    pool::Pool,
};
use lamplighter_shared::job::JobError;

use super::{Files, unavailable};

/// Where a model computes.
#[derive(Debug)]
pub enum Place {
    /// On the processor, with the engine's kernels.
    Engine {
        /// Its instructions.
        isa: Isa,
        /// Its threads.
        pool: Pool,
    },
    /// With candle's kernels.
    Candle(Device),
}

impl Place {
    /// The engine with so many threads, where `device` is the processor.
    pub fn new(device: Device, threads: usize) -> Self {
        if device.is_cpu() {
            Self::engine(threads)
        } else {
            Self::Candle(device)
        }
    }

    /// The engine with so many threads.
    pub fn engine(threads: usize) -> Self {
        Self::Engine {
            isa: Isa::best(),
            pool: Pool::new(threads),
        }
    }

    /// What computes on other devices, on the processor: the yardstick of the engine.
    pub fn stock() -> Self {
        Self::Candle(Device::Cpu)
    }
}

/// One picture between two layers.
#[derive(Debug, Clone)]
pub enum Feature {
    /// In the engine.
    Engine(Map),
    /// In candle: one, channels, rows, columns.
    Candle(Tensor),
}

impl Feature {
    /// Takes a picture where the model computes.
    ///
    /// # Errors
    /// Where the device refuses it.
    pub fn new(map: Map, place: &Place) -> Result<Self> {
        match place {
            Place::Engine { .. } => Ok(Self::Engine(map)),
            Place::Candle(device) => {
                let shape = (1, map.height, map.width, map.channels);
                let tensor = Tensor::from_vec(map.data, shape, device)?;
                tensor.permute((0, 3, 1, 2))?.contiguous().map(Self::Candle)
            }
        }
    }

    /// Brings it back.
    ///
    /// # Errors
    /// Where the device refuses to give it.
    pub fn into_map(self) -> Result<Map> {
        match self {
            Self::Engine(map) => Ok(map),
            Self::Candle(tensor) => {
                let (_, channels, height, width) = tensor.dims4()?;
                let data = tensor.permute((0, 2, 3, 1))?.flatten_all()?.to_vec1()?;
                Ok(Map {
                    height,
                    width,
                    channels,
                    data,
                })
            }
        }
    }

    /// As [`Map::max_pool`].
    ///
    /// # Errors
    /// Where the device refuses it.
    pub fn max_pool(self, kernel: usize, stride: usize) -> Result<Self> {
        let tensor = match self {
            Self::Engine(map) => return Ok(Self::Engine(map.max_pool(kernel, stride))),
            Self::Candle(tensor) => tensor,
        };
        // A window that reaches over the edge sees its last row and column twice, which changes no maximum.
        let over = |side: usize| (kernel + (side.saturating_sub(kernel)).div_ceil(stride) * stride) - side;
        let (_, _, height, width) = tensor.dims4()?;
        let tensor = tensor
            .pad_with_same(2, 0, over(height))?
            .pad_with_same(3, 0, over(width))?;
        tensor.max_pool2d_with_stride(kernel, stride).map(Self::Candle)
    }

    /// The mean of each channel, as a picture of one pixel.
    ///
    /// # Errors
    /// Where the device refuses it.
    pub fn mean(self) -> Result<Self> {
        match self {
            Self::Engine(map) => {
                let data = map.mean();
                let channels = data.len();
                Ok(Self::Engine(Map {
                    height: 1,
                    width: 1,
                    channels,
                    data,
                }))
            }
            Self::Candle(tensor) => tensor.mean_keepdim((2, 3)).map(Self::Candle),
        }
    }
}

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

/// Named weights of a safetensors file.
pub struct Weights(HashMap<String, Tensor>);

impl Weights {
    /// Reads `model.safetensors`: the converted one, else that of the model's own folder.
    ///
    /// # Errors
    /// `model_unavailable`, where it can't be read.
    pub fn read(files: &Files) -> std::result::Result<Self, JobError> {
        let name = "model.safetensors";
        let converted = files.converted.join(name);
        let path = if converted.is_file() {
            converted
        } else {
            files.dir.join(name)
        };
        Self::of(&path).map_err(|error| unavailable(format!("{name}: {error}")))
    }

    fn of(path: &Path) -> Result<Self> {
        candle_core::safetensors::load(path, &Device::Cpu).map(Self)
    }

    /// The numbers of a tensor, which has this shape.
    ///
    /// # Errors
    /// `model_unavailable`, where it is missing or has another shape.
    pub fn get(&self, name: &str, shape: &[usize]) -> std::result::Result<Vec<f32>, JobError> {
        let tensor = self
            .0
            .get(name)
            .ok_or_else(|| unavailable(format!("model.safetensors has no tensor {name}")))?;
        if tensor.dims() != shape {
            let found = tensor.dims();
            return Err(unavailable(format!(
                "tensor {name} has the shape {found:?}, expected {shape:?}"
            )));
        }
        let numbers = tensor.flatten_all().and_then(|tensor| tensor.to_vec1());
        numbers.map_err(|error| unavailable(format!("tensor {name}: {error}")))
    }
}
