//! Attention of up to eight queries to the keys and values of one head of one sequence. Every query adds up
//! in the same order whatever is beside it, so that it does not depend on its neighbours.

use super::{
    cache::{GROUP, PAGE, Page},
    lanes::{self, Lanes},
    rows::{self, Blocks},
};

/// Queries that are computed at once at most.
pub(super) const QUERIES: usize = 8;

/// One query of a head: what it looks for, how far, and where the answer goes.
#[derive(Clone, Copy)]
pub(super) struct Query {
    /// The query, scaled.
    pub numbers: *const f32,
    /// Keys it may look at: its position, plus one.
    pub past: usize,
    /// Where its mixture of values goes, as bytes.
    pub to: Blocks,
}

/// The keys and values that queries look at.
#[derive(Clone, Copy)]
pub(super) struct Past<'a> {
    /// Pages of the sequence.
    pub pages: &'a [Page],
    /// Where the keys of the head begin in a page.
    pub keys: usize,
    /// Where its values begin.
    pub values: usize,
    /// Width of the head, whole blocks.
    pub head: usize,
}

/// Answers the queries. `scores`: room for [`QUERIES`] times the longest past, in whole pages.
///
/// # Safety
/// The processor has the instructions; all pointers reach as far as `past` and `head` say.
#[inline(always)]
pub(super) unsafe fn attend<L: Lanes>(queries: &[Query], past: &Past, scores: *mut f32) {
    let mut rest = queries;
    while !rest.is_empty() {
        let (now, then) = rest.split_at(match rest.len() {
            8.. => 8,
            4.. => 4,
            few => few,
        });
        // SAFETY: the caller's; each gets as many as it takes.
        unsafe {
            match now.len() {
                8 => several::<L, 8, 1>(now, past, scores),
                4 => several::<L, 4, 1>(now, past, scores),
                3 => several::<L, 3, 2>(now, past, scores),
                2 => several::<L, 2, 2>(now, past, scores),
                _ => several::<L, 1, 4>(now, past, scores),
            }
        }
        rest = then;
    }
}

/// `COUNT` queries, `GROUPS` groups of keys at a time.
///
/// # Safety
/// As [`attend`].
#[inline(always)]
unsafe fn several<L: Lanes, const COUNT: usize, const GROUPS: usize>(
    queries: &[Query],
    past: &Past,
    scores: *mut f32,
) {
    let longest = queries.iter().map(|query| query.past).max().unwrap_or(0);
    let width = longest.next_multiple_of(PAGE);
    // SAFETY: the caller's.
    unsafe {
        for first in (0..longest.div_ceil(GROUP)).step_by(GROUPS) {
            let key = past.pages[first * GROUP / PAGE].0.add(past.keys);
            let key = key.add(first % (PAGE / GROUP) * GROUP * past.head);
            let mut sums = [[L::splat(0.0); GROUPS]; COUNT];
            for at in 0..past.head {
                let mut keys = [L::splat(0.0); GROUPS];
                for (group, keys) in keys.iter_mut().enumerate() {
                    *keys = L::load_half(key.add((group * past.head + at) * GROUP));
                }
                for (sums, query) in sums.iter_mut().zip(queries) {
                    let number = L::splat(*query.numbers.add(at));
                    for (sum, keys) in sums.iter_mut().zip(&keys) {
                        *sum = keys.mul_add(number, *sum);
                    }
                }
            }
            for (index, sums) in sums.iter().enumerate() {
                for (group, sum) in sums.iter().enumerate() {
                    sum.store(scores.add(index * width + (first + group) * GROUP));
                }
            }
        }
        let mut factors = [0.0; COUNT];
        for (index, (factor, query)) in factors.iter_mut().zip(queries).enumerate() {
            *factor = shares::<L>(scores.add(index * width), query.past, longest);
        }
        for column in (0..past.head).step_by(32) {
            mix::<L, COUNT>(queries, past, column, (scores, width), &factors);
        }
    }
}

/// Turns scores into shares that are yet to be divided by their sum; gives one over that sum. Beyond `past`
/// they are zero.
///
/// # Safety
/// As [`attend`].
#[inline(always)]
unsafe fn shares<L: Lanes>(scores: *mut f32, past: usize, longest: usize) -> f32 {
    // SAFETY: the caller's.
    unsafe {
        for at in past..longest.next_multiple_of(GROUP) {
            scores.add(at).write(f32::NEG_INFINITY);
        }
        let mut largest = L::splat(f32::NEG_INFINITY);
        for at in (0..past).step_by(GROUP) {
            largest = largest.max(L::load(scores.add(at)));
        }
        let largest = L::splat(-lanes::largest(largest));
        for at in (0..past).step_by(GROUP) {
            lanes::exp(L::load(scores.add(at)).add(largest)).store(scores.add(at));
        }
        for at in past..longest.next_multiple_of(GROUP) {
            scores.add(at).write(0.0);
        }
        let mut total = L::splat(0.0);
        for at in (0..past).step_by(GROUP) {
            total = total.add(L::load(scores.add(at)));
        }
        1.0 / lanes::sum(total)
    }
}

/// Adds up 32 columns of the values, each with its share.
///
/// # Safety
/// As [`attend`].
#[inline(always)]
unsafe fn mix<L: Lanes, const COUNT: usize>(
    queries: &[Query],
    past: &Past,
    column: usize,
    (scores, width): (*const f32, usize),
    factors: &[f32; COUNT],
) {
    let longest = queries.iter().map(|query| query.past).max().unwrap_or(0);
    // SAFETY: the caller's.
    unsafe {
        let mut sums = [[L::splat(0.0); 2]; COUNT];
        for (index, page) in past.pages.iter().enumerate().take(longest.div_ceil(PAGE)) {
            let values = page.0.add(past.values + column);
            for token in 0..PAGE.min(longest - index * PAGE) {
                let value = values.add(token * past.head);
                let value = [L::load_half(value), L::load_half(value.add(16))];
                let scores = scores.add(index * PAGE + token);
                for (query, sums) in sums.iter_mut().enumerate() {
                    let share = L::splat(*scores.add(query * width));
                    *sums = [value[0].mul_add(share, sums[0]), value[1].mul_add(share, sums[1])];
                }
            }
        }
        for (index, (sums, factor)) in sums.iter().zip(factors).enumerate() {
            let factor = L::splat(*factor);
            let (low, high) = (sums[0].mul(factor), sums[1].mul(factor));
            rows::quantise(low, high, column / 32, queries[index].to);
        }
    }
}
