//! Readers of bytes that nobody vouches for: weights, pictures, sound. Every cap holds before memory is spent.

pub mod audio;
pub mod data_url;
pub mod image;
pub mod weights;
