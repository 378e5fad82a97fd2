//! The machine readable zone of a picture of a document, whichever way up it lies.

use lamplighter_engine::vision::resample::Bytes;

use super::{
    crnn::Allowed,
    lines::Place,
    mrz::{self, Day, Piece, Reading},
    reader::{Reader, Stop},
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
    let upright = reader.find(picture, longest, stop)?;
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
            (&turned, reader.find(&turned, longest, stop)?)
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
        let pieces: Vec<Piece> = self
            .places
            .iter()
            .zip(lines)
            .filter_map(|(place, line)| {
                Some(Piece {
                    text: line?.text,
                    bounds: place.bounds().map(|side| side as f32),
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

fn sides(place: &Place) -> (f64, f64) {
    let [left, top, right, bottom] = place.bounds();
    (right - left, bottom - top)
}

/// Whether most of what was found is higher than wide.
fn lies_on_its_side(places: &[Place]) -> bool {
    let high = places.iter().filter(|place| {
        let (width, height) = sides(place);
        height > 1.5 * width
    });
    2 * high.count() > places.len()
}

/// The places that may be of a zone, in their order.
fn candidates(mut places: Vec<Place>) -> Vec<Place> {
    places.retain(|place| {
        let (width, height) = sides(place);
        width >= SLENDER * height
    });
    let mut widths: Vec<f64> = places.iter().map(|place| sides(place).0).collect();
    widths.sort_by(|a, b| b.total_cmp(a));
    if let Some(&least) = widths.get(MOST) {
        places.retain(|place| sides(place).0 > least);
    }
    places
}
