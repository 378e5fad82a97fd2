//! The innermost loops of a convolution: some pixels of a row times a block of output channels.
//!
//! The weights of a block lie in the order in which they are used; a pixel's numbers lie together, so a
//! window's row is read in place and nothing is copied. The pixels of a tile and the block of channels are
//! held in registers over all taps.

use crate::isa::Isa;

/// Output channels of a block.
pub const BLOCK: usize = 32;

/// What a call computes: `pixels` of a row, [`BLOCK`] output channels of each.
pub struct Tile<'a> {
    pub input: &'a [f32],
    /// Where the first pixel's numbers of each run of taps begin in `input`.
    pub offsets: &'a [usize],
    /// Numbers of a run.
    pub run: usize,
    /// Numbers from one pixel to the next.
    pub step: usize,
    /// `offsets.len() * run * BLOCK` numbers.
    pub weights: &'a [f32],
    /// `BLOCK` numbers.
    pub bias: &'a [f32],
    pub accumulate: bool,
    pub relu: bool,
    pub pixels: usize,
    /// Output channels of a pixel.
    pub channels: usize,
    /// The first output channel of the block.
    pub first: usize,
}

/// Computes a tile into `out`, the row of all channels.
pub fn row(isa: Isa, tile: &Tile<'_>, out: &mut [f32]) {
    let most = match isa {
        Isa::Avx512 => 14,
        Isa::Avx2 => 6,
        _ => 4,
    };
    assert!(out.len() >= tile.pixels * tile.channels, "room for the row");
    assert!(tile.weights.len() == tile.offsets.len() * tile.run * BLOCK && tile.bias.len() == BLOCK);
    if tile.pixels == 0 {
        return;
    }
    let last = tile.offsets.iter().max().copied().unwrap_or(0);
    assert!(
        last + (tile.pixels - 1) * tile.step + tile.run <= tile.input.len(),
        "input for the row"
    );
    // Parts of nearly equal size: a short rest would be slow.
    let parts = tile.pixels.div_ceil(most);
    let mut start = 0;
    for part in 0..parts {
        let end = tile.pixels * (part + 1) / parts;
        some_pixels(isa, tile, start, end - start, out);
        start = end;
    }
}

/// Sums of `count` pixels; stored with what goes with them.
fn some_pixels(isa: Isa, tile: &Tile<'_>, start: usize, count: usize, out: &mut [f32]) {
    let mut sums = [[0.0_f32; BLOCK]; 14];
    let width = BLOCK.min(tile.channels - tile.first);
    for (pixel, sum) in sums.iter_mut().enumerate().take(count) {
        let at = (start + pixel) * tile.channels + tile.first;
        if tile.accumulate {
            sum[..width].copy_from_slice(&out[at..at + width]);
        } else {
            sum.copy_from_slice(tile.bias);
        }
    }
    multiply(isa, tile, start, count, &mut sums);
    for (pixel, sum) in sums.iter_mut().enumerate().take(count) {
        let at = (start + pixel) * tile.channels + tile.first;
        if tile.relu {
            for value in sum.iter_mut() {
                *value = value.max(0.0);
            }
        }
        out[at..at + width].copy_from_slice(&sum[..width]);
    }
}

type Sums = [[f32; BLOCK]; 14];

#[cfg(target_arch = "x86_64")]
fn multiply(isa: Isa, tile: &Tile<'_>, start: usize, count: usize, sums: &mut Sums) {
    macro_rules! with {
        ($function:ident, $($number:literal)*) => {
            match count {
                $($number => {
                    // SAFETY: the caller has asked the processor for these instructions, and `row` has checked
                    // that all numbers of all pixels are in `input` and all weights in `weights`.
                    unsafe { x86::$function::<$number>(tile, start, sums) }
                })*
                _ => portable(tile, start, count, sums),
            }
        };
    }
    match isa {
        Isa::Avx512 if isa.is_available() => with!(avx512, 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
        Isa::Avx2 if isa.is_available() => with!(avx2, 1 2 3 4 5 6),
        _ => portable(tile, start, count, sums),
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn multiply(_: Isa, tile: &Tile<'_>, start: usize, count: usize, sums: &mut Sums) {
    portable(tile, start, count, sums);
}

/// What any processor can do; the inner loop is one the compiler makes vectors of.
fn portable(tile: &Tile<'_>, start: usize, count: usize, sums: &mut Sums) {
    let mut weights = tile.weights.chunks_exact(BLOCK);
    for &offset in tile.offsets {
        let from = offset + start * tile.step;
        for (at, row) in (from..from + tile.run).zip(&mut weights) {
            for (pixel, sum) in sums.iter_mut().enumerate().take(count) {
                let factor = tile.input[at + pixel * tile.step];
                for (value, weight) in sum.iter_mut().zip(row) {
                    *value += factor * weight;
                }
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{BLOCK, Sums, Tile};

    /// # Safety
    /// The processor has AVX-512 F. All numbers of `COUNT` pixels from `start` are in `tile.input`.
    #[target_feature(enable = "avx512f,avx2,fma")]
    pub unsafe fn avx512<const COUNT: usize>(tile: &Tile<'_>, start: usize, sums: &mut Sums) {
        let mut low = [_mm512_setzero_ps(); COUNT];
        let mut high = [_mm512_setzero_ps(); COUNT];
        for pixel in 0..COUNT {
            // SAFETY: a row of sums has 32 numbers.
            unsafe {
                low[pixel] = _mm512_loadu_ps(sums[pixel].as_ptr());
                high[pixel] = _mm512_loadu_ps(sums[pixel].as_ptr().add(16));
            }
        }
        let mut weights = tile.weights.as_ptr();
        for &offset in tile.offsets {
            // SAFETY: by the contract of this function the run of every pixel is inside the input; the weights
            // hold `BLOCK` numbers for each number of each run.
            unsafe {
                let mut at = tile.input.as_ptr().add(offset + start * tile.step);
                for _ in 0..tile.run {
                    let first = _mm512_loadu_ps(weights);
                    let second = _mm512_loadu_ps(weights.add(16));
                    for pixel in 0..COUNT {
                        let factor = _mm512_set1_ps(*at.add(pixel * tile.step));
                        low[pixel] = _mm512_fmadd_ps(factor, first, low[pixel]);
                        high[pixel] = _mm512_fmadd_ps(factor, second, high[pixel]);
                    }
                    weights = weights.add(BLOCK);
                    at = at.add(1);
                }
            }
        }
        for pixel in 0..COUNT {
            // SAFETY: a row of sums has 32 numbers.
            unsafe {
                _mm512_storeu_ps(sums[pixel].as_mut_ptr(), low[pixel]);
                _mm512_storeu_ps(sums[pixel].as_mut_ptr().add(16), high[pixel]);
            }
        }
    }

    /// # Safety
    /// The processor has AVX2 and FMA. All numbers of `COUNT` pixels from `start` are in `tile.input`.
    #[target_feature(enable = "avx2,fma")]
    pub unsafe fn avx2<const COUNT: usize>(tile: &Tile<'_>, start: usize, sums: &mut Sums) {
        for half in [0, 16] {
            let mut low = [_mm256_setzero_ps(); COUNT];
            let mut high = [_mm256_setzero_ps(); COUNT];
            for pixel in 0..COUNT {
                // SAFETY: half a row of sums has 16 numbers.
                unsafe {
                    low[pixel] = _mm256_loadu_ps(sums[pixel].as_ptr().add(half));
                    high[pixel] = _mm256_loadu_ps(sums[pixel].as_ptr().add(half + 8));
                }
            }
            let mut weights = tile.weights.as_ptr().wrapping_add(half);
            for &offset in tile.offsets {
                // SAFETY: by the contract of this function the run of every pixel is inside the input; the
                // weights hold `BLOCK` numbers for each number of each run.
                unsafe {
                    let mut at = tile.input.as_ptr().add(offset + start * tile.step);
                    for _ in 0..tile.run {
                        let first = _mm256_loadu_ps(weights);
                        let second = _mm256_loadu_ps(weights.add(8));
                        for pixel in 0..COUNT {
                            let factor = _mm256_broadcast_ss(&*at.add(pixel * tile.step));
                            low[pixel] = _mm256_fmadd_ps(factor, first, low[pixel]);
                            high[pixel] = _mm256_fmadd_ps(factor, second, high[pixel]);
                        }
                        weights = weights.wrapping_add(BLOCK);
                        at = at.add(1);
                    }
                }
            }
            for pixel in 0..COUNT {
                // SAFETY: half a row of sums has 16 numbers.
                unsafe {
                    _mm256_storeu_ps(sums[pixel].as_mut_ptr().add(half), low[pixel]);
                    _mm256_storeu_ps(sums[pixel].as_mut_ptr().add(half + 8), high[pixel]);
                }
            }
        }
    }
}
