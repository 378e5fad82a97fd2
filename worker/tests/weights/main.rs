//! Fetching models: every kind of source against a double of it, and everything that can be wrong with
//! what comes back. No network but this machine's own.

mod folders;
mod from_hubs;
mod hub;
mod packages;
mod pip;
mod unlisted;

use std::{
    fs,
    path::{Path, PathBuf},
};

use lamplighter_shared::model_spec::{Catalog, ModelFile, ModelSpec, Source};
use lamplighter_worker::weights::{self, Origins, PullError};
use sha2::{Digest, Sha256};

const FILES: [(&str, &[u8]); 3] = [
    ("config.json", b"{\"a\": 1}"),
    ("1_Pooling/config.json", b"{\"mean\": true}"),
    ("model.safetensors", &[7; 700_000]),
];

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn spec(sources: &[&str]) -> ModelSpec {
    let mut spec = Catalog::built_in().get("minilm").expect("built in").clone();
    spec.id = "small".to_owned();
    spec.sources = sources
        .iter()
        .map(|s| Source::try_from((*s).to_owned()).expect("a source"))
        .collect();
    let file = |(path, bytes): (&str, &[u8])| ModelFile {
        path: path.to_owned(),
        sha256: sha256(bytes),
        size: bytes.len() as u64,
    };
    spec.files = FILES.into_iter().map(file).collect();
    spec
}

/// Nothing works: no hub, no pip.
fn nowhere() -> Origins {
    Origins {
        hub: Some("http://127.0.0.1:1".to_owned()),
        hub_token: None,
        pips: Vec::new(),
    }
}

fn write_all(dir: &Path) {
    for (path, bytes) in FILES {
        let place = dir.join(path);
        fs::create_dir_all(place.parent().expect("it has one")).expect("a folder");
        fs::write(place, bytes).expect("written");
    }
}

fn pull(origins: &Origins, spec: &ModelSpec, models: &Path) -> Result<PathBuf, PullError> {
    weights::ensure_from(origins, spec, models, &|_| {})
}

fn failure(result: Result<PathBuf, PullError>) -> String {
    result.expect_err("it can't be fetched").to_string()
}

/// What is in the models folder, but for the lock.
fn left(models: &Path) -> Vec<String> {
    let names = fs::read_dir(models)
        .expect("a folder")
        .map(|e| e.expect("an entry").file_name());
    let mut names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    names.retain(|name| !name.ends_with(".lock"));
    names.sort();
    names
}
