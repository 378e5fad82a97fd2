//! Change of the sample rate by a windowed sinc, computed as it comes: a table of filters, one a phase.

use std::f64::consts::PI;

/// Zero crossings of the sinc to each side.
const CROSSINGS: f64 = 32.0;
/// Where the filter begins to cut, as a part of the lower rate's half.
const CUTOFF: f64 = 0.94;
/// Of the Kaiser window; about 80 dB of attenuation.
const BETA: f64 = 8.0;
/// The most phases the table holds; a ratio with more is interpolated between two of them.
const MAX_PHASES: u64 = 640;

/// Resamples mono sound piece by piece.
#[derive(Debug)]
pub(super) struct Resampler {
    /// Input samples an output sample is apart, as a fraction `step / unit`.
    step: u64,
    unit: u64,
    /// Samples of a filter; even.
    taps: usize,
    /// `phases + 1` filters of `taps`; empty when the rates are equal.
    table: Vec<f32>,
    phases: u64,
    /// Input not yet passed; `history[0]` belongs to input position `base - taps/2 + 1`.
    history: Vec<f32>,
    /// Whole part of the next output's input position, less what was dropped.
    whole: usize,
    /// Fractional part, in units.
    part: u64,
    /// Samples in and out, to give as many as the length asks for.
    taken: u64,
    given: u64,
}

impl Resampler {
    /// From `from` samples a second to `to`; both above zero.
    pub(super) fn new(from: u32, to: u32) -> Self {
        assert!(from > 0 && to > 0, "rates are above zero");
        let divisor = gcd(u64::from(from), u64::from(to));
        let (step, unit) = (u64::from(from) / divisor, u64::from(to) / divisor);
        let narrow = (f64::from(to) / f64::from(from)).min(1.0);
        let half = (CROSSINGS / narrow).ceil() as usize;
        let taps = if step == unit {
            0
        } else {
            (2 * half).next_multiple_of(8)
        };
        let phases = unit.min(MAX_PHASES);
        let table = if step == unit {
            Vec::new()
        } else {
            filters(taps, phases, narrow)
        };
        Self {
            step,
            unit,
            taps,
            table,
            phases,
            // The filter of the first sample reaches to before the beginning.
            history: vec![0.0; (taps / 2).saturating_sub(1)],
            whole: 0,
            part: 0,
            taken: 0,
            given: 0,
        }
    }

    /// Adds samples; what can be computed of the output is appended to `out`.
    pub(super) fn push(&mut self, input: &[f32], out: &mut Vec<f32>) {
        self.taken += input.len() as u64;
        if self.table.is_empty() {
            out.extend_from_slice(input);
            return;
        }
        self.history.extend_from_slice(input);
        self.run(out, u64::MAX);
        let passed = self.whole.min(self.history.len());
        self.history.drain(..passed);
        self.whole -= passed;
    }

    /// Ends the sound: the rest of the output is appended to `out`.
    pub(super) fn finish(&mut self, out: &mut Vec<f32>) {
        if self.table.is_empty() {
            return;
        }
        self.history.resize(self.history.len() + self.taps, 0.0);
        let length = (self.taken * self.unit).div_ceil(self.step);
        self.run(out, length);
    }

    /// Computes while the filter is covered and fewer than `until` samples were given.
    fn run(&mut self, out: &mut Vec<f32>, until: u64) {
        while self.whole + self.taps <= self.history.len() && self.given < until {
            let window = &self.history[self.whole..self.whole + self.taps];
            let position = self.part * self.phases;
            let phase = (position / self.unit) as usize;
            let filter = |phase: usize| &self.table[phase * self.taps..(phase + 1) * self.taps];
            let rest = position % self.unit;
            let mut sample = dot(filter(phase), window);
            if rest > 0 {
                let between = rest as f32 / self.unit as f32;
                sample += (dot(filter(phase + 1), window) - sample) * between;
            }
            out.push(sample);
            self.given += 1;
            self.part += self.step;
            self.whole += (self.part / self.unit) as usize;
            self.part %= self.unit;
        }
    }
}

/// Filters of phases 0, 1/phases, .., 1: tap `i` weighs the sample `i - taps/2 + 1` after the position's
/// whole part. Each sums to 1, so that a constant stays one.
fn filters(taps: usize, phases: u64, narrow: f64) -> Vec<f32> {
    let cutoff = narrow * CUTOFF;
    let half = (taps / 2) as f64;
    let mut table = Vec::with_capacity(taps * (phases as usize + 1));
    let mut row = vec![0_f64; taps];
    for phase in 0..=phases {
        let fraction = phase as f64 / phases as f64;
        for (tap, weight) in row.iter_mut().enumerate() {
            let distance = tap as f64 - half + 1.0 - fraction;
            *weight = sinc(distance * cutoff) * kaiser(distance / half);
        }
        let sum: f64 = row.iter().sum();
        table.extend(row.iter().map(|weight| (weight / sum) as f32));
    }
    table
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

fn kaiser(x: f64) -> f64 {
    if x.abs() > 1.0 {
        0.0
    } else {
        bessel(BETA * (1.0 - x * x).sqrt()) / bessel(BETA)
    }
}

/// Modified Bessel function of the first kind, order 0, by its series.
fn bessel(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let (mut sum, mut term, mut n) = (1.0, 1.0, 1.0);
    while term > sum * 1e-12 {
        term *= quarter / (n * n);
        sum += term;
        n += 1.0;
    }
    sum
}

/// Sum of products; both are as long, a multiple of 8. Eight sums, so that it becomes vector code.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0_f32; 8];
    for (a, b) in a.chunks_exact(8).zip(b.chunks_exact(8)) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum()
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate: u32, frequency: f64, seconds: f64) -> Vec<f32> {
        (0..(f64::from(rate) * seconds) as usize)
            .map(|n| (2.0 * PI * frequency * n as f64 / f64::from(rate)).sin() as f32)
            .collect()
    }

    fn resample(input: &[f32], from: u32, piece: usize) -> Vec<f32> {
        let mut resampler = Resampler::new(from, 16_000);
        let mut out = Vec::new();
        for piece in input.chunks(piece) {
            resampler.push(piece, &mut out);
        }
        resampler.finish(&mut out);
        out
    }

    #[test]
    fn a_tone_stays_the_same_tone() {
        for rate in [
            8_000, 11_025, 22_050, 24_000, 32_000, 44_100, 44_101, 48_000, 96_000, 191_999,
        ] {
            let out = resample(&tone(rate, 1_000.0, 1.0), rate, 1_000);
            assert!(out.len().abs_diff(16_000) <= 1, "{rate}: {}", out.len());
            let wanted = tone(16_000, 1_000.0, 1.0);
            let worst = out[200..15_800]
                .iter()
                .zip(&wanted[200..])
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, f32::max);
            assert!(worst < 1e-3, "{rate}: off by {worst}");
        }
    }

    #[test]
    fn what_the_lower_rate_cannot_hold_is_gone() {
        let out = resample(&tone(44_100, 10_000.0, 1.0), 44_100, 4_096);
        let loudest = out[200..15_800].iter().fold(0_f32, |a, b| a.max(b.abs()));
        assert!(loudest < 1e-3, "{loudest}");
    }

    #[test]
    fn the_pieces_make_no_difference() {
        let input = tone(44_100, 440.0, 0.3);
        assert_eq!(resample(&input, 44_100, 7), resample(&input, 44_100, 100_000));
    }

    #[test]
    fn an_equal_rate_changes_nothing() {
        let input = tone(16_000, 440.0, 0.1);
        assert_eq!(resample(&input, 16_000, 100), input);
    }
}
