//! What is made of a model's files, once, where its family can't read them as they are: a folder of its own in the
//! models folder (`.converted/ID-DIGEST`). It is there whole or not at all, and one made of other files is not used.
//!
//! It is made by [a process of its own](process): nobody vouches for the files.

pub mod child;
mod list;
pub mod process;

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use lamplighter_shared::{
    error::ErrorCode,
    job::JobError,
    model_spec::{Family, ModelSpec},
};
use sha2::{Digest, Sha256};
use tokio::task::spawn_blocking;

use crate::{
    models::{self, Files},
    weights,
};
use process::{Limits, Request};

/// Which version of its conversion a family has: another one where another file is made of the same files. What was
/// made by an earlier version is made again; that of a later one is left to whoever needs it.
fn version(family: Family) -> u32 {
    match family {
        Family::Llama => 1,
        Family::EfficientnetLite | Family::Mtcnn | Family::Easyocr => 1,
        Family::Whisper => 1,
        Family::Bert | Family::SileroVad | Family::Echo | Family::EchoJoint => 0,
    }
}

/// The files of a model as its family reads them: those in `dir`, and what is made of them here, by the hidden
/// command of `program`. What was made before is read and checked, and made again where it is not what it was. Blocks.
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
            limits: Limits::for_model(spec, dir),
        };
        process::run(program, &request)
    })
}

/// Makes what was made of a model's files again where it is gone: somebody may have taken it away since.
///
/// # Errors
/// As [`files`].
pub async fn present(
    spec: &ModelSpec,
    files: &Files,
    models_dir: &Path,
    program: &Path,
) -> Result<(), JobError> {
    if models::conversion(spec.family).is_none() || files.converted.is_dir() {
        return Ok(());
    }
    let (spec, dir) = (spec.clone(), files.dir.clone());
    let (models_dir, program) = (models_dir.to_owned(), program.to_owned());
    let made = spawn_blocking(move || self::files(&spec, &dir, &models_dir, &program));
    match made.await {
        Ok(made) => made.map(|_| ()),
        Err(error) => Err(unavailable(format!("the conversion broke off: {error}"))),
    }
}

/// Checks what was made of a model's files, if anything was.
///
/// # Errors
/// What is wrong, and what to do.
pub fn check(spec: &ModelSpec, models_dir: &Path) -> Result<(), String> {
    let made = place(spec, models_dir);
    if models::conversion(spec.family).is_none() || !made.is_dir() {
        return Ok(());
    }
    list::check(&made).map_err(|error| {
        let made = made.display();
        format!("{made}: {error}; remove this folder: it is made again when the model is used")
    })
}

fn absolute(dir: &Path) -> Result<PathBuf, JobError> {
    dir.canonicalize()
        .map_err(|error| unavailable(format!("{}: {error}", dir.display())))
}

/// Fills an empty folder with what is made.
type Make<'a> = &'a dyn Fn(&Path) -> Result<(), JobError>;

fn converted(spec: &ModelSpec, dir: &Path, models_dir: &Path, make: Make<'_>) -> Result<Files, JobError> {
    let folder = folder(models_dir);
    let failed = |error: io::Error| unavailable(format!("{}: {error}", folder.display()));
    let target = place(spec, models_dir);
    let files = Files {
        dir: dir.to_owned(),
        converted: target.clone(),
    };
    if list::check(&target).is_ok() {
        return Ok(files);
    }
    fs::create_dir_all(&folder).map_err(failed)?;
    let lock = File::create(folder.join(format!(".{}.lock", spec.id))).map_err(failed)?;
    // Held until it is dropped; the system lets go of it if we die.
    lock.lock().map_err(failed)?;
    match list::check(&target) {
        Ok(()) => return Ok(files),
        Err(error) if target.is_dir() => {
            tracing::warn!(model = spec.id, %error, "what was made of the model's files is not what it was");
        }
        Err(_) => {}
    }
    let draft = folder.join(format!(".{}.partial", spec.id));
    let old = folder.join(format!(".{}.old", spec.id));
    remove(&draft).map_err(failed)?;
    fs::create_dir(&draft).map_err(failed)?;
    tracing::info!(model = spec.id, "converting the model's files, once");
    if let Err(error) = make(&draft).and_then(|()| list::write(&draft)) {
        remove(&draft).map_err(failed)?;
        return Err(error);
    }
    forget_others(&folder, spec).map_err(failed)?;
    weights::put_in_place(&draft, &target, &old).map_err(failed)?;
    remove(&old).map_err(failed)?;
    Ok(files)
}

fn folder(models_dir: &Path) -> PathBuf {
    models_dir.join(".converted")
}

/// Where what is made of these files stands: conversions of different files, and different conversions, are told
/// from each other by the name.
fn place(spec: &ModelSpec, models_dir: &Path) -> PathBuf {
    let mut lines: Vec<String> = spec
        .files
        .iter()
        .map(|file| format!("{} {}\n", file.sha256.to_ascii_lowercase(), file.path))
        .collect();
    lines.sort_unstable();
    lines.push(format!("{:?}\n", spec.family));
    let digest = weights::hex(&Sha256::digest(lines.concat()));
    let version = version(spec.family);
    folder(models_dir).join(format!("{}-{}-{version}", spec.id, &digest[..DIGITS]))
}

/// Digits of the digest in a name.
const DIGITS: usize = 16;

/// What was made of earlier files of the model is of no use any more; nor is what an earlier conversion made.
fn forget_others(folder: &Path, spec: &ModelSpec) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let made_by = name.and_then(|name| version_in(name, &spec.id));
        if made_by.is_some_and(|made_by| made_by <= version(spec.family)) {
            remove(&path)?;
        }
    }
    Ok(())
}

/// Which version made a folder of this name, if it is one of the model's. Names had none once.
fn version_in(name: &str, id: &str) -> Option<u32> {
    let rest = name.strip_prefix(id)?.strip_prefix('-')?;
    let (digest, version) = rest.split_once('-').unwrap_or((rest, "0"));
    let is_digest = digest.len() == DIGITS && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    version.parse().ok().filter(|_| is_digest)
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
mod tests;
