//! The recording of an input, for every task on sound: `{"audio": "data:audio/wav;base64,…", …}`.

use lamplighter_readers::{
    audio::{self, Limits},
    data_url,
};
use lamplighter_shared::{error::ErrorCode, job::JobError};

use super::invalid;
use crate::runner::protocol::Cost;

/// Bytes of a file: what a body of 16 MiB holds as base64.
const MAX_BYTES: usize = 12 << 20;

/// Mono samples, 16,000 a second, of the recording in a data URL of at most `seconds`.
///
/// # Errors
/// `invalid_input`, saying what is wrong with it.
pub fn samples(url: &str, seconds: u32) -> Result<Vec<f32>, JobError> {
    let bytes = data_url::decode(url, "audio", MAX_BYTES).map_err(|e| invalid(e.to_string()))?;
    let limits = Limits {
        bytes: MAX_BYTES,
        seconds,
    };
    let audio = audio::decode(&bytes, limits).map_err(|e| invalid(e.to_string()))?;
    Ok(audio.samples)
}

/// Seconds of a recording with so many samples.
pub fn seconds(samples: usize) -> f64 {
    samples as f64 / f64::from(audio::SAMPLE_RATE)
}

/// What a recording costs: a second is a token.
pub fn cost(samples: usize) -> Cost {
    let tokens = samples.div_ceil(audio::SAMPLE_RATE as usize).max(1);
    Cost {
        items: 1,
        tokens,
        longest: tokens,
    }
}

/// To a thousandth: an answer of times needs no more.
pub fn rounded(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}

/// An error of computing.
pub fn broken(error: impl std::fmt::Display) -> JobError {
    JobError::new(ErrorCode::ModelError, error.to_string())
}
