//! The decoder over the engine's kernels: what runs on the processor.

use lamplighter_engine::{
    isa::Isa,
    pool::Pool,
    quant::{BLOCK, BLOCK_BYTES, Cache, Decoder, Layer, Matrix, Part, Sizes, UNIT, Weights},
};
use lamplighter_shared::job::JobError;

use super::plan::Plan;
use crate::models::{
    llama::weights::{Shape, Source},
    unavailable,
};

/// Packed weights and the threads that multiply them.
pub(super) struct CpuModel {
    decoder: Decoder,
    pool: Pool,
}

impl CpuModel {
    /// Packs the weights; whatever is not Q8_0 becomes that on the way.
    pub(super) fn load(source: &mut Source, shape: &Shape, lanes: usize) -> Result<Self, JobError> {
        let sizes = Sizes {
            hidden: shape.hidden,
            feed: shape.feed,
            heads: shape.heads,
            kv_heads: shape.kv_heads,
            head: shape.head,
            epsilon: shape.epsilon,
        };
        let embedding = [("token_embd.weight".to_owned(), shape.vocabulary)];
        let embedding = stacked(source, &embedding, shape.hidden)?;
        let head = match source.has("output.weight") {
            true => Some(stacked(
                source,
                &[("output.weight".to_owned(), shape.vocabulary)],
                shape.hidden,
            )?),
            false => None,
        };
        let layers: Result<_, JobError> = (0..shape.layers).map(|index| layer(source, shape, index)).collect();
        let weights = Weights {
            embedding,
            layers: layers?,
            norm: source.vector("output_norm.weight", shape.hidden)?,
            head,
        };
        let isa = Isa::choose().map_err(unavailable)?;
        Ok(Self {
            decoder: Decoder::new(sizes, weights, isa).map_err(unavailable)?,
            pool: Pool::new(lanes),
        })
    }

    /// Memory for a sequence.
    pub(super) fn cache(&self) -> Cache {
        self.decoder.cache()
    }

    /// Computes a batch; gives the logits of the wanted rows.
    pub(super) fn step(&mut self, plan: &Plan, caches: Vec<&mut Cache>) -> Result<Vec<Vec<f32>>, JobError> {
        if caches.iter().any(|cache| !self.decoder.owns(cache)) {
            return Err(crate::models::invalid("a sequence belongs to another model"));
        }
        let spans = plan.spans.iter().zip(&plan.starts);
        let parts = caches.into_iter().zip(spans).map(|(cache, (rows, start))| Part {
            cache,
            start: *start,
            rows: rows.clone(),
        });
        let mut parts: Vec<_> = parts.collect();
        let angles = (plan.cos.as_slice(), plan.sin.as_slice());
        Ok(self.decoder.step(&self.pool, &plan.tokens, &mut parts, angles, &plan.wanted))
    }
}

fn layer(source: &mut Source, shape: &Shape, index: usize) -> Result<Layer, JobError> {
    let named = |part: &str| format!("blk.{index}.{part}.weight");
    let (queries, keys) = (shape.heads * shape.head, shape.kv_heads * shape.head);
    let qkv = [
        (named("attn_q"), queries),
        (named("attn_k"), keys),
        (named("attn_v"), keys),
    ];
    Ok(Layer {
        attention_norm: source.vector(&named("attn_norm"), shape.hidden)?,
        qkv: stacked(source, &qkv, shape.hidden)?,
        output: stacked(source, &[(named("attn_output"), shape.hidden)], queries)?,
        feed_norm: source.vector(&named("ffn_norm"), shape.hidden)?,
        gate_up: gate_up(source, shape, [named("ffn_gate"), named("ffn_up")])?,
        down: stacked(source, &[(named("ffn_down"), shape.hidden)], shape.feed)?,
    })
}

/// Matrices on top of each other.
fn stacked(source: &mut Source, parts: &[(String, usize)], width: usize) -> Result<Matrix, JobError> {
    // What the header promises must be there before memory is taken for it.
    for (name, rows) in parts {
        source.check(name, [*rows, width])?;
    }
    let rows = parts.iter().map(|(_, rows)| rows).sum();
    let mut matrix = Matrix::new(rows, width).map_err(unavailable)?;
    let mut first = 0;
    for (name, rows) in parts {
        source.blocks(name, [*rows, width], |row, blocks| matrix.put(first + row, blocks))?;
        first += rows;
    }
    Ok(matrix)
}

/// A unit of the gate, a unit of what it gates, and so on.
fn gate_up(source: &mut Source, shape: &Shape, names: [String; 2]) -> Result<Matrix, JobError> {
    let size = [shape.feed, shape.hidden];
    for name in &names {
        source.check(name, size)?;
    }
    let mut matrix = Matrix::new(2 * shape.feed, shape.hidden).map_err(unavailable)?;
    let unit_bytes = UNIT * shape.hidden / BLOCK * BLOCK_BYTES;
    for (part, name) in names.iter().enumerate() {
        source.blocks(name, size, |row, blocks| {
            for (index, unit) in blocks.chunks(unit_bytes).enumerate() {
                matrix.put(2 * (row + index * UNIT) + part * UNIT, unit)?;
            }
            Ok(())
        })?;
    }
    Ok(matrix)
}
