//! Whether files are what the catalogue says: size first, which is quick, then SHA-256.

use std::{
    fmt::{self, Write as _},
    fs::File,
    io::{self, Read},
    path::Path,
};

use lamplighter_shared::model_spec::{ModelFile, ModelSpec};
use sha2::{Digest, Sha256};

/// A file is not what the catalogue says.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {problem}")]
pub struct FileError {
    /// Its path below the model's folder.
    pub file: String,
    /// What is wrong.
    pub problem: Problem,
}

impl FileError {
    /// What to do, as the rest of a sentence that says what is wrong.
    pub(super) fn advice(&self, model: &str) -> String {
        let again = format!("; fetch it again (`lamplighter models pull {model}`)");
        match self.problem {
            Problem::Unreadable(_) => again,
            Problem::Size { .. } | Problem::Digest { .. } => {
                again + ", or, where the file is right, correct its sha256 and size in models.toml"
            }
        }
    }
}

/// What is wrong with a file.
#[derive(Debug)]
pub enum Problem {
    /// It is not there, or can't be read.
    Unreadable(io::Error),
    /// Its size differs.
    Size {
        /// Bytes, by the catalogue.
        expected: u64,
        /// Bytes found (at least).
        found: u64,
    },
    /// Its contents differ.
    Digest {
        /// SHA-256 by the catalogue, hexadecimal.
        expected: String,
        /// SHA-256 found.
        found: String,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) if error.kind() == io::ErrorKind::NotFound => f.write_str("is missing"),
            Self::Unreadable(error) => write!(f, "can't be read: {error}"),
            Self::Size { expected, found } => {
                write!(f, "wrong size: {expected} bytes expected, {found} found")
            }
            Self::Digest { expected, found } => {
                write!(f, "wrong SHA-256: {expected} expected, {found} found")
            }
        }
    }
}

/// Checks every file of the model in `dir`.
///
/// # Errors
/// The first file that is not what the catalogue says.
pub fn verify(spec: &ModelSpec, dir: &Path) -> Result<(), FileError> {
    verify_files(&spec.files, dir)
}

/// The same, of these files.
pub(crate) fn verify_files(files: &[ModelFile], dir: &Path) -> Result<(), FileError> {
    files.iter().try_for_each(|file| {
        check(file, &dir.join(&file.path)).map_err(|problem| FileError {
            file: file.path.clone(),
            problem,
        })
    })
}

fn check(expected: &ModelFile, path: &Path) -> Result<(), Problem> {
    let (mut file, size) = open(path)?;
    if size != expected.size {
        return Err(Problem::Size {
            expected: expected.size,
            found: size,
        });
    }
    let found = hash(&mut file)?;
    if found.eq_ignore_ascii_case(&expected.sha256) {
        Ok(())
    } else {
        Err(Problem::Digest {
            expected: expected.sha256.clone(),
            found,
        })
    }
}

/// Size and SHA-256 (hexadecimal) of a file.
pub(super) fn digest_of(path: &Path) -> Result<(u64, String), Problem> {
    let (mut file, size) = open(path)?;
    Ok((size, hash(&mut file)?))
}

fn open(path: &Path) -> Result<(File, u64), Problem> {
    let file = File::open(path).map_err(Problem::Unreadable)?;
    let found = file.metadata().map_err(Problem::Unreadable)?;
    if !found.is_file() {
        return Err(Problem::Unreadable(io::Error::other("not a file")));
    }
    Ok((file, found.len()))
}

fn hash(file: &mut File) -> Result<String, Problem> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    loop {
        match file.read(&mut buffer).map_err(Problem::Unreadable)? {
            0 => return Ok(hex(&hash.finalize())),
            n => hash.update(&buffer[..n]),
        }
    }
}

/// Bytes as lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a string can't fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}
