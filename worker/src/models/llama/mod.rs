//! Llama-shaped decoders from GGUF files.

pub mod decoder;
pub mod requantise;
mod weights;
