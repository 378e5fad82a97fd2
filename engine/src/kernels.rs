//! The entry points of each set of instructions, compiled for it, in a table.

#[cfg(target_arch = "aarch64")]
use crate::simd::neon::Neon;
#[cfg(target_arch = "x86_64")]
use crate::simd::{avx2::Avx2, avx512::Avx512, bf16::Avx512Bf16};
use crate::{
    isa::{Isa, has_bf16},
    rows,
    simd::{Simd, portable::Portable},
    tile::{self, Sums, Tile},
};

/// What a processor can do with rows and tiles.
pub(crate) struct Kernels {
    /// Columns of a panel.
    pub columns: usize,
    /// By rows less one.
    tiles: &'static [unsafe fn(&Tile<'_>, &mut Sums)],
    finish: unsafe fn(&Tile<'_>, usize, &Sums),
    normalise: unsafe fn(&mut [f32], &[f32], &[f32], f32),
    exponentials: unsafe fn(&mut [f32]) -> f32,
    pair: unsafe fn(&[f32], &mut [f32]),
}

impl std::fmt::Debug for Kernels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Kernels({} × {})", self.rows(), self.columns)
    }
}

impl Kernels {
    /// Those of `isa`, or of what is available where it is not.
    pub(crate) fn of(isa: Isa) -> &'static Self {
        let isa = if isa.is_available() { isa } else { Isa::detect() };
        match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => &AVX512,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => &AVX2,
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => &NEON,
            _ => &PORTABLE,
        }
    }

    /// Those that multiply pairs of bf16; none where the processor does not.
    pub(crate) fn bf16() -> Option<&'static Self> {
        #[cfg(target_arch = "x86_64")]
        return has_bf16().then_some(&AVX512_BF16);
        #[cfg(not(target_arch = "x86_64"))]
        return has_bf16().then_some(&PORTABLE);
    }

    /// Most rows of a tile.
    pub(crate) fn rows(&self) -> usize {
        self.tiles.len()
    }

    /// Computes a tile of `rows` rows.
    ///
    /// # Safety
    /// The pointers of `tile` are good for what it says, for that many rows; nobody else writes there.
    #[inline]
    pub(crate) unsafe fn tile(&self, rows: usize, tile: &Tile<'_>) {
        // SAFETY: a table is handed out where its instructions are available; the rest is the caller's promise.
        unsafe {
            let mut sums = Sums::ZERO;
            self.tiles[rows - 1](tile, &mut sums);
            (self.finish)(tile, rows, &sums);
        }
    }

    /// [`rows::normalise`].
    pub(crate) fn normalise(&self, row: &mut [f32], gain: &[f32], bias: &[f32], epsilon: f32) {
        // SAFETY: a table is handed out where its instructions are available.
        unsafe { (self.normalise)(row, gain, bias, epsilon) }
    }

    /// [`rows::exponentials`].
    pub(crate) fn exponentials(&self, row: &mut [f32]) -> f32 {
        // SAFETY: a table is handed out where its instructions are available.
        unsafe { (self.exponentials)(row) }
    }

    /// [`Simd::pair`].
    pub(crate) fn pair(&self, numbers: &[f32], pairs: &mut [f32]) {
        // SAFETY: a table is handed out where its instructions are available.
        unsafe { (self.pair)(numbers, pairs) }
    }
}

/// A table of entry points. `$new` makes the proof of the instructions that `$attributes` enable.
macro_rules! table {
    ($name:ident, $simd:ty, $new:expr, $columns:literal / $vectors:literal, [$($rows:literal)*], $attributes:tt) => {
        static $name: Kernels = {
            table!(@rows $new, $columns, $attributes);
            Kernels {
                columns: $columns,
                tiles: &[$({
                    table!(@tile $simd, $new, $vectors, $rows, $attributes);
                    tile
                }),*],
                finish,
                normalise,
                exponentials,
                pair,
            }
        };
    };
    (@rows $new:expr, $columns:literal, { $($attribute:tt)* }) => {
        /// # Safety
        /// As for [`tile::finish`].
        $($attribute)*
        unsafe fn finish(tile: &Tile<'_>, rows: usize, sums: &Sums) {
            let simd = $new;
            // SAFETY: the caller's promise.
            unsafe { tile::finish(simd, tile, rows, $columns, sums) }
        }
        $($attribute)*
        fn normalise(row: &mut [f32], gain: &[f32], bias: &[f32], epsilon: f32) {
            rows::normalise($new, row, gain, bias, epsilon);
        }
        $($attribute)*
        fn exponentials(row: &mut [f32]) -> f32 {
            rows::exponentials($new, row)
        }
        $($attribute)*
        fn pair(numbers: &[f32], pairs: &mut [f32]) {
            $new.pair(numbers, pairs);
        }
    };
    (@tile $simd:ty, $new:expr, $vectors:literal, $rows:literal, { $($attribute:tt)* }) => {
        /// # Safety
        /// As for [`tile::compute`].
        $($attribute)*
        unsafe fn tile(tile: &Tile<'_>, sums: &mut Sums) {
            let simd = $new;
            // SAFETY: the caller's promise.
            unsafe { tile::compute::<$simd, $rows, $vectors>(simd, tile, sums) }
        }
    };
}

/// The proof of a set of instructions.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! proof {
    ($simd:ty) => {
        // SAFETY: this is compiled for the instructions and called where they are available.
        unsafe { <$simd>::new() }
    };
}

#[cfg(target_arch = "x86_64")]
table!(AVX512, Avx512, proof!(Avx512), 32 / 2, [1 2 3 4 5 6 7 8 9 10 11 12 13 14], {
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")]
});
#[cfg(target_arch = "x86_64")]
table!(AVX512_BF16, Avx512Bf16, proof!(Avx512Bf16), 32 / 2, [1 2 3 4 5 6 7 8 9 10 11 12 13 14], {
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,avx2,fma")]
});
#[cfg(target_arch = "x86_64")]
table!(AVX2, Avx2, proof!(Avx2), 16 / 2, [1 2 3 4 5 6], {
    #[target_feature(enable = "avx2,fma")]
});
#[cfg(target_arch = "aarch64")]
table!(NEON, Neon, proof!(Neon), 16 / 4, [1 2 3 4 5 6], {
    #[target_feature(enable = "neon")]
});
table!(PORTABLE, Portable, Portable, 8 / 2, [1 2 3 4], {});
