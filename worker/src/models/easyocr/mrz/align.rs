//! Lines of the wrong length: recognition counts fillers badly and adds or drops a character at
//! an edge. Each way to bring a line to its length is tried; the check digits choose.

use super::{
    confusion::{self, FILLER},
    layout::{Class, Kind},
    repair,
};

/// The most ways that are kept of one line.
const KEPT: usize = 24;
/// How far the length of a run of fillers may be off.
const RUN_TOLERANCE: usize = 12;
/// How many characters that are not fillers may be too many.
const EXTRA: usize = 2;
/// The most characters of a line that may be out of place.
const MISFITS: usize = 3;

/// A line brought to its length.
#[derive(Debug, Clone)]
pub(super) struct Aligned {
    pub text: Vec<u8>,
    /// How many characters stand where they cannot, and how many were added or left out: less
    /// is better.
    pub cost: usize,
}

/// The ways to read `text` as a line of a kind, the best first; none if it cannot be one.
pub(super) fn align(kind: Kind, line: usize, text: &[u8]) -> Vec<Aligned> {
    let width = kind.width();
    if text.len() < width / 2 || text.len() > width + RUN_TOLERANCE {
        return Vec::new();
    }
    let mut ways = Vec::new();
    match text.len().cmp(&width) {
        std::cmp::Ordering::Equal => ways.push((0, text.to_vec())),
        std::cmp::Ordering::Less => longer(kind, line, text, width - text.len(), &mut ways),
        std::cmp::Ordering::Greater => shorter(text, text.len() - width, &mut ways),
    }
    let mut aligned: Vec<Aligned> = ways
        .into_iter()
        .filter(|(_, text)| text.len() == width)
        .filter_map(|(edits, text)| {
            let misfits = repair::misfits(kind, line, &text);
            (misfits <= MISFITS).then_some(Aligned {
                text,
                cost: 4 * misfits + edits,
            })
        })
        .collect();
    aligned.sort_by(|a, b| a.cost.cmp(&b.cost).then_with(|| a.text.cmp(&b.text)));
    aligned.dedup_by(|a, b| a.text == b.text);
    // Nothing but its form speaks for a line without check digits: the best way is the one.
    let checked = kind.checks().iter().any(|check| check.line == line);
    aligned.truncate(if checked { KEPT } else { 1 });
    aligned
}

/// The runs of fillers: start and length.
fn runs(text: &[u8]) -> Vec<(usize, usize)> {
    let mut out: Vec<(usize, usize)> = Vec::new();
    for (at, &byte) in text.iter().enumerate() {
        if byte != FILLER {
            continue;
        }
        match out.last_mut() {
            Some((start, length)) if *start + *length == at => *length += 1,
            _ => out.push((at, 1)),
        }
    }
    out
}

/// Whether the line ends in a field that ends in padding.
fn ends_padded(kind: Kind, line: usize) -> bool {
    kind.fields().any(|field| {
        field.line == line && field.end == kind.width() && matches!(field.class, Class::Names | Class::Mixed)
    })
}

/// Fillers are added: at the end of a padded line, or to a run.
fn longer(kind: Kind, line: usize, text: &[u8], missing: usize, ways: &mut Vec<(usize, Vec<u8>)>) {
    if ends_padded(kind, line) {
        let mut padded = text.to_vec();
        padded.resize(text.len() + missing, FILLER);
        ways.push((0, padded));
    }
    for (start, length) in runs(text) {
        if missing <= EXTRA || (length >= 3 && missing <= RUN_TOLERANCE) {
            let mut filled = text.to_vec();
            filled.splice(start..start, std::iter::repeat_n(FILLER, missing));
            ways.push((1, filled));
        }
    }
}

/// Characters are left out: fillers of a run, some at the edges, or one anywhere.
fn shorter(text: &[u8], extra: usize, ways: &mut Vec<(usize, Vec<u8>)>) {
    let without = |start: usize, length: usize| {
        let mut cut = text.to_vec();
        cut.drain(start..start + length);
        cut
    };
    for (start, length) in runs(text) {
        if length > extra {
            ways.push((1, without(start, extra)));
        }
    }
    let tail = &text[text.len() - extra..];
    let padding = |byte: &u8| *byte == FILLER || confusion::looks_like_filler(*byte);
    if tail.iter().all(padding) && text[..text.len() - extra].ends_with(b"<<") {
        ways.push((1, without(text.len() - extra, extra)));
    }
    if extra > EXTRA {
        return;
    }
    for before in 0..=extra {
        ways.push((2, text[before..text.len() - (extra - before)].to_vec()));
    }
    for at in 0..=text.len() - extra {
        ways.push((3, without(at, extra)));
    }
}
