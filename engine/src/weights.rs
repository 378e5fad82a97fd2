//! Weights by name, in memory that somebody else holds: a mapped file, most of the time.

use std::{collections::BTreeMap, fmt, ops::Range, sync::Arc};

use half::{bf16, f16};

/// Bytes that live as long as somebody has them: a mapped file, or a vector.
pub type Bytes = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// How numbers are written, little end first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Number {
    /// Four bytes.
    F32,
    /// Two bytes, IEEE.
    F16,
    /// Two bytes, the upper half of f32.
    Bf16,
}

impl Number {
    /// Bytes of one.
    #[must_use]
    pub fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }
}

/// A tensor: a shape, and where its numbers are.
#[derive(Clone)]
pub struct Tensor {
    bytes: Bytes,
    range: Range<usize>,
    number: Number,
    shape: Vec<usize>,
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?} at {:?}", self.number, self.shape, self.range)
    }
}

impl Tensor {
    /// A tensor of this shape whose numbers are `range` of `bytes`, row after row.
    ///
    /// # Errors
    /// Where the range does not lie within the bytes, or is not what the shape needs.
    pub fn new(bytes: Bytes, range: Range<usize>, number: Number, shape: Vec<usize>) -> Result<Self, String> {
        let size = shape
            .iter()
            .try_fold(number.size(), |size, &n| size.checked_mul(n))
            .ok_or_else(|| format!("the shape {shape:?} is too large"))?;
        let all = (*bytes).as_ref().len();
        if range.start > range.end || range.end > all || range.len() != size {
            return Err(format!(
                "{shape:?} takes {size} bytes, but its place is {range:?} of {all}"
            ));
        }
        Ok(Self {
            bytes,
            range,
            number,
            shape,
        })
    }

    /// Its shape.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Numbers in a row: the last of the shape.
    #[must_use]
    pub fn width(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }

    /// Copies row `row` into `into`, as f32.
    ///
    /// # Panics
    /// Where there is no such row, or `into` is not as long as one.
    pub fn read(&self, row: usize, into: &mut [f32]) {
        let size = self.number.size();
        let (begin, len) = (row * self.width() * size, self.width() * size);
        let bytes = &(*self.bytes).as_ref()[self.range.clone()][begin..begin + len];
        assert_eq!(into.len(), self.width());
        match self.number {
            Number::F32 => fill(into, bytes, f32::from_le_bytes),
            Number::F16 => fill(into, bytes, |two| f16::from_le_bytes(two).to_f32()),
            Number::Bf16 => fill(into, bytes, |two| bf16::from_le_bytes(two).to_f32()),
        }
    }

    /// All its numbers, as f32.
    #[must_use]
    pub fn to_vec(&self) -> Vec<f32> {
        let count = self.range.len() / self.number.size();
        let mut all = vec![0.0; count];
        if count > 0 {
            for (row, into) in all.chunks_exact_mut(self.width()).enumerate() {
                self.read(row, into);
            }
        }
        all
    }
}

fn fill<const N: usize>(into: &mut [f32], bytes: &[u8], read: impl Fn([u8; N]) -> f32) {
    let (numbers, _) = bytes.as_chunks::<N>();
    for (into, bytes) in into.iter_mut().zip(numbers) {
        *into = read(*bytes);
    }
}

/// The tensors of a model, by name.
#[derive(Debug, Default)]
pub struct Weights(BTreeMap<String, Tensor>);

impl Weights {
    /// Adds a tensor; one of the same name is replaced.
    pub fn insert(&mut self, name: impl Into<String>, tensor: Tensor) {
        self.0.insert(name.into(), tensor);
    }

    /// Every name.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The tensor `name`, which has to be of this shape.
    ///
    /// # Errors
    /// Where there is none, or its shape is another.
    pub fn get(&self, name: &str, shape: &[usize]) -> Result<&Tensor, String> {
        let tensor = self
            .0
            .get(name)
            .ok_or_else(|| format!("there is no tensor {name:?}"))?;
        if tensor.shape != shape {
            return Err(format!(
                "{name:?} has the shape {:?}; the configuration asks for {shape:?}",
                tensor.shape
            ));
        }
        Ok(tensor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_and_places_checked() {
        let mut bytes = vec![9; 3];
        bytes.extend(1.5_f32.to_le_bytes());
        bytes.extend((-2.0_f32).to_le_bytes());
        bytes.extend(f16::from_f32(0.25).to_le_bytes());
        bytes.extend(bf16::from_f32(-4.0).to_le_bytes());
        let bytes: Bytes = Arc::new(bytes);
        let tensor =
            |range, number, shape: &[usize]| Tensor::new(bytes.clone(), range, number, shape.to_vec());
        // Not on an even address, as nothing says that a file's numbers are.
        let both = tensor(3..11, Number::F32, &[2, 1]).expect("it fits");
        assert_eq!(both.to_vec(), [1.5, -2.0]);
        assert_eq!(
            tensor(11..13, Number::F16, &[1]).expect("it fits").to_vec(),
            [0.25]
        );
        assert_eq!(
            tensor(13..15, Number::Bf16, &[1]).expect("it fits").to_vec(),
            [-4.0]
        );
        assert_eq!(tensor(3..3, Number::F32, &[0, 4]).expect("it fits").to_vec(), []);
        assert!(tensor(3..11, Number::F32, &[3]).is_err());
        assert!(tensor(11..19, Number::F32, &[2]).is_err());
        let lie = tensor(0..8, Number::F32, &[usize::MAX, 8]).expect_err("no memory is so large");
        assert!(lie.contains("too large"), "{lie}");
    }
}
