//! BERT encoders with a pooled output, from a sentence-transformers folder: `config.json`,
//! `tokenizer.json`, `model.safetensors`, and what `modules.json` names (pooling, normalisation).
//!
//! All texts of a batch, whoever sent them, are computed together, in passes of so many tokens. On the
//! processor the engine computes them, packed, without padding, in f32 or (where the catalogue's entry says
//! so and the processor has it) with products of bf16. On a device candle does, padded, in f32: half
//! types turn a padding mask into NaN there.

mod batch;
mod compute;
mod config;
mod folder;
mod pooling;

use std::{path::Path, sync::Arc};

use lamplighter_engine::encoder::Text;
use lamplighter_shared::{job::JobError, model_spec::ModelSpec, task::Task};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokenizers::Tokenizer;

use self::{compute::Compute, folder::Folder, pooling::Pooling};
use super::{Loaded, Payload, Preparer, invalid, object, unavailable};
use crate::{device, runner::protocol::Cost};

/// An encoder in memory.
struct Encoder {
    compute: Compute,
    pooling: Pooling,
    /// Numbers of a vector.
    dimension: usize,
    /// Tokens of one pass.
    pass_tokens: usize,
}

/// Reads and tokenises inputs.
struct Reader {
    tokenizer: Tokenizer,
    max_items: usize,
    vocabulary: usize,
}

/// Token ids of each text.
struct Texts(Vec<Vec<u32>>);

/// An input: one of the two.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    texts: Option<Vec<String>>,
    text: Option<String>,
}

pub(super) fn load(spec: &ModelSpec, dir: &Path, threads: usize) -> Result<Loaded, JobError> {
    let folder = Folder::read(dir, spec.limits.max_item_tokens)?;
    let (compute, device) = compute(spec, &folder, dir, threads).map_err(unavailable)?;
    let encoder = Encoder {
        compute,
        pooling: folder.pooling,
        dimension: folder.config.hidden_size,
        pass_tokens: batch::PASS_TOKENS.min(spec.limits.max_batch_tokens),
    };
    let reader = Reader {
        tokenizer: folder.tokenizer,
        max_items: spec.limits.max_job_items,
        vocabulary: folder.config.vocab_size,
    };
    Ok(Loaded {
        model: Box::new(encoder),
        preparer: Arc::new(reader),
        dtype: spec.dtype.clone(),
        device: device.to_owned(),
        joint: true,
    })
}

/// The encoder, on the best device that computes it; its name.
fn compute(
    spec: &ModelSpec,
    folder: &Folder,
    dir: &Path,
    threads: usize,
) -> Result<(Compute, &'static str), String> {
    let file = dir.join("model.safetensors");
    let (device, name) = device::best();
    if device.is_cpu() || folder.config.candle().is_none() {
        let compute = Compute::engine(&folder.config, &file, &spec.dtype, threads)?;
        return Ok((compute, "cpu"));
    }
    if spec.dtype != "f32" {
        return Err(format!(
            "number type {:?} is not supported on a device: f32 is",
            spec.dtype
        ));
    }
    Ok((Compute::candle(&folder.config, &file, device)?, name))
}

impl Encoder {
    /// The vectors of texts that are computed together.
    fn forward(&mut self, texts: &[&[u32]]) -> Result<Vec<Vec<f32>>, String> {
        let texts: Vec<Text<'_>> = texts.iter().map(|ids| Text { ids, types: &[] }).collect();
        let mut rows = self.compute.forward(&texts)?;
        let mut vectors = Vec::with_capacity(texts.len());
        for text in &texts {
            let (mine, rest) = rows.split_at(text.ids.len() * self.dimension);
            vectors.push(self.pooling.apply(mine, self.dimension));
            rows = rest;
        }
        if vectors.iter().flatten().any(|number| !number.is_finite()) {
            return Err("the model computed a number that is not finite".to_owned());
        }
        Ok(vectors)
    }
}

impl Preparer for Reader {
    fn prepare(&self, _: Task, input: &RawValue) -> Result<(Payload, Cost), JobError> {
        let input: Input = object(input)?;
        let texts = match (input.texts, input.text) {
            (Some(texts), None) => texts,
            (None, Some(text)) => vec![text],
            _ => return Err(invalid("give either `texts` or `text`")),
        };
        if texts.is_empty() || texts.len() > self.max_items {
            return Err(invalid(format!(
                "{} texts; a job takes 1 to {}",
                texts.len(),
                self.max_items
            )));
        }
        let tokenise = |text: &String| {
            let encoding = self
                .tokenizer
                .encode_fast(text.as_str(), true)
                .map_err(|e| invalid(e.to_string()))?;
            Ok(encoding.get_ids().to_vec())
        };
        let texts = texts
            .iter()
            .map(tokenise)
            .collect::<Result<Vec<Vec<u32>>, JobError>>()?;
        if texts
            .iter()
            .any(|ids| ids.is_empty() || ids.iter().any(|&id| id as usize >= self.vocabulary))
        {
            return Err(unavailable(
                "tokenizer.json does not fit the model: a token is not in its vocabulary",
            ));
        }
        let lengths = texts.iter().map(Vec::len);
        let cost = Cost {
            items: texts.len(),
            tokens: lengths.clone().sum(),
            longest: lengths.max().unwrap_or(0),
        };
        Ok((Box::new(Texts(texts)), cost))
    }
}
