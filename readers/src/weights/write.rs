//! Writes safetensors, one tensor in memory at a time.

use std::{borrow::Cow, cell::Cell, fs, path::Path};

use safetensors::{Dtype, View};

use super::{
    Tensor, WeightsError,
    error::{DAMAGED, OTHER_FORMAT},
    tensor::{count, element_size},
};

/// A tensor to be written. Its numbers are made when their turn comes.
pub struct Outgoing<'a> {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    size: usize,
    /// Set where `make` returned another number of bytes.
    wrong: Cell<bool>,
    make: Box<dyn Fn() -> Cow<'a, [u8]> + 'a>,
}

impl<'a> Outgoing<'a> {
    /// A tensor whose little-endian numbers, row after row, `make` returns: as many as `shape` and `dtype` say.
    ///
    /// # Errors
    /// Where such a shape can't be.
    pub fn new(
        name: impl Into<String>,
        dtype: Dtype,
        shape: Vec<usize>,
        make: impl Fn() -> Cow<'a, [u8]> + 'a,
    ) -> Result<Self, WeightsError> {
        let name = name.into();
        let size = count(&shape)
            .zip(element_size(dtype))
            .map(|(count, size)| count * size);
        let Some(size) = size else {
            return Err(WeightsError::damaged(format!(
                "tensor {name:?} has no size in bytes"
            )));
        };
        Ok(Self {
            name,
            dtype,
            shape,
            size,
            wrong: Cell::new(false),
            make: Box::new(make),
        })
    }

    /// A copy of `tensor` under another name, its numbers as 32-bit floats.
    ///
    /// # Errors
    /// Where its numbers are no floats of 16, 32 or 64 bits.
    pub fn f32(name: impl Into<String>, tensor: &'a Tensor<'a>) -> Result<Self, WeightsError> {
        if tensor.dtype() == Dtype::F32 {
            return Self::new(name, Dtype::F32, tensor.shape().to_vec(), || tensor.bytes());
        }
        if !matches!(tensor.dtype(), Dtype::F64 | Dtype::F16 | Dtype::BF16) {
            return Err(WeightsError::refused(
                format!(
                    "tensor {:?} holds {}, which are no floats of 16, 32 or 64 bits",
                    tensor.name(),
                    tensor.dtype()
                ),
                OTHER_FORMAT,
            ));
        }
        Self::new(name, Dtype::F32, tensor.shape().to_vec(), || {
            // The type was checked above, so there is no error to lose; a wrong length would be refused below.
            let numbers = tensor.to_f32().unwrap_or_default();
            Cow::Owned(numbers.iter().flat_map(|number| number.to_le_bytes()).collect())
        })
    }
}

impl View for &Outgoing<'_> {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let bytes = (self.make)();
        if bytes.len() != self.size {
            self.wrong.set(true);
        }
        bytes
    }

    fn data_len(&self) -> usize {
        self.size
    }
}

/// Writes `tensors` to `path` as safetensors: through a file beside it that is renamed at the end.
///
/// # Errors
/// Where it can't be written, two tensors have one name, or one had another length than it was said to have.
pub fn write_safetensors(path: &Path, tensors: &[Outgoing<'_>]) -> Result<(), WeightsError> {
    let mut names: Vec<&str> = tensors.iter().map(|tensor| tensor.name.as_str()).collect();
    names.sort_unstable();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(WeightsError::damaged(format!(
            "there are two tensors {:?}",
            pair[0]
        )));
    }
    let views = tensors.iter().map(|tensor| (tensor.name.as_str(), tensor));
    safetensors::serialize_to_file(views, None, path).map_err(|error| match error {
        safetensors::SafeTensorError::IoError(error) => WeightsError::io(path, error),
        other => WeightsError::refused(format!("{}: {other}", path.display()), DAMAGED),
    })?;
    match tensors.iter().find(|tensor| tensor.wrong.get()) {
        None => Ok(()),
        Some(tensor) => {
            fs::remove_file(path).map_err(|error| WeightsError::io(path, error))?;
            Err(WeightsError::damaged(format!(
                "tensor {:?} was made with another number of bytes than {}",
                tensor.name, tensor.size
            )))
        }
    }
}
