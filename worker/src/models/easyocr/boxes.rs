//! From score maps to boxes around lines of text.
//!
//! Parts of the map that hang together are words; the smallest rectangle around each, a little
//! widened, is its box. Boxes that lie level are joined to lines; the others stay as they are.

use lamplighter_engine::vision::{components, rectangle};

use super::craft::Scores;

/// Score that a word has somewhere at least.
const TEXT: f32 = 0.7;
/// Score of a link between letters.
const LINK: f32 = 0.4;
/// Score of what belongs to a word.
const LOW_TEXT: f32 = 0.4;
/// Cells that a word has at least.
const SMALLEST: usize = 10;
/// The most words that are looked at in one picture: the first from the top.
const MOST: usize = 2000;

/// Four corners (x, y), clockwise from the top left.
pub type Corners = [[f64; 2]; 4];

/// The boxes of words, in cells of the map.
pub fn words(scores: &Scores) -> Vec<Corners> {
    let columns = scores.columns;
    let set = scores
        .text
        .iter()
        .zip(&scores.link)
        .map(|(&text, &link)| text > LOW_TEXT || link > LINK)
        .collect();
    components::connected(columns, set)
        .iter()
        .filter(|part| part.cells.len() >= SMALLEST)
        .filter(|part| part.cells.iter().any(|&cell| scores.text[cell] >= TEXT))
        .filter_map(|part| word(scores, part))
        .take(MOST)
        .collect()
}

/// The box of one word.
fn word(scores: &Scores, part: &components::Component) -> Option<Corners> {
    let (width, height) = (part.right + 1 - part.left, part.bottom + 1 - part.top);
    let fill = part.cells.len() as f64 * width.min(height) as f64 / (width * height) as f64;
    let wider = (fill.sqrt() * 2.0) as usize;
    let mut spans: Vec<Option<(usize, usize)>> = vec![None; height];
    // Where there is only a link, the word is not.
    for &cell in part.cells.iter().filter(|&&cell| scores.text[cell] > LOW_TEXT) {
        let (row, column) = (cell / scores.columns - part.top, cell % scores.columns);
        let span = spans[row].get_or_insert((column, column));
        *span = (span.0.min(column), span.1.max(column));
    }
    let points = widened(scores, part, &spans, wider);
    let corners = rectangle::smallest(&points)?;
    Some(from_top_left(upright_if_square(corners, &points)))
}

/// The outermost cells of every row after the word was widened by a square of `wider + 1` cells;
/// all that a hull needs.
fn widened(
    scores: &Scores,
    part: &components::Component,
    spans: &[Option<(usize, usize)>],
    wider: usize,
) -> Vec<rectangle::Point> {
    let after = wider.div_ceil(2);
    let before = wider - after;
    let first = part.top.saturating_sub(before.min(wider));
    let end = (part.bottom + after + 1).min(scores.rows);
    let mut points = Vec::new();
    for row in first..end {
        let low = row.saturating_sub(after).max(part.top);
        let high = (row + before).min(part.bottom);
        let near = (low..=high).filter_map(|row| spans[row - part.top]);
        let span = near.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
        if let Some((left, right)) = span {
            let right = (right + after).min(scores.columns - 1);
            points.push([left.saturating_sub(before) as f64, row as f64]);
            points.push([right as f64, row as f64]);
        }
    }
    points
}

/// A rectangle that is nearly a square says little about its angle: the upright one is taken.
fn upright_if_square(corners: Corners, points: &[rectangle::Point]) -> Corners {
    let side = |a: [f64; 2], b: [f64; 2]| (a[0] - b[0]).hypot(a[1] - b[1]);
    let (one, other) = (side(corners[0], corners[1]), side(corners[1], corners[2]));
    let ratio = one.max(other) / (one.min(other) + 1e-5);
    if (1.0 - ratio).abs() > 0.1 {
        return corners;
    }
    let range = |axis: usize| {
        let values = points.iter().map(|point| point[axis]);
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        })
    };
    let ((left, right), (top, bottom)) = (range(0), range(1));
    [[left, top], [right, top], [right, bottom], [left, bottom]]
}

/// The corner nearest to the top left first.
fn from_top_left(mut corners: Corners) -> Corners {
    let first = (0..4)
        .min_by(|&a, &b| {
            let sum = |at: usize| corners[at][0] + corners[at][1];
            sum(a).total_cmp(&sum(b))
        })
        .unwrap_or(0);
    corners.rotate_left(first);
    corners
}
