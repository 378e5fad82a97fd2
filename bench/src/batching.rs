//! What the platform leaves of a runner's speed: single-sentence jobs of many clients through HTTP,
//! database and batcher, against the same sentences fed to the same runner in full batches. Rounds of
//! both take turns in one run, so that whatever else the machine does meets both.

use std::{io, path::Path};

use lamplighter_testkit::server::{Options, Server};
use serde_json::{Value, json};

use crate::{
    direct::{Direct, Round},
    load::{self, Load},
    process::{Others, cpu_seconds},
    report::Report,
    sentences::sentences,
    stats::{median, percentile},
};

/// Clients at once.
const CLIENTS: usize = 64;
/// The least the platform has to leave.
const REQUIRED: f64 = 0.8;
/// A round counts when others used no more of the machine than this …
const QUIET: f64 = 0.05;
/// … and so many times the rounds that are wanted are tried for that; else all count.
const TRIES: usize = 4;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Sentences of a round.
    pub sentences: usize,
    /// Rounds of each kind.
    pub rounds: usize,
}

/// What a pair of rounds came to, one of each kind.
struct Pair {
    /// Sentences a second of the runner alone.
    alone: f64,
    /// The same through the platform.
    through: f64,
    /// Server's processor time a job, milliseconds, its runner not counted.
    server_ms: f64,
    /// What others used of the machine: the more of the two.
    others: f64,
}

/// Measures and reports.
///
/// # Errors
/// Where a part does not start, or a job has another result than the runner gave.
pub async fn measure(program: &Path, size: Size, report: &mut Report) -> io::Result<()> {
    let texts = sentences(size.sentences);
    let jobs: Vec<String> = texts
        .iter()
        .map(|text| json!({"model": "minilm", "input": {"text": text}}).to_string())
        .collect();
    let mut server = Options::new(program).models(&["minilm"]).start().await;
    let mut direct = Direct::start(program).await?;
    // Both are warm before anything counts.
    let warm = size.sentences.min(200);
    direct.embed(&texts[..warm]).await?;
    load::submit(&server, CLIENTS, &jobs[..warm], "wait=60").await?;

    let mut pairs = Vec::new();
    let mut quiet = 0;
    while quiet < size.rounds && pairs.len() < TRIES * size.rounds {
        let pair = round(&server, &mut direct, &texts, &jobs).await?;
        quiet += usize::from(pair.others <= QUIET);
        pairs.push(pair);
    }
    direct.stop().await;
    server.stop();
    let all = pairs.len();
    if quiet > 0 {
        pairs.retain(|pair| pair.others <= QUIET);
    }
    let of = |figure: fn(&Pair) -> f64| median(&pairs.iter().map(figure).collect::<Vec<_>>());
    let ratios: Vec<String> = pairs
        .iter()
        .map(|pair| format!("{:.2}", pair.through / pair.alone))
        .collect();
    report.note(
        &format!(
            "Runner alone, full batches; {} of {all} rounds counted",
            pairs.len()
        ),
        format!("{:.0} sentences/s", of(|pair| pair.alone)),
    );
    report.note(
        &format!(
            "{} single-sentence jobs of {CLIENTS} clients, through the platform",
            texts.len()
        ),
        format!("{:.0} sentences/s", of(|pair| pair.through)),
    );
    report.note(
        "Server's own processor time a job, its runner not counted",
        format!("{:.2} ms", of(|pair| pair.server_ms)),
    );
    let ratio = of(|pair| pair.through) / of(|pair| pair.alone);
    report.judge(
        &format!(
            "Platform ÷ runner alone, medians (rounds: {}; others used up to {:.0} % of the machine)",
            ratios.join(", "),
            100.0 * pairs.iter().map(|pair| pair.others).fold(0.0, f64::max)
        ),
        format!("{ratio:.3}"),
        format!("≥ {REQUIRED}"),
        ratio >= REQUIRED,
    );
    Ok(())
}

/// One round of each kind.
async fn round(server: &Server, direct: &mut Direct, texts: &[String], jobs: &[String]) -> io::Result<Pair> {
    let mut ours = server.runner_pids();
    ours.extend([server.pid(), direct.pid()]);
    let count = texts.len() as f64;
    let others = Others::watch(&ours);
    let yardstick = direct.embed(texts).await?;
    let others_alone = others.share();

    let (others, before) = (Others::watch(&ours), cpu_seconds(server.pid()));
    let load = load::submit(server, CLIENTS, jobs, "wait=60").await?;
    let (others_through, used) = (others.share(), cpu_seconds(server.pid()) - before);
    let sizes = check(&yardstick, &load)?;
    let pair = Pair {
        alone: count / yardstick.took.as_secs_f64(),
        through: count / load.took.as_secs_f64(),
        server_ms: 1000.0 * used / count,
        others: others_alone.max(others_through),
    };
    eprintln!(
        "runner {:.0}/s, platform {:.0}/s, ratio {:.3}; others used {:.0} % and {:.0} %; jobs a batch: p10 {}, p50 {}, p90 {}; {:.1} tokens a sentence",
        pair.alone,
        pair.through,
        pair.through / pair.alone,
        100.0 * others_alone,
        100.0 * others_through,
        percentile(&sizes, 0.1),
        median(&sizes),
        percentile(&sizes, 0.9),
        yardstick.tokens as f64 / count,
    );
    Ok(pair)
}

/// Every job must have succeeded with the numbers that the runner gave; the sizes of the batches.
fn check(yardstick: &Round, load: &Load) -> io::Result<Vec<f64>> {
    if load.answers.len() != yardstick.outputs.len() {
        return Err(io::Error::other("not every job was answered"));
    }
    let mut sizes = Vec::with_capacity(load.answers.len());
    for (expected, answer) in yardstick.outputs.iter().zip(&load.answers) {
        let job = answer.json()?;
        let expected: Value = serde_json::from_str(expected.get())?;
        let likeness = cosine(&vector(&expected), &vector(&job["output"]));
        if job["status"] != "succeeded" || likeness < 0.9999 {
            return Err(io::Error::other(format!(
                "a job is not what the runner computed: {likeness} {job}"
            )));
        }
        sizes.extend(job["metrics"]["batch_size"].as_f64());
    }
    Ok(sizes)
}

fn vector(output: &Value) -> Vec<f64> {
    let numbers = output["embeddings"][0].as_array();
    numbers.map_or_else(Vec::new, |n| n.iter().filter_map(Value::as_f64).collect())
}

/// How alike two vectors are; 0 where they are none or of different lengths.
fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
    let lengths = (dot(a, a) * dot(b, b)).sqrt();
    if a.len() == b.len() && lengths > 0.0 {
        dot(a, b) / lengths
    } else {
        0.0
    }
}
