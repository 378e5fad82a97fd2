//! How fast a share may ask. Exact across all processes where they have a cache; where that does not
//! answer, each process lets its part through by itself: never without a limit, and never twice the rate.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use lamplighter_shared::{
    cache::{Admission, Cache, MemoryCache, Rate},
    error::ErrorCode,
    plan::Plan,
    telemetry::metrics::RATE_LIMIT,
};

use super::share::Share;
use crate::{
    error::ApiError,
    message::message,
    rate_headers::{self, Policy},
};

/// The name of the policy in the API.
const BURST: &str = "burst";
/// Processes that are taken to live before they have counted each other.
const UNCOUNTED: u32 = 2;
/// Repetitions with an idempotency key cost nothing of the rate, and there may be so many times as many of them.
const REPETITIONS: u32 = 10;

/// The rate of requests of each share.
pub(crate) struct RequestRate {
    cache: Arc<dyn Cache>,
    here: MemoryCache,
    /// Whether all processes count together.
    exact: bool,
    /// Processes that answer requests.
    nodes: AtomicU32,
}

impl RequestRate {
    /// `alone`: whether no other process answers requests.
    pub(crate) fn new(cache: Arc<dyn Cache>, alone: bool) -> Self {
        Self {
            exact: alone || cache.is_shared(),
            cache,
            here: MemoryCache::default(),
            nodes: AtomicU32::new(UNCOUNTED),
        }
    }

    /// So many processes answer requests.
    pub(crate) fn counted(&self, nodes: u32) {
        self.nodes.store(nodes.max(1), Ordering::Relaxed);
    }

    /// Counts one request.
    ///
    /// # Errors
    /// 429 where it comes too soon.
    pub(crate) async fn charge(&self, share: &Share) -> Result<(), ApiError> {
        if share.plan.running > 0 {
            rate_headers::note(Policy {
                name: "inflight",
                quota: share.plan.running.into(),
                window: None,
                left: None,
            });
        }
        let Some(full) = rate_of(&share.plan) else {
            return Ok(());
        };
        let (rate, admission) = self.admit(&format!("requests:{}", share.key), full).await;
        let outcome = if admission.allowed { "allowed" } else { "refused" };
        metrics::counter!(RATE_LIMIT, "policy" => BURST, "outcome" => outcome).increment(1);
        rate_headers::note(told(rate, admission));
        if admission.allowed {
            Ok(())
        } else {
            Err(refused(rate, admission))
        }
    }

    /// Counts one request that repeats an earlier one, in a bucket of its own: it was charged before, and a client
    /// that only repeats must come to an end all the same.
    ///
    /// # Errors
    /// 429 where it comes too soon.
    pub(crate) async fn charge_repetition(&self, share: &Share) -> Result<(), ApiError> {
        let Some(full) = rate_of(&share.plan) else {
            return Ok(());
        };
        let full = Rate {
            per_second: full.per_second * f64::from(REPETITIONS),
            burst: full.burst.saturating_mul(REPETITIONS),
        };
        let (rate, admission) = self.admit(&format!("repetitions:{}", share.key), full).await;
        if admission.allowed {
            Ok(())
        } else {
            rate_headers::note(told(rate, admission));
            Err(refused(rate, admission))
        }
    }

    /// Asks the cache, or, where that does not answer, this process's own count; by which rate it was judged.
    async fn admit(&self, key: &str, full: Rate) -> (Rate, Admission) {
        let part = self.part(full);
        let rate = if self.exact { full } else { part };
        match self.cache.admit(key, rate, 1).await {
            Ok(admission) => (rate, admission),
            Err(_) => (part, self.here.admit_now(key, part, 1)),
        }
    }

    /// What one process may let through where they can't count together.
    fn part(&self, rate: Rate) -> Rate {
        let nodes = self.nodes.load(Ordering::Relaxed).max(1);
        Rate {
            per_second: rate.per_second / f64::from(nodes),
            burst: (rate.burst / nodes).max(1),
        }
    }
}

fn rate_of(plan: &Plan) -> Option<Rate> {
    let minute = plan.requests_per_minute;
    (minute > 0).then(|| Rate {
        per_second: f64::from(minute) / 60.0,
        burst: if plan.burst == 0 { minute } else { plan.burst },
    })
}

fn told(rate: Rate, admission: Admission) -> Policy {
    let window = Duration::from_secs_f64(f64::from(rate.burst) / rate.per_second.max(1e-6));
    // Who is refused hears when the next one is let through, everybody else when all is there again.
    let until = if admission.allowed {
        admission.reset
    } else {
        admission.retry_after
    };
    Policy {
        name: BURST,
        quota: rate.burst.into(),
        window: Some(window),
        left: Some((admission.remaining.into(), until)),
    }
}

fn refused(rate: Rate, admission: Admission) -> ApiError {
    let detail = message!(
        "You may ask {rate} times a minute, and {burst} times at once after a rest.",
        rate = format!("{:.0}", rate.per_second * 60.0),
        burst = rate.burst
    );
    ApiError::new(ErrorCode::RateLimited, detail)
        .violates(BURST)
        .retry_after(admission.retry_after)
}

#[cfg(test)]
mod tests {
    use lamplighter_shared::cache::{Redis, RedisCache};

    use super::*;

    async fn let_through(cache: Arc<dyn Cache>, plan: Plan) -> (usize, Option<ApiError>) {
        let rate = RequestRate::new(cache, true);
        let share = Share {
            key: "somebody".to_owned(),
            plan_name: "test".to_owned(),
            plan,
        };
        let (mut passed, mut refused) = (0, None);
        for _ in 0..100 {
            match rate.charge(&share).await {
                Ok(()) => passed += 1,
                Err(error) => refused = Some(error),
            }
        }
        (passed, refused)
    }

    #[tokio::test]
    async fn the_rate_holds_with_and_without_the_cache_and_says_when_to_come_again() {
        let slow = Plan {
            requests_per_minute: 1,
            burst: 20,
            ..Plan::NOTHING
        };
        let (passed, refused) = let_through(Arc::new(MemoryCache::default()), slow.clone()).await;
        assert_eq!(passed, 20);
        let refused = refused.expect("the rest is refused");
        let value = |name: &str| {
            let found = refused.headers.iter().find(|(n, _)| n.as_str() == name);
            found.expect(name).1.to_str().expect("text").to_owned()
        };
        assert_eq!(refused.code.status(), 429);
        let again: u64 = value("retry-after").parse().expect("seconds");
        assert!((59..=72).contains(&again), "{again}");
        let exactly: u64 = value("retry-after-ms").parse().expect("milliseconds");
        assert_eq!(exactly.div_ceil(1000), again);
        assert_eq!(value("x-should-retry"), "true");
        assert_eq!(refused.violated.as_deref(), Some("burst"));
        let nowhere = Redis::connect("redis://127.0.0.1:1").expect("an address where nobody is");
        let away = Arc::new(RedisCache::new(&nowhere));
        assert_eq!(let_through(away.clone(), slow.clone()).await.0, 10, "half of it");
        let off = Plan {
            requests_per_minute: 0,
            ..slow
        };
        assert_eq!(let_through(away, off).await.0, 100);
    }
}
