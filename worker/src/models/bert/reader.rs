//! Reads and tokenises inputs, for each task that an encoder does.

use std::sync::Arc;

use lamplighter_shared::{job::JobError, task::Task};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use tokenizers::{EncodeInput, Tokenizer};

use super::ask::Ask;
use crate::{
    models::{Payload, Preparer, invalid, object, unavailable},
    runner::protocol::Cost,
};

/// Reads inputs.
pub(super) struct Reader {
    pub(super) tokenizer: Tokenizer,
    pub(super) max_items: usize,
    pub(super) vocabulary: usize,
    pub(super) gives: Gives,
}

/// What the model says of a text.
pub(super) enum Gives {
    /// A vector.
    Vector {
        /// Whether the files say that it is scaled to length 1.
        normalise: bool,
    },
    /// A number for each label.
    Labels {
        /// Their names.
        labels: Arc<[String]>,
        /// Whether each is judged by itself.
        many: bool,
    },
}

/// What a job wants, and of which texts.
pub(super) struct Asked {
    pub(super) ask: Ask,
    pub(super) texts: Vec<Tokens>,
}

/// A text, or two of them as one.
pub(super) struct Tokens {
    pub(super) ids: Vec<u32>,
    /// Which of two texts each token is of.
    pub(super) types: Vec<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Embed {
    texts: Option<Vec<String>>,
    text: Option<String>,
    normalise: Option<bool>,
    #[serde(default)]
    prefix: String,
    #[serde(default = "yes")]
    truncate: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Compare {
    texts: Vec<String>,
    #[serde(default)]
    prefix: String,
    #[serde(default = "yes")]
    truncate: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ZeroShot {
    texts: Vec<String>,
    labels: Vec<String>,
    #[serde(default = "bare")]
    template: String,
    #[serde(default = "yes")]
    truncate: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rerank {
    query: String,
    texts: Vec<String>,
    top_k: Option<usize>,
    #[serde(default = "yes")]
    truncate: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Classify {
    texts: Vec<String>,
    top_k: Option<usize>,
    #[serde(default = "yes")]
    truncate: bool,
}

fn yes() -> bool {
    true
}

fn bare() -> String {
    "{}".to_owned()
}

impl Preparer for Reader {
    fn prepare(&self, task: Task, input: &RawValue) -> Result<(Payload, Cost), JobError> {
        let asked = match (task, &self.gives) {
            (Task::TextEmbedding, Gives::Vector { normalise }) => self.embed(*normalise, &read(input)?)?,
            (Task::Similarity, Gives::Vector { .. }) => self.compare(&read(input)?)?,
            (Task::ZeroShotClassification, Gives::Vector { .. }) => self.zero_shot(read(input)?)?,
            (Task::Rerank, Gives::Labels { .. }) => self.rerank(&read(input)?)?,
            (Task::TextClassification, Gives::Labels { labels, many }) => {
                let input: Classify = read(input)?;
                let ask = Ask::Classify {
                    labels: labels.clone(),
                    many: *many,
                    top_k: input.top_k.unwrap_or(usize::MAX),
                };
                let texts = self.tokens_of(&input.texts, "", input.truncate)?;
                Asked { ask, texts }
            }
            _ => return Err(invalid(format!("the model has no head for {}", task.as_str()))),
        };
        let lengths = asked.texts.iter().map(|text| text.ids.len());
        let cost = Cost {
            items: asked.texts.len(),
            tokens: lengths.clone().sum(),
            longest: lengths.max().unwrap_or(0),
        };
        Ok((Box::new(asked), cost))
    }
}

impl Reader {
    fn embed(&self, normalise: bool, input: &Embed) -> Result<Asked, JobError> {
        let texts = match (&input.texts, &input.text) {
            (Some(texts), None) => texts.as_slice(),
            (None, Some(text)) => std::slice::from_ref(text),
            _ => return Err(invalid("give either `texts` or `text`")),
        };
        Ok(Asked {
            ask: Ask::Embed {
                normalise: input.normalise.unwrap_or(normalise),
            },
            texts: self.tokens_of(texts, &input.prefix, input.truncate)?,
        })
    }

    fn compare(&self, input: &Compare) -> Result<Asked, JobError> {
        Ok(Asked {
            ask: Ask::Similarity,
            texts: self.tokens_of(&input.texts, &input.prefix, input.truncate)?,
        })
    }

    fn zero_shot(&self, input: ZeroShot) -> Result<Asked, JobError> {
        let mut texts = self.tokens_of(&input.texts, "", input.truncate)?;
        let made: Vec<String> = input
            .labels
            .iter()
            .map(|label| input.template.replace("{}", label))
            .collect();
        texts.extend(self.tokens_of(&made, "", input.truncate)?);
        Ok(Asked {
            ask: Ask::ZeroShot { labels: input.labels },
            texts,
        })
    }

    fn rerank(&self, input: &Rerank) -> Result<Asked, JobError> {
        self.check_count(input.texts.len())?;
        let pair = |text: &String| self.tokens((input.query.as_str(), text.as_str()).into(), input.truncate);
        Ok(Asked {
            ask: Ask::Rerank {
                top_k: input.top_k.unwrap_or(usize::MAX),
            },
            texts: input.texts.iter().map(pair).collect::<Result<_, _>>()?,
        })
    }

    fn check_count(&self, count: usize) -> Result<(), JobError> {
        if count == 0 || count > self.max_items {
            let most = self.max_items;
            return Err(invalid(format!("{count} texts; a job takes 1 to {most}")));
        }
        Ok(())
    }

    fn tokens_of(&self, texts: &[String], prefix: &str, truncate: bool) -> Result<Vec<Tokens>, JobError> {
        self.check_count(texts.len())?;
        texts
            .iter()
            .map(|text| match prefix.is_empty() {
                true => self.tokens(text.as_str().into(), truncate),
                false => self.tokens(format!("{prefix}{text}").into(), truncate),
            })
            .collect()
    }

    fn tokens(&self, text: EncodeInput<'_>, truncate: bool) -> Result<Tokens, JobError> {
        let encoding = self
            .tokenizer
            .encode_fast(text, true)
            .map_err(|e| invalid(e.to_string()))?;
        if !truncate && !encoding.get_overflowing().is_empty() {
            return Err(invalid(format!(
                "a text has more than {} tokens, which is all the model reads, and `truncate` is false",
                encoding.len()
            )));
        }
        let ids = encoding.get_ids().to_vec();
        if ids.is_empty() || ids.iter().any(|&id| id as usize >= self.vocabulary) {
            return Err(unavailable(
                "tokenizer.json does not fit the model: a token is not in its vocabulary",
            ));
        }
        Ok(Tokens {
            types: encoding.get_type_ids().to_vec(),
            ids,
        })
    }
}

fn read<T: DeserializeOwned>(input: &RawValue) -> Result<T, JobError> {
    object(input)
}
