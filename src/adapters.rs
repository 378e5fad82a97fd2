//! What stands behind the seams of this process, chosen by two addresses alone: SQLite and channels in
//! the process, or Postgres, with Redis or without.

use std::{sync::Arc, time::Duration};

#[cfg(feature = "api")]
use lamplighter_shared::cache::{Cache, MemoryCache, RedisCache};
use lamplighter_shared::{
    cache::Redis,
    config::Config,
    db::{Db, DbError, DbOptions, retention},
    events::{Events, MemoryEvents, RedisEvents},
    lifecycle::Lifecycle,
    queue::{Doorbell, MemoryDoorbell, RedisDoorbell},
    telemetry::probes::{Probe, Probes},
};
use tokio::time::{Instant, sleep};

use crate::installation::{Failure, open_sqlite};

/// What stands behind the seams. Clones are cheap.
#[derive(Clone)]
pub struct Adapters {
    /// The truth.
    pub db: Db,
    /// Where running jobs tell their progress.
    pub events: Arc<dyn Events>,
    /// What wakes workers.
    pub doorbell: Arc<dyn Doorbell>,
    /// What processes remember for a while.
    #[cfg(feature = "api")]
    pub cache: Arc<dyn Cache>,
    /// Tells whether what stands there is there.
    pub probes: Probes,
}

impl Adapters {
    /// Connects to what the settings name. Redis need not answer: it only carries hints.
    ///
    /// # Errors
    /// Where the database can't be had.
    pub async fn connect(config: &Config, lifecycle: &Lifecycle) -> Result<Self, Failure> {
        let redis = match config.redis.url.as_str() {
            "" => None,
            url => Some(Redis::connect(url)?),
        };
        let db = database(config).await?;
        let probes = Probes::new(&db);
        let Some(redis) = redis else {
            return Ok(Self {
                db,
                events: Arc::new(if config.database.is_shared() {
                    MemoryEvents::of_one_among_many()
                } else {
                    MemoryEvents::default()
                }),
                doorbell: Arc::new(MemoryDoorbell::default()),
                #[cfg(feature = "api")]
                cache: Arc::new(MemoryCache::default()),
                probes,
            });
        };
        let asked = redis.clone();
        let probe = Probe::new(move || {
            let redis = asked.clone();
            async move { redis.ping().await.is_ok() }
        });
        if !redis.connected_within(Duration::from_secs(1)).await {
            tracing::warn!("Redis does not answer yet; everything goes on without it until it does");
        }
        Ok(Self {
            db,
            events: Arc::new(RedisEvents::start(&redis, lifecycle)),
            doorbell: Arc::new(RedisDoorbell::start(&redis, lifecycle)),
            #[cfg(feature = "api")]
            cache: Arc::new(RedisCache::new(&redis)),
            probes: probes.with_redis(probe),
        })
    }

    /// Removes what ended long ago, in the background. Every process does it, and none in another's way.
    pub fn keep_house(&self, config: &Arc<Config>, lifecycle: &Lifecycle) {
        lifecycle.spawn(retention::keep_house(
            self.db.clone(),
            config.clone(),
            lifecycle.clone(),
        ));
    }

    /// For roles that leave the schema to `lamplighter migrate`.
    ///
    /// # Errors
    /// Where the schema is older than this program.
    pub async fn require_current_schema(&self) -> Result<(), Failure> {
        match self.db.pending_migrations().await? {
            0 => Ok(()),
            pending => Err(Failure(format!(
                "the database lacks {pending} change(s) of the schema: run `lamplighter migrate` first"
            ))),
        }
    }
}

/// The cache of the settings, for commands that only say one thing to it.
///
/// # Errors
/// Where the address can't be read.
#[cfg(feature = "api")]
pub async fn cache(config: &Config) -> Result<Arc<dyn Cache>, Failure> {
    if config.redis.url.is_empty() {
        return Ok(Arc::new(MemoryCache::default()));
    }
    let redis = Redis::connect(&config.redis.url)?;
    redis.connected_within(Duration::from_secs(2)).await;
    Ok(Arc::new(RedisCache::new(&redis)))
}

/// The database of the settings. That of a single process is made and brought up to date.
///
/// # Errors
/// Where it does not answer within the time the settings give it.
pub async fn database(config: &Config) -> Result<Db, Failure> {
    if config.database.url.is_empty() {
        return open_sqlite(config).await;
    }
    let patience = Duration::from_secs(config.database.connect_seconds);
    let deadline = Instant::now() + patience;
    loop {
        match connect(config).await {
            Ok(db) => return Ok(db),
            Err(DbError::Unavailable(error)) if Instant::now() < deadline => {
                tracing::warn!(error, "the database does not answer yet; waiting for it");
                sleep(Duration::from_millis(500)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

async fn connect(config: &Config) -> Result<Db, DbError> {
    let options = DbOptions {
        timeout: Duration::from_secs_f64(config.database.timeout_seconds),
        ..DbOptions::default()
    };
    let db = Db::connect_with(&config.database.url, &options).await?;
    db.ping().await?;
    Ok(db)
}
