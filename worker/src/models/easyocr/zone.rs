//! The machine readable zone of a picture of a document, whichever way up it lies, and if it is tilted.

use lamplighter_engine::vision::resample::Bytes;

use super::{
    crnn::Allowed,
    lines::Place,
    mrz::{self, Day, Piece, Reading},
    reader::{Reader, Stop},
    tilt,
};

/// How many times longer than high what may be (a part of) a line of a zone is.
const SLENDER: f64 = 3.0;
/// The most places that are read: the longest.
const MOST: usize = 24;

/// Finds and reads the zone: upright first, then upside down, then on either side (which takes a
/// second look for text). `done` is told the share of the work; nothing comes back once `stop`
/// said yes.
pub fn read(
    reader: &Reader,
    picture: &Bytes,
    longest: usize,
    today: Day,
    stop: Stop<'_>,
    done: &dyn Fn(f64),
) -> Option<Option<Reading>> {
    let allowed = Allowed::new(Some(mrz::ALPHABET));
    let upright = reader.find_tilted(picture, longest, stop)?;
    done(0.4);
    let mut best = None;
    for on_its_side in if lies_on_its_side(&upright) {
        [true, false]
    } else {
        [false, true]
    } {
        let turned;
        let (picture, places) = if on_its_side {
            turned = picture.turned();
            (&turned, reader.find_tilted(&turned, longest, stop)?)
        } else {
            (picture, upright.clone())
        };
        let view = View {
            grey: picture.grey(),
            places: candidates(places),
        };
        let upside_down = view.upside_down();
        for view in [view, upside_down] {
            let reading = view.read(reader, &allowed, today, stop)?;
            best = better(best, reading);
            if best.as_ref().is_some_and(|reading| reading.valid) {
                return Some(best);
            }
        }
        done(0.7);
        // A zone was there, if not all of it was read: it lies no other way.
        if best.is_some() {
            break;
        }
    }
    Some(best)
}

/// A picture one way up, and where to read.
struct View {
    grey: Bytes,
    places: Vec<Place>,
}

impl View {
    fn upside_down(&self) -> Self {
        let (columns, rows) = (self.grey.columns as f64, self.grey.rows as f64);
        let turned = |place: &Place| match *place {
            Place::Level([left, right, top, bottom]) => {
                Place::Level([columns - right, columns - left, rows - bottom, rows - top])
            }
            Place::Free([a, b, c, d]) => Place::Free([c, d, a, b].map(|[x, y]| [columns - x, rows - y])),
        };
        Self {
            grey: self.grey.turned().turned(),
            places: self.places.iter().map(turned).collect(),
        }
    }

    fn read(
        &self,
        reader: &Reader,
        allowed: &Allowed,
        today: Day,
        stop: Stop<'_>,
    ) -> Option<Option<Reading>> {
        let lines = reader.read(&self.grey, &self.places, allowed, stop)?;
        let angle = tilt::tilt(&self.places);
        let pieces: Vec<Piece> = self
            .places
            .iter()
            .zip(lines)
            .filter_map(|(place, line)| {
                Some(Piece {
                    text: line?.text,
                    bounds: place.bounds_turned_back(angle).map(|side| side as f32),
                })
            })
            .collect();
        Some(mrz::find(&pieces, today))
    }
}

/// The reading with more right check digits.
fn better(one: Option<Reading>, other: Option<Reading>) -> Option<Reading> {
    let right = |reading: &Reading| reading.checks.iter().filter(|(_, right)| *right).count();
    match (one, other) {
        (Some(one), Some(other)) if right(&other) > right(&one) => Some(other),
        (one, other) => one.or(other),
    }
}

/// Whether most of what was found is higher than wide.
fn lies_on_its_side(places: &[Place]) -> bool {
    let high = places.iter().filter(|place| {
        let (width, height) = place.sides();
        height > 1.5 * width
    });
    2 * high.count() > places.len()
}

/// The places that may be of a zone, in their order.
fn candidates(mut places: Vec<Place>) -> Vec<Place> {
    places.retain(|place| {
        let (width, height) = place.sides();
        width >= SLENDER * height
    });
    let mut widths: Vec<f64> = places.iter().map(|place| place.sides().0).collect();
    widths.sort_by(|a, b| b.total_cmp(a));
    if let Some(&least) = widths.get(MOST) {
        places.retain(|place| place.sides().0 > least);
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line of this length and height whose top left corner is there, turned clockwise around the origin.
    fn turned(left: f64, top: f64, (length, height): (f64, f64), degrees: f64) -> Place {
        let (sin, cos) = degrees.to_radians().sin_cos();
        let corners = [[0.0, 0.0], [length, 0.0], [length, height], [0.0, height]];
        Place::Free(corners.map(|[x, y]| {
            let (x, y) = (left + x, top + y);
            [x * cos - y * sin, x * sin + y * cos]
        }))
    }

    #[test]
    fn the_boxes_of_a_tilted_zone_are_level_in_the_frame_of_its_text() {
        for degrees in [-15.0, -5.0, 0.0, 8.0, 30.0] {
            let places = [
                turned(0.0, 500.0, (700.0, 24.0), degrees),
                turned(0.0, 545.0, (700.0, 24.0), degrees),
                Place::Level([40.0, 90.0, 300.0, 318.0]),
            ];
            let angle = tilt::tilt(&places);
            assert!((angle.to_degrees() - degrees).abs() < 1e-9, "{degrees}: {angle}");
            for (line, top) in places.iter().zip([500.0, 545.0]) {
                let bounds = line.bounds_turned_back(angle);
                for (side, expected) in bounds.iter().zip([0.0, top, 700.0, top + 24.0]) {
                    assert!((side - expected).abs() < 1e-6, "{degrees}: {bounds:?}");
                }
            }
            assert_eq!(candidates(places.to_vec())[..], places[..2]);
            assert!(!lies_on_its_side(&places));
        }
    }

    #[test]
    fn where_most_is_level_nothing_is_turned() {
        let level = Place::Level([0.0, 700.0, 500.0, 524.0]);
        let stamp = turned(300.0, 100.0, (200.0, 30.0), 20.0);
        assert!(tilt::tilt(&[stamp, level, level]).abs() < f64::EPSILON);
        assert!(tilt::tilt(&[]).abs() < f64::EPSILON);
        assert_eq!(level.bounds_turned_back(0.0), [0.0, 500.0, 700.0, 524.0]);
    }

    #[test]
    fn words_of_a_tilted_line_are_joined() {
        for degrees in [-15.0, -4.0, 0.0, 8.0] {
            let word = |left: f64, top: f64, length: f64| match turned(left, top, (length, 24.0), degrees) {
                Place::Free(corners) => corners,
                Place::Level(_) => unreachable!("it is free"),
            };
            let words = [
                word(0.0, 500.0, 130.0),
                // Too short to have an angle.
                [[0.0, 0.0], [50.0, 0.0], [50.0, 24.0], [0.0, 24.0]].map(|[x, y]| {
                    let (sin, cos) = degrees.to_radians().sin_cos();
                    [
                        160.0 * cos - 512.0 * sin - 25.0 + x,
                        160.0 * sin + 512.0 * cos - 12.0 + y,
                    ]
                }),
                word(190.0, 500.0, 300.0),
                word(0.0, 545.0, 490.0),
            ];
            let found = tilt::tilted_lines(&words);
            assert_eq!(found.len(), 2, "{degrees}: {found:?}");
            for (place, top) in found.iter().zip([500.0, 545.0]) {
                let bounds = place.bounds_turned_back(f64::to_radians(degrees));
                for (side, expected) in bounds.iter().zip([0.0, top, 490.0, top + 24.0]) {
                    assert!((side - expected).abs() < 4.0, "{degrees}: {bounds:?}");
                }
            }
        }
    }
}
