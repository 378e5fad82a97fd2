//! The heart of every matrix product: some rows of `a` times a panel of `b`, kept in registers.

use crate::{math, simd::Simd};

/// What becomes of a sum before it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Activation {
    /// Nothing.
    #[default]
    None,
    /// `x Φ(x)`, by the error function.
    Gelu,
    /// GELU's approximation by the hyperbolic tangent.
    GeluTanh,
    /// The larger of `x` and zero.
    Relu,
}

/// What is done to the sums: scaled by row, a bias added, activated, added to what is there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Finish<'a> {
    /// A factor a row, or none.
    pub scale: &'a [f32],
    /// A summand a column; as many as a panel has, or none.
    pub bias: &'a [f32],
    /// What comes then.
    pub activation: Activation,
    /// Whether the result is added to what stands in `c`.
    pub add: bool,
}

impl Finish<'_> {
    /// The sums as they are.
    pub(crate) const PLAIN: Finish<'static> = Finish {
        scale: &[],
        bias: &[],
        activation: Activation::None,
        add: false,
    };
}

/// Rows of `a` times a panel: `c[i][j] = finish(Σ a[i][k] b[k][j])`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tile<'a> {
    /// The first row; `k` words of each are read.
    pub a: *const f32,
    /// Words from row to row.
    pub lda: usize,
    /// Steps.
    pub k: usize,
    /// The panel: `k` times as many words as it has columns.
    pub b: *const f32,
    /// Where the first result goes.
    pub c: *mut f32,
    /// Numbers from row to row.
    pub ldc: usize,
    /// Columns that are written.
    pub columns: usize,
    /// What is done to the sums.
    pub finish: Finish<'a>,
}

/// The sums of a tile, row by row: up to 14 of 32 columns.
#[repr(align(64))]
pub(crate) struct Sums([f32; 14 * 32]);

impl Sums {
    pub(crate) const ZERO: Self = Self([0.0; 14 * 32]);
}

/// Sums up a tile of `ROWS` rows and `VECTORS` vectors of columns.
///
/// # Safety
/// `a` and `b` of `tile` are good for what it says, for `ROWS` rows.
#[inline(always)]
pub(crate) unsafe fn compute<S: Simd, const ROWS: usize, const VECTORS: usize>(
    s: S,
    tile: &Tile<'_>,
    out: &mut Sums,
) {
    let mut sums = [[s.splat(0.0); VECTORS]; ROWS];
    let mut b = tile.b;
    let mut a = tile.a;
    // SAFETY: `k` words of each row and of each of the panel's columns are there.
    unsafe {
        for _ in 0..tile.k / 4 {
            for step in 0..4 {
                multiply(
                    s,
                    a.add(step),
                    tile.lda,
                    b.add(step * VECTORS * S::LANES),
                    &mut sums,
                );
            }
            a = a.add(4);
            b = b.add(4 * VECTORS * S::LANES);
        }
        for step in 0..tile.k % 4 {
            multiply(
                s,
                a.add(step),
                tile.lda,
                b.add(step * VECTORS * S::LANES),
                &mut sums,
            );
        }
    }
    for (row, to) in sums.iter().zip(out.0.chunks_exact_mut(VECTORS * S::LANES)) {
        for (sum, to) in row.iter().zip(to.chunks_exact_mut(S::LANES)) {
            // SAFETY: the part is as long as a vector.
            unsafe { s.store(to.as_mut_ptr(), *sum) };
        }
    }
}

/// A step: column `a` times row `b`, added to the sums.
///
/// # Safety
/// There is a word of `a` in each row, and a row of `b`.
#[inline(always)]
unsafe fn multiply<S: Simd, const ROWS: usize, const VECTORS: usize>(
    s: S,
    a: *const f32,
    lda: usize,
    b: *const f32,
    sums: &mut [[S::V; VECTORS]; ROWS],
) {
    let mut row_b = [s.splat(0.0); VECTORS];
    for (n, vector) in row_b.iter_mut().enumerate() {
        // SAFETY: the caller's promise.
        *vector = unsafe { s.load(b.add(n * S::LANES)) };
    }
    for (row, sums) in sums.iter_mut().enumerate() {
        // SAFETY: the caller's promise.
        let factor = s.splat(unsafe { *a.add(row * lda) });
        for (sum, vector) in sums.iter_mut().zip(&row_b) {
            *sum = s.dot(factor, *vector, *sum);
        }
    }
}

/// Finishes the sums of `rows` rows of `width` columns and writes them.
///
/// # Safety
/// `c` of `tile` is good for what it says, for that many rows; nobody else writes there.
#[inline(always)]
pub(crate) unsafe fn finish<S: Simd>(s: S, tile: &Tile<'_>, rows: usize, width: usize, sums: &Sums) {
    let Finish {
        scale,
        bias,
        activation,
        add,
    } = tile.finish;
    for (row, sums) in sums.0.chunks_exact(width).take(rows).enumerate() {
        let factor = s.splat(scale.get(row).copied().unwrap_or(1.0));
        let columns = (0..tile.columns).step_by(S::LANES);
        for (column, sums) in columns.zip(sums.chunks_exact(S::LANES)) {
            let width = S::LANES.min(tile.columns - column);
            // SAFETY: the part is as long as a vector; row and column are the tile's.
            let (sum, c) = unsafe { (s.load(sums.as_ptr()), tile.c.add(row * tile.ldc + column)) };
            let mut value = if scale.is_empty() { sum } else { s.mul(sum, factor) };
            if let Some(bias) = bias.get(column..column + S::LANES) {
                // SAFETY: the slice is as long as a vector.
                value = s.add(value, unsafe { s.load(bias.as_ptr()) });
            }
            value = activate(s, activation, value);
            if width == S::LANES {
                // SAFETY: a whole vector of columns is written here.
                unsafe { s.store(c, if add { s.add(value, s.load(c)) } else { value }) };
            } else {
                // SAFETY: `width` columns of this row are the tile's.
                let to = unsafe { std::slice::from_raw_parts_mut(c, width) };
                for (to, value) in to.iter_mut().zip(s.array(value)) {
                    *to = if add { *to + value } else { value };
                }
            }
        }
    }
}

#[inline(always)]
fn activate<S: Simd>(s: S, activation: Activation, value: S::V) -> S::V {
    match activation {
        Activation::None => value,
        Activation::Gelu => math::gelu(s, value),
        Activation::GeluTanh => math::gelu_tanh(s, value),
        Activation::Relu => math::relu(s, value),
    }
}
