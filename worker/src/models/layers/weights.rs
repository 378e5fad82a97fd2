//! Weights by name.

use std::{collections::HashMap, path::Path};

use candle_core::{Device, Result, Tensor};
use lamplighter_shared::job::JobError;

use super::super::{Files, unavailable};

/// Named weights of a safetensors file.
pub struct Weights(HashMap<String, Tensor>);

impl Weights {
    /// Reads `model.safetensors`: the converted one, else that of the model's own folder.
    ///
    /// # Errors
    /// `model_unavailable`, where it can't be read.
    pub fn read(files: &Files) -> std::result::Result<Self, JobError> {
        let name = "model.safetensors";
        let converted = files.converted.join(name);
        let path = if converted.is_file() {
            converted
        } else {
            files.dir.join(name)
        };
        Self::of(&path).map_err(|error| unavailable(format!("{name}: {error}")))
    }

    fn of(path: &Path) -> Result<Self> {
        candle_core::safetensors::load(path, &Device::Cpu).map(Self)
    }

    /// The numbers of a tensor, which has this shape.
    ///
    /// # Errors
    /// `model_unavailable`, where it is missing or has another shape.
    pub fn get(&self, name: &str, shape: &[usize]) -> std::result::Result<Vec<f32>, JobError> {
        let tensor = self
            .0
            .get(name)
            .ok_or_else(|| unavailable(format!("model.safetensors has no tensor {name}")))?;
        if tensor.dims() != shape {
            let found = tensor.dims();
            return Err(unavailable(format!(
                "tensor {name} has the shape {found:?}, expected {shape:?}"
            )));
        }
        let numbers = tensor.flatten_all().and_then(|tensor| tensor.to_vec1());
        numbers.map_err(|error| unavailable(format!("tensor {name}: {error}")))
    }
}
