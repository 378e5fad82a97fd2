//! What a GGUF file of a llama-shaped model holds: its shape from the metadata, its matrices by name.

mod shape;

use std::{
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom},
    path::Path,
};

use candle_core::{
    Device,
    quantized::{
        GgmlDType, QStorage, QTensor,
        gguf_file::{Content, TensorInfo, Value},
    },
};
use lamplighter_engine::quant;
use lamplighter_shared::job::JobError;

pub(super) use self::shape::Shape;
use crate::models::unavailable;

/// Architectures that the decoder knows.
const ARCHITECTURES: [&str; 1] = ["llama"];
/// Numbers of a matrix that are in hand at once while it is read.
const CHUNK: usize = 1 << 20;

/// An open GGUF file.
pub(super) struct Source {
    content: Content,
    file: BufReader<File>,
    length: u64,
    architecture: String,
}

impl Source {
    /// Opens the file and reads its header.
    ///
    /// # Errors
    /// Where it is no GGUF file, or one of an architecture that is not known.
    pub(super) fn open(path: &Path) -> Result<Self, JobError> {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let broken = |what: String| unavailable(format!("{name}: {what}"));
        let file = File::open(path).map_err(|error| broken(error.to_string()))?;
        let length = file.metadata().map_err(|error| broken(error.to_string()))?.len();
        let mut file = BufReader::with_capacity(1 << 20, file);
        let content = Content::read(&mut file).map_err(|error| broken(error.to_string()))?;
        let architecture = match content.metadata.get("general.architecture") {
            Some(Value::String(name)) => name.clone(),
            _ => return Err(broken("the metadata has no general.architecture".to_owned())),
        };
        if !ARCHITECTURES.contains(&architecture.as_str()) {
            return Err(broken(format!(
                "architecture {architecture:?} is not supported (known: {})",
                ARCHITECTURES.join(", ")
            )));
        }
        Ok(Self {
            content,
            file,
            length,
            architecture,
        })
    }

    /// Whether the file holds a tensor of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.content.tensor_infos.contains_key(name)
    }

    /// A matrix or vector by name.
    ///
    /// # Errors
    /// Where it is missing, cut off or of another size than `dims`.
    pub(super) fn tensor(
        &mut self,
        name: &str,
        dims: &[usize],
        device: &Device,
    ) -> Result<QTensor, JobError> {
        self.matrix(name, dims)?;
        let info = self.content.tensor_infos.get(name);
        let info = info.ok_or_else(|| unavailable(format!("the file has no tensor {name}")))?;
        info.read(&mut self.file, self.content.tensor_data_offset, device)
            .map_err(|error| unavailable(format!("{name}: {error}")))
    }

    /// Reads a matrix some rows at a time (multiples of [`quant::UNIT`], but the last), as Q8_0 blocks, whatever
    /// its type is. `take` gets the first row and the blocks.
    ///
    /// # Errors
    /// Where it is missing, cut off or of another size, or where `take` says so.
    pub(super) fn blocks(
        &mut self,
        name: &str,
        [rows, width]: [usize; 2],
        mut take: impl FnMut(usize, &[u8]) -> Result<(), String>,
    ) -> Result<(), JobError> {
        let broken = |what: String| unavailable(format!("{name}: {what}"));
        let (dtype, start) = self.matrix(name, &[rows, width])?;
        if !width.is_multiple_of(quant::BLOCK) || !width.is_multiple_of(dtype.block_size()) {
            return Err(broken(format!("rows of {width} are not whole blocks")));
        }
        let row_bytes = width / dtype.block_size() * dtype.type_size();
        let step = (CHUNK / width).next_multiple_of(quant::UNIT).max(quant::UNIT);
        self.file
            .seek(SeekFrom::Start(start))
            .map_err(|error| broken(error.to_string()))?;
        let mut bytes = Vec::new();
        for first in (0..rows).step_by(step) {
            let count = step.min(rows - first);
            bytes.resize(count * row_bytes, 0);
            self.file
                .read_exact(&mut bytes)
                .map_err(|error| broken(error.to_string()))?;
            if dtype == GgmlDType::Q8_0 {
                take(first, &bytes).map_err(broken)?;
            } else {
                let blocks = requantised(&bytes, dtype, (count, width)).map_err(broken)?;
                take(first, &blocks).map_err(broken)?;
            }
        }
        Ok(())
    }

    /// Checks that a matrix is there in full.
    pub(super) fn check(&self, name: &str, dims: [usize; 2]) -> Result<(), JobError> {
        let (dtype, start) = self.matrix(name, &dims)?;
        let cells = dims[0].checked_mul(dims[1]);
        let bytes = cells.and_then(|cells| (cells / dtype.block_size()).checked_mul(dtype.type_size()));
        let end = bytes.and_then(|bytes| start.checked_add(bytes as u64));
        if end.is_none_or(|end| end > self.length) {
            return Err(unavailable(format!("{name} lies beyond the end of the file")));
        }
        Ok(())
    }

    /// Type of a matrix or vector and where in the file it starts, checked against its size.
    fn matrix(&self, name: &str, dims: &[usize]) -> Result<(GgmlDType, u64), JobError> {
        let info = self.info(name)?;
        if info.shape.dims() != dims {
            return Err(unavailable(format!(
                "{name} is {:?} where the metadata makes it {dims:?}",
                info.shape.dims()
            )));
        }
        let start = self.content.tensor_data_offset.checked_add(info.offset);
        let start = start.ok_or_else(|| unavailable(format!("{name} lies beyond the file")))?;
        Ok((info.ggml_dtype, start))
    }

    fn info(&self, name: &str) -> Result<&TensorInfo, JobError> {
        let info = self.content.tensor_infos.get(name);
        info.ok_or_else(|| unavailable(format!("the file has no tensor {name}")))
    }

    /// The header.
    pub(super) fn content(&self) -> &Content {
        &self.content
    }

    /// A vector as numbers.
    pub(super) fn vector(&mut self, name: &str, len: usize) -> Result<Vec<f32>, JobError> {
        let tensor = self.tensor(name, &[len], &Device::Cpu)?;
        let numbers = tensor.dequantize(&Device::Cpu).and_then(|t| t.to_vec1::<f32>());
        let numbers = numbers.map_err(|error| unavailable(format!("{name}: {error}")))?;
        if numbers.iter().any(|number| !number.is_finite()) {
            return Err(unavailable(format!("{name} holds a number that is not finite")));
        }
        Ok(numbers)
    }

    /// Matrices of the same width, one on top of the other, each with its height. They must be of one type.
    pub(super) fn stacked(
        &mut self,
        parts: &[(String, usize)],
        width: usize,
        device: &Device,
    ) -> Result<Vec<QTensor>, JobError> {
        let broken = |error: candle_core::Error| unavailable(error.to_string());
        let mut read = Vec::with_capacity(parts.len());
        for (name, rows) in parts {
            read.push(self.tensor(name, &[*rows, width], &Device::Cpu)?);
        }
        let dtype = read.first().map(QTensor::dtype);
        if read.iter().any(|tensor| Some(tensor.dtype()) != dtype) {
            return parts
                .iter()
                .map(|(name, rows)| self.tensor(name, &[*rows, width], device))
                .collect();
        }
        let mut bytes = Vec::new();
        for tensor in &read {
            bytes.extend_from_slice(&tensor.data().map_err(broken)?);
        }
        let Some(dtype) = dtype else { return Ok(read) };
        let rows: usize = parts.iter().map(|(_, rows)| rows).sum();
        let storage = QStorage::from_data(bytes.into(), device, dtype).map_err(broken)?;
        Ok(vec![QTensor::new(storage, (rows, width)).map_err(broken)?])
    }
}

/// Rows of any type as Q8_0 blocks.
fn requantised(bytes: &[u8], dtype: GgmlDType, shape: (usize, usize)) -> Result<Vec<u8>, String> {
    let numbers = QStorage::from_data(bytes.into(), &Device::Cpu, dtype)
        .and_then(|storage| QTensor::new(storage, shape))
        .and_then(|tensor| tensor.dequantize(&Device::Cpu))
        .and_then(|numbers| numbers.flatten_all())
        .and_then(|numbers| numbers.to_vec1::<f32>());
    let numbers = numbers.map_err(|error| error.to_string())?;
    let mut blocks = Vec::new();
    quant::quantise(&numbers, &mut blocks)?;
    Ok(blocks)
}
