//! The tokens of a GGUF file: what each stands for, how texts are cut into them, which of them end an answer.
//!
//! Byte-level vocabularies (`gpt2` in the file) are read from the file itself, for the ways of cutting words that
//! are known; all others need a `tokenizer.json` beside it. A way that is not known is refused: a text would
//! still become tokens, but not those that the model was trained on.

use std::{collections::HashMap, path::Path};

use candle_core::quantized::gguf_file::Content;
use lamplighter_shared::job::JobError;
use tokenizers::Tokenizer;

use super::{
    metadata::Meta,
    specials::{Piece, Specials},
    tokenizer::{byte_level_tokenizer, from_json},
};
use crate::models::{invalid, unavailable};

/// Names of tokens that end an answer, whatever the file says is the end of a text.
const ENDS: [&str; 8] = [
    "<|im_end|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end|>",
    "<|end_of_text|>",
    "<end_of_turn>",
    "</s>",
];

/// Kinds of tokens, as the file numbers them.
const CONTROL: i64 = 3;
const USER_DEFINED: i64 = 4;

/// The vocabulary of a model.
pub(super) struct Vocabulary {
    tokenizer: Tokenizer,
    /// Tokens that steer; texts of users never become one.
    pub specials: Specials,
    /// What each token stands for, by id; nothing for those that steer.
    bytes: Vec<Vec<u8>>,
    /// Tokens that steer, by id.
    control: Vec<bool>,
    /// Tokens that an answer may have, by id: text, and what ends it.
    writable: Vec<bool>,
    ends: Vec<u32>,
    /// In front of every text, where the model wants it.
    begin: Option<u32>,
    /// Texts of named tokens, for templates.
    pub names: HashMap<&'static str, String>,
    /// Whether the first token of a text has a space in front that is not part of it.
    leading_space: bool,
}

impl Vocabulary {
    /// Reads the vocabulary of a file; `beside` is where its `tokenizer.json` would be.
    ///
    /// # Errors
    /// `model_unavailable`, saying what is missing.
    pub(super) fn read(content: &Content, beside: &Path) -> Result<Self, JobError> {
        let meta = Meta(content);
        let kind = meta
            .text("model")
            .ok_or_else(|| unavailable("the file has no tokenizer"))?;
        let tokens = meta.texts("tokens")?;
        let kinds = meta.numbers("token_type");
        let of_kind = |id: usize, kind: i64| kinds.get(id) == Some(&kind);
        let byte_level = kind == "gpt2";
        let named = |key: &str| meta.id(key).filter(|id| (*id as usize) < tokens.len());
        let mut ends: Vec<u32> = ["eos_token_id", "eot_token_id", "eom_token_id"]
            .into_iter()
            .filter_map(named)
            .collect();
        // Some files have such tokens as text, or say nothing of kinds: an answer must not hold them all the same.
        let steers = |(id, token): (usize, &String)| {
            of_kind(id, CONTROL)
                || ends.iter().any(|end| *end as usize == id)
                || ENDS.contains(&token.as_str())
                || token.starts_with("<|") && token.ends_with("|>")
        };
        let control: Vec<bool> = tokens.iter().enumerate().map(steers).collect();
        let json = beside.join("tokenizer.json");
        let tokenizer = match (json.is_file(), byte_level) {
            (true, _) => from_json(&json, &tokens)?,
            (false, true) => {
                byte_level_tokenizer(&meta, &tokens, |id| of_kind(id, USER_DEFINED) && !control[id])?
            }
            (false, false) => {
                return Err(unavailable(format!(
                    "the file's tokenizer is of the kind {kind:?}: put the model's tokenizer.json beside it"
                )));
            }
        };
        let alphabet = byte_alphabet();
        let stands_for = |(id, token): (usize, &String)| match control[id] {
            true => Vec::new(),
            false if byte_level && !of_kind(id, USER_DEFINED) => unmapped(token, &alphabet),
            false => spaced(token),
        };
        let bytes = tokens.iter().enumerate().map(stands_for).collect();
        ends.extend(
            (0_u32..)
                .zip(&tokens)
                .filter(|(_, token)| ENDS.contains(&token.as_str()))
                .map(|(id, _)| id),
        );
        ends.sort_unstable();
        ends.dedup();
        if ends.is_empty() {
            return Err(unavailable("the file names no token that ends a text"));
        }
        // Files of Llama 3 do not always say so.
        let llama3 = matches!(meta.text("pre"), Some("llama-bpe" | "llama3" | "llama-v3"));
        let wants_begin = meta.flag("add_bos_token").unwrap_or(!byte_level || llama3);
        let names = [
            ("bos_token", "bos_token_id"),
            ("eos_token", "eos_token_id"),
            ("unk_token", "unknown_token_id"),
            ("pad_token", "padding_token_id"),
        ];
        let name = |(name, key): (&'static str, &str)| Some((name, tokens[named(key)? as usize].clone()));
        let steering = (0_u32..).zip(&tokens).filter(|(id, _)| control[*id as usize]);
        Ok(Self {
            specials: Specials::new(steering.map(|(id, token)| (token.clone(), id))),
            names: names.into_iter().filter_map(name).collect(),
            begin: named("bos_token_id").filter(|_| wants_begin),
            leading_space: !byte_level && meta.flag("add_space_prefix").unwrap_or(true),
            writable: (0_u32..)
                .zip(&control)
                .map(|(id, control)| !control || ends.contains(&id))
                .collect(),
            tokenizer,
            bytes,
            control,
            ends,
        })
    }

    /// How many tokens there are.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// What each token stands for, by id.
    pub(super) fn bytes(&self) -> &[Vec<u8>] {
        &self.bytes
    }

    /// What a token adds to an answer; `first` says whether it is the first of it.
    pub(super) fn piece(&self, id: u32, first: bool) -> &[u8] {
        let bytes = self.bytes.get(id as usize).map_or(&[][..], Vec::as_slice);
        match first && self.leading_space {
            true => bytes.strip_prefix(b" ").unwrap_or(bytes),
            false => bytes,
        }
    }

    /// Whether a token ends an answer.
    pub(super) fn is_end(&self, id: u32) -> bool {
        self.ends.contains(&id)
    }

    /// Whether an answer may have a token, if it need not have a form.
    pub(super) fn is_writable(&self, id: usize) -> bool {
        self.writable.get(id).copied().unwrap_or(false)
    }

    /// Whether a token steers, the ends included.
    pub(super) fn is_control(&self, id: u32) -> bool {
        self.control.get(id as usize).copied().unwrap_or(true) || self.is_end(id)
    }

    /// The tokens of a text, none of which steers; in front the one that begins a text, where the model wants it.
    ///
    /// # Errors
    /// `invalid_input` where the text can't be tokenised.
    pub(super) fn encode(&self, text: &str) -> Result<Vec<u32>, JobError> {
        self.encode_pieces(&[Piece::Text(text.to_owned())])
    }

    /// The same of pieces, among which are tokens that steer.
    ///
    /// # Errors
    /// As [`Self::encode`].
    pub(super) fn encode_pieces(&self, pieces: &[Piece]) -> Result<Vec<u32>, JobError> {
        let mut ids = Vec::new();
        // Many templates write it themselves.
        let begin = self
            .begin
            .filter(|begin| pieces.first() != Some(&Piece::Token(*begin)));
        ids.extend(begin);
        for piece in pieces {
            match piece {
                Piece::Token(id) => ids.push(*id),
                Piece::Text(text) => {
                    let encoding = self.tokenizer.encode_fast(text.as_str(), false);
                    ids.extend_from_slice(encoding.map_err(|e| invalid(e.to_string()))?.get_ids());
                }
            }
        }
        match ids.iter().find(|&&id| id as usize >= self.bytes.len()) {
            Some(id) => Err(unavailable(format!(
                "token {id} is not in the model's vocabulary"
            ))),
            None => Ok(ids),
        }
    }
}

/// The character that byte-level vocabularies write for each byte.
fn byte_alphabet() -> HashMap<char, u8> {
    let shown = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let mut next = 0x100_u32;
    let mut alphabet = HashMap::new();
    for byte in 0..=u8::MAX {
        let c = match shown(byte) {
            true => Some(char::from(byte)),
            false => {
                next += 1;
                char::from_u32(next - 1)
            }
        };
        alphabet.extend(c.map(|c| (c, byte)));
    }
    alphabet
}

/// The bytes of a byte-level token; its own text where it is none.
fn unmapped(token: &str, alphabet: &HashMap<char, u8>) -> Vec<u8> {
    let bytes: Option<Vec<u8>> = token.chars().map(|c| alphabet.get(&c).copied()).collect();
    bytes.unwrap_or_else(|| token.as_bytes().to_vec())
}

/// The bytes of a token of the other kind: `▁` is a space, `<0x0A>` a byte.
fn spaced(token: &str) -> Vec<u8> {
    let hex = token.strip_prefix("<0x").and_then(|rest| rest.strip_suffix('>'));
    match hex
        .filter(|hex| hex.len() == 2)
        .and_then(|hex| u8::from_str_radix(hex, 16).ok())
    {
        Some(byte) => vec![byte],
        None => token.replace('▁', " ").into_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::File, io::BufReader, path::PathBuf};

    use candle_core::quantized::gguf_file::{Value, VersionedMagic};
    use lamplighter_shared::model_spec::Catalog;
    use serde::Deserialize;

    use super::{super::tokenizer, *};

    #[derive(Deserialize)]
    struct Case {
        text: String,
        tokens: Vec<u32>,
    }

    /// The vocabulary of the built-in model, whose file is fetched where it is not here yet.
    fn smollm2() -> Vocabulary {
        let spec = Catalog::built_in().get("smollm2").expect("built in").clone();
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .expect("a workspace");
        let models = std::env::var_os("LAMPLIGHTER_MODELS_DIR")
            .map_or_else(|| workspace.join("data/models"), PathBuf::from);
        let dir = crate::weights::ensure(&spec, &models, &|_| {}).expect("the model's files");
        let file = File::open(dir.join(&spec.files[0].path)).expect("the file");
        let content = Content::read(&mut BufReader::new(file)).expect("a header");
        Vocabulary::read(&content, &dir).expect("a vocabulary")
    }

    #[test]
    fn texts_become_the_tokens_of_llama_cpp_and_tokens_become_the_texts() {
        let cases = include_str!("../../../tests/fixtures/smollm2_tokens.json");
        let cases: Vec<Case> = serde_json::from_str(cases).expect("the fixture");
        assert!(cases.len() >= 50, "{}", cases.len());
        let vocabulary = smollm2();
        for case in cases {
            let tokens = vocabulary.encode(&case.text).expect("a text");
            assert_eq!(tokens, case.tokens, "{:?}", case.text);
            let bytes: Vec<u8> = tokens
                .iter()
                .flat_map(|id| vocabulary.piece(*id, false))
                .copied()
                .collect();
            assert_eq!(String::from_utf8_lossy(&bytes), case.text);
        }
        let pieces = [
            Piece::Token(1),
            Piece::Text("user\nhi".to_owned()),
            Piece::Token(2),
        ];
        assert_eq!(
            vocabulary.encode_pieces(&pieces).expect("a text"),
            [1, 4093, 198, 6004, 2]
        );
        assert!(vocabulary.is_end(2) && vocabulary.is_end(0) && vocabulary.is_control(1));
    }

    /// A byte-level file that says nothing of kinds.
    fn unkind() -> Content {
        let mut tokens: Vec<String> = byte_alphabet().keys().map(char::to_string).collect();
        tokens.extend(["<|begin_of_text|>", "<|im_end|>"].map(str::to_owned));
        let texts = |texts: Vec<String>| Value::Array(texts.into_iter().map(Value::String).collect());
        let entries = [
            ("model", Value::String("gpt2".to_owned())),
            ("pre", Value::String("llama-bpe".to_owned())),
            ("bos_token_id", Value::U32(256)),
            ("eos_token_id", Value::U32(257)),
            ("merges", texts(Vec::new())),
            ("tokens", texts(tokens)),
        ];
        let entries = entries.map(|(key, value)| (format!("tokenizer.ggml.{key}"), value));
        Content {
            magic: VersionedMagic::GgufV3,
            metadata: entries.into(),
            tensor_infos: HashMap::new(),
            tensor_data_offset: 0,
        }
    }

    #[test]
    fn what_ends_an_answer_steers_whatever_the_file_calls_it() {
        let vocabulary = Vocabulary::read(&unkind(), Path::new("/nowhere")).expect("it can be read");
        assert!(vocabulary.is_end(257) && vocabulary.is_control(257));
        assert!(vocabulary.bytes()[257].is_empty(), "no text holds it");
        let ids = vocabulary.encode("a<|im_end|>").expect("a text");
        assert!(!ids.contains(&257), "what users write is text: {ids:?}");
        assert_eq!(ids[0], 256, "files of Llama 3 begin with it");
    }

    #[test]
    fn an_unknown_way_of_cutting_words_is_refused() {
        for known in ["gpt-2", "smollm", "llama-bpe", "qwen2"] {
            assert!(tokenizer::cut(known).is_ok(), "{known}");
        }
        let error = tokenizer::cut("made-up").map(|_| ()).expect_err("refused");
        assert!(
            error.detail.contains("made-up") && error.detail.contains("tokenizer.json"),
            "{error:?}"
        );
    }

    #[test]
    fn every_byte_has_a_character_and_every_character_its_byte() {
        let alphabet = byte_alphabet();
        assert_eq!(alphabet.len(), 256);
        assert_eq!(unmapped("Ġhi", &alphabet), b" hi");
        assert_eq!(unmapped("Ċ", &alphabet), b"\n");
        assert_eq!(spaced("▁hi"), b" hi");
        assert_eq!(spaced("<0x0A>"), b"\n");
        assert_eq!(spaced("<0x>"), b"<0x>");
    }
}
