//! Rows of activations in blocks of bytes: what a matrix is multiplied with.

use super::{
    lanes::{self, Lanes},
    matrix::BLOCK,
    shared::Shared,
};

/// Room for rows of bytes with their scales.
#[derive(Debug, Default)]
pub(super) struct Rows {
    bytes: Vec<i8>,
    scales: Vec<f32>,
    offsets: Vec<i32>,
}

impl Rows {
    /// Makes room for `rows` rows of `columns`.
    pub(super) fn reserve(&mut self, rows: usize, columns: usize) {
        let cells = rows * columns;
        if self.bytes.len() < cells {
            self.bytes.resize(cells, 0);
            self.scales.resize(cells / BLOCK, 0.0);
            self.offsets.resize(cells / BLOCK, 0);
        }
    }

    /// The same, for several lanes to write.
    pub(super) fn share(&mut self, columns: usize) -> SharedRows<'_> {
        SharedRows {
            columns,
            bytes: Shared::new(&mut self.bytes),
            scales: Shared::new(&mut self.scales),
            offsets: Shared::new(&mut self.offsets),
        }
    }
}

/// Rows that lanes write and read between barriers.
pub(super) struct SharedRows<'a> {
    columns: usize,
    bytes: Shared<'a, i8>,
    scales: Shared<'a, f32>,
    offsets: Shared<'a, i32>,
}

/// A run of blocks of one row.
#[derive(Clone, Copy)]
pub(super) struct Blocks {
    /// The bytes.
    pub bytes: *mut i8,
    /// One scale a block.
    pub scales: *mut f32,
    /// One sum of bytes a block, times -128.
    pub offsets: *mut i32,
}

impl SharedRows<'_> {
    /// Rows from `row` on, to write.
    ///
    /// # Safety
    /// As of [`Shared::at`].
    pub(super) unsafe fn blocks(&self, row: usize, column: usize, columns: usize) -> Blocks {
        let cell = row * self.columns + column;
        // SAFETY: the caller's.
        unsafe {
            Blocks {
                bytes: self.bytes.at(cell, columns),
                scales: self.scales.at(cell / BLOCK, columns / BLOCK),
                offsets: self.offsets.at(cell / BLOCK, columns / BLOCK),
            }
        }
    }

    /// Columns of a row.
    pub(super) fn columns(&self) -> usize {
        self.columns
    }
}

/// Turns one block of numbers into bytes.
///
/// # Safety
/// The processor has the instructions; there is room for a block.
#[inline(always)]
pub(super) unsafe fn quantise<L: Lanes>(low: L, high: L, block: usize, to: Blocks) {
    // SAFETY: the caller's.
    unsafe {
        let largest = lanes::largest(low.abs().max(high.abs()));
        let inverse = L::splat(if largest > 0.0 { 127.0 / largest } else { 0.0 });
        let bytes = to.bytes.add(block * BLOCK);
        let low = low.mul(inverse).store_bytes(bytes);
        let high = high.mul(inverse).store_bytes(bytes.add(16));
        to.scales.add(block).write(largest / 127.0);
        to.offsets.add(block).write(-128 * L::int_sum(low, high));
    }
}

/// Divides a row by its root mean square, times `weights`, as bytes.
///
/// # Safety
/// The processor has the instructions; `x` is as long as `weights`, whole blocks, and `to` has room.
#[inline(always)]
pub(super) unsafe fn normalise<L: Lanes>(x: *const f32, weights: &[f32], epsilon: f32, to: Blocks) {
    // SAFETY: the caller's.
    unsafe {
        let mut squares = [L::splat(0.0); 2];
        for at in (0..weights.len()).step_by(BLOCK) {
            let (low, high) = (L::load(x.add(at)), L::load(x.add(at + 16)));
            squares = [low.mul_add(low, squares[0]), high.mul_add(high, squares[1])];
        }
        let mean = lanes::sum(squares[0].add(squares[1])) / weights.len() as f32;
        let factor = L::splat(1.0 / (mean + epsilon).sqrt());
        for (block, weights) in weights.chunks_exact(BLOCK).enumerate() {
            let x = x.add(block * BLOCK);
            let low = L::load(x).mul(factor).mul(L::load(weights.as_ptr()));
            let high = L::load(x.add(16))
                .mul(factor)
                .mul(L::load(weights.as_ptr().add(16)));
            quantise(low, high, block, to);
        }
    }
}

/// `silu(gate) * up` of one block, as bytes.
///
/// # Safety
/// The processor has the instructions; both are a block long, and `to` has room for one.
#[inline(always)]
pub(super) unsafe fn gate<L: Lanes>(gate: *const f32, up: *const f32, to: Blocks) {
    // SAFETY: the caller's.
    unsafe {
        let half = |at: usize| {
            let (gate, up) = (L::load(gate.add(at)), L::load(up.add(at)));
            let grown = lanes::exp(gate.mul(L::splat(-1.0)));
            gate.div(grown.add(L::splat(1.0))).mul(up)
        };
        quantise(half(0), half(16), 0, to);
    }
}
