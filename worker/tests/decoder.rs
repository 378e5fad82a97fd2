//! The decoder computes what a plain forward pass in 32-bit numbers computes: next-token distributions of 65
//! prompts, by `fixtures/make_llama.py`. Also: a sequence doesn't depend on its neighbours, tensors give what the
//! kernels give, and files and steps that are wrong are refused.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use candle_core::Device;
use lamplighter_shared::{error::ErrorCode, model_spec::Catalog};
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
    assert!(own.0 < 0.005 && own.1 < 0.05, "{own:?}");
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

fn likeliest(logits: &[f32]) -> u32 {
    let best = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    best.map_or(0, |(token, _)| token as u32)
}

/// The likeliest tokens, and the logits of each, of one prompt by itself.
fn alone(decoder: &mut Decoder, prompt: &[u32], count: usize) -> Vec<Vec<f32>> {
    let mut sequence = decoder.sequence(prompt.len() + count);
    let mut tokens = prompt.to_vec();
    let mut all: Vec<Vec<f32>> = Vec::new();
    for _ in 0..count {
        let step = Step {
            sequence: &mut sequence,
            tokens: &tokens,
            logits: true,
        };
        let logits = decoder.step(&mut [step]).expect("it fits").remove(0);
        tokens = vec![likeliest(&logits)];
        all.push(logits);
    }
    all
}

#[test]
fn neighbours_do_not_matter() {
    const COUNT: usize = 12;
    let cases = cases();
    let mut decoder = load();
    let prompts: Vec<&[u32]> = cases
        .iter()
        .step_by(8)
        .map(|case| case.prompt.as_slice())
        .take(8)
        .collect();
    let wanted: Vec<_> = prompts
        .iter()
        .map(|prompt| alone(&mut decoder, prompt, COUNT))
        .collect();
    // One joins at every step, with its prompt in two parts, and leaves when it is done.
    let mut sequences: Vec<Sequence> = prompts
        .iter()
        .map(|prompt| decoder.sequence(prompt.len() + COUNT))
        .collect();
    let mut got: Vec<Vec<Vec<f32>>> = vec![Vec::new(); prompts.len()];
    for round in 0.. {
        let mut next: Vec<(usize, Vec<u32>, bool)> = Vec::new();
        for (index, prompt) in prompts.iter().enumerate().filter(|(index, _)| *index <= round) {
            let (done, half) = (sequences[index].len(), prompt.len() / 2);
            match got[index].last() {
                Some(_) if got[index].len() == COUNT => {}
                Some(logits) => next.push((index, vec![likeliest(logits)], true)),
                None if done == 0 && half > 0 => next.push((index, prompt[..half].to_vec(), false)),
                None => next.push((index, prompt[done..].to_vec(), true)),
            }
        }
        if next.is_empty() {
            break;
        }
        let mut free: Vec<Option<&mut Sequence>> = sequences.iter_mut().map(Some).collect();
        let mut batch = Vec::new();
        for (index, tokens, logits) in &next {
            let sequence = free[*index].take().expect("once a step");
            batch.push(Step {
                sequence,
                tokens,
                logits: *logits,
            });
        }
        let answers = decoder.step(&mut batch).expect("it fits");
        for ((index, _, wanted), logits) in next.iter().zip(answers) {
            assert_eq!(*wanted, !logits.is_empty());
            if *wanted {
                got[*index].push(logits);
            }
        }
    }
    assert!(got == wanted, "the very same numbers, beside others and alone");
}

#[test]
fn steps_that_do_not_fit_are_refused_whole() {
    let mut decoder = load();
    let (context, vocabulary) = (decoder.context(), decoder.vocabulary());
    assert_eq!((context, vocabulary), (8192, 49152));
    assert_eq!(decoder.sequence(usize::MAX).capacity(), context);
    let (mut good, mut bad) = (decoder.sequence(8), decoder.sequence(4));
    for tokens in [&[][..], &[vocabulary as u32], &[1, 2, 3, 4, 5]] {
        let good = Step {
            sequence: &mut good,
            tokens: &[1],
            logits: true,
        };
        let bad = Step {
            sequence: &mut bad,
            tokens,
            logits: true,
        };
        let error = decoder.step(&mut [good, bad]).expect_err("it does not fit");
        assert_eq!(error.kind, ErrorCode::InvalidInput);
    }
    assert!(good.is_empty() && bad.is_empty());
    let mut stranger = Decoder::load_tensors(quantised(), Device::Cpu)
        .expect("it loads")
        .sequence(4);
    let stranger = Step {
        sequence: &mut stranger,
        tokens: &[1],
        logits: true,
    };
    assert!(decoder.step(&mut [stranger]).is_err());
}

#[test]
fn files_that_are_wrong_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let refused = |bytes: &[u8]| {
        let file = folder.path().join("lies.gguf");
        fs::write(&file, bytes).expect("it can be written");
        let error = Decoder::load(&file, 1).err().expect("it is wrong");
        assert_eq!(error.kind, ErrorCode::ModelUnavailable);
        let copy = requantise(&file, &folder.path().join("copy.gguf"));
        assert!(copy.is_err());
        error.detail
    };
    let whole = fs::read(original()).expect("the file");
    assert!(refused(b"").contains("lies.gguf"));
    assert!(refused(&whole[..1000]).contains("lies.gguf"));
    let cut = refused(&whole[..4 << 20]);
    assert!(cut.contains("beyond the end"), "{cut}");
    for (from, to, says) in [
        ("llama.block_count", "llama.block_kount", "block_count"),
        (
            "general.architecture",
            "general.arkhitecture",
            "general.architecture",
        ),
        ("blk.7.attn_k.weight", "blk.7.attn_q.weight", "blk.7"),
        (
            "blk.9.ffn_up.weight",
            "blk.9.ffn_op.weight",
            "blk.9.ffn_up.weight",
        ),
    ] {
        let at = whole
            .windows(from.len())
            .position(|part| part == from.as_bytes())
            .expect("it is there");
        let mut lies = whole.clone();
        lies[at..at + to.len()].copy_from_slice(to.as_bytes());
        let detail = refused_load(folder.path(), &lies);
        assert!(detail.contains(says), "{detail}");
    }
}

/// Why such a file can't be loaded; some lies are of no matter to a copy.
fn refused_load(folder: &Path, bytes: &[u8]) -> String {
    let file = folder.join("lies.gguf");
    fs::write(&file, bytes).expect("it can be written");
    Decoder::load(&file, 1).err().expect("it is wrong").detail
}
