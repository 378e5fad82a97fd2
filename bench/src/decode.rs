//! Generation: tokens a second of one stream, of eight and of prompts, against llama.cpp on the same Q8_0 file
//! with as many threads, in turns. Without its bindings (`LAMPLIGHTER_BENCH_PYTHON` names a Python that has
//! xllamacpp) only our own figures are given.

use std::{
    fs,
    io::{self, BufRead, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    time::Instant,
};

use lamplighter_shared::{job::JobError, model_spec::Catalog};
use lamplighter_worker::{
    models::llama::{
        decoder::{Decoder, Sequence, Step},
        requantise::requantise,
    },
    weights,
};

use crate::{direct::models_dir, report::Report};

/// Threads of both.
const THREADS: usize = 2;
/// Tokens of the prompt before generation.
const PROMPT: usize = 32;
/// Tokens of the prompt that is timed.
const LONG: usize = 512;
/// Tokens that are generated.
const COUNT: usize = 64;

/// What llama.cpp does, in a process of its own.
struct Yardstick {
    child: Child,
    answers: BufReader<ChildStdout>,
}

impl Yardstick {
    fn start(file: &Path) -> io::Result<Option<Self>> {
        let Some(python) = std::env::var_os("LAMPLIGHTER_BENCH_PYTHON") else {
            return Ok(None);
        };
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/llama_cpp.py");
        let mut child = Command::new(python)
            .arg(script)
            .arg(file)
            .arg(THREADS.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let answers = child.stdout.take().ok_or_else(|| io::Error::other("no output"))?;
        Ok(Some(Self {
            child,
            answers: BufReader::new(answers),
        }))
    }

    /// Tokens a second of a prompt and of what follows it.
    fn measure(&mut self, tokens: usize, count: usize) -> io::Result<(f64, f64)> {
        let input = self
            .child
            .stdin
            .as_mut()
            .ok_or_else(|| io::Error::other("no input"))?;
        writeln!(input, "{tokens} {count}")?;
        loop {
            let mut line = String::new();
            if self.answers.read_line(&mut line)? == 0 {
                return Err(io::Error::other("llama.cpp ended; has this Python xllamacpp?"));
            }
            let figures = line.strip_prefix("figures ").map(|rest| rest.split_whitespace());
            let figures =
                figures.map(|words| words.filter_map(|word| word.parse().ok()).collect::<Vec<f64>>());
            if let Some([prefill, decode]) = figures.as_deref() {
                return Ok((*prefill, *decode));
            }
        }
    }
}

impl Drop for Yardstick {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Measures generation; the middle of `rounds`.
pub fn measure(rounds: usize, report: &mut Report) -> io::Result<()> {
    let spec = Catalog::built_in().get("smollm2").cloned();
    let spec = spec.ok_or_else(|| io::Error::other("the catalogue has no smollm2"))?;
    let folder =
        weights::ensure(&spec, &models_dir(), &|_| {}).map_err(|e| io::Error::other(e.to_string()))?;
    let copy = tempfile::tempdir()?;
    let file = copy.path().join("q8_0.gguf");
    requantise(&folder.join(&spec.files[0].path), &file).map_err(failed)?;
    let before = resident()?;
    let mut decoder = Decoder::load(&file, THREADS).map_err(failed)?;
    let share = (resident()? - before) / fs::metadata(&file)?.len() as f64;
    let mut yardstick = Yardstick::start(&file)?;
    let mut ours = [const { Vec::new() }; 3];
    let mut theirs = [const { Vec::new() }; 2];
    for _ in 0..rounds.max(1) {
        ours[0].push(streams(&mut decoder, 1)?);
        if let Some(yardstick) = &mut yardstick {
            theirs[0].push(yardstick.measure(PROMPT, COUNT)?.1);
        }
        ours[1].push(streams(&mut decoder, 8)?);
        ours[2].push(prompt(&mut decoder)?);
        if let Some(yardstick) = &mut yardstick {
            theirs[1].push(yardstick.measure(LONG, 1)?.0);
        }
    }
    let [one, eight, prefill] = ours.map(middle);
    let gain = eight / one;
    let met = gain >= 1.5;
    report.judge(
        "decode: 8 streams against one",
        format!("{eight:.1} / {one:.1} tok/s = {gain:.2}"),
        "≥ 1.5".to_owned(),
        met,
    );
    report.judge(
        "decode: memory after load, files",
        format!("{share:.2}"),
        "≤ 1.2".to_owned(),
        share <= 1.2,
    );
    report.note("decode: prompt of 512 tokens", format!("{prefill:.0} tok/s"));
    if yardstick.is_some() {
        let [one_theirs, prefill_theirs] = theirs.map(middle);
        let ratio = one / one_theirs;
        let figure = format!("{one:.1} / {one_theirs:.1} tok/s = {ratio:.2}");
        report.judge(
            "decode: one stream against llama.cpp",
            figure,
            "≥ 0.8".to_owned(),
            ratio >= 0.8,
        );
        let ratio = prefill / prefill_theirs;
        report.note(
            "decode: prompt against llama.cpp",
            format!("{prefill:.0} / {prefill_theirs:.0} tok/s = {ratio:.2}"),
        );
    }
    Ok(())
}

/// Tokens a second of so many sequences together, without their prompts.
fn streams(decoder: &mut Decoder, count: usize) -> io::Result<f64> {
    let prompt: Vec<u32> = (0..PROMPT as u32).map(|index| 100 + 7 * index).collect();
    let mut sequences: Vec<Sequence> = (0..count).map(|_| decoder.sequence(PROMPT + COUNT)).collect();
    let mut next = vec![prompt; count];
    let mut began = Instant::now();
    for round in 0..=COUNT {
        let steps = sequences.iter_mut().zip(&next);
        let mut batch: Vec<Step> = steps
            .map(|(sequence, tokens)| Step {
                sequence,
                tokens,
                logits: true,
            })
            .collect();
        let logits = decoder.step(&mut batch).map_err(failed)?;
        next = logits.iter().map(|logits| vec![likeliest(logits)]).collect();
        if round == 0 {
            began = Instant::now();
        }
    }
    Ok((count * COUNT) as f64 / began.elapsed().as_secs_f64())
}

/// Tokens a second of a prompt.
fn prompt(decoder: &mut Decoder) -> io::Result<f64> {
    let tokens: Vec<u32> = (0..LONG as u32).map(|index| 100 + 7 * index).collect();
    let mut sequence = decoder.sequence(LONG);
    let began = Instant::now();
    let step = Step {
        sequence: &mut sequence,
        tokens: &tokens,
        logits: true,
    };
    decoder.step(&mut [step]).map_err(failed)?;
    Ok(LONG as f64 / began.elapsed().as_secs_f64())
}

fn likeliest(logits: &[f32]) -> u32 {
    let best = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    best.map_or(0, |(token, _)| token as u32)
}

fn middle(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

fn failed(error: JobError) -> io::Error {
    io::Error::other(error.detail)
}

/// Bytes of this process in memory.
fn resident() -> io::Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes
        .map(|kb| kb * 1024.0)
        .ok_or_else(|| io::Error::other("no VmRSS"))
}
