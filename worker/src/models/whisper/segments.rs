//! A window's tokens become segments, and say where the next window begins.

use serde_json::{Value, json};

use super::{super::audio_input::rounded, folder::Folder, mel::WINDOW};

/// Seconds from one time to the next.
const TIME: f64 = 0.02;
/// Frames of the spectrogram from one time to the next.
const FRAMES: usize = 2;

/// A piece of the text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Segment {
    /// Seconds from the beginning.
    pub(super) start: f64,
    pub(super) end: f64,
    pub(super) text: String,
}

impl Segment {
    /// As in the output.
    pub(super) fn shown(&self) -> Value {
        json!({"start": rounded(self.start), "end": rounded(self.end), "text": self.text})
    }
}

/// The segments of a window that begins at `offset` seconds and has `frames` of sound (at most [`WINDOW`]), and how
/// many frames on the next begins.
pub(super) fn split(
    folder: &Folder,
    tokens: &[u32],
    offset: f64,
    frames: usize,
) -> Result<(Vec<Segment>, usize), String> {
    let first = folder.tokens.first_time;
    let is_time = |token: &u32| *token >= first;
    let length = frames.min(WINDOW) as f64 / 100.0;
    let mut pairs: Vec<usize> = tokens
        .windows(2)
        .enumerate()
        .filter(|(_, pair)| pair.iter().all(is_time))
        .map(|(index, _)| index + 1)
        .collect();
    let single = matches!(tokens, [.., word, last] if !is_time(word) && is_time(last));
    if pairs.is_empty() {
        let last = tokens
            .iter()
            .rev()
            .find(|token| is_time(token))
            .map_or(0, |token| token - first);
        let end = if last > 0 { f64::from(last) * TIME } else { length };
        let text = folder.text(tokens)?;
        let segments = if text.is_empty() {
            Vec::new()
        } else {
            vec![Segment {
                start: offset,
                end: offset + end,
                text,
            }]
        };
        return Ok((segments, frames));
    }
    if single {
        pairs.push(tokens.len());
    }
    let (mut segments, mut start) = (Vec::new(), 0);
    for &end in &pairs {
        let piece = &tokens[start..end];
        start = end;
        let time = |token: Option<&u32>| {
            offset + token.map_or(0.0, |token| f64::from(token.saturating_sub(first)) * TIME)
        };
        let segment = Segment {
            start: time(piece.first()),
            end: time(piece.last()),
            text: folder.text(piece)?,
        };
        if segment.end > segment.start && !segment.text.is_empty() {
            segments.push(segment);
        }
    }
    // What follows the last pair is not complete: the next window begins there.
    let last = pairs
        .last()
        .and_then(|&end| tokens.get(end - 1))
        .map_or(0, |token| token.saturating_sub(first));
    let on = if single { frames } else { last as usize * FRAMES };
    // A window that would begin where this one did would never end.
    Ok((segments, if on == 0 { frames } else { on.min(frames) }))
}
