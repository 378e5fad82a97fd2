//! Sixteen numbers at a time, over what each processor has. Kernels are written once over [`Lanes`] and
//! compiled once for each set of instructions.

#[cfg(target_arch = "x86_64")]
pub(super) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(super) mod avx512;
pub(super) mod portable;

/// Sixteen `f32`. All that is unsafe here is so for one reason: the processor must have the instructions,
/// and pointers must reach as far as an operation reads or writes.
pub(super) trait Lanes: Copy {
    /// Sixteen `i32`.
    type Int: Copy;
    /// Sixty-four bytes of weights, ready to multiply.
    type Bytes: Copy;
    /// Rows that a tile of the matrix product takes at most; 1 to 6.
    const TILE: usize;
    /// Whether [`Lanes::dot`] sees weights as 128 more than they are, so that sums start lower to make up.
    const OFFSET: bool;

    /// The same number in all lanes.
    unsafe fn splat(x: f32) -> Self;
    /// Sixteen numbers from memory.
    unsafe fn load(from: *const f32) -> Self;
    /// Sixteen half-precision numbers from memory.
    unsafe fn load_half(from: *const u16) -> Self;
    /// Sixteen numbers to memory.
    unsafe fn store(self, to: *mut f32);
    /// Sixteen half-precision numbers to memory.
    unsafe fn store_half(self, to: *mut u16);
    /// Lane by lane.
    unsafe fn add(self, other: Self) -> Self;
    /// Lane by lane.
    unsafe fn mul(self, other: Self) -> Self;
    /// `self * factor + term`, rounded once where the processor can.
    unsafe fn mul_add(self, factor: Self, term: Self) -> Self;
    /// Lane by lane.
    unsafe fn div(self, other: Self) -> Self;
    /// Lane by lane.
    unsafe fn max(self, other: Self) -> Self;
    /// Lane by lane.
    unsafe fn min(self, other: Self) -> Self;
    /// Lane by lane.
    unsafe fn abs(self) -> Self;
    /// To the nearest whole number, ties to even.
    unsafe fn round(self) -> Self;
    /// Two to the power of whole numbers from -126 to 127.
    unsafe fn power_of_two(self) -> Self;
    /// Whole numbers from -128 to 127 to bytes in memory; gives the numbers.
    unsafe fn store_bytes(self, to: *mut i8) -> Self::Int;

    /// The same number in all lanes.
    unsafe fn int(x: i32) -> Self::Int;
    /// Sum of all lanes of both.
    unsafe fn int_sum(a: Self::Int, b: Self::Int) -> i32;
    /// As `f32`.
    unsafe fn float(x: Self::Int) -> Self;
    /// Sixty-four weights from memory, each stored as 128 more than it is.
    unsafe fn bytes(from: *const u8) -> Self::Bytes;
    /// Adds to each lane the product of its four weights with the four bytes of `x`.
    unsafe fn dot(sum: Self::Int, weights: Self::Bytes, x: i32) -> Self::Int;
}

/// Sum of all lanes, always in the same order.
#[inline(always)]
pub(super) unsafe fn sum<L: Lanes>(x: L) -> f32 {
    let mut lanes = [0.0f32; 16];
    // SAFETY: sixteen numbers fit.
    unsafe { x.store(lanes.as_mut_ptr()) };
    let mut width = 8;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// Largest of all lanes.
#[inline(always)]
pub(super) unsafe fn largest<L: Lanes>(x: L) -> f32 {
    let mut lanes = [0.0f32; 16];
    // SAFETY: sixteen numbers fit.
    unsafe { x.store(lanes.as_mut_ptr()) };
    let mut width = 8;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] = lanes[lane].max(lanes[lane + width]);
        }
        width /= 2;
    }
    lanes[0]
}

/// `e` to the power of `x`, to some 2 units in the last place; beyond ±87 as at ±87.
#[inline(always)]
pub(super) unsafe fn exp<L: Lanes>(x: L) -> L {
    // SAFETY: the caller's.
    unsafe {
        let x = x.max(L::splat(-87.0)).min(L::splat(87.0));
        let whole = x.mul(L::splat(std::f32::consts::LOG2_E)).round();
        // ln 2 in two parts, so that the first product is exact.
        let rest = whole.mul_add(L::splat(-0.693_359_4), x);
        let rest = whole.mul_add(L::splat(2.121_944_4e-4), rest);
        let mut power = L::splat(1.0 / 720.0);
        for coefficient in [1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
            power = power.mul_add(rest, L::splat(coefficient));
        }
        power.mul(whole.power_of_two())
    }
}
