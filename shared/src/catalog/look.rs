//! What a model is, by the files in its folder: its family and what it can do. So an entry of `models.toml` need
//! not say it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    gguf,
    layout::{self, INDEX, WHOLE},
};
use crate::{model_spec::Family, task::Task};

/// The largest of the JSON files that are read here, bytes.
const MAX_JSON: u64 = 32 << 20;

/// What is known, for whoever has something else.
const KNOWN: &str = "known are model_type bert, xlm-roberta and roberta (config.json and safetensors), general.architecture \
                     llama (one GGUF file), and the models that come with Lamplighter";

/// What a model is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    /// Which code runs it.
    pub(super) family: Family,
    /// What it does.
    pub(super) tasks: Vec<Task>,
}

/// The files of a folder, by their paths below it, sorted; as deep as models have them.
///
/// # Errors
/// A sentence, where the folder can't be read.
pub fn names_in(dir: &Path) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    list(dir, "", &mut names).map_err(|error| format!("{}: {error}", dir.display()))?;
    names.sort();
    Ok(names)
}

fn list(dir: &Path, prefix: &str, names: &mut Vec<String>) -> std::io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        if path.is_file() {
            names.push(format!("{prefix}{name}"));
        } else if prefix.is_empty() && path.is_dir() && !name.starts_with('.') {
            list(&path, &format!("{name}/"), names)?;
        }
    }
    Ok(())
}

/// Looks at a model's folder; of its files only `only` count, where that names some.
///
/// # Errors
/// A sentence that says what is missing or not known, and what to do.
pub(super) fn look(dir: &Path, only: &[String]) -> Result<Seen, String> {
    let mut names = names_in(dir)?;
    if !only.is_empty() {
        if let Some(missing) = only.iter().find(|name| !names.contains(name)) {
            return Err(format!("{} is missing", dir.join(missing).display()));
        }
        names.retain(|name| only.contains(name));
    }
    if let Some((family, _)) = layout::ours(&names) {
        let tasks = tasks_of_ours(family);
        return Ok(Seen { family, tasks });
    }
    let files = layout::files_of_model(&names).map_err(|what| format!("{}: {what}", dir.display()))?;
    match files.iter().find(|name| name.ends_with(".gguf")) {
        Some(weights) => of_gguf(&dir.join(weights)),
        None => of_config(dir, &files),
    }
}

/// What the models do whose files say nothing: they are known by their names.
fn tasks_of_ours(family: Family) -> Vec<Task> {
    match family {
        Family::SileroVad => vec![Task::VoiceActivity],
        Family::EfficientnetLite => vec![Task::ImageClassification],
        Family::Mtcnn => vec![Task::FaceDetection],
        _ => vec![Task::Ocr, Task::Mrz],
    }
}

fn of_gguf(file: &Path) -> Result<Seen, String> {
    let head = gguf::head(file).map_err(|what| format!("{}: {what}", file.display()))?;
    match head.architecture.as_deref() {
        Some("llama") => {
            let tasks: &[Task] = if head.chats {
                &[Task::Chat, Task::TextGeneration]
            } else {
                &[Task::TextGeneration]
            };
            Ok(Seen {
                family: Family::Llama,
                tasks: tasks.to_vec(),
            })
        }
        Some(other) => Err(unknown(file, "general.architecture", other)),
        None => Err(format!(
            "{}: it has no general.architecture: fetch it again",
            file.display()
        )),
    }
}

fn unknown(file: &Path, what: &str, is: &str) -> String {
    format!("{}: {what} {is:?} is not known; {KNOWN}", file.display())
}

/// What is read of a `config.json`.
#[derive(Deserialize)]
struct Config {
    model_type: Option<String>,
    #[serde(default)]
    architectures: Vec<String>,
    id2label: Option<Map<String, Value>>,
    num_labels: Option<usize>,
}

fn of_config(dir: &Path, files: &[String]) -> Result<Seen, String> {
    let path = dir.join("config.json");
    let config: Config = json(&path)?;
    let family = match config.model_type.as_deref() {
        Some("bert" | "xlm-roberta" | "roberta") => Family::Bert,
        Some("whisper") => Family::Whisper,
        Some(other) => return Err(unknown(&path, "model_type", other)),
        None => return Err(format!("{}: it has no model_type; {KNOWN}", path.display())),
    };
    let has = |name: &str| files.iter().any(|file| file == name);
    if !has("tokenizer.json") {
        let path = dir.join("tokenizer.json");
        return Err(format!(
            "{} is missing: save the tokenizer in the fast form (AutoTokenizer.save_pretrained writes it)",
            path.display()
        ));
    }
    if family == Family::Whisper && !has(WHOLE) {
        return Err(format!(
            "{}: speech recognition is read from one {WHOLE}: save the model again as one file (save_pretrained with \
             max_shard_size=\"20GB\")",
            dir.display()
        ));
    }
    if has(INDEX) {
        check_shards(dir, files)?;
    }
    let tasks = match family {
        Family::Whisper => vec![Task::SpeechToText],
        _ => tasks_of_encoder(&config, has("modules.json"), &path)?,
    };
    Ok(Seen { family, tasks })
}

fn tasks_of_encoder(
    config: &Config,
    is_sentence_transformer: bool,
    path: &Path,
) -> Result<Vec<Task>, String> {
    let head = config.architectures.first().map_or("", String::as_str);
    if head.ends_with("ForSequenceClassification") {
        let named = config.id2label.as_ref().map(Map::len);
        // Without a word of it there are two.
        return Ok(match named.or(config.num_labels).unwrap_or(2) {
            1 => vec![Task::Rerank],
            _ => vec![Task::TextClassification],
        });
    }
    if head.is_empty() || head.ends_with("Model") || is_sentence_transformer {
        return Ok(vec![
            Task::TextEmbedding,
            Task::Similarity,
            Task::ZeroShotClassification,
        ]);
    }
    Err(format!(
        "{}: the head {head} is not served; a …Model (embeddings) or a …ForSequenceClassification is, or say \
         tasks = [\"text-embedding\"] to leave it out",
        path.display()
    ))
}

/// Every shard that the index names is there, and one of the model's files.
fn check_shards(dir: &Path, files: &[String]) -> Result<(), String> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: std::collections::BTreeMap<String, String>,
    }
    let index: Index = json(&dir.join(INDEX))?;
    match index.weight_map.values().find(|shard| !files.contains(shard)) {
        Some(shard) if dir.join(shard).is_file() => Err(format!(
            "{} names {shard:?}: the name of a shard begins with \"model-\" and ends with \".safetensors\"",
            dir.join(INDEX).display()
        )),
        Some(shard) => Err(format!(
            "{} is missing, which {INDEX} names: fetch it",
            dir.join(shard).display()
        )),
        None => Ok(()),
    }
}

fn json<T: serde::de::DeserializeOwned>(path: &PathBuf) -> Result<T, String> {
    let said = |what: &dyn std::fmt::Display| format!("{}: {what}", path.display());
    let found = fs::metadata(path).map_err(|_| {
        format!(
            "{} is missing: a model's folder has config.json, tokenizer.json and model.safetensors, or one .gguf file",
            path.display()
        )
    })?;
    if found.len() > MAX_JSON {
        return Err(said(&"too large for what it should be"));
    }
    let text = fs::read(path).map_err(|error| said(&error))?;
    serde_json::from_slice(&text).map_err(|error| said(&error))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tempfile::TempDir;

    use super::*;

    fn folder(files: &[(&str, &[u8])]) -> TempDir {
        let dir = tempfile::tempdir().expect("a folder");
        for (name, bytes) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().expect("it has one")).expect("a folder");
            fs::write(path, bytes).expect("written");
        }
        dir
    }

    fn encoder(config: &Value, more: &[(&str, &[u8])]) -> Result<Vec<Task>, String> {
        let config = config.to_string();
        let mut files: Vec<(&str, &[u8])> = vec![
            ("config.json", config.as_bytes()),
            ("tokenizer.json", b"{}"),
            ("model.safetensors", b""),
        ];
        files.extend(more);
        let seen = look(folder(&files).path(), &[])?;
        assert_eq!(seen.family, Family::Bert);
        Ok(seen.tasks)
    }

    #[test]
    fn an_encoder_does_what_its_head_says() {
        let of = |kind: &str, head: &str, labels: Value| {
            let mut config = json!({"model_type": kind, "architectures": [head]});
            if !labels.is_null() {
                config["id2label"] = labels;
            }
            encoder(&config, &[])
        };
        let embeds = Ok(vec![
            Task::TextEmbedding,
            Task::Similarity,
            Task::ZeroShotClassification,
        ]);
        assert_eq!(of("bert", "BertModel", Value::Null), embeds);
        assert_eq!(of("xlm-roberta", "XLMRobertaModel", Value::Null), embeds);
        let scores = "XLMRobertaForSequenceClassification";
        assert_eq!(
            of("xlm-roberta", scores, json!({"0": "LABEL_0"})),
            Ok(vec![Task::Rerank])
        );
        let sorts = Ok(vec![Task::TextClassification]);
        assert_eq!(
            of(
                "bert",
                "BertForSequenceClassification",
                json!({"0": "a", "1": "b"})
            ),
            sorts
        );
        assert_eq!(of("bert", "BertForSequenceClassification", Value::Null), sorts);
        let masked = json!({"model_type": "bert", "architectures": ["BertForMaskedLM"]});
        assert!(encoder(&masked, &[]).is_err_and(|error| error.contains("BertForMaskedLM")));
        assert_eq!(encoder(&masked, &[("modules.json", b"[]")]), embeds);
    }

    #[test]
    fn a_gguf_file_is_known_by_its_architecture() {
        let llama = folder(&[("m.gguf", &gguf::tests::file("llama", true))]);
        let seen = look(llama.path(), &[]).expect("known");
        assert_eq!(
            (seen.family, seen.tasks),
            (Family::Llama, vec![Task::Chat, Task::TextGeneration])
        );
        let other = folder(&[("m.gguf", &gguf::tests::file("qwen2", true)), ("n.gguf", b"junk")]);
        let error = look(other.path(), &["m.gguf".to_owned()]).expect_err("not known");
        assert!(
            error.contains("qwen2") && error.contains("known are") && error.contains("llama"),
            "{error}"
        );
        let error = look(other.path(), &["n.gguf".to_owned()]).expect_err("no GGUF file");
        assert!(error.contains("n.gguf"), "{error}");
    }

    #[test]
    fn what_is_missing_or_not_known_is_named_with_what_to_do() {
        let began = std::time::Instant::now();
        let bert = br#"{"model_type": "bert"}"#;
        let index = br#"{"weight_map": {"a": "model-00001-of-00001.safetensors"}}"#;
        for (files, expected) in [
            (&[("README.md", &b""[..])][..], "is needed"),
            (&[("model.safetensors", b"")], "config.json is missing"),
            (
                &[("model.safetensors", b""), ("config.json", b"{")],
                "config.json: ",
            ),
            (
                &[("model.safetensors", b""), ("config.json", b"{}")],
                "no model_type",
            ),
            (
                &[
                    ("model.safetensors", b""),
                    ("config.json", br#"{"model_type": "t5"}"#),
                ],
                "\"t5\" is not known; known are",
            ),
            (
                &[("model.safetensors", b""), ("config.json", bert)],
                "tokenizer.json is missing",
            ),
            (
                &[
                    ("model.safetensors.index.json", index),
                    ("config.json", bert),
                    ("tokenizer.json", b"{}"),
                ],
                "model-00001-of-00001.safetensors is missing",
            ),
            (
                &[
                    (
                        "model.safetensors.index.json",
                        br#"{"weight_map": {"a": "other.safetensors"}}"#,
                    ),
                    ("other.safetensors", b""),
                    ("config.json", bert),
                    ("tokenizer.json", b"{}"),
                ],
                "begins with \"model-\"",
            ),
            (
                &[
                    ("model.safetensors.index.json", index),
                    ("model-00001-of-00001.safetensors", b""),
                    ("config.json", br#"{"model_type": "whisper"}"#),
                    ("tokenizer.json", b"{}"),
                ],
                "as one file",
            ),
            (&[("pytorch_model.bin", b""), ("config.json", bert)], "convert it"),
        ] {
            let error = look(folder(files).path(), &[]).expect_err(expected);
            println!("{error}");
            assert!(error.contains(expected), "{error}");
        }
        assert!(look(Path::new("/nowhere/at/all"), &[]).is_err());
        assert!(
            began.elapsed() < std::time::Duration::from_secs(2),
            "each is refused at once"
        );
    }

    #[test]
    fn the_models_that_come_along_are_known_by_their_files() {
        for (names, family) in [
            (&["silero_vad_16k.safetensors"][..], Family::SileroVad),
            (&["pnet.pt", "rnet.pt", "onet.pt"], Family::Mtcnn),
            (&["craft_mlt_25k.pth", "english_g2.pth"], Family::Easyocr),
            (&["efficientnet-lite0-57934424.pth"], Family::EfficientnetLite),
        ] {
            let files: Vec<(&str, &[u8])> = names.iter().map(|name| (*name, &b""[..])).collect();
            let seen = look(folder(&files).path(), &[]);
            assert_eq!(seen.map(|seen| seen.family), Ok(family), "{names:?}");
        }
    }
}
