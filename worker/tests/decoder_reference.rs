//! The decoder computes what a plain forward pass in 32-bit numbers computes: next-token distributions of 65
//! prompts, by `fixtures/make_llama.py`. And tensors give what the kernels give.

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
};

use candle_core::Device;
use lamplighter_shared::model_spec::Catalog;
use lamplighter_worker::{
    models::llama::{
        decoder::{Decoder, Sequence, Step},
        requantise::requantise,
    },
    weights,
};
use tempfile::TempDir;

/// Tokens of a distribution that the fixture lists; the others are one.
const TOP: usize = 64;

/// What a reference says about the token after a prompt.
struct Distribution {
    tokens: Vec<usize>,
    logs: Vec<f64>,
    rest: f64,
}

struct Case {
    prompt: Vec<u32>,
    /// By the weights as they came.
    original: Distribution,
    /// By the weights as Q8_0.
    requantised: Distribution,
}

/// Reads the fixture from its beginning on.
struct Bytes(&'static [u8]);

impl Bytes {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (now, then) = self.0.split_first_chunk::<N>().expect("the fixture goes on");
        self.0 = then;
        *now
    }

    fn short(&mut self) -> u16 {
        u16::from_le_bytes(self.take())
    }

    fn number(&mut self) -> f64 {
        f64::from(f32::from_le_bytes(self.take()))
    }

    fn distribution(&mut self) -> Distribution {
        Distribution {
            tokens: (0..TOP).map(|_| usize::from(self.short())).collect(),
            logs: (0..TOP).map(|_| self.number()).collect(),
            rest: self.number(),
        }
    }
}

fn cases() -> Vec<Case> {
    let mut bytes = Bytes(include_bytes!("fixtures/llama.bin"));
    let cases = (0..bytes.short()).map(|_| Case {
        prompt: (0..bytes.short()).map(|_| u32::from(bytes.short())).collect(),
        original: bytes.distribution(),
        requantised: bytes.distribution(),
    });
    let cases = cases.collect();
    assert!(bytes.0.is_empty());
    cases
}

impl Distribution {
    /// Kullback-Leibler divergence of what the logits say from this, nats.
    fn divergence(&self, logits: &[f32]) -> f64 {
        let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let shares: Vec<f64> = logits.iter().map(|x| f64::from(x - largest).exp()).collect();
        let total: f64 = shares.iter().sum();
        let own = self.tokens.iter().map(|&token| shares[token] / total);
        let others = 1.0 - own.clone().sum::<f64>();
        let listed = self
            .logs
            .iter()
            .zip(own)
            .map(|(log, own)| log.exp() * (log - own.ln()));
        listed.sum::<f64>() + self.rest.exp() * (self.rest - others.max(1e-12).ln())
    }
}

/// The file as it came.
fn original() -> PathBuf {
    let spec = Catalog::built_in().get("smollm2").expect("built in").clone();
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"));
    let models = std::env::var_os("LAMPLIGHTER_MODELS_DIR")
        .map_or_else(|| workspace.with_file_name("data").join("models"), PathBuf::from);
    let folder = weights::ensure(&spec, &models, &|_| {}).expect("the model's files");
    folder.join(&spec.files[0].path)
}

/// The file as Q8_0.
fn quantised() -> &'static Path {
    static FILE: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, file) = FILE.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("model.gguf");
        requantise(&original(), &file).expect("it becomes Q8_0");
        (folder, file)
    });
    file
}

fn load() -> Decoder {
    Decoder::load(quantised(), 2).expect("it loads")
}

/// Logits after each prompt; eight prompts a step.
fn logits(decoder: &mut Decoder, prompts: &[&[u32]]) -> Vec<Vec<f32>> {
    let mut all = Vec::new();
    for prompts in prompts.chunks(8) {
        let mut sequences: Vec<Sequence> = prompts
            .iter()
            .map(|prompt| decoder.sequence(prompt.len()))
            .collect();
        let mut batch: Vec<Step> = sequences
            .iter_mut()
            .zip(prompts)
            .map(|(sequence, tokens)| Step {
                sequence,
                tokens,
                logits: true,
            })
            .collect();
        all.extend(decoder.step(&mut batch).expect("it fits"));
    }
    all
}

/// Mean and most.
fn spread(numbers: &[f64]) -> (f64, f64) {
    let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
    (mean, numbers.iter().copied().fold(0.0, f64::max))
}

#[test]
fn distributions_are_those_of_the_reference() {
    let cases = cases();
    assert!(cases.len() >= 50);
    let prompts: Vec<&[u32]> = cases.iter().map(|case| case.prompt.as_slice()).collect();
    let logits = logits(&mut load(), &prompts);
    let against = |of: fn(&Case) -> &Distribution| -> (f64, f64) {
        let pairs = cases.iter().zip(&logits);
        spread(
            &pairs
                .map(|(case, logits)| of(case).divergence(logits))
                .collect::<Vec<_>>(),
        )
    };
    let own = against(|case| &case.requantised);
    let all = against(|case| &case.original);
    println!("KL mean and most: {own:?} to the same weights, {all:?} to the file's");
    assert!(own.0 < 0.008 && own.1 < 0.06, "{own:?}");
    assert!(all.0 < 0.02 && all.1 < 0.2, "{all:?}");
}

#[test]
fn tensors_compute_what_the_kernels_compute() {
    let cases = cases();
    let prompts: Vec<&[u32]> = cases
        .iter()
        .step_by(9)
        .map(|case| case.prompt.as_slice())
        .collect();
    let mut tensors = Decoder::load_tensors(quantised(), Device::Cpu).expect("it loads");
    let logits = logits(&mut tensors, &prompts);
    let cases = cases.iter().step_by(9).zip(&logits);
    let divergences: Vec<f64> = cases
        .map(|(case, logits)| case.requantised.divergence(logits))
        .collect();
    let (mean, most) = spread(&divergences);
    println!("KL of tensors: {mean} {most}");
    assert!(mean < 0.01 && most < 0.1, "{mean} {most}");
}
