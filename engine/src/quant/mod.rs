//! A llama-shaped decoder over Q8_0 weights on the processor.
//!
//! Weights are blocks of 32 bytes that share a scale; activations are turned into such blocks on the way, and
//! products of bytes are summed up as whole numbers. [`Matrix`] packs weights, [`Decoder`] computes steps of
//! many sequences at once, each with its own [`Cache`]. Sums run in the same order whatever stands beside a
//! row, so the numbers of a sequence don't depend on its neighbours, nor on the lanes of the pool.

mod attention;
mod cache;
mod decoder;
mod kernels;
mod lanes;
mod matrix;
mod rows;
mod run;
mod shared;
#[cfg(test)]
mod tests;
mod tile;

pub use self::{
    cache::Cache,
    decoder::{Decoder, Layer, Part, Sizes, Weights},
    matrix::{BLOCK, BLOCK_BYTES, Matrix, UNIT, quantise},
};
