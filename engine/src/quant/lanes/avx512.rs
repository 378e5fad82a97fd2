//! [`Lanes`] over AVX-512 with VNNI.

use std::arch::x86_64::*;

use super::Lanes;

/// Sixteen numbers in one register.
#[derive(Clone, Copy)]
pub(in crate::quant) struct Avx512(__m512);

macro_rules! operations {
    ($($(#[$doc:meta])* fn $name:ident($($x:ident: $type:ty),*) $(-> $result:ty)? $body:block)*) => {$(
        $(#[$doc])*
        #[inline(always)]
        unsafe fn $name($($x: $type),*) $(-> $result)? {
            // SAFETY: the caller's: it has the instructions, and its pointers reach far enough.
            unsafe { $body }
        }
    )*};
}

impl Lanes for Avx512 {
    type Int = __m512i;
    type Bytes = __m512i;
    const TILE: usize = 6;
    const OFFSET: bool = true;

    operations! {
        fn splat(x: f32) -> Self { Self(_mm512_set1_ps(x)) }
        fn load(from: *const f32) -> Self { Self(_mm512_loadu_ps(from)) }
        fn load_half(from: *const u16) -> Self { Self(_mm512_cvtph_ps(_mm256_loadu_si256(from.cast()))) }
        fn store(self: Self, to: *mut f32) { _mm512_storeu_ps(to, self.0) }
        fn store_half(self: Self, to: *mut u16) {
            _mm256_storeu_si256(to.cast(), _mm512_cvtps_ph::<8>(self.0));
        }
        fn add(self: Self, other: Self) -> Self { Self(_mm512_add_ps(self.0, other.0)) }
        fn mul(self: Self, other: Self) -> Self { Self(_mm512_mul_ps(self.0, other.0)) }
        fn mul_add(self: Self, factor: Self, term: Self) -> Self {
            Self(_mm512_fmadd_ps(self.0, factor.0, term.0))
        }
        fn div(self: Self, other: Self) -> Self { Self(_mm512_div_ps(self.0, other.0)) }
        fn max(self: Self, other: Self) -> Self { Self(_mm512_max_ps(self.0, other.0)) }
        fn min(self: Self, other: Self) -> Self { Self(_mm512_min_ps(self.0, other.0)) }
        fn abs(self: Self) -> Self { Self(_mm512_abs_ps(self.0)) }
        fn round(self: Self) -> Self { Self(_mm512_roundscale_ps::<8>(self.0)) }
        fn power_of_two(self: Self) -> Self { Self(_mm512_scalef_ps(_mm512_set1_ps(1.0), self.0)) }
        fn store_bytes(self: Self, to: *mut i8) -> __m512i {
            let whole = _mm512_cvtps_epi32(self.0);
            _mm_storeu_si128(to.cast(), _mm512_cvtepi32_epi8(whole));
            whole
        }
        fn int(x: i32) -> __m512i { _mm512_set1_epi32(x) }
        fn int_sum(a: __m512i, b: __m512i) -> i32 { _mm512_reduce_add_epi32(_mm512_add_epi32(a, b)) }
        fn float(x: __m512i) -> Self { Self(_mm512_cvtepi32_ps(x)) }
        fn bytes(from: *const u8) -> __m512i { _mm512_loadu_si512(from.cast()) }
        fn dot(sum: __m512i, weights: __m512i, x: i32) -> __m512i {
            _mm512_dpbusd_epi32(sum, weights, _mm512_set1_epi32(x))
        }
    }
}
