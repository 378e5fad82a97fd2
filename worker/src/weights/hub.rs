//! Files from a model hub (`hf:OWNER/NAME@REVISION`).
//!
//! Nothing that a hub says becomes a path here: a file arrives in a part of our scratch folder whose name is made of
//! digests, and goes to its place once it is whole. A part that broke off is gone on with, where the hub says that
//! the file still is the same one.

use std::{
    fs::{self, File, OpenOptions},
    io::{Read, Write},
    path::{Path, PathBuf},
};

use lamplighter_shared::model_spec::ModelFile;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{
    Fetch, FileError, Problem, SourceError, hex,
    http::{Answer, Client},
};

/// Progress is told once in this many bytes, about.
const STEP: u64 = 256 << 10;
/// Bytes that are read at a time.
const BUFFER: usize = 64 << 10;

pub(super) fn fetch(fetch: &Fetch<'_>, repo: &str, revision: &str) -> Result<(), SourceError> {
    let client = Client::new(fetch.job.origins);
    let repo = Repo {
        client: &client,
        name: escaped(repo, true),
        revision: escaped(revision, false),
    };
    for file in fetch.meant(|| repo.files())? {
        let place = fetch.place(&file.path)?;
        if fs::metadata(&place).is_ok_and(|found| found.len() == file.size) {
            // From an attempt before.
            continue;
        }
        let whole = repo.fetch_file(fetch, &file)?;
        fs::rename(whole, place)?;
    }
    Ok(())
}

/// A repository of the hub, its name and revision as they stand in addresses.
struct Repo<'a> {
    client: &'a Client,
    name: String,
    revision: String,
}

impl Repo<'_> {
    /// Its files, with their sizes; their digests are not known.
    fn files(&self) -> Result<Vec<ModelFile>, SourceError> {
        #[derive(Deserialize)]
        struct Listing {
            siblings: Vec<Sibling>,
        }
        #[derive(Deserialize)]
        struct Sibling {
            rfilename: String,
            size: Option<u64>,
        }
        let failed = |what: String| SourceError::Fetch(format!("the list of its files: {what}"));
        let path = format!("/api/models/{}/revision/{}?blobs=true", self.name, self.revision);
        let text = self.client.get(&path, None).and_then(Answer::text);
        let listing: Result<Listing, _> = serde_json::from_str(&text.map_err(failed)?);
        let listing = listing.map_err(|error| failed(error.to_string()))?;
        let file = |sibling: Sibling| ModelFile {
            path: sibling.rfilename,
            sha256: String::new(),
            // Where the hub does not say it, whatever comes.
            size: sibling.size.unwrap_or(u64::MAX),
        };
        Ok(listing.siblings.into_iter().map(file).collect())
    }

    /// Fetches one file, or the rest of it; gives the part that has all of it.
    fn fetch_file(&self, fetch: &Fetch<'_>, file: &ModelFile) -> Result<PathBuf, SourceError> {
        let failed = |what: String| SourceError::Fetch(format!("{}: {what}", file.path));
        let parts = Parts::of(fetch.scratch, &file.path)?;
        let path = format!(
            "/{}/resolve/{}/{}",
            self.name,
            self.revision,
            escaped(&file.path, true)
        );
        let (part, answer, have) = self.ask(&parts, &path).map_err(failed)?;
        let known = (file.size != u64::MAX).then_some(file.size);
        let size = answer
            .size()
            .or(known)
            .ok_or_else(|| failed("the hub does not say how long it is".to_owned()))?;
        if known.is_some_and(|known| known != size) {
            return Err(wrong_size(file, size));
        }
        let to = OpenOptions::new().create(true).append(true).open(&part)?;
        let mut arriving = Arriving {
            fetch,
            file,
            size,
            done: have,
        };
        arriving.write(answer, to)?;
        Ok(part)
    }

    /// Asks for what is missing of a file: the part that it belongs to, the answer, and how much is there.
    fn ask(&self, parts: &Parts, path: &str) -> Result<(PathBuf, Answer, u64), String> {
        if let Some((known, have)) = parts.newest().map_err(|error| error.to_string())? {
            let answer = self.client.get(path, Some(have))?;
            if answer.begin() == Some(have) && parts.part(&answer)? == known {
                return Ok((known, answer, have));
            }
            // It is of another version, or is not gone on with.
        }
        let answer = self.client.get(path, Some(0))?;
        let part = parts.part(&answer)?;
        if answer.begin() != Some(0) {
            return Err("the hub sends another piece than was asked for".to_owned());
        }
        parts.clear().map_err(|error| error.to_string())?;
        Ok((part, answer, 0))
    }
}

/// A file that is being fetched.
struct Arriving<'a> {
    fetch: &'a Fetch<'a>,
    file: &'a ModelFile,
    /// Bytes in the end.
    size: u64,
    /// Bytes so far.
    done: u64,
}

impl Arriving<'_> {
    /// Writes what comes; what has come stays where it breaks off.
    fn write(&mut self, answer: Answer, mut to: File) -> Result<(), SourceError> {
        let path = &self.file.path;
        let mut from = answer.body();
        let mut buffer = vec![0; BUFFER];
        let mut told = self.done;
        self.fetch.tell(path, self.done, self.size);
        loop {
            let count = match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) => {
                    let (done, size) = (self.done, self.size);
                    return Err(SourceError::Fetch(format!(
                        "{path}: it broke off after {done} of {size} bytes: {error}"
                    )));
                }
            };
            self.done += count as u64;
            if self.done > self.size {
                return Err(wrong_size(self.file, self.done));
            }
            to.write_all(&buffer[..count])?;
            if self.done - told >= STEP {
                told = self.done;
                self.fetch.tell(path, self.done, self.size);
            }
        }
        if self.done < self.size {
            let (done, size) = (self.done, self.size);
            return Err(SourceError::Fetch(format!(
                "{path}: it ended after {done} of {size} bytes"
            )));
        }
        self.fetch.tell(path, self.done, self.size);
        Ok(())
    }
}

/// What has arrived of one file: of each version that the hub has shown a part.
struct Parts {
    folder: PathBuf,
}

impl Parts {
    fn of(scratch: &Path, path: &str) -> std::io::Result<Self> {
        let folder = scratch.join("parts").join(name_of(path));
        fs::create_dir_all(&folder)?;
        Ok(Self { folder })
    }

    /// The part of the file that an answer is about, by its ETag.
    fn part(&self, answer: &Answer) -> Result<PathBuf, String> {
        let etag = answer.etag().ok_or(
            "the answer has no ETag, which every model hub gives: is HF_ENDPOINT the address of one?",
        )?;
        Ok(self.folder.join(name_of(etag)))
    }

    /// What is there already, and its size. There is one at most.
    fn newest(&self) -> std::io::Result<Option<(PathBuf, u64)>> {
        let Some(entry) = fs::read_dir(&self.folder)?.next().transpose()? else {
            return Ok(None);
        };
        let size = entry.metadata()?.len();
        Ok((size > 0).then(|| (entry.path(), size)))
    }

    fn clear(&self) -> std::io::Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            fs::remove_file(entry?.path())?;
        }
        Ok(())
    }
}

/// A name that is a digest, whatever stands in the text.
fn name_of(text: &str) -> String {
    hex(&Sha256::digest(text))
}

fn wrong_size(file: &ModelFile, found: u64) -> SourceError {
    let problem = Problem::Size {
        expected: file.size,
        found,
    };
    FileError {
        file: file.path.clone(),
        problem,
    }
    .into()
}

/// A text as a part of an address; slashes stay where they part folders.
fn escaped(text: &str, folders: bool) -> String {
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || (folders && byte == b'/');
    text.bytes()
        .map(|byte| match plain(byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_part_of_an_address_or_of_a_path() {
        assert_eq!(escaped("1_Pooling/a b?.json", true), "1_Pooling/a%20b%3F.json");
        assert_eq!(escaped("refs/pr/1", false), "refs%2Fpr%2F1");
        for hostile in ["/etc/passwd", "../../x", "\"abc\"", ""] {
            let name = name_of(hostile);
            assert!(name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit()));
        }
    }
}
