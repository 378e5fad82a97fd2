//! CPU kernels for inference. Slices in, slices out: no files, no jobs, no framework.

pub mod isa;
pub mod pool;
pub mod vision;
