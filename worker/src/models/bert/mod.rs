//! BERT encoders with a pooled output, from a sentence-transformers folder: `config.json`,
//! `tokenizer.json`, `model.safetensors`, and what `modules.json` names (pooling, normalisation).
//!
//! All texts of a batch, whoever sent them, are computed together, in passes of similar length. On a
//! processor it is the passes that are shared out over threads, one pass a thread: that computes nearly
//! twice as much as sharing out each matrix, and loses little on a single text. Numbers are f32: half
//! types turn a padding mask into NaN.

mod batch;
mod folder;
mod pooling;

use std::{path::Path, sync::Arc};

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::BertModel;
use lamplighter_shared::{job::JobError, model_spec::ModelSpec, task::Task};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokenizers::Tokenizer;

use self::{folder::Folder, pooling::Pooling};
use super::{Loaded, Payload, Preparer, invalid, object, unavailable};
use crate::{device, runner::protocol::Cost};

/// An encoder in memory.
struct Encoder {
    model: BertModel,
    pooling: Pooling,
    device: Device,
    pad: u32,
    /// Passes computed at the same time.
    lanes: usize,
    /// Padded tokens of one pass.
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
    if spec.dtype != "f32" {
        return Err(unavailable(format!(
            "number type {:?} is not supported for this family: f32 is",
            spec.dtype
        )));
    }
    let folder = Folder::read(dir, spec.limits.max_item_tokens)?;
    let (device, name) = device::best();
    let broken = |error: candle_core::Error| unavailable(format!("model.safetensors: {error}"));
    let weights = std::fs::read(dir.join("model.safetensors")).map_err(|e| broken(e.into()))?;
    let weights = VarBuilder::from_buffered_safetensors(weights, DType::F32, &device).map_err(broken)?;
    // The file's bytes go away with `weights`, at the end of this function.
    let model = BertModel::load(weights, &folder.config).map_err(broken)?;
    let lanes = if device.is_cpu() { threads.max(1) } else { 1 };
    let pad = folder.config.pad_token_id as u32;
    let pass_tokens = batch::PASS_TOKENS.min(spec.limits.max_batch_tokens);
    let encoder = Encoder {
        model,
        pooling: folder.pooling,
        device,
        pad,
        lanes,
        pass_tokens,
    };
    let reader = Reader {
        tokenizer: folder.tokenizer,
        max_items: spec.limits.max_job_items,
        vocabulary: folder.config.vocab_size,
    };
    Ok(Loaded {
        model: Box::new(encoder),
        preparer: Arc::new(reader),
        dtype: "f32".to_owned(),
        device: name.to_owned(),
        joint: true,
    })
}

impl Encoder {
    /// The vectors of texts that are computed together; the shorter ones are padded.
    fn forward(&self, texts: &[&[u32]]) -> candle_core::Result<Vec<Vec<f32>>> {
        let longest = texts.iter().map(|text| text.len()).max().unwrap_or(0);
        let mut ids = Vec::with_capacity(texts.len() * longest);
        let mut mask = Vec::with_capacity(texts.len() * longest);
        for text in texts {
            ids.extend_from_slice(text);
            ids.resize(ids.len() + longest - text.len(), self.pad);
            mask.resize(mask.len() + text.len(), 1_f32);
            mask.resize(mask.len() + longest - text.len(), 0_f32);
        }
        let shape = (texts.len(), longest);
        let ids = Tensor::from_vec(ids, shape, &self.device)?;
        let mask = Tensor::from_vec(mask, shape, &self.device)?;
        let tokens = self.model.forward(&ids, &ids.zeros_like()?, Some(&mask))?;
        let vectors = self.pooling.apply(&tokens, &mask)?.to_vec2::<f32>()?;
        if vectors.iter().flatten().any(|number| !number.is_finite()) {
            candle_core::bail!("the model computed a number that is not finite");
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
