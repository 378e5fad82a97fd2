//! Check digits: weights 7, 3, 1 over the values 0-9, A=10 to Z=35, filler 0, modulo 10
//! (Doc 9303 part 3, 4.9).

use super::{
    confusion::FILLER,
    layout::{Check, Kind},
};

/// The value of a character.
const fn value(byte: u8) -> u32 {
    match byte {
        b'0'..=b'9' => (byte - b'0') as u32,
        b'A'..=b'Z' => (byte - b'A') as u32 + 10,
        _ => 0,
    }
}

/// The check digit of a text, as a character.
pub(super) fn digit(text: impl IntoIterator<Item = u8>) -> u8 {
    let sum: u32 = text
        .into_iter()
        .zip([7_u32, 3, 1].into_iter().cycle())
        .map(|(byte, weight)| value(byte) * weight % 10)
        .sum();
    b'0' + u8::try_from(sum % 10).unwrap_or(0)
}

/// Whether `found` is the check digit of `text`; a filler counts for an empty text.
fn agrees(text: impl Iterator<Item = u8> + Clone, found: u8) -> bool {
    found == digit(text.clone()) || (found == FILLER && text.clone().all(|byte| byte == FILLER))
}

/// The rest of a document number of more than nine characters: where in the optional data it
/// ends (its check digit is the character there).
///
/// Such a number has a filler where the check digit would be; the optional data begins with the
/// rest of the number, its check digit and a filler.
pub(super) fn long_number(kind: Kind, lines: &[Vec<u8>]) -> Option<LongNumber> {
    if !kind.has_long_numbers() {
        return None;
    }
    let check = kind.checks()[0];
    let optional = kind.fields().find(|field| field.name == "optional_data")?;
    let line = &lines[optional.line];
    if line[check.at] != FILLER {
        return None;
    }
    let rest = &line[optional.start..optional.end];
    let length = rest.iter().position(|&byte| byte == FILLER).unwrap_or(rest.len());
    (length >= 2).then(|| LongNumber {
        line: optional.line,
        start: optional.start,
        check_at: optional.start + length - 1,
    })
}

/// See [`long_number`].
#[derive(Debug, Clone, Copy)]
pub(super) struct LongNumber {
    pub line: usize,
    /// Where the rest of the number begins.
    pub start: usize,
    /// Where its check digit stands.
    pub check_at: usize,
}

/// Whether one check of a zone is right.
pub(super) fn is_right(kind: Kind, lines: &[Vec<u8>], check: &Check) -> bool {
    let covered = check
        .covers
        .iter()
        .flat_map(|&(line, start, end)| lines[line][start..end].iter().copied());
    if check.name == "document_number"
        && let Some(long) = long_number(kind, lines)
    {
        let line = &lines[long.line];
        let rest = line[long.start..long.check_at].iter().copied();
        return digit(covered.chain(rest)) == line[long.check_at];
    }
    if check.name == "optional_data" {
        return agrees(covered, lines[check.line][check.at]);
    }
    digit(covered) == lines[check.line][check.at]
}

/// All checks of a zone with their outcome.
pub(super) fn all(kind: Kind, lines: &[Vec<u8>]) -> Vec<(&'static str, bool)> {
    kind.checks()
        .iter()
        .map(|check| (check.name, is_right(kind, lines, check)))
        .collect()
}
