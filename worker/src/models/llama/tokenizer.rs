//! The tokenizer of a GGUF file: its own, where its way of cutting words is known, or a `tokenizer.json`.

use std::path::Path;

use lamplighter_shared::job::JobError;
use tokenizers::{
    AddedToken, NormalizerWrapper, PreTokenizerWrapper, SplitDelimiterBehavior, Tokenizer,
    models::bpe::{BPE, Vocab},
    normalizers::unicode::NFC,
    pre_tokenizers::{
        byte_level::ByteLevel,
        digits::Digits,
        sequence::Sequence,
        split::{Split, SplitPattern},
    },
};

use super::metadata::Meta;
use crate::models::unavailable;

/// A `tokenizer.json`; its tokens must be those of the model.
pub(super) fn from_json(path: &Path, tokens: &[String]) -> Result<Tokenizer, JobError> {
    let broken = |what: String| unavailable(format!("tokenizer.json: {what}"));
    let mut tokenizer = Tokenizer::from_file(path).map_err(|e| broken(e.to_string()))?;
    let differs = (0_u32..)
        .zip(tokens)
        .find(|(id, token)| tokenizer.id_to_token(*id).is_some_and(|other| other != **token));
    if let Some((id, token)) = differs {
        return Err(broken(format!(
            "token {id} is not {token:?} as in the model's file"
        )));
    }
    tokenizer.with_padding(None);
    tokenizer
        .with_truncation(None)
        .map_err(|e| broken(e.to_string()))?;
    tokenizer.set_encode_special_tokens(true);
    Ok(tokenizer)
}

/// Byte-level tokens with merges. Of the tokens that are more than text only those are known to it that users may
/// write.
pub(super) fn byte_level_tokenizer(
    meta: &Meta<'_>,
    tokens: &[String],
    user_defined: impl Fn(usize) -> bool,
) -> Result<Tokenizer, JobError> {
    let broken = |what: String| unavailable(format!("the file's tokenizer: {what}"));
    let vocabulary: Vocab = tokens.iter().cloned().zip(0_u32..).collect();
    let merge = |merge: String| {
        let two = merge.split_once(' ').map(|(a, b)| (a.to_owned(), b.to_owned()));
        two.ok_or_else(|| broken(format!("{merge:?} is no merge")))
    };
    let merges = meta
        .texts("merges")?
        .into_iter()
        .map(merge)
        .collect::<Result<Vec<_>, JobError>>()?;
    let (normaliser, words, whole) = cut(meta.text("pre").unwrap_or("unnamed"))?;
    let model = BPE::builder()
        .vocab_and_merges(vocabulary, merges)
        .ignore_merges(whole);
    let mut tokenizer = Tokenizer::new(model.build().map_err(|e| broken(e.to_string()))?);
    tokenizer
        .with_normalizer(normaliser)
        .map_err(|e| broken(e.to_string()))?;
    tokenizer.with_pre_tokenizer(Some(words));
    let own = tokens.iter().enumerate().filter(|(id, _)| user_defined(*id));
    let own = own.map(|(_, token)| AddedToken::from(token.clone(), false).normalized(false));
    tokenizer.add_tokens(own).map_err(|e| broken(e.to_string()))?;
    Ok(tokenizer)
}

/// How words are cut before they become tokens, by the name that the file has for it: a normaliser, the cut, and
/// whether a whole word that is a token is taken before any merge.
pub(super) fn cut(name: &str) -> Result<(Option<NormalizerWrapper>, PreTokenizerWrapper, bool), JobError> {
    let bytes = || PreTokenizerWrapper::from(ByteLevel::new(false, true, false));
    let words = || PreTokenizerWrapper::from(ByteLevel::new(false, true, true));
    let by = |pattern: String| {
        let split = Split::new(
            SplitPattern::Regex(pattern),
            SplitDelimiterBehavior::Isolated,
            false,
        );
        let split = split.map_err(|e| unavailable(format!("the file's tokenizer: {e}")))?;
        Ok::<PreTokenizerWrapper, JobError>(Sequence::new(vec![split.into(), bytes()]).into())
    };
    // Letters and numbers as later models cut them; they differ in how many digits stay together.
    let later = |digits: &str| {
        by(format!(
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|{digits}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
        ))
    };
    Ok(match name {
        "gpt-2" | "phi-2" | "mpt" | "olmo" | "jais" | "gigachat" => (None, words(), false),
        "smollm" | "starcoder" | "refact" | "command-r" | "codeshell" | "exaone" => {
            let digits = PreTokenizerWrapper::from(Digits::new(true));
            (None, Sequence::new(vec![digits, words()]).into(), false)
        }
        "llama-bpe" | "llama3" | "llama-v3" | "smaug-bpe" | "dbrx" => (None, later(r"\p{N}{1,3}")?, true),
        "qwen2" | "deepseek-r1-qwen" | "megrez" => (Some(NFC.into()), later(r"\p{N}")?, false),
        other => {
            return Err(unavailable(format!(
                "the file's tokenizer cuts words in the way {other:?}, which is not known: put the model's \
                 tokenizer.json beside it"
            )));
        }
    })
}
