//! The `model.bin` of CTranslate2, of the binary versions 4 to 6.
//!
//! Layout, all little-endian: the version (u32), the specification's name (a text) and revision (u32), the number
//! of variables (u32); for each its name (a text), rank (u8), dimensions (u32 each), type (u8), bytes (u32) and the
//! numbers; then the number of aliases (u32) and for each its name and the variable it stands for (texts). A text is
//! its length (u16), its bytes and a zero that the length counts.

use std::collections::HashMap;

use safetensors::Dtype;

use super::{
    Tensor, Weights, WeightsError,
    cursor::Cursor,
    error::{OTHER_FORMAT, TOO_LARGE},
    tensor::{MAX_NAME, MAX_RANK, MAX_TENSORS, count, element_size},
};

/// What the file holds.
#[derive(Debug)]
pub struct Model<'a> {
    /// Name of the specification, as `WhisperSpec`.
    pub spec: &'a str,
    /// The specification's revision.
    pub revision: u32,
    /// The variables. Quantised ones (8 and 16 bits) have their scales in a variable `NAME_scale` beside them.
    pub weights: Weights<'a>,
    /// Other names of variables: name, then the variable.
    pub aliases: HashMap<&'a str, &'a str>,
}

impl<'a> Model<'a> {
    /// The variable of that name, or that this other name stands for.
    pub fn get(&self, name: &str) -> Option<&Tensor<'a>> {
        let name = self.aliases.get(name).copied().unwrap_or(name);
        self.weights.get(name)
    }
}

/// Reads a model; `bytes` are all of the file (where it was published in parts, all of them, joined).
///
/// # Errors
/// Where it is something else, contradicts itself, or is beyond the caps.
pub fn read(bytes: &[u8]) -> Result<Model<'_>, WeightsError> {
    let mut cursor = Cursor::new(bytes);
    let version = cursor.u32()?;
    if !(4..=6).contains(&version) {
        return Err(WeightsError::refused(
            format!("this is no CTranslate2 model of the binary versions 4 to 6 (found {version})"),
            OTHER_FORMAT,
        ));
    }
    let spec = text(&mut cursor)?;
    let revision = cursor.u32()?;
    let count = held(cursor.u32()?, 9, &cursor, "variables")?;
    let tensors = (0..count)
        .map(|_| variable(&mut cursor))
        .collect::<Result<Vec<_>, _>>()?;
    let count = held(cursor.u32()?, 6, &cursor, "aliases")?;
    let mut aliases = HashMap::new();
    for _ in 0..count {
        let (alias, name) = (text(&mut cursor)?, text(&mut cursor)?);
        if aliases.insert(alias, name).is_some() {
            return Err(WeightsError::damaged(format!("there are two aliases {alias:?}")));
        }
    }
    if cursor.left() > 0 {
        return Err(WeightsError::damaged(format!(
            "{} bytes follow the last alias",
            cursor.left()
        )));
    }
    let weights = Weights::new(tensors, bytes.len())?;
    let names: std::collections::HashSet<&str> = weights.iter().map(Tensor::name).collect();
    if let Some((alias, name)) = aliases
        .iter()
        .find(|(alias, name)| !names.contains(*name) || names.contains(*alias))
    {
        return Err(WeightsError::damaged(format!(
            "the alias {alias:?} of {name:?} is wrong"
        )));
    }
    Ok(Model {
        spec,
        revision,
        weights,
        aliases,
    })
}

/// A number of things of at least `least` bytes each, where as many could be in the rest of the file.
fn held(count: u32, least: usize, cursor: &Cursor<'_>, what: &str) -> Result<usize, WeightsError> {
    let count = count as usize;
    if count > cursor.left() / least {
        return Err(WeightsError::damaged(format!(
            "{count} {what} can't be in {} bytes",
            cursor.left()
        )));
    }
    if count > MAX_TENSORS {
        return Err(WeightsError::refused(
            format!("there are {count} {what}"),
            TOO_LARGE,
        ));
    }
    Ok(count)
}

fn text<'a>(cursor: &mut Cursor<'a>) -> Result<&'a str, WeightsError> {
    let length = usize::from(cursor.u16()?);
    let bytes = cursor.take(length)?;
    match bytes.split_last() {
        Some((0, name)) if (1..=MAX_NAME).contains(&name.len()) && !name.contains(&0) => {
            std::str::from_utf8(name).map_err(|_| WeightsError::damaged("a name is not UTF-8"))
        }
        _ => Err(WeightsError::damaged(
            "a name is empty, too long, or without its end",
        )),
    }
}

fn variable<'a>(cursor: &mut Cursor<'a>) -> Result<Tensor<'a>, WeightsError> {
    let name = text(cursor)?;
    let wrong = |problem: String| WeightsError::damaged(format!("variable {name:?} {problem}"));
    let rank = usize::from(cursor.u8()?);
    if rank > MAX_RANK {
        return Err(wrong(format!("has {rank} dimensions")));
    }
    let shape = (0..rank)
        .map(|_| Ok(cursor.u32()? as usize))
        .collect::<Result<Vec<_>, WeightsError>>()?;
    let dtype = match cursor.u8()? {
        0 => Dtype::F32,
        1 => Dtype::I8,
        2 => Dtype::I16,
        3 => Dtype::I32,
        4 => Dtype::F16,
        5 => Dtype::BF16,
        other => return Err(wrong(format!("has the unknown type {other}"))),
    };
    let size = cursor.u32()? as usize;
    let expected = count(&shape)
        .zip(element_size(dtype))
        .and_then(|(count, size)| count.checked_mul(size));
    if expected != Some(size) {
        return Err(wrong(format!(
            "has {size} bytes, which do not make {dtype} of the shape {shape:?}"
        )));
    }
    Ok(Tensor::rows(name, dtype, shape, cursor.take(size)?))
}
