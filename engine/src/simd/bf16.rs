//! AVX-512 BF16: a matrix product's numbers are pairs of bf16, sums and all else f32.

use std::arch::x86_64::{__m512, __m512bh, _mm512_cvtne2ps_pbh, _mm512_dpbf16_ps};

use super::{Simd, avx512::Avx512};

/// The proof of AVX-512 BF16, beside [`Avx512`].
#[derive(Clone, Copy)]
pub(crate) struct Avx512Bf16(Avx512);

impl Avx512Bf16 {
    /// # Safety
    /// The processor has AVX-512 F, BW, VL, DQ and BF16.
    #[inline(always)]
    pub(crate) unsafe fn new() -> Self {
        // SAFETY: the caller's promise is the greater one.
        Self(unsafe { Avx512::new() })
    }
}

/// The same as without BF16.
macro_rules! same {
    ($($name:ident($($arg:ident),*);)*) => {
        $(#[inline(always)]
        fn $name(self, $($arg: __m512),*) -> __m512 {
            self.0.$name($($arg),*)
        })*
    };
}

impl Simd for Avx512Bf16 {
    type V = __m512;
    const LANES: usize = Avx512::LANES;

    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        self.0.splat(x)
    }

    same! {
        add(a, b);
        sub(a, b);
        mul(a, b);
        div(a, b);
        mul_add(a, b, c);
        max(a, b);
        min(a, b);
        scale(v, n);
    }

    /// `a` and `b` are pairs of bf16 behind the mask of f32: adds both products of each pair.
    #[inline(always)]
    fn dot(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: `self` is the proof that the processor has the instruction; the types are of one size, and
        // any bits make 32 numbers.
        unsafe {
            let (a, b) = (
                std::mem::transmute::<__m512, __m512bh>(a),
                std::mem::transmute::<__m512, __m512bh>(b),
            );
            _mm512_dpbf16_ps(c, a, b)
        }
    }

    #[inline(always)]
    fn pair(self, numbers: &[f32], pairs: &mut [f32]) {
        let (whole, rest) = numbers.as_chunks::<32>();
        let (vectors, last) = pairs.split_at_mut(16 * whole.len());
        for (numbers, pairs) in whole.iter().zip(vectors.chunks_exact_mut(16)) {
            // SAFETY: there are two vectors of numbers and one of pairs, and `self` is the proof that the processor
            // has the instruction.
            unsafe {
                let (low, high) = (self.load(numbers.as_ptr()), self.load(numbers.as_ptr().add(16)));
                let both = std::mem::transmute::<__m512bh, __m512>(_mm512_cvtne2ps_pbh(high, low));
                self.store(pairs.as_mut_ptr(), both);
            }
        }
        self.0.pair(rest, last);
    }

    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> __m512 {
        // SAFETY: the caller's promise.
        unsafe { self.0.load(p) }
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: __m512) {
        // SAFETY: the caller's promise.
        unsafe { self.0.store(p, v) }
    }
}
