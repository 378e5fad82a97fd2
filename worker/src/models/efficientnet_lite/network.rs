//! EfficientNet-Lite0: a stem, sixteen inverted bottlenecks without squeeze and excitation, a head. Batch
//! normalisation is folded into the weights when they are loaded; every activation is ReLU6.

use candle_core::Result;
use lamplighter_engine::conv::{Activation, Map};
use lamplighter_shared::job::JobError;

use super::super::{
    Files,
    layers::{Conv, Feature, Parts, Place, Weights},
    unavailable,
};

/// Side of the pictures it takes.
pub const SIDE: usize = 224;
/// Labels it knows.
pub const CLASSES: usize = 1000;
/// What batch normalisation adds to a variance.
const EPSILON: f32 = 1e-3;
/// Channels after the stem and after the head.
const STEM: usize = 32;
const HEAD: usize = 1280;

/// Bottlenecks of a kind: how many, side of the kernel, stride of the first, channels inside for each that
/// comes in, channels that come out.
const STAGES: [[usize; 5]; 7] = [
    [1, 3, 1, 1, 16],
    [2, 3, 2, 6, 24],
    [2, 5, 2, 6, 40],
    [3, 3, 2, 6, 80],
    [3, 5, 1, 6, 112],
    [4, 5, 2, 6, 192],
    [1, 3, 1, 6, 320],
];

/// The network in memory.
pub struct Network {
    place: Place,
    stem: Conv,
    blocks: Vec<Block>,
    head: Conv,
    classes: Conv,
}

/// A bottleneck.
struct Block {
    expand: Option<Conv>,
    depthwise: Conv,
    project: Conv,
    /// Whether what came in is added to what comes out.
    skips: bool,
}

/// Shape of a convolution before normalisation.
struct Shape {
    kernel: usize,
    stride: usize,
    inputs: usize,
    outputs: usize,
    depthwise: bool,
    activation: Activation,
}

impl Shape {
    fn point(inputs: usize, outputs: usize, activation: Activation) -> Self {
        Self {
            kernel: 1,
            stride: 1,
            inputs,
            outputs,
            depthwise: false,
            activation,
        }
    }
}

impl Network {
    /// Loads the network.
    ///
    /// # Errors
    /// `model_unavailable`, where a tensor is missing or has another shape.
    pub fn load(files: &Files, place: Place) -> std::result::Result<Self, JobError> {
        let weights = Weights::read(files)?;
        let load = |conv: &str, norm: &str, shape: Shape| folded(&weights, &place, conv, norm, shape);
        let stem = Shape {
            kernel: 3,
            stride: 2,
            inputs: 3,
            outputs: STEM,
            depthwise: false,
            activation: Activation::Relu6,
        };
        let stem = load("_conv_stem", "_bn0", stem)?;
        let mut blocks = Vec::new();
        let mut inputs = STEM;
        for [count, kernel, first_stride, factor, outputs] in STAGES {
            for index in 0..count {
                let stride = if index == 0 { first_stride } else { 1 };
                let name = format!("_blocks.{}.", blocks.len());
                let block = Bottleneck {
                    kernel,
                    stride,
                    factor,
                    inputs,
                    outputs,
                };
                blocks.push(block.load(&weights, &place, &name)?);
                inputs = outputs;
            }
        }
        let head = load(
            "_conv_head",
            "_bn1",
            Shape::point(inputs, HEAD, Activation::Relu6),
        )?;
        let classes = Parts {
            kernel: 1,
            stride: 1,
            depthwise: false,
            weights: weights.get("_fc.weight", &[CLASSES, HEAD])?,
            bias: weights.get("_fc.bias", &[CLASSES])?,
            activation: Activation::None,
        };
        let classes = Conv::new(&place, classes).map_err(|error| unavailable(error.to_string()))?;
        Ok(Self {
            place,
            stem,
            blocks,
            head,
            classes,
        })
    }

    /// The logits of a picture of [`SIDE`] pixels a side, normalised.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn logits(&self, picture: Map) -> Result<Vec<f32>> {
        let place = &self.place;
        let mut x = self.stem.run_same(place, &Feature::new(picture, place)?, None)?;
        for block in &self.blocks {
            let inside = match &block.expand {
                Some(expand) => Some(expand.run_same(place, &x, None)?),
                None => None,
            };
            let inside = block
                .depthwise
                .run_same(place, inside.as_ref().unwrap_or(&x), None)?;
            x = block
                .project
                .run_same(place, &inside, block.skips.then_some(&x))?;
        }
        let features = self.head.run_same(place, &x, None)?.mean()?;
        Ok(self.classes.run_same(place, &features, None)?.into_map()?.data)
    }
}

/// A bottleneck to be loaded.
struct Bottleneck {
    kernel: usize,
    stride: usize,
    factor: usize,
    inputs: usize,
    outputs: usize,
}

impl Bottleneck {
    fn load(&self, weights: &Weights, place: &Place, name: &str) -> std::result::Result<Block, JobError> {
        let &Self {
            kernel,
            stride,
            factor,
            inputs,
            outputs,
        } = self;
        let inside = inputs * factor;
        let load = |conv: &str, norm: &str, shape: Shape| {
            folded(
                weights,
                place,
                &format!("{name}{conv}"),
                &format!("{name}{norm}"),
                shape,
            )
        };
        let expand = Shape::point(inputs, inside, Activation::Relu6);
        let expand = if factor > 1 {
            Some(load("_expand_conv", "_bn0", expand)?)
        } else {
            None
        };
        let depthwise = Shape {
            kernel,
            stride,
            inputs: 1,
            outputs: inside,
            depthwise: true,
            activation: Activation::Relu6,
        };
        Ok(Block {
            expand,
            depthwise: load("_depthwise_conv", "_bn1", depthwise)?,
            project: load(
                "_project_conv",
                "_bn2",
                Shape::point(inside, outputs, Activation::None),
            )?,
            skips: stride == 1 && inputs == outputs,
        })
    }
}

/// A convolution with the normalisation after it: the factor goes into the weights, the rest is the bias.
fn folded(
    weights: &Weights,
    place: &Place,
    conv: &str,
    norm: &str,
    shape: Shape,
) -> std::result::Result<Conv, JobError> {
    let Shape {
        kernel,
        stride,
        inputs,
        outputs,
        depthwise,
        activation,
    } = shape;
    let mut kernels = weights.get(&format!("{conv}.weight"), &[outputs, inputs, kernel, kernel])?;
    let norm = |part: &str| weights.get(&format!("{norm}.{part}"), &[outputs]);
    let (gain, shift) = (norm("weight")?, norm("bias")?);
    let (mean, variance) = (norm("running_mean")?, norm("running_var")?);
    let mut bias = Vec::with_capacity(outputs);
    for (output, own) in kernels.chunks_exact_mut(inputs * kernel * kernel).enumerate() {
        let factor = gain[output] / (variance[output] + EPSILON).sqrt();
        own.iter_mut().for_each(|weight| *weight *= factor);
        bias.push(shift[output] - mean[output] * factor);
    }
    let parts = Parts {
        kernel,
        stride,
        depthwise,
        weights: kernels,
        bias,
        activation,
    };
    Conv::new(place, parts).map_err(|error| unavailable(format!("{conv}: {error}")))
}
