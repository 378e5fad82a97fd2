//! Any type of quantised weights to Q8_0, once, when a model is fetched: the one type that the kernels
//! multiply. A few rows are in memory at a time.

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use candle_core::quantized::{
    GgmlDType,
    gguf_file::{Content, Value},
};
use lamplighter_engine::quant;
use lamplighter_shared::{job::JobError, model_spec::ModelSpec};

use super::weights::Source;
use crate::models::{Files, unavailable};

/// What parts of a file start at multiples of.
const ALIGNMENT: usize = 32;
/// `general.file_type` of files that are mostly Q8_0.
const MOSTLY_Q8_0: u32 = 7;
/// The format's number of `f32` and of Q8_0.
const TYPE_NUMBERS: (u32, u32) = (0, 8);

/// The GGUF file to load: the converted copy where there is one, else the one that came.
///
/// # Errors
/// Where neither the entry nor the folder says which it is.
pub(crate) fn model_file(spec: &ModelSpec, files: &Files) -> Result<PathBuf, JobError> {
    match only_gguf(&files.converted) {
        Ok(file) => Ok(file),
        Err(_) => meant(spec, &files.dir),
    }
}

/// Writes a Q8_0 copy of the model's GGUF file into `out`.
///
/// # Errors
/// Where the file is not one the decoder can compute, or the copy can't be written.
pub(crate) fn convert(spec: &ModelSpec, dir: &Path, out: &Path) -> Result<(), JobError> {
    let from = meant(spec, dir)?;
    let name = from.file_name().unwrap_or_default();
    requantise(&from, &out.join(name))
}

/// Writes `to`: the same model as `from`, its matrices as Q8_0.
///
/// # Errors
/// As [`convert`].
pub fn requantise(from: &Path, to: &Path) -> Result<(), JobError> {
    let mut source = Source::open(from)?;
    source.shape()?;
    let tensors = tensors(source.content())?;
    let failed = |error: std::io::Error| unavailable(format!("{}: {error}", to.display()));
    let mut file = BufWriter::new(File::create(to).map_err(failed)?);
    let mut header = Vec::new();
    write_header(source.content(), &tensors, &mut header)?;
    file.write_all(&header).map_err(failed)?;
    for tensor in &tensors {
        let written = match tensor.dims[..] {
            [rows, width] if tensor.quantised => {
                source.blocks(&tensor.name, [rows, width], |_, blocks| {
                    file.write_all(blocks).map_err(|error| error.to_string())
                })?;
                tensor.bytes()
            }
            _ => {
                for number in source.vector(&tensor.name, tensor.dims.iter().product())? {
                    file.write_all(&number.to_le_bytes()).map_err(failed)?;
                }
                tensor.bytes()
            }
        };
        let padding = written.next_multiple_of(ALIGNMENT) - written;
        file.write_all(&[0; ALIGNMENT][..padding]).map_err(failed)?;
    }
    let file = file.into_inner().map_err(|error| failed(error.into_error()))?;
    file.sync_all().map_err(failed)
}

/// A tensor as it will be.
struct Target {
    name: String,
    dims: Vec<usize>,
    /// Q8_0, else `f32`.
    quantised: bool,
}

impl Target {
    fn bytes(&self) -> usize {
        let count: usize = self.dims.iter().product();
        match self.quantised {
            true => count / quant::BLOCK * quant::BLOCK_BYTES,
            false => count * size_of::<f32>(),
        }
    }
}

/// All tensors, in the order of the file.
fn tensors(content: &Content) -> Result<Vec<Target>, JobError> {
    let mut infos: Vec<_> = content.tensor_infos.iter().collect();
    infos.sort_by_key(|(name, info)| (info.offset, name.as_str()));
    let target = |(name, info): &(&String, &candle_core::quantized::gguf_file::TensorInfo)| {
        let dims = info.shape.dims().to_vec();
        let quantised = match dims.len() {
            2 => true,
            1 if info.ggml_dtype == GgmlDType::F32 || info.ggml_dtype == GgmlDType::F16 => false,
            _ => {
                return Err(unavailable(format!(
                    "{name} is neither a matrix nor a vector of numbers"
                )));
            }
        };
        Ok(Target {
            name: (*name).clone(),
            dims,
            quantised,
        })
    };
    infos.iter().map(target).collect()
}

/// Everything before the data, filled up.
fn write_header(content: &Content, tensors: &[Target], out: &mut Vec<u8>) -> Result<(), JobError> {
    let mut metadata: Vec<(&String, &Value)> = content.metadata.iter().collect();
    metadata.retain(|(key, _)| *key != "general.file_type" && *key != "general.alignment");
    metadata.sort_by_key(|(key, _)| key.as_str());
    out.extend_from_slice(b"GGUF");
    out.extend_from_slice(&3u32.to_le_bytes());
    out.extend_from_slice(&(tensors.len() as u64).to_le_bytes());
    out.extend_from_slice(&(metadata.len() as u64 + 1).to_le_bytes());
    write_entry("general.file_type", &Value::U32(MOSTLY_Q8_0), out)?;
    for (key, value) in metadata {
        write_entry(key, value, out)?;
    }
    let mut offset = 0usize;
    for tensor in tensors {
        write_text(&tensor.name, out);
        out.extend_from_slice(&(tensor.dims.len() as u32).to_le_bytes());
        for dim in tensor.dims.iter().rev() {
            out.extend_from_slice(&(*dim as u64).to_le_bytes());
        }
        let (plain, quantised) = TYPE_NUMBERS;
        let number = if tensor.quantised { quantised } else { plain };
        out.extend_from_slice(&number.to_le_bytes());
        out.extend_from_slice(&(offset as u64).to_le_bytes());
        offset += tensor.bytes().next_multiple_of(ALIGNMENT);
    }
    out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
    Ok(())
}

fn write_entry(key: &str, value: &Value, out: &mut Vec<u8>) -> Result<(), JobError> {
    write_text(key, out);
    out.extend_from_slice(&number(value).to_le_bytes());
    write_value(value, out)
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(&(text.len() as u64).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn write_value(value: &Value, out: &mut Vec<u8>) -> Result<(), JobError> {
    match value {
        Value::U8(x) => out.push(*x),
        Value::I8(x) => out.extend_from_slice(&x.to_le_bytes()),
        Value::U16(x) => out.extend_from_slice(&x.to_le_bytes()),
        Value::I16(x) => out.extend_from_slice(&x.to_le_bytes()),
        Value::U32(x) => out.extend_from_slice(&x.to_le_bytes()),
        Value::I32(x) => out.extend_from_slice(&x.to_le_bytes()),
        Value::U64(x) => out.extend_from_slice(&x.to_le_bytes()),
        Value::I64(x) => out.extend_from_slice(&x.to_le_bytes()),
        Value::F32(x) => out.extend_from_slice(&x.to_le_bytes()),
        Value::F64(x) => out.extend_from_slice(&x.to_le_bytes()),
        Value::Bool(x) => out.push(u8::from(*x)),
        Value::String(text) => write_text(text, out),
        Value::Array(values) => {
            // Of an empty list the type is lost, and doesn't matter.
            let kind = values.first().map_or(4, number);
            if values.iter().any(|value| number(value) != kind) {
                return Err(unavailable("a list of the metadata holds several types"));
            }
            out.extend_from_slice(&kind.to_le_bytes());
            out.extend_from_slice(&(values.len() as u64).to_le_bytes());
            for value in values {
                write_value(value, out)?;
            }
        }
    }
    Ok(())
}

/// The format's number of a value's type.
fn number(value: &Value) -> u32 {
    match value {
        Value::U8(_) => 0,
        Value::I8(_) => 1,
        Value::U16(_) => 2,
        Value::I16(_) => 3,
        Value::U32(_) => 4,
        Value::I32(_) => 5,
        Value::F32(_) => 6,
        Value::Bool(_) => 7,
        Value::String(_) => 8,
        Value::Array(_) => 9,
        Value::U64(_) => 10,
        Value::I64(_) => 11,
        Value::F64(_) => 12,
    }
}

/// The model's GGUF file: the one that its entry names, else the one of the folder.
fn meant(spec: &ModelSpec, dir: &Path) -> Result<PathBuf, JobError> {
    let listed = spec.files.iter().map(|file| &file.path);
    let named: Vec<&String> = match spec.files.is_empty() {
        true => spec.only.iter().collect(),
        false => listed.collect(),
    };
    let mut named = named.into_iter().filter(|name| name.ends_with(".gguf"));
    match (named.next(), named.next()) {
        (Some(name), None) => Ok(dir.join(name)),
        (None, _) => only_gguf(dir),
        (Some(_), Some(_)) => Err(several()),
    }
}

fn several() -> JobError {
    unavailable(
        "there are several GGUF files; name the one that is meant in models.toml, as in files = [\"a.gguf\"]",
    )
}

/// The one GGUF file of a folder.
fn only_gguf(dir: &Path) -> Result<PathBuf, JobError> {
    let entries = fs::read_dir(dir).map_err(|error| unavailable(format!("{}: {error}", dir.display())))?;
    let paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let mut files: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|e| e == "gguf"))
        .collect();
    match (files.pop(), files.is_empty()) {
        (Some(file), true) => Ok(file),
        (None, _) => Err(unavailable("the folder holds no GGUF file")),
        (Some(_), false) => Err(several()),
    }
}

#[cfg(test)]
mod tests {
    use lamplighter_shared::model_spec::{Catalog, ModelFile};

    use super::*;

    #[test]
    fn the_file_that_the_entry_names_is_the_model_whatever_else_is_there() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["a.gguf", "b.gguf", "tokenizer.json"] {
            fs::write(folder.path().join(name), name).expect("written");
        }
        let spec = |listed: &[&str], only: &[&str]| {
            let mut spec = Catalog::built_in().get("smollm2").expect("built in").clone();
            let file = |path: &&str| ModelFile {
                path: (*path).to_owned(),
                sha256: String::new(),
                size: 6,
            };
            spec.files = listed.iter().map(file).collect();
            spec.only = only.iter().map(|name| (*name).to_owned()).collect();
            spec
        };
        let plain = Files::plain(folder.path());
        let found = |spec: &ModelSpec| model_file(spec, &plain);
        let at = |name: &str| Ok(folder.path().join(name));
        assert_eq!(found(&spec(&["tokenizer.json", "b.gguf"], &[])), at("b.gguf"));
        assert_eq!(found(&spec(&[], &["a.gguf"])), at("a.gguf"));
        for (listed, only) in [(&[][..], &[][..]), (&["a.gguf", "b.gguf"], &[])] {
            let error = found(&spec(listed, only)).expect_err("which?");
            assert!(error.detail.contains("files = ["), "{}", error.detail);
        }
        fs::remove_file(folder.path().join("b.gguf")).expect("it was there");
        assert_eq!(found(&spec(&[], &[])), at("a.gguf"));
        // What was made of it comes first.
        fs::create_dir(&plain.converted).expect("a folder");
        fs::write(plain.converted.join("made.gguf"), "").expect("written");
        let made = found(&spec(&["a.gguf"], &[]));
        assert_eq!(made, Ok(plain.converted.join("made.gguf")));
    }
}
