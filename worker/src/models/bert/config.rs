//! `config.json` of a BERT-shaped model: BERT, RoBERTa, XLM-R and what calls itself after them.

use std::{collections::BTreeMap, sync::Arc};

use candle_transformers::models::bert::{Config as Candle, HiddenAct};
use lamplighter_engine::encoder::{Activation, Config as Shape};
use serde::Deserialize;

use super::head::ordered;

/// The file, as far as it says how to compute.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Config {
    pub vocab_size: usize,
    pub hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    #[serde(default = "gelu")]
    hidden_act: String,
    max_position_embeddings: usize,
    #[serde(default)]
    type_vocab_size: usize,
    #[serde(default = "epsilon")]
    layer_norm_eps: f64,
    #[serde(default)]
    pub pad_token_id: usize,
    #[serde(default = "bert")]
    model_type: String,
    #[serde(default)]
    position_embedding_type: Option<String>,
    #[serde(default)]
    architectures: Vec<String>,
    #[serde(default)]
    id2label: BTreeMap<String, String>,
    #[serde(default)]
    num_labels: Option<usize>,
    #[serde(default)]
    problem_type: Option<String>,
}

fn gelu() -> String {
    "gelu".to_owned()
}

fn bert() -> String {
    "bert".to_owned()
}

fn epsilon() -> f64 {
    1e-12
}

impl Config {
    /// Whether a classifier is on top of the encoder.
    pub(super) fn classifies(&self) -> bool {
        let end = "ForSequenceClassification";
        self.architectures.iter().any(|name| name.ends_with(end))
    }

    /// The classifier's labels; two where the file does not say, as transformers takes it.
    pub(super) fn labels(&self) -> Arc<[String]> {
        let count = match self.id2label.len() {
            0 => self.num_labels.unwrap_or(2),
            count => count,
        };
        ordered(&self.id2label, count)
    }

    /// Whether a text may have several labels.
    pub(super) fn may_have_several_labels(&self) -> bool {
        self.problem_type.as_deref() == Some("multi_label_classification")
    }

    /// Whether its classifier has the names of RoBERTa's.
    pub(super) fn is_roberta(&self) -> bool {
        self.model_type != "bert"
    }

    /// Whether it has a vector for each of the two texts of a pair.
    pub(super) fn tells_pairs_apart(&self) -> bool {
        self.type_vocab_size > 1
    }

    /// The shape it describes.
    ///
    /// # Errors
    /// What it asks for that is not supported.
    pub(super) fn shape(&self) -> Result<Shape, String> {
        if self
            .position_embedding_type
            .as_deref()
            .is_some_and(|kind| kind != "absolute")
        {
            return Err("position_embedding_type: only \"absolute\" is supported".to_owned());
        }
        // What `Shape` checks again has to hold for what is computed from it before.
        if self.num_attention_heads == 0 || !self.hidden_size.is_multiple_of(self.num_attention_heads) {
            return Err("hidden_size is not a multiple of num_attention_heads".to_owned());
        }
        let position_offset = match self.model_type.as_str() {
            "bert" => 0,
            "roberta" | "xlm-roberta" | "camembert" => self.pad_token_id.saturating_add(1),
            other => {
                return Err(format!(
                    "model_type {other:?} is not supported: bert, roberta, xlm-roberta and camembert are"
                ));
            }
        };
        let activation = match self.hidden_act.as_str() {
            "gelu" => Activation::Gelu,
            "gelu_new" | "gelu_fast" | "gelu_pytorch_tanh" => Activation::GeluTanh,
            "relu" => Activation::Relu,
            other => {
                return Err(format!(
                    "hidden_act {other:?} is not supported: gelu, gelu_new and relu are"
                ));
            }
        };
        Ok(Shape {
            vocabulary: self.vocab_size,
            hidden: self.hidden_size,
            layers: self.num_hidden_layers,
            heads: self.num_attention_heads,
            intermediate: self.intermediate_size,
            positions: self.max_position_embeddings,
            position_offset,
            types: self.type_vocab_size,
            epsilon: self.layer_norm_eps as f32,
            activation,
        })
    }

    /// The same for candle's BERT, which computes on devices; none where that can't compute it.
    pub(super) fn candle(&self) -> Option<Candle> {
        let hidden_act = match self.hidden_act.as_str() {
            "gelu" => HiddenAct::Gelu,
            "gelu_new" | "gelu_fast" | "gelu_pytorch_tanh" => HiddenAct::GeluApproximate,
            "relu" => HiddenAct::Relu,
            _ => return None,
        };
        (self.model_type == "bert").then(|| Candle {
            vocab_size: self.vocab_size,
            hidden_size: self.hidden_size,
            num_hidden_layers: self.num_hidden_layers,
            num_attention_heads: self.num_attention_heads,
            intermediate_size: self.intermediate_size,
            hidden_act,
            max_position_embeddings: self.max_position_embeddings,
            type_vocab_size: self.type_vocab_size,
            layer_norm_eps: self.layer_norm_eps,
            pad_token_id: self.pad_token_id,
            ..Candle::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn shape(change: &Value) -> Result<Shape, String> {
        let mut config = json!({
            "vocab_size": 100, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3,
            "intermediate_size": 48, "max_position_embeddings": 514, "type_vocab_size": 1, "pad_token_id": 1,
        });
        let (all, change) = (config.as_object_mut(), change.as_object());
        all.expect("an object").extend(change.expect("an object").clone());
        serde_json::from_value::<Config>(config)
            .map_err(|error| error.to_string())?
            .shape()
    }

    #[test]
    fn positions_begin_behind_the_padding_in_roberta() {
        let plain = shape(&json!({})).expect("it is good");
        assert_eq!((plain.position_offset, plain.longest()), (0, 514));
        let roberta = shape(&json!({"model_type": "xlm-roberta", "hidden_act": "gelu_new"}));
        let roberta = roberta.expect("it is good");
        assert_eq!((roberta.position_offset, roberta.longest()), (2, 512));
        assert_eq!(roberta.activation, Activation::GeluTanh);
    }

    #[test]
    fn what_is_not_supported_is_said() {
        for (change, said) in [
            (json!({"model_type": "t5"}), "model_type \"t5\""),
            (json!({"hidden_act": "silu"}), "hidden_act \"silu\""),
            (
                json!({"position_embedding_type": "relative_key"}),
                "position_embedding_type",
            ),
            (json!({"hidden_size": 25}), "not a multiple"),
            (json!({"vocab_size": -1}), "invalid value"),
        ] {
            let error = shape(&change).expect_err(said);
            assert!(error.contains(said), "{error}");
        }
    }
}
