//! Opens files of weights: regular ones, inside their folder, below a cap, mapped instead of read.

use std::{
    fs::File,
    io::{self, Read},
    ops::Deref,
    path::{Path, PathBuf},
};

use memmap2::{Mmap, MmapMut};

use super::{
    WeightsError,
    error::{DAMAGED, TOO_LARGE},
};

/// The largest file that is opened, in bytes (64 GiB).
pub const MAX_FILE: u64 = 64 << 30;
/// The largest file that is put together from parts, in bytes (4 GiB): it is held in memory.
const MAX_JOINED: u64 = 4 << 30;

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

/// The bytes of a file.
#[derive(Debug)]
pub struct Mapped(Backing);

#[derive(Debug)]
enum Backing {
    /// Nothing can be mapped of an empty file.
    Empty,
    File(Mmap),
    Joined(MmapMut),
}

impl Mapped {
    /// Maps a file: its pages are read when they are looked at, and take memory that can be had back.
    ///
    /// # Errors
    /// Where it can't be opened, is not a file, or is larger than [`MAX_FILE`].
    pub fn open(path: &Path) -> Result<Self, WeightsError> {
        let (file, size) = regular(path, MAX_FILE)?;
        if size == 0 {
            return Ok(Self(Backing::Empty));
        }
        // SAFETY: the file is opened for reading and nothing here writes to a model's files: they are put in place
        // whole, by a rename, and replaced in the same way, which leaves what is mapped untouched.
        let map = unsafe { Mmap::map(&file) };
        map.map(|map| Self(Backing::File(map)))
            .map_err(|error| WeightsError::io(path, error))
    }

    /// The bytes of one file that was published in parts, in their order. More than one part are read into memory.
    ///
    /// # Errors
    /// As [`Mapped::open`]; where there is no part, and where they have more than 4 GiB together.
    pub fn open_parts(paths: &[PathBuf]) -> Result<Self, WeightsError> {
        if let [path] = paths {
            return Self::open(path);
        }
        let mut parts = Vec::with_capacity(paths.len());
        let mut total = 0_u64;
        for path in paths {
            let (file, size) = regular(path, MAX_JOINED)?;
            // Below 4 GiB each; a path list is no longer than a catalogue's entry.
            total += size;
            parts.push((path, file, size));
        }
        if total == 0 || total > MAX_JOINED {
            return Err(WeightsError::refused(
                format!("the parts have {total} bytes together, and 1 to {MAX_JOINED} are taken"),
                TOO_LARGE,
            ));
        }
        let mut map = MmapMut::map_anon(total as usize).map_err(|error| WeightsError::io("memory", error))?;
        let mut at = 0;
        for (path, mut file, size) in parts {
            let end = at + size as usize;
            file.read_exact(&mut map[at..end])
                .map_err(|error| WeightsError::io(path, error))?;
            at = end;
        }
        Ok(Self(Backing::Joined(map)))
    }
}

impl Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Backing::Empty => &[],
            Backing::File(map) => map,
            Backing::Joined(map) => map,
        }
    }
}

/// Opens what must be a file of at most `cap` bytes, and says how many it has.
pub(super) fn regular(path: &Path, cap: u64) -> Result<(File, u64), WeightsError> {
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
    if found.len() > cap {
        return Err(WeightsError::refused(
            format!(
                "{} has {} bytes, and {cap} is the most",
                path.display(),
                found.len()
            ),
            if cap == MAX_FILE { TOO_LARGE } else { DAMAGED },
        ));
    }
    Ok((file, found.len()))
}
