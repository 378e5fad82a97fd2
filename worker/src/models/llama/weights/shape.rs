//! The shape of a model, from the metadata of its file.

use candle_core::quantized::gguf_file::Value;
use lamplighter_shared::job::JobError;

use super::Source;
use crate::models::unavailable;

/// More than any published model has; what lies beyond is a lying header.
const MOST_LAYERS: usize = 1024;
/// Likewise for every other size of the shape.
const MOST: usize = 1 << 24;

/// Tensors outside of layers, and those of a layer, without `.weight`.
const WHOLE: [&str; 4] = ["token_embd", "output", "output_norm", "rope_freqs"];
const OF_LAYER: [&str; 9] = [
    "attn_norm",
    "attn_q",
    "attn_k",
    "attn_v",
    "attn_output",
    "ffn_norm",
    "ffn_gate",
    "ffn_up",
    "ffn_down",
];

/// Sizes and constants of a model.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::models::llama) struct Shape {
    /// Layers.
    pub layers: usize,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Width of the feed-forward layer.
    pub feed: usize,
    /// Heads of the queries.
    pub heads: usize,
    /// Heads of keys and values; `heads` is a multiple.
    pub kv_heads: usize,
    /// Width of a head.
    pub head: usize,
    /// Tokens of the vocabulary.
    pub vocabulary: usize,
    /// Longest sequence, in tokens.
    pub context: usize,
    /// Added to the mean square under the root.
    pub epsilon: f32,
    /// What each pair of a head turns by from one position to the next, radians.
    pub turns: Vec<f64>,
}

impl Source {
    /// The shape, checked for what the decoder can compute.
    pub(in crate::models::llama) fn shape(&mut self) -> Result<Shape, JobError> {
        let hidden = self.size("embedding_length")?;
        let heads = self.size("attention.head_count")?;
        let kv_heads = self.optional_size("attention.head_count_kv")?.unwrap_or(heads);
        let head = match self.optional_size("attention.key_length")? {
            Some(head) => head,
            None => hidden / heads,
        };
        let layers = self.size("block_count")?;
        if !heads.is_multiple_of(kv_heads)
            || head == 0
            || !head.is_multiple_of(32)
            || head > 512
            || heads > 4096
        {
            return Err(unavailable(format!(
                "{heads} heads of {head} with {kv_heads} for keys are not supported"
            )));
        }
        if layers > MOST_LAYERS {
            return Err(unavailable(format!(
                "{layers} layers are more than {MOST_LAYERS}"
            )));
        }
        if self.optional_size("expert_count")?.is_some() {
            return Err(unavailable("a mixture of experts is not supported"));
        }
        for (key, wanted) in [("attention.value_length", head), ("rope.dimension_count", head)] {
            if self.optional_size(key)?.is_some_and(|size| size != wanted) {
                return Err(unavailable(format!("{key} other than {wanted} is not supported")));
            }
        }
        self.know_all(layers)?;
        let vocabulary = self.rows("token_embd.weight", hidden)?;
        let turns = self.turns(head)?;
        Ok(Shape {
            layers,
            hidden,
            feed: self.size("feed_forward_length")?,
            heads,
            kv_heads,
            head,
            vocabulary,
            context: self.size("context_length")?,
            epsilon: self.number("attention.layer_norm_rms_epsilon")?.unwrap_or(1e-5) as f32,
            turns,
        })
    }

    /// A tensor that is not computed with, such as a bias, would make other numbers than the model's without a word.
    fn know_all(&self, layers: usize) -> Result<(), JobError> {
        let known = |name: &str| {
            name.strip_suffix(".weight").is_some_and(|name| {
                let part = name.strip_prefix("blk.").and_then(|rest| rest.split_once('.'));
                part.map_or(WHOLE.contains(&name), |(layer, part)| {
                    layer.parse::<usize>().is_ok_and(|layer| layer < layers) && OF_LAYER.contains(&part)
                })
            })
        };
        match self.content.tensor_infos.keys().find(|name| !known(name)) {
            Some(name) => Err(unavailable(format!(
                "the file has a tensor {name}, which this decoder does not compute with: use a model without it"
            ))),
            None => Ok(()),
        }
    }

    /// Rows of a matrix of this width.
    fn rows(&self, name: &str, width: usize) -> Result<usize, JobError> {
        match self.content.tensor_infos.get(name).map(|info| info.shape.dims()) {
            Some(&[rows, columns]) if columns == width && (1..=MOST).contains(&rows) => Ok(rows),
            Some(dims) => Err(unavailable(format!("{name} is {dims:?}, not rows of {width}"))),
            None => Err(unavailable(format!("the file has no tensor {name}"))),
        }
    }

    /// What each pair of a head turns by; long-context files carry factors.
    fn turns(&mut self, head: usize) -> Result<Vec<f64>, JobError> {
        let base = self.number("rope.freq_base")?.unwrap_or(10_000.0);
        if !base.is_finite() || base <= 0.0 {
            return Err(unavailable(format!("rope.freq_base {base} is not a base")));
        }
        let stretch = match self.text("rope.scaling.type") {
            None | Some("none") => 1.0,
            Some("linear") => self.number("rope.scaling.factor")?.unwrap_or(1.0),
            Some(kind) => return Err(unavailable(format!("rope scaling {kind:?} is not supported"))),
        };
        let pairs = head / 2;
        let factors = match self.has("rope_freqs.weight") {
            true => self.vector("rope_freqs.weight", pairs)?,
            false => vec![1.0; pairs],
        };
        if !stretch.is_finite() || stretch <= 0.0 || factors.iter().any(|&factor| factor <= 0.0) {
            return Err(unavailable("the rope scaling is not positive"));
        }
        let turn = |(pair, factor): (usize, f32)| {
            base.powf(-2.0 * pair as f64 / head as f64) / f64::from(factor) / stretch
        };
        Ok(factors.into_iter().enumerate().map(turn).collect())
    }

    fn value(&self, key: &str) -> Option<&Value> {
        self.content.metadata.get(&format!("{}.{key}", self.architecture))
    }

    fn text(&self, key: &str) -> Option<&str> {
        match self.value(key) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    fn number(&self, key: &str) -> Result<Option<f64>, JobError> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::F32(number)) => Ok(Some(f64::from(*number))),
            Some(Value::F64(number)) => Ok(Some(*number)),
            Some(_) => Err(unavailable(format!("{key} of the metadata is not a number"))),
        }
    }

    fn size(&self, key: &str) -> Result<usize, JobError> {
        let missing = || unavailable(format!("the metadata has no {}.{key}", self.architecture));
        self.optional_size(key)?.ok_or_else(missing)
    }

    /// A size; zero counts as not there.
    fn optional_size(&self, key: &str) -> Result<Option<usize>, JobError> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        let size = value
            .to_u64()
            .ok()
            .or_else(|| value.to_i64().ok().and_then(|v| u64::try_from(v).ok()));
        let size = size.or_else(|| value.to_i32().ok().and_then(|v| u64::try_from(v).ok()));
        match size.and_then(|size| usize::try_from(size).ok()) {
            Some(0) => Ok(None),
            Some(size) if size <= MOST => Ok(Some(size)),
            _ => Err(unavailable(format!("{key} of the metadata is not a size"))),
        }
    }
}
