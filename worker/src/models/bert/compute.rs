//! Where the rows of texts are computed: by the engine on the processor, or by candle on a device.

use std::path::PathBuf;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::BertModel;
use lamplighter_engine::{
    encoder::{Encoder, Precision, Scratch, Text},
    isa::Isa,
    pool::Pool,
};

use super::config::Config;
use crate::models::mapped::Mapped;

/// An encoder without anything on top.
pub(super) enum Compute {
    /// The engine's.
    Engine(Box<Engine>),
    /// Candle's, on a device.
    Candle(Box<Candle>),
}

impl Compute {
    /// Loads the weights in `files` for the engine; `dtype` is `f32` or `bf16`.
    ///
    /// # Errors
    /// What is wrong with the files or not to be had of this processor.
    pub(super) fn engine(
        config: &Config,
        files: &[PathBuf],
        dtype: &str,
        threads: usize,
    ) -> Result<Self, String> {
        let precision = match dtype {
            "f32" => Precision::F32,
            "bf16" => Precision::Bf16,
            other => {
                return Err(format!(
                    "number type {other:?} is not supported: f32 and bf16 are"
                ));
            }
        };
        let shape = config.shape().map_err(|error| format!("config.json: {error}"))?;
        let mapped = Mapped::open_all(files)?;
        let encoder = Encoder::new(shape, &mapped.weights, Isa::choose()?, precision)
            .map_err(|error| format!("{}: {error}", names(files)))?;
        mapped.release();
        Ok(Self::Engine(Box::new(Engine {
            encoder,
            pool: Pool::new(threads),
            scratch: Scratch::default(),
        })))
    }

    /// Loads the weights in `files` for candle, as f32.
    ///
    /// # Errors
    /// What is wrong with the files.
    pub(super) fn candle(config: &Config, files: &[PathBuf], device: Device) -> Result<Self, String> {
        let shape = config.candle().ok_or("candle does not compute such models")?;
        let broken = |error: candle_core::Error| format!("{}: {error}", names(files));
        // SAFETY: a model's files are put in place by renaming and not written after that.
        let weights = unsafe { VarBuilder::from_mmaped_safetensors(files, DType::F32, &device) };
        let weights = weights.map_err(broken)?;
        // The files are mapped until `weights` goes away, at the end of this function.
        let model = BertModel::load(weights, &shape).map_err(broken)?;
        Ok(Self::Candle(Box::new(Candle {
            model,
            device,
            pad: config.pad_token_id as u32,
            hidden: config.hidden_size,
            rows: Vec::new(),
        })))
    }

    /// Whether texts computed together are padded to the longest.
    pub(super) fn pads(&self) -> bool {
        matches!(self, Self::Candle(_))
    }

    /// The last layer's rows: those of all tokens of the first text, then of the next.
    ///
    /// # Errors
    /// Why it can't be computed.
    pub(super) fn forward(&mut self, texts: &[Text<'_>]) -> Result<&[f32], String> {
        match self {
            Self::Engine(engine) => engine
                .encoder
                .forward(&engine.pool, &mut engine.scratch, texts)
                .map_err(|error| error.to_string()),
            Self::Candle(candle) => candle.forward(texts).map_err(|error| error.to_string()),
        }
    }
}

/// The engine's encoder with the runner's threads.
pub(super) struct Engine {
    encoder: Encoder,
    pool: Pool,
    scratch: Scratch,
}

/// Candle's encoder.
pub(super) struct Candle {
    model: BertModel,
    device: Device,
    pad: u32,
    hidden: usize,
    rows: Vec<f32>,
}

impl Candle {
    /// Shorter texts are padded; what comes of padding is left out.
    fn forward(&mut self, texts: &[Text<'_>]) -> candle_core::Result<&[f32]> {
        let longest = texts.iter().map(|text| text.ids.len()).max().unwrap_or(0);
        let (mut ids, mut types, mut mask) = (Vec::new(), Vec::new(), Vec::new());
        for (n, text) in texts.iter().enumerate() {
            let end = (n + 1) * longest;
            ids.extend_from_slice(text.ids);
            ids.resize(end, self.pad);
            types.extend_from_slice(text.types);
            types.resize(end, 0);
            mask.resize(n * longest + text.ids.len(), 1_f32);
            mask.resize(end, 0.0);
        }
        let tensor = |numbers: Vec<u32>| Tensor::from_vec(numbers, (texts.len(), longest), &self.device);
        let mask = Tensor::from_vec(mask, (texts.len(), longest), &self.device)?;
        let rows = self.model.forward(&tensor(ids)?, &tensor(types)?, Some(&mask))?;
        let rows = rows.flatten_all()?.to_vec1::<f32>()?;
        self.rows.clear();
        for (text, rows) in texts.iter().zip(rows.chunks_exact(longest * self.hidden)) {
            self.rows.extend_from_slice(&rows[..text.ids.len() * self.hidden]);
        }
        Ok(&self.rows)
    }
}

/// The names of files, for people.
fn names(files: &[PathBuf]) -> String {
    let name = |file: &PathBuf| {
        file.file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    };
    files.iter().map(name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, path::Path};

    use safetensors::{Dtype, serialize_to_file, tensor::TensorView};
    use serde_json::json;

    use super::*;

    const HIDDEN: usize = 24;
    const INNER: usize = 40;

    fn config() -> Config {
        let config = json!({
            "vocab_size": 30, "hidden_size": HIDDEN, "num_hidden_layers": 2, "num_attention_heads": 3,
            "intermediate_size": INNER, "max_position_embeddings": 32, "type_vocab_size": 2,
        });
        serde_json::from_value(config).expect("it is good")
    }

    /// A file of small numbers, none of them special.
    fn file(folder: &Path) -> PathBuf {
        let mut shapes = BTreeMap::from([
            ("embeddings.word_embeddings.weight".to_owned(), vec![30, HIDDEN]),
            (
                "embeddings.position_embeddings.weight".to_owned(),
                vec![32, HIDDEN],
            ),
            (
                "embeddings.token_type_embeddings.weight".to_owned(),
                vec![2, HIDDEN],
            ),
        ]);
        let mut norms = vec!["embeddings.LayerNorm".to_owned()];
        for layer in ["encoder.layer.0", "encoder.layer.1"] {
            for (name, rows, columns) in [
                ("attention.self.query", HIDDEN, HIDDEN),
                ("attention.self.key", HIDDEN, HIDDEN),
                ("attention.self.value", HIDDEN, HIDDEN),
                ("attention.output.dense", HIDDEN, HIDDEN),
                ("intermediate.dense", INNER, HIDDEN),
                ("output.dense", HIDDEN, INNER),
            ] {
                shapes.insert(format!("{layer}.{name}.weight"), vec![rows, columns]);
                shapes.insert(format!("{layer}.{name}.bias"), vec![rows]);
            }
            norms.push(format!("{layer}.attention.output.LayerNorm"));
            norms.push(format!("{layer}.output.LayerNorm"));
        }
        for norm in norms {
            shapes.insert(format!("{norm}.weight"), vec![HIDDEN]);
            shapes.insert(format!("{norm}.bias"), vec![HIDDEN]);
        }
        let number = |n: usize| ((n * 7919 % 1009) as f32 / 504.5 - 1.0) * 0.5;
        let bytes: Vec<(String, Vec<usize>, Vec<u8>)> = shapes
            .into_iter()
            .enumerate()
            .map(|(at, (name, shape))| {
                let count: usize = shape.iter().product();
                let bytes = (0..count)
                    .flat_map(|n| number(n + 37 * at).to_le_bytes())
                    .collect();
                (name, shape, bytes)
            })
            .collect();
        let views = bytes.iter().map(|(name, shape, bytes)| {
            let view = TensorView::new(Dtype::F32, shape.clone(), bytes).expect("it fits");
            (name.clone(), view)
        });
        let path = folder.join("model.safetensors");
        serialize_to_file(views, None, &path).expect("written");
        path
    }

    #[test]
    fn a_device_computes_the_same() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = [file(folder.path())];
        let mut engine = Compute::engine(&config(), &files, "f32", 2).expect("it loads");
        // No test has a device; candle computes on the processor what it would compute there.
        let mut candle = Compute::candle(&config(), &files, Device::Cpu).expect("it loads");
        assert!(candle.pads() && !engine.pads());
        let texts = [
            Text {
                ids: &[3, 4, 5],
                types: &[0, 1, 1],
            },
            Text {
                ids: &[7],
                types: &[],
            },
            Text {
                ids: &[1, 2, 29, 4, 9, 9, 9],
                types: &[],
            },
        ];
        let expected = candle.forward(&texts).expect("it computes").to_vec();
        let rows = engine.forward(&texts).expect("it computes");
        assert_eq!(rows.len(), 11 * HIDDEN);
        assert_eq!(rows.len(), expected.len());
        let largest = rows
            .iter()
            .zip(&expected)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max);
        assert!(largest < 1e-4, "{largest}");
        let error = engine.forward(&[Text {
            ids: &[30],
            types: &[],
        }]);
        assert!(error.expect_err("no such token").contains("token 30"));
    }

    #[test]
    fn number_types_are_taken_or_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = [file(folder.path())];
        let load = |dtype| Compute::engine(&config(), &files, dtype, 1).map(|_| ());
        let error = load("f64").expect_err("there is no such path");
        assert!(
            error.contains("\"f64\"") && error.contains("f32 and bf16"),
            "{error}"
        );
        match load("bf16") {
            Ok(()) => assert!(lamplighter_engine::isa::has_bf16()),
            Err(error) => assert!(error.contains("AVX512-BF16"), "{error}"),
        }
    }
}
