//! Which models this installation serves, and which of them are on this machine.

use std::path::{Path, PathBuf};

use lamplighter_shared::{
    config::Config,
    model_spec::{Catalog, ModelSpec},
};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::weights;

/// A model and its files here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Installed {
    /// Name of the model.
    pub id: String,
    /// Whether all its files are here, by name and size; `verify` reads them.
    pub installed: bool,
    /// Where its files are, or would be.
    pub dir: PathBuf,
    /// Bytes of all its files.
    pub size: u64,
    /// As [`digest`] says it.
    pub digest: String,
}

/// The built-in models and those of `models.toml` next to the configuration (or in the data folder).
///
/// # Errors
/// A sentence that names the file, where it can't be read or is no catalogue.
pub fn load(config: &Config) -> Result<Catalog, String> {
    let configured = std::env::var_os("LAMPLIGHTER_CONFIG").map(PathBuf::from);
    let folder = configured
        .as_deref()
        .and_then(Path::parent)
        .unwrap_or(&config.server.data_dir);
    read(&folder.join("models.toml"))
}

fn read(file: &Path) -> Result<Catalog, String> {
    let mut catalog = Catalog::built_in();
    match std::fs::read_to_string(file) {
        Ok(text) => catalog
            .extend_from_toml(&text)
            .map_err(|error| format!("{}: {error}", file.display()))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(format!("{}: {error}", file.display())),
    }
    Ok(catalog)
}

/// The models to serve: those of `ids`, or the catalogue's defaults where it is empty.
///
/// # Errors
/// A sentence that names the id the catalogue does not have.
pub fn enabled(catalog: &Catalog, ids: &[String]) -> Result<Vec<ModelSpec>, String> {
    if ids.is_empty() {
        return Ok(catalog
            .0
            .values()
            .filter(|model| model.default)
            .cloned()
            .collect());
    }
    let find = |id: &String| {
        catalog
            .get(id)
            .cloned()
            .ok_or_else(|| format!("models.enabled: the catalogue has no model {id:?}"))
    };
    ids.iter().map(find).collect()
}

/// What is here of each model.
pub fn list(catalog: &Catalog, models_dir: &Path) -> Vec<Installed> {
    let entry = |spec: &ModelSpec| {
        let found = weights::find(spec, models_dir);
        Installed {
            id: spec.id.clone(),
            installed: found.is_some(),
            dir: found.unwrap_or_else(|| models_dir.join(&spec.id)),
            size: spec.files.iter().map(|file| file.size).sum(),
            digest: digest(spec),
        }
    };
    catalog.0.values().map(entry).collect()
}

/// One SHA-256 (hexadecimal) for all of a model's files: that of its only weights file if there is one
/// `.safetensors`, else of the sorted lines `sha256  path`; empty for a model without files.
pub fn digest(spec: &ModelSpec) -> String {
    let mut weights = spec
        .files
        .iter()
        .filter(|file| file.path.ends_with(".safetensors"));
    match (weights.next(), weights.next()) {
        (Some(only), None) => only.sha256.to_ascii_lowercase(),
        _ if spec.files.is_empty() => String::new(),
        _ => {
            let line = |file: &lamplighter_shared::model_spec::ModelFile| {
                format!("{}  {}\n", file.sha256.to_ascii_lowercase(), file.path)
            };
            let mut lines: Vec<String> = spec.files.iter().map(line).collect();
            lines.sort_unstable();
            weights::hex(&Sha256::digest(lines.concat()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_adds_to_the_catalogue() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("models.toml");
        assert_eq!(read(&file), Ok(Catalog::built_in()), "no file");
        std::fs::write(
            &file,
            "[[model]]\nid = \"mine\"\ntask = \"echo\"\nfamily = \"echo\"\n",
        )
        .expect("written");
        let catalog = read(&file).expect("a catalogue");
        assert!(catalog.get("mine").is_some() && catalog.get("minilm").is_some());
        std::fs::write(&file, "[[model]]\nname = 1\n").expect("written");
        assert!(read(&file).is_err_and(|error| error.contains("models.toml")));
    }

    #[test]
    fn defaults_or_what_is_named() {
        let catalog = Catalog::built_in();
        let ids = |models: Vec<ModelSpec>| models.into_iter().map(|m| m.id).collect::<Vec<_>>();
        assert_eq!(
            enabled(&catalog, &[]).map(ids),
            Ok(vec!["echo".to_owned(), "minilm".to_owned()])
        );
        assert_eq!(
            enabled(&catalog, &["minilm".to_owned()]).map(ids),
            Ok(vec!["minilm".to_owned()])
        );
        assert!(enabled(&catalog, &["nope".to_owned()]).is_err_and(|error| error.contains("nope")));
    }

    #[test]
    fn one_weights_file_gives_the_digest() {
        let catalog = Catalog::built_in();
        let minilm = catalog.get("minilm").expect("built in");
        assert!(digest(minilm).starts_with("53aa5117"));
        assert_eq!(digest(catalog.get("echo").expect("built in")), "");
        let mut two = minilm.clone();
        two.files.retain(|file| file.path.ends_with(".json"));
        assert_eq!(digest(&two).len(), 64);
    }
}
