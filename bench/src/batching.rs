//! What the platform leaves of a runner's speed: single-sentence jobs of many clients through HTTP,
//! database and batcher, against the same sentences fed to the same runner in full batches. Rounds of
//! both take turns in one run, so that whatever else the machine does meets both.

use std::{io, path::Path};

use lamplighter_testkit::server::{Options, Server};
use serde_json::{Value, json};

use crate::{
    direct::{Direct, Round},
    load::{self, Load},
    report::Report,
    sentences::sentences,
    stats::{mean, median, percentile},
};

/// Clients at once.
const CLIENTS: usize = 64;
/// The least the platform has to leave.
const REQUIRED: f64 = 0.8;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Sentences of a round.
    pub sentences: usize,
    /// Rounds of each kind.
    pub rounds: usize,
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
    let server = Options::new(program).models(&["minilm"]).start().await;
    let mut direct = Direct::start(program).await?;
    // Both are warm before anything counts.
    let warm = size.sentences.min(200);
    direct.embed(&texts[..warm]).await?;
    load::submit(&server, CLIENTS, &jobs[..warm], "wait=60").await?;

    let (mut alone, mut through, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let mut cpu = Vec::new();
    for round in 1..=size.rounds {
        let yardstick = direct.embed(&texts).await?;
        let before = crate::process::cpu_seconds(server.pid());
        let load = load::submit(&server, CLIENTS, &jobs, "wait=60").await?;
        cpu.push((crate::process::cpu_seconds(server.pid()) - before) * 1000.0 / texts.len() as f64);
        let sizes = check(&yardstick, &load)?;
        alone.push(texts.len() as f64 / yardstick.took.as_secs_f64());
        through.push(texts.len() as f64 / load.took.as_secs_f64());
        let ratio = yardstick.took.as_secs_f64() / load.took.as_secs_f64();
        ratios.push(ratio);
        eprintln!(
            "round {round}: runner {:.0}/s, platform {:.0}/s, ratio {ratio:.3}; jobs a batch: mean {:.1}, p10 {}, p90 {}; {:.1} tokens a sentence",
            alone.last().copied().unwrap_or(0.0),
            through.last().copied().unwrap_or(0.0),
            mean(&sizes),
            percentile(&sizes, 0.1),
            percentile(&sizes, 0.9),
            yardstick.tokens as f64 / texts.len() as f64,
        );
    }
    direct.stop().await;
    stop(server);
    let what = format!("{} single-sentence jobs, {CLIENTS} clients", texts.len());
    report.note(
        &format!("Runner alone, full batches, {} rounds", size.rounds),
        format!("{:.0} sentences/s", median(&alone)),
    );
    report.note(
        &format!("{what}: through the platform"),
        format!("{:.0} sentences/s", median(&through)),
    );
    report.note(
        "Server's own processor time a job (one core), runner not counted",
        format!("{:.2} ms", median(&cpu)),
    );
    let ratio = median(&through) / median(&alone);
    report.judge(
        "Platform ÷ runner alone",
        format!("{ratio:.3} (rounds: {})", list(&ratios)),
        format!("≥ {REQUIRED}"),
        ratio >= REQUIRED,
    );
    Ok(())
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

fn list(ratios: &[f64]) -> String {
    let texts: Vec<String> = ratios.iter().map(|ratio| format!("{ratio:.2}")).collect();
    texts.join(", ")
}

/// Ends a server; its folder goes with it.
fn stop(mut server: Server) {
    server.stop();
}
