//! What a GGUF file of a llama-shaped model holds: its shape from the metadata, its matrices by name.

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

use crate::models::unavailable;

/// Architectures that the decoder knows.
const ARCHITECTURES: [&str; 1] = ["llama"];
/// More than any published model has; what lies beyond is a lying header.
const MOST_LAYERS: usize = 1024;
/// Likewise for every other size of the shape.
const MOST: usize = 1 << 24;
/// Numbers of a matrix that are in hand at once while it is read.
const CHUNK: usize = 1 << 20;

/// Sizes and constants of a model.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shape {
    /// Layers.
    pub layers: usize,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Width of the feed-forward layer.
    pub feed: usize,
    /// Heads of the queries.
    pub heads: usize,
    /// Heads of keys and values; `heads` is a multiple.
    pub kv_heads: usize,
    /// Width of a head.
    pub head: usize,
    /// Tokens of the vocabulary.
    pub vocabulary: usize,
    /// Longest sequence, in tokens.
    pub context: usize,
    /// Added to the mean square under the root.
    pub epsilon: f32,
    /// What each pair of a head turns by from one position to the next, radians.
    pub turns: Vec<f64>,
}

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

    /// The shape, checked for what the decoder can compute.
    pub(super) fn shape(&mut self) -> Result<Shape, JobError> {
        let hidden = self.size("embedding_length")?;
        let heads = self.size("attention.head_count")?;
        let kv_heads = self.optional_size("attention.head_count_kv")?.unwrap_or(heads);
        let head = match self.optional_size("attention.key_length")? {
            Some(head) => head,
            None => hidden / heads,
        };
        let layers = self.size("block_count")?;
        if !heads.is_multiple_of(kv_heads) || !head.is_multiple_of(16) || head > 512 || heads > 4096 {
            return Err(unavailable(format!(
                "{heads} heads of {head} with {kv_heads} for keys are not supported"
            )));
        }
        if layers > MOST_LAYERS {
            return Err(unavailable(format!(
                "{layers} layers are more than {MOST_LAYERS}"
            )));
        }
        if self.optional_size("expert_count")?.is_some() {
            return Err(unavailable("a mixture of experts is not supported"));
        }
        for (key, wanted) in [("attention.value_length", head), ("rope.dimension_count", head)] {
            if self.optional_size(key)?.is_some_and(|size| size != wanted) {
                return Err(unavailable(format!("{key} other than {wanted} is not supported")));
            }
        }
        let vocabulary = self.rows("token_embd.weight", hidden)?;
        let turns = self.turns(head)?;
        Ok(Shape {
            layers,
            hidden,
            feed: self.size("feed_forward_length")?,
            heads,
            kv_heads,
            head,
            vocabulary,
            context: self.size("context_length")?,
            epsilon: self.number("attention.layer_norm_rms_epsilon")?.unwrap_or(1e-5) as f32,
            turns,
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
        self.file.seek(SeekFrom::Start(start)).map_err(|error| broken(error.to_string()))?;
        let mut bytes = Vec::new();
        for first in (0..rows).step_by(step) {
            let count = step.min(rows - first);
            bytes.resize(count * row_bytes, 0);
            self.file.read_exact(&mut bytes).map_err(|error| broken(error.to_string()))?;
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

    /// Rows of a matrix of this width.
    fn rows(&self, name: &str, width: usize) -> Result<usize, JobError> {
        match self.content.tensor_infos.get(name).map(|info| info.shape.dims()) {
            Some(&[rows, columns]) if columns == width && (1..=MOST).contains(&rows) => Ok(rows),
            Some(dims) => Err(unavailable(format!("{name} is {dims:?}, not rows of {width}"))),
            None => Err(unavailable(format!("the file has no tensor {name}"))),
        }
    }

    /// What each pair of a head turns by; long-context files carry factors.
    fn turns(&mut self, head: usize) -> Result<Vec<f64>, JobError> {
        let base = self.number("rope.freq_base")?.unwrap_or(10_000.0);
        if !base.is_finite() || base <= 0.0 {
            return Err(unavailable(format!("rope.freq_base {base} is not a base")));
        }
        let stretch = match self.text("rope.scaling.type") {
            None | Some("none") => 1.0,
            Some("linear") => self.number("rope.scaling.factor")?.unwrap_or(1.0),
            Some(kind) => return Err(unavailable(format!("rope scaling {kind:?} is not supported"))),
        };
        let pairs = head / 2;
        let factors = match self.has("rope_freqs.weight") {
            true => self.vector("rope_freqs.weight", pairs)?,
            false => vec![1.0; pairs],
        };
        if !stretch.is_finite() || stretch <= 0.0 || factors.iter().any(|&factor| factor <= 0.0) {
            return Err(unavailable("the rope scaling is not positive"));
        }
        let turn = |(pair, factor): (usize, f32)| {
            base.powf(-2.0 * pair as f64 / head as f64) / f64::from(factor) / stretch
        };
        Ok(factors.into_iter().enumerate().map(turn).collect())
    }

    fn value(&self, key: &str) -> Option<&Value> {
        self.content.metadata.get(&format!("{}.{key}", self.architecture))
    }

    fn text(&self, key: &str) -> Option<&str> {
        match self.value(key) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    fn number(&self, key: &str) -> Result<Option<f64>, JobError> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::F32(number)) => Ok(Some(f64::from(*number))),
            Some(Value::F64(number)) => Ok(Some(*number)),
            Some(_) => Err(unavailable(format!("{key} of the metadata is not a number"))),
        }
    }

    fn size(&self, key: &str) -> Result<usize, JobError> {
        let missing = || unavailable(format!("the metadata has no {}.{key}", self.architecture));
        self.optional_size(key)?.ok_or_else(missing)
    }

    /// A size; zero counts as not there.
    fn optional_size(&self, key: &str) -> Result<Option<usize>, JobError> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        let size = value
            .to_u64()
            .ok()
            .or_else(|| value.to_i64().ok().and_then(|v| u64::try_from(v).ok()));
        let size = size.or_else(|| value.to_i32().ok().and_then(|v| u64::try_from(v).ok()));
        match size.and_then(|size| usize::try_from(size).ok()) {
            Some(0) => Ok(None),
            Some(size) if size <= MOST => Ok(Some(size)),
            _ => Err(unavailable(format!("{key} of the metadata is not a size"))),
        }
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
