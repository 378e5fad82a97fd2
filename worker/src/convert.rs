//! What is made of a model's files, once, where its family can't read them as they are: a folder of its own in the
//! models folder (`.converted/ID-DIGEST`). It is there whole or not at all, and one made of other files is not used.

use std::{
    fs::{self, File},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use lamplighter_shared::{error::ErrorCode, job::JobError, model_spec::ModelSpec};
use sha2::{Digest, Sha256};

use crate::{
    models::{self, Convert, Files},
    weights,
};

/// The files of a model as its family reads them: those in `dir`, and what is made of them here.
///
/// # Errors
/// `model_unavailable`, where they can't be read or there is no room.
pub fn files(spec: &ModelSpec, dir: &Path, models_dir: &Path) -> Result<Files, JobError> {
    match models::conversion(spec.family) {
        None => Ok(Files::plain(dir)),
        Some(convert) => converted(convert, spec, dir, models_dir),
    }
}

fn converted(convert: Convert, spec: &ModelSpec, dir: &Path, models_dir: &Path) -> Result<Files, JobError> {
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
    let made = catch_unwind(AssertUnwindSafe(|| convert(spec, dir, &draft)))
        .unwrap_or_else(|_| Err(unavailable("the model's files could not be converted: a panic")));
    if let Err(error) = made {
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

    fn copy(_: &ModelSpec, dir: &Path, out: &Path) -> Result<(), JobError> {
        let text = fs::read(dir.join("w")).map_err(|error| unavailable(error.to_string()))?;
        fs::write(out.join("made"), text).map_err(|error| unavailable(error.to_string()))
    }

    fn refuse(_: &ModelSpec, _: &Path, out: &Path) -> Result<(), JobError> {
        fs::write(out.join("half"), "").expect("written");
        Err(unavailable("it lies"))
    }

    fn panic(_: &ModelSpec, _: &Path, _: &Path) -> Result<(), JobError> {
        panic!("a bug")
    }

    #[test]
    fn it_is_made_once_of_the_same_files_and_never_by_halves() {
        let (models, dir) = (
            tempfile::tempdir().expect("a folder"),
            tempfile::tempdir().expect("a folder"),
        );
        fs::write(dir.path().join("w"), "1").expect("written");
        let made =
            |convert: Convert, digest: &str| converted(convert, &spec(digest), dir.path(), models.path());
        for convert in [refuse as Convert, panic] {
            assert!(made(convert, "aa").is_err());
        }
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
