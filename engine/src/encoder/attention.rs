//! Attention of one head over one text, straight from the rows of queries, keys and values.

use super::Lane;
use crate::{
    buffer::Shared,
    kernels::Kernels,
    matrix::tiles,
    tile::{Finish, Tile},
};

/// What attention reads and writes: rows of all texts.
pub(super) struct Attention<'a> {
    pub kernels: &'static Kernels,
    /// Rows of queries, keys and values.
    pub qkv: Shared<'a>,
    /// Rows of the heads' results.
    pub to: Shared<'a>,
    pub hidden: usize,
    /// Numbers of a head.
    pub head: usize,
}

impl Attention<'_> {
    /// Computes head number `head` for the text in `len` rows from `first`.
    ///
    /// # Safety
    /// Nobody writes these rows of `qkv`, or uses this head's columns of these rows of `to`.
    pub(super) unsafe fn compute(&self, head: usize, first: usize, len: usize, lane: &mut Lane) {
        let (columns, stride) = (self.kernels.columns, 3 * self.hidden);
        let width = len.next_multiple_of(columns);
        let key_words = width * self.head;
        let value_words = self.head.next_multiple_of(columns) * len;
        lane.keys.reserve(key_words);
        lane.values.reserve(value_words);
        lane.scores.reserve(self.kernels.rows() * width);
        let rows = self.qkv.at(first * stride, len * stride);
        // SAFETY: within bounds; nobody writes them, as the caller vouches.
        let rows = unsafe { std::slice::from_raw_parts(rows.cast_const(), len * stride) };
        let at = head * self.head;
        pack_keys(
            rows,
            stride,
            self.hidden + at,
            self.head,
            columns,
            &mut lane.keys[..key_words],
        );
        pack_values(
            rows,
            stride,
            2 * self.hidden + at,
            self.head,
            columns,
            &mut lane.values[..value_words],
        );
        let count = len.div_ceil(self.kernels.rows());
        for n in 0..count {
            let (begin, end) = (len * n / count, len * (n + 1) / count);
            let queries = rows[begin * stride + at..].as_ptr();
            let scales = self.score(queries, end - begin, len, width, lane);
            let to = (first + begin) * self.hidden + at;
            let to = self.to.at(to, (end - begin - 1) * self.hidden + self.head);
            // SAFETY: `to` has these rows, and these columns of them are nobody else's.
            unsafe { self.mix(to, &scales[..end - begin], len, width, lane) };
        }
    }

    /// The weights of every token for `count` queries, not yet scaled to the sum of 1; the scales.
    fn score(
        &self,
        queries: *const f32,
        count: usize,
        len: usize,
        width: usize,
        lane: &mut Lane,
    ) -> [f32; 16] {
        let columns = self.kernels.columns;
        for panel in (0..len).step_by(columns) {
            let tile = Tile {
                a: queries,
                lda: 3 * self.hidden,
                k: self.head,
                b: lane.keys[panel * self.head..].as_ptr(),
                c: lane.scores[panel..].as_mut_ptr(),
                ldc: width,
                columns,
                finish: Finish::PLAIN,
            };
            // SAFETY: there are `count` rows of queries and room for as many of scores.
            unsafe { self.kernels.tile(count, &tile) };
        }
        let mut scales = [0.0; 16];
        for (scale, row) in scales[..count]
            .iter_mut()
            .zip(lane.scores.chunks_exact_mut(width))
        {
            *scale = self.kernels.exponentials(&mut row[..len]);
        }
        scales
    }

    /// The sums of all tokens' values by the weights in `lane.scores`.
    ///
    /// # Safety
    /// `to` has room for this head's columns of as many rows as there are scales, and they are the caller's.
    unsafe fn mix(&self, to: *mut f32, scales: &[f32], len: usize, width: usize, lane: &Lane) {
        let columns = self.kernels.columns;
        for panel in (0..self.head).step_by(columns) {
            let tile = Tile {
                a: lane.scores.as_ptr(),
                lda: width,
                k: len,
                b: lane.values[panel * len..].as_ptr(),
                // SAFETY: a column of this head.
                c: unsafe { to.add(panel) },
                ldc: self.hidden,
                columns: columns.min(self.head - panel),
                finish: Finish {
                    scale: scales,
                    ..Finish::PLAIN
                },
            };
            // SAFETY: the caller's promise; scores and values were written for `len` tokens.
            unsafe { tiles(self.kernels, &tile, scales.len()) };
        }
    }
}

/// Keys as panels of tokens: number after number of the first tokens, then of the next.
fn pack_keys(rows: &[f32], stride: usize, at: usize, head: usize, columns: usize, keys: &mut [f32]) {
    for (panel, rows) in keys
        .chunks_exact_mut(columns * head)
        .zip(rows.chunks(columns * stride))
    {
        for (token, row) in rows.chunks_exact(stride).enumerate() {
            for (n, number) in row[at..at + head].iter().enumerate() {
                panel[n * columns + token] = *number;
            }
        }
        // What is beyond the last token is not read; but nothing should compute with what is no number.
        for token in rows.len() / stride..columns {
            panel
                .iter_mut()
                .skip(token)
                .step_by(columns)
                .for_each(|x| *x = 0.0);
        }
    }
}

/// Values as panels of a head's numbers: the first numbers of all tokens, then the next.
fn pack_values(rows: &[f32], stride: usize, at: usize, head: usize, columns: usize, values: &mut [f32]) {
    let len = rows.len() / stride;
    for (panel, begin) in values
        .chunks_exact_mut(columns * len)
        .zip((0..head).step_by(columns))
    {
        let width = columns.min(head - begin);
        for (to, row) in panel.chunks_exact_mut(columns).zip(rows.chunks_exact(stride)) {
            to[..width].copy_from_slice(&row[at + begin..at + begin + width]);
            to[width..].fill(0.0);
        }
    }
}
