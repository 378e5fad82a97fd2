//! The kernels, compiled for each set of instructions and chosen when the program runs.

use super::{
    attention::{self, Past, Query},
    lanes::{Lanes, portable::Portable},
    rows::{self, Blocks},
    tile::{self, Tile},
};
use crate::isa::Isa;

/// The kernels of one set of instructions. All are unsafe as the generic ones are; that the processor has
/// the instructions is seen to by [`Kernels::of`].
pub(super) struct Kernels {
    /// Most rows of a tile.
    pub tile: usize,
    /// [`tile::multiply`].
    pub multiply: unsafe fn(&Tile, *mut f32),
    /// [`rows::normalise`].
    pub normalise: unsafe fn(*const f32, &[f32], f32, Blocks),
    /// [`rows::gate`].
    pub gate: unsafe fn(*const f32, *const f32, Blocks),
    /// [`attention::attend`].
    pub attend: unsafe fn(&[Query], &Past, *mut f32),
    /// Thirty-two numbers to half precision.
    pub halve: unsafe fn(*const f32, *mut u16),
}

macro_rules! kernels {
    ($(#[$attribute:meta])* $name:ident, $lanes:ty $(, $features:literal)?) => {
        $(#[$attribute])*
        mod $name {
            use super::*;

            pub(super) static KERNELS: Kernels = Kernels {
                tile: <$lanes>::TILE,
                multiply,
                normalise,
                gate,
                attend,
                halve,
            };

            $(#[target_feature(enable = $features)])?
            unsafe fn multiply(tile: &Tile, out: *mut f32) {
                // SAFETY: the caller's.
                unsafe { tile::multiply::<$lanes>(tile, out) }
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn normalise(x: *const f32, weights: &[f32], epsilon: f32, to: Blocks) {
                // SAFETY: the caller's.
                unsafe { rows::normalise::<$lanes>(x, weights, epsilon, to) }
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn gate(gate: *const f32, up: *const f32, to: Blocks) {
                // SAFETY: the caller's.
                unsafe { rows::gate::<$lanes>(gate, up, to) }
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn attend(queries: &[Query], past: &Past, scores: *mut f32) {
                // SAFETY: the caller's.
                unsafe { attention::attend::<$lanes>(queries, past, scores) }
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn halve(from: *const f32, to: *mut u16) {
                // SAFETY: the caller's.
                unsafe {
                    <$lanes>::load(from).store_half(to);
                    <$lanes>::load(from.add(16)).store_half(to.add(16));
                }
            }
        }
    };
}

kernels!(portable, Portable);
#[cfg(target_arch = "x86_64")]
use super::lanes::{avx2::Avx2, avx512::Avx512};
kernels!(
    #[cfg(target_arch = "x86_64")]
    avx2,
    Avx2<false>,
    "avx2,fma,f16c"
);
kernels!(
    #[cfg(target_arch = "x86_64")]
    avx_vnni,
    Avx2<true>,
    "avx2,fma,f16c,avxvnni"
);
kernels!(
    #[cfg(target_arch = "x86_64")]
    avx512,
    Avx512,
    "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni"
);

impl Kernels {
    /// The best kernels within `isa` that this processor has.
    pub(super) fn of(isa: Isa) -> &'static Self {
        #[cfg(target_arch = "x86_64")]
        {
            let within = |least| isa == Isa::Avx512 || isa == least;
            let half = std::arch::is_x86_feature_detected!("f16c");
            if isa == Isa::Avx512 && half && crate::isa::has_vnni() {
                return &avx512::KERNELS;
            }
            if within(Isa::Avx2) && half && Isa::Avx2.is_available() {
                if std::arch::is_x86_feature_detected!("avxvnni") {
                    return &avx_vnni::KERNELS;
                }
                return &avx2::KERNELS;
            }
        }
        let _ = isa;
        &portable::KERNELS
    }

    /// All that this processor has.
    #[cfg(test)]
    pub(super) fn all() -> Vec<(&'static str, &'static Self)> {
        let portable = std::iter::once(("portable", &portable::KERNELS));
        #[cfg(target_arch = "x86_64")]
        let vector = {
            use std::arch::is_x86_feature_detected as has;
            let avx2 = Isa::Avx2.is_available() && has!("f16c");
            [
                (avx2, "avx2", &avx2::KERNELS),
                (avx2 && has!("avxvnni"), "avx-vnni", &avx_vnni::KERNELS),
                (avx2 && crate::isa::has_vnni(), "avx512", &avx512::KERNELS),
            ]
        };
        #[cfg(not(target_arch = "x86_64"))]
        let vector: [(bool, &str, &Self); 0] = [];
        let has = vector.into_iter().filter(|(has, ..)| *has);
        portable
            .chain(has.map(|(_, name, kernels)| (name, kernels)))
            .collect()
    }
}
