//! The three stages: places in a pyramid of sizes that may be faces, then a closer look at each of them, then
//! another with landmarks. What is done, and with which thresholds, is what facenet-pytorch does; caps on
//! the number of candidates are our own, far beyond what photos have.

use candle_core::Result;
use lamplighter_engine::conv::{Area, Map, area};
use lamplighter_readers::image::Picture;

use super::{
    boxes::{Candidate, Overlap, best},
    nets::Nets,
};

/// Ratio of a size of the pyramid to the one before.
const FACTOR: f64 = 0.709;
/// Side of what the first network looks at, and how far its places are apart.
const CELL: f64 = 12.0;
const STEP: usize = 2;
/// How sure each stage has to be.
const THRESHOLDS: [f32; 3] = [0.6, 0.7, 0.7];
/// The most candidates: of each size, and that the second and the third stage look at.
const MAX_OF_SIZE: usize = 4096;
const MAX_CANDIDATES: usize = 1024;
/// The most pixels that are searched; larger pictures are made smaller first.
pub const MAX_PIXELS: usize = 4_000_000;
/// What numbers of pictures become: `(number - shift) * scale`.
const SHIFT: f32 = 127.5;
const SCALE: f32 = 0.007_812_5;
/// Candidates between two looks at whether the answer is still wanted.
const BETWEEN_LOOKS: usize = 16;

/// Faces in a picture, the surest first; none where `wanted` said no meanwhile. `min_size` is the side of the
/// smallest face in pixels.
///
/// # Errors
/// Where the device fails, or computes something that is no number.
pub fn detect(
    nets: &Nets,
    picture: &Picture,
    min_size: usize,
    wanted: &dyn Fn(f64) -> bool,
) -> Result<Option<Vec<Candidate>>> {
    let search = Search {
        nets,
        picture,
        wanted,
    };
    let Some(candidates) = search.propose(min_size)? else {
        return Ok(None);
    };
    let Some(candidates) = search.refine(candidates)? else {
        return Ok(None);
    };
    search.finish(candidates)
}

struct Search<'a> {
    nets: &'a Nets,
    picture: &'a Picture,
    wanted: &'a dyn Fn(f64) -> bool,
}

impl Search<'_> {
    /// The first stage.
    fn propose(&self, min_size: usize) -> Result<Option<Vec<Candidate>>> {
        let (width, height) = (self.picture.width, self.picture.height);
        let mut all = Vec::new();
        let mut scale = CELL / min_size as f64;
        let mut side = width.min(height) as f64 * scale;
        while side >= CELL {
            if !(self.wanted)(0.1) {
                return Ok(None);
            }
            let size = |side: usize| (side as f64 * scale + 1.0) as usize;
            let whole = [0, 0, width, height];
            let small = self.part(whole, size(height), size(width));
            let heads = self.nets.run(&self.nets.proposal, small)?;
            let found = places(&heads[0], &heads[1], scale as f32)?;
            all.extend(best(found, 0.5, Overlap::Union, MAX_OF_SIZE));
            scale *= FACTOR;
            side *= FACTOR;
        }
        let kept = best(all, 0.7, Overlap::Union, MAX_CANDIDATES);
        Ok(Some(kept.into_iter().map(|c| c.moved(0.0).squared()).collect()))
    }

    /// The second stage.
    fn refine(&self, candidates: Vec<Candidate>) -> Result<Option<Vec<Candidate>>> {
        let mut sure = Vec::new();
        for (index, candidate) in candidates.into_iter().enumerate() {
            if index % BETWEEN_LOOKS == 0 && !(self.wanted)(0.4) {
                return Ok(None);
            }
            let Some(window) = candidate.window(self.picture.width, self.picture.height) else {
                continue;
            };
            let heads = self.nets.run(&self.nets.refine, self.part(window, 24, 24))?;
            let score = probability(&heads[0].data)?;
            if score > THRESHOLDS[1] {
                let offsets = offsets(&heads[1].data);
                sure.push(Candidate {
                    score,
                    offsets,
                    ..candidate
                });
            }
        }
        let kept = best(sure, 0.7, Overlap::Union, MAX_CANDIDATES);
        Ok(Some(kept.into_iter().map(|c| c.moved(1.0).squared()).collect()))
    }

    /// The third stage.
    fn finish(&self, candidates: Vec<Candidate>) -> Result<Option<Vec<Candidate>>> {
        let mut sure = Vec::new();
        for (index, candidate) in candidates.into_iter().enumerate() {
            if index % BETWEEN_LOOKS == 0 && !(self.wanted)(0.7) {
                return Ok(None);
            }
            let Some(window) = candidate.window(self.picture.width, self.picture.height) else {
                continue;
            };
            let heads = self.nets.run(&self.nets.output, self.part(window, 48, 48))?;
            let score = probability(&heads[0].data)?;
            if score > THRESHOLDS[2] {
                let offsets = offsets(&heads[1].data);
                let points = points(&heads[2].data, candidate.sides);
                let face = Candidate {
                    score,
                    offsets,
                    points,
                    ..candidate
                };
                sure.push(face.moved(1.0));
            }
        }
        Ok(Some(best(sure, 0.7, Overlap::Smaller, MAX_CANDIDATES)))
    }

    /// A part of the picture, resized.
    fn part(&self, [left, top, columns, rows]: [usize; 4], height: usize, width: usize) -> Map {
        let part = Area {
            rgb: &self.picture.rgb,
            width: self.picture.width,
            left,
            top,
            columns,
            rows,
        };
        area(part, height, width, SHIFT, SCALE)
    }
}

/// The places that the first network is sure enough of, as boxes of the picture.
fn places(logits: &Map, offset: &Map, scale: f32) -> Result<Vec<Candidate>> {
    let mut found = Vec::new();
    for (index, pair) in logits.data.chunks_exact(2).enumerate() {
        let score = probability(pair)?;
        if score < THRESHOLDS[0] {
            continue;
        }
        let (y, x) = (index / logits.width, index % logits.width);
        let first = |at: usize| ((STEP * at + 1) as f32 / scale).floor();
        let last = |at: usize| ((STEP * at) as f32 + CELL as f32) / scale;
        found.push(Candidate {
            sides: [first(x), first(y), last(x).floor(), last(y).floor()],
            score,
            offsets: offsets(offset.pixel(y, x)),
            points: [[0.0; 2]; 5],
        });
    }
    Ok(found)
}

/// The second of two logits as a probability.
fn probability(logits: &[f32]) -> Result<f32> {
    let &[no, yes] = logits else {
        candle_core::bail!("a score has two numbers");
    };
    let most = no.max(yes);
    let (no, yes) = ((no - most).exp(), (yes - most).exp());
    let score = yes / (no + yes);
    if !score.is_finite() {
        candle_core::bail!("the model computed a number that is not finite");
    }
    Ok(score)
}

fn offsets(numbers: &[f32]) -> [f32; 4] {
    std::array::from_fn(|side| numbers.get(side).copied().unwrap_or(0.0))
}

/// Landmarks, from parts of a box to pixels.
fn points(numbers: &[f32], [left, top, right, bottom]: [f32; 4]) -> [[f32; 2]; 5] {
    let (width, height) = (right - left + 1.0, bottom - top + 1.0);
    let number = |at: usize| numbers.get(at).copied().unwrap_or(0.0);
    std::array::from_fn(|at| {
        [
            width * number(at) + left - 1.0,
            height * number(at + 5) + top - 1.0,
        ]
    })
}
