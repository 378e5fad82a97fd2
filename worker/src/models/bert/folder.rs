//! What a sentence-transformers folder says of its model, read and checked.

use std::{fs, path::Path};

use lamplighter_shared::job::JobError;
use serde::{Deserialize, de::DeserializeOwned};
use tokenizers::{Tokenizer, TruncationParams};

use super::{
    config::Config,
    pooling::{Mode, Pooling},
};
use crate::models::unavailable;

/// Everything but the weights.
pub(super) struct Folder {
    /// Shape of the encoder.
    pub config: Config,
    /// Cuts at `max_tokens` and never pads: padding is the batch's business.
    pub tokenizer: Tokenizer,
    /// From token vectors to one vector.
    pub pooling: Pooling,
}

/// One entry of `modules.json`.
#[derive(Deserialize)]
struct Module {
    path: String,
    #[serde(rename = "type")]
    kind: String,
}

/// `sentence_bert_config.json`.
#[derive(Default, Deserialize)]
struct SentenceConfig {
    max_seq_length: Option<usize>,
    #[serde(default)]
    do_lower_case: bool,
}

impl Folder {
    /// Reads the folder. `max_tokens` shortens what the files say, never lengthens it.
    pub(super) fn read(dir: &Path, max_tokens: Option<usize>) -> Result<Self, JobError> {
        let config: Config =
            json(dir, "config.json")?.ok_or_else(|| unavailable("config.json is missing"))?;
        let shape = config
            .shape()
            .map_err(|error| unavailable(format!("config.json: {error}")))?;
        let sentence: SentenceConfig = json(dir, "sentence_bert_config.json")?.unwrap_or_default();
        if sentence.do_lower_case {
            return Err(unavailable(
                "sentence_bert_config.json: do_lower_case is not supported",
            ));
        }
        let longest = [sentence.max_seq_length, max_tokens].into_iter().flatten();
        let longest = longest.fold(shape.longest(), usize::min);
        Ok(Self {
            tokenizer: tokenizer(dir, longest)?,
            pooling: pooling(dir, config.hidden_size)?,
            config,
        })
    }
}

fn tokenizer(dir: &Path, longest: usize) -> Result<Tokenizer, JobError> {
    let broken = |what: String| unavailable(format!("tokenizer.json: {what}"));
    let mut tokenizer =
        Tokenizer::from_file(dir.join("tokenizer.json")).map_err(|e| broken(e.to_string()))?;
    // The special tokens must fit with at least one other.
    if longest < 8 {
        return Err(broken(format!(
            "texts of at most {longest} tokens are too short to be of use"
        )));
    }
    // The file may pad everything to a fixed length: never wanted here.
    tokenizer.with_padding(None);
    let truncation = TruncationParams {
        max_length: longest,
        ..TruncationParams::default()
    };
    tokenizer
        .with_truncation(Some(truncation))
        .map_err(|e| broken(e.to_string()))?;
    Ok(tokenizer)
}

/// What `modules.json` names; without it, the mean, as sentence-transformers does.
fn pooling(dir: &Path, dimension: usize) -> Result<Pooling, JobError> {
    let mut pooling = Pooling {
        mode: Mode::Mean,
        normalise: false,
    };
    let Some(modules) = json::<Vec<Module>>(dir, "modules.json")? else {
        return Ok(pooling);
    };
    for module in modules {
        match module.kind.rsplit('.').next().unwrap_or_default() {
            "Transformer" if module.path.is_empty() => {}
            "Pooling" => {
                let file = format!("{}/config.json", module.path);
                let modes = json(dir, &file)?.ok_or_else(|| unavailable(format!("{file} is missing")))?;
                pooling.mode =
                    Mode::read(&modes, dimension).map_err(|e| unavailable(format!("{file}: {e}")))?;
            }
            "Normalize" => pooling.normalise = true,
            _ => {
                return Err(unavailable(format!(
                    "modules.json: {:?} is not supported",
                    module.kind
                )));
            }
        }
    }
    Ok(pooling)
}

/// Reads a JSON file of the folder; none if it is not there.
fn json<T: DeserializeOwned>(dir: &Path, file: &str) -> Result<Option<T>, JobError> {
    let text = match fs::read(dir.join(file)) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unavailable(format!("{file}: {error}"))),
    };
    serde_json::from_slice(&text)
        .map(Some)
        .map_err(|error| unavailable(format!("{file}: {error}")))
}
