//! From a file's bytes to samples.

use std::{
    borrow::Cow,
    io::Cursor,
    panic::{AssertUnwindSafe, catch_unwind},
};

use symphonia::{
    core::{
        codecs::audio::{
            AudioCodecParameters, AudioDecoder, AudioDecoderOptions, well_known::CODEC_ID_VORBIS,
        },
        errors::Error,
        formats::{FormatOptions, FormatReader, TrackType},
        io::{MediaSourceStream, MediaSourceStreamOptions},
    },
    default::formats::{FlacReader, MpaReader, OggReader, WavReader},
};

use super::{Audio, AudioError, Limits, mix::Mixer, ogg, strip, vorbis};

/// Damaged packets that are passed over in any file; and one in so many of those that were read.
const DAMAGED: u64 = 8;
const DAMAGED_PART: u64 = 4;

/// A kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Container {
    /// RIFF WAVE with PCM or float samples.
    Wav,
    /// MPEG layer 3.
    Mp3,
    /// FLAC in its own container.
    Flac,
    /// Ogg with Vorbis (or FLAC).
    Ogg,
}

/// Decodes a whole file to mono sound at 16 kHz.
///
/// Packets in the middle that can't be read are passed over, up to a fifth of all; a file that ends
/// early is taken as far as it goes.
///
/// # Errors
/// A file beyond `limits`, of another kind, damaged, or empty.
pub fn decode(bytes: &[u8], limits: Limits) -> Result<Audio, AudioError> {
    if bytes.len() > limits.bytes {
        return Err(AudioError::TooLarge {
            bytes: bytes.len(),
            limit: limits.bytes,
        });
    }
    let (container, bytes) = recognise(bytes)?;
    // The decoders are not ours: what they did not expect must not end the process.
    catch_unwind(AssertUnwindSafe(|| decode_known(container, bytes, limits)))
        .unwrap_or_else(|_| Err(AudioError::Broken("the decoder gave up on it".to_owned())))
}

/// What kind of file the bytes are, without a tag before it.
fn recognise(bytes: &[u8]) -> Result<(Container, &[u8]), AudioError> {
    let bytes = skip_tag(bytes);
    let container = match bytes {
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E', ..] => Container::Wav,
        [b'f', b'L', b'a', b'C', ..] => Container::Flac,
        [b'O', b'g', b'g', b'S', ..] => Container::Ogg,
        // Eleven bits of synchronisation, and a layer that is MPEG audio's third.
        [0xff, second, ..] if second & 0xe6 == 0xe2 => Container::Mp3,
        [] => return Err(AudioError::Empty),
        _ => return Err(AudioError::Unknown),
    };
    Ok((container, bytes))
}

/// Passes ID3v2 tags: ten bytes that end in the length, seven bits a byte.
fn skip_tag(mut bytes: &[u8]) -> &[u8] {
    while let [b'I', b'D', b'3', _, _, flags, a, b, c, d, ..] = *bytes {
        let length = [a, b, c, d]
            .iter()
            .fold(0_usize, |sum, &byte| sum << 7 | usize::from(byte & 0x7f));
        let footer = if flags & 0x10 == 0 { 0 } else { 10 };
        let Some(rest) = bytes.get(10 + length + footer..) else {
            return &[];
        };
        bytes = rest;
    }
    // Encoders pad.
    let zeros = bytes.iter().take(4_096).take_while(|&&byte| byte == 0).count();
    &bytes[zeros..]
}

/// The demuxer of a file, which is given the sound and no texts. It is not looked for by what the file says later
/// on: that could be a file of another kind within this one.
fn open(container: Container, bytes: &[u8]) -> Result<Box<dyn FormatReader + '_>, AudioError> {
    let plain = match container {
        Container::Wav => Cow::Owned(strip::wav(bytes)?),
        Container::Flac => Cow::Owned(strip::flac(bytes)?),
        Container::Ogg => Cow::Owned(ogg::strip(bytes)?),
        // Its texts stand before the first frame and were passed, or stand where a frame should and are none.
        Container::Mp3 => Cow::Borrowed(bytes),
    };
    let source = MediaSourceStream::new(Box::new(Cursor::new(plain)), MediaSourceStreamOptions::default());
    let options = FormatOptions::default();
    let reader: Box<dyn FormatReader> = match container {
        Container::Wav => Box::new(WavReader::try_new(source, options).map_err(problem)?),
        Container::Flac => Box::new(FlacReader::try_new(source, options).map_err(problem)?),
        Container::Ogg => Box::new(OggReader::try_new(source, options).map_err(problem)?),
        Container::Mp3 => Box::new(MpaReader::try_new(source, options).map_err(problem)?),
    };
    Ok(reader)
}

fn decode_known(container: Container, bytes: &[u8], limits: Limits) -> Result<Audio, AudioError> {
    let mut format = open(container, bytes)?;
    let track = format
        .default_track(TrackType::Audio)
        .ok_or_else(|| AudioError::Unsupported("there is no sound in it".to_owned()))?;
    let (id, frames) = (track.id, track.num_frames);
    let parameters = track
        .codec_params
        .as_ref()
        .and_then(|parameters| parameters.audio())
        .ok_or_else(|| AudioError::Unsupported("it does not say how it is coded".to_owned()))?
        .clone();
    check_claims(container, &parameters, frames, limits)?;
    let decoder = symphonia::default::get_codecs()
        .make_audio_decoder(&parameters, &AudioDecoderOptions::default())
        .map_err(problem)?;
    let mixer = Packets::new(format.as_mut(), decoder, id).read(limits)?;
    let samples = mixer.finish();
    if samples.is_empty() {
        return Err(AudioError::Empty);
    }
    Ok(Audio { samples })
}

/// Refuses by what the header says, before anything is allocated for it.
fn check_claims(
    container: Container,
    parameters: &AudioCodecParameters,
    frames: Option<u64>,
    limits: Limits,
) -> Result<(), AudioError> {
    let channels = parameters.channels.as_ref().map(|channels| channels.count());
    // Both may come with the first packet only.
    let mixer = Mixer::new(
        parameters.sample_rate.unwrap_or(super::SAMPLE_RATE),
        channels.unwrap_or(1),
        limits,
    )?;
    if let (Container::Flac | Container::Ogg, Some(frames)) = (container, frames) {
        mixer.check(frames)?;
    }
    if parameters.codec == CODEC_ID_VORBIS {
        vorbis::check(parameters.extra_data.as_deref().unwrap_or_default())?;
    }
    Ok(())
}

/// The packets of one track, decoded in turn.
struct Packets<'a> {
    format: &'a mut dyn FormatReader,
    decoder: Box<dyn AudioDecoder>,
    track: u32,
    samples: Vec<f32>,
    good: u64,
    damaged: u64,
}

impl<'a> Packets<'a> {
    fn new(format: &'a mut dyn FormatReader, decoder: Box<dyn AudioDecoder>, track: u32) -> Self {
        Self {
            format,
            decoder,
            track,
            samples: Vec::new(),
            good: 0,
            damaged: 0,
        }
    }

    /// Reads to the end of the sound.
    fn read(mut self, limits: Limits) -> Result<Mixer, AudioError> {
        let mut mixer: Option<Mixer> = None;
        loop {
            let packet = match self.format.next_packet() {
                Ok(Some(packet)) => packet,
                // A sound that stops early, or that another follows, ends here.
                Ok(None) | Err(Error::IoError(_) | Error::ResetRequired) => break,
                Err(error) => {
                    self.damage(&error)?;
                    continue;
                }
            };
            if packet.track_id != self.track {
                continue;
            }
            let decoded = match self.decoder.decode(&packet) {
                Ok(decoded) => decoded,
                Err(Error::ResetRequired) => break,
                Err(error) => {
                    self.damage(&error)?;
                    continue;
                }
            };
            self.good += 1;
            if decoded.is_empty() {
                continue;
            }
            let (rate, channels) = (decoded.spec().rate(), decoded.spec().channels().count());
            let mixer = match &mut mixer {
                Some(mixer) if mixer.fits(rate, channels) => mixer,
                Some(_) => {
                    return Err(AudioError::Unsupported(
                        "its sample rate or its channels change in the middle".to_owned(),
                    ));
                }
                none => none.insert(Mixer::new(rate, channels, limits)?),
            };
            self.samples.resize(decoded.samples_interleaved(), 0.0);
            decoded.copy_to_slice_interleaved(&mut self.samples);
            mixer.push(&self.samples)?;
        }
        mixer.ok_or(AudioError::Empty)
    }

    /// Counts a packet that can't be read.
    fn damage(&mut self, error: &Error) -> Result<(), AudioError> {
        self.damaged += 1;
        if self.damaged > DAMAGED + self.good / DAMAGED_PART {
            return Err(AudioError::Broken(error.to_string()));
        }
        Ok(())
    }
}

fn problem(error: Error) -> AudioError {
    match error {
        Error::Unsupported(what) => AudioError::Unsupported(what.to_owned()),
        other => AudioError::Broken(other.to_string()),
    }
}
