//! Convolutional networks on pictures, and the pixel work around them: convolutions with packed weights
//! over channels-last planes, pooling, LSTM cells, resampling, and boxes around what a score map shows.

pub mod components;
mod conv;
mod kernel;
mod line;
mod lstm;
mod plane;
pub mod rectangle;
pub mod resample;
mod shape;
#[cfg(test)]
mod tests;

pub use conv::{Conv, Epilogue, Shape};
pub use line::{line, with_contrast};
pub use lstm::{DirectionWeights, Lstm};
pub use plane::Plane;
pub use shape::{add_doubled, halve, max3, mean_of_rows, normalised, relu};
