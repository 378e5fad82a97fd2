//! Rows of numbers times a matrix that was packed once, with everything that follows fused: bias, residual,
//! activation.

use super::{Activation, lanes};
use crate::{isa::Isa, simd::Simd};

/// Rows that are multiplied at once.
const TALL: usize = 6;
/// Vectors of columns that are multiplied at once.
const WIDE: usize = 2;
/// Numbers of the rows that are gone over for all columns before the next ones: what a core holds close.
const BLOCK: usize = 32 << 10;

/// A matrix as the kernel reads it: columns in panels of [`WIDE`] vectors, each panel row by row.
#[derive(Debug, Clone)]
pub(super) struct Packed {
    /// Rows.
    pub(super) depth: usize,
    /// Columns.
    pub(super) columns: usize,
    panels: Vec<f32>,
    /// One number a column, then zeros up to whole panels.
    bias: Vec<f32>,
    activation: Activation,
}

impl Packed {
    /// Packs `weights`, the columns of the matrix one after the other.
    pub(super) fn new(isa: Isa, weights: &[f32], bias: &[f32], activation: Activation) -> Self {
        let (columns, panel) = (bias.len(), WIDE * lanes(isa));
        let depth = weights.len().checked_div(columns).unwrap_or(0);
        let padded = columns.next_multiple_of(panel);
        let mut panels = vec![0.0; padded * depth];
        for (column, numbers) in weights.chunks_exact(depth.max(1)).enumerate() {
            let first = column / panel * panel * depth + column % panel;
            for (row, number) in numbers.iter().enumerate() {
                panels[first + row * panel] = *number;
            }
        }
        let mut bias = bias.to_vec();
        bias.resize(padded, 0.0);
        Self {
            depth,
            columns,
            panels,
            bias,
            activation: activation.padded(padded),
        }
    }
}

/// What to multiply.
pub(super) struct Product<'a> {
    /// Rows of `packed.depth` numbers.
    pub(super) rows: &'a [f32],
    pub(super) packed: &'a Packed,
    /// What is added before the activation: as much as comes out.
    pub(super) residual: Option<&'a [f32]>,
    /// Rows of `packed.columns` numbers.
    pub(super) out: &'a mut [f32],
}

/// Multiplies.
#[inline(always)]
pub(super) fn multiply<S: Simd>(simd: S, mut product: Product<'_>) {
    let (depth, columns) = (product.packed.depth, product.packed.columns);
    let count = product.out.len() / columns;
    let block = (BLOCK / depth / TALL).max(1) * TALL;
    for first in (0..count).step_by(block) {
        let end = (first + block).min(count);
        for panel in 0..columns.div_ceil(WIDE * S::LANES) {
            let mut row = first;
            while row + TALL <= end {
                tile::<S, TALL>(simd, &mut product, row, panel);
                row += TALL;
            }
            while row < end {
                tile::<S, 1>(simd, &mut product, row, panel);
                row += 1;
            }
        }
    }
}

/// `R` rows of one panel.
#[inline(always)]
fn tile<S: Simd, const R: usize>(simd: S, product: &mut Product<'_>, row: usize, panel: usize) {
    let packed = product.packed;
    let depth = packed.depth;
    let width = WIDE * S::LANES;
    let weights = &packed.panels[panel * width * depth..][..width * depth];
    let rows: [&[f32]; R] = std::array::from_fn(|r| &product.rows[(row + r) * depth..][..depth]);
    let bias = &packed.bias[panel * width..][..width];
    // SAFETY: a panel has that many numbers.
    let bias: [S::V; WIDE] = std::array::from_fn(|v| unsafe { simd.load(bias[v * S::LANES..].as_ptr()) });
    let mut sums = [bias; R];
    for at in 0..depth {
        // SAFETY: a panel has `width` numbers for each of `depth` steps.
        let step: [S::V; WIDE] =
            std::array::from_fn(|v| unsafe { simd.load(weights.as_ptr().add(at * width + v * S::LANES)) });
        for (sum, row) in sums.iter_mut().zip(&rows) {
            // SAFETY: each row has `depth` numbers.
            let number = simd.splat(unsafe { *row.get_unchecked(at) });
            for (sum, step) in sum.iter_mut().zip(step) {
                *sum = simd.mul_add(number, step, *sum);
            }
        }
    }
    for (r, sums) in sums.into_iter().enumerate() {
        for (v, sum) in sums.into_iter().enumerate() {
            finish(simd, product, row + r, panel * width + v * S::LANES, sum);
        }
    }
}

/// Adds the residual, activates and writes a vector.
#[inline(always)]
fn finish<S: Simd>(simd: S, product: &mut Product<'_>, row: usize, column: usize, mut sum: S::V) {
    let columns = product.packed.columns;
    let count = columns.saturating_sub(column).min(S::LANES);
    let place = row * columns + column;
    if count == 0 {
        return;
    }
    if let Some(residual) = product.residual {
        let residual = &residual[place..][..count];
        let residual = if count == S::LANES {
            // SAFETY: the slice has that many numbers.
            unsafe { simd.load(residual.as_ptr()) }
        } else {
            simd.load_part(residual)
        };
        sum = simd.add(sum, residual);
    }
    let sum = activate(simd, &product.packed.activation, sum, column);
    let to = &mut product.out[place..][..count];
    if count == S::LANES {
        // SAFETY: the slice has room for that many numbers.
        unsafe { simd.store(to.as_mut_ptr(), sum) };
    } else {
        to.copy_from_slice(&simd.array(sum)[..count]);
    }
}

/// A vector of channels from `channel` on, activated.
#[inline(always)]
pub(super) fn activate<S: Simd>(simd: S, activation: &Activation, sum: S::V, channel: usize) -> S::V {
    let zero = simd.splat(0.0);
    match activation {
        Activation::None => sum,
        Activation::Relu => simd.max(sum, zero),
        Activation::Relu6 => simd.min(simd.max(sum, zero), simd.splat(6.0)),
        Activation::Prelu(slopes) => {
            let slopes = &slopes[channel..][..S::LANES];
            // SAFETY: the slice has that many numbers.
            let slopes = unsafe { simd.load(slopes.as_ptr()) };
            simd.mul_add(slopes, simd.min(sum, zero), simd.max(sum, zero))
        }
    }
}
