//! What is of a model on this machine, without asking anybody else.

use std::{
    fs,
    path::{Path, PathBuf},
};

use lamplighter_shared::model_spec::{ModelSpec, Source};

use super::{
    PullError, SourceError, Wanted, ensure,
    record::{self, with_recorded},
    verify::verify,
};

/// The folder that holds the model's files, if all are there by name and size; reads none of them.
pub fn find(spec: &ModelSpec, models_dir: &Path) -> Option<PathBuf> {
    if !Wanted::from(spec).has_files {
        return Some(models_dir.join(&spec.id));
    }
    let known = with_recorded(spec, models_dir);
    let complete = |dir: &PathBuf| {
        let here = |path: &str| fs::metadata(dir.join(path)).ok().filter(fs::Metadata::is_file);
        let mut files = known.files.iter();
        dir.is_dir() && files.all(|file| here(&file.path).is_some_and(|found| found.len() == file.size))
    };
    folders(spec, models_dir).into_iter().find(complete)
}

/// The model with what is known of its files, and the folder that has them, every one verified. Fetches nothing;
/// of a model that is used where it is, and of which nothing is recorded yet, what is there is recorded.
///
/// # Errors
/// Where they are not here, or are not what they were.
pub fn verified(spec: &ModelSpec, models_dir: &Path) -> Result<(ModelSpec, PathBuf), PullError> {
    if !Wanted::from(spec).has_files {
        return Ok((spec.clone(), models_dir.join(&spec.id)));
    }
    let known = with_recorded(spec, models_dir);
    if known.files.is_empty() {
        let mut here = spec.clone();
        here.sources.retain(|source| matches!(source, Source::Path(_)));
        if here.sources.is_empty() {
            return Err(PullError::NotHere {
                model: spec.id.clone(),
            });
        }
        let dir = ensure(&here, models_dir, &|_| {})?;
        return Ok((with_recorded(spec, models_dir), dir));
    }
    let mut failures = Vec::new();
    for dir in folders(spec, models_dir) {
        let error = match verify(&known, &dir) {
            Ok(()) => return Ok((known, dir)),
            Err(error) if spec.files.is_empty() => SourceError::Changed {
                error,
                record: record::place(models_dir, &spec.id),
            },
            Err(error) => SourceError::File(error),
        };
        failures.push((dir.display().to_string(), error));
    }
    Err(PullError::Broken {
        model: spec.id.clone(),
        failures,
    })
}

/// Where the model's files may be, best first.
fn folders(spec: &ModelSpec, models_dir: &Path) -> Vec<PathBuf> {
    let own = models_dir.join(&spec.id);
    let paths = spec.sources.iter().filter_map(|source| match source {
        Source::Path(dir) => Some(dir.clone()),
        Source::Hf { .. } | Source::Pypi(_) => None,
    });
    if !spec.files.is_empty() {
        return std::iter::once(own).chain(paths).collect();
    }
    let record = record::read(models_dir, &Wanted::from(spec)).ok().flatten();
    match record.map(|record| Source::try_from(record.source)) {
        // What is in the models folder may be from an earlier source.
        Some(Ok(Source::Path(dir))) => [dir, own].into_iter().chain(paths).collect(),
        Some(_) => std::iter::once(own).chain(paths).collect(),
        None => paths.collect(),
    }
}
