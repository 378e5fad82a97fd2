//! The catalogues hold exactly what the program says, and sentences come out as they should.

use std::collections::BTreeSet;

use super::{catalogue, keys, stored::SENTENCES, *};

const OTHERS: [Locale; 2] = [Locale::TraditionalChinese, Locale::Japanese];

fn placeholders(text: &str) -> BTreeSet<&str> {
    let name = |piece| match piece {
        Piece::Placeholder(name) => Some(name),
        Piece::Text(_) => None,
    };
    pieces(text).into_iter().filter_map(name).collect()
}

/// A sentence as a source has it: whatever stands in braces there is a value.
fn shape(text: &str) -> String {
    let mut shape = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (_, behind) = after.split_once('}').unwrap_or((after, ""));
        shape.extend([before, "{}"]);
        rest = behind;
    }
    shape + rest
}

#[test]
fn both_catalogues_hold_exactly_what_the_program_says() {
    let keys = keys::all();
    for locale in OTHERS {
        let catalogue = catalogue::of(locale).expect("a catalogue");
        let there: BTreeSet<String> = catalogue.keys().cloned().collect();
        let missing: Vec<&String> = keys.difference(&there).collect();
        let unused: Vec<&String> = there.difference(&keys).collect();
        let name = locale.as_str();
        assert!(missing.is_empty(), "{name} lacks {missing:#?}");
        assert!(unused.is_empty(), "nothing says {unused:#?} of {name}");
        for (text, translation) in catalogue {
            assert!(!translation.trim().is_empty(), "{name}: {text}");
            assert_eq!(
                placeholders(text),
                placeholders(translation),
                "{name}: {text} / {translation}"
            );
        }
    }
    println!("texts in each of {} catalogues: {}", OTHERS.len(), keys.len());
}

#[test]
fn every_message_has_the_values_of_its_placeholders() {
    let calls = keys::calls();
    for call in &calls {
        let names: BTreeSet<&str> = call.names.iter().map(String::as_str).collect();
        assert_eq!(
            names,
            placeholders(&call.text),
            "{}: {}",
            call.file.display(),
            call.text
        );
    }
    println!("calls of message!: {}", calls.len());
    assert!(calls.len() > 100, "the scan finds next to nothing");
}

#[test]
fn what_is_translated_of_jobs_and_models_is_what_workers_say() {
    let said: BTreeSet<String> = keys::literals(&["worker/src", "readers/src", "shared/src"])
        .iter()
        .map(|text| shape(text))
        .collect();
    let strange: Vec<&&str> = SENTENCES
        .iter()
        .filter(|sentence| {
            let shape = shape(sentence);
            let without = shape.strip_suffix(": {}").or(shape.strip_suffix(", but {}"));
            !said.contains(&shape)
                && !said.contains(&format!("{shape}{{}}"))
                && !without
                    .is_some_and(|without| said.contains(without) || said.contains(&format!("{without}{{}}")))
        })
        .collect();
    assert!(strange.is_empty(), "nobody says {strange:#?}");
}

/// Refusals of models are made by `invalid(…)`, those of readers by `#[error(…)]`; the rest stands behind its code.
#[test]
fn every_failure_of_a_job_is_translated() {
    const MARKS: [(&[&str], &[&str]); 3] = [
        (&["worker/src/models"], &["invalid("]),
        (
            &[
                "readers/src/audio/mod.rs",
                "readers/src/image.rs",
                "readers/src/data_url.rs",
            ],
            &["#[error("],
        ),
        (
            &["worker/src", "shared/src/db"],
            &[
                "ErrorCode::InvalidInput,",
                "ErrorCode::LeaseLost,",
                "ErrorCode::ModelError,",
                "ErrorCode::OutOfMemory,",
                "ErrorCode::Timeout,",
                "ErrorCode::WorkerCrashed,",
            ],
        ),
    ];
    let listed: BTreeSet<String> = SENTENCES.iter().map(|sentence| shape(sentence)).collect();
    let mut found = 0;
    for (folders, marks) in MARKS {
        for (file, source) in keys::product(folders) {
            let behind = |mark: &&'static str| source.match_indices(*mark).map(|(at, mark)| at + mark.len());
            for at in marks.iter().flat_map(behind) {
                let rest = source[at..].trim_start();
                let rest = rest.strip_prefix("format!(").unwrap_or(rest).trim_start();
                let Some((text, _)) = keys::literal(rest) else {
                    continue;
                };
                found += 1;
                let shape = shape(&text);
                let bare = shape.strip_suffix("{}").unwrap_or(&shape);
                assert!(
                    listed.contains(&shape) || listed.contains(bare),
                    "{}: {text} has no translation",
                    file.display()
                );
            }
        }
    }
    println!("failures of jobs: {found}");
    assert!(found > 60, "the scan finds next to nothing");
}

#[test]
fn every_stage_of_a_run_is_translated() {
    let mut found = 0;
    for (file, source) in keys::product(&["worker/src/models"]) {
        for line in source.lines() {
            let told = line.contains(".progress(") || line.contains(".tell(\"");
            let Some((text, _)) = line
                .find('"')
                .filter(|_| told)
                .and_then(|at| keys::literal(&line[at..]))
            else {
                continue;
            };
            found += 1;
            assert!(SENTENCES.contains(&text.as_str()), "{}: {text}", file.display());
        }
    }
    println!("stages of runs: {found}");
    assert!(found > 5, "the scan finds next to nothing");
}

#[test]
fn values_stand_in_their_places_and_are_not_looked_into() {
    let fault = message!("must have at most {limit} characters", limit = 3_u64);
    let whole = message!("{place}: {fault}", place = "/{fault}", fault = fault);
    assert_eq!(whole.to_string(), "/{fault}: must have at most 3 characters");
    assert_eq!(
        whole.in_locale(Locale::Japanese),
        "/{fault}：3 文字以下にしてください"
    );
    let braces = message!("{} {a {b} {B} {c", b = "x");
    assert_eq!(braces.to_string(), "{} {a x {B} {c");
    assert_eq!(message!("no value: {gone}").to_string(), "no value: {gone}");
    assert_eq!(message!("").to_string(), "");
}

#[test]
fn stored_sentences_give_their_values_back() {
    let told = |text: &str| translate_stored(Locale::Japanese, text);
    assert_eq!(told("the model panicked"), "モデルが異常停止しました");
    assert_eq!(
        told("top_k is 7; it may be 1 to 5"),
        "top_k は 7 です。指定できるのは 1 から 5 です"
    );
    // The longer sentence, and what is told within it.
    assert_eq!(
        told("the model can't be loaded: the canary of echo failed: no answer"),
        "モデルを読み込めません：echo の動作確認に失敗しました：応答がありません"
    );
    for text in ["no such luck", "", "the model panicked!", "top_k is 7"] {
        assert_eq!(told(text), text);
    }
    assert_eq!(
        translate_stored(Locale::English, "the model panicked"),
        "the model panicked"
    );
}

#[test]
fn every_stored_sentence_is_read_back_as_itself() {
    for sentence in SENTENCES {
        for locale in OTHERS {
            // Placeholders as their own values: what is read back is the translation as it stands.
            let translated = translate_stored(locale, sentence);
            let expected = translate(locale, sentence);
            assert_eq!(translated, expected, "{sentence}");
        }
    }
}
