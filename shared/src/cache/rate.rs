//! The arithmetic of a rate (GCRA): one moment a key says all. It is the moment at which the key would be
//! back at its full burst; each unit let through moves it on by one interval.

use std::time::Duration;

/// How much is let through.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Units a second; more than 0.
    pub per_second: f64,
    /// Units at once after a rest; at least 1.
    pub burst: u32,
}

/// Whether something was let through, and what is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admission {
    /// Whether it was let through.
    pub allowed: bool,
    /// Units that would be let through now.
    pub remaining: u32,
    /// Until the whole burst is there again.
    pub reset: Duration,
    /// Until the same would be let through; zero where it was.
    pub retry_after: Duration,
}

impl Rate {
    /// Microseconds a unit takes.
    pub(crate) fn interval(self) -> f64 {
        1_000_000.0 / self.per_second.max(1e-6)
    }

    /// Decides at `now` for a key that is full again at `full_at` (microseconds of one clock): what was
    /// decided, and when the key is full again from now on.
    pub(super) fn decide(self, now: f64, full_at: f64, cost: u32) -> (Admission, f64) {
        let interval = self.interval();
        let tolerance = interval * f64::from(self.burst);
        // A clock that was set back must not lock a key for longer than an empty one is.
        let from = full_at.clamp(now, now + tolerance);
        let to = from + interval * f64::from(cost);
        let allowed = to <= now + tolerance;
        let full_at = if allowed { to } else { from };
        (self.report(allowed, now, full_at, cost), full_at)
    }

    /// Tells what was decided at `now` for a key that is full again at `full_at`.
    pub(crate) fn report(self, allowed: bool, now: f64, full_at: f64, cost: u32) -> Admission {
        let interval = self.interval();
        let tolerance = interval * f64::from(self.burst);
        let micros = |us: f64| Duration::from_micros(us.max(0.0).ceil() as u64);
        let missing = full_at + interval * f64::from(cost) - tolerance - now;
        Admission {
            allowed,
            remaining: ((now + tolerance - full_at) / interval + 1e-9).floor() as u32,
            reset: micros(full_at - now),
            retry_after: if allowed { Duration::ZERO } else { micros(missing) },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A bucket that is filled evenly: what the moments must come to. It goes by the last time something was taken
    /// out, in whichever direction the clock went since.
    struct Bucket {
        level: f64,
        at: f64,
    }

    impl Bucket {
        fn level(&self, rate: Rate, now: f64) -> f64 {
            let level = self.level + (now - self.at) / rate.interval();
            level.clamp(0.0, f64::from(rate.burst))
        }
    }

    proptest! {
        #[test]
        fn moments_decide_as_a_bucket_does(
            per_second in 0.5..200.0f64,
            burst in 1..20u32,
            steps in prop::collection::vec((-2.0..5.0f64, 1..24u32), 1..200),
        ) {
            let rate = Rate { per_second, burst };
            let (mut now, mut full_at) = (1e12, 0.0);
            // Nothing was ever taken: it has been full for ever.
            let mut bucket = Bucket { level: f64::from(burst), at: f64::NEG_INFINITY };
            for (intervals, cost) in steps {
                // Sometimes the clock is set back.
                now += intervals * rate.interval();
                let level = bucket.level(rate, now);
                let (admission, full) = rate.decide(now, full_at, cost);
                if (level - f64::from(cost)).abs() > 1e-4 {
                    prop_assert_eq!(admission.allowed, level >= f64::from(cost), "{} at {}", cost, level);
                }
                if admission.allowed {
                    full_at = full;
                    bucket = Bucket { level: level - f64::from(cost), at: now };
                } else if cost <= burst {
                    let later = now + admission.retry_after.as_micros() as f64 + 1.0;
                    prop_assert!(rate.decide(later, full, cost).0.allowed, "{admission:?}");
                }
                let left = bucket.level(rate, now);
                prop_assert!((f64::from(admission.remaining) - left.floor()).abs() <= f64::from(u8::from(
                    (left - left.round()).abs() < 1e-4
                )), "{admission:?}, {left}");
                let reset = (f64::from(burst) - left) * rate.interval();
                prop_assert!((admission.reset.as_micros() as f64 - reset).abs() <= 2.0 + reset * 1e-6);
            }
        }
    }
}
