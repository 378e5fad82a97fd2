//! A step as each lane runs it: the stages of every layer, with a barrier wherever a stage reads what other
//! lanes wrote.

use std::ops::Range;

use super::{
    attention::{Past, QUERIES, Query},
    cache::{GROUP, Layout, PAGE, Page},
    decoder::{Layer, Sizes, Weights},
    kernels::Kernels,
    matrix::{Matrix, UNIT},
    rows::SharedRows,
    shared::Shared,
    tile::Tile,
};
use crate::pool::Pool;

/// Up to so many rows, every lane normalises all of them for itself: cheaper than to wait for the others.
pub(super) const FEW: usize = 4;
/// Room for the largest tile.
const ROOM: usize = 6 * UNIT;

/// Queries of one head of keys that a lane answers together. Query `i` is row `i / group` of the part.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chunk {
    /// Which part of the step.
    pub part: usize,
    /// Head of the keys.
    pub head: usize,
    /// First query.
    pub first: usize,
    /// How many.
    pub count: usize,
}

/// Everything that the lanes of a step share.
pub(super) struct Run<'a> {
    pub sizes: &'a Sizes,
    pub weights: &'a Weights,
    pub kernels: &'static Kernels,
    pub layout: Layout,
    pub pool: &'a Pool,
    /// Part and position of each row.
    pub places: &'a [(usize, usize)],
    /// First row of each part.
    pub starts: &'a [usize],
    /// Pages of each part.
    pub pages: &'a [Vec<Page>],
    /// Cosine and sine of each row and pair.
    pub angles: (&'a [f32], &'a [f32]),
    /// Queries of each lane.
    pub chunks: &'a [Vec<Chunk>],
    /// Rows whose logits are wanted.
    pub wanted: &'a [usize],
    /// Residual stream.
    pub stream: Shared<'a, f32>,
    /// Queries, turned and scaled.
    pub queries: Shared<'a, f32>,
    /// `width` scores of each lane.
    pub scores: Shared<'a, f32>,
    pub width: usize,
    pub normal: SharedRows<'a>,
    /// The same for [`FEW`] rows, one for each lane.
    pub few: Vec<SharedRows<'a>>,
    pub mixed: SharedRows<'a>,
    pub gated: SharedRows<'a>,
    /// Of each wanted row.
    pub logits: Vec<Shared<'a, f32>>,
}

impl Run<'_> {
    /// The share of one lane.
    pub(super) fn lane(&self, lane: usize) {
        let rows: Vec<usize> = (0..self.places.len()).collect();
        for (index, layer) in self.weights.layers.iter().enumerate() {
            let normal = self.normalise(lane, &rows, &layer.attention_norm);
            self.project(lane, index, layer, normal);
            self.pool.barrier();
            self.attend(lane, index);
            self.pool.barrier();
            self.add(lane, &layer.output, &self.mixed);
            self.pool.barrier();
            let normal = self.normalise(lane, &rows, &layer.feed_norm);
            self.gate(lane, &layer.gate_up, normal);
            self.pool.barrier();
            self.add(lane, &layer.down, &self.gated);
            self.pool.barrier();
        }
        if !self.wanted.is_empty() {
            let normal = self.normalise(lane, self.wanted, &self.weights.norm);
            self.head(lane, normal);
        }
    }

    /// Norm of some rows of the stream, ready to multiply when this returns.
    fn normalise(&self, lane: usize, rows: &[usize], weights: &[f32]) -> &SharedRows<'_> {
        let alone = rows.len() <= FEW;
        let (to, mine) = match alone {
            true => (&self.few[lane], 0..rows.len()),
            false => (&self.normal, self.pool.share(lane, rows.len(), 1)),
        };
        let hidden = self.sizes.hidden;
        for index in mine {
            // SAFETY: the stream was written before the last barrier; the row is this lane's alone.
            unsafe {
                let x = self.stream.part(rows[index] * hidden, hidden).as_ptr();
                (self.kernels.normalise)(x, weights, self.sizes.epsilon, to.blocks(index, 0, hidden));
            }
        }
        if !alone {
            self.pool.barrier();
        }
        to
    }

    /// Multiplies `rows` rows of `x` with some units of `matrix`; hands out each row of each product.
    fn multiply(
        &self,
        matrix: &Matrix,
        units: Range<usize>,
        (x, rows): (&SharedRows<'_>, usize),
        mut take: impl FnMut(usize, usize, &mut [f32]),
    ) {
        let mut out = [0.0f32; ROOM];
        for unit in units {
            for rows in tiles(rows, self.kernels.tile) {
                // SAFETY: `x` was written before the last barrier or by this lane; `out` has room.
                unsafe {
                    let x = x.blocks(rows.start, 0, rows.len() * x.columns());
                    (self.kernels.multiply)(&Tile::new(matrix, unit, x, rows.len()), out.as_mut_ptr());
                }
                for (row, out) in rows.zip(out.chunks_exact_mut(UNIT)) {
                    take(unit, row, out);
                }
            }
        }
    }

    /// Queries, keys and values; turned to their position and put where attention finds them.
    fn project(&self, lane: usize, index: usize, layer: &Layer, normal: &SharedRows<'_>) {
        let Sizes {
            heads,
            kv_heads,
            head,
            ..
        } = *self.sizes;
        let scale = 1.0 / (head as f32).sqrt();
        let units = self.pool.share(lane, layer.qkv.units(), 1);
        self.multiply(
            &layer.qkv,
            units,
            (normal, self.places.len()),
            |unit, row, out| {
                let (which, column) = (unit * UNIT / head, unit * UNIT % head);
                if which < heads + kv_heads {
                    self.turn(row, column, out);
                }
                if which < heads {
                    let to = (row * heads + which) * head + column;
                    // SAFETY: this unit is this lane's alone.
                    let to = unsafe { self.queries.at(to, UNIT) };
                    for (index, x) in out.iter().enumerate() {
                        // SAFETY: within the part.
                        unsafe { to.add(index).write(x * scale) };
                    }
                } else {
                    self.remember(index, which - heads, row, column, out);
                }
            },
        );
    }

    /// Turns pairs of numbers of a head by the angles of the row.
    fn turn(&self, row: usize, column: usize, out: &mut [f32]) {
        let first = (row * self.sizes.head + column) / 2;
        let angles = self.angles.0[first..].iter().zip(&self.angles.1[first..]);
        for (pair, (cos, sin)) in out.chunks_exact_mut(2).zip(angles) {
            let (a, b) = (pair[0], pair[1]);
            pair[0] = a * cos - b * sin;
            pair[1] = a * sin + b * cos;
        }
    }

    /// Puts a part of a key (`which` below the heads) or value into the cache.
    fn remember(&self, layer: usize, which: usize, row: usize, column: usize, out: &mut [f32]) {
        let (part, position) = self.places[row];
        let page = self.pages[part][position / PAGE];
        let token = position % PAGE;
        let head = self.sizes.head;
        for x in out.iter_mut() {
            // Where half precision ends; not a number stays one.
            *x = x.clamp(-65504.0, 65504.0);
        }
        let mut halves = [0u16; UNIT];
        // SAFETY: both hold a unit.
        unsafe { (self.kernels.halve)(out.as_ptr(), halves.as_mut_ptr()) };
        let (at, step) = match which.checked_sub(self.layout.heads) {
            None => {
                let group = self.layout.keys(layer, which) + token / GROUP * GROUP * head;
                (group + column * GROUP + token % GROUP, GROUP)
            }
            Some(which) => (self.layout.values(layer, which) + token * head + column, 1),
        };
        for (index, half) in halves.iter().enumerate() {
            // SAFETY: within the page by its layout; the token's head is this lane's alone.
            unsafe { page.0.add(at + index * step).write(*half) };
        }
    }

    /// Answers this lane's queries.
    fn attend(&self, lane: usize, layer: usize) {
        let Sizes {
            heads,
            kv_heads,
            head,
            ..
        } = *self.sizes;
        let group = heads / kv_heads;
        for chunk in &self.chunks[lane] {
            let past = Past {
                pages: &self.pages[chunk.part],
                keys: self.layout.keys(layer, chunk.head),
                values: self.layout.values(layer, chunk.head),
                head,
            };
            let query = |index: usize| {
                let row = self.starts[chunk.part] + index / group;
                let column = (chunk.head * group + index % group) * head;
                // SAFETY: queries and the cache were written before the last barrier; where the answer goes
                // is this query's alone.
                unsafe {
                    Query {
                        numbers: self.queries.part(row * heads * head + column, head).as_ptr(),
                        past: self.places[row].1 + 1,
                        to: self.mixed.blocks(row, column, head),
                    }
                }
            };
            let mut queries = [query(chunk.first); QUERIES];
            for (index, place) in queries.iter_mut().enumerate().take(chunk.count) {
                *place = query(chunk.first + index);
            }
            // SAFETY: the scores are this lane's; the rest as above.
            unsafe {
                let scores = self.scores.at(lane * self.width, self.width);
                (self.kernels.attend)(&queries[..chunk.count], &past, scores);
            }
        }
    }

    /// Adds a product to the stream.
    fn add(&self, lane: usize, matrix: &Matrix, x: &SharedRows<'_>) {
        let hidden = self.sizes.hidden;
        let units = self.pool.share(lane, matrix.units(), 1);
        self.multiply(matrix, units, (x, self.places.len()), |unit, row, out| {
            // SAFETY: these columns are this lane's alone.
            unsafe {
                let to = self.stream.at(row * hidden + unit * UNIT, UNIT);
                for (index, x) in out.iter().enumerate() {
                    *to.add(index) += x;
                }
            }
        });
    }

    /// The first half of the feed-forward part.
    fn gate(&self, lane: usize, matrix: &Matrix, normal: &SharedRows<'_>) {
        let rows = self.places.len();
        let mut gates = vec![0.0f32; rows.min(self.kernels.tile) * UNIT];
        for pair in self.pool.share(lane, matrix.units() / 2, 1) {
            for rows in tiles(rows, self.kernels.tile) {
                let (first, mut ups) = (rows.start, [0.0f32; ROOM]);
                // SAFETY: `normal` was written before the last barrier or by this lane; there is room.
                unsafe {
                    let x = normal.blocks(first, 0, rows.len() * normal.columns());
                    let tile = |unit| Tile::new(matrix, unit, x, rows.len());
                    (self.kernels.multiply)(&tile(2 * pair), gates.as_mut_ptr());
                    (self.kernels.multiply)(&tile(2 * pair + 1), ups.as_mut_ptr());
                }
                for (row, (gate, up)) in rows.zip(gates.chunks(UNIT).zip(ups.chunks(UNIT))) {
                    // SAFETY: these columns are this lane's alone.
                    unsafe {
                        let to = self.gated.blocks(row, pair * UNIT, UNIT);
                        (self.kernels.gate)(gate.as_ptr(), up.as_ptr(), to);
                    }
                }
            }
        }
    }

    /// Logits of the wanted rows.
    fn head(&self, lane: usize, normal: &SharedRows<'_>) {
        let matrix = self.weights.head.as_ref().unwrap_or(&self.weights.embedding);
        let units = self.pool.share(lane, matrix.units(), 1);
        self.multiply(matrix, units, (normal, self.wanted.len()), |unit, row, out| {
            let count = UNIT.min(matrix.rows() - unit * UNIT);
            // SAFETY: these columns are this lane's alone.
            let to = unsafe { self.logits[row].at(unit * UNIT, count) };
            for (index, x) in out.iter().take(count).enumerate() {
                // SAFETY: within the part.
                unsafe { to.add(index).write(*x) };
            }
        });
    }
}

/// Splits rows into tiles of at most `most`, as even as can be.
fn tiles(rows: usize, most: usize) -> impl Iterator<Item = Range<usize>> {
    let count = rows.div_ceil(most);
    (0..count).map(move |tile| rows * tile / count..rows * (tile + 1) / count)
}
