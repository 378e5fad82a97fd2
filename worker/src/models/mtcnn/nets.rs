//! The three networks of MTCNN: convolutions with PReLU and pooling, then one head for each kind of answer.
//! Fully connected layers are convolutions over all that is left of the picture.

use candle_core::Result;
use lamplighter_engine::conv::{Activation, Map, Padding};
use lamplighter_shared::job::JobError;

use super::super::{
    Files,
    layers::{Conv, Feature, Parts, Place, Weights},
    unavailable,
};

/// All three, and where they compute.
pub struct Nets {
    place: Place,
    /// Looks at whole pictures: two logits and four offsets for each place.
    pub proposal: Net,
    /// Looks at pictures of 24 pixels a side: logits, offsets.
    pub refine: Net,
    /// Looks at pictures of 48 pixels a side: logits, offsets, ten landmarks.
    pub output: Net,
}

/// A network.
pub struct Net {
    trunk: Vec<Layer>,
    heads: Vec<Conv>,
}

struct Layer {
    conv: Conv,
    /// Window and distance of the pooling after it.
    pool: Option<(usize, usize)>,
}

/// A layer to be loaded: name of the convolution, number of its PReLU, side of its kernel, channels in and
/// out, pooling.
type Row = (&'static str, usize, usize, usize, usize, Option<(usize, usize)>);

const PROPOSAL: [Row; 3] = [
    ("conv1", 1, 3, 3, 10, Some((2, 2))),
    ("conv2", 2, 3, 10, 16, None),
    ("conv3", 3, 3, 16, 32, None),
];
const REFINE: [Row; 4] = [
    ("conv1", 1, 3, 3, 28, Some((3, 2))),
    ("conv2", 2, 3, 28, 48, Some((3, 2))),
    ("conv3", 3, 2, 48, 64, None),
    ("dense4", 4, 3, 64, 128, None),
];
const OUTPUT: [Row; 5] = [
    ("conv1", 1, 3, 3, 32, Some((3, 2))),
    ("conv2", 2, 3, 32, 64, Some((3, 2))),
    ("conv3", 3, 3, 64, 64, Some((2, 2))),
    ("conv4", 4, 2, 64, 128, None),
    ("dense5", 5, 3, 128, 256, None),
];

impl Nets {
    /// Loads the networks.
    ///
    /// # Errors
    /// `model_unavailable`, where a tensor is missing or has another shape.
    pub fn load(files: &Files, place: Place) -> std::result::Result<Self, JobError> {
        let loader = Loader {
            weights: Weights::read(files)?,
            place: &place,
        };
        let proposal = loader.net("pnet", &PROPOSAL, &[("conv4_1", 2), ("conv4_2", 4)])?;
        let refine = loader.net("rnet", &REFINE, &[("dense5_1", 2), ("dense5_2", 4)])?;
        let output = loader.net(
            "onet",
            &OUTPUT,
            &[("dense6_1", 2), ("dense6_2", 4), ("dense6_3", 10)],
        )?;
        Ok(Self {
            place,
            proposal,
            refine,
            output,
        })
    }

    /// What the heads of one of the networks say of a picture.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn run(&self, net: &Net, picture: Map) -> Result<Vec<Map>> {
        let place = &self.place;
        let mut x = Feature::new(picture, place)?;
        for layer in &net.trunk {
            x = layer.conv.run(place, &x, Padding::default(), None)?;
            if let Some((kernel, stride)) = layer.pool {
                x = x.max_pool(kernel, stride)?;
            }
        }
        let heads = net.heads.iter();
        heads
            .map(|head| head.run(place, &x, Padding::default(), None)?.into_map())
            .collect()
    }
}

struct Loader<'a> {
    weights: Weights,
    place: &'a Place,
}

impl Loader<'_> {
    fn net(&self, net: &str, rows: &[Row], heads: &[(&str, usize)]) -> std::result::Result<Net, JobError> {
        let mut trunk = Vec::with_capacity(rows.len());
        let mut last = 0;
        for &(name, relu, kernel, inputs, outputs, pool) in rows {
            let slopes = self
                .weights
                .get(&format!("{net}.prelu{relu}.weight"), &[outputs])?;
            let name = format!("{net}.{name}");
            let conv = self.conv(&name, kernel, inputs, outputs, Activation::Prelu(slopes))?;
            trunk.push(Layer { conv, pool });
            last = outputs;
        }
        let heads = heads
            .iter()
            .map(|&(name, outputs)| self.conv(&format!("{net}.{name}"), 1, last, outputs, Activation::None))
            .collect::<std::result::Result<_, _>>()?;
        Ok(Net { trunk, heads })
    }

    fn conv(
        &self,
        name: &str,
        kernel: usize,
        inputs: usize,
        outputs: usize,
        activation: Activation,
    ) -> std::result::Result<Conv, JobError> {
        let tensor = format!("{name}.weight");
        let weights = if name.contains("dense") {
            let flat = self.weights.get(&tensor, &[outputs, inputs * kernel * kernel])?;
            unflattened(&flat, kernel, inputs)
        } else {
            self.weights.get(&tensor, &[outputs, inputs, kernel, kernel])?
        };
        let parts = Parts {
            kernel,
            stride: 1,
            depthwise: false,
            weights,
            bias: self.weights.get(&format!("{name}.bias"), &[outputs])?,
            activation,
        };
        Conv::new(self.place, parts).map_err(|error| unavailable(format!("{name}: {error}")))
    }
}

/// Weights of a layer that sees a picture column by column, row by row, channel by channel, in the order of a
/// convolution: channel, row, column.
fn unflattened(flat: &[f32], side: usize, channels: usize) -> Vec<f32> {
    let mut weights = Vec::with_capacity(flat.len());
    for own in flat.chunks_exact(side * side * channels) {
        for channel in 0..channels {
            for row in 0..side {
                weights.extend((0..side).map(|column| own[(column * side + row) * channels + channel]));
            }
        }
    }
    weights
}
