//! Which files have the weights: one, or shards whose tensors are put together.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use lamplighter_shared::{job::JobError, model_spec::ModelSpec};
use serde::Deserialize;

use crate::models::unavailable;

/// All weights in one file.
const WHOLE: &str = "model.safetensors";
/// Which of several files has which of the weights.
const INDEX: &str = "model.safetensors.index.json";
/// What an encoder can't do without beside its weights.
const NEEDED: [&str; 2] = ["config.json", "tokenizer.json"];

/// The files with the weights: those that are listed of the model, else those of the folder.
///
/// # Errors
/// Where there are none, or another file is missing, saying what to do.
pub(super) fn files(spec: &ModelSpec, dir: &Path) -> Result<Vec<PathBuf>, JobError> {
    let missing = |what: &str| {
        unavailable(format!(
            "{what} is missing; fetch the model again (`lamplighter models pull {}`)",
            spec.id
        ))
    };
    if let Some(name) = NEEDED.iter().find(|name| !dir.join(name).is_file()) {
        return Err(missing(name));
    }
    let names = match spec.files.is_empty() {
        true => in_folder(dir)?,
        false => listed(spec),
    };
    if names.is_empty() {
        return Err(missing(WHOLE));
    }
    match names.iter().find(|name| !dir.join(name).is_file()) {
        Some(name) => Err(missing(name)),
        None => Ok(names.iter().map(|name| dir.join(name)).collect()),
    }
}

/// Those that are listed: the one with the usual name, else all at the top.
fn listed(spec: &ModelSpec) -> BTreeSet<String> {
    let paths = spec.files.iter().map(|file| &file.path);
    let weights: BTreeSet<String> = paths
        .filter(|path| path.ends_with(".safetensors") && !path.contains('/'))
        .cloned()
        .collect();
    match weights.contains(WHOLE) {
        true => BTreeSet::from([WHOLE.to_owned()]),
        false => weights,
    }
}

/// Those of a folder that nobody has listed: the one with the usual name, else the shards that the index names.
fn in_folder(dir: &Path) -> Result<BTreeSet<String>, JobError> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    if dir.join(WHOLE).is_file() || !dir.join(INDEX).is_file() {
        return Ok(BTreeSet::from([WHOLE.to_owned()]));
    }
    let broken = |what: String| unavailable(format!("{INDEX}: {what}; fetch the model again"));
    let text = fs::read(dir.join(INDEX)).map_err(|error| broken(error.to_string()))?;
    let index: Index = serde_json::from_slice(&text).map_err(|error| broken(error.to_string()))?;
    let names: BTreeSet<String> = index.weight_map.into_values().collect();
    match names
        .iter()
        .find(|name| name.contains('/') || !name.ends_with(".safetensors"))
    {
        Some(odd) => Err(broken(format!("{odd:?} is not the name of a shard"))),
        None => Ok(names),
    }
}
