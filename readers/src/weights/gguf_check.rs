//! Whether the header of a GGUF file tells the truth. Reads the header and nothing else.
//!
//! Layout, all little-endian: `GGUF`, version (u32), the number of tensors and of metadata entries (u64 each); for
//! each entry a key (text), a type (u32) and a value; for each tensor a name (text), rank (u32), dimensions (u64
//! each, the fastest first), type (u32) and place (u64, counted from the data's beginning); then padding and data. A
//! text is its length (u64) and its bytes.

mod kinds;
mod value;

use std::collections::HashSet;

use super::{
    WeightsError,
    cursor::Cursor,
    error::{OTHER_FORMAT, TOO_LARGE},
    tensor::{MAX_NAME, MAX_TENSORS},
};

/// The most metadata entries.
const MAX_ENTRIES: usize = 65_536;
/// The most dimensions of a tensor in this format.
const MAX_DIMENSIONS: u32 = 4;
/// The longest header, in bytes (32 MiB); a vocabulary of 260,000 pieces takes some 15. All of it may be looked at,
/// so it is memory that a file can have this process take.
const MAX_HEADER: usize = 32 << 20;
/// Fewest bytes of an entry (an empty key, a byte) and of a tensor (an empty name, no dimension).
const LEAST: (usize, usize) = (8 + 4 + 1, 8 + 4 + 4 + 8);
/// What places of tensors are multiples of, where the file does not say it; and the type of that number.
const ALIGNMENT: u64 = 32;
const U32: u32 = 4;

/// What a header says of a tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo<'a> {
    /// Its name.
    pub name: &'a str,
    /// Where its first byte is in the file.
    pub start: u64,
    /// Bytes of it.
    pub size: u64,
}

/// Reads and checks the header of a file, and gives its tensors in their order; `bytes` are all of it (mapped: only
/// the header's pages are looked at).
///
/// # Errors
/// The first thing that is wrong, as a sentence.
pub fn read(bytes: &[u8]) -> Result<Vec<TensorInfo<'_>>, WeightsError> {
    if !bytes.starts_with(b"GGUF") {
        return Err(WeightsError::refused("this is no GGUF file", OTHER_FORMAT));
    }
    let mut cursor = Cursor::new(&bytes[..bytes.len().min(MAX_HEADER)]);
    cursor.take(4)?;
    let version = cursor.u32()?;
    if !(2..=3).contains(&version) {
        return Err(WeightsError::refused(
            format!("the GGUF file has version {version}, and 2 and 3 are read"),
            OTHER_FORMAT,
        ));
    }
    let (tensors, entries) = (cursor.u64()?, cursor.u64()?);
    let entries = held(entries, LEAST.0, &cursor, MAX_ENTRIES, "metadata entries")?;
    let tensors = held(tensors, LEAST.1, &cursor, MAX_TENSORS, "tensors")?;
    let align = metadata(&mut cursor, entries)?;
    let mut infos = Vec::with_capacity(tensors);
    let mut names = HashSet::with_capacity(tensors);
    for _ in 0..tensors {
        let info = tensor(&mut cursor)?;
        if !names.insert(info.name) {
            return Err(WeightsError::damaged(format!(
                "there are two tensors {:?}",
                info.name
            )));
        }
        infos.push(info);
    }
    let data = (cursor.at() as u64).next_multiple_of(align);
    laid_out(&mut infos, data, align, bytes.len() as u64)?;
    Ok(infos)
}

/// A number of things of at least `least` bytes each, where as many could be in the rest of the file.
fn held(
    count: u64,
    least: usize,
    cursor: &Cursor<'_>,
    cap: usize,
    what: &str,
) -> Result<usize, WeightsError> {
    if count > (cursor.left() / least) as u64 {
        return Err(WeightsError::damaged(format!(
            "the GGUF header says there are {count} {what}, which can't be in {} bytes",
            cursor.left()
        )));
    }
    if count > cap as u64 {
        return Err(WeightsError::refused(
            format!("there are {count} {what}, and {cap} is the most"),
            TOO_LARGE,
        ));
    }
    Ok(count as usize)
}

/// Passes the metadata; gives what places of tensors are multiples of.
fn metadata(cursor: &mut Cursor<'_>, entries: usize) -> Result<u64, WeightsError> {
    let mut keys = HashSet::with_capacity(entries);
    let mut values = value::Values::default();
    let mut align = ALIGNMENT;
    for _ in 0..entries {
        let key = value::text(cursor, MAX_NAME)?;
        if !keys.insert(key) {
            return Err(WeightsError::damaged(format!("the metadata has {key:?} twice")));
        }
        if key == "general.alignment" {
            align = alignment(cursor)?;
        } else {
            values.pass(cursor)?;
        }
    }
    Ok(align)
}

fn alignment(cursor: &mut Cursor<'_>) -> Result<u64, WeightsError> {
    if cursor.u32()? == U32 {
        let n = cursor.u32()?;
        if n.is_power_of_two() && (8..=65_536).contains(&n) {
            return Ok(u64::from(n));
        }
    }
    Err(WeightsError::damaged(
        "general.alignment is no power of two from 8 to 65536",
    ))
}

/// A tensor; its place is not checked yet and counts from the data's beginning.
fn tensor<'a>(cursor: &mut Cursor<'a>) -> Result<TensorInfo<'a>, WeightsError> {
    let name = value::text(cursor, MAX_NAME)?;
    let wrong = |problem: String| WeightsError::damaged(format!("tensor {name:?} {problem}"));
    let rank = cursor.u32()?;
    if rank > MAX_DIMENSIONS {
        return Err(wrong(format!(
            "has {rank} dimensions, and {MAX_DIMENSIONS} is the most"
        )));
    }
    let dimensions = (0..rank).map(|_| cursor.u64()).collect::<Result<Vec<_>, _>>()?;
    let kind = cursor.u32()?;
    let Some((kind_name, block, block_size)) = kinds::kind(kind) else {
        return Err(WeightsError::refused(
            format!("tensor {name:?} has the type {kind}, which is not read"),
            "use a GGUF file of the model in Q8_0, Q4_K_M, F16 or another common type",
        ));
    };
    let count = dimensions
        .iter()
        .try_fold(1_u64, |count, n| count.checked_mul(*n));
    let first = dimensions.first().copied().unwrap_or(1);
    if dimensions.contains(&0) || !first.is_multiple_of(block) {
        return Err(wrong(format!(
            "has the dimensions {dimensions:?}, which {kind_name} can't have"
        )));
    }
    let size = count
        .and_then(|count| (count / block).checked_mul(block_size))
        .filter(|size| i64::try_from(*size).is_ok())
        .ok_or_else(|| wrong(format!("has the dimensions {dimensions:?}, whose size overflows")))?;
    Ok(TensorInfo {
        name,
        start: cursor.u64()?,
        size,
    })
}

/// Holds the tensors' places against each other and the file, and counts them from the file's beginning.
fn laid_out(tensors: &mut [TensorInfo<'_>], data: u64, align: u64, file: u64) -> Result<(), WeightsError> {
    for tensor in tensors.iter_mut() {
        let wrong = |problem: &str| WeightsError::damaged(format!("tensor {:?} {problem}", tensor.name));
        if !tensor.start.is_multiple_of(align) {
            return Err(wrong("does not begin where the file's alignment has it begin"));
        }
        let start = data.checked_add(tensor.start);
        match start.and_then(|start| start.checked_add(tensor.size)) {
            Some(end) if end <= file => {}
            _ => return Err(wrong("ends beyond the file")),
        }
        tensor.start += data;
    }
    let mut places: Vec<_> = tensors.iter().map(|t| (t.start, t.size, t.name)).collect();
    places.sort_unstable();
    match places.windows(2).find(|pair| pair[0].0 + pair[0].1 > pair[1].0) {
        None => Ok(()),
        Some(pair) => Err(WeightsError::damaged(format!(
            "the tensors {:?} and {:?} lie upon each other",
            pair[0].2, pair[1].2
        ))),
    }
}
