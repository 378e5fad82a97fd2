//! Whether the header of a safetensors file tells the truth. Reads the header and nothing else.
//!
//! Layout: the header's length (u64), the header (a JSON object: tensor names, each with type, shape and the range
//! of its bytes), then the tensors' bytes, without gaps.

use std::{collections::HashSet, fmt, io::Read, path::Path};

use safetensors::Dtype;
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};

use super::{
    WeightsError,
    error::{OTHER_FORMAT, TOO_LARGE},
    file::regular,
    tensor::{MAX_NAME, MAX_RANK, MAX_TENSORS, count, element_size},
};

/// The longest header, in bytes (16 MiB). The format allows 100 MB; real ones have some hundred KB.
pub const MAX_HEADER: u64 = 16 << 20;

/// What a header says of a tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Its name.
    pub name: String,
    /// Type of its numbers.
    pub dtype: Dtype,
    /// Length of each dimension.
    pub shape: Vec<usize>,
    /// Where its first byte is in the file.
    pub start: u64,
    /// Bytes of it.
    pub size: u64,
}

/// Checks a file.
///
/// # Errors
/// The first thing that is wrong with its header, as a sentence.
pub fn check(path: &Path) -> Result<Vec<TensorInfo>, WeightsError> {
    let (file, size) = regular(path)?;
    check_reader(file, size).map_err(|error| match error {
        WeightsError::Io { error, .. } => WeightsError::io(path, error),
        other => other,
    })
}

/// Checks a file of `size` bytes that `reader` reads from its beginning. The tensors come in the order of their
/// bytes.
///
/// # Errors
/// As [`check`].
pub fn check_reader(mut reader: impl Read, size: u64) -> Result<Vec<TensorInfo>, WeightsError> {
    let mut length = [0; 8];
    if size < 8 {
        return Err(WeightsError::damaged(format!(
            "the file has {size} bytes, too few for a safetensors header"
        )));
    }
    let io = |error| WeightsError::io("the header", error);
    reader.read_exact(&mut length).map_err(io)?;
    pickled(&length)?;
    let length = u64::from_le_bytes(length);
    if length > size - 8 {
        return Err(WeightsError::damaged(format!(
            "the safetensors header says it has {length} bytes, and the file has {size}"
        )));
    }
    if length > MAX_HEADER {
        return Err(WeightsError::refused(
            format!("the safetensors header has {length} bytes, and {MAX_HEADER} is the most"),
            TOO_LARGE,
        ));
    }
    let mut header = vec![0; length as usize];
    reader.read_exact(&mut header).map_err(io)?;
    let entries: Entries = serde_json::from_slice(&header).map_err(|error| {
        // The message can repeat what the header holds.
        let told: String = error.to_string().chars().take(200).collect();
        WeightsError::damaged(format!("the safetensors header can't be read: {told}"))
    })?;
    laid_out(entries.0, 8 + length, size)
}

/// Refuses what begins like a pickle or a zip archive, so that the sentence says what it is.
fn pickled(beginning: &[u8; 8]) -> Result<(), WeightsError> {
    if matches!(beginning, [0x80, 2..=5, ..] | [b'P', b'K', 3, 4, ..]) {
        return Err(WeightsError::refused(
            "this is a pickle of Python, which can hold a program, and no safetensors file",
            OTHER_FORMAT,
        ));
    }
    Ok(())
}

/// Holds shapes against ranges, and the ranges against each other and the file.
fn laid_out(entries: Vec<(String, Entry)>, data: u64, size: u64) -> Result<Vec<TensorInfo>, WeightsError> {
    let mut tensors = Vec::with_capacity(entries.len());
    for (name, entry) in entries {
        let wrong = |problem: String| WeightsError::damaged(format!("tensor {name:?} {problem}"));
        let Entry {
            dtype,
            shape,
            data_offsets: (start, end),
        } = entry;
        let bytes = bytes(dtype, &shape)
            .ok_or_else(|| wrong(format!("has the shape {shape:?}, whose size overflows")))?;
        if end.checked_sub(start) != Some(bytes) {
            return Err(wrong(format!(
                "has the bytes {start} to {end}, and {bytes} by its type and shape"
            )));
        }
        if end > size - data {
            return Err(wrong(format!(
                "ends {} bytes beyond the file",
                end - (size - data)
            )));
        }
        tensors.push(TensorInfo {
            name,
            dtype,
            shape,
            start: data + start,
            size: bytes,
        });
    }
    tensors.sort_by_key(|tensor| (tensor.start, tensor.size));
    let mut at = data;
    for tensor in &tensors {
        if tensor.start != at {
            return Err(WeightsError::damaged(format!(
                "tensor {:?} begins at byte {} of the file, and the one before it ends at {at}",
                tensor.name, tensor.start
            )));
        }
        at += tensor.size;
    }
    if at != size {
        return Err(WeightsError::damaged(format!(
            "the last {} bytes of the file belong to no tensor",
            size - at
        )));
    }
    Ok(tensors)
}

/// Bytes of a tensor; none where they can't be counted.
fn bytes(dtype: Dtype, shape: &[usize]) -> Option<u64> {
    let count = count(shape)?;
    Some(match element_size(dtype) {
        Some(size) => (count * size) as u64,
        // Packed numbers (4 or 6 bits) fill whole bytes together. `count` leaves room for the factor.
        None if (count * dtype.bitsize()).is_multiple_of(8) => (count * dtype.bitsize() / 8) as u64,
        None => return None,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    dtype: Dtype,
    #[serde(deserialize_with = "shape")]
    shape: Vec<usize>,
    data_offsets: (u64, u64),
}

/// Reads a shape, and stops where it has too many dimensions: there could be millions.
fn shape<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<usize>, D::Error> {
    struct Shape;
    impl<'de> Visitor<'de> for Shape {
        type Value = Vec<usize>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(formatter, "up to {MAX_RANK} lengths")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<usize>, A::Error> {
            let mut shape = Vec::new();
            while let Some(length) = seq.next_element()? {
                if shape.len() == MAX_RANK {
                    return Err(A::Error::invalid_length(MAX_RANK + 1, &self));
                }
                shape.push(length);
            }
            Ok(shape)
        }
    }
    deserializer.deserialize_seq(Shape)
}

/// Texts by name, read and dropped one after another.
struct Texts;

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextsVisitor;
        impl<'de> Visitor<'de> for TextsVisitor {
            type Value = Texts;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Texts, A::Error> {
                while map.next_entry::<String, String>()?.is_some() {}
                Ok(Texts)
            }
        }
        deserializer.deserialize_map(TextsVisitor)
    }
}

/// The tensors of a header; `__metadata__` is read and passed over.
struct Entries(Vec<(String, Entry)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor)
    }
}

struct EntriesVisitor;

impl<'de> Visitor<'de> for EntriesVisitor {
    type Value = Entries;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
        let mut entries = Vec::new();
        let mut names = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if name.len() > MAX_NAME {
                return Err(A::Error::custom(format!("a name has more than {MAX_NAME} bytes")));
            }
            if names.len() > MAX_TENSORS {
                return Err(A::Error::custom(format!(
                    "there are more than {MAX_TENSORS} tensors"
                )));
            }
            if !names.insert(name.clone()) {
                return Err(A::Error::custom(format!("there are two tensors {name:?}")));
            }
            if name == "__metadata__" {
                map.next_value::<Texts>()?;
            } else {
                entries.push((name, map.next_value()?));
            }
        }
        Ok(Entries(entries))
    }
}
