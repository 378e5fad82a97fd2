//! A recording, window by window.

use std::{path::Path, sync::Arc};

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::VarBuilder;
use lamplighter_readers::audio::SAMPLE_RATE;

use super::{
    decoder::Decoder,
    encoder::Encoder,
    fallback::Writer,
    folder::Folder,
    layers::HEAD,
    mel::{HOP, Mel, WINDOW},
    segments::{Segment, split, within},
};
use crate::runner::Member;

/// A window that is nowhere louder than this (of 1) is silence: three steps of 16-bit sound.
const SILENCE: f32 = 1e-4;

/// Frames that are worth a window of their own: a tenth of a second.
const LEAST: usize = 10;

/// What a job asks for.
pub(super) struct Options {
    /// The token of the language; none: it is recognised.
    pub(super) language: Option<u32>,
    pub(super) translate: bool,
    pub(super) timestamps: bool,
}

/// What was heard.
pub(super) struct Transcript {
    pub(super) segments: Vec<Segment>,
    /// The token of the language.
    pub(super) language: u32,
    pub(super) tokens: usize,
}

/// The model in memory.
pub(super) struct Transcriber {
    folder: Arc<Folder>,
    mel: Mel,
    encoder: Encoder,
    decoder: Decoder,
}

impl Transcriber {
    /// Reads weights in the names of a hub; their shapes say how large the model is.
    pub(super) fn load(path: &Path, folder: Arc<Folder>, device: &Device) -> Result<Self> {
        let bytes = std::fs::read(path)?;
        let sizes = Sizes::of(&bytes)?;
        sizes.check(&folder)?;
        let weights = VarBuilder::from_buffered_safetensors(bytes, DType::F32, device)?.pp("model");
        Ok(Self {
            mel: Mel::new(sizes.mels, device)?,
            encoder: Encoder::load(
                sizes.size,
                sizes.encoder,
                sizes.mels,
                sizes.sounds,
                &weights.pp("encoder"),
            )?,
            decoder: Decoder::load(
                sizes.size,
                sizes.decoder,
                sizes.words,
                sizes.places,
                &weights.pp("decoder"),
            )?,
            folder,
        })
    }

    pub(super) fn folder(&self) -> &Folder {
        &self.folder
    }

    /// The text of a recording, told as it comes; none where the job is not wanted any more.
    pub(super) fn transcribe(
        &self,
        samples: &[f32],
        options: &Options,
        member: &Member,
    ) -> Result<Option<Transcript>> {
        let stop = || member.cancel().is_canceled();
        member.progress(0.0, "listening");
        let Some(mel) = self.mel.of(samples, &stop)? else {
            return Ok(None);
        };
        let mut language = options.language;
        let mut transcript = Transcript {
            segments: Vec::new(),
            language: 0,
            tokens: 0,
        };
        let frames = samples.len().div_ceil(HOP);
        let end = samples.len() as f64 / f64::from(SAMPLE_RATE);
        let mut at = 0;
        // What is left of the last window may be too little for a word.
        while at < frames && (at == 0 || at + LEAST < frames) {
            if stop() {
                return Ok(None);
            }
            let window = WINDOW.min(frames - at);
            if is_silence(samples, at, window) {
                at += window;
                continue;
            }
            let Some(sound) = self
                .encoder
                .forward(&mel.narrow(0, at, WINDOW)?.t()?.contiguous()?, &stop)?
            else {
                return Ok(None);
            };
            let spoken = match language {
                Some(language) => language,
                None => *language.insert(self.recognise(&sound)?),
            };
            let Some((segments, on, tokens)) = self.window(&sound, spoken, options, at, window, &stop)?
            else {
                return Ok(None);
            };
            at += on;
            transcript.tokens += tokens;
            let segments = within(segments, end);
            tell(member, &segments, options, at as f64 / frames as f64);
            transcript.segments.extend(segments);
        }
        transcript.language = language.unwrap_or(u32::MAX);
        Ok(Some(transcript))
    }

    /// Writes one window: its segments, how many frames on the next begins, and tokens.
    fn window(
        &self,
        sound: &Tensor,
        language: u32,
        options: &Options,
        at: usize,
        frames: usize,
        stop: &dyn Fn() -> bool,
    ) -> Result<Option<(Vec<Segment>, usize, usize)>> {
        let tokens = &self.folder.tokens;
        let aim = if options.translate {
            tokens.translate
        } else {
            tokens.transcribe
        };
        let mut prompt = vec![tokens.start, language, aim];
        if !options.timestamps {
            prompt.push(tokens.no_timestamps);
        }
        let writer = Writer {
            decoder: &self.decoder,
            folder: &self.folder,
            prompt: &prompt,
            timestamps: options.timestamps,
            stop,
        };
        let Some(written) = writer.write(&mut self.decoder.memory(sound)?)? else {
            return Ok(None);
        };
        if written.is_silence() {
            return Ok(Some((Vec::new(), frames, written.tokens.len())));
        }
        let offset = at as f64 * HOP as f64 / f64::from(SAMPLE_RATE);
        let (segments, on) =
            split(&self.folder, &written.tokens, offset, frames).map_err(candle_core::Error::Msg)?;
        Ok(Some((segments, on, written.tokens.len())))
    }

    /// The token of the language that is spoken.
    fn recognise(&self, sound: &Tensor) -> Result<u32> {
        let rows = self
            .decoder
            .forward(&[self.folder.tokens.start], &mut self.decoder.memory(sound)?)?;
        let logits = self.decoder.logits(&rows, 0)?;
        let likeliest = self
            .folder
            .languages()
            .max_by(|&a, &b| logits[a as usize].total_cmp(&logits[b as usize]));
        likeliest.ok_or_else(|| candle_core::Error::Msg("the model knows no languages".to_owned()))
    }

    /// The spectrogram of a recording's first window, the encoder's vectors of it, and how each token of the
    /// vocabulary fits after `prompt`.
    pub(super) fn parts(&self, samples: &[f32], prompt: &[u32]) -> Result<(Tensor, Tensor, Vec<f32>)> {
        let stop = || false;
        let missing = || candle_core::Error::Msg("nobody stopped it".to_owned());
        let mel = self
            .mel
            .of(samples, &stop)?
            .ok_or_else(missing)?
            .narrow(0, 0, WINDOW)?;
        let sound = self
            .encoder
            .forward(&mel.t()?.contiguous()?, &stop)?
            .ok_or_else(missing)?;
        let rows = self.decoder.forward(prompt, &mut self.decoder.memory(&sound)?)?;
        let logits = self.decoder.logits(&rows, prompt.len() - 1)?;
        Ok((mel, sound, logits))
    }
}

/// Tells what was written of a window.
fn tell(member: &Member, segments: &[Segment], options: &Options, fraction: f64) {
    for segment in segments {
        member.output(match options.timestamps {
            true => segment.shown(),
            false => serde_json::json!({"text": segment.text.trim()}),
        });
    }
    member.progress(fraction, "transcribing");
}

fn is_silence(samples: &[f32], at: usize, frames: usize) -> bool {
    let start = (at * HOP).min(samples.len());
    let end = ((at + frames) * HOP).min(samples.len());
    samples[start..end].iter().all(|sample| sample.abs() < SILENCE)
}

/// How large a model is.
struct Sizes {
    size: usize,
    mels: usize,
    encoder: usize,
    decoder: usize,
    words: usize,
    /// Places of the encoder and of the decoder.
    sounds: usize,
    places: usize,
}

impl Sizes {
    fn of(bytes: &[u8]) -> Result<Self> {
        let (_, header) = safetensors::SafeTensors::read_metadata(bytes).map_err(candle_core::Error::wrap)?;
        let shape = |name: &str| {
            let info = header.info(name);
            info.map(|info| info.shape.clone())
                .ok_or_else(|| candle_core::Error::Msg(format!("it lacks the tensor {name}")))
        };
        let layers = |part: &str| {
            (0..)
                .take_while(|index| {
                    header
                        .info(&format!("model.{part}.layers.{index}.fc1.weight"))
                        .is_some()
                })
                .count()
        };
        let dimension = |name: &str, index: usize| {
            let missing = || candle_core::Error::Msg(format!("{name} has too few dimensions"));
            shape(name)?.get(index).copied().ok_or_else(missing)
        };
        Ok(Self {
            size: dimension("model.encoder.conv1.weight", 0)?,
            mels: dimension("model.encoder.conv1.weight", 1)?,
            encoder: layers("encoder"),
            decoder: layers("decoder"),
            words: dimension("model.decoder.embed_tokens.weight", 0)?,
            sounds: dimension("model.encoder.embed_positions.weight", 0)?,
            places: dimension("model.decoder.embed_positions.weight", 0)?,
        })
    }

    /// Whether the code can be right about it.
    fn check(&self, folder: &Folder) -> Result<()> {
        if self.size == 0
            || !self.size.is_multiple_of(HEAD)
            || self.sounds * 2 != WINDOW
            || self.mels == 0
            || self.mels > 256
        {
            candle_core::bail!("its sizes are not those of a Whisper model");
        }
        if self.words <= folder.tokens.first_time as usize || self.places < 32 {
            candle_core::bail!("tokenizer.json does not fit the model: a token is not in its vocabulary");
        }
        Ok(())
    }
}
