//! What a job gets back.

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::vocabulary::Vocabulary;

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Finish {
    /// By itself, or at a stop text.
    Stop,
    /// At the last token it had, or because too few were left to go on as it would have.
    Length,
}

/// A token and how likely it was.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Told {
    token: String,
    bytes: Vec<u8>,
    logprob: f64,
}

/// A token of an answer, and the likeliest in its place.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Logprob {
    /// The one that was taken.
    #[serde(flatten)]
    pub chosen: Told,
    /// The likeliest, likeliest first.
    #[serde(rename = "top_logprobs")]
    pub top: Vec<Told>,
}

/// What is told of a token.
pub(super) fn told(vocabulary: &Vocabulary, id: u32, logprob: f64) -> Told {
    let bytes = vocabulary.piece(id, false).to_vec();
    Told {
        token: match vocabulary.is_control(id) {
            true => vocabulary.specials.name(id).unwrap_or_default().to_owned(),
            false => String::from_utf8_lossy(&bytes).into_owned(),
        },
        bytes,
        logprob,
    }
}

/// An answer that has ended.
pub(super) struct Answer {
    /// Why.
    pub finish: Finish,
    /// Tokens of the prompt.
    pub prompt: usize,
    /// Tokens that were written.
    pub written: usize,
    /// What the draws began with.
    pub seed: u64,
    /// Of each token, where they were asked for.
    pub logprobs: Option<Vec<Logprob>>,
    /// All that was written.
    pub text: String,
}

#[derive(Serialize)]
struct Output<'a> {
    text: &'a str,
    finish_reason: Finish,
    seed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<Content<'a>>,
    usage: Usage,
}

#[derive(Serialize)]
struct Content<'a> {
    content: &'a [Logprob],
}

#[derive(Serialize)]
struct Usage {
    prompt_tokens: usize,
    completion_tokens: usize,
    total_tokens: usize,
}

impl Answer {
    /// As JSON.
    ///
    /// # Errors
    /// Where it can't be written.
    pub(super) fn to_raw(&self) -> serde_json::Result<Box<RawValue>> {
        to_raw_value(&Output {
            text: &self.text,
            finish_reason: self.finish,
            seed: self.seed,
            logprobs: self.logprobs.as_deref().map(|content| Content { content }),
            usage: Usage {
                prompt_tokens: self.prompt,
                completion_tokens: self.written,
                total_tokens: self.prompt + self.written,
            },
        })
    }
}
