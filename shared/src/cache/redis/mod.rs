//! Redis: the connections of a process, and the cache that uses them.
//!
//! Redis may be down, slow, empty or cut off at any time. So each connection is a [`Link`] that is thrown
//! away at the first doubt and made anew, and no command waits for one: without a link it fails at once,
//! with one it fails after its time is up. What fails is lost and counted; nothing queues up for later.

mod link;
mod script;
mod store;

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use fred::{
    clients::Client,
    prelude::{ClientLike, Value},
    types::{ClusterHash, CustomCommand, config::Config},
};
use tokio::{
    sync::{Notify, watch},
    time::{sleep, timeout},
};
use tokio_util::sync::{CancellationToken, DropGuard};

pub(crate) use link::{Backoff, Link};
pub(crate) use script::Script;
pub use store::RedisCache;

/// Every key begins with this.
pub(crate) const PREFIX: &str = "lamplighter:";
/// What a command may take.
pub(crate) const LIMIT: Duration = Duration::from_millis(500);
/// A command that gets no answer for so long puts the link in doubt: the next ones fail at once, until the
/// link has given a sign of life.
const DOUBTFUL: Duration = Duration::from_millis(200);
/// An idle link is asked for a sign of life so often …
const PING_EVERY: Duration = Duration::from_secs(1);
/// … and is thrown away where the answer takes longer.
const PING_LIMIT: Duration = Duration::from_secs(1);

/// Redis said no, or nothing.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RedisError {
    /// The address can't be used. Does not repeat it: it may hold a password.
    #[error("{0}")]
    Address(String),
    /// No connection, or no answer in time. Whether the command was carried out is not known.
    #[error("{0}")]
    Unavailable(String),
    /// An answer that is an error, or not what was asked for.
    #[error("{0}")]
    Refused(String),
}

impl From<fred::error::Error> for RedisError {
    fn from(error: fred::error::Error) -> Self {
        use fred::error::ErrorKind as Kind;
        let details = error.details();
        // Said by a server that starts, just lost its place, or has no room: it will pass.
        let passes = [
            "LOADING",
            "READONLY",
            "MASTERDOWN",
            "CLUSTERDOWN",
            "TRYAGAIN",
            "BUSY ",
            "OOM",
            "MISCONF",
            "NOREPLICAS",
        ];
        let connection = matches!(
            error.kind(),
            Kind::IO
                | Kind::Canceled
                | Kind::Timeout
                | Kind::Backpressure
                | Kind::Tls
                | Kind::Routing
                | Kind::Auth
                | Kind::Cluster
                | Kind::Sentinel
        );
        if connection || passes.iter().any(|word| details.starts_with(word)) {
            Self::Unavailable(error.to_string())
        } else {
            Self::Refused(error.to_string())
        }
    }
}

/// Lets a log line through now and then: what is refused once is refused thousands of times.
pub(crate) struct Seldom(Mutex<Option<Instant>>);

impl Seldom {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Whether it is time for another one: at most every 10 s.
    pub(crate) fn is_due(&self) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.is_none_or(|last| last.elapsed() > Duration::from_secs(10));
        if due {
            *last = Some(Instant::now());
        }
        due
    }
}

/// The connection of a process for commands that answer at once. Clones share it; it ends with the last.
#[derive(Clone)]
pub struct Redis {
    inner: Arc<Inner>,
}

struct Inner {
    config: Config,
    up: watch::Receiver<Option<Up>>,
    doubt: Arc<Doubt>,
    _end: DropGuard,
}

/// A link that works.
#[derive(Clone)]
struct Up {
    client: Client,
    since: Instant,
}

/// Whether a command got no answer in time, so that the link is looked at.
#[derive(Default)]
struct Doubt {
    raised: AtomicBool,
    look: Notify,
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The address may hold a password.
        write!(f, "Redis(connected: {})", self.is_connected())
    }
}

impl Redis {
    /// Begins to connect, and returns at once: whether the server is there shows later, and may change.
    /// Takes `redis://` and `rediss://` addresses. Must be called within a runtime.
    ///
    /// # Errors
    /// Where the address can't be read.
    pub fn connect(url: &str) -> Result<Self, RedisError> {
        let config = link::config(url)?;
        let (up_tx, up) = watch::channel(None);
        let (end, doubt) = (CancellationToken::new(), Arc::<Doubt>::default());
        let supervisor = Supervisor {
            config: config.clone(),
            up: up_tx,
            doubt: doubt.clone(),
        };
        let ended = end.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = supervisor.run() => {}
                () = ended.cancelled() => {}
            }
        });
        let inner = Inner {
            config,
            up,
            doubt,
            _end: end.drop_guard(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Whether there is a connection of which nothing bad is known.
    pub fn is_connected(&self) -> bool {
        self.up().is_ok()
    }

    /// Waits until there is a connection, at most `limit`; whether there is one.
    pub async fn connected_within(&self, limit: Duration) -> bool {
        let mut up = self.inner.up.clone();
        let connected = timeout(limit, up.wait_for(Option::is_some)).await;
        connected.is_ok_and(|up| up.is_ok())
    }

    /// Asks the server whether it is there.
    ///
    /// # Errors
    /// Where it does not answer within half a second.
    pub async fn ping(&self) -> Result<(), RedisError> {
        self.call(LIMIT, "PING", Vec::new()).await.map(drop)
    }

    /// How long the connection has been standing; none where there is none.
    pub(crate) fn connected_for(&self) -> Option<Duration> {
        self.up().ok().map(|up| up.since.elapsed())
    }

    /// How to make links of one's own.
    pub(crate) fn config(&self) -> &Config {
        &self.inner.config
    }

    fn up(&self) -> Result<Up, RedisError> {
        let unavailable = |why: &str| RedisError::Unavailable(why.to_owned());
        if self.inner.doubt.raised.load(Ordering::Relaxed) {
            return Err(unavailable("Redis has stopped answering"));
        }
        let up = self.inner.up.borrow().clone();
        up.ok_or_else(|| unavailable("there is no connection to Redis"))
    }

    /// Says one command and waits at most `limit` for the answer. Without a connection it fails at once.
    pub(crate) async fn call(
        &self,
        limit: Duration,
        command: &'static str,
        words: Vec<Value>,
    ) -> Result<Value, RedisError> {
        let up = self.up()?;
        match timeout(limit, say(&up.client, command, words)).await {
            Ok(answer) => answer,
            Err(_) => {
                if limit >= DOUBTFUL {
                    self.inner.doubt.raised.store(true, Ordering::Relaxed);
                }
                self.inner.doubt.look.notify_one();
                let ms = limit.as_millis();
                Err(RedisError::Unavailable(format!(
                    "Redis did not answer {command} in {ms} ms"
                )))
            }
        }
    }
}

/// Says one command on a client, with no limit.
pub(crate) async fn say(
    client: &Client,
    command: &'static str,
    words: Vec<Value>,
) -> Result<Value, RedisError> {
    let command = CustomCommand::new_static(command, ClusterHash::FirstKey, false);
    Ok(client.custom(command, words).await?)
}

/// Keeps one link, for ever.
struct Supervisor {
    config: Config,
    up: watch::Sender<Option<Up>>,
    doubt: Arc<Doubt>,
}

impl Supervisor {
    async fn run(self) {
        let mut backoff = Backoff::default();
        loop {
            match Link::open(&self.config).await {
                Ok(mut link) => {
                    backoff.worked();
                    tracing::info!("connected to Redis");
                    self.doubt.raised.store(false, Ordering::Relaxed);
                    self.up.send_replace(Some(Up {
                        client: link.client().clone(),
                        since: Instant::now(),
                    }));
                    let why = self.watch(&mut link).await;
                    self.up.send_replace(None);
                    tracing::warn!(why, "the connection to Redis is lost; going on without it");
                }
                Err(error) => backoff.failed("connect to Redis", &error),
            }
            backoff.pause().await;
        }
    }

    /// Returns when the link is of no use any more, and why.
    async fn watch(&self, link: &mut Link) -> String {
        loop {
            tokio::select! {
                why = link.ended() => return why,
                () = self.doubt.look.notified() => {}
                () = sleep(PING_EVERY) => {}
            }
            match timeout(PING_LIMIT, link.ping()).await {
                Ok(Ok(())) => self.doubt.raised.store(false, Ordering::Relaxed),
                Ok(Err(error)) => return error.to_string(),
                Err(_) => return "it gives no sign of life".to_owned(),
            }
        }
    }
}
