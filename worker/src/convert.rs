//! What is made of a model's files, once, where its family can't read them as they are: a folder of its own in the
//! models folder (`.converted/ID-DIGEST`). It is there whole or not at all, and one made of other files is not used.
//!
//! It is made by [a process of its own](process): nobody vouches for the files.

pub mod child;
pub mod process;

use std::{
    fs::{self, File},
    io,
    path::Path,
};

use lamplighter_shared::{error::ErrorCode, job::JobError, model_spec::ModelSpec};
use sha2::{Digest, Sha256};

use crate::{
    models::{self, Files},
    weights,
};
use process::{Limits, Request};

/// The files of a model as its family reads them: those in `dir`, and what is made of them here, by the hidden
/// command of `program`. Blocks.
///
/// # Errors
/// `model_unavailable`, where they can't be read or there is no room.
pub fn files(spec: &ModelSpec, dir: &Path, models_dir: &Path, program: &Path) -> Result<Files, JobError> {
    if models::conversion(spec.family).is_none() {
        return Ok(Files::plain(dir));
    }
    converted(spec, dir, models_dir, &|draft| {
        let request = Request {
            spec: spec.clone(),
            dir: absolute(dir)?,
            out: absolute(draft)?,
            limits: Limits::for_folder(dir),
        };
        process::run(program, &request)
    })
}

fn absolute(dir: &Path) -> Result<std::path::PathBuf, JobError> {
    dir.canonicalize()
        .map_err(|error| unavailable(format!("{}: {error}", dir.display())))
}

/// Fills an empty folder with what is made.
type Make<'a> = &'a dyn Fn(&Path) -> Result<(), JobError>;

fn converted(spec: &ModelSpec, dir: &Path, models_dir: &Path, make: Make<'_>) -> Result<Files, JobError> {
    let folder = models_dir.join(".converted");
    let failed = |error: io::Error| unavailable(format!("{}: {error}", folder.display()));
    let target = folder.join(format!("{}-{}", spec.id, name_of(spec)));
    let files = Files {
        dir: dir.to_owned(),
        converted: target.clone(),
    };
    if target.is_dir() {
        return Ok(files);
    }
    fs::create_dir_all(&folder).map_err(failed)?;
    let lock = File::create(folder.join(format!(".{}.lock", spec.id))).map_err(failed)?;
    // Held until it is dropped; the system lets go of it if we die.
    lock.lock().map_err(failed)?;
    if target.is_dir() {
        return Ok(files);
    }
    let draft = folder.join(format!(".{}.partial", spec.id));
    remove(&draft).map_err(failed)?;
    fs::create_dir(&draft).map_err(failed)?;
    tracing::info!(model = spec.id, "converting the model's files, once");
    if let Err(error) = make(&draft) {
        remove(&draft).map_err(failed)?;
        return Err(error);
    }
    forget_others(&folder, &spec.id).map_err(failed)?;
    weights::put_in_place(&draft, &target, &folder.join(format!(".{}.old", spec.id))).map_err(failed)?;
    Ok(files)
}

/// Tells conversions of different files, and by different versions of this program, from each other.
fn name_of(spec: &ModelSpec) -> String {
    let mut lines: Vec<String> = spec
        .files
        .iter()
        .map(|file| format!("{} {}\n", file.sha256.to_ascii_lowercase(), file.path))
        .collect();
    lines.sort_unstable();
    lines.push(env!("CARGO_PKG_VERSION").to_owned());
    weights::hex(&Sha256::digest(lines.concat()))[..16].to_owned()
}

/// What was made of earlier files of the model is of no use any more.
fn forget_others(folder: &Path, id: &str) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let digest = name.strip_prefix(id).and_then(|rest| rest.strip_prefix('-'));
        if digest.is_some_and(|digest| digest.len() == 16 && digest.bytes().all(|b| b.is_ascii_hexdigit())) {
            remove(&path)?;
        }
    }
    Ok(())
}

fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn unavailable(detail: impl Into<String>) -> JobError {
    JobError::new(ErrorCode::ModelUnavailable, detail)
}

#[cfg(test)]
mod tests {
    use lamplighter_shared::model_spec::{Catalog, ModelFile};

    use super::*;

    fn spec(sha256: &str) -> ModelSpec {
        let mut spec = Catalog::built_in().get("minilm").expect("built in").clone();
        spec.id = "small".to_owned();
        spec.files = vec![ModelFile {
            path: "w".to_owned(),
            sha256: sha256.to_owned(),
            size: 1,
        }];
        spec
    }

    fn refuse(out: &Path) -> Result<(), JobError> {
        fs::write(out.join("half"), "").expect("written");
        Err(unavailable("it lies"))
    }

    #[test]
    fn it_is_made_once_of_the_same_files_and_never_by_halves() {
        let (models, dir) = (
            tempfile::tempdir().expect("a folder"),
            tempfile::tempdir().expect("a folder"),
        );
        fs::write(dir.path().join("w"), "1").expect("written");
        let made = |make: Make<'_>, digest: &str| converted(&spec(digest), dir.path(), models.path(), make);
        let copy: Make<'_> = &|out| {
            fs::copy(dir.path().join("w"), out.join("made")).expect("copied");
            Ok(())
        };
        let refuse: Make<'_> = &refuse;
        let left = models.path().join(".converted/.small.partial");
        fs::create_dir_all(left.join("by a process that was killed")).expect("a folder");
        assert!(made(refuse, "aa").is_err());
        assert!(
            !models.path().join(".converted/.small.partial").exists(),
            "nothing is left of it"
        );
        let first = made(copy, "aa").expect("made");
        assert_eq!(fs::read(first.converted.join("made")).expect("a file"), b"1");
        assert_eq!(made(refuse, "aa").expect("there already"), first);
        let second = made(copy, "bb").expect("made");
        assert_ne!(second.converted, first.converted);
        assert!(!first.converted.exists(), "what nobody reads any more is gone");
        let folders = fs::read_dir(models.path().join(".converted"))
            .expect("a folder")
            .flatten();
        assert_eq!(folders.filter(|entry| entry.path().is_dir()).count(), 1);
    }
}
