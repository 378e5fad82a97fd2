//! The fields of a corrected zone, and whether it is valid.

use super::{
    check,
    confusion::FILLER,
    date::{self, Day, Found},
    layout::{Field, Kind},
};

/// A zone that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Which kind of zone.
    pub kind: Kind,
    /// The corrected lines, each as long as the standard says.
    pub lines: Vec<String>,
    /// Name and content of each field, in the order of the zone; nothing where the zone says
    /// nothing (or, of a date, nothing that exists).
    pub fields: Vec<(&'static str, Option<String>)>,
    /// Name and outcome of each check digit.
    pub checks: Vec<(&'static str, bool)>,
    /// How many characters were corrected (added and left out ones count too).
    pub corrections: usize,
    /// Whether every check digit is right and every field has the form the standard gives it.
    pub valid: bool,
}

/// Reads the fields of corrected lines.
pub(super) fn parse(kind: Kind, lines: &[Vec<u8>], corrections: usize, today: Day) -> Reading {
    let checks = check::all(kind, lines);
    let part = |name: &str| {
        kind.fields()
            .find(|field| field.name == name)
            .map_or(&[][..], |field| &lines[field.line][field.start..field.end])
    };
    let expiry = date::expiry(part("expiry_date"));
    let birth = date::birth(part("birth_date"), today, expiry);
    let well_formed = kind.fields().all(|field| takes(&field, lines))
        && code_fits(kind, part("document_code"))
        && ![expiry, birth].contains(&Found::Wrong)
        && state_fits(part("issuing_state"))
        && state_fits(part("nationality"))
        && part("names").first().is_some_and(u8::is_ascii_uppercase)
        && part("document_number").iter().any(|&byte| byte != FILLER);
    let mut fields = Vec::new();
    for field in kind.fields().filter(|field| !field.name.is_empty()) {
        let text = &lines[field.line][field.start..field.end];
        match field.name {
            "names" => fields.extend(names(text)),
            "birth_date" => fields.push((field.name, iso(birth))),
            "expiry_date" => fields.push((field.name, iso(expiry))),
            "document_number" => fields.push((field.name, number(kind, lines, text))),
            "optional_data" => fields.push((field.name, optional(kind, lines, &field))),
            _ => fields.push((field.name, plain(text))),
        }
    }
    Reading {
        kind,
        lines: lines.iter().map(|line| text(line)).collect(),
        fields,
        valid: well_formed && checks.iter().all(|&(_, right)| right),
        checks,
        corrections,
    }
}

fn takes(field: &Field, lines: &[Vec<u8>]) -> bool {
    lines[field.line][field.start..field.end]
        .iter()
        .all(|&byte| field.class.takes(byte))
}

/// Visas begin with `V`, passports with `P`, cards with `A`, `C`, `I` or `P`.
const fn code_fits(kind: Kind, code: &[u8]) -> bool {
    matches!(
        (kind, code),
        (Kind::MrvA | Kind::MrvB, [b'V', ..])
            | (Kind::Td3, [b'P', ..])
            | (Kind::Td1 | Kind::Td2, [b'A' | b'C' | b'I' | b'P', ..])
    )
}

/// One, two or three letters, then fillers.
fn state_fits(state: &[u8]) -> bool {
    let letters = state.iter().take_while(|&&byte| byte != FILLER).count();
    letters > 0 && state[letters..].iter().all(|&byte| byte == FILLER)
}

/// The bytes are of the alphabet of a zone, so this loses nothing.
fn text(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// The text without its padding, fillers inside as spaces.
fn plain(bytes: &[u8]) -> Option<String> {
    let spaced = text(bytes).replace('<', " ");
    let trimmed = spaced.trim_end();
    (!trimmed.is_empty()).then(|| trimmed.to_owned())
}

fn iso(found: Found) -> Option<String> {
    match found {
        Found::Date(date) => Some(date::iso(date)),
        Found::Unknown | Found::Wrong => None,
    }
}

/// Primary identifier before the double filler, secondary after it.
fn names(bytes: &[u8]) -> [(&'static str, Option<String>); 2] {
    let split = bytes.windows(2).position(|pair| pair == b"<<");
    let (surname, given) = match split {
        Some(at) => (&bytes[..at], &bytes[at + 2..]),
        None => (bytes, &[][..]),
    };
    let given = plain(given).map(|names| {
        let parts: Vec<&str> = names.split_whitespace().collect();
        parts.join(" ")
    });
    [("surname", plain(surname)), ("given_names", given)]
}

fn number(kind: Kind, lines: &[Vec<u8>], first: &[u8]) -> Option<String> {
    match check::long_number(kind, lines) {
        Some(long) => {
            let rest = &lines[long.line][long.start..long.check_at];
            plain(&[first, rest].concat())
        }
        None => plain(first),
    }
}

/// The optional data without the part that a long number takes of it.
fn optional(kind: Kind, lines: &[Vec<u8>], field: &Field) -> Option<String> {
    let start = check::long_number(kind, lines)
        .filter(|long| long.line == field.line)
        .map_or(field.start, |long| (long.check_at + 2).min(field.end));
    plain(&lines[field.line][start..field.end])
}
