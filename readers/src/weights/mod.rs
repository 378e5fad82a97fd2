//! Files of weights: what they hold is read, checked and handed on; nothing in them is ever run.
//!
//! - [`legacy_pickle`] and [`zip_pickle`]: state dicts as `torch.save` wrote them before and since 1.6;
//! - [`ct2`]: the `model.bin` of a CTranslate2 model;
//! - [`safetensors_check`] and [`gguf_check`]: whether a file's header tells the truth, before a library that
//!   believes it opens the file;
//! - [`write_safetensors`]: the one format that conversions write.
//!
//! The readers take the bytes of a whole file, which [`Mapped`] has without reading it into memory. Tensors borrow
//! their numbers from it. A size that a file declares is held against the bytes that are there before anything is
//! allocated for it, and all arithmetic on such sizes is checked.

mod cursor;
mod error;
mod file;
mod pickle;
mod stored_zip;
mod tensor;
mod write;

pub mod ct2;
pub mod gguf_check;
pub mod legacy_pickle;
pub mod safetensors_check;
pub mod zip_pickle;

pub use error::WeightsError;
pub use file::{Mapped, open_inside};
pub use safetensors::Dtype;
pub use tensor::{Tensor, Weights};
pub use write::{Outgoing, write_safetensors};

/// Reads a state dict of torch, whichever of the two formats it has.
///
/// # Errors
/// As [`legacy_pickle::read`] and [`zip_pickle::read`]; also where it is neither.
pub fn read_pickle(bytes: &[u8]) -> Result<Weights<'_>, WeightsError> {
    if stored_zip::looks_like(bytes) {
        zip_pickle::read(bytes)
    } else {
        legacy_pickle::read(bytes)
    }
}
