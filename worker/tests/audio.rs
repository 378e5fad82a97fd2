//! The models of sound compute what their original implementations compute: Silero VAD by its own definition
//! (`fixtures/make_silero.py`), Whisper in CTranslate2 (`fixtures/make_whisper.py`), on recordings of a robot
//! voice (`fixtures/make_speech.sh`). A cancelled transcription ends soon; silence costs nothing.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock},
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use lamplighter_readers::audio::{self, Limits};
use lamplighter_shared::{
    error::ErrorCode,
    model_spec::{Catalog, ModelSpec},
    task::Task,
};
use lamplighter_worker::{
    models::{self, Files, Loaded, whisper},
    runner::{Cancel, Member, Report, protocol::FromRunner},
    weights,
};
use serde_json::{Value, json, value::to_raw_value};

const SPEECH: &[u8] = include_bytes!("fixtures/speech.ogg");
const DEUTSCH: &[u8] = include_bytes!("fixtures/deutsch.ogg");

fn fixture(text: &str) -> Value {
    serde_json::from_str(text).expect("the fixture")
}

fn spec(id: &str) -> ModelSpec {
    Catalog::built_in().get(id).expect("built in").clone()
}

/// The model's files; fetched and converted where they are not here yet.
fn files(id: &str) -> Files {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("a workspace");
    let models = std::env::var_os("LAMPLIGHTER_MODELS_DIR")
        .map_or_else(|| workspace.join("data/models"), PathBuf::from);
    let spec = spec(id);
    let dir = weights::ensure(&spec, &models, &|_| {}).expect("the model's files");
    let mut files = Files::plain(dir);
    if let Some(convert) = models::conversion(spec.family) {
        static CONVERTED: OnceLock<tempfile::TempDir> = OnceLock::new();
        let folder = CONVERTED.get_or_init(|| {
            let folder = tempfile::tempdir().expect("a folder");
            convert(&spec, &files.dir, folder.path()).expect("the conversion");
            folder
        });
        files.converted = folder.path().to_owned();
    }
    files
}

fn load(id: &str) -> Loaded {
    models::load(&spec(id), &files(id), 2).expect("the model loads")
}

/// One Whisper for all tests, one at a time: it is large.
fn whisper() -> &'static Mutex<Loaded> {
    static LOADED: OnceLock<Mutex<Loaded>> = OnceLock::new();
    LOADED.get_or_init(|| Mutex::new(load("whisper-base")))
}

fn url(bytes: &[u8]) -> String {
    format!("data:audio/ogg;base64,{}", BASE64_STANDARD.encode(bytes))
}

/// A 16-bit WAV file of these samples.
fn wav(samples: &[f32]) -> Vec<u8> {
    let length = samples.len() as u32 * 2;
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((length + 36).to_le_bytes());
    bytes.extend(b"WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00");
    bytes.extend(16_000_u32.to_le_bytes());
    bytes.extend(32_000_u32.to_le_bytes());
    bytes.extend(b"\x02\x00\x10\x00data");
    bytes.extend(length.to_le_bytes());
    bytes.extend(
        samples
            .iter()
            .flat_map(|sample| ((sample * 32_767.0) as i16).to_le_bytes()),
    );
    bytes
}

fn samples(bytes: &[u8]) -> Vec<f32> {
    let limits = Limits {
        bytes: 1 << 20,
        seconds: 60,
    };
    audio::decode(bytes, limits).expect("a recording").samples
}

/// Runs a job; gives what was told, the last of it the answer.
fn run(loaded: &mut Loaded, task: Task, input: &Value, cancel: &Cancel) -> Vec<FromRunner> {
    let told = Arc::new(Mutex::new(Vec::new()));
    let sink = told.clone();
    let report: Report = Arc::new(move |message| sink.lock().expect("unpoisoned").push(message));
    let raw = to_raw_value(input).expect("JSON");
    let (payload, _) = loaded.preparer.prepare(task, &raw).expect("a good input");
    loaded
        .model
        .run(Member::batch(vec![(0, payload, cancel.clone())], report));
    let mut told = std::mem::take(&mut *told.lock().expect("unpoisoned"));
    assert!(matches!(told.pop(), Some(FromRunner::BatchDone { .. })));
    told
}

fn output(told: &[FromRunner]) -> Value {
    match told.last() {
        Some(FromRunner::Done { output, .. }) => serde_json::from_str(output.get()).expect("JSON"),
        other => panic!("{other:?}"),
    }
}

fn floats(packed: &Value) -> Vec<f32> {
    let bytes = BASE64_STANDARD
        .decode(packed.as_str().expect("a text"))
        .expect("base64");
    bytes
        .as_chunks::<4>()
        .0
        .iter()
        .map(|four| f32::from_le_bytes(*four))
        .collect()
}

fn worst(a: impl IntoIterator<Item = f32>, b: impl IntoIterator<Item = f32>) -> f32 {
    a.into_iter()
        .zip(b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max)
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| {
        a.iter()
            .zip(b)
            .map(|(a, b)| f64::from(*a) * f64::from(*b))
            .sum::<f64>()
    };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// What share of the words was heard wrongly: the least number of words to change, add or leave out.
fn word_error(heard: &str, said: &str) -> f64 {
    let words = |text: &str| -> Vec<String> {
        let plain: String = text
            .to_lowercase()
            .chars()
            .filter(|c| c.is_alphanumeric() || c.is_whitespace())
            .collect();
        plain.split_whitespace().map(str::to_owned).collect()
    };
    let (heard, said) = (words(heard), words(said));
    let mut row: Vec<usize> = (0..=said.len()).collect();
    for (index, word) in heard.iter().enumerate() {
        let mut corner = std::mem::replace(&mut row[0], index + 1);
        for (column, wanted) in said.iter().enumerate() {
            let changed = corner + usize::from(word != wanted);
            corner = row[column + 1];
            row[column + 1] = changed.min(row[column] + 1).min(corner + 1);
        }
    }
    row[said.len()] as f64 / said.len() as f64
}

#[test]
fn silero_hears_what_the_original_hears() {
    let golden = fixture(include_str!("fixtures/silero.json"));
    let mut loaded = load("silero-vad");
    for case in golden["cases"].as_array().expect("cases") {
        let mut input = case["options"].clone();
        input["audio"] = url(SPEECH).into();
        input["probabilities"] = true.into();
        let told = run(&mut loaded, Task::VoiceActivity, &input, &Cancel::default());
        assert!(
            told.iter()
                .any(|message| matches!(message, FromRunner::Progress { .. }))
        );
        let output = output(&told);
        let numbers = |value: &Value| -> Vec<f32> {
            value
                .as_array()
                .expect("numbers")
                .iter()
                .map(|n| n.as_f64().expect("a number") as f32)
                .collect()
        };
        let (ours, theirs) = (
            numbers(&output["probabilities"]),
            numbers(&golden["probabilities"]),
        );
        assert_eq!(ours.len(), theirs.len());
        let off = worst(ours, theirs);
        println!("silero-vad: probabilities off by {off:.1e}");
        assert!(off <= 1e-4, "{off}");
        let spans: Vec<[i64; 2]> = output["segments"]
            .as_array()
            .expect("segments")
            .iter()
            .map(|segment| {
                ["start", "end"].map(|end| (segment[end].as_f64().expect("seconds") * 1e3).round() as i64)
            })
            .collect();
        let wanted: Vec<[i64; 2]> = serde_json::from_value::<Vec<[i64; 2]>>(case["segments"].clone())
            .expect("segments")
            .iter()
            .map(|span| span.map(|sample| (sample as f64 / 16.0).round() as i64))
            .collect();
        assert_eq!(spans, wanted, "{}", case["options"]);
    }
}

#[test]
fn half_an_hour_is_listened_to_in_seconds() {
    let mut loaded = load("silero-vad");
    let quiet = vec![0.001_f32; 16_000 * 300];
    let started = Instant::now();
    let told = run(
        &mut loaded,
        Task::VoiceActivity,
        &json!({"audio": url(&wav(&quiet))}),
        &Cancel::default(),
    );
    let took = started.elapsed();
    println!("silero-vad: 300 s of sound in {:.2} s", took.as_secs_f64());
    assert_eq!(output(&told)["segments"], json!([]));
    assert!(took < Duration::from_secs(100), "{took:?}");
}

#[test]
fn whisper_computes_what_the_original_computes() {
    let golden = fixture(include_str!("fixtures/whisper.json"));
    let parts = whisper::parts(
        &files("whisper-base"),
        &samples(SPEECH),
        &[50_258, 50_259, 50_359],
    )
    .expect("computed");
    let indices =
        |name: &str| -> Vec<usize> { serde_json::from_value(golden[name].clone()).expect("indices") };
    let mel: Vec<f32> = indices("frames")
        .iter()
        .flat_map(|&frame| parts.mel[frame].clone())
        .collect();
    let off = worst(mel, floats(&golden["mel"]));
    println!("whisper: spectrogram off by {off:.1e}");
    assert!(off < 1e-3, "{off}");
    let theirs = floats(&golden["encoded"]);
    for (&row, theirs) in indices("rows").iter().zip(theirs.chunks_exact(512)) {
        let ours = &parts.encoded[row];
        let cosine = cosine(ours, theirs);
        println!(
            "whisper: encoder row {row}: cosine {cosine:.7}, off by {:.1e}",
            worst(ours.clone(), theirs.to_vec())
        );
        assert!(cosine > 0.9999, "row {row}: {cosine}");
    }
    let tokens: Vec<usize> =
        serde_json::from_value(golden["first_logits"]["tokens"].clone()).expect("tokens");
    let theirs: Vec<f32> = serde_json::from_value(golden["first_logits"]["values"].clone()).expect("logits");
    let ours: Vec<f32> = tokens.iter().map(|&token| parts.logits[token]).collect();
    let off = worst(ours, theirs);
    println!("whisper: logits of the first token off by {off:.1e}");
    assert!(off < 0.05, "{off}");
}

/// Transcribes, and prints how fast.
fn transcribe(name: &str, audio: &[u8], mut options: Value) -> (Value, Vec<FromRunner>) {
    options["audio"] = url(audio).into();
    let mut loaded = whisper().lock().expect("unpoisoned");
    let started = Instant::now();
    let told = run(&mut loaded, Task::SpeechToText, &options, &Cancel::default());
    let took = started.elapsed().as_secs_f64();
    let output = output(&told);
    let (seconds, tokens) = (
        output["duration"].as_f64().expect("seconds"),
        output["usage"]["tokens"].clone(),
    );
    println!(
        "whisper: {name}: {seconds:.1} s of sound, {tokens} tokens in {took:.2} s = {:.2} of real time",
        took / seconds
    );
    println!("whisper: {name}: {}", output["text"]);
    (output, told)
}

fn segments(value: &Value) -> &[Value] {
    value["segments"].as_array().expect("segments")
}

#[test]
fn whisper_writes_what_the_original_writes() {
    let golden = fixture(include_str!("fixtures/whisper.json"));
    let long = [samples(SPEECH), vec![0.0; 9 * 16_000], samples(SPEECH)].concat();
    let cases = [
        ("speech", SPEECH.to_vec(), json!({})),
        ("deutsch", DEUTSCH.to_vec(), json!({})),
        ("long", wav(&long), json!({"language": "en"})),
        (
            "untimed",
            SPEECH.to_vec(),
            json!({"language": "en", "timestamps": "none"}),
        ),
        (
            "translated",
            DEUTSCH.to_vec(),
            json!({"language": "de", "task": "translate"}),
        ),
    ];
    for (name, audio, options) in cases {
        let timed = options["timestamps"] != "none";
        let (output, told) = transcribe(name, &audio, options);
        let wanted = &golden[name];
        assert_eq!(output["language"], wanted["language"]);
        let texts: Vec<&str> = segments(wanted)
            .iter()
            .filter_map(|segment| segment["text"].as_str())
            .collect();
        // Near ties (a comma, an `s`) hang on the last bits of a number: the original's weights are halves.
        let text = output["text"].as_str().expect("a text");
        let differ = word_error(text, &texts.join(" "));
        println!(
            "whisper: {name}: {:.1} % of the words differ from the original",
            differ * 100.0
        );
        // Of the translation the original itself is unsure (a mean log-probability of -0.9).
        let most = if name == "translated" { 0.5 } else { 0.05 };
        assert!(differ < most, "{name}: {text:?}");
        let pieces: Vec<&Value> = told
            .iter()
            .filter_map(|message| match message {
                FromRunner::Output { chunk, .. } => Some(chunk),
                _ => None,
            })
            .collect();
        assert_eq!(pieces.len(), texts.len(), "every segment is streamed");
        if !timed {
            assert_eq!(output["segments"], json!([]));
            let streamed: Vec<&str> = pieces.iter().filter_map(|piece| piece["text"].as_str()).collect();
            assert_eq!(streamed.join(" "), text, "{name}");
            continue;
        }
        let told: Vec<&Value> = segments(&output).iter().collect();
        assert_eq!(pieces, told, "{name}: what is streamed is what the answer has");
        let end = output["duration"].as_f64().expect("seconds");
        for segment in &told {
            let time = |at: &str| segment[at].as_f64().expect("seconds");
            assert!(
                time("start") < time("end") && time("end") <= end,
                "{name}: {segment}"
            );
        }
        for (ours, theirs) in segments(&output).iter().zip(segments(wanted)) {
            for end in ["start", "end"] {
                let off = ours[end].as_f64().expect("seconds") - theirs[end].as_f64().expect("seconds");
                assert!(off.abs() < 1.0, "{name}: {ours} against {theirs}");
            }
        }
    }
}

#[test]
fn few_words_are_heard_wrongly() {
    let golden = fixture(include_str!("fixtures/whisper.json"));
    for (name, audio) in [("speech", SPEECH), ("deutsch", DEUTSCH)] {
        let (output, _) = transcribe(name, audio, json!({}));
        let said = golden["texts"][name].as_str().expect("a text");
        let error = word_error(output["text"].as_str().expect("a text"), said);
        println!("whisper: {name}: {:.1} % of the words wrong", error * 100.0);
        assert!(error < 0.25, "{name}: {error}");
    }
}

#[test]
fn silence_has_no_words_and_takes_no_time() {
    let quiet = vec![0.0_f32; 16_000 * 170];
    let started = Instant::now();
    let (output, _) = transcribe("silence", &wav(&quiet), json!({}));
    assert_eq!(output["text"], "");
    assert_eq!(output["segments"], json!([]));
    assert_eq!(output["language"], "und");
    assert!(started.elapsed() < Duration::from_secs(60));
}

#[test]
fn a_cancelled_transcription_ends_soon() {
    let long = samples(SPEECH).repeat(6);
    let mut loaded = whisper().lock().expect("unpoisoned");
    let mut took = Vec::new();
    for after in [50, 400, 1_500, 3_000] {
        let cancel = Cancel::default();
        let ends = {
            let cancel = cancel.clone();
            std::thread::spawn(move || {
                // Not to order the two: whenever it comes, the job has to end soon after.
                cancel.sleep_until(Instant::now() + Duration::from_millis(after));
                cancel.cancel();
                Instant::now()
            })
        };
        let told = run(
            &mut loaded,
            Task::SpeechToText,
            &json!({"audio": url(&wav(&long))}),
            &cancel,
        );
        let ended = Instant::now();
        let canceled = ends.join().expect("it only sleeps");
        if matches!(told.last(), Some(FromRunner::Canceled { .. })) {
            took.push(ended - canceled);
        }
    }
    println!("whisper: cancelled within {took:?}; required 2 s");
    // The middle one: what else the machine does is not the model's.
    took.sort_unstable();
    let middle = took.get(took.len() / 2).expect("some were cancelled in time");
    assert!(*middle < Duration::from_secs(2), "{took:?}");
}

#[test]
fn inputs_that_can_not_be_taken_are_refused_with_a_sentence() {
    let loaded = whisper().lock().expect("unpoisoned");
    let refused = |input: Value, hint: &str| {
        let raw = to_raw_value(&input).expect("JSON");
        let error = loaded
            .preparer
            .prepare(Task::SpeechToText, &raw)
            .map(|_| ())
            .expect_err("refused");
        assert_eq!(error.kind, ErrorCode::InvalidInput);
        assert!(error.detail.contains(hint), "{}: {hint}", error.detail);
    };
    refused(json!({}), "audio");
    refused(json!({"audio": "http://example.com/a.wav"}), "data URL");
    refused(json!({"audio": "data:audio/wav;base64,aGVsbG8="}), "WAV");
    refused(json!({"audio": url(SPEECH), "language": "xx"}), "xx");
    refused(json!({"audio": url(SPEECH), "task": "sing"}), "sing");
    refused(json!({"audio": url(SPEECH), "speed": 2}), "speed");
    refused(json!([1]), "object");
}
