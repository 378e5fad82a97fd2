//! What is computed of a text's rows: one vector, or the scores of a classifier.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use lamplighter_engine::weights::Weights;

use super::{config::Config, pooling::Pooling};
use crate::models::mapped::Mapped;

/// What is on top of an encoder.
pub(super) enum Head {
    /// The vector of the text, not scaled.
    Pool(Pooling),
    /// A number for each label, before they are made into scores.
    Classify(Classifier),
}

/// Scores a text by the row of its first token: a layer with tanh, then one number a label.
pub(super) struct Classifier {
    inner: Linear,
    outer: Linear,
    /// Names of the numbers.
    pub(super) labels: Arc<[String]>,
    /// Whether a text may have several labels: then each is judged by itself.
    pub(super) many: bool,
}

/// `outputs` rows of `inputs` weights, and a bias each.
struct Linear {
    weights: Vec<f32>,
    bias: Vec<f32>,
}

impl Head {
    /// The numbers of a text whose tokens have these rows, of `dimension` numbers each.
    pub(super) fn apply(&self, rows: &[f32], dimension: usize) -> Vec<f32> {
        match self {
            Self::Pool(pooling) => pooling.apply(rows, dimension),
            Self::Classify(classifier) => classifier.apply(&rows[..dimension]),
        }
    }
}

impl Classifier {
    /// The classifier in `files`, with the names that the original implementations give it: `pooler` and
    /// `classifier` of BERT, `classifier.dense` and `classifier.out_proj` of RoBERTa.
    ///
    /// # Errors
    /// What is missing or of another shape.
    pub(super) fn load(config: &Config, files: &[PathBuf]) -> Result<Self, String> {
        let mapped = Mapped::open_all(files)?;
        let weights = &mapped.weights;
        let labels = config.labels();
        let (inner, outer) = match config.is_roberta() {
            true => ("classifier.dense".to_owned(), "classifier.out_proj"),
            false => {
                let end = "pooler.dense.weight";
                let pooler = weights.names().find(|name| name.ends_with(end));
                let pooler = pooler.ok_or_else(|| format!("there is no tensor {end:?}"))?;
                (pooler.trim_end_matches(".weight").to_owned(), "classifier")
            }
        };
        let size = config.hidden_size;
        Ok(Self {
            inner: Linear::load(weights, &inner, size, size)?,
            outer: Linear::load(weights, outer, labels.len(), size)?,
            labels,
            many: config.may_have_several_labels(),
        })
    }

    fn apply(&self, first: &[f32]) -> Vec<f32> {
        let mut hidden = self.inner.apply(first);
        hidden.iter_mut().for_each(|x| *x = x.tanh());
        self.outer.apply(&hidden)
    }
}

impl Linear {
    fn load(weights: &Weights, name: &str, outputs: usize, inputs: usize) -> Result<Self, String> {
        Ok(Self {
            weights: weights
                .get(&format!("{name}.weight"), &[outputs, inputs])?
                .to_vec(),
            bias: weights.get(&format!("{name}.bias"), &[outputs])?.to_vec(),
        })
    }

    fn apply(&self, inputs: &[f32]) -> Vec<f32> {
        let dot = |row: &[f32]| row.iter().zip(inputs).map(|(w, x)| w * x).sum::<f32>();
        let rows = self.weights.chunks_exact(inputs.len());
        rows.zip(&self.bias).map(|(row, bias)| dot(row) + bias).collect()
    }
}

/// The labels in the order of their numbers, as `id2label` names them; what it leaves out is `LABEL_n`.
pub(super) fn ordered(names: &BTreeMap<String, String>, count: usize) -> Arc<[String]> {
    (0..count)
        .map(|n| {
            let name = names.get(&n.to_string()).cloned();
            name.unwrap_or_else(|| format!("LABEL_{n}"))
        })
        .collect()
}
