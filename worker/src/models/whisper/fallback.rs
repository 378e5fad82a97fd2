//! A window's tokens: greedy first; where that repeats itself or is unlikely, drawn at higher and higher
//! temperatures.

use std::io::Write;

use candle_core::Result;
use flate2::{Compression, write::ZlibEncoder};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{
    decoder::{Decoder, Memory},
    folder::Folder,
    rules::{Rules, best, log_sum},
};

/// Temperatures that are tried in turn.
const TEMPERATURES: [f32; 6] = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0];
/// A text that compresses better than this repeats itself.
const MAX_COMPRESSION: f64 = 2.4;
/// A mean log-probability below this is a guess.
const MIN_LOG_PROBABILITY: f32 = -1.0;
/// Above this, a guess is silence.
const MAX_NO_SPEECH: f32 = 0.6;

/// What was written of a window.
#[derive(Debug, Clone)]
pub(super) struct Written {
    pub(super) tokens: Vec<u32>,
    /// Mean over the tokens and the end.
    log_probability: f32,
    no_speech: f32,
}

impl Written {
    /// Whether nobody speaks in the window.
    pub(super) fn is_silence(&self) -> bool {
        self.no_speech > MAX_NO_SPEECH && self.log_probability < MIN_LOG_PROBABILITY
    }
}

/// Writes windows.
pub(super) struct Writer<'a> {
    pub(super) decoder: &'a Decoder,
    pub(super) folder: &'a Folder,
    pub(super) prompt: &'a [u32],
    pub(super) timestamps: bool,
    pub(super) stop: &'a dyn Fn() -> bool,
}

impl Writer<'_> {
    /// The tokens of a window; none where the job is not wanted any more.
    pub(super) fn write(&self, memory: &mut Memory) -> Result<Option<Written>> {
        memory.rewind(0);
        let rows = self.decoder.forward(self.prompt, memory)?;
        let last = self.decoder.logits(&rows, self.prompt.len() - 1)?;
        // What the model makes of the sound is seen where the text begins.
        let first = self.decoder.logits(&rows, 0)?;
        let no_speech = (first[self.folder.tokens.no_speech as usize] - log_sum(&first)).exp();
        let mut written = None;
        for temperature in TEMPERATURES {
            let Some((tokens, log_probability)) = self.attempt(&last, temperature, memory)? else {
                return Ok(None);
            };
            let attempt = Written {
                tokens,
                log_probability,
                no_speech,
            };
            let good = self.is_good(&attempt)?;
            written = Some(attempt);
            if good {
                break;
            }
        }
        Ok(written)
    }

    fn is_good(&self, written: &Written) -> Result<bool> {
        if written.is_silence() {
            return Ok(true);
        }
        let text = self
            .folder
            .text(&written.tokens)
            .map_err(candle_core::Error::Msg)?;
        let likely = written.log_probability >= MIN_LOG_PROBABILITY;
        Ok(likely && compression(text.trim())? <= MAX_COMPRESSION)
    }

    /// One go at a temperature: tokens and their mean log-probability.
    fn attempt(
        &self,
        first: &[f32],
        temperature: f32,
        memory: &mut Memory,
    ) -> Result<Option<(Vec<u32>, f32)>> {
        memory.rewind(self.prompt.len());
        let rules = Rules::new(self.folder, self.timestamps);
        let mut random = StdRng::seed_from_u64(u64::from(temperature.to_bits()));
        let most = self.decoder.places() / 2;
        let (mut tokens, mut sum) = (Vec::new(), 0.0);
        let mut logits = first.to_vec();
        loop {
            rules.apply(&tokens, &mut logits);
            let total = log_sum(&logits);
            let token = match temperature {
                0.0 => best(&logits),
                _ => draw(&logits, temperature, &mut random),
            };
            sum += logits[token as usize] - total;
            if token == self.folder.tokens.end || tokens.len() + 1 >= most {
                break;
            }
            tokens.push(token);
            if (self.stop)() {
                return Ok(None);
            }
            let rows = self.decoder.forward(&[token], memory)?;
            logits = self.decoder.logits(&rows, 0)?;
            if logits.iter().any(|logit| logit.is_nan()) {
                candle_core::bail!("the model computed a number that is not finite");
            }
        }
        let mean = sum / (tokens.len() + 1) as f32;
        Ok(Some((tokens, mean)))
    }
}

/// A token, as likely as the softmax at this temperature says.
fn draw(logits: &[f32], temperature: f32, random: &mut StdRng) -> u32 {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights: Vec<f32> = logits
        .iter()
        .map(|logit| ((logit - top) / temperature).exp())
        .collect();
    let mut left = random.random::<f32>() * weights.iter().sum::<f32>();
    for (token, weight) in weights.iter().enumerate() {
        left -= weight;
        if left < 0.0 {
            return token as u32;
        }
    }
    best(logits)
}

/// How many times shorter a text becomes by compression.
fn compression(text: &str) -> Result<f64> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes())?;
    let short = encoder.finish()?.len();
    Ok(text.len() as f64 / short.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_repeats_itself_is_told_from_one_that_does_not() {
        let plain = "A person sends a request to the server and waits for the answer.";
        assert!(compression(plain).expect("in memory") < 1.5);
        assert!(compression(&"and then ".repeat(40)).expect("in memory") > MAX_COMPRESSION);
    }

    #[test]
    fn draws_follow_the_weights() {
        let mut random = StdRng::seed_from_u64(1);
        let logits = [0.0, f32::NEG_INFINITY, 1.0];
        let drawn: Vec<u32> = (0..2_000).map(|_| draw(&logits, 1.0, &mut random)).collect();
        let share = drawn.iter().filter(|&&token| token == 2).count() as f64 / 2_000.0;
        assert!((share - 0.731).abs() < 0.05, "{share}");
        assert!(!drawn.contains(&1));
    }
}
