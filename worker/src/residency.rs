//! Which models are in memory: a ledger of what each takes, who waits, and who makes room. It decides
//! only; who loads and unloads is `seat` and `dispatch`.
//!
//! The rules: never more than the budget. Whoever waits gets in by order of arrival. Room is made by the
//! least recently used model without work; one that has work goes only after it has stayed a while, so
//! that two models with steady work take turns. What is freed is kept for whoever waits longest.

use tokio::time::{Duration, Instant};

/// A model in the ledger.
#[derive(Debug, Clone)]
struct Entry {
    need: u64,
    place: Place,
    wants: Wants,
    last_used: Instant,
    busy: bool,
}

/// Where a model is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Not in memory.
    Out,
    /// In memory, or being loaded.
    In {
        /// Since when.
        since: Instant,
    },
    /// In memory, and asked to leave.
    Leaving,
}

/// Why a model that is out would be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wants {
    /// It need not be.
    Nothing,
    /// It would use memory that is free; nobody makes room for it.
    Wish,
    /// A job waits for it.
    Demand {
        /// Since when.
        since: Instant,
    },
}

/// The memory of a worker, and who has it.
#[derive(Debug, Clone)]
pub struct Ledger {
    budget: u64,
    min_stay: Duration,
    entries: Vec<Entry>,
}

impl Ledger {
    /// Nobody in; `budget` in bytes. A model with work stays at least `min_stay`.
    pub fn new(budget: u64, min_stay: Duration) -> Self {
        Self {
            budget,
            min_stay,
            entries: Vec::new(),
        }
    }

    /// One more model, which takes `need` bytes; its number.
    pub fn add(&mut self, need: u64, now: Instant) -> usize {
        self.entries.push(Entry {
            need,
            place: Place::Out,
            wants: Wants::Nothing,
            last_used: now,
            busy: false,
        });
        self.entries.len() - 1
    }

    /// Where a model is.
    pub fn place(&self, model: usize) -> Place {
        self.entries[model].place
    }

    /// Bytes that a model takes.
    pub fn need(&self, model: usize) -> u64 {
        self.entries[model].need
    }

    /// Bytes that all may take.
    pub fn budget(&self) -> u64 {
        self.budget
    }

    /// Bytes that those in memory take.
    pub fn used(&self) -> u64 {
        self.sum(|place| place != Place::Out)
    }

    /// How many are in memory, those that are leaving included.
    pub fn residents(&self) -> usize {
        self.entries.iter().filter(|e| e.place != Place::Out).count()
    }

    /// Says why a model would be in. A demand keeps its turn until it is taken back by `Nothing`.
    pub fn want(&mut self, model: usize, wants: Wants) {
        let entry = &mut self.entries[model];
        if !matches!(entry.wants, Wants::Demand { .. }) || wants == Wants::Nothing {
            entry.wants = wants;
        }
    }

    /// Says whether a model has work in hand.
    pub fn busy(&mut self, model: usize, busy: bool, now: Instant) {
        let entry = &mut self.entries[model];
        entry.busy = busy;
        entry.last_used = now;
    }

    /// A model is known to take this much now. Where that is more than there is, room is made.
    pub fn set_need(&mut self, model: usize, need: u64) {
        self.entries[model].need = need;
    }

    /// A model has left; its memory is free.
    pub fn left(&mut self, model: usize) {
        let entry = &mut self.entries[model];
        entry.place = Place::Out;
        entry.wants = Wants::Nothing;
        entry.busy = false;
    }

    /// Lets in whom there is room for, and asks to leave whoever has to make room.
    pub fn settle(&mut self, now: Instant) {
        self.shed(now);
        // What is free now, and what will be once those who leave have left; less what is promised.
        let mut free = i128::from(self.budget) - i128::from(self.used());
        let mut coming = free + i128::from(self.sum(|place| place == Place::Leaving));
        for model in self.in_turn() {
            let need = i128::from(self.entries[model].need);
            if need > i128::from(self.budget) {
                continue;
            }
            if need <= free {
                self.let_in(model, now, true);
            } else if need > coming {
                coming += self.make_room(need - coming, now);
            }
            // Theirs, also while they wait for it: a smaller one that comes later does not take it.
            free -= need;
            coming -= need;
        }
        for model in 0..self.entries.len() {
            let entry = &self.entries[model];
            let need = i128::from(entry.need);
            if entry.place == Place::Out && entry.wants == Wants::Wish && need <= free {
                free -= need;
                self.let_in(model, now, false);
            }
        }
    }

    /// Where more is taken than there is, since somebody takes more than was thought.
    fn shed(&mut self, now: Instant) {
        loop {
            let staying = self.sum(|place| matches!(place, Place::In { .. }));
            if staying <= self.budget {
                return;
            }
            let Some(first) = self.leavers(now, true).first().copied() else {
                return;
            };
            self.entries[first].place = Place::Leaving;
        }
    }

    /// Asks as many to leave as it takes for `missing` bytes, or nobody where that is not enough; how much
    /// will be free.
    fn make_room(&mut self, missing: i128, now: Instant) -> i128 {
        let (mut chosen, mut gain) = (Vec::new(), 0);
        for model in self.leavers(now, false) {
            if gain >= missing {
                break;
            }
            gain += i128::from(self.entries[model].need);
            chosen.push(model);
        }
        if gain < missing {
            return 0;
        }
        for model in chosen {
            self.entries[model].place = Place::Leaving;
        }
        gain
    }

    /// Who may be asked to leave, in this order; everybody where it can't be helped.
    fn leavers(&self, now: Instant, all: bool) -> Vec<usize> {
        let may = |entry: &Entry| match entry.place {
            Place::In { since } => {
                all || !entry.busy || now.saturating_duration_since(since) >= self.min_stay
            }
            _ => false,
        };
        let mut leavers: Vec<usize> = (0..self.entries.len())
            .filter(|i| may(&self.entries[*i]))
            .collect();
        leavers.sort_by_key(|i| (self.entries[*i].busy, self.entries[*i].last_used));
        leavers
    }

    /// Those with a demand who are out, longest first.
    fn in_turn(&self) -> Vec<usize> {
        let mut waiting: Vec<(Instant, usize)> = (0..self.entries.len())
            .filter_map(|i| match (self.entries[i].place, self.entries[i].wants) {
                (Place::Out, Wants::Demand { since }) => Some((since, i)),
                _ => None,
            })
            .collect();
        waiting.sort_unstable();
        waiting.into_iter().map(|(_, i)| i).collect()
    }

    /// `busy`: a job waits for it, so it stays until that was served, or its time is over.
    fn let_in(&mut self, model: usize, now: Instant, busy: bool) {
        let entry = &mut self.entries[model];
        entry.place = Place::In { since: now };
        entry.wants = Wants::Nothing;
        entry.busy = busy;
        entry.last_used = now;
    }

    fn sum(&self, which: impl Fn(Place) -> bool) -> u64 {
        self.entries
            .iter()
            .filter(|e| which(e.place))
            .map(|e| e.need)
            .sum()
    }
}

/// Which of these models are loaded at the start: as many as fit, in their order.
pub fn eager(needs: &[u64], budget: u64) -> Vec<bool> {
    let mut left = budget;
    let fits = |need: &u64| {
        let fits = *need <= left;
        left -= if fits { *need } else { 0 };
        fits
    };
    needs.iter().map(fits).collect()
}

#[cfg(test)]
#[path = "residency_tests.rs"]
mod tests;
