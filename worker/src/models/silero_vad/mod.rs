//! Voice activity by Silero: a small network that gives, for every 32 ms, how likely somebody speaks, and
//! the rules that make stretches of speech of that.
//!
//! All but the recurrence is computed for many chunks at once, so that half an hour takes seconds. Members
//! of a batch have different lengths and nothing to gain from one another: each is computed and answered in turn.

mod network;
mod spans;

use std::{path::Path, sync::Arc};

use lamplighter_shared::{job::JobError, model_spec::ModelSpec, task::Task};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use self::{network::Network, spans::Rules};
use super::{Loaded, Model, Payload, Preparer, audio_input, invalid, object, unavailable};
use crate::runner::{Member, protocol::Cost};

/// The longest recording, seconds.
const MAX_SECONDS: u32 = 1_800;
/// Chunks computed at once: 16 seconds.
const BLOCK: usize = 512;

/// An input made ready.
struct Request {
    samples: Vec<f32>,
    rules: Rules,
    probabilities: bool,
}

/// The input as it comes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    audio: String,
    #[serde(default = "half")]
    threshold: f32,
    #[serde(default = "quarter_second")]
    min_speech_duration_ms: u32,
    #[serde(default = "tenth_second")]
    min_silence_duration_ms: u32,
    #[serde(default = "padding")]
    speech_pad_ms: u32,
    max_speech_duration_s: Option<f64>,
    #[serde(default)]
    probabilities: bool,
}

fn half() -> f32 {
    0.5
}

fn quarter_second() -> u32 {
    250
}

fn tenth_second() -> u32 {
    100
}

fn padding() -> u32 {
    30
}

struct Reader;

impl Preparer for Reader {
    fn prepare(&self, _: Task, input: &RawValue) -> Result<(Payload, Cost), JobError> {
        let input: Input = object(input)?;
        if !(0.01..=0.99).contains(&input.threshold) {
            return Err(invalid("`threshold` is from 0.01 to 0.99"));
        }
        let times = [
            input.min_speech_duration_ms,
            input.min_silence_duration_ms,
            input.speech_pad_ms,
        ];
        if times.iter().any(|&time| time > 60_000) {
            return Err(invalid("times in milliseconds are at most 60000"));
        }
        if input
            .max_speech_duration_s
            .is_some_and(|most| !(1.0..=f64::from(MAX_SECONDS)).contains(&most))
        {
            return Err(invalid(format!(
                "`max_speech_duration_s` is from 1 to {MAX_SECONDS}"
            )));
        }
        let rules = Rules {
            threshold: input.threshold,
            min_speech_ms: input.min_speech_duration_ms,
            min_silence_ms: input.min_silence_duration_ms,
            pad_ms: input.speech_pad_ms,
            max_speech_s: input.max_speech_duration_s,
        };
        rules.check().map_err(invalid)?;
        let samples = audio_input::samples(&input.audio, MAX_SECONDS)?;
        let cost = audio_input::cost(samples.len());
        let request = Request {
            samples,
            rules,
            probabilities: input.probabilities,
        };
        Ok((Box::new(request), cost))
    }
}

/// The network in memory.
struct Detector(Network);

pub(super) fn load(_: &ModelSpec, dir: &Path) -> Result<Loaded, JobError> {
    let (device, name) = crate::device::best();
    let path = dir.join("silero_vad_16k.safetensors");
    let network = Network::load(&path, &device)
        .map_err(|error| unavailable(format!("silero_vad_16k.safetensors: {error}")))?;
    Ok(Loaded {
        model: Box::new(Detector(network)),
        preparer: Arc::new(Reader),
        dtype: "f32".to_owned(),
        device: name.to_owned(),
        joint: false,
    })
}

impl Detector {
    /// The probability of speech in each chunk; none where the job is not wanted any more.
    fn listen(&self, samples: &[f32], member: &Member) -> candle_core::Result<Option<Vec<f32>>> {
        let mut heard = self.0.start();
        let mut all = Vec::with_capacity(samples.len().div_ceil(network::CHUNK));
        for block in samples.chunks(BLOCK * network::CHUNK) {
            if member.cancel().is_canceled() {
                return Ok(None);
            }
            all.extend(self.0.listen(block, &mut heard)?);
            let done = all.len() * network::CHUNK;
            member.progress(done as f64 / samples.len() as f64, "listening");
        }
        if all.iter().any(|probability| !probability.is_finite()) {
            candle_core::bail!("the model computed a number that is not finite");
        }
        Ok(Some(all))
    }
}

impl Model for Detector {
    fn run(&mut self, batch: Vec<Member>) {
        for mut member in batch {
            let Some(request) = member.take_payload::<Request>() else {
                continue;
            };
            match self.listen(&request.samples, &member) {
                Ok(Some(probabilities)) => {
                    match serde_json::value::to_raw_value(&answer(&request, &probabilities)) {
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

/// The output of a job.
fn answer(request: &Request, probabilities: &[f32]) -> Value {
    let spans = spans::find(probabilities, request.samples.len(), &request.rules);
    let segments: Vec<Value> = spans
        .iter()
        .map(|span| {
            let time = |sample| audio_input::rounded(audio_input::seconds(sample));
            json!({"start": time(span.start), "end": time(span.end),
                "confidence": audio_input::rounded(span.confidence(probabilities))})
        })
        .collect();
    let duration = audio_input::rounded(audio_input::seconds(request.samples.len()));
    let mut output = json!({"segments": segments, "duration": duration});
    if request.probabilities {
        // Through a text of few digits: a float made longer shows digits that mean nothing.
        output["probabilities"] = probabilities
            .iter()
            .map(|&p| (f64::from(p) * 1e6).round() / 1e6)
            .collect();
    }
    output
}
