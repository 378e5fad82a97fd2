//! Finding the zone among recognised lines of text.

use super::{
    align::{Aligned, align},
    confusion::{self, FILLER},
    date::Day,
    layout::Kind,
    parse::{self, Reading},
    repair,
};

/// The shortest text that can be most of a line.
const SHORTEST: usize = 15;
/// The longest text that is looked at.
const LONGEST: usize = 64;
/// The most rows that are looked at: those likest to a zone.
const ROWS: usize = 12;
/// The most pieces that are looked at.
const PIECES: usize = 2000;

/// A recognised piece of text and the box around it, in any unit, `y` downwards.
#[derive(Debug, Clone)]
pub struct Piece {
    /// What it says.
    pub text: String,
    /// Left, top, right and bottom.
    pub bounds: [f32; 4],
}

/// Finds and reads the machine readable zone among pieces of text; of several readings the one
/// with the most right check digits. `today` decides the century of a birth date.
#[must_use]
pub fn find(pieces: &[Piece], today: Day) -> Option<Reading> {
    let rows = likely(rows(pieces));
    let mut best: Option<(i64, Reading)> = None;
    for first in 0..rows.len() {
        for second in first + 1..rows.len().min(first + 3) {
            for kind in Kind::ALL {
                let thirds = if kind.lines() == 3 {
                    second + 1..rows.len().min(second + 3)
                } else {
                    second..second + 1
                };
                for third in thirds {
                    let texts = [&rows[first], &rows[second], &rows[third]];
                    consider(kind, &texts[..kind.lines()], today, &mut best);
                }
            }
        }
    }
    best.map(|(_, reading)| reading)
}

/// Reads lines that are known to be a zone and in order, whatever their kind.
#[cfg(test)]
pub(super) fn read(lines: &[&str], today: Day) -> Option<Reading> {
    let pieces: Vec<Piece> = lines
        .iter()
        .zip(0_u8..)
        .map(|(text, row)| Piece {
            text: (*text).to_owned(),
            bounds: [0.0, f32::from(row) * 10.0, 100.0, f32::from(row) * 10.0 + 8.0],
        })
        .collect();
    find(&pieces, today)
}

/// Pieces beside one another make one row, from left to right; rows from top to bottom.
fn rows(pieces: &[Piece]) -> Vec<Vec<u8>> {
    let mut sorted: Vec<&Piece> = pieces.iter().take(PIECES).collect();
    let middle = |piece: &Piece| (piece.bounds[1] + piece.bounds[3]) / 2.0;
    sorted.sort_by(|a, b| middle(a).total_cmp(&middle(b)));
    let mut rows: Vec<Vec<&Piece>> = Vec::new();
    for piece in sorted {
        let joins = rows.last().and_then(|row| row.last()).is_some_and(|last| {
            let height = (last.bounds[3] - last.bounds[1]).min(piece.bounds[3] - piece.bounds[1]);
            (middle(piece) - middle(last)).abs() < height / 2.0
        });
        match rows.last_mut() {
            Some(row) if joins => row.push(piece),
            _ => rows.push(vec![piece]),
        }
    }
    rows.into_iter()
        .map(|mut row| {
            row.sort_by(|a, b| a.bounds[0].total_cmp(&b.bounds[0]));
            row.iter()
                .flat_map(|piece| confusion::normalise(&piece.text))
                .collect()
        })
        .collect()
}

/// The rows that may be of a zone, in their order.
fn likely(rows: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let mut scored: Vec<(usize, usize, Vec<u8>)> = rows
        .into_iter()
        .filter(|row| (SHORTEST..=LONGEST).contains(&row.len()))
        .enumerate()
        .map(|(index, row)| {
            let telling = row
                .iter()
                .filter(|&&byte| byte == FILLER || byte.is_ascii_digit())
                .count();
            (index, telling, row)
        })
        .collect();
    scored.sort_by_key(|&(index, telling, _)| (std::cmp::Reverse(telling), index));
    scored.truncate(ROWS);
    scored.sort_by_key(|&(index, _, _)| index);
    scored.into_iter().map(|(_, _, row)| row).collect()
}

/// Tries every way to align the lines as a kind, and keeps the best reading that is one.
fn consider(kind: Kind, texts: &[&Vec<u8>], today: Day, best: &mut Option<(i64, Reading)>) {
    let ways: Vec<Vec<Aligned>> = texts
        .iter()
        .enumerate()
        .map(|(line, text)| align(kind, line, text))
        .collect();
    let rest = ways.get(2).map_or(1, Vec::len);
    for first in &ways[0] {
        for second in &ways[1] {
            for third in 0..rest {
                let mut chosen = vec![first, second];
                chosen.extend(ways.get(2).and_then(|line| line.get(third)));
                if let Some((score, reading)) = attempt(kind, &chosen, texts, today)
                    && best.as_ref().is_none_or(|(known, _)| score > *known)
                {
                    *best = Some((score, reading));
                }
            }
        }
    }
}

/// Reads one alignment; nothing if too little speaks for it.
fn attempt(kind: Kind, chosen: &[&Aligned], texts: &[&Vec<u8>], today: Day) -> Option<(i64, Reading)> {
    // A visa, and nothing else, begins with `V`; this alone tells the kinds of two lines apart.
    if kind.is_visa() != (chosen[0].text[0] == b'V') {
        return None;
    }
    let mut lines: Vec<Vec<u8>> = chosen.iter().map(|way| way.text.clone()).collect();
    let replaced = repair::repair(kind, &mut lines);
    let resized: usize = texts.iter().map(|text| text.len().abs_diff(kind.width())).sum();
    let reading = parse::parse(kind, &lines, replaced + resized, today);
    let right = reading.checks.iter().filter(|&&(_, right)| right).count();
    let cost: usize = chosen.iter().map(|way| way.cost).sum();
    let enough = right >= 2 || (right == 1 && cost <= 2);
    let score = i64::from(reading.valid) * 10_000 + as_i64(right) * 100
        - as_i64(cost) * 4
        - as_i64(resized + replaced);
    enough.then_some((score, reading))
}

fn as_i64(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX / 1_000_000)
}
