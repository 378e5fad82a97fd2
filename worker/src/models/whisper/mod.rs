//! Whisper: speech to text. The encoder looks at 30 seconds at a time; the decoder writes the words and the
//! times of their segments, one token after the other, with the keys and values of all earlier tokens and of
//! the sound kept, so that a step costs the same however long the text is.
//!
//! Members of a batch are computed in turn (`joint` is false): a window keeps all threads busy by itself, and
//! windows of different recordings have different numbers of steps. A cancelled job ends between two layers of
//! the encoder or two tokens.

mod convert;
mod decoder;
mod encoder;
mod fallback;
mod folder;
mod layers;
mod mel;
mod rules;
mod segments;
mod transcribe;

use std::{path::PathBuf, sync::Arc};

use lamplighter_shared::{job::JobError, model_spec::ModelSpec, task::Task};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

pub(super) use self::convert::convert;
use self::{
    folder::Folder,
    transcribe::{Options, Transcriber, Transcript},
};
use super::{Files, Loaded, Model, Payload, Preparer, audio_input, invalid, object, unavailable};
use crate::runner::{Member, protocol::Cost};

/// The longest recording, seconds.
const MAX_SECONDS: u32 = 1_800;

/// The input as it comes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    audio: String,
    language: Option<String>,
    #[serde(default)]
    task: Aim,
    #[serde(default)]
    timestamps: Timestamps,
}

/// What to write.
#[derive(Default, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Aim {
    #[default]
    Transcribe,
    Translate,
}

/// How finely the answer is timed.
#[derive(Default, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Timestamps {
    #[default]
    Segment,
    None,
}

/// An input made ready.
struct Request {
    samples: Vec<f32>,
    options: Options,
}

/// Reads inputs.
struct Reader {
    folder: Arc<Folder>,
}

impl Preparer for Reader {
    fn prepare(&self, _: Task, input: &RawValue) -> Result<(Payload, Cost), JobError> {
        let input: Input = object(input)?;
        let language = match &input.language {
            None => None,
            Some(code) => Some(self.folder.language(code).ok_or_else(|| {
                invalid(format!(
                    "the model does not know the language {code:?}: use an ISO 639-1 code, as \"en\""
                ))
            })?),
        };
        let samples = audio_input::samples(&input.audio, MAX_SECONDS)?;
        let cost = audio_input::cost(samples.len());
        let options = Options {
            language,
            translate: input.task == Aim::Translate,
            timestamps: input.timestamps == Timestamps::Segment,
        };
        Ok((Box::new(Request { samples, options }), cost))
    }
}

pub(super) fn load(spec: &ModelSpec, files: &Files) -> Result<Loaded, JobError> {
    if spec.dtype != "f32" {
        return Err(unavailable(format!(
            "number type {:?} is not supported for this family: f32 is",
            spec.dtype
        )));
    }
    let folder = Arc::new(Folder::read(&files.dir)?);
    let (device, name) = crate::device::best();
    let weights = weights(files)?;
    let transcriber = Transcriber::load(&weights, folder.clone(), &device)
        .map_err(|error| unavailable(format!("{}: {error}", weights.display())))?;
    Ok(Loaded {
        model: Box::new(transcriber),
        preparer: Arc::new(Reader { folder }),
        dtype: "f32".to_owned(),
        device: name.to_owned(),
        joint: false,
    })
}

/// Numbers on the way from a recording to its text; what other implementations can be compared by.
#[derive(Debug, Clone, PartialEq)]
pub struct Parts {
    /// The spectrogram of the first 30 seconds: 3,000 rows of as many bands as the model has.
    pub mel: Vec<Vec<f32>>,
    /// The encoder's vectors of them.
    pub encoded: Vec<Vec<f32>>,
    /// How each token of the vocabulary fits after the prompt.
    pub logits: Vec<f32>,
}

/// Computes [`Parts`] of `samples` (mono, 16,000 a second), with `prompt` as the tokens so far.
///
/// # Errors
/// `model_unavailable` where the model can't be read or computed.
pub fn parts(files: &Files, samples: &[f32], prompt: &[u32]) -> Result<Parts, JobError> {
    let failed = |error: candle_core::Error| unavailable(error.to_string());
    let folder = Arc::new(Folder::read(&files.dir)?);
    let transcriber =
        Transcriber::load(&weights(files)?, folder, &crate::device::best().0).map_err(failed)?;
    let (mel, encoded, logits) = transcriber.parts(samples, prompt).map_err(failed)?;
    Ok(Parts {
        mel: mel.to_vec2().map_err(failed)?,
        encoded: encoded.to_vec2().map_err(failed)?,
        logits,
    })
}

/// The weights: of a hub's folder as they are, or what was made of those of CTranslate2.
fn weights(files: &Files) -> Result<PathBuf, JobError> {
    [
        files.dir.join("model.safetensors"),
        files.converted.join("model.safetensors"),
    ]
    .into_iter()
    .find(|path| path.is_file())
    .ok_or_else(|| {
        unavailable("there is no model.safetensors: fetch the model again (`lamplighter models pull`)")
    })
}

impl Model for Transcriber {
    fn run(&mut self, batch: Vec<Member>) {
        for mut member in batch {
            let Some(request) = member.take_payload::<Request>() else {
                continue;
            };
            match self.transcribe(&request.samples, &request.options, &member) {
                Ok(Some(transcript)) => {
                    match serde_json::value::to_raw_value(&self.answer(&request, &transcript)) {
                        Ok(output) => member.done(output),
                        Err(error) => member.failed(audio_input::broken(error)),
                    }
                }
                Ok(None) => member.canceled(),
                Err(error) => member.failed(audio_input::broken(error)),
            }
        }
    }
}

impl Transcriber {
    /// The output of a job.
    fn answer(&self, request: &Request, transcript: &Transcript) -> Value {
        let segments: Vec<Value> = match request.options.timestamps {
            true => transcript.segments.iter().map(segments::Segment::shown).collect(),
            false => Vec::new(),
        };
        json!({
            "text": segments::text(&transcript.segments),
            "segments": segments,
            "language": self.folder().language_code(transcript.language),
            "duration": audio_input::rounded(audio_input::seconds(request.samples.len())),
            "usage": {"seconds": audio_input::cost(request.samples.len()).tokens, "tokens": transcript.tokens}
        })
    }
}
