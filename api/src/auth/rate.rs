//! How fast one token may ask. Exact across all processes where they share a cache; where that does not
//! answer, each process lets half as much through by itself: never without a limit, and rarely too little.

use std::{sync::Arc, time::Duration};

use lamplighter_shared::{
    cache::{Admission, Cache, MemoryCache, Rate},
    config::Limits,
    error::ErrorCode,
    id::TokenId,
    telemetry::metrics::RATE_LIMIT,
};
use poem::http::{HeaderName, HeaderValue, header};

use crate::error::ApiError;

/// The rate of requests of each token.
pub(crate) struct RequestRate {
    cache: Arc<dyn Cache>,
    alone: MemoryCache,
    /// None: as fast as they can.
    rate: Option<Rate>,
}

impl RequestRate {
    /// `alone`: whether no other process answers requests.
    pub(crate) fn new(cache: Arc<dyn Cache>, limits: &Limits, alone: bool) -> Self {
        let per_second = limits.requests_per_second;
        let full = (per_second > 0.0).then(|| Rate {
            per_second,
            burst: match limits.burst {
                0 => per_second.ceil() as u32,
                burst => burst,
            },
        });
        let exact = alone || cache.is_shared();
        Self {
            cache,
            alone: MemoryCache::default(),
            rate: if exact { full } else { full.map(half) },
        }
    }

    /// Counts one request.
    ///
    /// # Errors
    /// 429 where it comes too soon.
    pub(crate) async fn charge(&self, token: TokenId) -> Result<(), ApiError> {
        let Some(rate) = self.rate else {
            return Ok(());
        };
        let key = format!("requests:{token}");
        let admission = match self.cache.admit(&key, rate, 1).await {
            Ok(admission) => admission,
            Err(_) => self.alone.admit_now(&key, half(rate), 1),
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
        "This token may ask {} times a second, and {} times at once after a rest.",
        rate.per_second, rate.burst
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

    async fn let_through(cache: Arc<dyn Cache>, limits: &Limits) -> (usize, Option<ApiError>) {
        let rate = RequestRate::new(cache, limits, true);
        let (token, mut passed, mut refused) = (TokenId::generate(), 0, None);
        for _ in 0..100 {
            match rate.charge(token).await {
                Ok(()) => passed += 1,
                Err(error) => refused = Some(error),
            }
        }
        (passed, refused)
    }

    #[tokio::test]
    async fn the_rate_holds_with_and_without_the_cache_and_says_when_to_come_again() {
        let limits = Limits {
            requests_per_second: 0.01,
            burst: 20,
        };
        let (passed, refused) = let_through(Arc::new(MemoryCache::default()), &limits).await;
        assert_eq!(passed, 20);
        let refused = refused.expect("the rest is refused");
        let value = |name: &str| {
            let found = refused.headers.iter().find(|(n, _)| n.as_str() == name);
            found.expect(name).1.to_str().expect("text").to_owned()
        };
        assert_eq!(refused.code.status(), 429);
        let again: u64 = value("retry-after").parse().expect("seconds");
        assert!((99..=120).contains(&again), "{again}");
        assert!(value("ratelimit").starts_with("\"requests\";r=0;t="));
        assert_eq!(value("ratelimit-policy"), "\"requests\";q=20;w=2000");
        let nowhere = Redis::connect("redis://127.0.0.1:1").expect("an address where nobody is");
        let away = Arc::new(RedisCache::new(&nowhere));
        assert_eq!(let_through(away.clone(), &limits).await.0, 10, "half of it");
        let off = Limits {
            requests_per_second: 0.0,
            burst: 20,
        };
        assert_eq!(let_through(away, &off).await.0, 100);
    }
}
