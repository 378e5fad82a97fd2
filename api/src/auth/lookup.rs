//! Whether a token or a session is good: the cache first, then the database, which decides.
//!
//! Requests of this process that ask for the same share a read. Not here: how the cache is filled, and that
//! processes do not all read the same ([`Source`]).

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use lamplighter_shared::{
    cache::Cache,
    db::{Db, DbError, Dialect},
    proof::Fingerprint,
};

use super::source::{Cached, Proof, Source};

/// Looks tokens or sessions up.
pub(crate) struct Lookup<P: Proof> {
    source: Arc<Source<P>>,
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
        Self {
            source: Arc::new(Source::new(db, cache, rules)),
            flights: Mutex::default(),
            moments: AtomicU64::default(),
        }
    }

    /// What has this fingerprint, if it is good.
    ///
    /// # Errors
    /// Where neither the cache nor the database says so.
    pub(crate) async fn live(&self, fingerprint: &Fingerprint) -> Result<Option<P>, DbError> {
        if self.source.dialect() == Dialect::Sqlite {
            // A read in the same process costs less than to agree on one.
            return self.source.read(fingerprint).await;
        }
        if let Cached::Live(live) = self.source.cached(fingerprint).await {
            return Ok(Some(live));
        }
        let arrived = self.moment();
        let joined = Joined::new(self, *fingerprint);
        let mut last = joined.flight.last.lock().await;
        if let Some(landed) = last.as_ref().filter(|landed| landed.serves(arrived)) {
            return landed.result.clone();
        }
        let began = self.moment();
        let result = self.source.fetch(fingerprint).await;
        *last = Some(Landed {
            began,
            ended: self.moment(),
            result: result.clone(),
        });
        result
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
