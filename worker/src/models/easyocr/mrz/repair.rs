//! Correcting a zone whose lines have the right length: first by what a field may hold, then,
//! where letters and digits mix, by what makes a check digit right.
//!
//! A change in a mixed field is made only if it is the only one of its kind that makes the check
//! right; of several that would, none is made, and the zone stays invalid.

use super::{
    check,
    confusion::{self, FILLER},
    layout::{Check, Class, Field, Kind},
    state,
};

/// A place in a zone: line and column.
type Place = (usize, usize);
/// What to put at some places.
type Change = Vec<(Place, u8)>;

/// Corrects `lines` in place (each as long as the kind wants it) and says how many characters
/// changed.
pub(super) fn repair(kind: Kind, lines: &mut [Vec<u8>]) -> usize {
    let before: Vec<Vec<u8>> = lines.to_vec();
    for field in kind.fields() {
        coerce(&field, &mut lines[field.line][field.start..field.end]);
    }
    tidy_code(&mut lines[0]);
    tidy_state(kind, lines);
    for check in kind.checks() {
        if !check::is_right(kind, lines, check) {
            search(kind, lines, check);
        }
    }
    before
        .iter()
        .flatten()
        .zip(lines.iter().flatten())
        .filter(|(old, new)| old != new)
        .count()
}

/// How many characters of a line cannot stand where they stand, even corrected.
pub(super) fn misfits(kind: Kind, line: usize, text: &[u8]) -> usize {
    kind.fields()
        .filter(|field| field.line == line)
        .map(|field| {
            let mut part = text[field.start..field.end].to_vec();
            coerce(&field, &mut part);
            part.iter().filter(|&&byte| !field.class.takes(byte)).count()
        })
        .sum()
}

impl Class {
    /// Whether the character may stand in such a field.
    pub(super) const fn takes(self, byte: u8) -> bool {
        match self {
            Self::Letters | Self::Names => byte.is_ascii_uppercase() || byte == FILLER,
            Self::Date | Self::DigitOrFiller => byte.is_ascii_digit() || byte == FILLER,
            Self::Digit => byte.is_ascii_digit(),
            Self::Sex => matches!(byte, b'M' | b'F' | b'X' | FILLER),
            Self::Mixed => confusion::is_zone(byte),
        }
    }
}

/// What a character must have been, given where it stands.
fn coerce(field: &Field, part: &mut [u8]) {
    for byte in part.iter_mut() {
        let better = match field.class {
            Class::Letters | Class::Names => confusion::letter_for(*byte),
            Class::Date | Class::Digit => confusion::digit_for(*byte),
            Class::DigitOrFiller => confusion::digit_for(*byte).or(match *byte {
                b'C' | b'K' => Some(FILLER),
                _ => None,
            }),
            Class::Sex => matches!(*byte, b'C' | b'K').then_some(FILLER),
            Class::Mixed => None,
        };
        *byte = better.unwrap_or(*byte);
    }
    match field.class {
        // Three fillers in a row end a name; what little follows them is padding.
        Class::Names => tidy_padding(part, 3, 2, confusion::looks_like_filler),
        // A `K` has the value of a filler: no check digit can tell, its neighbours can.
        Class::Mixed => tidy_padding(part, 2, 1, |byte| byte == b'K'),
        _ => {}
    }
}

/// Makes fillers of groups of at most `longest` characters that stand after `run` fillers.
fn tidy_padding(part: &mut [u8], run: usize, longest: usize, like: impl Fn(u8) -> bool) {
    let mut fillers = 0;
    let mut at = 0;
    while at < part.len() {
        if part[at] == FILLER {
            fillers += 1;
            at += 1;
            continue;
        }
        let length = part[at..]
            .iter()
            .position(|&byte| byte == FILLER)
            .unwrap_or(part.len() - at);
        let group = &mut part[at..at + length];
        if fillers >= run && length <= longest && group.iter().all(|&byte| like(byte)) {
            group.fill(FILLER);
            fillers += length;
        } else {
            fillers = 0;
        }
        at += length;
    }
}

/// No document code in use ends in `K`, and none of a passport or visa in `C`.
fn tidy_code(line: &mut [u8]) {
    let filler = matches!((line[0], line[1]), (_, b'K') | (b'P' | b'V', b'C'));
    if filler {
        line[1] = FILLER;
    }
}

/// The only state of one letter is `D`; the other two places are fillers then. What is no code becomes one.
fn tidy_state(kind: Kind, lines: &mut [Vec<u8>]) {
    for field in kind.fields() {
        if matches!(field.name, "issuing_state" | "nationality") {
            let state = &mut lines[field.line][field.start..field.end];
            let like = |byte: u8| matches!(byte, FILLER | b'K' | b'C');
            if state[0] == b'D' && like(state[1]) && like(state[2]) {
                state[1..].fill(FILLER);
            }
            state::correct(state);
        }
    }
}

/// The places of mixed fields that a check covers and that no earlier check vouches for.
fn open_places(kind: Kind, lines: &[Vec<u8>], check: &Check) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::new();
    let inside = |place: Place, check: &Check| {
        check
            .covers
            .iter()
            .any(|&(line, start, end)| place.0 == line && (start..end).contains(&place.1))
    };
    let long = check::long_number(kind, lines);
    for field in kind.fields().filter(|field| field.class == Class::Mixed) {
        for at in field.start..field.end {
            let place = (field.line, at);
            let of_number =
                long.is_some_and(|long| field.line == long.line && (long.start..long.check_at).contains(&at));
            let covered = inside(place, check) || (check.name == "document_number" && of_number);
            let vouched = check.name == "composite"
                && (of_number
                    || kind
                        .checks()
                        .iter()
                        .any(|other| other.name != "composite" && inside(place, other)));
            if covered && !vouched {
                places.push(place);
            }
        }
    }
    places
}

/// Whether a neighbour is of the kind that the character would become: a digit among letters or
/// a letter among digits is rarer than a confusion elsewhere, and every change that is tried may
/// make a check digit right by chance.
fn has_company(lines: &[Vec<u8>], (line, at): Place, byte: u8) -> bool {
    let line = &lines[line];
    let before = at.checked_sub(1).and_then(|at| line.get(at));
    let after = line.get(at + 1);
    match byte {
        FILLER => before == Some(&FILLER) || after == Some(&FILLER),
        digit if digit.is_ascii_digit() => [before, after].into_iter().flatten().any(u8::is_ascii_digit),
        _ => [before, after].into_iter().flatten().any(u8::is_ascii_uppercase),
    }
}

/// Looks for the change that makes a check right: of one character, then of all equal ones, then
/// of two, then of one that looks less alike. Makes it if there is exactly one.
fn search(kind: Kind, lines: &mut [Vec<u8>], check: &Check) {
    // A long number's check digit is a character of a mixed field.
    if let Some(long) = check::long_number(kind, lines)
        && check.name == "document_number"
    {
        let byte = &mut lines[long.line][long.check_at];
        *byte = confusion::digit_for(*byte).unwrap_or(*byte);
        if check::is_right(kind, lines, check) {
            return;
        }
    }
    let singles: Change = open_places(kind, lines, check)
        .into_iter()
        .flat_map(|place| {
            let lines: &[Vec<u8>] = lines;
            confusion::alternatives(lines[place.0][place.1])
                .iter()
                .filter(move |&&other| has_company(lines, place, other))
                .map(move |&other| (place, other))
        })
        .collect();
    let one: Vec<Change> = singles.iter().map(|&change| vec![change]).collect();
    let distant = open_places(kind, lines, check).into_iter().flat_map(|place| {
        let others = confusion::distant_alternatives(lines[place.0][place.1]);
        others.iter().map(move |&other| vec![(place, other)])
    });
    let distant: Vec<Change> = distant.collect();
    let steps = [one, alike(lines, &singles), pairs(&singles), distant];
    for changes in steps {
        let mut right = changes;
        right.retain(|change| makes_right(kind, lines, check, change));
        if let [change] = right.as_slice() {
            apply(lines, change);
        }
        if !right.is_empty() {
            return;
        }
    }
}

/// The changes of all equal characters at once, where there are at least two.
fn alike(lines: &[Vec<u8>], singles: &[(Place, u8)]) -> Vec<Change> {
    let mut groups: Vec<((u8, u8), Change)> = Vec::new();
    for &(place, other) in singles {
        let key = (lines[place.0][place.1], other);
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, group)) => group.push((place, other)),
            None => groups.push((key, vec![(place, other)])),
        }
    }
    groups
        .into_iter()
        .map(|(_, group)| group)
        .filter(|group| group.len() > 1)
        .collect()
}

/// The changes of two characters at different places.
fn pairs(singles: &[(Place, u8)]) -> Vec<Change> {
    let mut out = Vec::new();
    for (index, first) in singles.iter().enumerate() {
        for second in &singles[index + 1..] {
            if first.0 != second.0 {
                out.push(vec![*first, *second]);
            }
        }
    }
    out
}

fn apply(lines: &mut [Vec<u8>], change: &[(Place, u8)]) {
    for &((line, at), byte) in change {
        lines[line][at] = byte;
    }
}

fn makes_right(kind: Kind, lines: &mut [Vec<u8>], check: &Check, change: &[(Place, u8)]) -> bool {
    let old: Change = change
        .iter()
        .map(|&(place, _)| (place, lines[place.0][place.1]))
        .collect();
    apply(lines, change);
    let right = check::is_right(kind, lines, check);
    apply(lines, &old);
    right
}
