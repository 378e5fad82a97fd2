//! The encoder against a plain forward in f64, on every set of instructions this processor has.

use std::sync::Arc;

use proptest::prelude::*;
use rand::{SeedableRng as _, rngs::SmallRng};

use super::*;
use crate::weights::{Bytes, Number, Tensor};

mod reference;

/// Tensors of this shape filled with random numbers, under names that begin with `prefix`.
fn random(config: &Config, prefix: &str, number: Number, seed: u64) -> Weights {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut weights = Weights::default();
    let mut add = |name: String, shape: Vec<usize>, middle: f32| {
        let spread = 1.5 / (*shape.last().unwrap() as f32).sqrt();
        let count = shape.iter().product::<usize>();
        let mut bytes = Vec::new();
        for _ in 0..count {
            let x = middle + spread * rng.random_range(-1.0..1.0);
            match number {
                Number::F32 => bytes.extend(x.to_le_bytes()),
                Number::F16 => bytes.extend(half::f16::from_f32(x).to_le_bytes()),
                Number::Bf16 => bytes.extend(half::bf16::from_f32(x).to_le_bytes()),
            }
        }
        let all = 0..bytes.len();
        let bytes: Bytes = Arc::new(bytes);
        weights.insert(
            format!("{prefix}{name}"),
            Tensor::new(bytes, all, number, shape).unwrap(),
        );
    };
    let (hidden, inside) = (config.hidden, config.intermediate);
    for (name, rows) in [
        ("word", config.vocabulary),
        ("position", config.positions),
        ("token_type", config.types),
    ] {
        if rows > 0 {
            add(
                format!("embeddings.{name}_embeddings.weight"),
                vec![rows, hidden],
                0.0,
            );
        }
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
            add(format!("{layer}.{name}.weight"), vec![rows, columns], 0.0);
            add(format!("{layer}.{name}.bias"), vec![rows], 0.0);
        }
        norms.push(format!("{layer}.attention.output.LayerNorm"));
        norms.push(format!("{layer}.output.LayerNorm"));
    }
    for norm in norms {
        add(format!("{norm}.weight"), vec![hidden], 1.0);
        add(format!("{norm}.bias"), vec![hidden], 0.0);
    }
    weights
}

fn small() -> Config {
    Config {
        vocabulary: 50,
        hidden: 36,
        layers: 2,
        heads: 3,
        intermediate: 70,
        positions: 512,
        position_offset: 2,
        types: 2,
        epsilon: 1e-5,
        activation: Activation::Gelu,
    }
}

/// Texts of these lengths, with types where the model has some.
fn texts(config: &Config, lengths: &[usize], seed: u64) -> Vec<(Vec<u32>, Vec<u32>)> {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut draw = |len: usize, below: usize| (0..len).map(|_| rng.random_range(0..below as u32)).collect();
    lengths
        .iter()
        .map(|&len| {
            let types = if config.types > 0 {
                draw(len, config.types)
            } else {
                Vec::new()
            };
            (draw(len, config.vocabulary), types)
        })
        .collect()
}

fn borrowed(texts: &[(Vec<u32>, Vec<u32>)]) -> Vec<Text<'_>> {
    texts.iter().map(|(ids, types)| Text { ids, types }).collect()
}

/// The largest difference to the reference, over all texts.
fn difference(encoder: &Encoder, weights: &Weights, prefix: &str, lanes: usize, lengths: &[usize]) -> f64 {
    let config = &encoder.config;
    let texts = texts(config, lengths, 5);
    let texts = borrowed(&texts);
    let mut scratch = Scratch::default();
    let got = encoder
        .forward(&Pool::new(lanes), &mut scratch, &texts)
        .expect("good texts");
    let expected: Vec<f64> = texts
        .iter()
        .flat_map(|text| reference::forward(config, weights, prefix, text))
        .collect();
    assert_eq!(got.len(), expected.len());
    got.iter()
        .zip(&expected)
        .map(|(a, b)| (f64::from(*a) - b).abs())
        .fold(0.0, |a, b| if b.is_nan() { f64::NAN } else { a.max(b) })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn any_shape_equals_the_reference(
        (heads, head, intermediate, layers) in (1_usize..5, 3_usize..40, 1_usize..100, 1_usize..3),
        (types, position_offset, activation) in (0_usize..3, 0_usize..3, 0_usize..3),
        lengths in proptest::collection::vec(1_usize..70, 1..5),
        lanes in 1_usize..4,
    ) {
        let config = Config {
            hidden: heads * head,
            heads,
            intermediate,
            layers,
            types,
            position_offset,
            activation: [Activation::Gelu, Activation::GeluTanh, Activation::Relu][activation],
            ..small()
        };
        let weights = random(&config, "", Number::F32, 1);
        for isa in Isa::available() {
            let encoder = Encoder::new(config.clone(), &weights, isa, Precision::F32).expect("it loads");
            let difference = difference(&encoder, &weights, "", lanes, &lengths);
            prop_assert!(difference < 1e-4, "{isa}: {difference}");
        }
    }
}

#[test]
fn short_and_long_texts_equal_the_reference() {
    let config = small();
    let weights = random(&config, "roberta.", Number::F32, 2);
    for isa in Isa::available() {
        let encoder = Encoder::new(config.clone(), &weights, isa, Precision::F32).expect("it loads");
        for lengths in [&[1][..], &[510], &[1, 1, 1], &[200, 1, 33]] {
            let difference = difference(&encoder, &weights, "roberta.", 2, lengths);
            println!("{isa} {lengths:?}: {difference:.1e}");
            assert!(difference < 2e-5, "{isa}: {difference}");
        }
    }
}

#[test]
fn a_text_does_not_depend_on_its_neighbours_or_on_lanes() {
    let config = small();
    let weights = random(&config, "bert.", Number::F32, 3);
    // With many rows and with few, which are shared out in different ways.
    for lengths in [&[9, 1, 3][..], &[100, 7, 64, 31]] {
        let texts = texts(&config, lengths, 6);
        let texts = borrowed(&texts);
        for isa in Isa::available() {
            let encoder = Encoder::new(config.clone(), &weights, isa, Precision::F32).expect("it loads");
            let forward = |lanes: usize, texts: &[Text<'_>]| {
                let mut scratch = Scratch::default();
                let rows = encoder.forward(&Pool::new(lanes), &mut scratch, texts);
                rows.expect("good texts").to_vec()
            };
            let alone: Vec<f32> = texts.iter().flat_map(|text| forward(1, &[*text])).collect();
            for lanes in 1..5 {
                assert_eq!(forward(lanes, &texts), alone, "{isa}, {lanes} lanes");
            }
        }
    }
}

#[test]
fn scratch_is_used_again() {
    let config = small();
    let weights = random(&config, "", Number::F32, 3);
    let encoder = Encoder::new(config.clone(), &weights, Isa::best(), Precision::F32).expect("it loads");
    let (pool, mut scratch) = (Pool::new(2), Scratch::default());
    let mut run = |lengths: &[usize]| {
        let texts = texts(&config, lengths, 7);
        let rows = encoder.forward(&pool, &mut scratch, &borrowed(&texts));
        rows.expect("good texts").to_vec()
    };
    let first = run(&[20]);
    run(&[300, 40]);
    assert_eq!(run(&[20]), first);
    assert!(run(&[]).is_empty());
}

#[test]
fn half_files_are_widened() {
    let config = small();
    for number in [Number::F16, Number::Bf16] {
        let weights = random(&config, "", number, 4);
        let encoder = Encoder::new(config.clone(), &weights, Isa::best(), Precision::F32).expect("it loads");
        // The reference reads the same numbers.
        let difference = difference(&encoder, &weights, "", 2, &[40, 3]);
        assert!(difference < 2e-5, "{number:?}: {difference}");
    }
}

#[test]
fn bf16_is_near_or_refused() {
    let config = small();
    let weights = random(&config, "", Number::F32, 4);
    let encoder = Encoder::new(config, &weights, Isa::best(), Precision::Bf16);
    if !crate::isa::has_bf16() {
        let error = encoder.expect_err("this processor can't");
        return assert!(error.contains("AVX512-BF16"), "{error}");
    }
    let difference = difference(&encoder.expect("it loads"), &weights, "", 2, &[40, 3, 100]);
    println!("bf16: {difference:.1e}");
    // Seven bits of mantissa; f32 would be a thousand times nearer.
    assert!(difference < 0.15 && difference > 1e-4, "{difference}");
}

#[test]
fn what_does_not_fit_is_refused() {
    let config = small();
    let weights = random(&config, "", Number::F32, 4);
    let load = |config: Config| Encoder::new(config, &weights, Isa::best(), Precision::F32);
    for (bad, said) in [
        (
            Config {
                hidden: 37,
                ..small()
            },
            "not a multiple",
        ),
        (Config { heads: 0, ..small() }, "heads of 0"),
        (Config { layers: 3, ..small() }, "encoder.layer.2"),
        (
            Config {
                vocabulary: 51,
                ..small()
            },
            "the configuration asks for [51, 36]",
        ),
        (
            Config {
                positions: 2,
                ..small()
            },
            "positions of 0",
        ),
        (
            Config {
                epsilon: f32::NAN,
                ..small()
            },
            "epsilon",
        ),
    ] {
        let error = load(bad).expect_err(said);
        assert!(error.contains(said), "{error}");
    }
    let encoder = load(config).expect("it loads");
    let refuse = |ids: &[u32], types: &[u32]| {
        let text = [Text { ids, types }];
        encoder
            .forward(&Pool::new(1), &mut Scratch::default(), &text)
            .expect_err("bad texts")
            .to_string()
    };
    assert!(refuse(&[], &[]).contains("0 tokens"));
    assert!(refuse(&[1; 511], &[]).contains("1 to 510"));
    assert!(refuse(&[1, 50], &[]).contains("token 50"));
    assert!(refuse(&[1, 2], &[0]).contains("1 types"));
    assert!(refuse(&[1, 2], &[0, 2]).contains("type 2"));
}
