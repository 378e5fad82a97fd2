//! The file that keys are kept in: read again when it changes, never written in place. Not here: what its lines
//! say (`ring`).

use std::{
    fs, io,
    io::Write,
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::ring::Ring;

/// The file that a process has its keys from.
pub(super) struct KeyFile {
    path: PathBuf,
    /// Of what was read last, or tried.
    seen: Mutex<Stamp>,
}

/// What a file differs by from another one at the same place: inode, time of its last change, length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp(u64, (i64, i64), u64);

impl Stamp {
    fn of(path: &Path) -> io::Result<Self> {
        let file = fs::metadata(path)?;
        Ok(Self(file.ino(), (file.ctime(), file.ctime_nsec()), file.len()))
    }
}

impl KeyFile {
    /// The file, and the keys in it.
    ///
    /// # Errors
    /// Where it can't be read, or holds no key.
    pub fn open(path: &Path) -> io::Result<(Self, Ring)> {
        // Before it is read: what changes meanwhile is read again.
        let seen = Mutex::new(Stamp::of(path)?);
        let file = Self {
            path: path.to_owned(),
            seen,
        };
        Ok((file, read(path)?))
    }

    /// Whether it is another one than was read last.
    pub fn has_changed(&self) -> bool {
        Stamp::of(&self.path).is_ok_and(|found| *self.seen() != found)
    }

    /// Hands its keys on where it is another one than was read last. Returns when they are handed on, also by
    /// somebody else. A file that is away has not changed.
    ///
    /// # Errors
    /// Where it can't be read, or holds no key; once for each change.
    pub fn read_changed(&self, take: impl FnOnce(Ring)) -> io::Result<()> {
        let mut seen = self.seen();
        match Stamp::of(&self.path) {
            Ok(found) if *seen != found => {
                *seen = found;
                read(&self.path).map(take)
            }
            _ => Ok(()),
        }
    }

    fn seen(&self) -> MutexGuard<'_, Stamp> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the keys of a file.
///
/// # Errors
/// Where it can't be read, or holds no key.
pub(super) fn read(path: &Path) -> io::Result<Ring> {
    let text = fs::read_to_string(path)?;
    if fs::metadata(path)?.permissions().mode() & 0o077 != 0 {
        tracing::warn!(path = %path.display(), "the key file can be read by others than its owner; make it mode 0600");
    }
    Ring::parse(&text).map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", path.display())))
}

/// Writes a file beside this one, so that nobody ever reads half of it.
///
/// # Errors
/// Where the folder can't be written.
pub(super) fn write_aside(path: &Path, ring: &Ring) -> io::Result<PathBuf> {
    let aside = path.with_extension(format!("new-{}", uuid::Uuid::now_v7().simple()));
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(&aside)?;
    let written = file
        .write_all(ring.text()?.as_bytes())
        .and_then(|()| file.sync_all());
    match written {
        Ok(()) => Ok(aside),
        Err(error) => fs::remove_file(&aside).and(Err(error)),
    }
}

/// Puts these keys in a file's place.
///
/// # Errors
/// Where the folder can't be written.
pub(super) fn replace(path: &Path, ring: &Ring) -> io::Result<()> {
    fs::rename(write_aside(path, ring)?, path)
}
