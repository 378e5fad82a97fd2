//! Text is found and read as EasyOCR itself does it (`fixtures/make_ocr.py`), and machine readable zones are read
//! whichever way up the picture lies.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use lamplighter_engine::{isa::Isa, pool::Pool, vision::resample::Bytes};
use lamplighter_readers::image;
use lamplighter_shared::{
    error::ErrorCode,
    model_spec::{Catalog, ModelSpec},
    task::Task,
};
use lamplighter_worker::{
    models::{self, Files, Loaded, easyocr},
    runner::{Cancel, Member, Report, protocol::FromRunner},
    weights,
};
use serde::Deserialize;
use serde_json::{Value, json, value::to_raw_value};

const PASSPORT: [&str; 2] = [
    "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<",
    "L898902C36UTO7408122F1204159ZE184226B<<<<<10",
];
const CARD: [&str; 3] = [
    "I<UTOD231458907<<<<<<<<<<<<<<<",
    "7408122F1204159UTO<<<<<<<<<<<6",
    "ERIKSSON<<ANNA<MARIA<<<<<<<<<<",
];

/// What EasyOCR says about a picture.
#[derive(Deserialize)]
struct Reference {
    rows: usize,
    columns: usize,
    sums: [f64; 2],
    lines: Vec<Line>,
}

#[derive(Deserialize)]
struct Line {
    polygon: [[f64; 2]; 4],
    text: String,
    confidence: f64,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/ocr")
}

fn reference(name: &str) -> Reference {
    let text = include_str!("fixtures/ocr/reference.json");
    let mut all: serde_json::Map<String, Value> = serde_json::from_str(text).expect("the fixture");
    let one = all.remove(name).expect("the picture's reference");
    serde_json::from_value(one).expect("the fixture")
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(format!("{name}.png"))).expect("a fixture")
}

fn url(bytes: &[u8]) -> String {
    format!("data:image/png;base64,{}", BASE64_STANDARD.encode(bytes))
}

fn input(name: &str) -> Value {
    json!({"image": url(&bytes(name))})
}

fn spec() -> ModelSpec {
    Catalog::built_in().get("ocr-en").expect("built in").clone()
}

/// The model's files; fetched and converted where they are not here yet.
fn files() -> &'static Files {
    static FILES: OnceLock<(Files, tempfile::TempDir)> = OnceLock::new();
    let (files, _) = FILES.get_or_init(|| {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .expect("a workspace");
        let models = std::env::var_os("LAMPLIGHTER_MODELS_DIR")
            .map_or_else(|| workspace.join("data/models"), PathBuf::from);
        let dir = weights::ensure(&spec(), &models, &|_| {}).expect("the model's files");
        let folder = tempfile::tempdir().expect("a folder");
        let convert = models::conversion(spec().family).expect("its files are pickles");
        convert(&spec(), &dir, folder.path()).expect("the files are converted");
        let converted = folder.path().to_owned();
        (Files { dir, converted }, folder)
    });
    files
}

fn load() -> Loaded {
    models::load(&spec(), files(), 2).expect("the model loads")
}

/// Runs one input; gives what was told.
fn run(loaded: &mut Loaded, task: Task, input: &Value, cancel: Cancel) -> Vec<FromRunner> {
    let told = Arc::new(Mutex::new(Vec::new()));
    let sink = told.clone();
    let report: Report = Arc::new(move |message| sink.lock().expect("unpoisoned").push(message));
    let raw = to_raw_value(input).expect("JSON");
    let (payload, _) = loaded.preparer.prepare(task, &raw).expect("a good input");
    loaded
        .model
        .run(Member::batch(vec![(0, payload, cancel)], report));
    std::mem::take(&mut *told.lock().expect("unpoisoned"))
}

fn output(loaded: &mut Loaded, task: Task, input: &Value) -> Value {
    let told = run(loaded, task, input, Cancel::default());
    told.into_iter()
        .find_map(|message| match message {
            FromRunner::Done { output, .. } => serde_json::from_str(output.get()).ok(),
            FromRunner::Failed { error, .. } => panic!("{error:?}"),
            _ => None,
        })
        .expect("an answer")
}

#[test]
fn the_score_maps_are_those_of_the_original() {
    let (craft, crnn) = easyocr::networks(files()).expect("the networks");
    let reader = easyocr::Reader {
        craft,
        crnn,
        pool: Pool::new(2),
        isa: Isa::best(),
    };
    for name in ["page", "slanted", "passport"] {
        let expected = reference(name);
        let picture = image::decode(&bytes(name)).expect("a picture");
        let picture = Bytes {
            rows: picture.height,
            columns: picture.width,
            channels: 3,
            data: picture.rgb,
        };
        let (scores, _) = reader.scores(&picture, 1280, &|| false).expect("not stopped");
        assert_eq!((scores.rows, scores.columns), (expected.rows, expected.columns));
        // Every fourth cell both ways, in half precision.
        let halves = std::fs::read(folder().join(format!("{name}.scores"))).expect("a fixture");
        let mut halves = halves
            .chunks_exact(2)
            .map(|two| half(u16::from_le_bytes([two[0], two[1]])));
        let mut worst = 0.0_f32;
        for row in (0..scores.rows).step_by(4) {
            for column in (0..scores.columns).step_by(4) {
                for map in [&scores.text, &scores.link] {
                    let expected = halves.next().expect("a number");
                    worst = worst.max((map[row * scores.columns + column] - expected).abs());
                }
            }
        }
        assert!(worst <= 1e-3, "{name}: {worst}");
        for (map, expected) in [&scores.text, &scores.link].into_iter().zip(expected.sums) {
            let sum: f64 = map.iter().map(|&score| f64::from(score)).sum();
            assert!(
                (sum / expected - 1.0).abs() < 1e-4,
                "{name}: {sum}, not {expected}"
            );
        }
    }
}

/// A number of half precision.
fn half(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023));
    match exponent {
        0 => sign * fraction * 2_f32.powi(-24),
        exponent => sign * (1.0 + fraction / 1024.0) * 2_f32.powi(exponent - 15),
    }
}

#[test]
fn lines_are_read_as_the_original_reads_them() {
    let mut loaded = load();
    for name in ["page", "slanted"] {
        let expected = reference(name).lines;
        let output = output(&mut loaded, Task::Ocr, &input(name));
        let mut found: Vec<Line> = serde_json::from_value(output["lines"].clone()).expect("lines");
        assert_eq!(found.len(), expected.len(), "{name}: {output}");
        for line in expected {
            let at = found.iter().position(|found| found.text == line.text.trim());
            let found = found.swap_remove(at.unwrap_or_else(|| panic!("no {:?} in {output}", line.text)));
            assert!((found.confidence - line.confidence).abs() < 0.05, "{}", line.text);
            for (corner, expected) in found.polygon.iter().zip(line.polygon) {
                let away = (corner[0] - expected[0]).hypot(corner[1] - expected[1]);
                assert!(away <= 3.0, "{}: {corner:?}, not {expected:?}", line.text);
            }
        }
    }
}

#[test]
fn the_example_is_read_in_reading_order_and_options_hold() {
    let mut loaded = load();
    let texts = |output: &Value| -> Vec<String> {
        let lines = output["lines"].as_array().expect("lines").iter();
        lines
            .map(|line| line["text"].as_str().unwrap_or_default().to_owned())
            .collect()
    };
    let mut wanted = Task::Ocr.example();
    assert_eq!(
        texts(&output(&mut loaded, Task::Ocr, &wanted)),
        ["Hello, world 42"]
    );
    wanted["letters"] = "0123456789".into();
    let digits = texts(&output(&mut loaded, Task::Ocr, &wanted));
    assert!(
        digits
            .iter()
            .flat_map(|text| text.chars())
            .all(|letter| letter.is_ascii_digit())
    );
    wanted["min_confidence"] = 1.into();
    assert_eq!(
        texts(&output(&mut loaded, Task::Ocr, &wanted)),
        Vec::<String>::new()
    );
}

#[test]
fn zones_are_read_whichever_way_up() {
    let mut loaded = load();
    for (name, kind, lines) in [
        ("passport", "TD3", &PASSPORT[..]),
        ("passport-180", "TD3", &PASSPORT[..]),
        ("card", "TD1", &CARD[..]),
        ("card-90", "TD1", &CARD[..]),
        ("card-tilted-5", "TD1", &CARD[..]),
    ] {
        let output = output(&mut loaded, Task::Mrz, &input(name));
        assert_eq!(output["valid"], true, "{name}: {output}");
        assert_eq!(output["type"], kind, "{name}");
        assert_eq!(output["mrz"], json!(lines), "{name}");
        assert_eq!(output["fields"]["surname"], "ERIKSSON");
        assert_eq!(output["fields"]["given_names"], "ANNA MARIA");
        assert_eq!(output["fields"]["birth_date"], "1974-08-12");
        assert_eq!(output["checks"]["composite"], true);
    }
}

#[test]
fn zones_of_tilted_passports_are_found() {
    let mut loaded = load();
    for name in ["passport-tilted-8", "passport-tilted-15"] {
        let output = output(&mut loaded, Task::Mrz, &input(name));
        assert_eq!(output["type"], "TD3", "{name}: {output}");
        for (field, value) in [
            ("surname", "ERIKSSON"),
            ("given_names", "ANNA MARIA"),
            ("nationality", "UTO"),
            ("document_number", "L898902C3"),
            ("birth_date", "1974-08-12"),
            ("sex", "F"),
            ("expiry_date", "2012-04-15"),
        ] {
            assert_eq!(output["fields"][field], value, "{name}: {output}");
        }
        for check in ["document_number", "birth_date", "expiry_date"] {
            assert_eq!(output["checks"][check], true, "{name}: {output}");
        }
        // Of slanting letters the model takes a `Z` beside digits for a 2 and a `B` for an 8: both stand in the
        // optional data, whose check digit says so.
        let lines = output["mrz"].as_array().expect("lines").iter();
        let wrong: usize = lines
            .zip(PASSPORT)
            .map(|(line, wanted)| {
                let pairs = line.as_str().expect("a text").chars().zip(wanted.chars());
                pairs.filter(|(a, b)| a != b).count()
            })
            .sum();
        assert!(wrong <= 2, "{name}: {output}");
        assert_eq!(output["valid"], wrong == 0, "{name}: {output}");
    }
}

#[test]
fn the_example_has_a_zone_and_a_page_has_none() {
    let mut loaded = load();
    let found = output(&mut loaded, Task::Mrz, &Task::Mrz.example());
    assert_eq!(
        (&found["valid"], &found["type"]),
        (&json!(true), &json!("TD3")),
        "{found}"
    );
    assert_eq!(found["mrz"], json!(PASSPORT));
    let none = output(&mut loaded, Task::Mrz, &Task::Ocr.example());
    assert_eq!(
        none,
        json!({"mrz": [], "type": null, "fields": {}, "valid": false, "checks": {}, "corrections": 0})
    );
}

#[test]
fn a_canceled_picture_is_not_read() {
    let mut loaded = load();
    let cancel = Cancel::default();
    cancel.cancel();
    for task in [Task::Ocr, Task::Mrz] {
        let told = run(&mut loaded, task, &task.example(), cancel.clone());
        assert!(
            told.iter()
                .all(|message| !matches!(message, FromRunner::Done { .. }))
        );
    }
}

#[test]
fn inputs_beyond_the_caps_are_refused_with_a_sentence() {
    let loaded = load();
    for (task, option, value, part) in [
        (Task::Ocr, "max_side", json!(319), "it may be 320 to 2048"),
        (Task::Mrz, "max_side", json!(2049), "it may be 320 to 2048"),
        (Task::Ocr, "min_confidence", json!(1.5), "it may be 0 to 1"),
        (Task::Ocr, "letters", json!(""), "letters has none"),
        (Task::Ocr, "letters", json!("ß"), "does not know"),
        (Task::Mrz, "letters", json!("A"), "unknown field"),
        (
            Task::Ocr,
            "image",
            json!("data:image/png;base64,aGk="),
            "neither PNG nor JPEG nor WebP",
        ),
    ] {
        let mut input = task.example();
        input[option] = value;
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
