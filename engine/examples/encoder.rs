//! How fast the encoder is in the shape of MiniLM-L6, with random weights: a look while working on kernels.
//!
//! `cargo run --release -p lamplighter-engine --example encoder -- [LANES] [ISA] [f32|bf16]`

use std::{sync::Arc, time::Instant};

use lamplighter_engine::{
    encoder::{Activation, Config, Encoder, Precision, Scratch, Text},
    isa::Isa,
    pool::Pool,
    weights::{Number, Tensor, Weights},
};

fn tensor(shape: &[usize]) -> Tensor {
    let count: usize = shape.iter().product();
    let number = |n: usize| ((n * 7919 % 2003) as f32 / 1000.0 - 1.0) * 0.1;
    let bytes: Vec<u8> = (0..count).flat_map(|n| number(n).to_le_bytes()).collect();
    let all = 0..bytes.len();
    Tensor::new(Arc::new(bytes), all, Number::F32, shape.to_vec()).expect("it fits")
}

fn weights(config: &Config) -> Weights {
    let (hidden, inside) = (config.hidden, config.intermediate);
    let mut weights = Weights::default();
    let mut add = |name: String, shape: &[usize]| weights.insert(name, tensor(shape));
    for (name, rows) in [
        ("word", config.vocabulary),
        ("position", config.positions),
        ("token_type", config.types),
    ] {
        add(format!("embeddings.{name}_embeddings.weight"), &[rows, hidden]);
    }
    let mut norms = vec!["embeddings.LayerNorm".to_owned()];
    for n in 0..config.layers {
        let layer = format!("encoder.layer.{n}");
        for (name, rows, columns) in [
            ("attention.self.query", hidden, hidden),
            ("attention.self.key", hidden, hidden),
            ("attention.self.value", hidden, hidden),
            ("attention.output.dense", hidden, hidden),
            ("intermediate.dense", inside, hidden),
            ("output.dense", hidden, inside),
        ] {
            add(format!("{layer}.{name}.weight"), &[rows, columns]);
            add(format!("{layer}.{name}.bias"), &[rows]);
        }
        norms.push(format!("{layer}.attention.output.LayerNorm"));
        norms.push(format!("{layer}.output.LayerNorm"));
    }
    for norm in norms {
        add(format!("{norm}.weight"), &[hidden]);
        add(format!("{norm}.bias"), &[hidden]);
    }
    weights
}

fn main() {
    let mut args = std::env::args().skip(1);
    let lanes = args.next().map_or(2, |n| n.parse().expect("lanes"));
    let isa = args
        .next()
        .map_or(Isa::best(), |name| name.parse().expect("an ISA"));
    let precision = match args.next().as_deref() {
        Some("bf16") => Precision::Bf16,
        _ => Precision::F32,
    };
    let config = Config {
        vocabulary: 1000,
        hidden: 384,
        layers: 6,
        heads: 12,
        intermediate: 1536,
        positions: 512,
        position_offset: 0,
        types: 2,
        epsilon: 1e-12,
        activation: Activation::Gelu,
    };
    let encoder = Encoder::new(config.clone(), &weights(&config), isa, precision).expect("it loads");
    let (pool, mut scratch) = (Pool::new(lanes), Scratch::default());
    println!("{isa}, {precision:?}, {lanes} lanes: best of all passes");
    for batch in [1, 8, 32] {
        for len in [16, 64, 128] {
            let ids: Vec<u32> = (0..len).map(|n| n * 31 % 1000).collect();
            let texts = vec![
                Text {
                    ids: &ids,
                    types: &[]
                };
                batch
            ];
            let began = Instant::now();
            let mut best = f64::MAX;
            while began.elapsed().as_secs_f64() < 1.5 {
                let pass = Instant::now();
                encoder.forward(&pool, &mut scratch, &texts).expect("good texts");
                best = best.min(pass.elapsed().as_secs_f64());
            }
            let flops = 21.23e6 * f64::from(len) + 9216.0 * f64::from(len * len);
            println!(
                "batch {batch:2} × {len:3} tokens: {:7.1} texts/s, {:6.1} GFLOP/s, {:.3} ms",
                batch as f64 / best,
                flops * batch as f64 / best / 1e9,
                best * 1e3
            );
        }
    }
}
