//! Encoders shaped like BERT (BERT, RoBERTa, XLM-R) with a pooled output or a classifier, from a folder as
//! sentence-transformers and transformers write it: `config.json`, `tokenizer.json`, `model.safetensors` (or its
//! shards), and what `modules.json` names (pooling, normalisation).
//!
//! All texts of a batch, whoever sent them, are computed together, in passes of so many tokens. On the
//! processor the engine computes them, packed, without padding, in f32 or (where the catalogue's entry says
//! so and the processor has it) with products of bf16. On a device candle does, padded, in f32: half
//! types turn a padding mask into NaN there.

mod ask;
mod batch;
mod compute;
mod config;
mod folder;
mod head;
mod pooling;
mod reader;
mod weights;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use lamplighter_engine::encoder::Text;
use lamplighter_shared::{job::JobError, model_spec::ModelSpec, task::Task};

use self::{
    compute::Compute,
    folder::Folder,
    head::{Classifier, Head},
    reader::{Gives, Reader, Tokens},
};
use super::{Loaded, unavailable};
use crate::device;

/// An encoder in memory.
struct Encoder {
    compute: Compute,
    head: Head,
    /// Numbers of a row.
    dimension: usize,
    /// Whether it tells the two texts of a pair apart.
    types: bool,
    /// Tokens of one pass.
    pass_tokens: usize,
}

pub(super) fn load(spec: &ModelSpec, dir: &Path, threads: usize) -> Result<Loaded, JobError> {
    let weights = weights::files(spec, dir)?;
    let folder = Folder::read(dir, spec.limits.max_item_tokens)?;
    let (compute, device) = compute(spec, &folder, &weights, threads).map_err(unavailable)?;
    let (head, gives) = head(&folder, &weights).map_err(unavailable)?;
    check_tasks(spec, &gives).map_err(unavailable)?;
    let encoder = Encoder {
        compute,
        head,
        dimension: folder.config.hidden_size,
        types: folder.config.tells_pairs_apart(),
        pass_tokens: batch::PASS_TOKENS.min(spec.limits.max_batch_tokens),
    };
    let reader = Reader {
        tokenizer: folder.tokenizer,
        max_items: spec.limits.max_job_items,
        vocabulary: folder.config.vocab_size,
        gives,
    };
    Ok(Loaded {
        model: Box::new(encoder),
        preparer: Arc::new(reader),
        dtype: spec.dtype.clone(),
        device: device.to_owned(),
        joint: true,
    })
}

/// What is on top of the encoder, by its configuration.
fn head(folder: &Folder, weights: &[PathBuf]) -> Result<(Head, Gives), String> {
    if !folder.config.classifies() {
        let mut pooling = folder.pooling;
        // A job may want it otherwise: it is scaled where the answer is made.
        let normalise = std::mem::take(&mut pooling.normalise);
        return Ok((Head::Pool(pooling), Gives::Vector { normalise }));
    }
    let classifier = Classifier::load(&folder.config, weights)
        .map_err(|error| format!("the classifier in the model's weights: {error}"))?;
    let gives = Gives::Labels {
        labels: classifier.labels.clone(),
        many: classifier.many,
    };
    Ok((Head::Classify(classifier), gives))
}

/// Whether the model can do what the catalogue says that it does.
fn check_tasks(spec: &ModelSpec, gives: &Gives) -> Result<(), String> {
    let can: &[Task] = match gives {
        Gives::Vector { .. } => &[
            Task::TextEmbedding,
            Task::Similarity,
            Task::ZeroShotClassification,
        ],
        Gives::Labels { labels, .. } if labels.len() == 1 => &[Task::Rerank],
        Gives::Labels { .. } => &[Task::TextClassification],
    };
    match spec.tasks.iter().find(|task| !can.contains(task)) {
        Some(task) => Err(format!(
            "the model does not do {:?}: what it does is {}",
            task.as_str(),
            can.iter()
                .map(|task| task.as_str())
                .collect::<Vec<_>>()
                .join(", ")
        )),
        None => Ok(()),
    }
}

/// The encoder, on the best device that computes it; its name.
fn compute(
    spec: &ModelSpec,
    folder: &Folder,
    weights: &[PathBuf],
    threads: usize,
) -> Result<(Compute, &'static str), String> {
    let (device, name) = device::best();
    if device.is_cpu() || folder.config.candle().is_none() {
        let compute = Compute::engine(&folder.config, weights, &spec.dtype, threads)?;
        return Ok((compute, "cpu"));
    }
    if spec.dtype != "f32" {
        return Err(format!(
            "number type {:?} is not supported on a device: f32 is",
            spec.dtype
        ));
    }
    Ok((Compute::candle(&folder.config, weights, device)?, name))
}

impl Encoder {
    /// What the head makes of texts that are computed together.
    fn forward(&mut self, texts: &[&Tokens]) -> Result<Vec<Vec<f32>>, String> {
        let texts: Vec<Text<'_>> = texts
            .iter()
            .map(|text| Text {
                ids: &text.ids,
                types: if self.types { &text.types } else { &[] },
            })
            .collect();
        let mut rows = self.compute.forward(&texts)?;
        let mut vectors = Vec::with_capacity(texts.len());
        for text in &texts {
            let (mine, rest) = rows.split_at(text.ids.len() * self.dimension);
            vectors.push(self.head.apply(mine, self.dimension));
            rows = rest;
        }
        if vectors.iter().flatten().any(|number| !number.is_finite()) {
            return Err("the model computed a number that is not finite".to_owned());
        }
        Ok(vectors)
    }
}
