//! S17 through the runner: a model whose files lie, are pickles or lead elsewhere is refused with a sentence, and
//! the worker goes on.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use lamplighter_shared::{
    error::ErrorCode,
    model_spec::{Catalog, Family, ModelFile, ModelSpec, Source},
};
use lamplighter_worker::{
    models::{self, Files},
    runner::{Runner, RunnerOptions, StartError},
    weights,
};

fn options() -> RunnerOptions {
    RunnerOptions {
        program: PathBuf::from(env!("CARGO_BIN_EXE_lamplighter-runner")),
        threads: 1,
        load_timeout: Duration::from_secs(60),
        faults: false,
    }
}

/// A model whose files nobody has listed.
fn unlisted(family: Family) -> ModelSpec {
    let mut spec = Catalog::built_in().get("minilm").expect("built in").clone();
    spec.family = family;
    spec.files = Vec::new();
    spec
}

fn safetensors(header: &str, data: usize) -> Vec<u8> {
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(header.as_bytes());
    file.resize(file.len() + data, 0);
    file
}

/// A header with so many tensors and entries, 64 bytes long.
fn gguf(tensors: u64, entries: u64) -> Vec<u8> {
    let mut file = b"GGUF\x03\x00\x00\x00".to_vec();
    file.extend_from_slice(&tensors.to_le_bytes());
    file.extend_from_slice(&entries.to_le_bytes());
    file.resize(64, 0);
    file
}

/// Bad models: the family, the name of the one file, what is in it, and a part of the sentence.
fn bad() -> Vec<(Family, &'static str, Vec<u8>, &'static str)> {
    let entry = r#"{"a":{"dtype":"F32","shape":[1024],"data_offsets":[0,4096]}}"#;
    let overflow = r#"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}"#;
    let pickle = include_bytes!("../../readers/tests/fixtures/function.legacy.pt");
    let zip = include_bytes!("../../readers/tests/fixtures/function.zip.pt");
    let weights = "model.safetensors";
    vec![
        (Family::Llama, "m.gguf", gguf(1 << 32, 1 << 32), "can't be in"),
        (Family::Llama, "m.gguf", gguf(1 << 32, 0), "can't be in"),
        (Family::Llama, "m.gguf", b"GGUF".to_vec(), "are left"),
        (
            Family::Bert,
            weights,
            u64::MAX.to_le_bytes().to_vec(),
            "says it has",
        ),
        (Family::Bert, weights, safetensors(overflow, 0), "overflows"),
        (Family::Bert, weights, safetensors(entry, 100), "beyond the file"),
        (Family::Bert, weights, Vec::new(), "too few"),
        (Family::Bert, weights, pickle.to_vec(), "pickle"),
        (Family::Bert, weights, zip.to_vec(), "pickle"),
        (Family::Bert, "model.pt", pickle.to_vec(), "pickle"),
        (Family::Bert, "model.ckpt", zip.to_vec(), "pickle"),
        (Family::Bert, "pytorch_model.bin", zip.to_vec(), "pickle"),
    ]
}

async fn refused(spec: &ModelSpec, dir: &Path, with: &str) -> Duration {
    match Runner::start(spec, &Files::plain(dir), &options()).await {
        Err(StartError::Model(error)) => {
            assert_eq!(error.kind, ErrorCode::ModelUnavailable);
            assert!(
                error.detail.contains(with),
                "{:?} instead of {with:?}",
                error.detail
            );
            assert!(error.detail.contains(';'), "says what to do: {}", error.detail);
        }
        other => panic!("{with}: {:?}", other.err()),
    }
    // The process' start is not a part of it, so it is timed again without one.
    let timed = (0..5).map(|_| {
        let begun = Instant::now();
        assert!(models::load(spec, &Files::plain(dir), 1).is_err());
        begun.elapsed()
    });
    timed.min().unwrap_or_default()
}

#[tokio::test]
async fn bad_models_are_refused_and_the_worker_lives() {
    let mut slowest = Duration::ZERO;
    let bad = bad();
    let count = bad.len() + 1;
    for (family, name, bytes, with) in bad {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join(name), bytes).expect("written");
        slowest = slowest.max(refused(&unlisted(family), folder.path(), with).await);
    }
    let (folder, elsewhere) = (
        tempfile::tempdir().expect("a folder"),
        tempfile::tempdir().expect("a folder"),
    );
    let outside = elsewhere.path().join("model.safetensors");
    fs::write(&outside, safetensors("{}", 0)).expect("written");
    std::os::unix::fs::symlink(&outside, folder.path().join("model.safetensors")).expect("a link");
    slowest = slowest.max(refused(&unlisted(Family::Bert), folder.path(), "a link to a file outside").await);
    println!(
        "S17: the runner refused {count} of {count} models, slowest {:.2} ms",
        slowest.as_secs_f64() * 1e3
    );
    assert!(slowest < Duration::from_millis(100), "{slowest:?}");
    // The same process starts a good one.
    let echo = Catalog::built_in().get("echo").expect("built in").clone();
    let (runner, _) = Runner::start(&echo, &Files::plain("/"), &options())
        .await
        .expect("a runner");
    runner.shutdown().await;
}

#[test]
fn a_file_that_is_another_one_is_not_used() {
    let folder = tempfile::tempdir().expect("a folder");
    let models = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("model.safetensors"), safetensors("{}", 0)).expect("written");
    let mut spec = unlisted(Family::Bert);
    spec.sources = vec![Source::Path(folder.path().to_owned())];
    for (sha256, size, with) in [
        ("00".repeat(32), 10, "wrong SHA-256"),
        ("00".repeat(32), 11, "wrong size"),
    ] {
        spec.files = vec![ModelFile {
            path: "model.safetensors".to_owned(),
            sha256,
            size,
        }];
        let told = weights::ensure(&spec, models.path(), &|_| {})
            .expect_err("refused")
            .to_string();
        for part in [
            with,
            "; fetch it again (`lamplighter models pull minilm`)",
            "correct its sha256",
            "models.toml",
        ] {
            assert!(told.contains(part), "{part} is not in {told}");
        }
    }
    spec.files[0].path = "other.safetensors".to_owned();
    let told = weights::ensure(&spec, models.path(), &|_| {})
        .expect_err("refused")
        .to_string();
    assert!(
        told.contains("other.safetensors: is missing; fetch it again (`lamplighter models pull minilm`)"),
        "{told}"
    );
    let here = weights::verified(&spec, models.path())
        .expect_err("refused")
        .to_string();
    assert!(here.contains("is missing; fetch it again"), "{here}");
    spec.sources.clear();
    spec.files.clear();
    let nowhere = weights::verified(&spec, models.path())
        .expect_err("refused")
        .to_string();
    assert!(nowhere.contains("is not here; fetch it"), "{nowhere}");
}

#[test]
fn a_folder_without_one_of_the_files_says_which_and_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let told = |with: &str| {
        let error = models::load(&unlisted(Family::Bert), &Files::plain(folder.path()), 1);
        let error = error.map(|_| ()).expect_err("refused").detail;
        for part in [
            with,
            "is missing; fetch the model again (`lamplighter models pull minilm`)",
        ] {
            assert!(error.contains(part), "{part} is not in {error}");
        }
    };
    for name in ["config.json", "tokenizer.json"] {
        told(name);
        fs::write(folder.path().join(name), "{}").expect("written");
    }
    told("model.safetensors");
    let index = r#"{"weight_map": {"a": "model-1.safetensors", "b": "../b.safetensors"}}"#;
    fs::write(folder.path().join("model.safetensors.index.json"), index).expect("written");
    let error = models::load(&unlisted(Family::Bert), &Files::plain(folder.path()), 1);
    let error = error.map(|_| ()).expect_err("refused").detail;
    assert!(error.contains("is not the name of a shard"), "{error}");
}
