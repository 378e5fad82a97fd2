//! Kernels for sound.

mod lstm;

pub use lstm::{Lstm, State};
