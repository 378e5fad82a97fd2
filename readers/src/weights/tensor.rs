//! Tensors whose numbers stand somewhere in a file.

use std::{borrow::Cow, collections::HashSet};

use half::{bf16, f16};
use safetensors::Dtype;

use super::{WeightsError, error::TOO_LARGE};

/// The most tensors of a file.
pub(super) const MAX_TENSORS: usize = 65_536;
/// The most dimensions of a tensor.
pub(super) const MAX_RANK: usize = 8;
/// The longest name of a tensor, in bytes.
pub(super) const MAX_NAME: usize = 1024;

/// A named tensor; little-endian numbers, borrowed from the file.
#[derive(Debug, Clone)]
pub struct Tensor<'a> {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    /// Elements from one index to the next, for each dimension; none: row after row.
    strides: Option<Vec<usize>>,
    /// From the first element to the last.
    bytes: &'a [u8],
}

/// Where a tensor's elements are in its storage. All in elements.
pub(super) struct Layout {
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    pub(super) strides: Vec<usize>,
}

impl<'a> Tensor<'a> {
    /// A view of `storage`; every element of it is checked to be there, and that there are not more elements than
    /// the storage has (a stride of 0 repeats one without end).
    pub(super) fn view(
        name: &str,
        dtype: Dtype,
        storage: &'a [u8],
        layout: Layout,
    ) -> Result<Self, WeightsError> {
        let wrong = |problem: &str| WeightsError::damaged(format!("tensor {name:?} {problem}"));
        let Layout {
            offset,
            shape,
            strides,
        } = layout;
        if strides.len() != shape.len() {
            return Err(wrong("has more or fewer strides than dimensions"));
        }
        let size = element_size(dtype).ok_or_else(|| wrong("has a type that is not made of whole bytes"))?;
        let count = count(&shape).ok_or_else(|| wrong("has a shape whose product overflows"))?;
        if count == 0 {
            return Ok(Self::rows(name, dtype, shape, &[]));
        }
        let last = shape.iter().zip(&strides).try_fold(offset, |last, (n, stride)| {
            last.checked_add((n - 1).checked_mul(*stride)?)
        });
        let held = storage.len() / size;
        match last {
            Some(last) if last < held && count <= held => {
                let bytes = &storage[offset * size..(last + 1) * size];
                let strides = (!in_rows(&shape, &strides)).then_some(strides);
                Ok(Self {
                    strides,
                    ..Self::rows(name, dtype, shape, bytes)
                })
            }
            _ => Err(wrong(&format!(
                "reaches beyond the {held} elements of its storage"
            ))),
        }
    }

    /// A tensor whose elements stand row after row; `bytes` must have their number.
    pub(super) fn rows(name: &str, dtype: Dtype, shape: Vec<usize>, bytes: &'a [u8]) -> Self {
        Self {
            name: name.to_owned(),
            dtype,
            shape,
            strides: None,
            bytes,
        }
    }

    /// Its name; where dicts are nested, the names of all of them, joined by dots.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Type of its numbers.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// Length of each dimension; empty: a single number.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Numbers in it.
    pub fn count(&self) -> usize {
        self.shape.iter().product()
    }

    /// Its numbers, row after row, little-endian; copied only where the file has them in another order.
    pub fn bytes(&self) -> Cow<'a, [u8]> {
        let Some(strides) = &self.strides else {
            return Cow::Borrowed(self.bytes);
        };
        let size = element_size(self.dtype).unwrap_or(1);
        let mut out = Vec::with_capacity(self.count() * size);
        let mut index = vec![0; self.shape.len()];
        let mut at = 0;
        for _ in 0..self.count() {
            out.extend_from_slice(&self.bytes[at * size..(at + 1) * size]);
            for dimension in (0..index.len()).rev() {
                index[dimension] += 1;
                at += strides[dimension];
                if index[dimension] < self.shape[dimension] {
                    break;
                }
                at -= index[dimension] * strides[dimension];
                index[dimension] = 0;
            }
        }
        Cow::Owned(out)
    }

    /// Its numbers, row after row, as 32-bit floats. Rounded where they are wider.
    ///
    /// # Errors
    /// Where they are of a type that has no such meaning (booleans, 8-bit floats).
    pub fn to_f32(&self) -> Result<Vec<f32>, WeightsError> {
        let bytes = self.bytes();
        Ok(match self.dtype {
            Dtype::F64 => each(&bytes, |b| f64::from_le_bytes(b) as f32),
            Dtype::F32 => each(&bytes, f32::from_le_bytes),
            Dtype::F16 => each(&bytes, |b| f16::from_le_bytes(b).to_f32()),
            Dtype::BF16 => each(&bytes, |b| bf16::from_le_bytes(b).to_f32()),
            Dtype::I64 => each(&bytes, |b| i64::from_le_bytes(b) as f32),
            Dtype::I32 => each(&bytes, |b| i32::from_le_bytes(b) as f32),
            Dtype::I16 => each(&bytes, |b| f32::from(i16::from_le_bytes(b))),
            Dtype::I8 => each(&bytes, |b| f32::from(i8::from_le_bytes(b))),
            Dtype::U8 => each(&bytes, |b: [u8; 1]| f32::from(b[0])),
            other => {
                return Err(WeightsError::damaged(format!(
                    "tensor {:?} holds {other}, which are no weights",
                    self.name
                )));
            }
        })
    }
}

fn each<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes
        .as_chunks::<N>()
        .0
        .iter()
        .map(|chunk| read(*chunk))
        .collect()
}

/// Bytes of a number; none where it has not whole ones.
pub(super) fn element_size(dtype: Dtype) -> Option<usize> {
    let bits = dtype.bitsize();
    (bits.is_multiple_of(8)).then_some(bits / 8)
}

/// Numbers in a shape.
pub(super) fn count(shape: &[usize]) -> Option<usize> {
    // Checked over all dimensions but those of length 0, so that one of these does not hide an overflow.
    let product = shape
        .iter()
        .filter(|n| **n > 0)
        .try_fold(1_usize, |product, n| product.checked_mul(*n))?;
    // Bytes of it can be counted too.
    product.checked_mul(16)?;
    Some(if shape.contains(&0) { 0 } else { product })
}

fn in_rows(shape: &[usize], strides: &[usize]) -> bool {
    let mut expected = 1;
    shape.iter().zip(strides).rev().all(|(n, stride)| {
        let fits = *n == 1 || *stride == expected;
        expected *= n;
        fits
    })
}

/// The tensors of a file, in its order.
#[derive(Debug, Clone, Default)]
pub struct Weights<'a> {
    tensors: Vec<Tensor<'a>>,
}

impl<'a> Weights<'a> {
    /// Refuses two of one name, and so many views of the same numbers that they would be `4 × file` bytes if each
    /// were written out.
    pub(super) fn new(tensors: Vec<Tensor<'a>>, file: usize) -> Result<Self, WeightsError> {
        let mut names = HashSet::with_capacity(tensors.len());
        let mut total = 0_usize;
        for tensor in &tensors {
            if !names.insert(tensor.name.as_str()) {
                return Err(WeightsError::damaged(format!(
                    "there are two tensors {:?}",
                    tensor.name
                )));
            }
            total = total.saturating_add(tensor.count() * element_size(tensor.dtype).unwrap_or(1));
        }
        if total > file.saturating_mul(4) {
            return Err(WeightsError::refused(
                format!("the tensors would take {total} bytes, and the file has {file}"),
                TOO_LARGE,
            ));
        }
        Ok(Self { tensors })
    }

    /// All of them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Tensor<'a>> {
        self.tensors.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.tensors.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.tensors.is_empty()
    }

    /// The tensor of that name. Looks at one after another.
    pub fn get(&self, name: &str) -> Option<&Tensor<'a>> {
        self.tensors.iter().find(|tensor| tensor.name == name)
    }
}
