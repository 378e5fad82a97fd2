//! The decoder's promises beside its numbers (`decoder_reference.rs`): a sequence doesn't depend on its
//! neighbours, and files and steps that are wrong are refused.

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
    let mut decoder = load();
    let prompt = |index: u32| {
        (0..1 + 9 * index)
            .map(|at| (97 + 31 * index + 7 * at) % 49_000)
            .collect()
    };
    let prompts: Vec<Vec<u32>> = (0..8).map(prompt).collect();
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
            "a tensor blk.9.ffn_op.weight",
        ),
        // Part of some models of this architecture; what is computed without them is noise.
        (
            "blk.3.attn_q.weight",
            "blk.3.attn_q.biases",
            "a tensor blk.3.attn_q.biases",
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
