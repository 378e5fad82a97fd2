//! Inputs of chat and text generation: read, checked against what the model takes, made into tokens.

use std::sync::Arc;

use lamplighter_shared::{job::JobError, task::Task};
use rand::RngExt;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::{
    chat::{Message, Template},
    json::{self, Grammar},
    sampling::Sampling,
    specials::Specials,
    vocabulary::Vocabulary,
};
use crate::{
    models::{Payload, Preparer, invalid, object},
    runner::protocol::Cost,
};

/// Tokens a job gets that does not say.
const DEFAULT_TOKENS: usize = 256;

/// Stop texts of one job, and characters of each.
const MAX_STOPS: (usize, usize) = (8, 256);

/// Likeliest tokens told with each.
const MAX_TOP_LOGPROBS: usize = 20;

/// Seeds are below this: every reader of JSON can keep them.
const MAX_SEED: u64 = 1 << 53;

/// What is to be written, and how.
pub(super) struct Ask {
    /// The tokens to go on with.
    pub prompt: Vec<u32>,
    /// So many new ones at most; they fit behind the prompt.
    pub max_tokens: usize,
    /// How they are drawn.
    pub sampling: Sampling,
    /// What the draws begin with.
    pub seed: u64,
    /// Texts that end it.
    pub stops: Vec<String>,
    /// Whether each token's probability is told, and those of how many others.
    pub logprobs: Option<usize>,
    /// What it must look like.
    pub grammar: Option<Grammar>,
}

/// Reads inputs.
pub(super) struct Reader {
    /// Of the model.
    pub vocabulary: Arc<Vocabulary>,
    /// The same, for constrained output.
    pub tokens: Arc<json::Vocabulary>,
    /// Where the model chats.
    pub template: Option<Template>,
    /// Tokens of prompt and answer together, at most.
    pub context: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    messages: Option<Vec<Said>>,
    prompt: Option<String>,
    max_tokens: Option<usize>,
    temperature: Option<f32>,
    top_p: Option<f32>,
    top_k: Option<usize>,
    min_p: Option<f32>,
    repetition_penalty: Option<f32>,
    seed: Option<u64>,
    stop: Option<Stop>,
    #[serde(default)]
    logprobs: bool,
    top_logprobs: Option<usize>,
    response_format: Option<Format>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    role: Role,
    content: String,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    System,
    User,
    Assistant,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Stop {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Format {
    #[serde(rename = "type")]
    kind: Kind,
    json_schema: Option<Named>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Text,
    JsonObject,
    JsonSchema,
}

/// A schema; its name and whether it is to be kept strictly are what other services ask for, and change nothing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    schema: Value,
    #[serde(rename = "name")]
    _name: Option<String>,
    #[serde(rename = "description")]
    _description: Option<String>,
    #[serde(rename = "strict")]
    _strict: Option<bool>,
}

impl Preparer for Reader {
    fn prepare(&self, task: Task, input: &RawValue) -> Result<(Payload, Cost), JobError> {
        let input: Input = object(input)?;
        let sampling = sampling(&input)?;
        let stops = stops(input.stop)?;
        let logprobs = logprobs(input.logprobs, input.top_logprobs)?;
        let grammar = self.grammar(input.response_format)?;
        if grammar.is_some() && !stops.is_empty() {
            return Err(invalid("`stop` can't be kept together with a `response_format`: it could cut it in two"));
        }
        let seed = input.seed.unwrap_or_else(|| rand::rng().random_range(0..MAX_SEED));
        if seed >= MAX_SEED {
            return Err(invalid(format!("`seed` is {seed}; it must be below {MAX_SEED}")));
        }
        let prompt = match (task, input.messages, input.prompt) {
            (Task::Chat, Some(messages), None) => self.chat(messages)?,
            (Task::TextGeneration, None, Some(prompt)) => {
                self.check_length(prompt.len())?;
                self.vocabulary.encode(&prompt)?
            }
            (Task::Chat, ..) => return Err(invalid("give `messages`, and no `prompt`")),
            _ => return Err(invalid("give `prompt`, and no `messages`")),
        };
        let max_tokens = self.room(prompt.len(), input.max_tokens)?;
        if let Some(least) = grammar.as_ref().map(Grammar::least).filter(|least| *least > max_tokens) {
            return Err(invalid(format!(
                "the shortest answer that fits the schema takes up to {least} tokens; there are {max_tokens}"
            )));
        }
        let tokens = prompt.len() + max_tokens;
        let ask = Ask {
            prompt,
            max_tokens,
            sampling,
            seed,
            stops,
            logprobs,
            grammar,
        };
        let cost = Cost {
            items: 1,
            tokens,
            longest: tokens,
        };
        Ok((Box::new(ask), cost))
    }
}

impl Reader {
    /// The tokens of a conversation, up to where the answer begins.
    fn chat(&self, messages: Vec<Said>) -> Result<Vec<u32>, JobError> {
        let Some(template) = &self.template else {
            return Err(invalid("the model has no chat template"));
        };
        if messages.is_empty() {
            return Err(invalid("there are no messages"));
        }
        self.check_length(messages.iter().map(|message| message.content.len()).sum())?;
        let contents = messages.iter().map(|message| message.content.as_str());
        let mark = Specials::mark(contents).ok_or_else(|| invalid("the messages use every character there is"))?;
        let specials = &self.vocabulary.specials;
        let guarded = messages.iter().map(|message| Message {
            role: match message.role {
                Role::System => "system",
                Role::User => "user",
                Role::Assistant => "assistant",
            },
            content: specials.guard(&message.content, mark),
        });
        let text = template
            .render(&guarded.collect::<Vec<_>>())
            .map_err(|error| invalid(format!("the model's chat template refuses these messages: {error}")))?;
        self.vocabulary.encode_pieces(&specials.split(&text, mark))
    }

    /// Before anything is tokenised: no token stands for more bytes than the longest.
    fn check_length(&self, bytes: usize) -> Result<(), JobError> {
        let longest = self.vocabulary.bytes().iter().map(Vec::len).max().unwrap_or(1).max(1);
        if bytes / longest >= self.context {
            return Err(invalid(format!(
                "the prompt has {bytes} bytes; the model reads at most {} tokens, the answer included",
                self.context
            )));
        }
        Ok(())
    }

    /// How many tokens there may be behind a prompt.
    fn room(&self, prompt: usize, asked: Option<usize>) -> Result<usize, JobError> {
        if prompt == 0 {
            return Err(invalid("the prompt has no tokens"));
        }
        let left = self.context.saturating_sub(prompt);
        if left == 0 {
            return Err(invalid(format!(
                "the prompt has {prompt} tokens; the model reads at most {}, and at least one is for the answer",
                self.context
            )));
        }
        match asked.unwrap_or(DEFAULT_TOKENS) {
            0 => Err(invalid("`max_tokens` must be at least 1")),
            asked => Ok(asked.min(left)),
        }
    }

    fn grammar(&self, format: Option<Format>) -> Result<Option<Grammar>, JobError> {
        let Some(format) = format else {
            return Ok(None);
        };
        let grammar = match (format.kind, format.json_schema) {
            (Kind::Text, None) => return Ok(None),
            (Kind::JsonObject, None) => Grammar::any_object(),
            (Kind::JsonSchema, Some(named)) => json::compile(&named.schema)
                .map_err(|error| invalid(format!("`response_format.json_schema.schema`: {error}")))?,
            _ => return Err(invalid("`json_schema` comes with the type json_schema, and with no other")),
        };
        match self.tokens.lacks(&grammar) {
            None => Ok(Some(grammar)),
            Some(byte) => Err(invalid(format!(
                "the model can't write this format: its vocabulary has no token for the byte {byte:#04x}"
            ))),
        }
    }
}

fn sampling(input: &Input) -> Result<Sampling, JobError> {
    let number = |name: &str, value: Option<f32>, default: f32, range: (f32, f32)| {
        let value = value.unwrap_or(default);
        match value >= range.0 && value <= range.1 {
            true => Ok(value),
            false => Err(invalid(format!("`{name}` is {value}; it must be from {} to {}", range.0, range.1))),
        }
    };
    Ok(Sampling {
        temperature: number("temperature", input.temperature, 0.7, (0.0, 2.0))?,
        top_p: number("top_p", input.top_p, 0.95, (0.0, 1.0))?,
        top_k: input.top_k.unwrap_or(0),
        min_p: number("min_p", input.min_p, 0.05, (0.0, 1.0))?,
        repetition_penalty: number("repetition_penalty", input.repetition_penalty, 1.0, (0.5, 2.0))?,
    })
}

fn stops(stop: Option<Stop>) -> Result<Vec<String>, JobError> {
    let stops = match stop {
        None => Vec::new(),
        Some(Stop::One(stop)) => vec![stop],
        Some(Stop::Many(stops)) => stops,
    };
    let (most, longest) = MAX_STOPS;
    if stops.len() > most || stops.iter().any(|stop| stop.is_empty() || stop.chars().count() > longest) {
        return Err(invalid(format!("`stop` takes up to {most} texts of 1 to {longest} characters")));
    }
    Ok(stops)
}

fn logprobs(wanted: bool, top: Option<usize>) -> Result<Option<usize>, JobError> {
    match (wanted, top) {
        (false, None | Some(0)) => Ok(None),
        (false, Some(_)) => Err(invalid("`top_logprobs` needs `logprobs`")),
        (true, top) if top.unwrap_or(0) <= MAX_TOP_LOGPROBS => Ok(Some(top.unwrap_or(0))),
        (true, _) => Err(invalid(format!("`top_logprobs` takes up to {MAX_TOP_LOGPROBS}"))),
    }
}
