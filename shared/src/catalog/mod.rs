//! Which models this installation knows: the built-in catalogue and `models.toml`. Whether their files
//! are on this machine is the worker's business, but for entries that leave it to their files what they are.

mod entry;
mod gguf;
mod layout;
mod look;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use self::entry::Entry;
pub use self::{entry::Pending, layout::files_of_model, look::names_in};
use crate::{
    config::Config,
    model_spec::{Catalog, ModelSpec},
};

/// All that an installation knows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Known {
    /// The models.
    pub catalog: Catalog,
    /// Entries of `models.toml` that can't be served as they are, by id.
    pub pending: BTreeMap<String, Pending>,
}

/// The built-in models and those of `models.toml` next to the configuration (or in the data folder).
///
/// # Errors
/// A sentence that names the file, where it can't be read or is no catalogue.
pub fn load(config: &Config) -> Result<Known, String> {
    let configured = std::env::var_os("LAMPLIGHTER_CONFIG").map(PathBuf::from);
    let folder = configured
        .as_deref()
        .and_then(Path::parent)
        .unwrap_or(&config.server.data_dir);
    let mut known = read(&folder.join("models.toml"), &config.models_dir())?;
    // What is not served yet can't be tried either.
    let mut public = config.models.public.clone();
    public.retain(|id| !known.pending.contains_key(id));
    publish(&mut known.catalog, &public)?;
    Ok(known)
}

/// Marks models as public: they may be tried without an account.
///
/// # Errors
/// A sentence that names the id the catalogue does not have.
pub fn publish(catalog: &mut Catalog, ids: &[String]) -> Result<(), String> {
    for id in ids {
        let model = catalog.0.get_mut(id);
        let model = model.ok_or_else(|| format!("models.public: the catalogue has no model {id:?}"))?;
        model.public = true;
    }
    Ok(())
}

fn read(file: &Path, models_dir: &Path) -> Result<Known, String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Entries {
        #[serde(default)]
        model: Vec<Entry>,
    }
    let mut known = Known {
        catalog: Catalog::built_in(),
        pending: BTreeMap::new(),
    };
    let at = |what: String| format!("{}: {what}", file.display());
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(known),
        Err(error) => return Err(at(error.to_string())),
    };
    let entries: Entries = toml::from_str(&text).map_err(|error| at(error.to_string()))?;
    for entry in entries.model {
        match entry.resolve(models_dir).map_err(at)? {
            Ok(model) => {
                known.pending.remove(&model.id);
                known.catalog.0.insert(model.id.clone(), model);
            }
            Err(pending) => {
                known.catalog.0.remove(&pending.id);
                known.pending.insert(pending.id.clone(), pending);
            }
        }
    }
    Ok(known)
}

impl Known {
    /// The models to serve: those of `ids`, or the catalogue's defaults where it is empty. A default that can't be
    /// served is left out, and the log says why: its files may be on a disk that is away, and the others go on.
    ///
    /// # Errors
    /// A sentence that names the id the catalogue does not have, or the named model that can't be served, and why.
    pub fn enabled(&self, ids: &[String]) -> Result<Vec<ModelSpec>, String> {
        let cant = |pending: &Pending| {
            format!(
                "model {:?} of models.toml can't be served: {}",
                pending.id, pending.why
            )
        };
        if ids.is_empty() {
            for pending in self.pending.values().filter(|pending| pending.default) {
                tracing::error!(
                    model = pending.id,
                    "{}; the others are served (to leave it out: default = false in its entry)",
                    cant(pending)
                );
            }
            let defaults = self.catalog.0.values().filter(|model| model.default);
            return Ok(defaults.cloned().collect());
        }
        let find = |id: &String| match (self.catalog.get(id), self.pending.get(id)) {
            (Some(model), _) => Ok(model.clone()),
            (None, Some(pending)) => Err(cant(pending)),
            (None, None) => Err(format!("models.enabled: the catalogue has no model {id:?}")),
        };
        ids.iter().map(find).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model_spec::Family, task::Task};

    #[test]
    fn a_file_adds_to_the_catalogue() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("models.toml");
        let read = || read(&file, &dir.path().join("models"));
        let nothing = read().expect("no file");
        assert_eq!(nothing.catalog, Catalog::built_in());
        std::fs::write(
            &file,
            "[[model]]\nid = \"mine\"\ntask = \"echo\"\nfamily = \"echo\"\n",
        )
        .expect("written");
        let known = read().expect("a catalogue");
        assert!(known.catalog.get("mine").is_some() && known.catalog.get("minilm").is_some());
        let served = known.enabled(&[]).expect("all can be served");
        assert!(
            served.iter().any(|model| model.id == "mine"),
            "who adds a model wants it served"
        );
        for bad in [
            "name = 1",
            "id = \"x\"\ntask = \"echo\"\ntasks = [\"echo\"]",
            "id = \"x\"\ntasks = [\"ocr\", \"ocr\"]\nfamily = \"easyocr\"",
            "id = \"x\"\nfamily = \"nope\"",
            "id = \"x\"\nsource = \"ftp:x\"",
        ] {
            std::fs::write(&file, format!("[[model]]\n{bad}\n")).expect("written");
            let error = read().expect_err(bad);
            println!("{error}");
            assert!(error.contains("models.toml"), "{error}");
        }
    }

    fn one_entry(entry: &str) -> (tempfile::TempDir, Known) {
        let dir = tempfile::tempdir().expect("a folder");
        let model = dir.path().join("my-model");
        std::fs::create_dir(&model).expect("a folder");
        std::fs::write(
            model.join("config.json"),
            br#"{"model_type": "bert", "architectures": ["BertModel"]}"#,
        )
        .expect("written");
        std::fs::write(model.join("tokenizer.json"), b"{}").expect("written");
        std::fs::write(model.join("model.safetensors"), b"").expect("written");
        std::fs::write(dir.path().join("m.gguf"), gguf::tests::file("llama", false)).expect("written");
        std::fs::write(dir.path().join("other.gguf"), gguf::tests::file("mamba", false)).expect("written");
        let entry = entry.replace('@', &dir.path().display().to_string());
        let file = dir.path().join("models.toml");
        std::fs::write(&file, format!("[[model]]\nid = \"mine\"\n{entry}\n")).expect("written");
        let known = read(&file, &dir.path().join("models")).expect("a catalogue");
        (dir, known)
    }

    #[test]
    fn an_id_and_a_place_are_enough() {
        let embeds = [
            Task::TextEmbedding,
            Task::Similarity,
            Task::ZeroShotClassification,
        ];
        for (entry, family, tasks) in [
            ("path = \"@/my-model\"", Family::Bert, &embeds[..]),
            ("source = \"path:@/my-model\"", Family::Bert, &embeds),
            (
                "path = \"@/my-model\"\ntask = \"rerank\"",
                Family::Bert,
                &[Task::Rerank],
            ),
            ("path = \"@/m.gguf\"", Family::Llama, &[Task::TextGeneration]),
            (
                "path = \"@\"\nfiles = [\"m.gguf\"]",
                Family::Llama,
                &[Task::TextGeneration],
            ),
            (
                "source = \"hf:a/b\"\nfamily = \"bert\"\ntasks = [\"rerank\"]",
                Family::Bert,
                &[Task::Rerank],
            ),
        ] {
            let (_dir, known) = one_entry(entry);
            let served = known.enabled(&["mine".to_owned()]).expect(entry);
            assert_eq!(
                (served[0].family, &served[0].tasks[..]),
                (family, tasks),
                "{entry}"
            );
        }
    }

    #[test]
    fn what_can_not_be_served_stops_the_start_only_where_it_is_named() {
        for (entry, expected) in [
            ("", "neither path nor source"),
            ("path = \"@/nowhere\"", "nowhere is not there"),
            ("path = \"@/other.gguf\"", "known are"),
            ("path = \"@\"", "say which"),
            ("source = \"hf:owner/name\"", "models pull mine"),
        ] {
            let (_dir, known) = one_entry(entry);
            let error = known.enabled(&["mine".to_owned()]).expect_err(entry);
            println!("{error}");
            assert!(error.contains(expected) && error.contains("mine"), "{error}");
            let others = known.enabled(&[]).expect("others are served");
            assert!(!others.is_empty() && others.iter().all(|model| model.id != "mine"));
            assert!(known.enabled(&["echo".to_owned()]).is_ok());
        }
    }

    #[test]
    fn what_an_earlier_source_has_left_says_nothing_of_a_new_one() {
        let dir = tempfile::tempdir().expect("a folder");
        let installed = dir.path().join("models/mine");
        std::fs::create_dir_all(&installed).expect("a folder");
        std::fs::write(installed.join("m.gguf"), gguf::tests::file("llama", false)).expect("written");
        let record = dir.path().join("models/mine.lock.toml");
        std::fs::write(&record, "source = \"hf:a/b@main\"\nfiles = []\n").expect("written");
        let file = dir.path().join("models.toml");
        let known = |source: &str| {
            std::fs::write(
                &file,
                format!("[[model]]\nid = \"mine\"\nsource = \"{source}\"\n"),
            )
            .expect("written");
            read(&file, &dir.path().join("models")).expect("a catalogue")
        };
        assert!(known("hf:a/b").catalog.get("mine").is_some());
        let changed = known("hf:a/b@v2");
        assert!(changed.catalog.get("mine").is_none());
        assert!(changed.pending["mine"].why.contains("models pull mine"));
    }

    #[test]
    fn defaults_or_what_is_named() {
        let known = Known {
            catalog: Catalog::built_in(),
            ..Known::default()
        };
        let ids = |models: Vec<ModelSpec>| models.into_iter().map(|m| m.id).collect::<Vec<_>>();
        assert_eq!(
            known.enabled(&[]).map(ids),
            Ok(vec!["echo".to_owned(), "minilm".to_owned()])
        );
        assert_eq!(
            known.enabled(&["minilm".to_owned()]).map(ids),
            Ok(vec!["minilm".to_owned()])
        );
        assert!(
            known
                .enabled(&["nope".to_owned()])
                .is_err_and(|error| error.contains("nope"))
        );
    }

    #[test]
    fn only_what_is_named_is_public() {
        let mut catalog = Catalog::built_in();
        assert!(
            catalog.0.values().all(|model| !model.public),
            "nothing is, unless somebody says so"
        );
        publish(&mut catalog, &["echo".to_owned()]).expect("it is there");
        let public: Vec<_> = catalog
            .0
            .values()
            .filter(|model| model.public)
            .map(|model| &model.id)
            .collect();
        assert_eq!(public, ["echo"]);
        let unknown = publish(&mut catalog, &["nope".to_owned()]).expect_err("it is not there");
        assert!(unknown.contains("models.public") && unknown.contains("nope"));
    }
}
