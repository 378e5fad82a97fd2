//! Opens files of weights: regular ones, inside their folder, below a cap, mapped instead of read.

use std::{
    fs::File,
    io,
    ops::Deref,
    path::{Path, PathBuf},
};

use memmap2::Mmap;

use super::{WeightsError, error::TOO_LARGE};

/// The largest file that is opened, in bytes (64 GiB).
const MAX_FILE: u64 = 64 << 30;

/// The path of `name` below `dir`, where the file really is below it: a link that leads out of the folder could
/// name any file of this machine.
///
/// # Errors
/// Where there is no such file, or it is elsewhere.
pub fn open_inside(dir: &Path, name: &str) -> Result<PathBuf, WeightsError> {
    let path = dir.join(name);
    let real = |path: &Path| path.canonicalize().map_err(|error| WeightsError::io(path, error));
    let (real_dir, real_path) = (real(dir)?, real(&path)?);
    if real_path.starts_with(&real_dir) {
        return Ok(real_path);
    }
    Err(WeightsError::refused(
        format!(
            "{} is a link to a file outside of the model's folder",
            path.display()
        ),
        "put the file itself there",
    ))
}

/// The bytes of a file; none where it is empty, of which nothing can be mapped.
#[derive(Debug)]
pub struct Mapped(Option<Mmap>);

impl Mapped {
    /// Maps a file: its pages are read when they are looked at, and take memory that can be had back.
    ///
    /// # Errors
    /// Where it can't be opened, is not a file, or is larger than 64 GiB.
    pub fn open(path: &Path) -> Result<Self, WeightsError> {
        let (file, size) = regular(path)?;
        if size == 0 {
            return Ok(Self(None));
        }
        // SAFETY: the file is opened for reading and nothing here writes to a model's files: they are put in place
        // whole, by a rename, and replaced in the same way, which leaves what is mapped untouched.
        let map = unsafe { Mmap::map(&file) };
        map.map(|map| Self(Some(map)))
            .map_err(|error| WeightsError::io(path, error))
    }
}

impl Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }
}

/// Opens what must be a file of at most [`MAX_FILE`] bytes, and says how many it has.
pub(super) fn regular(path: &Path) -> Result<(File, u64), WeightsError> {
    let io = |error| WeightsError::io(path, error);
    // Asked before it is opened: opening a pipe would wait for whoever fills it.
    if !std::fs::metadata(path).map_err(io)?.is_file() {
        return Err(io(io::Error::other("not a file")));
    }
    let file = File::open(path).map_err(io)?;
    let found = file.metadata().map_err(io)?;
    if !found.is_file() {
        return Err(io(io::Error::other("not a file")));
    }
    if found.len() > MAX_FILE {
        return Err(WeightsError::refused(
            format!(
                "{} has {} bytes, and {MAX_FILE} is the most",
                path.display(),
                found.len()
            ),
            TOO_LARGE,
        ));
    }
    Ok((file, found.len()))
}
