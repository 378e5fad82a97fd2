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
    /// As it was written, with the space before its first word.
    pub(super) text: String,
}

impl Segment {
    /// As in the output.
    pub(super) fn shown(&self) -> Value {
        json!({"start": rounded(self.start), "end": rounded(self.end), "text": self.text.trim()})
    }
}

/// The text of all segments, with the spaces that were written and no others.
pub(super) fn text(segments: &[Segment]) -> String {
    let all: String = segments.iter().map(|segment| segment.text.as_str()).collect();
    all.trim().to_owned()
}

/// The segments of a recording that is over after `end` seconds: what begins later was heard in nothing.
pub(super) fn within(mut segments: Vec<Segment>, end: f64) -> Vec<Segment> {
    segments.retain(|segment| segment.start < end);
    for segment in &mut segments {
        segment.end = segment.end.min(end);
    }
    segments
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
        let segments = if text.trim().is_empty() {
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
        if segment.end > segment.start && !segment.text.trim().is_empty() {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(start: f64, end: f64, text: &str) -> Segment {
        Segment {
            start,
            end,
            text: text.to_owned(),
        }
    }

    #[test]
    fn only_spaces_that_were_written_part_segments() {
        let english = [
            segment(0.0, 1.0, " Good morning."),
            segment(1.0, 2.0, " How are you?"),
        ];
        assert_eq!(text(&english), "Good morning. How are you?");
        assert_eq!(english[1].shown()["text"], "How are you?");
        let japanese = [segment(0.0, 1.0, "おはよう。"), segment(1.0, 2.0, "元気ですか")];
        assert_eq!(text(&japanese), "おはよう。元気ですか");
        assert_eq!(text(&[]), "");
    }

    #[test]
    fn nothing_is_heard_after_the_end() {
        let heard = vec![
            segment(0.0, 2.0, " one"),
            segment(2.0, 6.0, " two"),
            segment(4.5, 6.0, " three"),
            segment(6.0, 9.0, " four"),
        ];
        let expected = vec![segment(0.0, 2.0, " one"), segment(2.0, 4.5, " two")];
        assert_eq!(within(heard, 4.5), expected);
    }
}
