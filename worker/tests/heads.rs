//! Classifiers on top of encoders compute what the original implementation computes: four tiny checkpoints of
//! random weights and their logits by transformers (`fixtures/make_heads.py`), since no package ships a trained
//! one. What texts become is the same path for every task, batch and member.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use lamplighter_shared::{
    model_spec::{Catalog, ModelFile, ModelSpec},
    task::Task,
};
use lamplighter_worker::{
    models::{self, Files, Loaded},
    runner::{Cancel, Member, Report, protocol::FromRunner},
};
use safetensors::{SafeTensors, serialize_to_file};
use serde::Deserialize;
use serde_json::{Value, json, value::to_raw_value};

#[derive(Deserialize)]
struct Reference {
    pairs: Vec<(String, Vec<String>)>,
    texts: Vec<String>,
    logits: Logits,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Logits {
    bert_rerank: Vec<Vec<f64>>,
    xlm_rerank: Vec<Vec<f64>>,
    bert_classify: Vec<Vec<f64>>,
    xlm_classify: Vec<Vec<f64>>,
}

fn reference() -> Reference {
    serde_json::from_str(include_str!("fixtures/heads/reference.json")).expect("the fixture")
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/heads")
        .join(name)
}

fn spec(name: &str, task: Task) -> ModelSpec {
    let mut catalog = Catalog::default();
    let text = format!(
        "[[model]]\nid = \"{name}\"\ntask = \"{}\"\nfamily = \"bert\"\n",
        task.as_str()
    );
    catalog.extend_from_toml(&text).expect("an entry");
    catalog.0[name].clone()
}

fn load(name: &str, task: Task) -> Loaded {
    models::load(&spec(name, task), &Files::plain(folder(name)), 2).expect("the model loads")
}

/// Runs inputs as one batch; their outputs in order.
fn run(loaded: &mut Loaded, task: Task, inputs: &[Value]) -> Vec<Value> {
    let told = Arc::new(Mutex::new(Vec::new()));
    let sink = told.clone();
    let report: Report = Arc::new(move |message| sink.lock().expect("unpoisoned").push(message));
    let job = |(index, input): (usize, &Value)| {
        let raw = to_raw_value(input).expect("JSON");
        let (payload, _) = loaded.preparer.prepare(task, &raw).expect("a good input");
        (index as u64, payload, Cancel::default())
    };
    let jobs = inputs.iter().enumerate().map(job).collect();
    loaded.model.run(Member::batch(jobs, report));
    let mut outputs = vec![Value::Null; inputs.len()];
    for message in told.lock().expect("unpoisoned").drain(..) {
        match message {
            FromRunner::Done { ticket, output, .. } => {
                outputs[ticket as usize] = serde_json::from_str(output.get()).expect("JSON");
            }
            FromRunner::Failed { error, .. } => panic!("{error:?}"),
            _ => {}
        }
    }
    let schema = jsonschema::validator_for(&task.output_schema()).expect("a schema");
    for output in &outputs {
        assert!(schema.is_valid(output), "{output}");
    }
    outputs
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The largest difference between what was found and what was expected.
fn largest(pairs: impl IntoIterator<Item = (f64, f64)>) -> f64 {
    pairs.into_iter().map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
fn texts_are_ranked_as_the_original_ranks_them() {
    let reference = reference();
    for (name, logits) in [
        ("bert-rerank", &reference.logits.bert_rerank),
        ("xlm-rerank", &reference.logits.xlm_rerank),
    ] {
        let mut loaded = load(name, Task::Rerank);
        let inputs: Vec<Value> = reference
            .pairs
            .iter()
            .map(|(query, texts)| json!({"query": query, "texts": texts}))
            .collect();
        // Both queries in one batch, and each alone.
        let together = run(&mut loaded, Task::Rerank, &inputs);
        for ((input, output), logits) in inputs.iter().zip(&together).zip(logits) {
            assert_eq!(
                &run(&mut loaded, Task::Rerank, std::slice::from_ref(input))[0],
                output
            );
            let scores = output["scores"].as_array().expect("scores");
            assert_eq!(scores.len(), logits.len());
            let score = |entry: &Value| entry["score"].as_f64().expect("a score");
            assert!(
                scores.windows(2).all(|two| score(&two[0]) >= score(&two[1])),
                "{output}"
            );
            let found = scores.iter().map(|entry| {
                let index = entry["index"].as_u64().expect("an index") as usize;
                (score(entry), sigmoid(logits[index]))
            });
            let difference = largest(found);
            println!("{name}: largest difference of a score {difference:.1e}");
            assert!(difference < 1e-5, "{output} {logits:?}");
        }
        let best = json!({"query": "what is a cat", "texts": reference.texts, "top_k": 2});
        assert_eq!(
            run(&mut loaded, Task::Rerank, &[best])[0]["scores"]
                .as_array()
                .map(Vec::len),
            Some(2)
        );
    }
}

#[test]
fn texts_are_labelled_as_the_original_labels_them() {
    let reference = reference();
    for (name, labels, logits, many) in [
        (
            "bert-classify",
            &["bad", "neutral", "good"][..],
            &reference.logits.bert_classify,
            false,
        ),
        (
            "xlm-classify",
            &["film", "weather"][..],
            &reference.logits.xlm_classify,
            true,
        ),
    ] {
        let mut loaded = load(name, Task::TextClassification);
        let output = &run(
            &mut loaded,
            Task::TextClassification,
            &[json!({"texts": reference.texts})],
        )[0];
        let results = output["results"].as_array().expect("results");
        assert_eq!(results.len(), logits.len());
        for (result, logits) in results.iter().zip(logits) {
            let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = logits.iter().map(|x| (x - most).exp()).sum();
            let expected = |n: usize| {
                if many {
                    sigmoid(logits[n])
                } else {
                    (logits[n] - most).exp() / sum
                }
            };
            let found = result["labels"].as_array().expect("labels");
            assert_eq!(found.len(), labels.len());
            let difference = largest(found.iter().map(|entry| {
                let place = labels
                    .iter()
                    .position(|label| entry["label"] == *label)
                    .expect("a label");
                (entry["score"].as_f64().expect("a score"), expected(place))
            }));
            assert!(difference < 1e-5, "{name} {result} {logits:?}");
        }
        println!("{name}: as the original");
    }
}

#[test]
fn a_task_that_the_model_has_no_head_for_is_refused() {
    for (name, task, can) in [
        ("bert-rerank", Task::TextEmbedding, "rerank"),
        ("bert-rerank", Task::TextClassification, "rerank"),
        ("bert-classify", Task::Rerank, "text-classification"),
    ] {
        let error = models::load(&spec(name, task), &Files::plain(folder(name)), 1)
            .map(|_| ())
            .expect_err("it has no head for that");
        assert!(
            error.detail.contains(can) && error.detail.contains(task.as_str()),
            "{}",
            error.detail
        );
    }
    let minilm = Catalog::built_in().get("minilm").expect("built in").clone();
    assert_eq!(
        minilm.tasks,
        [
            Task::TextEmbedding,
            Task::Similarity,
            Task::ZeroShotClassification
        ]
    );
}

#[test]
fn a_text_that_is_too_long_is_cut_or_refused() {
    let loaded = load("bert-classify", Task::TextClassification);
    let long = "cat ".repeat(100);
    let prepare = |truncate: Option<bool>| {
        let mut input = json!({"texts": [long]});
        if let Some(truncate) = truncate {
            input["truncate"] = truncate.into();
        }
        let raw = to_raw_value(&input).expect("JSON");
        let prepared = loaded.preparer.prepare(Task::TextClassification, &raw);
        prepared
            .map(|(_, cost)| cost.tokens)
            .map_err(|error| error.detail)
    };
    assert_eq!((prepare(None), prepare(Some(true))), (Ok(48), Ok(48)));
    let refused = prepare(Some(false)).expect_err("it is too long");
    assert!(
        refused.contains("48 tokens") && refused.contains("truncate"),
        "{refused}"
    );
}

/// The classifier of the fixtures with its tensors dealt out to two files and an index; their names.
fn dealt_out(to: &Path) -> [&'static str; 2] {
    let from = folder("bert-classify");
    for name in ["config.json", "tokenizer.json"] {
        fs::copy(from.join(name), to.join(name)).expect("copied");
    }
    let bytes = fs::read(from.join("model.safetensors")).expect("the fixture");
    let tensors = SafeTensors::deserialize(&bytes).expect("safetensors").tensors();
    let shards = [
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
    ];
    let mut map = BTreeMap::new();
    for (n, shard) in shards.into_iter().enumerate() {
        let mine: Vec<_> = tensors.iter().skip(n).step_by(2).cloned().collect();
        map.extend(mine.iter().map(|(name, _)| (name.clone(), shard)));
        serialize_to_file(mine, None, &to.join(shard)).expect("written");
    }
    let index = json!({"metadata": {}, "weight_map": map}).to_string();
    fs::write(to.join("model.safetensors.index.json"), index).expect("written");
    shards
}

#[test]
fn a_model_in_shards_computes_the_same() {
    let task = Task::TextClassification;
    let inputs = [json!({"texts": reference().texts})];
    let expected = run(&mut load("bert-classify", task), task, &inputs);
    let sharded = tempfile::tempdir().expect("a folder");
    let shards = dealt_out(sharded.path());
    let plain = spec("bert-classify", task);
    let mut listed = plain.clone();
    let file = |path: &str| ModelFile {
        path: path.to_owned(),
        sha256: String::new(),
        size: 0,
    };
    listed.files = shards.map(file).to_vec();
    listed.files.push(file("config.json"));
    let load = |spec: &ModelSpec| models::load(spec, &Files::plain(sharded.path()), 2);
    for spec in [&plain, &listed] {
        let mut loaded = load(spec).expect("the shards load");
        assert_eq!(run(&mut loaded, task, &inputs), expected);
    }
    // A tensor in two files may be two tensors.
    let [first, second] = shards.map(|shard| sharded.path().join(shard));
    let kept = fs::read(&second).expect("a file");
    fs::copy(&first, &second).expect("copied");
    let twice = load(&listed).map(|_| ()).expect_err("refused").detail;
    assert!(
        twice.contains("another file has a tensor of this name"),
        "{twice}"
    );
    fs::remove_file(&second).expect("it was there");
    for spec in [&plain, &listed] {
        let error = load(spec).map(|_| ()).expect_err("refused").detail;
        assert!(
            error.contains("model-00002-of-00002.safetensors is missing") && error.contains("models pull"),
            "{error}"
        );
    }
    // Under any name, where the model's files are listed.
    fs::write(sharded.path().join("rest.safetensors"), kept).expect("written");
    listed.files[1] = file("rest.safetensors");
    let mut loaded = load(&listed).expect("the names do not matter");
    assert_eq!(run(&mut loaded, task, &inputs), expected);
}
