//! CPU kernels for inference. Slices in, slices out: no files, no jobs, no framework.

mod buffer;
mod kernels;
mod math;
mod matrix;
mod rows;
mod simd;
mod tile;

pub mod conv;
pub mod encoder;
pub mod audio;
pub mod isa;
pub mod pool;
pub mod quant;
pub mod vision;
pub mod weights;
