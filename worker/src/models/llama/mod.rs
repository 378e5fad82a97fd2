//! Llama-shaped decoders from GGUF files: chat and text generation.
//!
//! An input becomes tokens on the reading thread: `input` checks it, `chat` renders messages with the template of
//! the file, `specials` keeps what users write from steering the model, `vocabulary` tokenises. Then it joins the
//! running answers of `scheduler`, which has the `decoder` compute the next token of all of them at once;
//! `writing` draws it (`sampling`, `json`) and hands out the text (`text`, `output`).

pub mod decoder;
pub mod requantise;
mod weights;

mod chat;
mod date;
mod input;
mod json;
mod metadata;
mod output;
mod sampling;
mod scheduler;
mod specials;
mod text;
mod tokenizer;
mod vocabulary;
mod writing;

use std::{fs::File, io::BufReader, path::Path, sync::Arc};

use candle_core::quantized::gguf_file::{Content, Value};
use lamplighter_shared::{job::JobError, model_spec::ModelSpec, task::Task};

use self::{chat::Template, decoder::Decoder, input::Reader, scheduler::Room, vocabulary::Vocabulary};
use super::{Files, Loaded, unavailable};
use crate::device;

/// Shorter contexts are of no use to anybody.
const LEAST_CONTEXT: usize = 16;

/// Loads the model of a GGUF file, and starts the thread that computes.
///
/// # Errors
/// `model_unavailable`, saying what is wrong with the file.
pub(super) fn load(spec: &ModelSpec, files: &Files, threads: usize) -> Result<Loaded, JobError> {
    let path = requantise::model_file(spec, files)?;
    let content = header(&path)?;
    let vocabulary = Arc::new(Vocabulary::read(&content, &files.dir)?);
    let template = match spec.tasks.contains(&Task::Chat) {
        true => Some(template(&content, &vocabulary)?),
        false => None,
    };
    let decoder = Decoder::load(&path, threads)?;
    if vocabulary.len() > decoder.vocabulary() {
        return Err(unavailable(format!(
            "the file's tokenizer has {} tokens, its model {}",
            vocabulary.len(),
            decoder.vocabulary()
        )));
    }
    let limits = &spec.limits;
    let room = Room {
        answers: limits.max_batch_jobs.max(1),
        tokens: limits.max_batch_tokens,
    };
    let context = decoder
        .context()
        .min(limits.max_item_tokens.unwrap_or(usize::MAX))
        .min(room.tokens);
    if context < LEAST_CONTEXT {
        return Err(unavailable(format!(
            "a context of {context} tokens is too short to be of use (the file's own, max_item_tokens, max_batch_tokens)"
        )));
    }
    let tokens = Arc::new(json::Vocabulary::new(vocabulary.bytes()));
    let (_, device) = device::best();
    Ok(Loaded {
        model: Box::new(scheduler::start(
            decoder,
            vocabulary.clone(),
            tokens.clone(),
            room,
        )?),
        preparer: Arc::new(Reader {
            vocabulary,
            tokens,
            template,
            context,
        }),
        dtype: spec.dtype.clone(),
        device: device.to_owned(),
        joint: false,
    })
}

fn header(path: &Path) -> Result<Content, JobError> {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let broken = |what: String| unavailable(format!("{name}: {what}"));
    let file = File::open(path).map_err(|error| broken(error.to_string()))?;
    Content::read(&mut BufReader::with_capacity(1 << 20, file)).map_err(|error| broken(error.to_string()))
}

fn template(content: &Content, vocabulary: &Vocabulary) -> Result<Template, JobError> {
    let Some(Value::String(source)) = content.metadata.get("tokenizer.chat_template") else {
        return Err(unavailable(
            "the file has no chat template: serve it for text-generation only, or take an instruct model",
        ));
    };
    let names = vocabulary
        .names
        .iter()
        .map(|(name, text)| (*name, text.clone()))
        .collect();
    Template::new(source.clone(), names, now)
        .map_err(|error| unavailable(format!("the file's chat template can't be used: {error}")))
}

/// Seconds since 1970, for templates that tell the model the date; no more depends on it.
fn now() -> i64 {
    uuid::Uuid::now_v7()
        .get_timestamp()
        .map_or(0, |stamp| stamp.to_unix().0 as i64)
}
