//! Digests of files that no catalogue lists: what was found when they were first fetched is written down beside
//! the model (`ID.lock.toml` in the models folder) and holds from then on.

use std::{
    fs, io,
    io::Write as _,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use lamplighter_shared::model_spec::{ModelFile, ModelSpec};
use serde::{Deserialize, Serialize};

use super::{FileError, SourceError, Wanted, verify};

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// Where the files were found.
    pub(super) source: String,
    /// The files.
    pub(super) files: Vec<ModelFile>,
}

/// Where the record of a model stands.
pub(super) fn place(models_dir: &Path, id: &str) -> PathBuf {
    models_dir.join(format!("{id}.lock.toml"))
}

/// The record of a model, if there is one that still is about the files that are meant: found at one of the entry's
/// sources, and those that it names, where it names some.
///
/// # Errors
/// Where it is there and can't be read.
pub(super) fn read(models_dir: &Path, wanted: &Wanted<'_>) -> io::Result<Option<Record>> {
    let text = match fs::read_to_string(place(models_dir, wanted.id)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let record: Record = toml::from_str(&text).map_err(io::Error::other)?;
    let of_source = wanted
        .sources
        .iter()
        .any(|source| String::from(source.clone()) == record.source);
    let there = |name: &String| record.files.iter().any(|file| file.path == *name);
    let named = |file: &ModelFile| wanted.only.is_empty() || wanted.only.contains(&file.path);
    let of_files = wanted.only.iter().all(there) && record.files.iter().all(named);
    Ok((of_source && of_files).then_some(record))
}

/// Writes down what was found.
pub(super) fn write(models_dir: &Path, id: &str, record: &Record) -> io::Result<()> {
    fs::create_dir_all(models_dir)?;
    let about = format!(
        "# What the files of {id} were when they were first fetched: they are checked against this from then on.\n\
         # Where you have changed them yourself, remove this file, and what is there then is recorded anew.\n"
    );
    let text = about + &toml::to_string(record).map_err(io::Error::other)?;
    let place = place(models_dir, id);
    let mut draft = tempfile::NamedTempFile::new_in(models_dir)?;
    draft.write_all(text.as_bytes())?;
    // Whoever shares the folder may read it, as they may read the files.
    draft
        .as_file()
        .set_permissions(fs::Permissions::from_mode(0o644))?;
    draft.as_file().sync_all()?;
    draft.persist(place).map_err(|refused| refused.error)?;
    Ok(())
}

/// The files in a folder, with the size and digest that they have now.
///
/// # Errors
/// The first that can't be read.
pub(crate) fn found(dir: &Path, names: &[String]) -> Result<Vec<ModelFile>, SourceError> {
    let file = |name: &String| {
        let (size, sha256) = verify::digest_of(&dir.join(name)).map_err(|problem| FileError {
            file: name.clone(),
            problem,
        })?;
        Ok(ModelFile {
            path: name.clone(),
            sha256,
            size,
        })
    };
    names.iter().map(file).collect()
}

/// The model with the files that were recorded of it, where its entry lists none: what it is then is known as
/// exactly as that of a model whose entry lists them.
pub fn with_recorded(spec: &ModelSpec, models_dir: &Path) -> ModelSpec {
    let mut spec = spec.clone();
    if spec.files.is_empty()
        && spec.family.has_files()
        && let Ok(Some(record)) = read(models_dir, &Wanted::from(&spec))
    {
        spec.files = record.files;
    }
    spec
}
