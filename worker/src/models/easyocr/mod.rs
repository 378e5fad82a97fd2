//! Text in pictures (`ocr`) and machine readable zones (`mrz`), with the weights of EasyOCR (Apache-2.0): CRAFT
//! finds words, a recogniser of convolutions and LSTMs reads lines. Both run on the processor, in the engine.
//!
//! Work and memory are bounded by the picture's longer side, which is brought to at most 2048 pixels where text is
//! looked for: about 230 bytes of each pixel then, which is 0.4 GB at the usual 1280 and 1.0 GB at the most.

mod boxes;
mod craft;
mod crnn;
mod lines;
pub mod mrz;
mod reader;
mod tilt;
mod weights;
mod zone;

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use lamplighter_engine::{isa::Isa, pool::Pool, vision::resample::Bytes};
use lamplighter_shared::{error::ErrorCode, job::JobError, model_spec::ModelSpec, task::Task};
use serde::{Deserialize, Serialize};
use serde_json::{
    Map, Value, json,
    value::{RawValue, to_raw_value},
};

pub use self::{
    craft::{Craft, Scores},
    crnn::{Allowed, Crnn},
    reader::Reader,
};
use self::{mrz::Day, weights::Weights};
use super::{Files, Loaded, Model, Payload, Preparer, image_input, invalid, object, pickled, unavailable};
use crate::runner::{Member, protocol::Cost};

/// Longer side of the picture that text is looked for in: least, usual, most.
const SIDE: (usize, usize, usize) = (320, 1280, 2048);
/// Lines that are read between one word of progress and the next.
const LINES: usize = 16;
/// The most characters of a list of letters.
const LETTERS: usize = 256;

/// An input of `ocr`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TextInput {
    image: String,
    #[serde(default = "usual_side")]
    max_side: usize,
    #[serde(default)]
    min_confidence: f32,
    #[serde(default)]
    letters: Option<String>,
}

/// An input of `mrz`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ZoneInput {
    image: String,
    #[serde(default = "usual_side")]
    max_side: usize,
}

fn usual_side() -> usize {
    SIDE.1
}

/// What is to be done with a picture.
enum Wanted {
    Text { allowed: Allowed, min_confidence: f32 },
    Zone,
}

/// A picture made ready.
struct Ready {
    picture: Bytes,
    side: usize,
    wanted: Wanted,
}

/// Reads inputs.
struct Preparing;

/// Computes.
struct Computing(Reader);

#[derive(Serialize)]
struct Line {
    text: String,
    polygon: [[f64; 2]; 4],
    confidence: f32,
}

/// Loads the networks from a folder that was converted.
///
/// # Errors
/// What is missing or has another shape.
pub fn networks(files: &Files) -> Result<(Craft, Crnn), JobError> {
    let bad = |detail: String| unavailable(format!("{}: {detail}", pickled::FILE));
    let bytes = std::fs::read(files.converted.join(pickled::FILE)).map_err(|error| bad(error.to_string()))?;
    let craft = Weights::read(&bytes, "craft_mlt_25k.module").and_then(|weights| Craft::load(&weights));
    let crnn = Weights::read(&bytes, "english_g2.module").and_then(|weights| Crnn::load(&weights));
    Ok((craft.map_err(bad)?, crnn.map_err(bad)?))
}

/// Loads the model.
pub(super) fn load(spec: &ModelSpec, files: &Files, threads: usize) -> Result<Loaded, JobError> {
    if spec.dtype != "f32" {
        let found = &spec.dtype;
        return Err(unavailable(format!(
            "number type {found:?} is not supported for this family: f32 is"
        )));
    }
    let (craft, crnn) = networks(files)?;
    let reader = Reader {
        craft,
        crnn,
        pool: Pool::new(threads),
        isa: Isa::best(),
    };
    Ok(Loaded {
        model: Box::new(Computing(reader)),
        preparer: Arc::new(Preparing),
        dtype: "f32".to_owned(),
        device: "cpu".to_owned(),
        joint: false,
    })
}

/// Checks the part of an input that both tasks have.
fn ready(image: &str, side: usize, wanted: Wanted) -> Result<Ready, JobError> {
    let (least, _, most) = SIDE;
    if !(least..=most).contains(&side) {
        return Err(invalid(format!(
            "max_side is {side}; it may be {least} to {most}"
        )));
    }
    let picture = image_input::picture(image)?;
    Ok(Ready {
        picture: Bytes {
            rows: picture.height,
            columns: picture.width,
            channels: 3,
            data: picture.rgb,
        },
        side,
        wanted,
    })
}

fn text_wanted(input: &TextInput) -> Result<Wanted, JobError> {
    let least = input.min_confidence;
    if !(0.0..=1.0).contains(&least) {
        return Err(invalid(format!("min_confidence is {least}; it may be 0 to 1")));
    }
    if let Some(letters) = &input.letters {
        if letters.is_empty() || letters.chars().count() > LETTERS {
            return Err(invalid(format!("letters has none or more than {LETTERS}")));
        }
        if let Some(unknown) = letters.chars().find(|letter| !crnn::ALPHABET.contains(*letter)) {
            return Err(invalid(format!(
                "letters has {unknown:?}, which the model does not know"
            )));
        }
    }
    Ok(Wanted::Text {
        allowed: Allowed::new(input.letters.as_deref()),
        min_confidence: least,
    })
}

impl Preparer for Preparing {
    fn prepare(&self, task: Task, input: &RawValue) -> Result<(Payload, Cost), JobError> {
        let ready = if task == Task::Mrz {
            let input: ZoneInput = object(input)?;
            ready(&input.image, input.max_side, Wanted::Zone)?
        } else {
            let input: TextInput = object(input)?;
            let wanted = text_wanted(&input)?;
            ready(&input.image, input.max_side, wanted)?
        };
        let (rows, columns) = (ready.picture.rows, ready.picture.columns);
        let share = (ready.side as f64 / rows.max(columns) as f64).min(1.0);
        let cost = image_input::cost((rows as f64 * columns as f64 * share * share) as usize);
        Ok((Box::new(ready), cost))
    }
}

impl Model for Computing {
    fn run(&mut self, batch: Vec<Member>) {
        for mut member in batch {
            // A member without a picture is dropped, which answers it as failed.
            let Some(ready) = member.take_payload::<Ready>() else {
                continue;
            };
            let cancel = member.cancel().clone();
            let stop = move || cancel.is_canceled();
            match self.answer(&ready, &member, &stop) {
                Some(Ok(output)) => member.done(output),
                Some(Err(error)) => member.failed(JobError::new(ErrorCode::ModelError, error.to_string())),
                None => member.canceled(),
            }
        }
    }
}

impl Computing {
    /// The answer to one input; none once it is canceled.
    fn answer(
        &self,
        ready: &Ready,
        member: &Member,
        stop: reader::Stop<'_>,
    ) -> Option<serde_json::Result<Box<RawValue>>> {
        if stop() {
            return None;
        }
        member.progress(0.0, "finding text");
        match &ready.wanted {
            Wanted::Text {
                allowed,
                min_confidence,
            } => {
                let mut lines = self.text(ready, allowed, member, stop)?;
                lines.retain(|line| line.confidence >= *min_confidence);
                Some(to_raw_value(&json!({"lines": lines})))
            }
            Wanted::Zone => {
                let done = |share: f64| member.progress(share, "reading");
                let found = zone::read(&self.0, &ready.picture, ready.side, today(), stop, &done)?;
                Some(to_raw_value(&zone_output(found)))
            }
        }
    }

    fn text(
        &self,
        ready: &Ready,
        allowed: &Allowed,
        member: &Member,
        stop: reader::Stop<'_>,
    ) -> Option<Vec<Line>> {
        let picture = &ready.picture;
        let places = self.0.find(picture, ready.side, stop)?;
        member.progress(0.5, "reading");
        let grey = picture.grey();
        let mut read = Vec::with_capacity(places.len());
        for some in places.chunks(LINES) {
            read.extend(self.0.read(&grey, some, allowed, stop)?);
            let share = read.len() as f64 / places.len() as f64;
            member.progress(0.5 + 0.5 * share, "reading");
        }
        let line = |(place, line): (&lines::Place, Option<crnn::Line>)| {
            let line = line.filter(|line| !line.text.trim().is_empty())?;
            Some(Line {
                text: line.text.trim().to_owned(),
                polygon: place.corners(picture.columns, picture.rows),
                confidence: line.confidence,
            })
        };
        Some(places.iter().zip(read).filter_map(line).collect())
    }
}

/// The day it is (UTC); the century of a birth date depends on it.
#[expect(
    clippy::disallowed_methods,
    reason = "a runner knows no database, and of the time only the year matters"
)]
fn today() -> Day {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Day::from_unix(since.map_or(0, |since| since.as_secs()))
}

/// The answer of `mrz`; of a picture without a zone an empty one.
fn zone_output(found: Option<mrz::Reading>) -> Value {
    let Some(reading) = found else {
        return json!({"mrz": [], "type": null, "fields": {}, "valid": false, "checks": {}, "corrections": 0});
    };
    let object = |pairs: Vec<(&str, Value)>| -> Map<String, Value> {
        pairs
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    };
    let fields = reading
        .fields
        .into_iter()
        .map(|(name, value)| (name, value.into()));
    let checks = reading
        .checks
        .into_iter()
        .map(|(name, right)| (name, right.into()));
    json!({
        "mrz": reading.lines,
        "type": reading.kind.as_str(),
        "fields": object(fields.collect()),
        "valid": reading.valid,
        "checks": object(checks.collect()),
        "corrections": reading.corrections
    })
}
