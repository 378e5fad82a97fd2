//! Face detection by MTCNN, with the weights of facenet-pytorch (MIT): boxes and five landmarks.
//!
//! Pictures of more than four million pixels are made smaller first, so that the work is bounded; answers are
//! in pixels of the picture as it was sent, upright.

mod boxes;
mod detect;
mod nets;

use std::{cell::Cell, sync::Arc};

use lamplighter_engine::conv::{Area, area};
use lamplighter_readers::image::Picture;
use lamplighter_shared::{error::ErrorCode, job::JobError, model_spec::ModelSpec, task::Task};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use self::{boxes::Candidate, nets::Nets};
use super::{
    Files, Loaded, Model, Payload, Preparer, image_input, invalid, layers::Place, object, unavailable,
};
use crate::{
    device,
    runner::{Member, protocol::Cost},
};

/// Side of the smallest face that is looked for, at least and where nobody says, and at most.
const MIN_SIZE: usize = 20;
const MAX_SIZE: usize = 4096;

/// An input.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    image: String,
    #[serde(default = "min_size")]
    min_size: usize,
}

fn min_size() -> usize {
    MIN_SIZE
}

/// A picture made ready.
struct Ready {
    picture: Picture,
    min_size: usize,
    /// Pixels of the picture that was sent for one of `picture`: across, down.
    ratio: [f32; 2],
}

/// Reads inputs.
struct Reader;

/// Computes.
struct Detector(Nets);

#[derive(Serialize)]
struct Face {
    polygon: [[f32; 2]; 4],
    score: f32,
    landmarks: [[f32; 2]; 5],
}

#[derive(Serialize)]
struct Output {
    boxes: Vec<Face>,
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
    Ok(Loaded {
        model: Box::new(Detector(Nets::load(files, Place::new(device, threads))?)),
        preparer: Arc::new(Reader),
        dtype: "f32".to_owned(),
        device: name.to_owned(),
        joint: false,
    })
}

/// Makes a picture small enough to be searched.
fn ready(picture: Picture, min_size: usize) -> Ready {
    let pixels = picture.width * picture.height;
    if pixels <= detect::MAX_PIXELS {
        return Ready {
            picture,
            min_size,
            ratio: [1.0; 2],
        };
    }
    let factor = (detect::MAX_PIXELS as f64 / pixels as f64).sqrt();
    let side = |side: usize| ((side as f64 * factor) as usize).max(1);
    let (width, height) = (side(picture.width), side(picture.height));
    let whole = Area {
        rgb: &picture.rgb,
        width: picture.width,
        left: 0,
        top: 0,
        columns: picture.width,
        rows: picture.height,
    };
    let rgb = area(whole, height, width, 0.0, 1.0);
    Ready {
        picture: Picture {
            width,
            height,
            rgb: rgb.data.iter().map(|number| number.round() as u8).collect(),
        },
        min_size: ((min_size as f64 * factor).round() as usize).max(MIN_SIZE),
        ratio: [
            picture.width as f32 / width as f32,
            picture.height as f32 / height as f32,
        ],
    }
}

impl Preparer for Reader {
    fn prepare(&self, _: Task, input: &RawValue) -> Result<(Payload, Cost), JobError> {
        let Input { image, min_size } = object(input)?;
        if !(MIN_SIZE..=MAX_SIZE).contains(&min_size) {
            return Err(invalid(format!(
                "min_size is {min_size}; it may be {MIN_SIZE} to {MAX_SIZE}"
            )));
        }
        let ready = ready(image_input::picture(&image)?, min_size);
        let cost = image_input::cost(ready.picture.width * ready.picture.height);
        Ok((Box::new(ready), cost))
    }
}

impl Model for Detector {
    fn run(&mut self, batch: Vec<Member>) {
        for mut member in batch {
            // A member without a picture is dropped, which answers it as failed.
            let Some(Ready {
                picture,
                min_size,
                ratio,
            }) = member.take_payload()
            else {
                continue;
            };
            let told = Cell::new(0.0);
            let wanted = |part: f64| {
                if told.replace(part) != part {
                    member.progress(part, "detecting");
                }
                !member.cancel().is_canceled()
            };
            let found = if member.cancel().is_canceled() {
                Ok(None)
            } else {
                detect::detect(&self.0, &picture, min_size, &wanted)
            };
            match found.and_then(|faces| faces.map(|faces| output(&faces, ratio)).transpose()) {
                Ok(Some(output)) => member.done(output),
                Ok(None) => member.canceled(),
                Err(error) => member.failed(JobError::new(ErrorCode::ModelError, error.to_string())),
            }
        }
    }
}

fn output(faces: &[Candidate], [across, down]: [f32; 2]) -> candle_core::Result<Box<RawValue>> {
    let place = |[x, y]: [f32; 2]| [x * across, y * down];
    let face = |face: &Candidate| {
        let [left, top, right, bottom] = face.sides;
        Face {
            polygon: [[left, top], [right, top], [right, bottom], [left, bottom]].map(place),
            score: face.score,
            landmarks: face.points.map(place),
        }
    };
    let boxes = faces.iter().map(face).collect();
    to_raw_value(&Output { boxes }).map_err(candle_core::Error::wrap)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_pictures_are_searched_at_a_bounded_size() {
        let picture = |width: usize, height: usize| Picture {
            width,
            height,
            rgb: vec![9; width * height * 3],
        };
        let small = ready(picture(2000, 2000), 40);
        assert_eq!(
            (small.picture.width, small.min_size, small.ratio),
            (2000, 40, [1.0; 2])
        );
        let large = ready(picture(8000, 5000), 80);
        assert!(large.picture.width * large.picture.height <= detect::MAX_PIXELS);
        assert_eq!(large.min_size, 25);
        assert!((large.ratio[0] * large.picture.width as f32 - 8000.0).abs() < 1.0);
        assert!(large.picture.rgb.iter().all(|&byte| byte == 9));
        assert_eq!(ready(picture(8000, 5000), 20).min_size, MIN_SIZE);
    }
}
