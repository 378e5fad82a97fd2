//! An entry of `models.toml`: an id and where the files are, and whatever else somebody wants to say. What it does
//! not say is read from the files.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::look::{self, Seen};
use crate::{
    model_spec::{Family, Limits, ModelFile, ModelSpec, Source},
    task::Task,
};

/// An entry that is not a model yet: what it is, only its files tell.
#[derive(Debug, Clone, PartialEq)]
pub struct Pending {
    /// The name it will have in the API.
    pub id: String,
    /// Where its files come from.
    pub sources: Vec<Source>,
    /// Its files, where the entry lists them with their digests.
    pub files: Vec<ModelFile>,
    /// Those that are meant, where the entry names them.
    pub only: Vec<String>,
    /// Why it can't be served, and what to do.
    pub why: String,
    /// Whether it is to be served.
    pub default: bool,
}

/// One `[[model]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) id: String,
    #[serde(default)]
    description: String,
    task: Option<Task>,
    #[serde(default)]
    tasks: Vec<Task>,
    family: Option<Family>,
    /// A folder of this machine, or a GGUF file.
    path: Option<PathBuf>,
    source: Option<Source>,
    #[serde(default)]
    sources: Vec<Source>,
    #[serde(default)]
    files: Vec<Listed>,
    dtype: Option<String>,
    #[serde(default)]
    limits: Option<Limits>,
    #[serde(default)]
    license: String,
    memory_limit: Option<u64>,
    default: Option<bool>,
    #[serde(default)]
    public: bool,
}

/// A file that an entry lists: with its digest, or by its name alone.
#[derive(Debug, Clone, Deserialize)]
#[serde(
    untagged,
    expecting = "a file's name, or a table with its path, sha256 and size"
)]
enum Listed {
    Name(String),
    File(ModelFile),
}

impl Entry {
    /// The model, where the entry or the files that are here say what it is.
    ///
    /// # Errors
    /// A sentence, where the entry contradicts itself.
    pub(super) fn resolve(self, models_dir: &Path) -> Result<Result<ModelSpec, Pending>, String> {
        let bad = |what: &str| Err(format!("model {:?}: {what}", self.id));
        if self.task.is_some() && !self.tasks.is_empty() {
            return bad("it says both task and tasks");
        }
        let tasks: Vec<Task> = self.task.into_iter().chain(self.tasks.iter().copied()).collect();
        if (1..tasks.len()).any(|n| tasks[..n].contains(&tasks[n])) {
            return bad("it names a task twice");
        }
        let (mut only, mut files) = (Vec::new(), Vec::new());
        for listed in self.files.iter().cloned() {
            match listed {
                Listed::Name(name) => only.push(name),
                Listed::File(file) => files.push(file),
            }
        }
        if !only.is_empty() && !files.is_empty() {
            return bad("either all of its files have a sha256, or none");
        }
        let sources = self.all_sources(&mut only);
        let seen = match (self.family, tasks.is_empty()) {
            (Some(family), false) => Ok(Seen { family, tasks }),
            (family, _) => look(&self.id, &sources, &files, models_dir, &only).map(|seen| Seen {
                family: family.unwrap_or(seen.family),
                tasks: if tasks.is_empty() { seen.tasks } else { tasks },
            }),
        };
        let default = self.default.unwrap_or(true);
        Ok(match seen {
            Ok(Seen { family, tasks }) => Ok(ModelSpec {
                id: self.id,
                description: self.description,
                tasks,
                family,
                sources,
                files,
                only,
                dtype: self.dtype.unwrap_or_else(|| "f32".to_owned()),
                limits: self.limits.unwrap_or_default(),
                license: self.license,
                memory_limit: self.memory_limit,
                default,
                public: self.public,
            }),
            Err(why) => Err(Pending {
                id: self.id,
                sources,
                files,
                only,
                why,
                default,
            }),
        })
    }

    /// Where the files come from, best first. A path to a file is its folder, of which that file is meant.
    fn all_sources(&self, only: &mut Vec<String>) -> Vec<Source> {
        let path = self.path.clone().map(Source::Path);
        let all = path
            .into_iter()
            .chain(self.source.clone())
            .chain(self.sources.clone());
        // A file's disk may be away for the moment; its name tells what it is then.
        let file =
            |path: &Path| path.is_file() || (!path.is_dir() && path.extension().is_some_and(|e| e == "gguf"));
        let plain = |source: Source| match source {
            Source::Path(path) if file(&path) => {
                let name = path.file_name().and_then(|name| name.to_str());
                if let (Some(name), true) = (name, only.is_empty()) {
                    only.push(name.to_owned());
                }
                Source::Path(path.parent().unwrap_or(Path::new("/")).to_owned())
            }
            other => other,
        };
        all.map(plain).collect()
    }
}

/// Looks at the files, if they are on this machine.
fn look(
    id: &str,
    sources: &[Source],
    files: &[ModelFile],
    models_dir: &Path,
    only: &[String],
) -> Result<Seen, String> {
    let paths = sources.iter().filter_map(|source| match source {
        Source::Path(path) => Some(path.clone()),
        Source::Hf { .. } | Source::Pypi(_) => None,
    });
    let paths: Vec<PathBuf> = paths.collect();
    let installed = models_dir.join(id);
    // Files with digests are those that are meant, wherever they came from.
    let is_ours = !files.is_empty() || !is_of_another(id, sources, models_dir);
    let ours = is_ours.then_some(&installed);
    match paths.iter().chain(ours).find(|dir| dir.is_dir()) {
        Some(dir) => look::look(dir, only),
        None if sources.is_empty() => Err("it says neither path nor source: where are its files?".to_owned()),
        None if sources.len() == paths.len() => Err(format!("{} is not there", paths[0].display())),
        None => Err(format!(
            "its files tell what it is, and are not here: run `lamplighter models pull {id}`, or say family and \
             tasks in its entry (on a machine that only has the API, that is the way)"
        )),
    }
}

/// Whether what is in the models folder was fetched from a source that the entry does not name any more.
fn is_of_another(id: &str, sources: &[Source], models_dir: &Path) -> bool {
    /// The part of a record that is looked at; the worker writes it.
    #[derive(Deserialize)]
    struct Record {
        source: String,
    }
    let text = std::fs::read_to_string(models_dir.join(format!("{id}.lock.toml"))).ok();
    let record = text.and_then(|text| toml::from_str::<Record>(&text).ok());
    record.is_some_and(|record| {
        !sources
            .iter()
            .any(|source| String::from(source.clone()) == record.source)
    })
}
