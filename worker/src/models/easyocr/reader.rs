//! From a picture to its lines of text.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use lamplighter_engine::{
    isa::Isa,
    pool::Pool,
    vision::{
        self,
        resample::{self, Bytes},
    },
};

use super::{
    boxes::{self, Corners},
    craft::{Craft, GRID, Scores},
    crnn::{Allowed, Crnn, HEIGHT, Line},
    lines::{self, Place},
    tilt,
};

/// Means and deviations that the detector was trained with, in bytes.
const MEAN: [f32; 3] = [0.485 * 255.0, 0.456 * 255.0, 0.406 * 255.0];
const DEVIATION: [f32; 3] = [0.229 * 255.0, 0.224 * 255.0, 0.225 * 255.0];
/// Pixels of a cell of the score maps.
const CELL: f64 = 2.0;
/// A line that is less sure than this is read again with more contrast.
const UNSURE: f32 = 0.1;
/// The contrast that such a line is brought to.
const CONTRAST: f64 = 0.5;
/// Columns of a line's picture at most; a longer line is squeezed.
const WIDEST: usize = 8192;

/// Both networks, and what they compute with.
pub struct Reader {
    /// Finds text.
    pub craft: Craft,
    /// Reads it.
    pub crnn: Crnn,
    /// The threads.
    pub pool: Pool,
    /// The instructions.
    pub isa: Isa,
}

/// Asked between steps whether to stop.
pub type Stop<'a> = &'a (dyn Fn() -> bool + Sync);

impl Reader {
    /// The score maps of a picture of three channels whose longer side is brought to at most
    /// `longest` pixels, and how much larger the picture is than its copy.
    pub fn scores(&self, picture: &Bytes, longest: usize, stop: Stop<'_>) -> Option<(Scores, f64)> {
        let side = picture.rows.max(picture.columns);
        let share = longest.min(side) as f64 / side as f64;
        let part = |side: usize| ((side as f64 * share) as usize).max(1);
        let small = resample::bilinear(picture, part(picture.rows), part(picture.columns));
        let (rows, columns) = (
            small.rows.next_multiple_of(GRID),
            small.columns.next_multiple_of(GRID),
        );
        let image = vision::normalised(&small, rows, columns, &MEAN, &DEVIATION);
        let scores = self.craft.run(&self.pool, self.isa, image, stop)?;
        Some((scores, 1.0 / share))
    }

    /// Where the lines of a picture are, in its pixels, in reading order.
    pub fn find(&self, picture: &Bytes, longest: usize, stop: Stop<'_>) -> Option<Vec<Place>> {
        Some(lines::lines(&self.words(picture, longest, stop)?))
    }

    /// The same in a picture that may be tilted ([`tilt::tilted_lines`]).
    pub fn find_tilted(&self, picture: &Bytes, longest: usize, stop: Stop<'_>) -> Option<Vec<Place>> {
        Some(tilt::tilted_lines(&self.words(picture, longest, stop)?))
    }

    /// The boxes of words, in whole pixels of the picture.
    fn words(&self, picture: &Bytes, longest: usize, stop: Stop<'_>) -> Option<Vec<Corners>> {
        let (scores, larger) = self.scores(picture, longest, stop)?;
        let whole =
            |corners: Corners| corners.map(|corner| corner.map(|value| (value * CELL * larger).trunc()));
        Some(boxes::words(&scores).into_iter().map(whole).collect())
    }

    /// Reads lines of a picture of one channel; of a place without pixels nothing comes back.
    pub fn read(
        &self,
        grey: &Bytes,
        places: &[Place],
        allowed: &Allowed,
        stop: Stop<'_>,
    ) -> Option<Vec<Option<Line>>> {
        let next = AtomicUsize::new(0);
        let lines: Mutex<Vec<Option<Line>>> = Mutex::new(vec![None; places.len()]);
        self.pool.run(|_| {
            while !stop() {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(place) = places.get(index) else { break };
                let line = self.line(grey, place, allowed);
                lines.lock().unwrap_or_else(PoisonError::into_inner)[index] = line;
            }
        });
        (!stop()).then(|| lines.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads one line, a second time with more contrast if the first one says little.
    fn line(&self, grey: &Bytes, place: &Place, allowed: &Allowed) -> Option<Line> {
        let (picture, width) = line_picture(grey, place)?;
        let first = self.crnn.read(self.isa, &level(&picture), width, allowed);
        if first.confidence >= UNSURE {
            return Some(first);
        }
        let clearer = vision::with_contrast(&picture, CONTRAST);
        let second = self.crnn.read(self.isa, &level(&clearer), width, allowed);
        Some(if first.confidence > second.confidence {
            first
        } else {
            second
        })
    }
}

/// A line's picture, [`HEIGHT`] rows or columns, and to what width the recogniser shall see it.
fn line_picture(grey: &Bytes, place: &Place) -> Option<(Bytes, usize)> {
    let cut = match *place {
        Place::Level([left, right, top, bottom]) => {
            let at = |value: f64| value.max(0.0) as usize;
            grey.crop(at(left), at(top), at(right), at(bottom))
        }
        Place::Free([a, b, c, d]) => {
            let side = |one: [f64; 2], other: [f64; 2]| (one[0] - other[0]).hypot(one[1] - other[1]) as usize;
            let (columns, rows) = (side(c, d).max(side(a, b)), side(b, c).max(side(a, d)));
            if rows == 0 || columns == 0 || rows.max(columns) > 2 * WIDEST {
                return None;
            }
            resample::quadrilateral(grey, [a, b, c, d], rows, columns)
        }
    };
    if cut.rows == 0 || cut.columns == 0 {
        return None;
    }
    let ratio = cut.columns as f64 / cut.rows as f64;
    let ratio = if ratio < 1.0 { 1.0 / ratio } else { ratio };
    let long = ((HEIGHT as f64 * ratio) as usize).min(WIDEST);
    let width = (ratio.ceil() as usize * HEIGHT).min(WIDEST);
    let picture = if cut.columns < cut.rows {
        resample::bilinear(&cut, long, HEIGHT)
    } else {
        resample::bilinear(&cut, HEIGHT, long)
    };
    Some((picture, width))
}

/// A picture that is higher than a line is squeezed into one.
fn level(picture: &Bytes) -> Bytes {
    if picture.rows == HEIGHT {
        return picture.clone();
    }
    let columns = (HEIGHT * picture.columns).div_ceil(picture.rows).max(1);
    resample::bicubic(picture, HEIGHT, columns)
}
