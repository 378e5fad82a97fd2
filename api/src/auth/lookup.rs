//! Whether a token or a session is good: the cache first, then the database, which decides.
//!
//! What the cache holds is good for 30 s at most and never past the token's end. It is filled under a lease
//! that a revocation takes away, so a row that was read before the revocation is not stored after it. Only a
//! cache that all processes share is used: of another one a revocation elsewhere would know nothing.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use lamplighter_shared::{
    cache::{Cache, Found, Lease},
    clock::UnixMillis,
    db::{Db, DbError, Dialect, api_tokens, sessions},
    fault,
    proof::{Fingerprint, ProofKind},
};
use serde::{Serialize, de::DeserializeOwned};

/// The longest that a looked-up token is good without the database.
const TRUSTED: Duration = Duration::from_secs(30);
/// The longest between the lease and the fill.
const LEASE: Duration = Duration::from_secs(2);

/// What is looked up by the fingerprint of a secret.
pub(crate) trait Proof: Clone + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Where it stands in the cache.
    const KIND: ProofKind;
    /// What reading it needs to know.
    type Rules: Send + Sync + 'static;

    /// Reads it from the database, if it is good.
    fn read(
        db: &Db,
        fingerprint: &Fingerprint,
        rules: &Self::Rules,
    ) -> impl Future<Output = Result<Option<Self>, DbError>> + Send;

    /// When it ends.
    fn expires_at(&self) -> UnixMillis;
}

impl Proof for api_tokens::Live {
    const KIND: ProofKind = ProofKind::Token;
    type Rules = ();

    async fn read(db: &Db, fingerprint: &Fingerprint, (): &()) -> Result<Option<Self>, DbError> {
        api_tokens::live(db, fingerprint).await
    }

    fn expires_at(&self) -> UnixMillis {
        self.expires_at
    }
}

/// How long a session lasts without use.
pub(crate) struct Idle(pub Duration);

impl Proof for sessions::Live {
    const KIND: ProofKind = ProofKind::Session;
    type Rules = Idle;

    async fn read(db: &Db, fingerprint: &Fingerprint, idle: &Idle) -> Result<Option<Self>, DbError> {
        let idle = i64::try_from(idle.0.as_millis()).unwrap_or(i64::MAX / 2);
        sessions::live(db, fingerprint, idle).await
    }

    fn expires_at(&self) -> UnixMillis {
        self.expires_at
    }
}

/// Looks tokens or sessions up.
pub(crate) struct Lookup<P: Proof> {
    db: Db,
    /// None where there is no cache that all processes share.
    cache: Option<Arc<dyn Cache>>,
    rules: P::Rules,
    flights: Mutex<HashMap<Fingerprint, Arc<Flight<P>>>>,
    /// Orders arrivals and reads.
    moments: AtomicU64,
}

/// Reads of one row, one after the other. Who comes while one is under way waits for the next: the
/// row may have changed since that one began.
struct Flight<P> {
    last: tokio::sync::Mutex<Option<Landed<P>>>,
}

impl<P> Default for Flight<P> {
    fn default() -> Self {
        Self {
            last: tokio::sync::Mutex::default(),
        }
    }
}

struct Landed<P> {
    began: u64,
    ended: u64,
    result: Result<Option<P>, DbError>,
}

impl<P> Landed<P> {
    /// Whether it answers who came at this moment. That the database was away while one waited is an answer,
    /// too: the next read would take as long to say the same.
    fn serves(&self, arrived: u64) -> bool {
        self.began > arrived || (self.result.is_err() && self.ended > arrived)
    }
}

impl<P: Proof> Lookup<P> {
    pub(crate) fn new(db: Db, cache: Arc<dyn Cache>, rules: P::Rules) -> Self {
        let shared = cache.is_shared() && db.dialect() == Dialect::Postgres;
        Self {
            db,
            cache: shared.then_some(cache),
            rules,
            flights: Mutex::default(),
            moments: AtomicU64::default(),
        }
    }

    /// What has this fingerprint, if it is good.
    ///
    /// # Errors
    /// Where neither the cache nor the database says so.
    pub(crate) async fn live(&self, fingerprint: &Fingerprint) -> Result<Option<P>, DbError> {
        if self.db.dialect() == Dialect::Sqlite {
            // A read in the same process costs less than to agree on one.
            return P::read(&self.db, fingerprint, &self.rules).await;
        }
        if let Some(live) = self.cached(fingerprint).await {
            return Ok(Some(live));
        }
        let arrived = self.moment();
        let joined = Joined::new(self, *fingerprint);
        let mut last = joined.flight.last.lock().await;
        if let Some(landed) = last.as_ref().filter(|landed| landed.serves(arrived)) {
            return landed.result.clone();
        }
        let began = self.moment();
        let result = self.read(fingerprint).await;
        *last = Some(Landed {
            began,
            ended: self.moment(),
            result: result.clone(),
        });
        result
    }

    async fn cached(&self, fingerprint: &Fingerprint) -> Option<P> {
        let (result, live) = match self.cache.as_ref()?.get(&P::KIND.cache_key(fingerprint)).await {
            Ok(Found::Value(text)) => match serde_json::from_slice::<P>(&text) {
                Ok(live) => ("hit", Some(live)),
                // Of another version: the database knows.
                Err(_) => ("miss", None),
            },
            Ok(Found::Buried | Found::Nothing) => ("miss", None),
            Err(error) => {
                tracing::debug!(%error, "a token is looked up without the cache");
                ("unavailable", None)
            }
        };
        metrics::counter!("lamplighter_token_cache_total", "result" => result).increment(1);
        live
    }

    /// Reads the row, and keeps what it says for the next time.
    async fn read(&self, fingerprint: &Fingerprint) -> Result<Option<P>, DbError> {
        let key = P::KIND.cache_key(fingerprint);
        let lease = match &self.cache {
            Some(cache) => cache.lease(&key, LEASE).await.unwrap_or_default(),
            None => None,
        };
        let live = P::read(&self.db, fingerprint, &self.rules).await?;
        fault::point("auth.after_db_read").await;
        if let (Some(cache), Some(lease), Some(live)) = (&self.cache, lease, &live) {
            self.keep(&**cache, &key, &lease, live).await;
        }
        Ok(live)
    }

    /// Best effort: what is not kept is read again.
    async fn keep(&self, cache: &dyn Cache, key: &str, lease: &Lease, live: &P) {
        let asked = Instant::now();
        // The database's clock says when a token ends; from here on only the time that is left counts.
        let Ok(now) = self.db.now().await else { return };
        let left = Duration::from_millis(u64::try_from(live.expires_at() - now).unwrap_or(0));
        let ttl = left.min(TRUSTED).saturating_sub(asked.elapsed());
        let Ok(text) = serde_json::to_vec(live) else {
            return;
        };
        if let Err(error) = cache.fill(key, lease, &text, ttl).await {
            tracing::debug!(%error, "a token was not kept");
        }
    }

    fn moment(&self) -> u64 {
        self.moments.fetch_add(1, Ordering::SeqCst)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Fingerprint, Arc<Flight<P>>>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A part in a flight. The last one to leave closes it, also where its request is gone.
struct Joined<'a, P: Proof> {
    lookup: &'a Lookup<P>,
    fingerprint: Fingerprint,
    flight: Arc<Flight<P>>,
}

impl<'a, P: Proof> Joined<'a, P> {
    fn new(lookup: &'a Lookup<P>, fingerprint: Fingerprint) -> Self {
        let flight = lookup.lock().entry(fingerprint).or_default().clone();
        Self {
            lookup,
            fingerprint,
            flight,
        }
    }
}

impl<P: Proof> Drop for Joined<'_, P> {
    fn drop(&mut self) {
        let mut flights = self.lookup.lock();
        // The map's and ours.
        if Arc::strong_count(&self.flight) <= 2 {
            flights.remove(&self.fingerprint);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_failure_is_shared_with_who_came_while_it_was_read() {
        let landed = |result: Result<Option<()>, DbError>| Landed {
            began: 5,
            ended: 9,
            result,
        };
        let revoked = landed(Ok(None));
        assert!(revoked.serves(4) && !revoked.serves(6) && !revoked.serves(10));
        let failed = landed(Err(DbError::Unavailable("away".to_owned())));
        assert!(failed.serves(4) && failed.serves(6) && !failed.serves(10));
    }
}
