//! Vectors of f32 as each set of instructions has them, behind one trait that kernels are written over.
//!
//! A value of an implementing type is a proof that the processor has its instructions: it comes into being
//! in [`crate::kernels`] only, behind a check. So arithmetic is safe; what takes a pointer is not.
//! Everything is inlined into entry points that are compiled for the instructions in question.

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
#[cfg(target_arch = "x86_64")]
pub(crate) mod bf16;
#[cfg(target_arch = "aarch64")]
pub(crate) mod neon;
pub(crate) mod portable;

/// Arithmetic on vectors of [`Simd::LANES`] numbers.
pub(crate) trait Simd: Copy {
    /// A vector.
    type V: Copy;
    /// Numbers in a vector; at most 16.
    const LANES: usize;

    /// The same number in every place.
    fn splat(self, x: f32) -> Self::V;
    /// Sum.
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// Difference.
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// Product.
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// Quotient.
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`.
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The larger; `b` where one is not a number.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// The smaller; `b` where one is not a number.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    /// `v * 2^n` for whole `n` from -126 to 127 and `v` near 1.
    fn scale(self, v: Self::V, n: Self::V) -> Self::V;

    /// What a step of a matrix product adds: `a * b + c`, or the like for other kinds of numbers.
    #[inline(always)]
    fn dot(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        self.mul_add(a, b, c)
    }

    /// Writes two numbers as bf16, rounded to the nearest, in the place of one; an odd last one has zero beside it.
    #[inline(always)]
    fn pair(self, numbers: &[f32], pairs: &mut [f32]) {
        for (two, pair) in numbers.chunks(2).zip(pairs) {
            let bits = |n: usize| {
                two.get(n)
                    .map_or(0, |x| u32::from(half::bf16::from_f32(*x).to_bits()))
            };
            *pair = f32::from_bits(bits(0) | bits(1) << 16);
        }
    }

    /// Reads a vector.
    ///
    /// # Safety
    /// `p` points to [`Simd::LANES`] numbers.
    unsafe fn load(self, p: *const f32) -> Self::V;

    /// Writes a vector.
    ///
    /// # Safety
    /// `p` points to room for [`Simd::LANES`] numbers.
    unsafe fn store(self, p: *mut f32, v: Self::V);

    /// The numbers of `from`, which holds at most [`Simd::LANES`]; then zeros.
    #[inline(always)]
    fn load_part(self, from: &[f32]) -> Self::V {
        let mut whole = [0.0; 16];
        whole[..from.len()].copy_from_slice(from);
        // SAFETY: a vector has at most 16 numbers.
        unsafe { self.load(whole.as_ptr()) }
    }

    /// The numbers of a vector; beyond [`Simd::LANES`], zeros.
    #[inline(always)]
    fn array(self, v: Self::V) -> [f32; 16] {
        let mut whole = [0.0; 16];
        // SAFETY: a vector has at most 16 numbers.
        unsafe { self.store(whole.as_mut_ptr(), v) };
        whole
    }

    /// The sum of a vector's numbers.
    #[inline(always)]
    fn sum(self, v: Self::V) -> f32 {
        let all = self.array(v);
        let mut sums = [0.0; 4];
        for four in all.chunks_exact(4) {
            for (sum, x) in sums.iter_mut().zip(four) {
                *sum += x;
            }
        }
        (sums[0] + sums[1]) + (sums[2] + sums[3])
    }

    /// The largest of a vector's numbers.
    #[inline(always)]
    fn largest(self, v: Self::V) -> f32 {
        let all = self.array(v);
        all[1..Self::LANES].iter().fold(all[0], |a, &b| a.max(b))
    }
}
