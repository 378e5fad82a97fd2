//! Where tokens and sessions are read: the cache that all processes share, and behind it the database.
//!
//! What the cache holds is good for 30 s at most and never past the token's end. It is filled under a lease
//! that a revocation takes away, so a row that was read before the revocation is not stored after it. Who does
//! not get the lease waits for what its holder stores: with an empty cache a row is read once, however many
//! processes ask for it. Only a cache that all processes share is used: of another one a revocation elsewhere
//! would know nothing.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use lamplighter_shared::{
    cache::{Cache, Found, Lease},
    db::{Db, DbError, Dialect, api_tokens, sessions},
    fault,
    proof::{Fingerprint, ProofKind},
    telemetry::metrics::{TOKEN_CACHE, TOKEN_READS},
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::sleep;
use tracing::Instrument;

/// The longest that a looked-up token is good without the database.
const TRUSTED: Duration = Duration::from_secs(30);
/// The longest between the lease and the fill, and the longest that anybody waits for another one's fill.
const LEASE: Duration = Duration::from_secs(2);
/// When who waits looks for the first time; each time later it waits twice as long, up to [`LOOK_AT_LEAST`].
const FIRST_LOOK: Duration = Duration::from_millis(5);
/// How seldom who waits looks: with many tokens at once, looking must not be what keeps the machine busy.
const LOOK_AT_LEAST: Duration = Duration::from_millis(80);

/// What is looked up by the fingerprint of a secret.
pub(crate) trait Proof: Clone + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Where it stands in the cache.
    const KIND: ProofKind;
    /// What reading it needs to know.
    type Rules: Send + Sync + 'static;

    /// Reads it from the database, if it is good, and for how many more milliseconds that is so.
    fn read(
        db: &Db,
        fingerprint: &Fingerprint,
        rules: &Self::Rules,
    ) -> impl Future<Output = Result<Option<(Self, i64)>, DbError>> + Send;
}

impl Proof for api_tokens::Live {
    const KIND: ProofKind = ProofKind::Token;
    type Rules = ();

    async fn read(db: &Db, fingerprint: &Fingerprint, (): &()) -> Result<Option<(Self, i64)>, DbError> {
        api_tokens::live_for(db, fingerprint).await
    }
}

/// How long a session lasts without use.
pub(crate) struct Idle(pub Duration);

impl Proof for sessions::Live {
    const KIND: ProofKind = ProofKind::Session;
    type Rules = Idle;

    async fn read(db: &Db, fingerprint: &Fingerprint, idle: &Idle) -> Result<Option<(Self, i64)>, DbError> {
        let idle = i64::try_from(idle.0.as_millis()).unwrap_or(i64::MAX / 2);
        sessions::live_for(db, fingerprint, idle).await
    }
}

/// What the cache says.
pub(super) enum Cached<P> {
    /// It is good.
    Live(P),
    /// It may say more soon.
    Nothing,
    /// Only the database can tell.
    Silent,
}

/// The cache and the database behind it.
pub(super) struct Source<P: Proof> {
    db: Db,
    /// None where there is no cache that all processes share.
    cache: Option<Arc<dyn Cache>>,
    rules: P::Rules,
}

impl<P: Proof> Source<P> {
    pub(super) fn new(db: Db, cache: Arc<dyn Cache>, rules: P::Rules) -> Self {
        let shared = cache.is_shared() && db.dialect() == Dialect::Postgres;
        Self {
            db,
            cache: shared.then_some(cache),
            rules,
        }
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.db.dialect()
    }

    /// Asks the cache alone: one way there and back.
    pub(super) async fn cached(&self, fingerprint: &Fingerprint) -> Cached<P> {
        let Some(cache) = &self.cache else {
            return Cached::Silent;
        };
        let (result, cached) = match cache.get(&P::KIND.cache_key(fingerprint)).await {
            Ok(Found::Value(text)) => match serde_json::from_slice::<P>(&text) {
                Ok(live) => ("hit", Cached::Live(live)),
                // Of another version: the database knows.
                Err(_) => ("miss", Cached::Silent),
            },
            Ok(Found::Nothing) => ("miss", Cached::Nothing),
            Ok(Found::Buried | Found::Doubtful) => ("miss", Cached::Silent),
            Err(error) => {
                tracing::debug!(%error, "a token is looked up without the cache");
                ("unavailable", Cached::Silent)
            }
        };
        count(result);
        cached
    }

    /// Asks the database alone.
    ///
    /// # Errors
    /// Where it does not answer.
    pub(super) async fn read(&self, fingerprint: &Fingerprint) -> Result<Option<P>, DbError> {
        Ok(self.row(fingerprint).await?.map(|(live, _)| live))
    }

    /// Reads the row and keeps what it says for the next time, or waits for somebody who does so just now.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub(super) async fn fetch(self: &Arc<Self>, fingerprint: &Fingerprint) -> Result<Option<P>, DbError> {
        let Some(cache) = &self.cache else {
            return self.read(fingerprint).await;
        };
        let key = P::KIND.cache_key(fingerprint);
        let (began, mut look) = (Instant::now(), FIRST_LOOK);
        while began.elapsed() < LEASE {
            match cache.lease(&key, LEASE).await {
                Ok(Some(lease)) => return self.fetch_under(cache, lease, *fingerprint).await,
                Ok(None) => sleep(look).await,
                Err(error) => {
                    count("unavailable");
                    tracing::debug!(%error, "a token is looked up without a lease");
                    break;
                }
            }
            look = (look * 2).min(LOOK_AT_LEAST);
            match self.cached(fingerprint).await {
                Cached::Live(live) => return Ok(Some(live)),
                Cached::Nothing => {}
                Cached::Silent => break,
            }
        }
        self.read(fingerprint).await
    }

    /// The same with the lease in hand. It is carried through also where the request is gone: others wait for it.
    async fn fetch_under(
        self: &Arc<Self>,
        cache: &Arc<dyn Cache>,
        lease: Lease,
        fingerprint: Fingerprint,
    ) -> Result<Option<P>, DbError> {
        let (source, cache) = (self.clone(), cache.clone());
        let fetching = async move {
            // Somebody may have filled it and given the lease back since we looked.
            if let Cached::Live(live) = source.cached(&fingerprint).await {
                return Ok(Some(live));
            }
            let asked = Instant::now();
            let row = source.row(&fingerprint).await;
            fault::point("auth.after_db_read").await;
            let good = row.as_ref().ok().and_then(Option::as_ref);
            keep(&*cache, &lease, &fingerprint, good, asked).await;
            Ok(row?.map(|(live, _)| live))
        };
        tokio::spawn(fetching.in_current_span())
            .await
            .unwrap_or_else(|error| Err(DbError::Statement(format!("a look-up broke off: {error}"))))
    }

    async fn row(&self, fingerprint: &Fingerprint) -> Result<Option<(P, i64)>, DbError> {
        let kind = P::KIND.as_str();
        metrics::counter!(TOKEN_READS, "kind" => kind).increment(1);
        P::read(&self.db, fingerprint, &self.rules).await
    }
}

/// One look into the cache.
fn count(result: &'static str) {
    metrics::counter!(TOKEN_CACHE, "result" => result).increment(1);
}

/// Stores what was read, and gives the lease back in any case. Best effort: what is not kept is read again.
async fn keep<P: Proof>(
    cache: &dyn Cache,
    lease: &Lease,
    fingerprint: &Fingerprint,
    good: Option<&(P, i64)>,
    asked: Instant,
) {
    // The database's clock says when a token ends; from here on only the time that is left counts.
    let left = good.map_or(0, |(_, left_ms)| u64::try_from(*left_ms).unwrap_or(0));
    let ttl = Duration::from_millis(left)
        .min(fault::time("auth.trusted", TRUSTED))
        .saturating_sub(asked.elapsed());
    let text = good.and_then(|(live, _)| serde_json::to_vec(live).ok());
    let ttl = if text.is_some() { ttl } else { Duration::ZERO };
    let key = P::KIND.cache_key(fingerprint);
    if let Err(error) = cache.fill(&key, lease, &text.unwrap_or_default(), ttl).await {
        tracing::debug!(%error, "a token was not kept");
    }
}
