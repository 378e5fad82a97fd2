//! The mel spectrogram that Whisper was trained on: frames of 25 ms, 10 ms apart, their power in bands as wide as
//! the ear's, as logarithms. Computed as products of matrices, on the device of the model.

use std::f64::consts::PI;

use candle_core::{Device, Result, Tensor};
use lamplighter_readers::audio::SAMPLE_RATE;

/// Samples of a frame.
const FRAME: usize = 400;
/// Samples from a frame to the next.
pub(super) const HOP: usize = 160;
const BINS: usize = FRAME / 2 + 1;
/// Frames of a window: 30 seconds.
pub(super) const WINDOW: usize = 3_000;

/// What turns frames into bands.
pub(super) struct Mel {
    /// (frame, 2 × bins): windowed cosines, then sines.
    waves: Tensor,
    /// (bins, bands).
    bands: Tensor,
    device: Device,
}

impl Mel {
    /// With so many bands.
    pub(super) fn new(bands: usize, device: &Device) -> Result<Self> {
        let waves = (0..FRAME).flat_map(|n| {
            let window = 0.5 - 0.5 * (2.0 * PI * n as f64 / FRAME as f64).cos();
            (0..2 * BINS).map(move |column| {
                // The product is taken modulo the period while it is whole.
                let angle = 2.0 * PI * ((n * (column % BINS)) % FRAME) as f64 / FRAME as f64;
                (window * if column < BINS { angle.cos() } else { angle.sin() }) as f32
            })
        });
        Ok(Self {
            waves: Tensor::from_vec(waves.collect(), (FRAME, 2 * BINS), device)?,
            bands: Tensor::from_vec(filters(bands), (BINS, bands), device)?,
            device: device.clone(),
        })
    }

    /// The spectrogram of a recording and the 30 seconds of silence after it, (frames, bands): those of the
    /// recording, and [`WINDOW`] more. None where `stop` says so.
    pub(super) fn of(&self, samples: &[f32], stop: &dyn Fn() -> bool) -> Result<Option<Tensor>> {
        let frames = samples.len() / HOP + WINDOW;
        let mut pieces = Vec::new();
        let mut first = 0;
        while first < frames {
            if stop() {
                return Ok(None);
            }
            let count = WINDOW.min(frames - first);
            pieces.push(self.powers(samples, first, count)?);
            first += count;
        }
        let powers = Tensor::cat(&pieces, 0)?;
        let logs = (powers.maximum(1e-10)?.log()? / std::f64::consts::LN_10)?;
        let loudest = f64::from(logs.max_all()?.to_scalar::<f32>()?);
        ((logs.maximum(loudest - 8.0)? + 4.0)? / 4.0).map(Some)
    }

    /// The power in each band of frames `first..first + count`.
    fn powers(&self, samples: &[f32], first: usize, count: usize) -> Result<Tensor> {
        // Mirrored before the beginning; after the end there is silence enough.
        let reach = FRAME / 2;
        let at = |index: usize| {
            let place = index.abs_diff(reach);
            samples.get(place).copied().unwrap_or(0.0)
        };
        let mut rows = Vec::with_capacity(count * FRAME);
        for frame in first..first + count {
            let start = frame * HOP;
            match start
                .checked_sub(reach)
                .and_then(|from| samples.get(from..from + FRAME))
            {
                Some(whole) => rows.extend_from_slice(whole),
                None => rows.extend((start..start + FRAME).map(at)),
            }
        }
        let waves = Tensor::from_vec(rows, (count, FRAME), &self.device)?.matmul(&self.waves)?;
        let square = |start: usize| waves.narrow(1, start, BINS)?.sqr();
        (square(0)? + square(BINS)?)?.matmul(&self.bands)
    }
}

/// Triangles that overlap by half, evenly spaced on the mel scale (linear below 1 kHz, logarithmic above), each
/// with the same area.
fn filters(bands: usize) -> Vec<f32> {
    let highest = mel(f64::from(SAMPLE_RATE) / 2.0);
    let edge = |index: usize| hertz(highest * index as f64 / (bands + 1) as f64);
    let mut table = vec![0.0; BINS * bands];
    for band in 0..bands {
        let (low, middle, high) = (edge(band), edge(band + 1), edge(band + 2));
        for bin in 0..BINS {
            let frequency = bin as f64 * f64::from(SAMPLE_RATE) / FRAME as f64;
            let rising = (frequency - low) / (middle - low);
            let falling = (high - frequency) / (high - middle);
            table[bin * bands + band] = (rising.min(falling).max(0.0) * 2.0 / (high - low)) as f32;
        }
    }
    table
}

/// From here on the scale is logarithmic: hertz, mels, and mels a step of the logarithm.
const BEND: (f64, f64) = (1_000.0, 15.0);

fn step() -> f64 {
    6.4_f64.ln() / 27.0
}

fn mel(hertz: f64) -> f64 {
    if hertz < BEND.0 {
        hertz * 3.0 / 200.0
    } else {
        BEND.1 + (hertz / BEND.0).ln() / step()
    }
}

fn hertz(mel: f64) -> f64 {
    if mel < BEND.1 {
        mel * 200.0 / 3.0
    } else {
        BEND.0 * ((mel - BEND.1) * step()).exp()
    }
}
