//! Layers of picture models: the engine's kernels on a processor, candle's on another device. A model is
//! written once over [`Place`], [`Feature`] and [`Conv`].

mod convolution;
mod weights;

use candle_core::{Device, Result, Tensor};
use lamplighter_engine::{conv::Map, isa::Isa, pool::Pool};

pub use self::{
    convolution::{Conv, Parts},
    weights::Weights,
};

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
