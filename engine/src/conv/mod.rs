//! Convolutions of pictures: [`Map`]s of channels that lie together for each pixel, depthwise and dense
//! layers with bias, activation and residual in one pass over the output, pooling and resizing.
//!
//! Rows of the output are shared out over the lanes of a [`Pool`]; every output number is computed by the
//! same instructions in the same order whatever the number of lanes and whatever is computed beside it.

mod bilinear;
mod dense;
mod depthwise;
mod gemm;
mod map;
mod resize;

pub use self::{
    bilinear::{Resize, bilinear},
    dense::Dense,
    depthwise::Depthwise,
    map::{Map, Padding},
    resize::{Area, area},
};

use std::sync::{Mutex, PoisonError};

use crate::{isa::Isa, pool::Pool};

/// What is done to each output number.
#[derive(Debug, Clone, PartialEq)]
pub enum Activation {
    /// Nothing.
    None,
    /// Not below 0.
    Relu,
    /// From 0 to 6.
    Relu6,
    /// Below 0, times the slope of its channel.
    Prelu(Vec<f32>),
}

impl Activation {
    /// The slopes, as long as there are channels in `padded`; else nothing.
    fn padded(self, padded: usize) -> Self {
        match self {
            Self::Prelu(mut slopes) => {
                slopes.resize(padded, 0.0);
                Self::Prelu(slopes)
            }
            other => other,
        }
    }

    /// The number at `channel`, activated.
    fn one(&self, x: f32, channel: usize) -> f32 {
        match self {
            Self::None => x,
            Self::Relu => x.max(0.0),
            Self::Relu6 => x.clamp(0.0, 6.0),
            Self::Prelu(slopes) => x.max(0.0) + slopes[channel] * x.min(0.0),
        }
    }
}

/// The instructions to use: those asked for, if the processor has them.
fn usable(isa: Isa) -> Isa {
    if isa.is_available() { isa } else { Isa::Portable }
}

/// Runs a kernel, a function over a [`crate::simd::Simd`] and its arguments, with the instructions of an
/// [`Isa`] that went through [`usable`].
macro_rules! with_isa {
    ($isa:expr, $kernel:ident, $args:ident: $type:ty) => {
        match $isa {
            #[cfg(target_arch = "x86_64")]
            crate::isa::Isa::Avx512 => {
                #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")]
                fn run(args: $type) {
                    // SAFETY: this function runs where there is AVX-512 only.
                    $kernel(unsafe { crate::simd::avx512::Avx512::new() }, args)
                }
                // SAFETY: `usable` made sure that the processor has it.
                unsafe { run($args) }
            }
            #[cfg(target_arch = "x86_64")]
            crate::isa::Isa::Avx2 => {
                #[target_feature(enable = "avx2,fma")]
                fn run(args: $type) {
                    // SAFETY: this function runs where there is AVX2 only.
                    $kernel(unsafe { crate::simd::avx2::Avx2::new() }, args)
                }
                // SAFETY: `usable` made sure that the processor has it.
                unsafe { run($args) }
            }
            #[cfg(target_arch = "aarch64")]
            crate::isa::Isa::Neon => {
                #[target_feature(enable = "neon")]
                fn run(args: $type) {
                    // SAFETY: this function runs where there is NEON only.
                    $kernel(unsafe { crate::simd::neon::Neon::new() }, args)
                }
                // SAFETY: `usable` made sure that the processor has it.
                unsafe { run($args) }
            }
            _ => $kernel(crate::simd::portable::Portable, $args),
        }
    };
}
use with_isa;

/// Numbers of a vector of these instructions.
fn lanes(isa: Isa) -> usize {
    match isa {
        Isa::Avx512 => 16,
        Isa::Avx2 => 8,
        Isa::Neon | Isa::Portable => 4,
    }
}

/// Cuts `out` into `rows` rows of `width` numbers and lets each lane of the pool work on a share of them:
/// `work` gets the number of the first row and the rows.
fn share(pool: &Pool, out: &mut [f32], width: usize, work: impl Fn(usize, &mut [f32]) + Sync) {
    let rows = out.len().checked_div(width).unwrap_or(0);
    let each = rows.div_ceil(pool.lanes()).max(1);
    let shares: Vec<_> = out.chunks_mut(each * width.max(1)).map(Mutex::new).collect();
    if shares.len() < 2 {
        // Not worth waking anybody.
        return shares
            .iter()
            .for_each(|share| work(0, &mut share.lock().unwrap_or_else(PoisonError::into_inner)));
    }
    pool.run(|lane| {
        if let Some(share) = shares.get(lane) {
            work(
                lane * each,
                &mut share.lock().unwrap_or_else(PoisonError::into_inner),
            );
        }
    });
}

#[cfg(test)]
mod tests;
