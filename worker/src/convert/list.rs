//! What was made of a model's files, file by file with its digest: a conversion is checked like what was fetched.

use std::{fs, io, path::Path};

use lamplighter_shared::{job::JobError, model_spec::ModelFile};
use serde::{Deserialize, Serialize};

use super::unavailable;
use crate::weights;

/// The list, beside the files.
pub(super) const FILE: &str = "digests.toml";

#[derive(Serialize, Deserialize)]
struct List {
    files: Vec<ModelFile>,
}

/// Writes the list of what is in a folder.
pub(super) fn write(dir: &Path) -> Result<(), JobError> {
    let failed = |what: String| unavailable(format!("{}: {what}", dir.display()));
    let names = names(dir).map_err(|error| failed(error.to_string()))?;
    let files = weights::found(dir, &names).map_err(|error| failed(error.to_string()))?;
    let text = toml::to_string(&List { files }).map_err(|error| failed(error.to_string()))?;
    fs::write(dir.join(FILE), text).map_err(|error| failed(error.to_string()))
}

/// Whether a folder holds what its list says, all of it and nothing else; reads it.
pub(super) fn check(dir: &Path) -> Result<(), String> {
    let said = |what: &dyn std::fmt::Display| format!("{FILE}: {what}");
    let text = fs::read_to_string(dir.join(FILE)).map_err(|error| said(&error))?;
    let list: List = toml::from_str(&text).map_err(|error| said(&error))?;
    let names = names(dir).map_err(|error| error.to_string())?;
    let listed = |name: &&String| list.files.iter().any(|file| file.path == **name);
    if let Some(more) = names.iter().find(|name| !listed(name)) {
        return Err(format!("{more}: was not made here"));
    }
    weights::verify_files(&list.files, dir).map_err(|error| error.to_string())
}

/// The files of a folder but for the list, sorted. Conversions make no folders.
fn names(dir: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name().into_string();
        names.push(name.map_err(|name| io::Error::other(format!("{name:?} is not a name")))?);
    }
    names.retain(|name| name != FILE);
    names.sort_unstable();
    Ok(names)
}
