//! The decoder over candle's tensors: what runs on a GPU. On the processor it serves as the yardstick of
//! the kernels.

use candle_core::{
    D, DType, Device, IndexOp, Module, Result, Tensor,
    quantized::{QMatMul, QTensor},
};
use candle_nn::{kv_cache::KvCache, ops, rotary_emb};
use lamplighter_shared::job::JobError;

use super::plan::Plan;
use crate::models::{
    llama::weights::{Shape, Source},
    unavailable,
};

/// Tokens that the memory of a sequence grows by.
const GROW: usize = 256;

/// Keys and values of one sequence, of each layer.
pub(super) type Cache = Vec<KvCache>;

/// Weights on a device.
pub(super) struct DeviceModel {
    device: Device,
    shape: Shape,
    embedding: QMatMul,
    layers: Vec<Layer>,
    norm: Tensor,
    head: Option<Linear>,
}

/// One matrix, or several on top of each other that are of different types.
struct Linear(Vec<QMatMul>);

impl Linear {
    fn read(
        source: &mut Source,
        parts: &[(String, usize)],
        width: usize,
        device: &Device,
    ) -> std::result::Result<Self, JobError> {
        let read = source.stacked(parts, width, device)?;
        let matrices: Result<_> = read.into_iter().map(QMatMul::from_qtensor).collect();
        matrices.map(Self).map_err(|error| unavailable(error.to_string()))
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let parts: Vec<Tensor> = self.0.iter().map(|part| part.forward(x)).collect::<Result<_>>()?;
        Tensor::cat(&parts, D::Minus1)
    }
}

struct Layer {
    attention_norm: Tensor,
    qkv: Linear,
    output: Linear,
    feed_norm: Tensor,
    gate_up: Linear,
    down: Linear,
}

impl Layer {
    fn read(
        source: &mut Source,
        shape: &Shape,
        index: usize,
        device: &Device,
    ) -> std::result::Result<Self, JobError> {
        let named = |part: &str, rows| (format!("blk.{index}.{part}.weight"), rows);
        let (queries, keys) = (shape.heads * shape.head, shape.kv_heads * shape.head);
        let qkv = [
            named("attn_q", queries),
            named("attn_k", keys),
            named("attn_v", keys),
        ];
        let gate_up = [named("ffn_gate", shape.feed), named("ffn_up", shape.feed)];
        Ok(Self {
            attention_norm: vector(source, &named("attn_norm", 0).0, shape.hidden, device)?,
            qkv: Linear::read(source, &qkv, shape.hidden, device)?,
            output: Linear::read(source, &[named("attn_output", shape.hidden)], queries, device)?,
            feed_norm: vector(source, &named("ffn_norm", 0).0, shape.hidden, device)?,
            gate_up: Linear::read(source, &gate_up, shape.hidden, device)?,
            down: Linear::read(source, &[named("ffn_down", shape.hidden)], shape.feed, device)?,
        })
    }
}

fn vector(
    source: &mut Source,
    name: &str,
    len: usize,
    device: &Device,
) -> std::result::Result<Tensor, JobError> {
    let numbers = source.vector(name, len)?;
    Tensor::from_vec(numbers, len, device).map_err(|error| unavailable(error.to_string()))
}

impl DeviceModel {
    /// Reads all weights onto the device.
    pub(super) fn load(
        source: &mut Source,
        shape: &Shape,
        device: Device,
    ) -> std::result::Result<Self, JobError> {
        let broken = |error: candle_core::Error| unavailable(error.to_string());
        let size = [shape.vocabulary, shape.hidden];
        let embedding: QTensor = source.tensor("token_embd.weight", &size, &device)?;
        let head = match source.has("output.weight") {
            true => Some(Linear::read(
                source,
                &[("output.weight".to_owned(), shape.vocabulary)],
                shape.hidden,
                &device,
            )?),
            false => None,
        };
        let layers = (0..shape.layers).map(|index| Layer::read(source, shape, index, &device));
        Ok(Self {
            layers: layers.collect::<std::result::Result<_, _>>()?,
            norm: vector(source, "output_norm.weight", shape.hidden, &device)?,
            embedding: QMatMul::from_qtensor(embedding).map_err(broken)?,
            head,
            shape: shape.clone(),
            device,
        })
    }

    /// Memory for a sequence.
    pub(super) fn cache(&self) -> Cache {
        (0..self.shape.layers).map(|_| KvCache::new(1, GROW)).collect()
    }

    /// Computes a batch; gives the logits of the wanted rows.
    pub(super) fn step(&self, plan: &Plan, caches: &mut [&mut Cache]) -> Result<Vec<Vec<f32>>> {
        let ids = Tensor::new(plan.tokens.as_slice(), &self.device)?;
        let pairs = (plan.tokens.len(), self.shape.head / 2);
        let cos = Tensor::from_slice(&plan.cos, pairs, &self.device)?;
        let sin = Tensor::from_slice(&plan.sin, pairs, &self.device)?;
        let mut x = self.embedding.embedding(&ids)?;
        for (index, layer) in self.layers.iter().enumerate() {
            let normal = ops::rms_norm(&x, &layer.attention_norm, self.shape.epsilon)?;
            let qkv = layer.qkv.forward(&normal)?;
            let mixed = self.attend(index, &qkv, plan, (&cos, &sin), caches)?;
            x = (x + layer.output.forward(&mixed)?)?;
            let normal = ops::rms_norm(&x, &layer.feed_norm, self.shape.epsilon)?;
            let both = layer.gate_up.forward(&normal)?;
            let gate = ops::silu(&both.narrow(1, 0, self.shape.feed)?.contiguous()?)?;
            let up = both.narrow(1, self.shape.feed, self.shape.feed)?;
            x = (x + layer.down.forward(&(gate * up)?)?)?;
        }
        if plan.wanted.is_empty() {
            return Ok(Vec::new());
        }
        let wanted: Vec<u32> = plan.wanted.iter().map(|&row| row as u32).collect();
        let last = x.index_select(&Tensor::new(wanted, &self.device)?, 0)?;
        let last = ops::rms_norm(&last, &self.norm, self.shape.epsilon)?;
        let logits = match &self.head {
            Some(head) => head.forward(&last)?,
            None => self.embedding.forward(&last)?,
        };
        logits.to_dtype(DType::F32)?.to_vec2()
    }

    /// Attention of every sequence to its own past.
    fn attend(
        &self,
        layer: usize,
        qkv: &Tensor,
        plan: &Plan,
        (cos, sin): (&Tensor, &Tensor),
        caches: &mut [&mut Cache],
    ) -> Result<Tensor> {
        let Shape {
            heads,
            kv_heads,
            head,
            ..
        } = self.shape;
        let rows = plan.tokens.len();
        let part = |from, count| -> Result<Tensor> {
            let part = qkv.narrow(1, from * head, count * head)?;
            part.reshape((rows, count, head))?.transpose(0, 1)?.contiguous()
        };
        let q = rotary_emb::rope_i(&part(0, heads)?.unsqueeze(0)?, cos, sin)?.i(0)?;
        let k = rotary_emb::rope_i(&part(heads, kv_heads)?.unsqueeze(0)?, cos, sin)?.i(0)?;
        let v = part(heads + kv_heads, kv_heads)?;
        let mut mixed = Vec::with_capacity(caches.len());
        for ((span, start), cache) in plan.spans.iter().zip(&plan.starts).zip(caches) {
            let own = |x: &Tensor| x.narrow(1, span.start, span.len())?.contiguous();
            let (k, v) = cache[layer].append(&own(&k)?, &own(&v)?)?;
            let past = start + span.len();
            let q = own(&q)?.reshape((kv_heads, heads / kv_heads * span.len(), head))?;
            let scores = (q.matmul(&k.t()?.contiguous()?)? / (head as f64).sqrt())?;
            let scores = scores.reshape((heads, span.len(), past))?;
            let scores = scores.broadcast_add(&self.mask(*start, span.len())?)?;
            let shares = ops::softmax_last_dim(&scores)?;
            let shares = shares.reshape((kv_heads, heads / kv_heads * span.len(), past))?;
            let out = shares
                .matmul(&v.contiguous()?)?
                .reshape((heads, span.len(), head))?;
            mixed.push(out.transpose(0, 1)?.reshape((span.len(), heads * head))?);
        }
        Tensor::cat(&mixed, 0)
    }

    /// Nothing where a row may look, minus infinity where it would see its own future.
    fn mask(&self, start: usize, rows: usize) -> Result<Tensor> {
        let past = start + rows;
        let cell = |row: usize, at: usize| if at > start + row { f32::NEG_INFINITY } else { 0.0 };
        let cells: Vec<f32> = (0..rows)
            .flat_map(|row| (0..past).map(move |at| cell(row, at)))
            .collect();
        Tensor::from_vec(cells, (rows, past), &self.device)
    }
}
