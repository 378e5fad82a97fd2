//! The decoder: what it holds, and what it makes ready for a step.

use std::ops::Range;

use super::{
    attention::QUERIES,
    cache::{Cache, Layout, PAGE, Page},
    kernels::Kernels,
    matrix::{BLOCK, Matrix},
    rows::Rows,
    run::{Chunk, FEW, Run},
    shared::Shared,
};
use crate::{isa::Isa, pool::Pool};

/// Sizes of a model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sizes {
    /// Width of the residual stream.
    pub hidden: usize,
    /// Width of the feed-forward layer.
    pub feed: usize,
    /// Heads of the queries.
    pub heads: usize,
    /// Heads of keys and values.
    pub kv_heads: usize,
    /// Width of a head.
    pub head: usize,
    /// Added to the mean square under the root.
    pub epsilon: f32,
}

/// Weights of a layer.
#[derive(Debug)]
pub struct Layer {
    /// Of the norm before attention.
    pub attention_norm: Vec<f32>,
    /// Queries, keys and values, on top of each other.
    pub qkv: Matrix,
    /// What follows attention.
    pub output: Matrix,
    /// Of the norm before the feed-forward part.
    pub feed_norm: Vec<f32>,
    /// [`super::UNIT`] rows of the gate, as many of what it gates, and so on.
    pub gate_up: Matrix,
    /// Back to the residual stream.
    pub down: Matrix,
}

/// Weights of a model.
#[derive(Debug)]
pub struct Weights {
    /// A row for each token; also the head where that is missing.
    pub embedding: Matrix,
    /// The layers.
    pub layers: Vec<Layer>,
    /// Of the last norm.
    pub norm: Vec<f32>,
    /// From the residual stream to logits.
    pub head: Option<Matrix>,
}

/// The part of a sequence in a step.
#[derive(Debug)]
pub struct Part<'a> {
    /// What is remembered of the sequence.
    pub cache: &'a mut Cache,
    /// Tokens it holds already.
    pub start: usize,
    /// Its rows among the tokens of the step.
    pub rows: Range<usize>,
}

/// A model ready to compute.
pub struct Decoder {
    sizes: Sizes,
    weights: Weights,
    kernels: &'static Kernels,
    scratch: Scratch,
}

/// Memory between the stages of a step, kept from one step to the next.
#[derive(Default)]
struct Scratch {
    stream: Vec<f32>,
    queries: Vec<f32>,
    scores: Vec<f32>,
    normal: Rows,
    few: Vec<Rows>,
    mixed: Rows,
    gated: Rows,
}

impl Decoder {
    /// A decoder with the instructions of `isa`.
    ///
    /// # Errors
    /// Where sizes do not fit each other, or are not multiples of a block.
    pub fn new(sizes: Sizes, weights: Weights, isa: Isa) -> Result<Self, String> {
        check(&sizes, &weights)?;
        Ok(Self {
            sizes,
            weights,
            kernels: Kernels::of(isa),
            scratch: Scratch::default(),
        })
    }

    /// The same with these kernels.
    #[cfg(test)]
    pub(super) fn with(mut self, kernels: &'static Kernels) -> Self {
        self.kernels = kernels;
        self
    }

    /// The memory of an empty sequence.
    #[must_use]
    pub fn cache(&self) -> Cache {
        Cache::new(&self.layout())
    }

    /// Whether a cache was made by a decoder of these sizes.
    #[must_use]
    pub fn owns(&self, cache: &Cache) -> bool {
        cache.page() == self.layout().page()
    }

    /// Rows of logits.
    #[must_use]
    pub fn vocabulary(&self) -> usize {
        self.weights.embedding.rows()
    }

    fn layout(&self) -> Layout {
        Layout {
            layers: self.weights.layers.len(),
            heads: self.sizes.kv_heads,
            head: self.sizes.head,
        }
    }

    /// Computes `tokens`, whose rows belong to `parts`; `cos` and `sin` hold half a head for each row. Gives
    /// the logits of the `wanted` rows.
    ///
    /// # Panics
    /// Where rows, tokens and lists do not fit each other.
    pub fn step(
        &mut self,
        pool: &Pool,
        tokens: &[u32],
        parts: &mut [Part<'_>],
        (cos, sin): (&[f32], &[f32]),
        wanted: &[usize],
    ) -> Vec<Vec<f32>> {
        let pairs = tokens.len() * self.sizes.head / 2;
        assert!(
            cos.len() == pairs && sin.len() == pairs,
            "an angle for each row and pair"
        );
        let layout = self.layout();
        let mut next = 0;
        for part in parts.iter_mut() {
            assert!(part.rows.start == next && part.rows.end > next, "rows in order");
            assert!(part.cache.page() == layout.page(), "a cache of this model");
            next = part.rows.end;
            part.cache.reserve(part.start + part.rows.len());
        }
        assert!(
            next == tokens.len() && wanted.iter().all(|&row| row < next),
            "rows of all tokens"
        );
        let pages: Vec<Vec<Page>> = parts
            .iter_mut()
            .map(|part| part.cache.starts().collect())
            .collect();
        let longest = parts
            .iter()
            .map(|part| part.start + part.rows.len())
            .max()
            .unwrap_or(0);
        let width = longest.next_multiple_of(PAGE) * QUERIES;
        self.reserve(tokens, pool.lanes(), width);
        let rows = parts.iter().enumerate();
        let places = rows.flat_map(|(at, part)| (0..part.rows.len()).map(move |row| (at, part.start + row)));
        let places: Vec<(usize, usize)> = places.collect();
        let spans: Vec<Range<usize>> = parts.iter().map(|part| part.rows.clone()).collect();
        let vocabulary = self.vocabulary();
        let mut logits: Vec<Vec<f32>> = wanted.iter().map(|_| vec![0.0; vocabulary]).collect();
        let Scratch {
            stream,
            queries,
            scores,
            normal,
            few,
            mixed,
            gated,
        } = &mut self.scratch;
        let run = Run {
            sizes: &self.sizes,
            weights: &self.weights,
            kernels: self.kernels,
            layout,
            pool,
            places: &places,
            starts: &spans.iter().map(|span| span.start).collect::<Vec<_>>(),
            pages: &pages,
            angles: (cos, sin),
            chunks: &chunks(&self.sizes, &places, &spans, pool.lanes()),
            wanted,
            stream: Shared::new(stream),
            queries: Shared::new(queries),
            scores: Shared::new(scores),
            width,
            normal: normal.share(self.sizes.hidden),
            few: few.iter_mut().map(|rows| rows.share(self.sizes.hidden)).collect(),
            mixed: mixed.share(self.sizes.heads * self.sizes.head),
            gated: gated.share(self.sizes.feed),
            logits: logits.iter_mut().map(|row| Shared::new(row)).collect(),
        };
        pool.run(|lane| run.lane(lane));
        drop(run);
        logits
    }

    /// Makes room, and puts the tokens' embeddings into the stream.
    fn reserve(&mut self, tokens: &[u32], lanes: usize, width: usize) {
        let (sizes, scratch) = (&self.sizes, &mut self.scratch);
        let rows = tokens.len();
        let queries = sizes.heads * sizes.head;
        scratch.stream.resize(rows * sizes.hidden, 0.0);
        scratch.queries.resize(rows * queries, 0.0);
        scratch
            .scores
            .resize(scratch.scores.len().max(lanes * width), 0.0);
        scratch.normal.reserve(rows, sizes.hidden);
        scratch.few.resize_with(lanes, Rows::default);
        for few in &mut scratch.few {
            few.reserve(FEW, sizes.hidden);
        }
        scratch.mixed.reserve(rows, queries);
        scratch.gated.reserve(rows, sizes.feed);
        for (token, row) in tokens.iter().zip(scratch.stream.chunks_exact_mut(sizes.hidden)) {
            self.weights.embedding.row(*token as usize, row);
        }
    }
}

/// Shares the queries out over the lanes, by how much past each looks at.
fn chunks(sizes: &Sizes, places: &[(usize, usize)], spans: &[Range<usize>], lanes: usize) -> Vec<Vec<Chunk>> {
    let group = sizes.heads / sizes.kv_heads;
    let total: usize = places
        .iter()
        .map(|(_, position)| (position + 1) * sizes.heads)
        .sum();
    let mut chunks = vec![Vec::new(); lanes];
    let mut done = 0;
    for (part, span) in spans.iter().enumerate() {
        for head in 0..sizes.kv_heads {
            let mut last = lanes;
            for query in 0..span.len() * group {
                let lane = (done * lanes / total).min(lanes - 1);
                done += places[span.start + query / group].1 + 1;
                let mine: &mut Vec<Chunk> = &mut chunks[lane];
                match mine.last_mut() {
                    Some(chunk) if last == lane && chunk.count < QUERIES => chunk.count += 1,
                    _ => mine.push(Chunk {
                        part,
                        head,
                        first: query,
                        count: 1,
                    }),
                }
                last = lane;
            }
        }
    }
    chunks
}

/// Whether all sizes fit.
fn check(sizes: &Sizes, weights: &Weights) -> Result<(), String> {
    let Sizes {
        hidden,
        feed,
        heads,
        kv_heads,
        head,
        ..
    } = *sizes;
    if [hidden, feed, head]
        .iter()
        .any(|size| *size == 0 || !size.is_multiple_of(BLOCK))
    {
        return Err(format!(
            "widths {hidden}, {feed} and {head} are not multiples of {BLOCK}"
        ));
    }
    if kv_heads == 0 || !heads.is_multiple_of(kv_heads) || heads == 0 {
        return Err(format!("{heads} heads can't share {kv_heads}"));
    }
    let fits = |matrix: &Matrix, rows: usize, columns: usize| {
        let fits = matrix.rows() == rows && matrix.columns() == columns;
        fits.then_some(())
            .ok_or_else(|| format!("{matrix:?} should be {rows} x {columns}"))
    };
    fits(&weights.embedding, weights.embedding.rows(), hidden)?;
    if let Some(matrix) = &weights.head {
        fits(matrix, weights.embedding.rows(), hidden)?;
    }
    for layer in &weights.layers {
        fits(&layer.qkv, (heads + 2 * kv_heads) * head, hidden)?;
        fits(&layer.output, hidden, heads * head)?;
        fits(&layer.gate_up, 2 * feed, hidden)?;
        fits(&layer.down, hidden, feed)?;
        if layer.attention_norm.len() != hidden || layer.feed_norm.len() != hidden {
            return Err("a norm is of another width".to_owned());
        }
    }
    if weights.norm.len() != hidden {
        return Err("the last norm is of another width".to_owned());
    }
    Ok(())
}
