//! Every set of kernels against arithmetic as it is written down, and that nothing depends on neighbours,
//! chunks or lanes.

use rand::{RngExt as _, SeedableRng as _, rngs::SmallRng};

use super::{Cache, Decoder, Layer, Matrix, Part, Sizes, UNIT, Weights, kernels::Kernels, quantise};
use crate::{isa::Isa, pool::Pool};

const SIZES: Sizes = Sizes {
    hidden: 64,
    feed: 96,
    heads: 6,
    kv_heads: 2,
    head: 32,
    epsilon: 1e-5,
};
const VOCABULARY: usize = 50;
const LAYERS: usize = 2;

/// Weights as numbers.
struct Plain {
    rows: usize,
    columns: usize,
    blocks: Vec<u8>,
    numbers: Vec<f32>,
}

impl Plain {
    fn random(rows: usize, columns: usize, random: &mut SmallRng) -> Self {
        let spread = 3.0 / (columns as f32).sqrt();
        let numbers: Vec<f32> = (0..rows * columns)
            .map(|_| random.random_range(-spread..spread))
            .collect();
        let mut blocks = Vec::new();
        quantise(&numbers, &mut blocks).expect("whole blocks");
        let matrix = Matrix::pack(rows, columns, &blocks).expect("it fits");
        let mut back = vec![0.0; numbers.len()];
        for (row, out) in back.chunks_exact_mut(columns).enumerate() {
            matrix.row(row, out);
        }
        for (before, after) in numbers.iter().zip(&back) {
            assert!(
                (before - after).abs() <= spread / 250.0,
                "{before} became {after}"
            );
        }
        Self {
            rows,
            columns,
            blocks,
            numbers: back,
        }
    }

    fn packed(&self) -> Matrix {
        Matrix::pack(self.rows, self.columns, &self.blocks).expect("it fits")
    }

    fn multiply(&self, x: &[f32]) -> Vec<f32> {
        let rows = self.numbers.chunks_exact(self.columns);
        rows.map(|row| {
            row.iter()
                .zip(x)
                .map(|(w, x)| f64::from(*w) * f64::from(*x))
                .sum::<f64>() as f32
        })
        .collect()
    }
}

struct PlainLayer {
    qkv: Plain,
    output: Plain,
    gate: Plain,
    up: Plain,
    down: Plain,
}

struct PlainModel {
    embedding: Plain,
    layers: Vec<PlainLayer>,
    norm: Vec<f32>,
}

impl PlainModel {
    fn random(seed: u64) -> Self {
        let mut random = SmallRng::seed_from_u64(seed);
        let random = &mut random;
        let Sizes {
            hidden,
            feed,
            heads,
            kv_heads,
            head,
            ..
        } = SIZES;
        let layers = (0..LAYERS).map(|_| PlainLayer {
            qkv: Plain::random((heads + 2 * kv_heads) * head, hidden, random),
            output: Plain::random(hidden, heads * head, random),
            gate: Plain::random(feed, hidden, random),
            up: Plain::random(feed, hidden, random),
            down: Plain::random(hidden, feed, random),
        });
        Self {
            layers: layers.collect(),
            embedding: Plain::random(VOCABULARY, hidden, random),
            norm: (0..hidden).map(|_| random.random_range(0.5..1.5)).collect(),
        }
    }

    fn decoder(&self, kernels: &'static Kernels) -> Decoder {
        let layers = self.layers.iter().map(|layer| {
            let mut gate_up = Matrix::new(2 * SIZES.feed, SIZES.hidden).expect("it fits");
            let unit = layer.gate.blocks.len() / SIZES.feed * UNIT;
            let units = layer.gate.blocks.chunks(unit).zip(layer.up.blocks.chunks(unit));
            for (index, (gate, up)) in units.enumerate() {
                gate_up.put(2 * index * UNIT, gate).expect("it fits");
                gate_up.put((2 * index + 1) * UNIT, up).expect("it fits");
            }
            Layer {
                attention_norm: self.norm.clone(),
                qkv: layer.qkv.packed(),
                output: layer.output.packed(),
                feed_norm: self.norm.clone(),
                gate_up,
                down: layer.down.packed(),
            }
        });
        let weights = Weights {
            layers: layers.collect(),
            embedding: self.embedding.packed(),
            norm: self.norm.clone(),
            head: None,
        };
        Decoder::new(SIZES, weights, Isa::Portable)
            .expect("sizes fit")
            .with(kernels)
    }

    fn normal(&self, x: &[f32]) -> Vec<f32> {
        let mean = x.iter().map(|x| x * x).sum::<f32>() / x.len() as f32;
        let factor = 1.0 / (mean + SIZES.epsilon).sqrt();
        x.iter().zip(&self.norm).map(|(x, w)| x * factor * w).collect()
    }

    /// Logits after each token, in plain arithmetic.
    fn logits(&self, tokens: &[u32]) -> Vec<Vec<f32>> {
        let Sizes {
            heads,
            kv_heads,
            head,
            hidden,
            ..
        } = SIZES;
        let embedded = |token: &u32| self.embedding.numbers[*token as usize * hidden..][..hidden].to_vec();
        let mut stream: Vec<Vec<f32>> = tokens.iter().map(embedded).collect();
        for layer in &self.layers {
            let mut qkv: Vec<_> = stream
                .iter()
                .map(|x| layer.qkv.multiply(&self.normal(x)))
                .collect();
            for (position, row) in qkv.iter_mut().enumerate() {
                let (cos, sin) = angles(position);
                for (pair, x) in row[..(heads + kv_heads) * head].chunks_exact_mut(2).enumerate() {
                    let (cos, sin) = (cos[pair % (head / 2)], sin[pair % (head / 2)]);
                    (x[0], x[1]) = (x[0] * cos - x[1] * sin, x[0] * sin + x[1] * cos);
                }
            }
            for (position, x) in stream.iter_mut().enumerate() {
                let mut mixed = Vec::new();
                for query in 0..heads {
                    let of = |row: usize, which: usize| &qkv[row][which * head..][..head];
                    let key = heads + query / (heads / kv_heads);
                    let score = |row| -> f32 {
                        let pairs = of(position, query).iter().zip(of(row, key));
                        pairs.map(|(q, k)| q * k).sum::<f32>() / (head as f32).sqrt()
                    };
                    let scores: Vec<f32> = (0..=position).map(|row| score(row).exp()).collect();
                    let total: f32 = scores.iter().sum();
                    mixed.extend((0..head).map(|at| {
                        let values = scores.iter().enumerate();
                        values
                            .map(|(row, share)| share * of(row, key + kv_heads)[at])
                            .sum::<f32>()
                            / total
                    }));
                }
                add(x, &layer.output.multiply(&mixed));
            }
            for x in &mut stream {
                let normal = self.normal(x);
                let gates = layer
                    .gate
                    .multiply(&normal)
                    .into_iter()
                    .zip(layer.up.multiply(&normal));
                let gated: Vec<f32> = gates
                    .map(|(gate, up)| gate / (1.0 + (-gate).exp()) * up)
                    .collect();
                add(x, &layer.down.multiply(&gated));
            }
        }
        stream
            .iter()
            .map(|x| self.embedding.multiply(&self.normal(x)))
            .collect()
    }
}

fn add(x: &mut [f32], more: &[f32]) {
    for (x, more) in x.iter_mut().zip(more) {
        *x += more;
    }
}

fn angles(position: usize) -> (Vec<f32>, Vec<f32>) {
    let angle = |pair: usize| position as f32 * 100f32.powf(-2.0 * pair as f32 / SIZES.head as f32);
    let angles = (0..SIZES.head / 2).map(angle);
    angles.map(|angle| (angle.cos(), angle.sin())).unzip()
}

struct Sequence {
    cache: Cache,
    length: usize,
}

/// Computes some tokens of some sequences; logits after every token.
fn step(decoder: &mut Decoder, pool: &Pool, batch: &mut [(&mut Sequence, &[u32])]) -> Vec<Vec<f32>> {
    let (mut tokens, mut cos, mut sin, mut parts) = (vec![], vec![], vec![], vec![]);
    for (sequence, more) in batch {
        for position in sequence.length..sequence.length + more.len() {
            let angles = angles(position);
            cos.extend(angles.0);
            sin.extend(angles.1);
        }
        parts.push(Part {
            start: sequence.length,
            cache: &mut sequence.cache,
            rows: tokens.len()..tokens.len() + more.len(),
        });
        sequence.length += more.len();
        tokens.extend_from_slice(more);
    }
    let wanted: Vec<usize> = (0..tokens.len()).collect();
    decoder.step(pool, &tokens, &mut parts, (&cos, &sin), &wanted)
}

fn sequence(decoder: &Decoder) -> Sequence {
    Sequence {
        cache: decoder.cache(),
        length: 0,
    }
}

fn tokens(count: usize, seed: u64) -> Vec<u32> {
    let mut random = SmallRng::seed_from_u64(seed);
    (0..count)
        .map(|_| random.random_range(0..VOCABULARY as u32))
        .collect()
}

#[test]
fn every_kernel_computes_what_is_written_down() {
    let model = PlainModel::random(1);
    let text = tokens(150, 2);
    let wanted = model.logits(&text);
    let spread = wanted.iter().flatten().fold(0.0f32, |most, x| most.max(x.abs()));
    let mut all = Vec::new();
    for (name, kernels) in Kernels::all() {
        let mut decoder = model.decoder(kernels);
        let mut one = sequence(&decoder);
        let got = step(&mut decoder, &Pool::new(2), &mut [(&mut one, &text)]);
        let differences = wanted
            .iter()
            .flatten()
            .zip(got.iter().flatten())
            .map(|(a, b)| (a - b).abs());
        let (count, sum, most) = differences.fold((0, 0.0, 0.0f32), |(n, sum, most), d| {
            (n + 1, sum + d, most.max(d))
        });
        // Activations are bytes, so some hundredths are lost.
        assert!(
            most < 0.1 * spread && sum / (count as f32) < 0.012 * spread,
            "{name}: {most} {sum} of {spread}"
        );
        all.push(got);
    }
    for other in &all[1..] {
        let differences = all[0]
            .iter()
            .flatten()
            .zip(other.iter().flatten())
            .map(|(a, b)| (a - b).abs());
        assert!(differences.fold(0.0f32, f32::max) < 0.06 * spread);
    }
}

#[test]
fn neighbours_chunks_and_lanes_change_nothing() {
    let model = PlainModel::random(3);
    let texts: Vec<Vec<u32>> = (0..9).map(|at| tokens(100 - 9 * at as usize, at)).collect();
    for (name, kernels) in Kernels::all() {
        let mut decoder = model.decoder(kernels);
        let alone = |decoder: &mut Decoder, text: &[u32]| {
            let mut one = sequence(decoder);
            step(decoder, &Pool::new(1), &mut [(&mut one, text)])
        };
        let wanted: Vec<_> = texts.iter().map(|text| alone(&mut decoder, text)).collect();
        for lanes in [1, 2, 3] {
            let pool = Pool::new(lanes);
            let mut all: Vec<_> = texts.iter().map(|_| (sequence(&decoder), Vec::new())).collect();
            let mut random = SmallRng::seed_from_u64(lanes as u64);
            // They join one after the other, go on in pieces of any size, and leave when they are done.
            while all
                .iter()
                .zip(&texts)
                .any(|((sequence, _), text)| sequence.length < text.len())
            {
                let mut got: Vec<&mut Vec<Vec<f32>>> = Vec::new();
                let mut batch: Vec<(&mut Sequence, &[u32])> = Vec::new();
                for ((sequence, logits), text) in all.iter_mut().zip(&texts) {
                    let rest = &text[sequence.length..];
                    let most = if random.random_bool(0.7) { 1 } else { 23 };
                    if !rest.is_empty() && random.random_bool(0.8) {
                        batch.push((sequence, &rest[..random.random_range(1..=most.min(rest.len()))]));
                        got.push(logits);
                    }
                }
                let counts: Vec<usize> = batch.iter().map(|(_, more)| more.len()).collect();
                if batch.is_empty() {
                    continue;
                }
                let mut logits = step(&mut decoder, &pool, &mut batch).into_iter();
                for (got, count) in got.into_iter().zip(counts) {
                    got.extend(logits.by_ref().take(count));
                }
            }
            for ((_, got), wanted) in all.iter().zip(&wanted) {
                assert!(got == wanted, "{name}, {lanes} lanes");
            }
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    assert!(Matrix::new(4, 33).is_err() && Matrix::new(0, 32).is_err() && Matrix::new(4, 0).is_err());
    assert!(Matrix::new(usize::MAX / 64, 1024).is_err());
    assert!(Matrix::pack(2, 32, &[0; 34]).is_err() && Matrix::pack(1, 32, &[0; 68]).is_err());
    let mut infinite = [0; 34];
    infinite[..2].copy_from_slice(&half::f16::INFINITY.to_le_bytes());
    assert!(Matrix::pack(1, 32, &infinite).is_err());
    let mut out = Vec::new();
    assert!(quantise(&[0.0; 31], &mut out).is_err());
    assert!(quantise(&[f32::NAN; 32], &mut out).is_err());
    assert!(quantise(&[1e30; 32], &mut out).is_err());
    let model = PlainModel::random(4);
    let weights = Weights {
        embedding: model.embedding.packed(),
        layers: vec![],
        norm: vec![1.0; 32],
        head: None,
    };
    assert!(Decoder::new(SIZES, weights, Isa::Portable).is_err());
}

#[test]
fn memory_is_taken_as_a_sequence_grows() {
    let mut decoder = PlainModel::random(5).decoder(Kernels::of(Isa::best()));
    let mut one = sequence(&decoder);
    assert_eq!(one.cache.bytes(), 0);
    let page = 2 * LAYERS * SIZES.kv_heads * SIZES.head * 64 * 2;
    for (length, pages) in [(1, 1), (64, 1), (65, 2)] {
        let more = tokens(length - one.length, 1);
        step(&mut decoder, &Pool::new(1), &mut [(&mut one, &more)]);
        assert_eq!(one.cache.bytes(), pages * page);
    }
}
