//! What is done to one row of a matrix: layer normalisation, and the exponentials of softmax.

use crate::{math, simd::Simd};

/// Scales a row to mean 0 and variance 1, then by `gain`, and adds `bias`; all are of one length.
#[inline(always)]
pub(crate) fn normalise<S: Simd>(s: S, row: &mut [f32], gain: &[f32], bias: &[f32], epsilon: f32) {
    let count = row.len() as f32;
    let whole = row.len() - row.len() % S::LANES;
    let mut sum = s.splat(0.0);
    for part in row.chunks(S::LANES) {
        sum = s.add(sum, read(s, part));
    }
    let mean = s.splat(s.sum(sum) / count);
    let mut squares = s.splat(0.0);
    for part in row[..whole].chunks_exact(S::LANES) {
        let off = s.sub(read(s, part), mean);
        squares = s.mul_add(off, off, squares);
    }
    let mean_number = s.array(mean)[0];
    let rest: f32 = row[whole..]
        .iter()
        .map(|x| (x - mean_number) * (x - mean_number))
        .sum();
    let variance = (s.sum(squares) + rest) / count;
    let scale = s.splat(1.0 / (variance + epsilon).sqrt());
    let parts = row
        .chunks_mut(S::LANES)
        .zip(gain.chunks(S::LANES))
        .zip(bias.chunks(S::LANES));
    for ((part, gain), bias) in parts {
        let off = s.mul(s.sub(read(s, part), mean), scale);
        let value = s.mul_add(off, read(s, gain), read(s, bias));
        write(s, part, value);
    }
}

/// Replaces each number by e to the power of its distance to the largest; gives 1 ÷ their sum.
#[inline(always)]
pub(crate) fn exponentials<S: Simd>(s: S, row: &mut [f32]) -> f32 {
    let whole = row.len() - row.len() % S::LANES;
    let mut largest = s.splat(f32::NEG_INFINITY);
    for part in row[..whole].chunks_exact(S::LANES) {
        largest = s.max(read(s, part), largest);
    }
    let largest = row[whole..].iter().fold(s.largest(largest), |a, &b| a.max(b));
    let largest = s.splat(largest);
    let mut sum = s.splat(0.0);
    let (parts, rest) = row.split_at_mut(whole);
    for part in parts.chunks_exact_mut(S::LANES) {
        let value = math::exp(s, s.sub(read(s, part), largest));
        sum = s.add(sum, value);
        write(s, part, value);
    }
    let mut total = s.sum(sum);
    if !rest.is_empty() {
        let value = s.array(math::exp(s, s.sub(read(s, rest), largest)));
        for (to, value) in rest.iter_mut().zip(value) {
            *to = value;
            total += value;
        }
    }
    1.0 / total
}

#[inline(always)]
fn read<S: Simd>(s: S, part: &[f32]) -> S::V {
    if part.len() < S::LANES {
        return s.load_part(part);
    }
    // SAFETY: the part is as long as a vector.
    unsafe { s.load(part.as_ptr()) }
}

#[inline(always)]
fn write<S: Simd>(s: S, part: &mut [f32], value: S::V) {
    if part.len() < S::LANES {
        let len = part.len();
        part.copy_from_slice(&s.array(value)[..len]);
        return;
    }
    // SAFETY: the part is as long as a vector.
    unsafe { s.store(part.as_mut_ptr(), value) }
}
