//! [`Lanes`] over AVX2 with FMA and F16C, and AVX-VNNI where it is there.

use std::arch::x86_64::*;

use super::Lanes;

/// Sixteen numbers in two registers; `VNNI`: whether AVX-VNNI multiplies the bytes.
#[derive(Clone, Copy)]
pub(in crate::quant) struct Avx2<const VNNI: bool>(__m256, __m256);

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

/// Four products of bytes, summed up, added to each lane.
#[inline(always)]
unsafe fn dot_half<const VNNI: bool>(sum: __m256i, weights: __m256i, x: __m256i) -> __m256i {
    // SAFETY: the caller's: it has the instructions.
    unsafe {
        if VNNI {
            return _mm256_dpbusd_avx_epi32(sum, weights, x);
        }
        // Magnitudes times signed bytes: 128 * 127 * 2 fits into 16 bits, so that nothing saturates.
        let products = _mm256_maddubs_epi16(_mm256_abs_epi8(weights), _mm256_sign_epi8(x, weights));
        _mm256_add_epi32(sum, _mm256_madd_epi16(products, _mm256_set1_epi16(1)))
    }
}

impl<const VNNI: bool> Lanes for Avx2<VNNI> {
    type Int = (__m256i, __m256i);
    type Bytes = (__m256i, __m256i);
    const TILE: usize = 2;
    const OFFSET: bool = VNNI;

    operations! {
        fn splat(x: f32) -> Self { Self(_mm256_set1_ps(x), _mm256_set1_ps(x)) }
        fn load(from: *const f32) -> Self { Self(_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))) }
        fn load_half(from: *const u16) -> Self {
            Self(
                _mm256_cvtph_ps(_mm_loadu_si128(from.cast())),
                _mm256_cvtph_ps(_mm_loadu_si128(from.add(8).cast())),
            )
        }
        fn store(self: Self, to: *mut f32) {
            _mm256_storeu_ps(to, self.0);
            _mm256_storeu_ps(to.add(8), self.1);
        }
        fn store_half(self: Self, to: *mut u16) {
            _mm_storeu_si128(to.cast(), _mm256_cvtps_ph::<0>(self.0));
            _mm_storeu_si128(to.add(8).cast(), _mm256_cvtps_ph::<0>(self.1));
        }
        fn add(self: Self, other: Self) -> Self {
            Self(_mm256_add_ps(self.0, other.0), _mm256_add_ps(self.1, other.1))
        }
        fn mul(self: Self, other: Self) -> Self {
            Self(_mm256_mul_ps(self.0, other.0), _mm256_mul_ps(self.1, other.1))
        }
        fn mul_add(self: Self, factor: Self, term: Self) -> Self {
            Self(
                _mm256_fmadd_ps(self.0, factor.0, term.0),
                _mm256_fmadd_ps(self.1, factor.1, term.1),
            )
        }
        fn div(self: Self, other: Self) -> Self {
            Self(_mm256_div_ps(self.0, other.0), _mm256_div_ps(self.1, other.1))
        }
        fn max(self: Self, other: Self) -> Self {
            Self(_mm256_max_ps(self.0, other.0), _mm256_max_ps(self.1, other.1))
        }
        fn min(self: Self, other: Self) -> Self {
            Self(_mm256_min_ps(self.0, other.0), _mm256_min_ps(self.1, other.1))
        }
        fn abs(self: Self) -> Self {
            let sign = _mm256_set1_ps(-0.0);
            Self(_mm256_andnot_ps(sign, self.0), _mm256_andnot_ps(sign, self.1))
        }
        fn round(self: Self) -> Self {
            Self(_mm256_round_ps::<8>(self.0), _mm256_round_ps::<8>(self.1))
        }
        fn power_of_two(self: Self) -> Self {
            let bias = _mm256_set1_epi32(127);
            let power = |x| {
                let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(x), bias);
                _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent))
            };
            Self(power(self.0), power(self.1))
        }
        fn store_bytes(self: Self, to: *mut i8) -> (__m256i, __m256i) {
            let (a, b) = (_mm256_cvtps_epi32(self.0), _mm256_cvtps_epi32(self.1));
            // Packing works in halves of registers; the shuffle puts the quarters in order.
            let words = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packs_epi32(a, b));
            let bytes = _mm256_packs_epi16(words, words);
            let bytes = _mm256_permute4x64_epi64::<0b11_01_10_00>(bytes);
            _mm_storeu_si128(to.cast(), _mm256_castsi256_si128(bytes));
            (a, b)
        }
        fn int(x: i32) -> (__m256i, __m256i) { (_mm256_set1_epi32(x), _mm256_set1_epi32(x)) }
        fn int_sum(a: (__m256i, __m256i), b: (__m256i, __m256i)) -> i32 {
            let all = _mm256_add_epi32(_mm256_add_epi32(a.0, a.1), _mm256_add_epi32(b.0, b.1));
            let mut lanes = [0i32; 8];
            _mm256_storeu_si256(lanes.as_mut_ptr().cast(), all);
            lanes.iter().sum()
        }
        fn float(x: (__m256i, __m256i)) -> Self { Self(_mm256_cvtepi32_ps(x.0), _mm256_cvtepi32_ps(x.1)) }
        fn bytes(from: *const u8) -> (__m256i, __m256i) {
            let (a, b) = (_mm256_loadu_si256(from.cast()), _mm256_loadu_si256(from.add(32).cast()));
            if VNNI {
                return (a, b);
            }
            let offset = _mm256_set1_epi8(-128);
            (_mm256_xor_si256(a, offset), _mm256_xor_si256(b, offset))
        }
        fn dot(sum: (__m256i, __m256i), weights: (__m256i, __m256i), x: i32) -> (__m256i, __m256i) {
            let x = _mm256_set1_epi32(x);
            (
                dot_half::<VNNI>(sum.0, weights.0, x),
                dot_half::<VNNI>(sum.1, weights.1, x),
            )
        }
    }
}
