//! The models on pictures compute what the original implementations compute (`fixtures/make_vision.py`), and
//! nothing that is sent as a picture is worse than a sentence.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use lamplighter_readers::image;
use lamplighter_shared::{
    error::ErrorCode,
    model_spec::{Catalog, ModelSpec},
    task::Task,
};
use lamplighter_worker::{
    models::{self, Files, Loaded, efficientnet_lite, layers::Place},
    runner::{Cancel, Member, Report, protocol::FromRunner},
    weights,
};
use serde::Deserialize;
use serde_json::{Value, json, value::to_raw_value};

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    logits: String,
    faces: Vec<Face>,
}

#[derive(Deserialize)]
struct Face {
    #[serde(rename = "box")]
    sides: [f64; 4],
    score: f64,
    landmarks: [[f64; 2]; 5],
}

impl Case {
    fn logits(&self) -> Vec<f32> {
        let bytes = BASE64_STANDARD.decode(&self.logits).expect("base64");
        let number = |four: &[u8]| f32::from_le_bytes(four.try_into().expect("four bytes"));
        bytes.chunks_exact(4).map(number).collect()
    }

    fn picture(&self) -> Vec<u8> {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/vision");
        std::fs::read(fixtures.join(format!("{}.webp", self.name))).expect("a fixture")
    }

    fn input(&self) -> Value {
        json!({"image": url(&self.picture())})
    }
}

fn url(bytes: &[u8]) -> String {
    format!("data:image/webp;base64,{}", BASE64_STANDARD.encode(bytes))
}

fn golden() -> Vec<Case> {
    let text = include_str!("fixtures/vision.json");
    serde_json::from_str::<Golden>(text).expect("the fixture").cases
}

fn spec(id: &str) -> ModelSpec {
    Catalog::built_in().get(id).expect("built in").clone()
}

/// The model's files; fetched and converted where they are not here yet.
fn files(id: &str) -> Files {
    static LOCK: Mutex<()> = Mutex::new(());
    static CONVERTED: OnceLock<tempfile::TempDir> = OnceLock::new();
    let _lock = LOCK.lock();
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("a workspace");
    let models = std::env::var_os("LAMPLIGHTER_MODELS_DIR")
        .map_or_else(|| workspace.join("data/models"), PathBuf::from);
    let spec = spec(id);
    let dir = weights::ensure(&spec, &models, &|_| {}).expect("the model's files");
    let converted = CONVERTED
        .get_or_init(|| tempfile::tempdir().expect("a folder"))
        .path()
        .join(id);
    if !converted.exists() {
        std::fs::create_dir(&converted).expect("a folder");
        let convert = models::conversion(spec.family).expect("its files are pickles");
        convert(&spec, &dir, &converted).expect("the files are converted");
    }
    Files { dir, converted }
}

fn load(id: &str) -> Loaded {
    models::load(&spec(id), &files(id), 2).expect("the model loads")
}

/// Runs inputs as one batch; gives what was told.
fn run(loaded: &mut Loaded, task: Task, inputs: &[Value], canceled: &[usize]) -> Vec<FromRunner> {
    let told = Arc::new(Mutex::new(Vec::new()));
    let sink = told.clone();
    let report: Report = Arc::new(move |message| sink.lock().expect("unpoisoned").push(message));
    let job = |(index, input): (usize, &Value)| {
        let raw = to_raw_value(input).expect("JSON");
        let (payload, _) = loaded.preparer.prepare(task, &raw).expect("a good input");
        let cancel = Cancel::default();
        if canceled.contains(&index) {
            cancel.cancel();
        }
        (index as u64, payload, cancel)
    };
    let jobs = inputs.iter().enumerate().map(job).collect();
    loaded.model.run(Member::batch(jobs, report));
    std::mem::take(&mut *told.lock().expect("unpoisoned"))
}

/// The outputs of a batch, in order; none where a member was cancelled.
fn outputs(told: Vec<FromRunner>, count: usize) -> Vec<Option<Value>> {
    let mut outputs = vec![None; count];
    for message in told {
        match message {
            FromRunner::Done { ticket, output, .. } => {
                let output = serde_json::from_str(output.get()).expect("JSON");
                assert!(
                    outputs[ticket as usize].replace(output).is_none(),
                    "answered twice"
                );
            }
            FromRunner::Failed { error, .. } => panic!("{error:?}"),
            _ => {}
        }
    }
    outputs
}

fn one(loaded: &mut Loaded, task: Task, input: Value) -> Value {
    let schema = task.output_schema();
    let output = outputs(run(loaded, task, &[input], &[]), 1)
        .remove(0)
        .expect("an answer");
    for key in schema["required"].as_array().expect("a list") {
        assert!(
            output.get(key.as_str().expect("a name")).is_some(),
            "{key} is missing"
        );
    }
    output
}

fn largest(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn labels_have_the_logits_of_the_original() {
    let Files { dir, converted } = files("efficientnet-lite0");
    let network = |place| efficientnet_lite::network(&dir, &converted, place).expect("the network loads");
    let engine = network(Place::engine(2));
    let candle = network(Place::stock());
    let (mut to_torch, mut to_candle) = (0_f32, 0_f32);
    for (index, case) in golden().iter().enumerate() {
        let picture = image::decode(&case.picture()).expect("a fixture");
        let input = efficientnet_lite::normalised(&picture);
        let logits = engine.logits(input.clone()).expect("it computes");
        to_torch = to_torch.max(largest(&logits, &case.logits()));
        // The code for other devices, on the processor; slow, so two pictures are enough.
        if index < 2 {
            let other = candle.logits(input).expect("it computes");
            to_candle = to_candle.max(largest(&logits, &other));
        }
    }
    println!(
        "1000 logits of 5 pictures: largest difference to torch {to_torch:.2e}, to candle {to_candle:.2e}"
    );
    // Logits reach about 10.
    assert!(to_torch <= 2e-4, "{to_torch}");
    assert!(to_candle <= 1e-3, "{to_candle}");
}

#[test]
fn pictures_are_labelled_alone_and_in_a_batch() {
    let mut loaded = load("efficientnet-lite0");
    let task = Task::ImageClassification;
    let best = |output: &Value| output["labels"][0]["label"].as_str().map(str::to_owned);
    let example = one(&mut loaded, task, task.example());
    assert_eq!(best(&example).as_deref(), Some("espresso"), "{example}");
    assert_eq!(example["labels"].as_array().map(Vec::len), Some(3));

    let cases = golden();
    let inputs: Vec<Value> = cases.iter().map(Case::input).collect();
    let together = outputs(run(&mut loaded, task, &inputs, &[2]), inputs.len());
    assert_eq!(together[2], None, "the one that is not wanted");
    for (index, (case, output)) in cases.iter().zip(&together).enumerate() {
        let Some(output) = output else { continue };
        assert_eq!(
            &one(&mut loaded, task, inputs[index].clone()),
            output,
            "{}",
            case.name
        );
        assert_eq!(
            output["labels"].as_array().map(Vec::len),
            Some(5),
            "{}",
            case.name
        );
    }
    assert_eq!(together[0].as_ref().and_then(best).as_deref(), Some("espresso"));

    let all = json!({"image": cases[0].input()["image"], "top_k": 1000});
    let all = one(&mut loaded, task, all);
    let scores: Vec<f64> = all["labels"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|label| label["score"].as_f64().expect("a number"))
        .collect();
    assert_eq!(scores.len(), 1000);
    assert!(scores.is_sorted_by(|a, b| a >= b));
    assert!((scores.iter().sum::<f64>() - 1.0).abs() < 1e-4);
}

#[test]
fn faces_are_where_the_original_finds_them() {
    let mut loaded = load("mtcnn");
    let (mut pixels, mut sureness, mut count) = (0_f64, 0_f64, 0);
    for case in golden() {
        let output = one(&mut loaded, Task::FaceDetection, case.input());
        let boxes = output["boxes"].as_array().expect("a list");
        assert_eq!(boxes.len(), case.faces.len(), "{}: {output}", case.name);
        for (found, face) in boxes.iter().zip(&case.faces) {
            let [left, top, right, bottom] = face.sides;
            let corners = [[left, top], [right, top], [right, bottom], [left, bottom]];
            let apart = |found: &Value, expected: &[[f64; 2]]| {
                let found: Vec<[f64; 2]> = serde_json::from_value(found.clone()).expect("points");
                assert_eq!(found.len(), expected.len());
                let each = found.iter().flatten().zip(expected.iter().flatten());
                each.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
            };
            pixels = pixels.max(apart(&found["polygon"], &corners));
            pixels = pixels.max(apart(&found["landmarks"], &face.landmarks));
            let score = found["score"].as_f64().expect("a number");
            sureness = sureness.max((score - face.score).abs());
            count += 1;
        }
    }
    println!("{count} faces: points at most {pixels:.2e} pixels from the original, scores {sureness:.2e}");
    assert_eq!(count, 4);
    assert!(pixels <= 0.01, "{pixels}");
    assert!(sureness <= 1e-4, "{sureness}");
}

#[test]
fn the_example_has_a_face_and_a_minimum_hides_it() {
    let mut loaded = load("mtcnn");
    let task = Task::FaceDetection;
    let faces = |output: Value| output["boxes"].as_array().map(Vec::len);
    assert_eq!(faces(one(&mut loaded, task, task.example())), Some(1));
    let mut input = task.example();
    input["min_size"] = 100.into();
    assert_eq!(faces(one(&mut loaded, task, input)), Some(0));
    let told = run(&mut loaded, task, &[task.example(), task.example()], &[0]);
    let outputs = outputs(told, 2);
    assert!(outputs[0].is_none() && outputs[1].is_some());
}

#[test]
fn what_is_no_picture_is_refused_with_a_sentence() {
    let bomb = {
        let mut bomb = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
        bomb.extend_from_slice(&[0, 1, 0x86, 0xa0, 0, 1, 0x86, 0xa0, 8, 2, 0, 0, 0, 0, 0, 0, 0]);
        bomb
    };
    let svg = b"<svg xmlns='http://www.w3.org/2000/svg'/>";
    for (id, task, option) in [
        ("efficientnet-lite0", Task::ImageClassification, "top_k"),
        ("mtcnn", Task::FaceDetection, "min_size"),
    ] {
        let loaded = load(id);
        let good = task.example()["image"].clone();
        for (input, part) in [
            (json!({"image": url(&bomb)}), "100000 x 100000 pixels"),
            (json!({"image": url(svg)}), "neither PNG nor JPEG nor WebP"),
            (json!({"image": url(b"GIF89a")}), "but GIF"),
            (json!({"image": "https://example.org/a.png"}), "not fetched"),
            (json!({"image": "data:audio/wav;base64,aGk="}), "expected image/"),
            (json!({"image": 5}), "invalid type"),
            (json!({}), "missing field"),
            (json!({"image": good, "more": 1}), "unknown field"),
            (json!({"image": good, option: 0}), "it may be"),
        ] {
            let raw = to_raw_value(&input).expect("JSON");
            let error = loaded
                .preparer
                .prepare(task, &raw)
                .map(|_| ())
                .expect_err("not taken");
            assert_eq!(error.kind, ErrorCode::InvalidInput, "{input}");
            assert!(error.detail.contains(part), "{}", error.detail);
        }
    }
}

/// The beginning of a JPEG of this size, whose light is sampled so much more finely than its colours.
fn jpeg_head(width: u16, height: u16, sampling: u8) -> Vec<u8> {
    let mut head = vec![0xff, 0xd8, 0xff, 0xc0, 0, 17, 8];
    head.extend(height.to_be_bytes());
    head.extend(width.to_be_bytes());
    head.extend([3, 1, sampling, 0, 2, 0x11, 1, 3, 0x11, 1]);
    head
}

#[test]
fn the_schema_says_what_a_picture_may_be() {
    let schema = Task::Ocr.input_schema(1);
    let said = schema["properties"]["image"]["description"].as_str();
    let said = said.expect("a description").replace(',', "");
    let caps = image::CAPS;
    for figure in [
        format!("{} MiB", caps.bytes >> 20),
        format!("{} pixels a side", caps.side),
        format!("{} in all", caps.pixels),
        "(4:4:4) 33500000".to_owned(),
    ] {
        assert!(said.contains(&figure), "{figure}: {said}");
    }
    let refused = |width, height, sampling| {
        let decoded = image::decode(&jpeg_head(width, height, sampling));
        decoded.expect_err("it is cut off") == image::ImageError::TooCostly
    };
    // 33.5 million pixels of full colour, and a little more; 40 million of less colour.
    assert!(!refused(8190, 4090, 0x11));
    assert!(refused(8190, 4110, 0x11));
    assert!(!refused(8190, 4880, 0x22));
}
