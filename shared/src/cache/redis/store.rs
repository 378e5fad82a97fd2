//! The cache in Redis. Values begin with `+`, tombstones are `-`. Every key has a time to live.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use fred::prelude::Value;
use uuid::Uuid;

use super::{LIMIT, PREFIX, Redis, RedisError, Script};
use crate::{
    cache::{Admission, Cache, Found, Lease, Rate, Unavailable},
    fault,
};

/// What a command of the cache may take: it stands in the way of every request, and the database is near.
const QUICK: Duration = Duration::from_millis(200);
/// So long after a connection is made, what it holds may be older than a change that was made meanwhile: the
/// server may have come back with what it knew before. Longer than any value that must not be old lives.
pub const QUARANTINE: Duration = Duration::from_secs(30);

static FILL: Script = Script::new(include_str!("fill.lua"));
static BURY: Script = Script::new(include_str!("bury.lua"));
static ADMIT: Script = Script::new(include_str!("admit.lua"));

/// The cache of all processes that use the same Redis.
#[derive(Debug, Clone)]
pub struct RedisCache {
    redis: Redis,
    quarantine: Duration,
}

impl RedisCache {
    /// The cache in this Redis. For 30 s after each connection is made it believes in nothing but tombstones.
    pub fn new(redis: &Redis) -> Self {
        Self::with_quarantine(redis, fault::time("cache.quarantine", QUARANTINE))
    }

    /// The same with another time; for tests.
    pub fn with_quarantine(redis: &Redis, quarantine: Duration) -> Self {
        Self {
            redis: redis.clone(),
            quarantine,
        }
    }

    /// Whether the connection was made before this moment. A server that came back since may have forgotten
    /// what was told meanwhile, and know again what was void by then.
    fn stands_since(&self, moment: Instant) -> bool {
        let standing = self.redis.connected_for();
        standing.is_some_and(|standing| standing >= moment.elapsed())
    }

    async fn call(&self, command: &'static str, words: Vec<Value>) -> Result<Value, Unavailable> {
        told(self.redis.call(QUICK, command, words).await)
    }
}

/// Whatever went wrong, the database is asked.
fn told(answer: Result<Value, RedisError>) -> Result<Value, Unavailable> {
    answer.map_err(|error| Unavailable(error.to_string()))
}

fn value_key(key: &str) -> Value {
    format!("{PREFIX}cache:{key}").into()
}

fn lease_key(key: &str) -> Value {
    format!("{PREFIX}lease:{key}").into()
}

fn millis(ttl: Duration) -> Option<Value> {
    let ms = i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX / 2);
    (ms > 0).then(|| ms.min(i64::MAX / 4).into())
}

fn live(value: &[u8]) -> Value {
    let mut bytes = Vec::with_capacity(value.len() + 1);
    bytes.push(b'+');
    bytes.extend_from_slice(value);
    Value::from(bytes.into_boxed_slice())
}

#[async_trait]
impl Cache for RedisCache {
    fn is_shared(&self) -> bool {
        true
    }

    async fn get(&self, key: &str) -> Result<Found, Unavailable> {
        let answer = self.call("GET", vec![value_key(key)]).await?;
        let old = || {
            let standing = self.redis.connected_for();
            standing.is_none_or(|standing| standing < self.quarantine)
        };
        Ok(match answer.as_bytes().and_then(<[u8]>::split_first) {
            Some((b'-', _)) => Found::Buried,
            Some((b'+', _)) if old() => Found::Doubtful,
            Some((b'+', value)) => Found::Value(value.to_vec()),
            _ => Found::Nothing,
        })
    }

    async fn set(&self, key: &str, value: &[u8], ttl: Duration) -> Result<(), Unavailable> {
        match millis(ttl) {
            Some(ms) => {
                let words = vec![value_key(key), live(value), "PX".into(), ms];
                self.call("SET", words).await.map(drop)
            }
            None => self.delete(key).await,
        }
    }

    async fn set_if_absent(&self, key: &str, value: &[u8], ttl: Duration) -> Result<bool, Unavailable> {
        let Some(ms) = millis(ttl) else {
            return Ok(false);
        };
        let words = vec![value_key(key), live(value), "PX".into(), ms, "NX".into()];
        Ok(!self.call("SET", words).await?.is_null())
    }

    async fn delete(&self, key: &str) -> Result<(), Unavailable> {
        self.call("DEL", vec![value_key(key)]).await.map(drop)
    }

    async fn lease(&self, key: &str, ttl: Duration) -> Result<Option<Lease>, Unavailable> {
        let Some(ms) = millis(ttl) else {
            return Ok(None);
        };
        let asked = Instant::now();
        let nonce = Uuid::now_v7().simple().to_string();
        let words = vec![
            lease_key(key),
            nonce.as_str().into(),
            "PX".into(),
            ms,
            "NX".into(),
        ];
        let taken = !self.call("SET", words).await?.is_null();
        Ok(taken.then_some(Lease { nonce, asked }))
    }

    async fn fill(&self, key: &str, lease: &Lease, value: &[u8], ttl: Duration) -> Result<bool, Unavailable> {
        // Else it is only given back.
        let ttl = if self.stands_since(lease.asked) {
            ttl
        } else {
            Duration::ZERO
        };
        let words = vec![
            value_key(key),
            lease_key(key),
            lease.nonce.as_str().into(),
            Value::from(value.to_vec().into_boxed_slice()),
            millis(ttl).unwrap_or_else(|| 0.into()),
        ];
        Ok(told(FILL.run(&self.redis, QUICK, 2, words).await)?.as_i64() == Some(1))
    }

    async fn bury(&self, key: &str, ttl: Duration) -> Result<(), Unavailable> {
        let words = vec![
            value_key(key),
            lease_key(key),
            millis(ttl).unwrap_or_else(|| 1.into()),
        ];
        // Worth waiting for: what is not buried lives on.
        told(BURY.run(&self.redis, LIMIT, 2, words).await).map(drop)
    }

    async fn admit(&self, key: &str, rate: Rate, cost: u32) -> Result<Admission, Unavailable> {
        let words = vec![
            format!("{PREFIX}rate:{key}").into(),
            rate.interval().to_string().into(),
            i64::from(rate.burst).into(),
            i64::from(cost).into(),
        ];
        let answer = told(ADMIT.run(&self.redis, QUICK, 1, words).await)?.into_array();
        let number = |at: usize| answer.get(at).and_then(Value::as_f64);
        match (number(0), number(1), number(2)) {
            (Some(allowed), Some(full_at), Some(now)) => Ok(rate.report(allowed > 0.5, now, full_at, cost)),
            _ => Err(Unavailable("an answer that is none".to_owned())),
        }
    }
}
