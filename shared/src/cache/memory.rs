//! The cache of one process: a map with expiry, by the process's monotonic clock.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;

use super::{Admission, Cache, Found, Lease, Rate, Unavailable};

/// Entries at most; beyond that the ones that end first go.
const CAPACITY: usize = 100_000;

/// The cache of one process.
pub struct MemoryCache {
    start: Instant,
    nonces: AtomicU64,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    values: HashMap<String, Entry<Option<Vec<u8>>>>,
    leases: HashMap<String, Entry<Lease>>,
    /// Microseconds since the start of the cache.
    rates: HashMap<String, Entry<f64>>,
    /// Look for entries that have ended when there are so many.
    sweep_at: usize,
}

struct Entry<T> {
    value: T,
    until: Instant,
}

impl Default for MemoryCache {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            nonces: AtomicU64::default(),
            inner: Mutex::default(),
        }
    }
}

impl MemoryCache {
    /// How many entries there are, those that have ended and were not yet looked at included.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// As [`Cache::admit`], which can't fail here.
    pub fn admit_now(&self, key: &str, rate: Rate, cost: u32) -> Admission {
        let now = Instant::now();
        let micros = |at: Instant| (at - self.start).as_secs_f64() * 1e6;
        let mut inner = self.lock();
        let full_at = inner.rates.get(key).map_or(0.0, |entry| entry.value);
        let (admission, full_at) = rate.decide(micros(now), full_at, cost);
        if admission.allowed {
            inner.make_room(now);
            let entry = Entry {
                value: full_at,
                until: now + admission.reset,
            };
            inner.rates.insert(key.to_owned(), entry);
        }
        admission
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, key: &str, value: Option<Vec<u8>>, ttl: Duration) {
        self.lock().put(key, value, ttl);
    }
}

impl Inner {
    fn len(&self) -> usize {
        self.values.len() + self.leases.len() + self.rates.len()
    }

    fn get(&self, key: &str) -> Found {
        match self.values.get(key) {
            Some(entry) if entry.until > Instant::now() => {
                entry.value.clone().map_or(Found::Buried, Found::Value)
            }
            _ => Found::Nothing,
        }
    }

    fn put(&mut self, key: &str, value: Option<Vec<u8>>, ttl: Duration) {
        let now = Instant::now();
        self.make_room(now);
        let entry = Entry {
            value,
            until: now + ttl,
        };
        self.values.insert(key.to_owned(), entry);
    }

    /// Drops what has ended, and where that is not enough, what ends first.
    fn make_room(&mut self, now: Instant) {
        if self.len() < self.sweep_at.max(1024) {
            return;
        }
        self.values.retain(|_, entry| entry.until > now);
        self.leases.retain(|_, entry| entry.until > now);
        self.rates.retain(|_, entry| entry.until > now);
        if self.len() >= CAPACITY {
            // Rates stay: forgetting one would let more through than it says.
            drop_earliest(&mut self.values);
            self.leases.clear();
        }
        self.sweep_at = (self.len() * 2).clamp(1024, CAPACITY);
    }
}

/// Drops the half that ends first.
fn drop_earliest(values: &mut HashMap<String, Entry<Option<Vec<u8>>>>) {
    let mut ends: Vec<Instant> = values.values().map(|entry| entry.until).collect();
    if ends.is_empty() {
        return;
    }
    let middle = ends.len() / 2;
    let (_, median, _) = ends.select_nth_unstable(middle);
    let median = *median;
    values.retain(|_, entry| entry.until > median);
}

#[async_trait]
impl Cache for MemoryCache {
    fn is_shared(&self) -> bool {
        false
    }

    async fn get(&self, key: &str) -> Result<Found, Unavailable> {
        Ok(self.lock().get(key))
    }

    async fn set(&self, key: &str, value: &[u8], ttl: Duration) -> Result<(), Unavailable> {
        self.put(key, Some(value.to_vec()), ttl);
        Ok(())
    }

    async fn set_if_absent(&self, key: &str, value: &[u8], ttl: Duration) -> Result<bool, Unavailable> {
        let mut inner = self.lock();
        let absent = inner.get(key) == Found::Nothing;
        if absent {
            inner.put(key, Some(value.to_vec()), ttl);
        }
        Ok(absent)
    }

    async fn delete(&self, key: &str) -> Result<(), Unavailable> {
        self.lock().values.remove(key);
        Ok(())
    }

    async fn lease(&self, key: &str, ttl: Duration) -> Result<Option<Lease>, Unavailable> {
        let now = Instant::now();
        let mut inner = self.lock();
        if inner.leases.get(key).is_some_and(|entry| entry.until > now) {
            return Ok(None);
        }
        inner.make_room(now);
        let lease = Lease {
            nonce: self.nonces.fetch_add(1, Ordering::Relaxed).to_string(),
            asked: now,
        };
        let entry = Entry {
            value: lease.clone(),
            until: now + ttl,
        };
        inner.leases.insert(key.to_owned(), entry);
        Ok(Some(lease))
    }

    async fn fill(&self, key: &str, lease: &Lease, value: &[u8], ttl: Duration) -> Result<bool, Unavailable> {
        let now = Instant::now();
        let mut inner = self.lock();
        let stands = inner
            .leases
            .get(key)
            .is_some_and(|entry| entry.value == *lease && entry.until > now);
        if !stands {
            return Ok(false);
        }
        inner.leases.remove(key);
        let free = inner.get(key) != Found::Buried;
        if free {
            inner.put(key, Some(value.to_vec()), ttl);
        }
        Ok(free)
    }

    async fn bury(&self, key: &str, ttl: Duration) -> Result<(), Unavailable> {
        let mut inner = self.lock();
        inner.leases.remove(key);
        inner.put(key, None, ttl);
        Ok(())
    }

    async fn admit(&self, key: &str, rate: Rate, cost: u32) -> Result<Admission, Unavailable> {
        Ok(self.admit_now(key, rate, cost))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_has_ended_makes_room_and_rates_are_not_forgotten() {
        let cache = MemoryCache::default();
        let rate = Rate {
            per_second: 0.001,
            burst: 1,
        };
        assert!(cache.admit_now("used up", rate, 1).allowed);
        for n in 0..3 * CAPACITY {
            cache.put(&n.to_string(), Some(Vec::new()), Duration::from_secs(3600));
        }
        println!("entries kept of {}: {}", 3 * CAPACITY + 1, cache.len());
        assert!(cache.len() <= CAPACITY + 1);
        assert!(!cache.admit_now("used up", rate, 1).allowed);
        let last = (3 * CAPACITY - 1).to_string();
        assert_eq!(cache.get(&last).await, Ok(Found::Value(Vec::new())));
    }
}
