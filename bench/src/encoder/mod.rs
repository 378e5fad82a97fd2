//! The engine's encoder beside onnxruntime and stock candle: the same weights (MiniLM), the same tokens, the
//! same threads, in turns of a fraction of a second. Tokenising and pooling are left out.
//!
//! What is compared is the best of the rounds' medians: on a machine that does other things as well, the slow rounds say
//! what those were.

mod sides;

use std::{
    io,
    path::Path,
    time::{Duration, Instant},
};

use self::sides::{Candle, Ids, Ours, Python, ids};
use crate::{report::Report, stats::median};

/// How long a side has its turn.
const TURN: Duration = Duration::from_millis(250);
/// Turns of each side in a round.
const TURNS: usize = 3;
/// Batches and lengths of the cells.
const BATCHES: [usize; 3] = [1, 8, 32];
const LENGTHS: [usize; 3] = [16, 64, 128];
/// Most tokens of a pass of the mixed load, as the runner has it.
const PASS: usize = 512;

/// Measures all cells, then texts of mixed lengths. Without `python` there is no onnxruntime to compare with.
pub fn measure(
    folder: &Path,
    python: Option<&Path>,
    (threads, rounds): (usize, usize),
    report: &mut Report,
) -> io::Result<()> {
    let mut ours = Ours::load(folder, threads)?;
    let mut candle = Candle::load(folder)?;
    let mut python = python
        .map(|python| Python::start(python, folder, threads))
        .transpose()?;
    agree(&mut ours, &mut candle, python.as_mut())?;
    let about = python
        .as_ref()
        .map_or_else(|| "no onnxruntime".to_owned(), |python| python.about.clone());
    report.note(
        "Encoder: MiniLM-L6, texts/s; engine / onnxruntime / stock candle",
        format!("{} with {threads} threads; {about}", ours.isa),
    );
    for batch in BATCHES {
        for length in LENGTHS {
            cell(
                (batch, length),
                &mut ours,
                &mut candle,
                python.as_mut(),
                rounds,
                report,
            )?;
        }
    }
    mixed(&mut ours, &mut candle, rounds, report)
}

/// All sides compute the same numbers, or there is nothing to compare.
fn agree(ours: &mut Ours, candle: &mut Candle, python: Option<&mut Python>) -> io::Result<()> {
    let texts = ids(2, 16);
    let rows = ours.rows(&texts)?;
    let hidden = rows.len() / 32;
    if let Some(python) = python {
        // The first eight numbers of each of the second text's rows.
        let said = python.check()?;
        let mine = rows[16 * hidden..].chunks_exact(hidden).flat_map(|row| &row[..8]);
        compare("onnxruntime", &mine.copied().collect::<Vec<_>>(), &said)?;
    }
    compare("candle", &rows, &candle.rows(&texts)?)
}

fn compare(name: &str, ours: &[f32], theirs: &[f32]) -> io::Result<()> {
    let far = |(a, b): (&f32, &f32)| (a - b).abs() > 1e-4;
    if ours.len() != theirs.len() || ours.iter().zip(theirs).any(far) {
        return Err(io::Error::other(format!("{name} computes something else")));
    }
    Ok(())
}

/// Passes a second of one turn.
fn turn(mut pass: impl FnMut() -> io::Result<()>) -> io::Result<f64> {
    let (began, mut passes) = (Instant::now(), 0);
    while began.elapsed() < TURN {
        pass()?;
        passes += 1;
    }
    Ok(f64::from(passes) / began.elapsed().as_secs_f64())
}

fn cell(
    (batch, length): (usize, usize),
    ours: &mut Ours,
    candle: &mut Candle,
    mut python: Option<&mut Python>,
    rounds: usize,
    report: &mut Report,
) -> io::Result<()> {
    let texts = ids(batch, length);
    let mut best = [0.0_f64; 3];
    for _ in 0..rounds {
        let mut turns: [Vec<f64>; 3] = Default::default();
        for _ in 0..TURNS {
            turns[0].push(turn(|| ours.pass(&texts))?);
            if let Some(python) = &mut python {
                turns[1].push(python.turn(batch, length, TURN)?);
            }
            turns[2].push(turn(|| candle.pass(&texts))?);
        }
        for (best, turns) in best.iter_mut().zip(&turns) {
            *best = best.max(median(turns) * batch as f64);
        }
    }
    let [engine, other, stock] = best;
    let what = format!("batch {batch} × {length} tokens");
    let figure = format!("{engine:.0} / {other:.0} / {stock:.0} texts/s");
    if python.is_some() {
        let ratio = engine / other;
        let figure = format!("{figure}: {ratio:.2}");
        report.judge(&what, figure, "≥ 1 × onnxruntime".to_owned(), ratio >= 1.0);
    } else {
        report.note(&what, figure);
    }
    Ok(())
}

/// Texts of the lengths that sentences have: packed by the engine, one by one by stock candle.
fn mixed(ours: &mut Ours, candle: &mut Candle, rounds: usize, report: &mut Report) -> io::Result<()> {
    let texts = mixed_lengths();
    let tokens: usize = texts.iter().map(Vec::len).sum();
    let mut best = [0.0_f64; 2];
    for _ in 0..rounds {
        let began = Instant::now();
        let mut pass = Vec::new();
        for text in &texts {
            let full: usize = pass.iter().map(|text: &Vec<u32>| text.len()).sum();
            if full + text.len() > PASS {
                ours.pass(&pass)?;
                pass.clear();
            }
            pass.push(text.clone());
        }
        ours.pass(&pass)?;
        best[0] = best[0].max(texts.len() as f64 / began.elapsed().as_secs_f64());
        let began = Instant::now();
        for text in &texts {
            candle.pass(std::slice::from_ref(text))?;
        }
        best[1] = best[1].max(texts.len() as f64 / began.elapsed().as_secs_f64());
    }
    let ratio = best[0] / best[1];
    report.judge(
        &format!(
            "{} texts of 4 to 128 tokens ({tokens} in all), packed ÷ stock candle one by one",
            texts.len()
        ),
        format!("{:.0} ÷ {:.0} texts/s = {ratio:.1}", best[0], best[1]),
        "≥ 5".to_owned(),
        ratio >= 5.0,
    );
    Ok(())
}

/// 256 texts of 6,760 tokens, at most 128: as many as in the load that the requirement was found with. The middle one
/// has 17 tokens, and a few are long.
fn mixed_lengths() -> Ids {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 33) as usize
    };
    let mut length = || {
        let spread: f64 = (0..4).map(|_| 0.35 + (next() % 1000) as f64 / 650.0).product();
        ((18.35 * spread) as usize).clamp(4, 128)
    };
    let lengths: Vec<usize> = (0..256).map(|_| length()).collect();
    let id = |row: usize, place: usize| 1000 + ((row * 131 + place * 31) % 20_000) as u32;
    let text = |(row, length): (usize, usize)| (0..length).map(|place| id(row, place)).collect();
    lengths.into_iter().enumerate().map(text).collect()
}
