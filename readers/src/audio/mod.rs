//! Sound from strangers: WAV, MP3, FLAC and Ogg Vorbis become mono `f32` samples at 16 kHz.
//!
//! Nothing a file says of itself is believed before it is spent on: the bytes are capped first, texts and
//! pictures are left out before a demuxer sees the file, a header that claims too long a sound is refused
//! without decoding, and samples are counted while they are decoded, so that a small file that unfolds into
//! hours stops at the cap. Memory stays near the size of the file and of the answer, because each packet is
//! mixed and resampled as it comes.

mod decode;
mod mix;
mod ogg;
mod resample;
mod strip;
mod vorbis;
#[cfg(test)]
mod tests;

pub use self::decode::decode;
use self::resample::Resampler;

/// Samples a second of what [`decode()`] gives.
pub const SAMPLE_RATE: u32 = 16_000;

/// Sample rates that are taken; below is not enough for speech, above is a lie or a bat.
pub const SOURCE_RATES: std::ops::RangeInclusive<u32> = 4_000..=192_000;

/// The most channels that are taken; they are averaged.
pub const MAX_CHANNELS: usize = 8;

/// How much sound is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the file.
    pub bytes: usize,
    /// Seconds of sound.
    pub seconds: u32,
}

/// Decoded sound.
#[derive(Debug, Clone, PartialEq)]
pub struct Audio {
    /// Mono samples at [`SAMPLE_RATE`], from -1 to 1, all of them finite.
    pub samples: Vec<f32>,
}

/// Why a file is refused; each is a sentence for whoever sent it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AudioError {
    /// More bytes than the limit.
    #[error("the sound is a file of {bytes} bytes; at most {limit} are taken")]
    TooLarge {
        /// Bytes that came.
        bytes: usize,
        /// Bytes that are taken.
        limit: usize,
    },
    /// Longer than the limit, by its header or by count.
    #[error("the sound is longer than {limit} seconds, the most that is taken: send it in parts")]
    TooLong {
        /// Seconds that are taken.
        limit: u32,
    },
    /// More samples of more channels than any sound of the allowed length needs.
    #[error("the sound has too many samples for its length: send it with at most 2 channels of 96 kHz")]
    TooDense,
    /// Not a file of a known kind.
    #[error("the sound is not a WAV, MP3, FLAC or Ogg Vorbis file")]
    Unknown,
    /// A known kind with something in it that is not read.
    #[error("the sound can't be read: {0}")]
    Unsupported(String),
    /// A rate outside [`SOURCE_RATES`].
    #[error("the sound has {0} samples a second; 4000 to 192000 are taken")]
    Rate(u32),
    /// No channels, or more than [`MAX_CHANNELS`].
    #[error("the sound has {0} channels; 1 to 8 are taken")]
    Channels(usize),
    /// Damaged beyond what is tolerated.
    #[error("the sound is damaged: {0}")]
    Broken(String),
    /// Nothing in it.
    #[error("the sound is empty")]
    Empty,
}
