//! [`Lanes`] over plain arrays, for every processor.

use std::array::from_fn;

use half::f16;

use super::Lanes;

/// Sixteen numbers.
#[derive(Clone, Copy)]
pub(in crate::quant) struct Portable([f32; 16]);

impl Portable {
    #[inline(always)]
    fn map(self, f: impl Fn(f32) -> f32) -> Self {
        Self(self.0.map(f))
    }

    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        Self(from_fn(|lane| f(self.0[lane], other.0[lane])))
    }
}

impl Lanes for Portable {
    type Int = [i32; 16];
    type Bytes = [u8; 64];
    const TILE: usize = 2;
    const OFFSET: bool = false;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        Self([x; 16])
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller's: sixteen numbers are there.
        Self(unsafe { from.cast::<[f32; 16]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn load_half(from: *const u16) -> Self {
        // SAFETY: the caller's: sixteen numbers are there.
        let halves = unsafe { from.cast::<[u16; 16]>().read_unaligned() };
        Self(halves.map(|bits| f16::from_bits(bits).to_f32()))
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller's: there is room for sixteen numbers.
        unsafe { to.cast::<[f32; 16]>().write_unaligned(self.0) }
    }

    #[inline(always)]
    unsafe fn store_half(self, to: *mut u16) {
        let halves = self.0.map(|x| f16::from_f32(x).to_bits());
        // SAFETY: the caller's: there is room for sixteen numbers.
        unsafe { to.cast::<[u16; 16]>().write_unaligned(halves) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, term: Self) -> Self {
        // Not fused: that would be a call into a library where the processor has no instruction for it.
        Self(from_fn(|lane| self.0[lane] * factor.0[lane] + term.0[lane]))
    }

    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        self.zip(other, |a, b| a / b)
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        self.zip(other, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        self.zip(other, |a, b| if a < b { a } else { b })
    }

    #[inline(always)]
    unsafe fn abs(self) -> Self {
        self.map(f32::abs)
    }

    #[inline(always)]
    unsafe fn round(self) -> Self {
        self.map(f32::round_ties_even)
    }

    #[inline(always)]
    unsafe fn power_of_two(self) -> Self {
        self.map(|x| f32::from_bits(((x as i32 + 127) as u32) << 23))
    }

    #[inline(always)]
    unsafe fn store_bytes(self, to: *mut i8) -> [i32; 16] {
        let whole = self.0.map(|x| x.round_ties_even() as i32);
        // SAFETY: the caller's: there is room for sixteen bytes.
        unsafe { to.cast::<[i8; 16]>().write_unaligned(whole.map(|x| x as i8)) };
        whole
    }

    #[inline(always)]
    unsafe fn int(x: i32) -> [i32; 16] {
        [x; 16]
    }

    #[inline(always)]
    unsafe fn int_sum(a: [i32; 16], b: [i32; 16]) -> i32 {
        a.iter().sum::<i32>() + b.iter().sum::<i32>()
    }

    #[inline(always)]
    unsafe fn float(x: [i32; 16]) -> Self {
        Self(x.map(|x| x as f32))
    }

    #[inline(always)]
    unsafe fn bytes(from: *const u8) -> [u8; 64] {
        // SAFETY: the caller's: sixty-four bytes are there.
        unsafe { from.cast::<[u8; 64]>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn dot(sum: [i32; 16], weights: [u8; 64], x: i32) -> [i32; 16] {
        let x = x.to_ne_bytes().map(|byte| i32::from(byte as i8));
        from_fn(|lane| {
            let products = (0..4).map(|i| i32::from((weights[4 * lane + i] ^ 0x80) as i8) * x[i]);
            sum[lane] + products.sum::<i32>()
        })
    }
}
