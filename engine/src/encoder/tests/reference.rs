//! The forward of an encoder as a textbook has it, in f64.

use super::*;

/// Vectors of one text, row after row.
pub(super) fn forward(config: &Config, weights: &Weights, prefix: &str, text: &Text<'_>) -> Vec<f64> {
    let hidden = config.hidden;
    let get = |name: &str, shape: &[usize]| -> Vec<f64> {
        let tensor = weights
            .get(&format!("{prefix}{name}"), shape)
            .expect("it is there");
        tensor.to_vec().into_iter().map(f64::from).collect()
    };
    let table =
        |name: &str, rows: usize| get(&format!("embeddings.{name}_embeddings.weight"), &[rows, hidden]);
    let (words, positions) = (
        table("word", config.vocabulary),
        table("position", config.positions),
    );
    let mut rows = Vec::new();
    for (position, &id) in text.ids.iter().enumerate() {
        for n in 0..hidden {
            let mut x = words[id as usize * hidden + n];
            x += positions[(config.position_offset + position) * hidden + n];
            if config.types > 0 {
                x += table("token_type", config.types)[text.types[position] as usize * hidden + n];
            }
            rows.push(x);
        }
    }
    let norm = |rows: &mut [f64], name: &str| {
        let gain = get(&format!("{name}.weight"), &[hidden]);
        let bias = get(&format!("{name}.bias"), &[hidden]);
        for row in rows.chunks_exact_mut(hidden) {
            let mean = row.iter().sum::<f64>() / hidden as f64;
            let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / hidden as f64;
            for (n, x) in row.iter_mut().enumerate() {
                *x = (*x - mean) / (variance + f64::from(config.epsilon)).sqrt() * gain[n] + bias[n];
            }
        }
    };
    let linear = |rows: &[f64], name: &str, inputs: usize, outputs: usize| -> Vec<f64> {
        let weight = get(&format!("{name}.weight"), &[outputs, inputs]);
        let bias = get(&format!("{name}.bias"), &[outputs]);
        let output = |row: &[f64], n: usize| {
            let weights = &weight[n * inputs..(n + 1) * inputs];
            bias[n] + row.iter().zip(weights).map(|(x, w)| x * w).sum::<f64>()
        };
        rows.chunks_exact(inputs)
            .flat_map(|row| (0..outputs).map(|n| output(row, n)).collect::<Vec<_>>())
            .collect()
    };
    let add = |rows: &mut [f64], more: &[f64]| rows.iter_mut().zip(more).for_each(|(a, b)| *a += b);
    norm(&mut rows, "embeddings.LayerNorm");
    for n in 0..config.layers {
        let layer = format!("encoder.layer.{n}");
        let part = |name: &str| linear(&rows, &format!("{layer}.attention.self.{name}"), hidden, hidden);
        let mixed = attention(config, &part("query"), &part("key"), &part("value"));
        let out = linear(&mixed, &format!("{layer}.attention.output.dense"), hidden, hidden);
        add(&mut rows, &out);
        norm(&mut rows, &format!("{layer}.attention.output.LayerNorm"));
        let mut inner = linear(
            &rows,
            &format!("{layer}.intermediate.dense"),
            hidden,
            config.intermediate,
        );
        inner
            .iter_mut()
            .for_each(|x| *x = activate(config.activation, *x));
        let out = linear(
            &inner,
            &format!("{layer}.output.dense"),
            config.intermediate,
            hidden,
        );
        add(&mut rows, &out);
        norm(&mut rows, &format!("{layer}.output.LayerNorm"));
    }
    rows
}

fn attention(config: &Config, queries: &[f64], keys: &[f64], values: &[f64]) -> Vec<f64> {
    let (hidden, head) = (config.hidden, config.head());
    let len = queries.len() / hidden;
    let mut mixed = vec![0.0; queries.len()];
    for at in (0..hidden).step_by(head) {
        let place = |token: usize| token * hidden + at..token * hidden + at + head;
        for query in 0..len {
            let score = |key: usize| {
                let pairs = queries[place(query)].iter().zip(&keys[place(key)]);
                pairs.map(|(q, k)| q * k).sum::<f64>() / (head as f64).sqrt()
            };
            let scores: Vec<f64> = (0..len).map(|key| score(key).exp()).collect();
            let sum: f64 = scores.iter().sum();
            for (key, score) in scores.iter().enumerate() {
                for (n, value) in values[place(key)].iter().enumerate() {
                    mixed[query * hidden + at + n] += score / sum * value;
                }
            }
        }
    }
    mixed
}

fn activate(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::None => x,
        Activation::Relu => x.max(0.0),
        Activation::Gelu => x / 2.0 * (1.0 + crate::math::tests::erf(x / 2_f64.sqrt())),
        Activation::GeluTanh => {
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
            x / 2.0 * (1.0 + inner.tanh())
        }
    }
}
