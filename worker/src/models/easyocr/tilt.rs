//! Lines of a picture that is tilted: words are joined as in a picture that is turned back.

use super::{
    boxes::Corners,
    lines::{self, Place, upright},
};

/// Slope from which a picture counts as tilted.
const TILT: f64 = 0.02;
/// How many times longer than high a word is whose angle is known.
const SHORT: f64 = 3.0;

/// The lines that boxes of words (corners in whole pixels) make, in reading order, where all may be tilted.
pub fn tilted_lines(words: &[Corners]) -> Vec<Place> {
    let all: Vec<Place> = words.iter().map(|&word| Place::Free(word)).collect();
    let rough = tilt(&all);
    if rough.tan().abs() < TILT {
        return lines::lines(words);
    }
    let angle = rough + rest(words, rough);
    let back: Vec<Corners> = words.iter().map(|word| turned_back(word, angle)).collect();
    let joined = lines::lines(&back).into_iter().map(|place| match place {
        Place::Level(bounds) => upright(bounds),
        Place::Free(corners) => corners,
    });
    joined
        .map(|corners| Place::Free(corners.map(|point| turned(point, angle))))
        .collect()
}

/// How far text is turned, clockwise, in radians: the angle in the middle of all, by their lengths.
pub fn tilt(places: &[Place]) -> f64 {
    let mut angles: Vec<(f64, f64)> = places
        .iter()
        .map(|place| (place.angle(), place.sides().0))
        .collect();
    angles.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut left = 0.5 * angles.iter().map(|(_, length)| length).sum::<f64>();
    let middle = angles.iter().find(|(_, length)| {
        left -= length;
        left <= 0.0
    });
    middle.map_or(0.0, |(angle, _)| *angle)
}

/// What is left of the tilt once it is turned back by `rough`: the slope of the longest line through the middles of its
/// words, which says more than the angle of any one.
fn rest(words: &[Corners], rough: f64) -> f64 {
    let mut boxes: Vec<[f64; 4]> = words
        .iter()
        .map(|word| Place::Free(turned_back(word, rough)).bounds())
        .collect();
    boxes.sort_by(|a, b| a[0].total_cmp(&b[0]));
    let middle = |[left, top, right, bottom]: &[f64; 4]| [0.5 * (left + right), 0.5 * (top + bottom)];
    // From each word on: what follows it about as high, one after the other.
    let line = |first: usize| -> Vec<[f64; 2]> {
        let mut points = vec![middle(&boxes[first])];
        for next in &boxes[first + 1..] {
            let [x, y] = middle(next);
            if let Some(&[before, height]) = points.last()
                && x > before
                && (y - height).abs() < 0.3 * (next[3] - next[1])
            {
                points.push([x, y]);
            }
        }
        points
    };
    let length = |points: &Vec<[f64; 2]>| points[points.len() - 1][0] - points[0][0];
    let longest = (0..boxes.len())
        .map(line)
        .max_by(|a, b| length(a).total_cmp(&length(b)));
    longest.map_or(0.0, |points| slope(&points).atan())
}

/// The slope of the line that fits points best.
fn slope(points: &[[f64; 2]]) -> f64 {
    let mean = |axis: usize| points.iter().map(|point| point[axis]).sum::<f64>() / points.len() as f64;
    let (x, y) = (mean(0), mean(1));
    let across: f64 = points.iter().map(|point| (point[0] - x).powi(2)).sum();
    let down: f64 = points.iter().map(|point| (point[0] - x) * (point[1] - y)).sum();
    if across > 0.0 { down / across } else { 0.0 }
}

/// A word once the picture is turned back. Of a short one its own angle says little: it is level then.
fn turned_back(word: &Corners, angle: f64) -> Corners {
    let (across, down) = Place::Free(*word).sides();
    if across.max(down) >= SHORT * across.min(down) {
        return word.map(|point| turned(point, -angle));
    }
    let middle = [0, 1].map(|axis| word.iter().map(|corner| corner[axis]).sum::<f64>() / 4.0);
    let [x, y] = turned(middle, -angle);
    let (across, down) = (0.5 * across, 0.5 * down);
    upright([x - across, x + across, y - down, y + down])
}

/// A point turned clockwise around the top left corner of the picture.
pub(super) fn turned([x, y]: [f64; 2], angle: f64) -> [f64; 2] {
    let (sin, cos) = angle.sin_cos();
    [x * cos - y * sin, x * sin + y * cos]
}
