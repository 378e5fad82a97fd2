//! The folder a model is put together in, beside its place, and how it gets there. It stays when fetching
//! breaks off, so that the next attempt goes on where this one ended.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use lamplighter_shared::model_spec::Source;
use sha2::{Digest, Sha256};

use super::hex;

/// The staging folder of a model, with one below it for each source.
pub(super) struct Staging(PathBuf);

impl Staging {
    /// That of the model `id`.
    pub(super) fn of(models_dir: &Path, id: &str) -> Self {
        Self(models_dir.join(format!(".{id}.partial")))
    }

    /// What has arrived from this source so far; made where it is not there.
    pub(super) fn folder_of(&self, source: &Source) -> io::Result<PathBuf> {
        let name = hex(&Sha256::digest(String::from(source.clone())));
        let dir = self.0.join(&name[..16]);
        fs::create_dir_all(&dir)?;
        Ok(dir)
    }

    /// A place for what has to make room.
    pub(super) fn aside(&self) -> PathBuf {
        self.0.join("old")
    }

    /// After a failure: what has arrived stays where it is of use to the next attempt, all else goes.
    pub(super) fn settle(&self, scratch: &Path, of_use: bool) -> io::Result<()> {
        for what in ["incoming", "tmp"] {
            remove(&scratch.join(what))?;
        }
        match fs::remove_file(scratch.join("pip.log")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        if !of_use || bytes_in(scratch) == 0 {
            remove(scratch)?;
        }
        // Goes only where nothing else has arrived.
        let _ = fs::remove_dir(&self.0);
        Ok(())
    }

    /// Takes it away, with all that has arrived.
    pub(super) fn clear(&self) -> io::Result<()> {
        remove(&self.0)
    }
}

/// Takes a folder away, if it is there.
pub(super) fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes the files durable, then swaps them in. What was there (a broken copy: it did not verify) goes
/// aside first, since a folder can't be renamed onto one that is not empty.
pub(crate) fn put_in_place(files: &Path, target: &Path, aside: &Path) -> io::Result<()> {
    sync(files)?;
    remove(aside)?;
    match fs::rename(target, aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::rename(files, target)?;
    target
        .parent()
        .map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

fn sync(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync(&entry.path())?
        } else {
            File::open(entry.path())?.sync_all()?
        }
    }
    File::open(dir)?.sync_all()
}

/// Bytes of all files below `dir`, as far as they can be seen while others move them about.
pub(super) fn bytes_in(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else {
        return 0;
    };
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => bytes_in(&entry.path()),
        Ok(found) => found.len(),
        Err(_) => 0,
    };
    entries.filter_map(Result::ok).map(size).sum()
}
