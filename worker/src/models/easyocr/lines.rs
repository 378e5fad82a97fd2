//! Boxes of words joined to lines of text.

use super::{boxes::Corners, tilt::turned};

/// Slope of what is level.
const SLOPE: f64 = 0.1;
/// Share of the height by which the middles of words of one line may differ.
const MIDDLE: f64 = 0.5;
/// Share of the height by which the heights of words of one line may differ.
const HEIGHT: f64 = 0.5;
/// Gap between words of one line, in heights.
const GAP: f64 = 0.5;
/// Share of a box's smaller side that is added on every side.
const MARGIN: f64 = 0.1;
/// Pixels of the longer side of a line at least.
const LONGEST: f64 = 20.0;

/// A line's place in the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Place {
    /// Level: left, right, top and bottom, in whole pixels, perhaps beyond the edge.
    Level([f64; 4]),
    /// At an angle.
    Free(Corners),
}

impl Place {
    /// The corners, clockwise from the top left, inside a picture of this size.
    pub fn corners(&self, columns: usize, rows: usize) -> Corners {
        let inside = |[x, y]: [f64; 2]| [x.clamp(0.0, columns as f64), y.clamp(0.0, rows as f64)];
        match *self {
            Self::Level(bounds) => upright(bounds).map(inside),
            Self::Free(corners) => corners.map(inside),
        }
    }

    /// Left, top, right and bottom.
    pub fn bounds(&self) -> [f64; 4] {
        match *self {
            Self::Level([left, right, top, bottom]) => [left, top, right, bottom],
            Self::Free(corners) => {
                let pick = |axis: usize, pick: fn(f64, f64) -> f64| {
                    corners
                        .iter()
                        .map(|corner| corner[axis])
                        .reduce(pick)
                        .unwrap_or(0.0)
                };
                [
                    pick(0, f64::min),
                    pick(1, f64::min),
                    pick(0, f64::max),
                    pick(1, f64::max),
                ]
            }
        }
    }

    /// How long and how high it is, along its own edges.
    pub fn sides(&self) -> (f64, f64) {
        match *self {
            Self::Level([left, right, top, bottom]) => (right - left, bottom - top),
            Self::Free([a, b, c, d]) => {
                let side = |one: [f64; 2], other: [f64; 2]| (one[0] - other[0]).hypot(one[1] - other[1]);
                (side(a, b).max(side(d, c)), side(a, d).max(side(b, c)))
            }
        }
    }

    /// How far it is turned, clockwise, in radians.
    pub fn angle(&self) -> f64 {
        match *self {
            Self::Level(_) => 0.0,
            Self::Free([a, b, c, d]) => {
                let [right, down] = [0, 1].map(|axis| b[axis] - a[axis] + c[axis] - d[axis]);
                down.atan2(right)
            }
        }
    }

    /// Left, top, right and bottom once the picture is turned back by `angle` around its top left corner, so that
    /// places turned by that are level.
    pub fn bounds_turned_back(&self, angle: f64) -> [f64; 4] {
        let back = |point| turned(point, -angle);
        match *self {
            // That of the others is its, too.
            Self::Level([left, right, top, bottom]) => {
                let [x, y] = back([0.5 * (left + right), 0.5 * (top + bottom)]);
                let (across, down) = (0.5 * (right - left), 0.5 * (bottom - top));
                [x - across, y - down, x + across, y + down]
            }
            Self::Free(corners) => Self::Free(corners.map(back)).bounds(),
        }
    }
}

/// The corners of left, right, top and bottom.
pub(super) fn upright([left, right, top, bottom]: [f64; 4]) -> Corners {
    [[left, top], [right, top], [right, bottom], [left, bottom]]
}

/// A level word: its bounds as in [`Place::Level`].
#[derive(Debug, Clone, Copy)]
struct Word([f64; 4]);

impl Word {
    fn middle(&self) -> f64 {
        0.5 * (self.0[2] + self.0[3])
    }

    fn height(&self) -> f64 {
        self.0[3] - self.0[2]
    }
}

/// The lines that boxes of words (corners in whole pixels) make, in reading order.
pub fn lines(words: &[Corners]) -> Vec<Place> {
    let mut level: Vec<Word> = Vec::new();
    let mut places: Vec<Place> = Vec::new();
    for &corners in words {
        if is_level(&corners) {
            let [left, top, right, bottom] = Place::Free(corners).bounds();
            level.push(Word([left, right, top, bottom]));
        } else {
            places.push(Place::Free(grown(corners)));
        }
    }
    level.sort_by(|a, b| a.middle().total_cmp(&b.middle()));
    for row in rows(&level) {
        places.extend(joined(row).into_iter().map(Place::Level));
    }
    places.retain(|place| {
        let [left, top, right, bottom] = place.bounds();
        (right - left).max(bottom - top) > LONGEST
    });
    in_reading_order(places)
}

fn is_level([a, b, c, d]: &Corners) -> bool {
    let up = (b[1] - a[1]) / (b[0] - a[0]).max(10.0);
    let down = (c[1] - d[1]) / (c[0] - d[0]).max(10.0);
    up.abs().max(down.abs()) < SLOPE
}

/// A box at an angle with its margin, along its diagonals.
fn grown([a, b, c, d]: Corners) -> Corners {
    let side = |one: [f64; 2], other: [f64; 2]| (one[0] - other[0]).hypot(one[1] - other[1]);
    let margin = (1.44 * MARGIN * side(a, b).min(side(a, d))).trunc();
    let angle =
        |one: [f64; 2], other: [f64; 2]| ((one[1] - other[1]) / (one[0] - other[0]).max(10.0)).atan().abs();
    let (first, second) = (angle(a, c), angle(b, d));
    let moved = |[x, y]: [f64; 2], angle: f64, right: f64, down: f64| {
        [x + right * angle.cos() * margin, y + down * angle.sin() * margin]
    };
    [
        moved(a, first, -1.0, -1.0),
        moved(b, second, 1.0, -1.0),
        moved(c, first, 1.0, 1.0),
        moved(d, second, -1.0, 1.0),
    ]
}

/// Words whose middles lie about as high, each row from left to right.
fn rows(words: &[Word]) -> Vec<Vec<Word>> {
    let mut rows: Vec<Vec<Word>> = Vec::new();
    for &word in words {
        let fits = rows.last().is_some_and(|row| {
            let middle = mean(row, Word::middle);
            (middle - word.middle()).abs() < MIDDLE * mean(row, Word::height)
        });
        match rows.last_mut() {
            Some(row) if fits => row.push(word),
            _ => rows.push(vec![word]),
        }
    }
    for row in &mut rows {
        row.sort_by(|a, b| a.0[0].total_cmp(&b.0[0]));
    }
    rows
}

fn mean(words: &[Word], of: impl Fn(&Word) -> f64) -> f64 {
    words.iter().map(of).sum::<f64>() / words.len().max(1) as f64
}

/// The words of a row that stand close and are about as high, as one box each.
fn joined(row: Vec<Word>) -> Vec<[f64; 4]> {
    let mut groups: Vec<Vec<Word>> = Vec::new();
    for word in row {
        let fits = groups.last().is_some_and(|group| {
            let height = mean(group, Word::height);
            let end = group.last().map_or(f64::NEG_INFINITY, |last| last.0[1]);
            (height - word.height()).abs() < HEIGHT * height && word.0[0] - end < GAP * word.height()
        });
        match groups.last_mut() {
            Some(group) if fits => group.push(word),
            _ => groups.push(vec![word]),
        }
    }
    groups.iter().map(|group| around(group)).collect()
}

/// The box around words, with its margin.
fn around(words: &[Word]) -> [f64; 4] {
    let pick = |side: usize, pick: fn(f64, f64) -> f64| {
        words.iter().map(|word| word.0[side]).reduce(pick).unwrap_or(0.0)
    };
    let [left, right] = [pick(0, f64::min), pick(1, f64::max)];
    let [top, bottom] = [pick(2, f64::min), pick(3, f64::max)];
    let margin = (MARGIN * (right - left).min(bottom - top)).trunc();
    [left - margin, right + margin, top - margin, bottom + margin]
}

/// From top to bottom; what lies about as high from left to right.
fn in_reading_order(mut places: Vec<Place>) -> Vec<Place> {
    let middle = |place: &Place| {
        let [_, top, _, bottom] = place.bounds();
        0.5 * (top + bottom)
    };
    let height = |place: &Place| {
        let [_, top, _, bottom] = place.bounds();
        bottom - top
    };
    places.sort_by(|a, b| middle(a).total_cmp(&middle(b)));
    let mut rows: Vec<Vec<Place>> = Vec::new();
    for place in places {
        let fits = rows.last().and_then(|row| row.first()).is_some_and(|first| {
            let reach = MIDDLE * height(first).min(height(&place));
            (middle(first) - middle(&place)).abs() < reach
        });
        match rows.last_mut() {
            Some(row) if fits => row.push(place),
            _ => rows.push(vec![place]),
        }
    }
    for row in &mut rows {
        row.sort_by(|a, b| a.bounds()[0].total_cmp(&b.bounds()[0]));
    }
    rows.into_iter().flatten().collect()
}
