//! How fast a share may ask. Exact across all processes where they have a cache; where that does not
//! answer, each process lets half as much through by itself: never without a limit, and rarely too little.

use std::{sync::Arc, time::Duration};

use lamplighter_shared::{
    cache::{Admission, Cache, MemoryCache, Rate},
    error::ErrorCode,
    plan::Plan,
    telemetry::metrics::RATE_LIMIT,
};
use poem::http::{HeaderName, HeaderValue, header};

use super::share::Share;
use crate::error::ApiError;

/// The rate of requests of each share.
pub(crate) struct RequestRate {
    cache: Arc<dyn Cache>,
    here: MemoryCache,
    /// Whether all processes count together.
    exact: bool,
}

impl RequestRate {
    /// `alone`: whether no other process answers requests.
    pub(crate) fn new(cache: Arc<dyn Cache>, alone: bool) -> Self {
        Self {
            exact: alone || cache.is_shared(),
            cache,
            here: MemoryCache::default(),
        }
    }

    /// Counts one request.
    ///
    /// # Errors
    /// 429 where it comes too soon.
    pub(crate) async fn charge(&self, share: &Share) -> Result<(), ApiError> {
        let Some(full) = rate_of(&share.plan) else {
            return Ok(());
        };
        let rate = if self.exact { full } else { half(full) };
        let key = format!("requests:{}", share.key);
        let admission = match self.cache.admit(&key, rate, 1).await {
            Ok(admission) => admission,
            Err(_) => self.here.admit_now(&key, half(full), 1),
        };
        let outcome = if admission.allowed { "allowed" } else { "refused" };
        metrics::counter!(RATE_LIMIT, "policy" => "requests", "outcome" => outcome).increment(1);
        if admission.allowed {
            Ok(())
        } else {
            Err(refused(rate, admission))
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

fn half(rate: Rate) -> Rate {
    Rate {
        per_second: rate.per_second / 2.0,
        burst: (rate.burst / 2).max(1),
    }
}

fn refused(rate: Rate, admission: Admission) -> ApiError {
    let seconds = |time: Duration| time.as_secs_f64().ceil().max(1.0) as u64;
    let again = seconds(admission.retry_after);
    let window = seconds(Duration::from_secs_f64(
        f64::from(rate.burst) / rate.per_second.max(1e-6),
    ));
    // Those who are refused together need not come back together.
    let spread = rand::random_range(0..=again.div_ceil(5));
    let detail = format!(
        "You may ask {:.0} times a minute, and {} times at once after a rest.",
        rate.per_second * 60.0,
        rate.burst
    );
    let fields = [
        (header::RETRY_AFTER, (again + spread).to_string()),
        (
            HeaderName::from_static("ratelimit"),
            format!("\"requests\";r={};t={again}", admission.remaining),
        ),
        (
            HeaderName::from_static("ratelimit-policy"),
            format!("\"requests\";q={};w={window}", rate.burst),
        ),
    ];
    let error = ApiError::new(ErrorCode::RateLimited, detail);
    fields.into_iter().fold(error, |error, (name, value)| {
        match HeaderValue::from_str(&value) {
            Ok(value) => error.header(name, value),
            Err(_) => error,
        }
    })
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
        assert!(value("ratelimit").starts_with("\"requests\";r=0;t="));
        assert_eq!(value("ratelimit-policy"), "\"requests\";q=20;w=1200");
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
