//! Packets of any layout become mono at the wanted rate, one after the other.

use super::{AudioError, Limits, MAX_CHANNELS, Resampler, SAMPLE_RATE, SOURCE_RATES};

/// Channels times rate that a second of sound may have on average: two channels of 96 kHz.
const DENSITY: u64 = 192_000;

/// Takes decoded packets, gives mono samples.
pub(super) struct Mixer {
    limits: Limits,
    rate: u32,
    channels: usize,
    resampler: Resampler,
    mono: Vec<f32>,
    out: Vec<f32>,
    /// Frames so far.
    frames: u64,
}

impl Mixer {
    /// A mixer for packets with `channels` at `rate`.
    pub(super) fn new(rate: u32, channels: usize, limits: Limits) -> Result<Self, AudioError> {
        if !SOURCE_RATES.contains(&rate) {
            return Err(AudioError::Rate(rate));
        }
        if channels == 0 || channels > MAX_CHANNELS {
            return Err(AudioError::Channels(channels));
        }
        Ok(Self {
            limits,
            rate,
            channels,
            resampler: Resampler::new(rate, SAMPLE_RATE),
            mono: Vec::new(),
            out: Vec::new(),
            frames: 0,
        })
    }

    /// Whether a packet of this layout fits what came before.
    pub(super) fn fits(&self, rate: u32, channels: usize) -> bool {
        self.rate == rate && self.channels == channels
    }

    /// Refuses a sound of `frames` frames in all, whoever counted them.
    pub(super) fn check(&self, frames: u64) -> Result<(), AudioError> {
        let seconds = u64::from(self.limits.seconds);
        if frames > seconds * u64::from(self.rate) {
            return Err(AudioError::TooLong {
                limit: self.limits.seconds,
            });
        }
        if frames * self.channels as u64 > seconds * DENSITY {
            return Err(AudioError::TooDense);
        }
        Ok(())
    }

    /// Adds a packet, `interleaved` by channel.
    pub(super) fn push(&mut self, interleaved: &[f32]) -> Result<(), AudioError> {
        self.frames += (interleaved.len() / self.channels) as u64;
        self.check(self.frames)?;
        let scale = 1.0 / self.channels as f32;
        self.mono.clear();
        self.mono.extend(
            interleaved
                .chunks_exact(self.channels)
                .map(|frame| frame.iter().map(|&sample| sane(sample)).sum::<f32>() * scale),
        );
        self.resampler.push(&self.mono, &mut self.out);
        Ok(())
    }

    /// All samples, clipped to -1..=1 as a sound card would.
    pub(super) fn finish(mut self) -> Vec<f32> {
        self.resampler.finish(&mut self.out);
        for sample in &mut self.out {
            *sample = sample.clamp(-1.0, 1.0);
        }
        self.out.shrink_to_fit();
        self.out
    }
}

/// A float file may hold anything.
fn sane(sample: f32) -> f32 {
    if sample.is_finite() {
        sample.clamp(-1.0, 1.0)
    } else {
        0.0
    }
}
