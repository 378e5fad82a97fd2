//! What processes remember for a while and may lose at any moment: looked-up rows, and how much of a
//! rate is used up. The database stays the truth; whoever gets [`Unavailable`] goes there.
//!
//! A looked-up row is kept under a lease: [`Cache::lease`] before the row is read, [`Cache::fill`] after.
//! A change of the row is committed first and then told by [`Cache::bury`]. So an old row that was read
//! before the change is never stored after it: its lease is gone, and a tombstone is in its place.
//!
//! Not here: doorbells (`queue`) and events (`events`), though the connections to Redis are.

mod memory;
mod rate;
pub mod redis;

use std::time::{Duration, Instant};

use async_trait::async_trait;

pub use memory::MemoryCache;
pub use rate::{Admission, Rate};
pub use redis::{Redis, RedisCache, RedisError};

/// Nothing can be said: the server of the cache does not answer. Nothing is known to have happened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the cache does not answer: {0}")]
pub struct Unavailable(pub String);

/// What is under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// This value.
    Value(Vec<u8>),
    /// What was here is void: only the database knows what is now.
    Buried,
    /// A value, but the server may have come back with it from before a change: only the database knows.
    Doubtful,
    /// Nothing.
    Nothing,
}

/// The right to store what is about to be read. It is worth nothing to anybody else, and to nobody once the
/// server of the cache was lost meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    nonce: String,
    /// Before it was asked for.
    asked: Instant,
}

/// A map with expiry that several processes may share. Times to live are relative and counted by whoever
/// keeps the map; one of zero stores nothing.
#[async_trait]
pub trait Cache: Send + Sync + 'static {
    /// Whether other processes see the same map. What is true only as long as nobody changes it elsewhere
    /// may be kept in a shared one alone.
    fn is_shared(&self) -> bool;

    /// What is under `key`.
    async fn get(&self, key: &str) -> Result<Found, Unavailable>;

    /// Stores `value`, whatever was there.
    async fn set(&self, key: &str, value: &[u8], ttl: Duration) -> Result<(), Unavailable>;

    /// Stores `value` where nothing is; whether it did.
    async fn set_if_absent(&self, key: &str, value: &[u8], ttl: Duration) -> Result<bool, Unavailable>;

    /// Removes what is under `key`, a tombstone too.
    async fn delete(&self, key: &str) -> Result<(), Unavailable>;

    /// The right to [`Cache::fill`] this key within `ttl`; none where somebody else has it.
    async fn lease(&self, key: &str, ttl: Duration) -> Result<Option<Lease>, Unavailable>;

    /// Stores `value` and gives the lease back, if the lease still stands and no tombstone does; whether
    /// it stored. With no time to live the lease is only given back.
    async fn fill(&self, key: &str, lease: &Lease, value: &[u8], ttl: Duration) -> Result<bool, Unavailable>;

    /// Voids what is under `key` and every lease on it, and keeps it void for `ttl`.
    async fn bury(&self, key: &str, ttl: Duration) -> Result<(), Unavailable>;

    /// Takes `cost` from the rate of `key`, all of it or nothing. In any time t no more than
    /// `burst + per_second × t` is let through. A cost above the burst is never let through.
    async fn admit(&self, key: &str, rate: Rate, cost: u32) -> Result<Admission, Unavailable>;
}
