//! Which waiting jobs make the next batch. A pure function of what waits and what a batch may hold.

use crate::runner::protocol::{Cost, Ticket};

/// A job that is ready to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// The supervisor's number for it.
    pub ticket: Ticket,
    /// What it costs.
    pub cost: Cost,
    /// Whether it has to run alone.
    pub solo: bool,
}

/// What one batch may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Jobs.
    pub jobs: usize,
    /// Items of all jobs.
    pub items: usize,
    /// Tokens of all items.
    pub tokens: usize,
}

/// The next batch of `waiting`, which stands in the order of the queue.
///
/// The first job always runs, however large: nobody waits for ever. After it, each next job that still
/// fits is taken, so a large one does not hold up the small ones behind it by more than a batch. The
/// batch comes back sorted by the length of its longest item, so that neighbours pad each other little.
/// A solo job runs alone: when it is first it is the batch, before that it is passed over.
pub fn plan(waiting: &[Candidate], budget: Budget) -> Vec<Ticket> {
    let Some(first) = waiting.first() else {
        return Vec::new();
    };
    if first.solo {
        return vec![first.ticket];
    }
    let mut batch = vec![first];
    let (mut items, mut tokens) = (first.cost.items, first.cost.tokens);
    for candidate in &waiting[1..] {
        if batch.len() >= budget.jobs {
            break;
        }
        let fits =
            items + candidate.cost.items <= budget.items && tokens + candidate.cost.tokens <= budget.tokens;
        if fits && !candidate.solo {
            items += candidate.cost.items;
            tokens += candidate.cost.tokens;
            batch.push(candidate);
        }
    }
    batch.sort_by_key(|c| (c.cost.longest, c.ticket));
    batch.into_iter().map(|c| c.ticket).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BUDGET: Budget = Budget {
        jobs: 3,
        items: 8,
        tokens: 100,
    };

    fn job(ticket: Ticket, items: usize, tokens: usize) -> Candidate {
        Candidate {
            ticket,
            cost: Cost {
                items,
                tokens,
                longest: tokens / items.max(1),
            },
            solo: false,
        }
    }

    fn solo(ticket: Ticket) -> Candidate {
        Candidate {
            solo: true,
            ..job(ticket, 1, 10)
        }
    }

    #[test]
    fn tables() {
        let cases: &[(&str, Vec<Candidate>, Vec<Ticket>)] = &[
            ("nothing waits", vec![], vec![]),
            ("one job", vec![job(1, 1, 10)], vec![1]),
            (
                "a job larger than the budget runs by itself",
                vec![job(1, 50, 5000), job(2, 1, 1)],
                vec![1],
            ),
            (
                "the job budget",
                vec![job(1, 1, 1), job(2, 1, 1), job(3, 1, 1), job(4, 1, 1)],
                vec![1, 2, 3],
            ),
            (
                "the item budget",
                vec![job(1, 4, 4), job(2, 4, 4), job(3, 1, 1)],
                vec![1, 2],
            ),
            (
                "the token budget",
                vec![job(1, 1, 60), job(2, 1, 40), job(3, 1, 1)],
                vec![2, 1],
            ),
            (
                "small ones pass one that does not fit",
                vec![job(1, 1, 60), job(2, 1, 80), job(3, 1, 20)],
                vec![3, 1],
            ),
            (
                "shortest first",
                vec![job(1, 1, 30), job(2, 1, 10), job(3, 1, 20)],
                vec![2, 3, 1],
            ),
            (
                "a solo job first runs alone",
                vec![solo(1), job(2, 1, 1)],
                vec![1],
            ),
            (
                "a solo job later is passed over",
                vec![job(1, 1, 5), solo(2), job(3, 1, 7)],
                vec![1, 3],
            ),
        ];
        for (name, waiting, expected) in cases {
            assert_eq!(plan(waiting, BUDGET), *expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn every_batch_keeps_the_budget_and_the_queue_drains(
            costs in prop::collection::vec((1_usize..12, 1_usize..150, prop::bool::weighted(0.1)), 1..60)
        ) {
            let mut waiting: Vec<Candidate> = costs.iter().enumerate()
                .map(|(i, (items, tokens, solo))| Candidate { solo: *solo, ..job(i as Ticket, *items, *tokens) })
                .collect();
            let mut served = Vec::new();
            while let Some(first) = waiting.first().copied() {
                let batch = plan(&waiting, BUDGET);
                prop_assert!(batch.contains(&first.ticket), "the first always runs");
                let members: Vec<&Candidate> = waiting.iter().filter(|c| batch.contains(&c.ticket)).collect();
                if batch.len() > 1 {
                    prop_assert!(batch.len() <= BUDGET.jobs && members.iter().all(|c| !c.solo));
                    prop_assert!(members.iter().map(|c| c.cost.items).sum::<usize>() <= BUDGET.items);
                    prop_assert!(members.iter().map(|c| c.cost.tokens).sum::<usize>() <= BUDGET.tokens);
                }
                served.extend(batch.iter().copied());
                waiting.retain(|c| !batch.contains(&c.ticket));
            }
            served.sort_unstable();
            prop_assert_eq!(served, (0..costs.len() as Ticket).collect::<Vec<_>>());
        }
    }
}
