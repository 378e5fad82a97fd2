//! How long batches of a model take, to claim the next one shortly before this one ends.

use std::time::Duration;

use tokio::time::Instant;

/// Jobs are claimed ahead only so long before a batch should end: earlier, another worker could have them.
const AHEAD: Duration = Duration::from_millis(250);

/// A batch whose members are computed together.
#[derive(Debug, Clone, Copy)]
pub struct Batch {
    /// When it entered the runner.
    pub since: Instant,
    /// Its tokens.
    pub tokens: usize,
}

/// Milliseconds a token, over the last batches.
#[derive(Debug, Default)]
pub struct Pace(Option<f64>);

impl Pace {
    /// Notes how long a batch took.
    pub fn note(&mut self, tokens: usize, compute_ms: f64) {
        let now = compute_ms / tokens.max(1) as f64;
        self.0 = Some(self.0.map_or(now, |before| before * 0.8 + now * 0.2));
    }

    /// When the next batch may be claimed while this one runs; at once where nothing is known.
    pub fn claim_from(&self, batch: &Batch) -> Instant {
        let expected = self.0.map_or(0.0, |pace| pace * batch.tokens as f64);
        batch.since + Duration::from_secs_f64(expected / 1000.0).saturating_sub(AHEAD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_ahead_only_shortly_before_the_end() {
        let since = Instant::now();
        let batch = Batch { since, tokens: 1000 };
        let mut pace = Pace::default();
        assert_eq!(pace.claim_from(&batch), since, "nothing is known");
        pace.note(1000, 100.0);
        assert_eq!(pace.claim_from(&batch), since, "it ends within 250 ms");
        let mut pace = Pace::default();
        pace.note(1000, 2000.0);
        assert_eq!(pace.claim_from(&batch), since + Duration::from_millis(1750));
    }
}
