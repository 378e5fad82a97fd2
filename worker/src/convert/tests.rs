//! Conversions: made once, never by halves, and made again where they are not what they were.

use lamplighter_shared::model_spec::{Catalog, ModelFile};

use super::*;

fn spec(sha256: &str) -> ModelSpec {
    let mut spec = Catalog::built_in().get("minilm").expect("built in").clone();
    spec.id = "small".to_owned();
    spec.files = vec![ModelFile {
        path: "w".to_owned(),
        sha256: sha256.to_owned(),
        size: 1,
    }];
    spec
}

fn refuse(out: &Path) -> Result<(), JobError> {
    fs::write(out.join("half"), "").expect("written");
    Err(unavailable("it lies"))
}

#[test]
fn it_is_made_once_of_the_same_files_and_never_by_halves() {
    let (models, dir) = (
        tempfile::tempdir().expect("a folder"),
        tempfile::tempdir().expect("a folder"),
    );
    fs::write(dir.path().join("w"), "1").expect("written");
    let made = |make: Make<'_>, digest: &str| converted(&spec(digest), dir.path(), models.path(), make);
    let copy: Make<'_> = &|out| {
        fs::copy(dir.path().join("w"), out.join("made")).expect("copied");
        Ok(())
    };
    let refuse: Make<'_> = &refuse;
    let left = models.path().join(".converted/.small.partial");
    fs::create_dir_all(left.join("by a process that was killed")).expect("a folder");
    assert!(made(refuse, "aa").is_err());
    assert!(
        !models.path().join(".converted/.small.partial").exists(),
        "nothing is left of it"
    );
    let first = made(copy, "aa").expect("made");
    assert_eq!(fs::read(first.converted.join("made")).expect("a file"), b"1");
    assert_eq!(made(refuse, "aa").expect("there already"), first);
    let second = made(copy, "bb").expect("made");
    assert_ne!(second.converted, first.converted);
    assert!(!first.converted.exists(), "what nobody reads any more is gone");
    assert_eq!(folders(models.path()), 1);
}

/// Folders of conversions.
fn folders(models: &Path) -> usize {
    let entries = fs::read_dir(folder(models)).expect("a folder").flatten();
    entries.filter(|entry| entry.path().is_dir()).count()
}

#[test]
fn what_is_not_as_it_was_made_is_made_again() {
    let (models, dir) = (
        tempfile::tempdir().expect("a folder"),
        tempfile::tempdir().expect("a folder"),
    );
    let spec = ModelSpec {
        family: Family::Mtcnn,
        ..spec("aa")
    };
    let make: Make<'_> = &|out| {
        fs::write(out.join("made"), "right").expect("written");
        Ok(())
    };
    let refuse: Make<'_> = &refuse;
    let made = |make: Make<'_>| converted(&spec, dir.path(), models.path(), make);
    assert_eq!(check(&spec, models.path()), Ok(()), "nothing was made");
    let file = made(make).expect("made").converted.join("made");
    assert_eq!(check(&spec, models.path()), Ok(()));
    for (spoil, told) in [
        (&b"wrong"[..], "wrong SHA-256"),
        (b"short", "wrong SHA-256"),
        (b"", "wrong size"),
    ] {
        fs::write(&file, spoil).expect("written");
        let error = check(&spec, models.path()).expect_err("it is another");
        assert!(
            error.contains(told) && error.contains("remove this folder"),
            "{error}"
        );
        assert!(made(refuse).is_err(), "it is not used");
        made(make).expect("made again");
        assert_eq!(fs::read(&file).expect("a file"), b"right");
        assert!(made(refuse).is_ok() && folders(models.path()) == 1);
    }
    fs::write(file.with_file_name("more.gguf"), "").expect("written");
    assert!(check(&spec, models.path()).is_err_and(|error| error.contains("more.gguf")));
    fs::remove_file(file.with_file_name(list::FILE)).expect("it was there");
    assert!(check(&spec, models.path()).is_err());
}

#[test]
fn what_a_later_version_has_made_is_left_to_it() {
    let models = tempfile::tempdir().expect("a folder");
    let spec = ModelSpec {
        family: Family::Mtcnn,
        ..spec("aa")
    };
    let digest = "0123456789abcdef";
    let names = [
        format!("small-{digest}"),
        format!("small-{digest}-1"),
        format!("small-{digest}-2"),
        format!("small-er-{digest}-1"),
        "small-x".to_owned(),
    ];
    for name in &names {
        fs::create_dir_all(folder(models.path()).join(name)).expect("a folder");
    }
    forget_others(&folder(models.path()), &spec).expect("removed");
    let left = names.iter().map(|name| folder(models.path()).join(name).is_dir());
    assert_eq!(left.collect::<Vec<_>>(), [false, false, true, true, true]);
    assert_ne!(
        place(&spec, models.path()),
        place(
            &ModelSpec {
                family: Family::Whisper,
                ..spec.clone()
            },
            models.path()
        )
    );
}

#[tokio::test]
async fn what_was_taken_away_is_missed_before_a_runner_starts() {
    let models = tempfile::tempdir().expect("a folder");
    let spec = ModelSpec {
        family: Family::Mtcnn,
        ..spec("aa")
    };
    let files = Files {
        dir: models.path().to_owned(),
        converted: place(&spec, models.path()),
    };
    let nowhere = Path::new("/nowhere");
    let error = present(&spec, &files, models.path(), nowhere).await;
    assert!(error.is_err_and(|error| error.detail.contains("the conversion can't be started")));
    fs::create_dir_all(&files.converted).expect("a folder");
    assert_eq!(present(&spec, &files, models.path(), nowhere).await, Ok(()));
}
