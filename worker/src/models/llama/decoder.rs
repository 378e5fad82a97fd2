//! The decoder: tokens of many sequences in, logits out. Sequences join and leave between steps; each has
//! its own positions and its own memory of keys and values, and none of them sees its neighbours.

mod cpu;
mod device;
mod plan;

use std::path::Path;

use candle_core::Device;
use lamplighter_shared::{error::ErrorCode, job::JobError};

use self::{cpu::CpuModel, device::DeviceModel, plan::Plan};
use super::weights::{Shape, Source};
use crate::models::invalid;

/// A model in memory.
pub struct Decoder {
    shape: Shape,
    model: Compute,
}

/// Where a model computes: kernels of our own on the processor, tensors on any other device.
enum Compute {
    Cpu(Box<CpuModel>),
    Device(DeviceModel),
}

/// Keys and values of a sequence, where the model computes.
enum Cache {
    Cpu(lamplighter_engine::quant::Cache),
    Device(device::Cache),
}

/// What the decoder remembers of one sequence: its keys and values, and how long it is.
pub struct Sequence {
    /// Tokens computed so far, which is the position of the next one.
    length: usize,
    /// Longest it may become.
    capacity: usize,
    cache: Cache,
}

/// The part of one sequence in a step.
pub struct Step<'a> {
    /// The sequence that goes on.
    pub sequence: &'a mut Sequence,
    /// Its next tokens: part of a prompt, or the one that was picked last.
    pub tokens: &'a [u32],
    /// Whether the logits after the last of the tokens are wanted.
    pub logits: bool,
}

impl Sequence {
    /// Tokens computed so far.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether nothing has been computed yet.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Tokens it has room for in all.
    pub fn capacity(&self) -> usize {
        self.capacity
    }
}

impl Decoder {
    /// Loads a GGUF file; its shape comes from the metadata. Computes on `lanes` threads.
    ///
    /// # Errors
    /// `model_unavailable`, saying what is wrong with the file.
    pub fn load(path: &Path, lanes: usize) -> Result<Self, JobError> {
        let mut source = Source::open(path)?;
        let shape = source.shape()?;
        let (device, _) = crate::device::best();
        let model = match device.is_cpu() {
            true => Compute::Cpu(Box::new(CpuModel::load(&mut source, &shape, lanes)?)),
            false => Compute::Device(DeviceModel::load(&mut source, &shape, device)?),
        };
        Ok(Self { shape, model })
    }

    /// The same over candle's tensors, on any device: what the kernels are compared with.
    ///
    /// # Errors
    /// As [`Decoder::load`].
    pub fn load_tensors(path: &Path, device: Device) -> Result<Self, JobError> {
        let mut source = Source::open(path)?;
        let shape = source.shape()?;
        let model = Compute::Device(DeviceModel::load(&mut source, &shape, device)?);
        Ok(Self { shape, model })
    }

    /// Longest sequence the model was made for, in tokens.
    pub fn context(&self) -> usize {
        self.shape.context
    }

    /// Tokens of the vocabulary, which is the length of logits.
    pub fn vocabulary(&self) -> usize {
        self.shape.vocabulary
    }

    /// An empty sequence with room for `capacity` tokens, at most the context. Memory is taken as it grows.
    pub fn sequence(&self, capacity: usize) -> Sequence {
        Sequence {
            length: 0,
            capacity: capacity.min(self.shape.context),
            cache: self.model.cache(),
        }
    }

    /// Computes the new tokens of all sequences as one packed batch. Gives, for each step of the batch, the
    /// logits after its last token; an empty list where they were not asked for.
    ///
    /// # Errors
    /// `invalid_input` where a step has no tokens, one outside the vocabulary or more than fit; then nothing
    /// was computed. `model_error` where the device fails; the sequences are of no more use then.
    pub fn step(&mut self, batch: &mut [Step<'_>]) -> Result<Vec<Vec<f32>>, JobError> {
        for step in batch.iter() {
            self.check(step)?;
        }
        let plan = Plan::new(batch, &self.shape.turns);
        let logits = self.model.step(&plan, batch)?;
        let mut logits = logits.into_iter();
        let mut answers = Vec::with_capacity(batch.len());
        for step in batch {
            step.sequence.length += step.tokens.len();
            answers.push(if step.logits {
                logits.next().unwrap_or_default()
            } else {
                Vec::new()
            });
        }
        Ok(answers)
    }

    fn check(&self, step: &Step<'_>) -> Result<(), JobError> {
        if step.tokens.is_empty() {
            return Err(invalid("there are no tokens to compute"));
        }
        if let Some(token) = step
            .tokens
            .iter()
            .find(|&&token| token as usize >= self.shape.vocabulary)
        {
            return Err(invalid(format!("token {token} is not in the vocabulary")));
        }
        if step.tokens.len() > step.sequence.capacity - step.sequence.length {
            return Err(invalid(format!(
                "{} tokens do not fit behind {} of {}",
                step.tokens.len(),
                step.sequence.length,
                step.sequence.capacity
            )));
        }
        Ok(())
    }
}

impl Compute {
    fn cache(&self) -> Cache {
        match self {
            Self::Cpu(model) => Cache::Cpu(model.cache()),
            Self::Device(model) => Cache::Device(model.cache()),
        }
    }

    /// Logits of the wanted rows.
    fn step(&mut self, plan: &Plan, batch: &mut [Step<'_>]) -> Result<Vec<Vec<f32>>, JobError> {
        let elsewhere = || invalid("a sequence belongs to another model");
        let caches = batch.iter_mut().map(|step| &mut step.sequence.cache);
        match self {
            Self::Cpu(model) => {
                let own = caches.map(|cache| match cache {
                    Cache::Cpu(cache) => Some(cache),
                    Cache::Device(_) => None,
                });
                model.step(plan, own.collect::<Option<_>>().ok_or_else(elsewhere)?)
            }
            Self::Device(model) => {
                let own = caches.map(|cache| match cache {
                    Cache::Device(cache) => Some(cache),
                    Cache::Cpu(_) => None,
                });
                let mut own: Vec<_> = own.collect::<Option<_>>().ok_or_else(elsewhere)?;
                let logits = model.step(plan, &mut own);
                logits.map_err(|error| JobError::new(ErrorCode::ModelError, error.to_string()))
            }
        }
    }
}
