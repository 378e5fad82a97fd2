//! Converts pickles of torch to one safetensors file of 32-bit floats, for the families that are published as such.
//!
//! `model.safetensors` has every tensor of numbers with a fraction, under its name in the pickle; where a model
//! has several pickles, each name begins with the file's stem and a dot (`pnet.conv1.weight`). Counters (of batches
//! seen in training) are left out.

use std::path::Path;

use lamplighter_readers::weights::{
    Dtype, Mapped, Outgoing, Weights, WeightsError, open_inside, read_pickle, write_safetensors,
};
use lamplighter_shared::{job::JobError, model_spec::ModelSpec};

use super::unavailable;

/// The file that is made.
pub const FILE: &str = "model.safetensors";
/// How the files end that are converted.
const ENDINGS: [&str; 2] = ["pt", "pth"];

/// Writes `out/model.safetensors` from the pickles that the catalogue lists for the model.
///
/// # Errors
/// `model_unavailable`, where there is no pickle or one can't be read.
pub fn convert(spec: &ModelSpec, dir: &Path, out: &Path) -> Result<(), JobError> {
    let names: Vec<&str> = spec
        .files
        .iter()
        .map(|file| file.path.as_str())
        .filter(|path| is_pickle(path))
        .collect();
    if names.is_empty() {
        return Err(unavailable(
            "the catalogue lists no pickle (.pt, .pth) among the model's files",
        ));
    }
    let mut mapped = Vec::with_capacity(names.len());
    for name in &names {
        let open = |name| Mapped::open(&open_inside(dir, name)?);
        mapped.push(open(name).map_err(|error| told(name, &error))?);
    }
    let mut weights = Vec::with_capacity(names.len());
    for (name, bytes) in names.iter().zip(&mapped) {
        let read = read_pickle(bytes).map_err(|error| told(name, &error))?;
        weights.push((prefix(name, names.len()), read));
    }
    write(&weights, &out.join(FILE)).map_err(|error| unavailable(error.to_string()))
}

fn told(name: &str, error: &WeightsError) -> JobError {
    unavailable(format!("{name}: {error}"))
}

fn is_pickle(path: &str) -> bool {
    Path::new(path)
        .extension()
        .is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known))
}

/// What names of a file's tensors begin with.
fn prefix(name: &str, files: usize) -> String {
    match Path::new(name).file_stem() {
        Some(stem) if files > 1 => format!("{}.", stem.to_string_lossy()),
        _ => String::new(),
    }
}

fn write(weights: &[(String, Weights<'_>)], path: &Path) -> Result<(), WeightsError> {
    let tensors = weights
        .iter()
        .flat_map(|(prefix, weights)| weights.iter().map(move |tensor| (prefix, tensor)))
        .filter(|(_, tensor)| matches!(tensor.dtype(), Dtype::F64 | Dtype::F32 | Dtype::F16 | Dtype::BF16))
        .map(|(prefix, tensor)| Outgoing::f32(format!("{prefix}{}", tensor.name()), tensor))
        .collect::<Result<Vec<_>, _>>()?;
    write_safetensors(path, &tensors)
}
