//! Llama-shaped decoders from GGUF files.

pub(crate) mod decoder;
mod weights;
