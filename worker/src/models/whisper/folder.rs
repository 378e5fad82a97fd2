//! What a model's folder says beside the weights: the tokenizer, and which tokens are never written.

use std::path::Path;

use lamplighter_shared::job::JobError;
use serde::Deserialize;
use tokenizers::Tokenizer;

use super::super::unavailable;

/// Token ids with a meaning.
#[derive(Debug, Clone)]
pub(super) struct Tokens {
    pub(super) end: u32,
    pub(super) start: u32,
    pub(super) transcribe: u32,
    pub(super) translate: u32,
    pub(super) no_speech: u32,
    pub(super) no_timestamps: u32,
    /// 0.00 seconds; each following one is 0.02 later.
    pub(super) first_time: u32,
}

/// The folder, read.
pub(super) struct Folder {
    tokenizer: Tokenizer,
    pub(super) tokens: Tokens,
    /// Languages: code and token, in the order of the tokens.
    languages: Vec<(String, u32)>,
    /// Never written.
    pub(super) suppressed: Vec<u32>,
    /// Never written first.
    pub(super) suppressed_first: Vec<u32>,
}

/// `config.json` of CTranslate2, or `generation_config.json` of a hub.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Config {
    #[serde(alias = "suppress_tokens")]
    suppress_ids: Vec<u32>,
    #[serde(alias = "begin_suppress_tokens")]
    suppress_ids_begin: Vec<u32>,
}

impl Folder {
    /// Reads `tokenizer.json` and the configuration.
    pub(super) fn read(dir: &Path) -> Result<Self, JobError> {
        let tokenizer = Tokenizer::from_file(dir.join("tokenizer.json"))
            .map_err(|error| unavailable(format!("tokenizer.json: {error}")))?;
        let id = |names: &[&str]| {
            names
                .iter()
                .find_map(|name| tokenizer.token_to_id(name))
                .ok_or_else(|| {
                    unavailable(format!(
                        "tokenizer.json is not one of Whisper: it lacks {}",
                        names[0]
                    ))
                })
        };
        let no_timestamps = id(&["<|notimestamps|>"])?;
        let tokens = Tokens {
            end: id(&["<|endoftext|>"])?,
            start: id(&["<|startoftranscript|>"])?,
            transcribe: id(&["<|transcribe|>"])?,
            translate: id(&["<|translate|>"])?,
            no_speech: id(&["<|nospeech|>", "<|nocaptions|>"])?,
            no_timestamps,
            first_time: no_timestamps + 1,
        };
        // Between the start and the tasks there are only languages.
        let languages = (tokens.start + 1..tokens.translate.min(tokens.transcribe))
            .filter_map(|token| {
                let name = tokenizer.id_to_token(token)?;
                let code = name.strip_prefix("<|")?.strip_suffix("|>")?;
                Some((code.to_owned(), token))
            })
            .collect();
        let config = config(dir)?;
        Ok(Self {
            tokenizer,
            tokens,
            languages,
            suppressed: config.suppress_ids,
            suppressed_first: config.suppress_ids_begin,
        })
    }

    /// The token of a language.
    pub(super) fn language(&self, code: &str) -> Option<u32> {
        self.languages
            .iter()
            .find(|(known, _)| known == code)
            .map(|(_, token)| *token)
    }

    /// The code of a language's token.
    pub(super) fn language_code(&self, token: u32) -> &str {
        let known = self.languages.iter().find(|(_, known)| *known == token);
        known.map_or("und", |(code, _)| code.as_str())
    }

    /// The tokens of all languages.
    pub(super) fn languages(&self) -> impl Iterator<Item = u32> {
        self.languages.iter().map(|(_, token)| *token)
    }

    /// The words of tokens; those with a meaning are left out. A space at its beginning is one of the text: languages
    /// without spaces have none.
    pub(super) fn text(&self, tokens: &[u32]) -> Result<String, String> {
        let words: Vec<u32> = tokens
            .iter()
            .copied()
            .filter(|&token| token < self.tokens.end)
            .collect();
        self.tokenizer
            .decode(&words, true)
            .map_err(|error| error.to_string())
    }
}

fn config(dir: &Path) -> Result<Config, JobError> {
    for name in ["generation_config.json", "config.json"] {
        let Ok(text) = std::fs::read_to_string(dir.join(name)) else {
            continue;
        };
        return serde_json::from_str(&text).map_err(|error| unavailable(format!("{name}: {error}")));
    }
    Err(unavailable(
        "there is neither a config.json nor a generation_config.json",
    ))
}
