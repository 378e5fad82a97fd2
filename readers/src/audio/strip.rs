//! What of a file is handed to a demuxer: how the sound is coded, and the sound. A demuxer unfolds texts and
//! pictures before it can be asked how long the sound is, as many as there are, so it is not given any.

use super::AudioError;

/// Bytes of the block that says how a FLAC is coded.
const STREAM_INFO: usize = 34;
/// Bytes of the part that all headers of a WAV have, and of the longest of them.
const WAV_FORMAT: usize = 16;
const WAV_FORMAT_EXTENSIBLE: usize = 40;

/// A FLAC whose only block of metadata is the one that says how it is coded.
pub(super) fn flac(bytes: &[u8]) -> Result<Vec<u8>, AudioError> {
    let mut info = None;
    let mut at = 4;
    loop {
        let head: &[u8; 4] = bytes.get(at..).and_then(<[u8]>::first_chunk).ok_or_else(cut)?;
        let length = u32::from_be_bytes([0, head[1], head[2], head[3]]) as usize;
        at += head.len();
        let block = bytes.get(at..at + length).ok_or_else(cut)?;
        at += length;
        if head[0] & 0x7f == 0 && info.replace(block).is_some() {
            return Err(broken("it says twice how it is coded"));
        }
        if head[0] & 0x80 != 0 {
            break;
        }
    }
    match info {
        Some(info) if info.len() == STREAM_INFO => Ok([b"fLaC\x80\x00\x00\x22", info, &bytes[at..]].concat()),
        _ => Err(broken("it does not say how it is coded")),
    }
}

/// A WAV of two chunks: how it is coded, and the samples.
pub(super) fn wav(bytes: &[u8]) -> Result<Vec<u8>, AudioError> {
    let mut format = None;
    let mut at = 12;
    loop {
        let head: &[u8; 8] = bytes.get(at..).and_then(<[u8]>::first_chunk).ok_or_else(cut)?;
        let (name, size) = head.split_at(4);
        let length = u32::from_le_bytes([size[0], size[1], size[2], size[3]]) as usize;
        let rest = &bytes[at + head.len()..];
        match name {
            b"fmt " => format = Some(wav_format(rest.get(..length).ok_or_else(cut)?)?),
            b"data" => {
                let format = format.ok_or_else(|| broken("it does not say how it is coded"))?;
                let sound = &rest[..length.min(rest.len())];
                let about = [
                    // The file is as long as it is.
                    b"RIFF\xff\xff\xff\xffWAVEfmt ",
                    &(format.len() as u32).to_le_bytes()[..],
                    &format,
                ];
                return Ok([&about.concat()[..], b"data", size, sound].concat());
            }
            _ => {}
        }
        // Chunks begin at even places.
        at = at
            .saturating_add(head.len() + (length & 1))
            .saturating_add(length);
    }
}

/// How a WAV is coded, in as many bytes as the demuxer reads. It takes other numbers than the chunk's length for
/// how far to go on, and would find chunks where there are none.
fn wav_format(chunk: &[u8]) -> Result<Vec<u8>, AudioError> {
    let head = chunk
        .get(..WAV_FORMAT)
        .ok_or_else(|| broken("it does not say how it is coded"))?;
    match u16::from_le_bytes([head[0], head[1]]) {
        // Integers and floats.
        1 | 3 => Ok(head.to_vec()),
        // A-law and µ-law; no bytes follow.
        6 | 7 => Ok([head, &[0; 2]].concat()),
        0xfffe => chunk
            .get(..WAV_FORMAT_EXTENSIBLE)
            .map(<[u8]>::to_vec)
            .ok_or_else(|| broken("it does not say how it is coded")),
        _ => Err(AudioError::Unsupported(
            "its samples are compressed; those of a WAV are read as PCM only".to_owned(),
        )),
    }
}

fn cut() -> AudioError {
    broken("it ends before the sound begins")
}

fn broken(problem: &str) -> AudioError {
    AudioError::Broken(problem.to_owned())
}
