//! The matrix product: some rows of bytes with two panels of a matrix. Sums of one cell run over the blocks
//! in order, however many rows there are, so that no row depends on its neighbours.

use super::{
    lanes::Lanes,
    matrix::{BLOCK, Matrix, PANEL, PANEL_BLOCK, UNIT},
    rows::Blocks,
};

/// A product of up to [`Lanes::TILE`] rows with one unit of a matrix.
#[derive(Clone, Copy)]
pub(super) struct Tile {
    weights: *const u8,
    scales: *const u16,
    blocks: usize,
    /// The first row; the others follow.
    x: Blocks,
    /// Rows.
    rows: usize,
}

impl Tile {
    /// Rows from `x` on, times a unit of `matrix`.
    pub(super) fn new(matrix: &Matrix, unit: usize, x: Blocks, rows: usize) -> Self {
        Self {
            weights: matrix.unit_weights(unit),
            scales: matrix.unit_scales(unit),
            blocks: matrix.blocks(),
            x,
            rows,
        }
    }
}

/// Computes a tile into `out`: [`UNIT`] numbers a row.
///
/// # Safety
/// The processor has the instructions; the rows of the tile are there, and `out` has room for them.
#[inline(always)]
pub(super) unsafe fn multiply<L: Lanes>(tile: &Tile, out: *mut f32) {
    // SAFETY: the caller's; no tile has more rows than these.
    unsafe {
        match tile.rows {
            1 => rows::<L, 1>(tile, out),
            2 => rows::<L, 2>(tile, out),
            3 if L::TILE > 2 => rows::<L, 3>(tile, out),
            4 if L::TILE > 2 => rows::<L, 4>(tile, out),
            5 if L::TILE > 2 => rows::<L, 5>(tile, out),
            6 if L::TILE > 2 => rows::<L, 6>(tile, out),
            _ => {}
        }
    }
}

/// # Safety
/// As [`multiply`].
#[inline(always)]
unsafe fn rows<L: Lanes, const ROWS: usize>(tile: &Tile, out: *mut f32) {
    let blocks = tile.blocks;
    // SAFETY: the caller's.
    unsafe {
        let mut sums = [[L::splat(0.0); 2]; ROWS];
        for block in 0..blocks {
            let mut dots = [[L::int(0); 2]; ROWS];
            if L::OFFSET {
                for (row, dots) in dots.iter_mut().enumerate() {
                    *dots = [L::int(*tile.x.offsets.add(row * blocks + block)); 2];
                }
            }
            let weights = tile.weights.add(block * PANEL_BLOCK);
            let x = tile.x.bytes.add(block * BLOCK);
            for four in 0..BLOCK / 4 {
                let first = L::bytes(weights.add(four * 64));
                let second = L::bytes(weights.add(four * 64 + blocks * PANEL_BLOCK));
                for (row, dots) in dots.iter_mut().enumerate() {
                    let x = x
                        .add(row * blocks * BLOCK + four * 4)
                        .cast::<i32>()
                        .read_unaligned();
                    *dots = [L::dot(dots[0], first, x), L::dot(dots[1], second, x)];
                }
            }
            let scales = tile.scales.add(block * PANEL);
            let scales = [L::load_half(scales), L::load_half(scales.add(blocks * PANEL))];
            for (row, sums) in sums.iter_mut().enumerate() {
                let scale = L::splat(*tile.x.scales.add(row * blocks + block));
                for panel in 0..2 {
                    let factor = scales[panel].mul(scale);
                    sums[panel] = L::float(dots[row][panel]).mul_add(factor, sums[panel]);
                }
            }
        }
        for (row, sums) in sums.iter().enumerate() {
            sums[0].store(out.add(row * UNIT));
            sums[1].store(out.add(row * UNIT + PANEL));
        }
    }
}
