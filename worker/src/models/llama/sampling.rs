//! From the numbers of a model to the next token. Pure functions: the same numbers, options and seed give the
//! same token, on every machine and beside any neighbours.
//!
//! In this order: the penalty on repetition, the tokens that may come, the temperature, top-k, top-p, min-p.

/// How tokens are drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sampling {
    /// Divides the numbers; 0 takes the best token, always.
    pub temperature: f32,
    /// Of the likeliest, as many as together have this probability.
    pub top_p: f32,
    /// So many of the likeliest; 0 for all.
    pub top_k: usize,
    /// Those that are at least this fraction as likely as the likeliest.
    pub min_p: f32,
    /// Divides (multiplies, where negative) the numbers of tokens that were there before.
    pub repetition_penalty: f32,
}

/// Makes tokens less likely that were there before, each once however often it was.
pub(super) fn penalise(logits: &mut [f32], seen: &[u32], penalty: f32) {
    if penalty == 1.0 {
        return;
    }
    for &id in seen {
        if let Some(logit) = logits.get_mut(id as usize) {
            *logit = if *logit > 0.0 { *logit / penalty } else { *logit * penalty };
        }
    }
}

/// The token for a number drawn from 0 to 1, of those that `allowed` lets through; none if it lets none.
/// Equal numbers count as in the order of the vocabulary.
pub(super) fn pick(logits: &[f32], sampling: &Sampling, allowed: impl Fn(usize) -> bool, drawn: f64) -> Option<u32> {
    if sampling.temperature == 0.0 {
        let allowed = logits.iter().enumerate().filter(|(id, _)| allowed(*id));
        let best = allowed.reduce(|best, next| if next.1 > best.1 { next } else { best });
        return best.map(|(id, _)| id as u32);
    }
    let kept = candidates(logits, sampling, allowed);
    let mass: f64 = kept.iter().map(|(_, weight)| weight).sum();
    let mut left = drawn * mass;
    for &(id, weight) in &kept {
        left -= weight;
        if left < 0.0 {
            return Some(id);
        }
    }
    // Rounding may leave a crumb.
    kept.last().map(|(id, _)| *id)
}

/// The tokens that may be drawn, likeliest first, with their weights (the likeliest has 1).
fn candidates(logits: &[f32], sampling: &Sampling, allowed: impl Fn(usize) -> bool) -> Vec<(u32, f64)> {
    let mut kept: Vec<(u32, f32)> = (0_u32..)
        .zip(logits)
        .filter(|(id, _)| allowed(*id as usize))
        .map(|(id, logit)| (id, *logit))
        .collect();
    let order = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    if sampling.top_k > 0 && sampling.top_k < kept.len() {
        kept.select_nth_unstable_by(sampling.top_k - 1, order);
        kept.truncate(sampling.top_k);
    }
    let best = kept.iter().map(|(_, logit)| *logit).fold(f32::NEG_INFINITY, f32::max);
    let weight = |logit: f32| f64::from((logit - best) / sampling.temperature).exp();
    let total: f64 = kept.iter().map(|(_, logit)| weight(*logit)).sum();
    // Before sorting: it leaves few. The likeliest stays whatever is asked.
    let least = f64::from(sampling.min_p.min(1.0));
    kept.retain(|(_, logit)| weight(*logit) >= least);
    kept.sort_unstable_by(order);
    let mut weights = Vec::with_capacity(kept.len());
    let mut mass = 0.0;
    for (id, logit) in kept {
        let weight = weight(logit);
        weights.push((id, weight));
        mass += weight;
        if mass >= f64::from(sampling.top_p) * total {
            break;
        }
    }
    weights
}

/// The n-th number of a seed, from 0 to 1 without 1. Numbers of any n can be had in any order.
pub(super) fn draw(seed: u64, n: u64) -> f64 {
    // SplitMix64: the n-th state is known, and mixing makes it look like chance.
    let mut z = mix(seed).wrapping_add(n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = mix(z);
    (z >> 11) as f64 / (1_u64 << 53) as f64
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// What to subtract from a logit to have the logarithm of its probability.
pub(super) fn log_total(logits: &[f32]) -> f64 {
    let best = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let total: f64 = logits.iter().map(|logit| f64::from(logit - best).exp()).sum();
    f64::from(best) + total.ln()
}

/// The `count` likeliest tokens, likeliest first.
pub(super) fn likeliest(logits: &[f32], count: usize) -> Vec<u32> {
    let order = |a: &u32, b: &u32| {
        let (x, y) = (logits[*a as usize], logits[*b as usize]);
        y.total_cmp(&x).then(a.cmp(b))
    };
    let mut ids: Vec<u32> = (0..logits.len() as u32).collect();
    if count > 0 && count < ids.len() {
        ids.select_nth_unstable_by(count - 1, order);
    }
    ids.truncate(count);
    ids.sort_unstable_by(order);
    ids
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLAIN: Sampling = Sampling {
        temperature: 1.0,
        top_p: 1.0,
        top_k: 0,
        min_p: 0.0,
        repetition_penalty: 1.0,
    };

    fn logits() -> impl Strategy<Value = Vec<f32>> {
        prop::collection::vec(-8.0_f32..8.0, 1..60)
    }

    fn sampling() -> impl Strategy<Value = Sampling> {
        let values = (0.1_f32..3.0, 0.01_f32..=1.0, 0_usize..70, 0.0_f32..=1.0);
        values.prop_map(|(temperature, top_p, top_k, min_p)| Sampling {
            temperature,
            top_p,
            top_k,
            min_p,
            repetition_penalty: 1.0,
        })
    }

    /// Every token's probability by the definition, one step after the other.
    fn by_definition(logits: &[f32], s: &Sampling, allowed: impl Fn(usize) -> bool) -> Vec<f64> {
        let softmax = |kept: &[usize]| {
            let weight = |id: usize| f64::from(logits[id] / s.temperature).exp();
            let total: f64 = kept.iter().map(|&id| weight(id)).sum();
            kept.iter().map(|&id| weight(id) / total).collect::<Vec<f64>>()
        };
        let mut kept: Vec<usize> = (0..logits.len()).filter(|&id| allowed(id)).collect();
        kept.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]).then(a.cmp(&b)));
        if s.top_k > 0 {
            kept.truncate(s.top_k);
        }
        let mut mass = 0.0;
        let mut count = 0;
        for p in softmax(&kept) {
            count += usize::from(mass < f64::from(s.top_p));
            mass += p;
        }
        kept.truncate(count);
        let p = softmax(&kept);
        let least = f64::from(s.min_p) * p.first().copied().unwrap_or(0.0);
        kept.truncate(p.iter().filter(|p| **p >= least * (1.0 - 1e-6)).count().max(1));
        let mut all = vec![0.0; logits.len()];
        for (id, p) in kept.iter().zip(softmax(&kept)) {
            all[*id] = p;
        }
        all
    }

    proptest! {
        #[test]
        fn what_may_be_drawn_is_what_the_definition_says(logits in logits(), s in sampling(), banned in 2_usize..5) {
            let allowed = |id: usize| id == 0 || !id.is_multiple_of(banned);
            let kept = candidates(&logits, &s, allowed);
            let mass: f64 = kept.iter().map(|(_, weight)| weight).sum();
            let expected = by_definition(&logits, &s, allowed);
            let count = expected.iter().filter(|p| **p > 0.0).count();
            // At the very border of a sum, rounding decides about one token.
            prop_assert!(kept.len().abs_diff(count) <= 1, "{} for {count}", kept.len());
            if kept.len() == count {
                for (id, weight) in &kept {
                    prop_assert!((weight / mass - expected[*id as usize]).abs() < 1e-6);
                }
            }
            prop_assert!(kept.iter().all(|(id, _)| allowed(*id as usize)));
            prop_assert!(kept.windows(2).all(|two| two[0].1 >= two[1].1), "likeliest first");
        }

        #[test]
        fn no_temperature_takes_the_first_best(logits in logits(), drawn in 0.0..1.0_f64) {
            let s = Sampling { temperature: 0.0, ..PLAIN };
            let best = likeliest(&logits, 1)[0];
            prop_assert_eq!(pick(&logits, &s, |_| true, drawn), Some(best));
            // And whatever the temperature, one candidate is the best.
            prop_assert_eq!(pick(&logits, &Sampling { top_k: 1, ..PLAIN }, |_| true, drawn), Some(best));
            prop_assert_eq!(pick(&logits, &Sampling { min_p: 1.0, top_k: 1, ..PLAIN }, |_| true, drawn), Some(best));
        }

        #[test]
        fn a_penalty_never_makes_a_token_likelier(mut logits in logits(), penalty in 1.0_f32..2.0, seen in prop::collection::vec(0_u32..80, 0..9)) {
            let before = logits.clone();
            penalise(&mut logits, &seen, penalty);
            for (id, (before, after)) in before.iter().zip(&logits).enumerate() {
                match seen.contains(&(id as u32)) {
                    true => prop_assert!(after <= before),
                    false => prop_assert_eq!(after, before),
                }
            }
        }

        #[test]
        fn nothing_is_picked_of_nothing(logits in logits(), drawn in 0.0..1.0_f64) {
            prop_assert_eq!(pick(&logits, &PLAIN, |_| false, drawn), None);
            prop_assert_eq!(pick(&logits, &Sampling { temperature: 0.0, ..PLAIN }, |_| false, drawn), None);
        }
    }

    #[test]
    fn tokens_are_drawn_as_often_as_they_are_likely() {
        let logits = [1.0_f32, 3.0, 2.0, -1.0, 2.5, 0.0];
        let s = Sampling { temperature: 0.8, top_p: 0.97, top_k: 5, ..PLAIN };
        let expected = by_definition(&logits, &s, |_| true);
        let mut counts = [0_u32; 6];
        let draws = 200_000;
        for n in 0..draws {
            let id = pick(&logits, &s, |_| true, draw(42, n)).expect("some");
            counts[id as usize] += 1;
        }
        for (count, p) in counts.iter().zip(expected) {
            let deviation = (p * (1.0 - p) / draws as f64).sqrt();
            let part = f64::from(*count) / draws as f64;
            assert!((part - p).abs() <= 5.0 * deviation, "{part} for {p}");
        }
    }

    #[test]
    fn seeds_differ_and_repeat() {
        let first: Vec<f64> = (0..8).map(|n| draw(7, n)).collect();
        assert_eq!(first, (0..8).map(|n| draw(7, n)).collect::<Vec<_>>());
        assert!((0..8).all(|n| draw(8, n) != first[n as usize]));
        assert!(first.iter().all(|p| (0.0..1.0).contains(p)));
    }

    #[test]
    fn probabilities_sum_to_one() {
        let logits = [900.0_f32, 899.0, -1e30, 898.5];
        let total = log_total(&logits);
        let sum: f64 = logits.iter().map(|l| (f64::from(*l) - total).exp()).sum();
        assert!((sum - 1.0).abs() < 1e-9, "{sum}");
        assert_eq!(likeliest(&logits, 3), [0, 1, 3]);
        assert_eq!(likeliest(&[1.0, 2.0, 2.0], 9), [1, 2, 0]);
        assert_eq!(likeliest(&[1.0], 0), [0_u32; 0]);
    }
}
