//! Which models of the catalogue are on this machine.

use std::path::{Path, PathBuf};

use lamplighter_shared::model_spec::{Catalog, ModelSpec};
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

/// What is here of each model.
pub fn list(catalog: &Catalog, models_dir: &Path) -> Vec<Installed> {
    let entry = |spec: &ModelSpec| {
        let found = weights::find(spec, models_dir);
        let spec = &weights::with_recorded(spec, models_dir);
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
