//! A pass: what each lane does of it.
//!
//! With many rows a lane has rows of its own, and waits for others only around attention. With few it has
//! columns of its own, so that each weight is read by one lane only, and all wait after every product.

use std::{iter, ops::Range};

use super::{Config, Encoder, Lane, Scratch, Text, attention::Attention, layer::Layer};
use crate::{
    buffer::{Buffer, Shared},
    matrix::{Packed, Product},
    pool::{Pool, share},
    tile::Activation,
};

/// Most rows that are taken through a layer at a time: what they become inside of it stays in the cache.
const CHUNK: usize = 96;
/// A lane has columns of its own where it would have fewer rows than this.
const FEW: usize = 24;

impl Scratch {
    /// Makes room for a pass.
    pub(super) fn fit(&mut self, config: &Config, tokens: usize, lanes: usize) {
        self.rows.reserve(tokens * config.hidden);
        self.qkv.reserve(tokens * 3 * config.hidden);
        self.mixed.reserve(tokens * config.hidden);
        self.inner.reserve(lanes * CHUNK * config.intermediate);
        self.lanes.resize_with(lanes, Lane::default);
    }
}

/// A pass under way.
struct Pass<'a> {
    encoder: &'a Encoder,
    pool: &'a Pool,
    texts: &'a [Text<'a>],
    tokens: usize,
    rows: Shared<'a>,
    qkv: Shared<'a>,
    mixed: Shared<'a>,
    inner: Shared<'a>,
    by_columns: bool,
}

/// Computes the texts; the result is in `scratch.rows`.
pub(super) fn run(encoder: &Encoder, pool: &Pool, scratch: &mut Scratch, texts: &[Text<'_>]) {
    let tokens = texts.iter().map(|text| text.ids.len()).sum::<usize>();
    let pass = Pass {
        encoder,
        pool,
        texts,
        tokens,
        rows: Shared::new(&mut scratch.rows),
        qkv: Shared::new(&mut scratch.qkv),
        mixed: Shared::new(&mut scratch.mixed),
        inner: Shared::new(&mut scratch.inner),
        by_columns: pool.lanes() > 1 && tokens < FEW * pool.lanes(),
    };
    let lanes: Vec<_> = scratch.lanes.iter_mut().map(std::sync::Mutex::new).collect();
    pool.run(|number| {
        let mut lane = lanes[number]
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        pass.lane(number, &mut lane);
    });
}

impl Pass<'_> {
    /// One lane's share of everything.
    fn lane(&self, number: usize, lane: &mut Lane) {
        let mine = self.pool.share(number, self.tokens, 1);
        self.embed(mine.clone());
        let work = self.attention_of(number);
        for layer in &self.encoder.layers {
            if self.by_columns {
                self.pool.barrier();
            }
            self.before(layer, number, mine.clone(), lane);
            self.pool.barrier();
            self.attend(&work, lane);
            self.pool.barrier();
            if self.by_columns {
                self.after_by_columns(layer, number, mine.clone(), lane);
            } else {
                self.after_by_rows(layer, number, mine.clone(), &mut lane.pairs);
            }
        }
    }

    /// Vectors of the tokens `rows`.
    fn embed(&self, rows: Range<usize>) {
        let hidden = self.encoder.config.hidden;
        let mut spare = vec![0.0; hidden];
        let tokens = self.texts.iter().flat_map(|text| {
            let kinds = text.types.iter().copied().chain(iter::repeat(0));
            text.ids.iter().zip(kinds).enumerate()
        });
        for (row, (position, (id, kind))) in tokens.enumerate().skip(rows.start).take(rows.len()) {
            // SAFETY: this row is this lane's until the next barrier.
            let to = unsafe { self.rows.slice_mut(row * hidden, hidden) };
            let token = (*id, kind, position);
            self.encoder
                .embedding
                .write(self.encoder.kernels, token, to, &mut spare);
        }
    }

    /// Queries, keys and values.
    fn before(&self, layer: &Layer, number: usize, mine: Range<usize>, lane: &mut Lane) {
        let product = Product {
            from: self.rows,
            to: self.qkv,
            activation: Activation::None,
            add: false,
        };
        self.multiply(&layer.qkv, &product, number, mine, &mut lane.pairs);
    }

    /// This lane's share of a product: its rows, or its columns of all rows.
    fn multiply(
        &self,
        weights: &Packed,
        product: &Product<'_>,
        number: usize,
        mine: Range<usize>,
        spare: &mut Buffer,
    ) {
        if self.by_columns {
            let panels = self.pool.share(number, weights.panels(), 1);
            // SAFETY: others write other columns; what is read was written before the last barrier.
            unsafe { weights.multiply(product, 0..self.tokens, 0, panels, spare) };
            return;
        }
        for rows in chunks(mine) {
            // SAFETY: others read and write other rows, or what stands behind a barrier.
            unsafe { weights.multiply(product, rows.clone(), rows.start, 0..weights.panels(), spare) };
        }
    }

    /// The heads of texts that fall to a lane, by what they cost: text by text its first row, its length, heads.
    fn attention_of(&self, number: usize) -> Vec<(usize, usize, Range<usize>)> {
        let heads = self.encoder.config.heads;
        // Multiplications, and what is done once a token.
        let cost = |len: usize| len * (len + 32);
        let total: usize = self.texts.iter().map(|text| cost(text.ids.len()) * heads).sum();
        let lanes = self.pool.lanes();
        let (begin, end) = (total * number / lanes, total * (number + 1) / lanes);
        let (mut first, mut sum, mut work) = (0, 0, Vec::new());
        for text in self.texts {
            let len = text.ids.len();
            // A head is its whose share its middle lies in.
            let upto = |edge: usize| {
                let middle = cost(len) / 2;
                edge.saturating_sub(sum + middle).div_ceil(cost(len)).min(heads)
            };
            let range = upto(begin)..upto(end);
            if !range.is_empty() {
                work.push((first, len, range));
            }
            first += len;
            sum += cost(len) * heads;
        }
        work
    }

    fn attend(&self, work: &[(usize, usize, Range<usize>)], lane: &mut Lane) {
        let config = &self.encoder.config;
        let attention = Attention {
            kernels: self.encoder.kernels,
            qkv: self.qkv,
            to: self.mixed,
            hidden: config.hidden,
            head: config.head(),
        };
        for (first, len, heads) in work {
            for head in heads.clone() {
                // SAFETY: between two barriers nobody writes `qkv`, and this head of this text is this lane's only.
                unsafe { attention.compute(head, *first, *len, lane) };
            }
        }
    }

    /// What comes after attention, with this lane's rows from begin to end.
    fn after_by_rows(&self, layer: &Layer, number: usize, mine: Range<usize>, spare: &mut Buffer) {
        for rows in chunks(mine) {
            let width = layer.up.outputs();
            let inner = self.inner.part(number * CHUNK * width, rows.len() * width);
            let [out, up, down] = self.products(inner);
            let first = rows.start;
            let panels = |weights: &Packed| 0..weights.panels();
            // SAFETY: all these rows are this lane's only, and so is its part of `inner`.
            unsafe {
                layer
                    .out
                    .multiply(&out, rows.clone(), first, panels(&layer.out), spare);
                self.normalise(layer, true, rows.clone());
                layer.up.multiply(&up, rows.clone(), 0, panels(&layer.up), spare);
                layer
                    .down
                    .multiply(&down, 0..rows.len(), first, panels(&layer.down), spare);
                self.normalise(layer, false, rows);
            }
        }
    }

    /// The same with all rows and this lane's columns.
    fn after_by_columns(&self, layer: &Layer, number: usize, mine: Range<usize>, lane: &mut Lane) {
        let [out, up, down] = self.products(self.inner);
        self.multiply(&layer.out, &out, number, mine.clone(), &mut lane.pairs);
        self.pool.barrier();
        // SAFETY: between two barriers, these rows are this lane's only.
        unsafe { self.normalise(layer, true, mine.clone()) };
        self.pool.barrier();
        self.multiply(&layer.up, &up, number, mine.clone(), &mut lane.pairs);
        self.pool.barrier();
        self.multiply(&layer.down, &down, number, mine.clone(), &mut lane.pairs);
        self.pool.barrier();
        // SAFETY: as above.
        unsafe { self.normalise(layer, false, mine) };
    }

    /// What the three products after attention read and write.
    fn products<'a>(&'a self, inner: Shared<'a>) -> [Product<'a>; 3] {
        let out = Product {
            from: self.mixed,
            to: self.rows,
            activation: Activation::None,
            add: true,
        };
        let up = Product {
            from: self.rows,
            to: inner,
            activation: self.encoder.config.activation,
            add: false,
        };
        let down = Product {
            from: inner,
            to: self.rows,
            activation: Activation::None,
            add: true,
        };
        [out, up, down]
    }

    /// Normalises rows, after attention or at the end of a layer.
    ///
    /// # Safety
    /// Nobody else uses them.
    unsafe fn normalise(&self, layer: &Layer, after_attention: bool, rows: Range<usize>) {
        let hidden = self.encoder.config.hidden;
        let norm = if after_attention {
            &layer.out_norm
        } else {
            &layer.down_norm
        };
        for row in rows {
            // SAFETY: the caller's promise.
            let row = unsafe { self.rows.slice_mut(row * hidden, hidden) };
            norm.apply(self.encoder.kernels, row);
        }
    }
}

/// Rows in chunks that are nearly even.
fn chunks(rows: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let count = rows.len().div_ceil(CHUNK).max(1);
    (0..count).map(move |n| {
        let part = share(n, count, rows.len(), 1);
        rows.start + part.start..rows.start + part.end
    })
}
