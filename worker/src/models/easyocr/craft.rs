//! CRAFT: where there is text in a picture, and where letters hang together.
//!
//! VGG16 with batch normalisation, and a path back up that adds its inner layers. Two things are
//! done otherwise than in the original, with the same result. A convolution of one pixel over two
//! inputs side by side is the sum of two, and doubling a picture commutes with it, so the coarser
//! input goes through it before it is doubled. And the layers at full and half size are computed
//! in bands of rows, so that none of their inner layers is ever whole in memory: the peak is
//! about 230 bytes a pixel.

use std::sync::{Mutex, PoisonError};

use lamplighter_engine::{
    isa::Isa,
    pool::Pool,
    vision::{self, Conv, Epilogue, Plane, Shape},
};

use super::weights::Weights;

/// Rows of a band, at a quarter of the picture's size.
const BAND: usize = 16;
/// Sides of the input are multiples of this.
pub const GRID: usize = 32;

const PLAIN: Epilogue = Epilogue {
    accumulate: false,
    relu: false,
};
const RELU: Epilogue = Epilogue {
    accumulate: false,
    relu: true,
};
const ADD_RELU: Epilogue = Epilogue {
    accumulate: true,
    relu: true,
};

/// The network.
pub struct Craft {
    /// At full and half size.
    early: [Conv; 4],
    /// At a quarter and less, down to the last layer before the two that follow.
    later: [Conv; 8],
    /// The dilated one and the one of one pixel.
    last: [Conv; 2],
    up: [Up; 4],
    /// From features to scores.
    head: [Conv; 5],
}

/// A step up: the coarser input, the layer of the way down, and what follows their sum.
struct Up {
    coarse: Conv,
    skip: Conv,
    then: Conv,
}

/// Two scores for each two by two pixels of the input.
#[derive(Debug, Clone)]
pub struct Scores {
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
    /// How surely a letter's middle is here; about 0 to 1.
    pub text: Vec<f32>,
    /// How surely two letters meet here.
    pub link: Vec<f32>,
}

/// Some rows of a layer: row `i` of the plane is row `top + i` of the layer.
struct Band {
    top: isize,
    plane: Plane,
}

impl Craft {
    /// Of the weights of `craft_mlt_25k`.
    ///
    /// # Errors
    /// What is missing or has another shape.
    pub fn load(weights: &Weights<'_>) -> Result<Self, String> {
        let base = |slice: usize, at: usize, input: usize, output: usize| {
            let name = |at: usize| format!("basenet.slice{slice}.{at}");
            weights.conv(&name(at), Some(&name(at + 1)), Shape::three(input, output))
        };
        let up = |index: usize, inputs: [usize; 2], middle: usize, output: usize| {
            let name = |at: usize| format!("upconv{index}.conv.{at}");
            let [coarse, skip] = weights.split(&name(0), &name(1), inputs, middle)?;
            let then = weights.conv(&name(3), Some(&name(4)), Shape::three(middle, output))?;
            Ok::<_, String>(Up { coarse, skip, then })
        };
        let head = |at: usize, shape: Shape| weights.conv(&format!("conv_cls.{at}"), None, shape);
        let dilated = Shape {
            padding: 6,
            dilation: 6,
            ..Shape::three(512, 1024)
        };
        Ok(Self {
            early: [
                base(1, 0, 3, 64)?,
                base(1, 3, 64, 64)?,
                base(1, 7, 64, 128)?,
                base(1, 10, 128, 128)?,
            ],
            later: [
                base(2, 14, 128, 256)?,
                base(2, 17, 256, 256)?,
                base(3, 20, 256, 256)?,
                base(3, 24, 256, 512)?,
                base(3, 27, 512, 512)?,
                base(4, 30, 512, 512)?,
                base(4, 34, 512, 512)?,
                base(4, 37, 512, 512)?,
            ],
            last: [
                weights.conv("basenet.slice5.1", None, dilated)?,
                weights.conv("basenet.slice5.2", None, Shape::point(1024, 1024))?,
            ],
            up: [
                up(1, [1024, 512], 512, 256)?,
                up(2, [256, 512], 256, 128)?,
                up(3, [128, 256], 128, 64)?,
                up(4, [64, 128], 64, 32)?,
            ],
            head: [
                head(0, Shape::three(32, 32))?,
                head(2, Shape::three(32, 32))?,
                head(4, Shape::three(32, 16))?,
                head(6, Shape::point(16, 16))?,
                head(8, Shape::point(16, 2))?,
            ],
        })
    }

    /// The scores of a picture: three channels, a border of one, sides that are multiples of
    /// [`GRID`]. `stop` is asked between layers and bands; nothing comes back once it said yes.
    pub fn run(
        &self,
        pool: &Pool,
        isa: Isa,
        image: Plane,
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Option<Scores> {
        let steps = Steps { pool, isa, stop };
        let (half, quarter) = self.down_early(&steps, &image)?;
        drop(image);
        let coarse = self.down_later(&steps, quarter)?;
        self.to_scores(&steps, &half, &coarse)
    }

    /// The layers at full and half size, by bands: what the last step up takes of them, and the
    /// input of the layers at a quarter.
    fn down_early(&self, steps: &Steps<'_>, image: &Plane) -> Option<(Plane, Plane)> {
        let (rows, columns) = (image.rows(), image.columns());
        let skip = &self.up[3].skip;
        let mut half = Plane::new(rows / 2, columns / 2, skip.shape().output, 0);
        let mut quarter = Plane::new(rows / 4, columns / 4, 128, 1);
        let mut half_rows: Vec<&mut [f32]> = half.rows_mut().collect();
        let mut quarter_rows: Vec<&mut [f32]> = quarter.rows_mut().collect();
        let bands = half_rows
            .chunks_mut(2 * BAND)
            .zip(quarter_rows.chunks_mut(BAND))
            .enumerate();
        steps.share(bands, |(band, (half_rows, quarter_rows))| {
            let from = signed(band * BAND * 2);
            let to = from + signed(half_rows.len());
            let layer = self.early_band(steps.isa, image, from, to);
            for (row, out) in half_rows.iter_mut().enumerate() {
                skip.row(steps.isa, &layer, row, out, PLAIN);
            }
            for (row, out) in quarter_rows.iter_mut().enumerate() {
                let (above, below) = (layer.row(2 * row), layer.row(2 * row + 1));
                vision::halve(above, below, 128, true, out);
            }
        })?;
        Some((half, quarter))
    }

    /// Rows `from..to` of the last layer at half size.
    fn early_band(&self, isa: Isa, image: &Plane, from: isize, to: isize) -> Plane {
        let [first, second, third, fourth] = &self.early;
        let rows = image.rows();
        let (low, high) = (2 * from - 4, 2 * to + 4);
        let one = band_of(first, isa, (image, 0), rows, (low - 1, high + 1));
        let two = band_of(second, isa, (&one.plane, one.top), rows, (low, high));
        drop(one);
        let pooled = halved(&two, rows / 2, from - 2, to + 2);
        drop(two);
        let three = band_of(
            third,
            isa,
            (&pooled.plane, pooled.top),
            rows / 2,
            (from - 1, to + 1),
        );
        band_of(fourth, isa, (&three.plane, three.top), rows / 2, (from, to)).plane
    }

    /// The layers at a quarter and less, down and up again: the coarser input of the last step
    /// up, after its convolution.
    fn down_later(&self, steps: &Steps<'_>, quarter: Plane) -> Option<Plane> {
        let [c31, c32, c33, c41, c42, c43, c51, c52] = &self.later;
        let layer = steps.conv(c31, &quarter, RELU)?;
        drop(quarter);
        let layer = steps.conv(c32, &layer, RELU)?;
        let skip4 = steps.conv(&self.up[2].skip, &layer, PLAIN)?;
        let layer = steps.conv(c33, &layer, RELU)?;
        let layer = steps.halve(&layer);
        let layer = steps.conv(c41, &layer, RELU)?;
        let layer = steps.conv(c42, &layer, RELU)?;
        let skip8 = steps.conv(&self.up[1].skip, &layer, PLAIN)?;
        let layer = steps.conv(c43, &layer, RELU)?;
        let layer = steps.halve(&layer);
        let layer = steps.conv(c51, &layer, RELU)?;
        // The only layer that is taken before its negative numbers are made zeros.
        let layer = steps.conv(c52, &layer, PLAIN)?;
        let mut sum = steps.conv(&self.up[0].skip, &layer, PLAIN)?;
        let mut widest = Plane::new(layer.rows(), layer.columns(), layer.channels(), 6);
        vision::max3(&layer, &mut widest);
        let layer = steps.conv(&self.last[0], &widest, PLAIN)?;
        let layer = steps.conv(&self.last[1], &layer, PLAIN)?;
        self.up[0]
            .coarse
            .run(steps.pool, steps.isa, &layer, &mut sum, ADD_RELU);
        let layer = steps.conv(&self.up[0].then, &sum, RELU)?;
        let layer = steps.up(&self.up[1], &layer, skip8)?;
        let layer = steps.up(&self.up[2], &layer, skip4)?;
        steps.conv(&self.up[3].coarse, &layer, PLAIN)
    }

    /// The last step up and the head, by bands.
    fn to_scores(&self, steps: &Steps<'_>, half: &Plane, coarse: &Plane) -> Option<Scores> {
        let (rows, columns) = (half.rows(), half.columns());
        let mut scores = Scores {
            rows,
            columns,
            text: vec![0.0; rows * columns],
            link: vec![0.0; rows * columns],
        };
        let size = 2 * BAND * columns;
        let bands = scores
            .text
            .chunks_mut(size)
            .zip(scores.link.chunks_mut(size))
            .enumerate();
        steps.share(bands, |(band, (text, link))| {
            let from = signed(band * BAND * 2);
            let to = from + signed(text.len() / columns);
            let layer = self.late_band(steps.isa, half, coarse, from, to);
            let mut pixels = vec![0.0; 2 * columns];
            for row in 0..layer.rows() {
                self.head[4].row(steps.isa, &layer, row, &mut pixels, PLAIN);
                let place = row * columns..(row + 1) * columns;
                let (pairs, _) = pixels.as_chunks::<2>();
                for (pair, at) in pairs.iter().zip(place) {
                    [text[at], link[at]] = *pair;
                }
            }
        })?;
        Some(scores)
    }

    /// Rows `from..to` of the last layer but one.
    fn late_band(&self, isa: Isa, half: &Plane, coarse: &Plane, from: isize, to: isize) -> Plane {
        let rows = half.rows();
        let (low, high) = (from - 4, to + 4);
        let mut sum = Band {
            top: low,
            plane: Plane::new(unsigned(high - low), half.columns(), half.channels(), 1),
        };
        for row in inside(low, high, rows) {
            let out = sum.plane.row_mut(unsigned(signed(row) - low));
            out.copy_from_slice(half.row(row));
            vision::add_doubled(coarse, row, out);
            vision::relu(out);
        }
        let mut layer = sum;
        let convs = [&self.up[3].then, &self.head[0], &self.head[1], &self.head[2]];
        for (conv, halo) in convs.into_iter().zip([3, 2, 1, 0]) {
            let place = (from - halo, to + halo);
            layer = band_of(conv, isa, (&layer.plane, layer.top), rows, place);
        }
        band_of(&self.head[3], isa, (&layer.plane, layer.top), rows, (from, to)).plane
    }
}

/// How layers are computed.
struct Steps<'a> {
    pool: &'a Pool,
    isa: Isa,
    stop: &'a (dyn Fn() -> bool + Sync),
}

impl Steps<'_> {
    /// A whole layer.
    fn conv(&self, conv: &Conv, input: &Plane, epilogue: Epilogue) -> Option<Plane> {
        if (self.stop)() {
            return None;
        }
        let (rows, columns) = conv.output_size(input.rows(), input.columns());
        let mut output = Plane::new(rows, columns, conv.shape().output, 1);
        conv.run(self.pool, self.isa, input, &mut output, epilogue);
        Some(output)
    }

    /// A layer of half the size.
    fn halve(&self, input: &Plane) -> Plane {
        let channels = input.channels();
        let mut output = Plane::new(input.rows() / 2, input.columns() / 2, channels, 1);
        output.each_row(self.pool, |row, out| {
            vision::halve(input.row(2 * row), input.row(2 * row + 1), channels, true, out);
        });
        output
    }

    /// A step up; `sum` holds the part of the way down.
    fn up(&self, up: &Up, coarse: &Plane, mut sum: Plane) -> Option<Plane> {
        let coarse = self.conv(&up.coarse, coarse, PLAIN)?;
        sum.each_row(self.pool, |row, out| {
            vision::add_doubled(&coarse, row, out);
            vision::relu(out);
        });
        self.conv(&up.then, &sum, RELU)
    }

    /// Has the lanes work on tasks until there is none left or it shall stop.
    fn share<T: Send>(&self, tasks: impl Iterator<Item = T> + Send, work: impl Fn(T) + Sync) -> Option<()> {
        let tasks = Mutex::new(tasks);
        self.pool.run(|_| {
            while !(self.stop)() {
                let next = tasks.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some(task) = next else { break };
                work(task);
            }
        });
        (!(self.stop)()).then_some(())
    }
}

fn signed(row: usize) -> isize {
    isize::try_from(row).unwrap_or(isize::MAX)
}

fn unsigned(row: isize) -> usize {
    usize::try_from(row).unwrap_or(0)
}

/// The rows from `from` to `to` that a layer of `rows` rows has.
fn inside(from: isize, to: isize, rows: usize) -> std::ops::Range<usize> {
    unsigned(from)..unsigned(to).min(rows)
}

/// Rows `from..to` of a layer of `rows` rows after a convolution; rows that there are not stay
/// zeros. `input` is a plane and the row that its first one is.
fn band_of(
    conv: &Conv,
    isa: Isa,
    (input, top): (&Plane, isize),
    rows: usize,
    (from, to): (isize, isize),
) -> Band {
    let mut plane = Plane::new(unsigned(to - from), input.columns(), conv.shape().output, 1);
    for row in inside(from, to, rows) {
        let row = signed(row);
        let out = plane.row_mut(unsigned(row - from));
        conv.row(isa, input, unsigned(row - top), out, RELU);
    }
    Band { top: from, plane }
}

/// Rows `from..to` of the halved layer, which has `rows` of them.
fn halved(input: &Band, rows: usize, from: isize, to: isize) -> Band {
    let channels = input.plane.channels();
    let columns = input.plane.columns() / 2;
    let mut plane = Plane::new(unsigned(to - from), columns, channels, 1);
    for row in inside(from, to, rows) {
        let above = unsigned(2 * signed(row) - input.top);
        let out = plane.row_mut(unsigned(signed(row) - from));
        let (above, below) = (input.plane.row(above), input.plane.row(above + 1));
        vision::halve(above, below, channels, true, out);
    }
    Band { top: from, plane }
}
