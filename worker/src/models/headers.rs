//! Holds the headers of a model's files against the files, before a library that believes them opens one.

use std::{fs, path::Path};

use lamplighter_readers::weights::{Mapped, WeightsError, gguf_check, open_inside, safetensors_check};
use lamplighter_shared::{
    job::JobError,
    model_spec::{Family, ModelSpec},
};

use super::{Files, conversion, unavailable};

/// The most files of a folder that are looked at.
const MAX_FILES: usize = 10_000;
/// How files end that are likely pickles of Python.
const PICKLES: [&str; 5] = ["bin", "ckpt", "pkl", "pt", "pth"];

/// Checks every safetensors and GGUF file of the model, and of what was made of its files.
///
/// # Errors
/// `model_unavailable`, saying what is wrong with which file and what to do. Also where there are only pickles.
pub fn check(spec: &ModelSpec, files: &Files) -> Result<(), JobError> {
    if matches!(spec.family, Family::Echo | Family::EchoJoint) {
        return Ok(());
    }
    let names = names(spec, &files.dir);
    let mut checked = 0;
    for name in &names {
        checked += usize::from(check_one(&files.dir, name)?);
    }
    if conversion(spec.family).is_some() {
        for name in listed(&files.converted) {
            check_one(&files.converted, &name)?;
        }
        return Ok(());
    }
    match names.iter().find(|name| PICKLES.contains(&ending(name))) {
        Some(pickle) if checked == 0 => Err(unavailable(format!(
            "{pickle} is likely a pickle of Python, which can hold a program and is not read; \
             use a safetensors or GGUF file of the model"
        ))),
        _ => Ok(()),
    }
}

/// The model's files: those that the catalogue lists, else those that are there.
fn names(spec: &ModelSpec, dir: &Path) -> Vec<String> {
    if spec.files.is_empty() {
        return listed(dir);
    }
    spec.files.iter().map(|file| file.path.clone()).collect()
}

fn listed(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .take(MAX_FILES)
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort_unstable();
    names
}

fn ending(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(_, ending)| ending)
}

/// Whether it is a file that has a header, and the header is true.
fn check_one(dir: &Path, name: &str) -> Result<bool, JobError> {
    if !dir.join(name).exists() {
        // The family says which of its files it misses.
        return Ok(false);
    }
    let told = |error: WeightsError| unavailable(format!("{name}: {error}"));
    let inside = || open_inside(dir, name).map_err(told);
    match ending(name) {
        "safetensors" => safetensors_check::check(&inside()?).map(|_| true).map_err(told),
        "gguf" => gguf(&inside()?).map(|()| true).map_err(told),
        _ => Ok(false),
    }
}

fn gguf(path: &Path) -> Result<(), WeightsError> {
    gguf_check::read(&Mapped::open(path)?).map(|_| ())
}
