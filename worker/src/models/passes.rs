//! Cuts texts into forward passes. Padding is the enemy on a CPU: a pass costs its item count times its
//! longest item, plus something for being a pass at all. Pure, tested by tables.

/// What bounds a pass and what one costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Budget {
    /// Items in one pass.
    pub items: usize,
    /// Items times the longest, in one pass; a single item may exceed it.
    pub padded_tokens: usize,
    /// What a pass costs whatever is in it, in tokens.
    pub overhead: usize,
}

/// The cheapest passes for items of these lengths, as indices into `lengths`; every index once,
/// short items first.
pub(super) fn plan(lengths: &[usize], budget: Budget) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|&index| lengths[index]);
    // best[n]: least cost of the first n items, and where the last pass of that begins.
    let mut best = vec![(0_usize, 0_usize)];
    for end in 1..=order.len() {
        let longest = lengths[order[end - 1]].max(1);
        let most = (budget.padded_tokens / longest)
            .clamp(1, budget.items.max(1))
            .min(end);
        let cheapest = (end - most..end)
            .map(|begin| (best[begin].0 + budget.overhead + (end - begin) * longest, begin))
            .min()
            .unwrap_or((usize::MAX, end - 1));
        best.push(cheapest);
    }
    let mut passes = Vec::new();
    let mut end = order.len();
    while end > 0 {
        let begin = best[end].1;
        passes.push(order[begin..end].to_vec());
        end = begin;
    }
    passes.reverse();
    passes
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: Budget = Budget {
        items: 4,
        padded_tokens: 100,
        overhead: 10,
    };

    #[test]
    fn passes_are_cheap() {
        let cases: [(&[usize], &[&[usize]]); 7] = [
            (&[], &[]),
            (&[7], &[&[0]]),
            // One pass, short first.
            (&[9, 8, 10], &[&[1, 0, 2]]),
            // Padding 3 short ones to 30 would cost more than a second pass.
            (&[5, 30, 5, 5], &[&[0, 2, 3], &[1]]),
            // At most four.
            (&[5, 5, 5, 5, 5], &[&[0], &[1, 2, 3, 4]]),
            // At most 100 padded tokens.
            (&[40, 40, 40], &[&[0], &[1, 2]]),
            // Too long for any pass: alone.
            (&[500, 4], &[&[1], &[0]]),
        ];
        for (lengths, expected) in cases {
            assert_eq!(plan(lengths, BUDGET), expected, "{lengths:?}");
        }
    }

    #[test]
    fn every_item_is_in_one_pass_and_no_pass_exceeds_the_budget() {
        let lengths: Vec<usize> = (0..500).map(|n| 3 + (n * 7919) % 97).collect();
        let budget = Budget {
            items: 32,
            padded_tokens: 1024,
            overhead: 40,
        };
        let passes = plan(&lengths, budget);
        let mut seen: Vec<usize> = passes.concat();
        seen.sort_unstable();
        assert_eq!(seen, (0..500).collect::<Vec<_>>());
        for pass in &passes {
            let longest = pass.iter().map(|&i| lengths[i]).max().expect("no pass is empty");
            assert!(pass.len() <= 32 && pass.len() * longest <= 1024, "{pass:?}");
        }
        let real: usize = lengths.iter().sum();
        let padded: usize = passes
            .iter()
            .map(|p| p.len() * p.iter().map(|&i| lengths[i]).max().unwrap_or(0))
            .sum();
        println!(
            "{} passes, {padded} padded tokens for {real} real ones",
            passes.len()
        );
        assert!(padded * 100 <= real * 110, "{padded} padded for {real}");
    }
}
