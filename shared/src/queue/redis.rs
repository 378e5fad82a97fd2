//! Doorbells between processes: a short stream a model in Redis. A ring is one entry; every process that
//! listens reads on from the last it has seen, without groups, so nothing is ever owed to anybody.
//!
//! What stands in an entry does not matter: that there is one is the ring. So no entry can be wrong. After
//! every new connection, and whenever a stream is not what it should be, all bells ring once: the claims
//! then look for themselves.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use fred::{
    clients::Client,
    prelude::{ClientLike, Value},
    types::{ClusterHash, CustomCommand},
};
use tokio::{
    sync::{Notify, broadcast, watch},
    time::{sleep, timeout},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Doorbell, Listener};
use crate::{
    cache::redis::{Backoff, Link, PREFIX, Redis, RedisError, Seldom, say},
    id::JobId,
    lifecycle::Lifecycle,
};

/// What a ring may take; it is lost then.
const RING_LIMIT: Duration = Duration::from_millis(50);
/// Entries of a stream: more than anybody reads at once would only be rung for nothing.
const KEPT: i64 = 128;
/// Cancellations are told one by one, so more of them are kept.
const KEPT_CANCELS: i64 = 1024;
/// How long the server holds a read that finds nothing …
const BLOCK: Duration = Duration::from_secs(2);
/// … and how long we wait for it to say so, before the connection is given up.
const ANSWER_LIMIT: Duration = Duration::from_millis(3500);
/// Commands of the reader that answer at once.
const LOOK_LIMIT: Duration = Duration::from_secs(1);

static SELDOM: Seldom = Seldom::new();

/// Doorbells of a fleet.
pub struct RedisDoorbell {
    redis: Redis,
    board: Arc<Board>,
    _end: DropGuard,
}

/// Who listens in this process, and for what.
struct Board {
    bells: Mutex<HashMap<String, watch::Sender<u64>>>,
    cancels: broadcast::Sender<JobId>,
    /// A model has got its first listener.
    grown: Notify,
}

impl RedisDoorbell {
    /// Starts to listen. Goes on while the process stops softly: running jobs can still be cancelled.
    pub fn start(redis: &Redis, lifecycle: &Lifecycle) -> Self {
        let board = Arc::new(Board {
            bells: Mutex::default(),
            cancels: broadcast::channel(KEPT_CANCELS as usize).0,
            grown: Notify::new(),
        });
        let end = CancellationToken::new();
        let reader = Reader {
            redis: redis.clone(),
            board: board.clone(),
            seen: HashMap::new(),
        };
        let (dropped, hard) = (end.clone(), lifecycle.hard.clone());
        // Not one of the tasks that a stop waits for: it has nothing to finish.
        tokio::spawn(async move {
            tokio::select! {
                () = reader.run() => {}
                () = dropped.cancelled() => {}
                () = hard.cancelled() => {}
            }
        });
        Self {
            redis: redis.clone(),
            board,
            _end: end.drop_guard(),
        }
    }

    /// Appends one entry. A stream that takes none (it is no stream, or somebody wrote the last possible id
    /// into it) is thrown away first.
    async fn append(&self, key: String, kept: i64, job: JobId) {
        let add = |key: &str| {
            let words = vec![
                key.into(),
                "MAXLEN".into(),
                "~".into(),
                kept.into(),
                "*".into(),
                "job".into(),
                job.to_string().into(),
            ];
            self.redis.call(RING_LIMIT, "XADD", words)
        };
        let attempt = async {
            match add(&key).await {
                Err(RedisError::Refused(error)) => {
                    if SELDOM.is_due() {
                        tracing::warn!(key, error, "a stream of doorbells is made anew");
                    }
                    self.redis
                        .call(RING_LIMIT, "DEL", vec![key.as_str().into()])
                        .await?;
                    add(&key).await
                }
                answer => answer,
            }
        };
        let result = match timeout(RING_LIMIT, attempt).await {
            Ok(Ok(_)) => "rung",
            Ok(Err(error)) => {
                tracing::debug!(%error, "a doorbell was not rung");
                "lost"
            }
            Err(_) => "lost",
        };
        metrics::counter!("lamplighter_doorbells_total", "result" => result).increment(1);
    }
}

#[async_trait]
impl Doorbell for RedisDoorbell {
    async fn ring(&self, model: &str, job: JobId) {
        self.append(bell_key(model), KEPT, job).await;
    }

    fn listen(&self, model: &str) -> Listener {
        let mut bells = self.board.bells.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bell) = bells.get(model) {
            return Listener(bell.subscribe());
        }
        let (bell, listener) = watch::channel(0);
        bells.insert(model.to_owned(), bell);
        self.board.grown.notify_one();
        Listener(listener)
    }

    async fn ring_cancel(&self, job: JobId) {
        self.append(cancels_key(), KEPT_CANCELS, job).await;
    }

    fn listen_cancels(&self) -> broadcast::Receiver<JobId> {
        self.board.cancels.subscribe()
    }
}

impl Board {
    fn models(&self) -> Vec<String> {
        let bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        bells.keys().cloned().collect()
    }

    fn ring(&self, model: &str) {
        let bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bell) = bells.get(model) {
            bell.send_modify(|rings| *rings = rings.wrapping_add(1));
        }
    }
}

fn bell_key(model: &str) -> String {
    format!("{PREFIX}bell:{model}")
}

fn cancels_key() -> String {
    format!("{PREFIX}cancels")
}

/// The one task of a process that reads.
struct Reader {
    redis: Redis,
    board: Arc<Board>,
    /// The last entry read of each stream, by key.
    seen: HashMap<String, String>,
}

impl Reader {
    async fn run(mut self) {
        let mut backoff = Backoff::default();
        loop {
            let end = match Link::open(self.redis.config()).await {
                Ok(mut link) => {
                    let client = link.client().clone();
                    tokio::select! {
                        end = self.read_on(&client, &mut backoff) => end,
                        why = link.ended() => Err(RedisError::Unavailable(why)),
                    }
                }
                Err(error) => Err(error),
            };
            if let Err(error) = end {
                backoff.failed("listen for doorbells", &error);
                backoff.pause().await;
            }
        }
    }

    /// Reads until the connection is of no use (an error), or another model is listened to (the read that
    /// is under way knows nothing of it).
    async fn read_on(&mut self, client: &Client, backoff: &mut Backoff) -> Result<(), RedisError> {
        let board = self.board.clone();
        let models = board.models();
        let streams: Vec<(String, Option<&str>)> = models
            .iter()
            .map(|model| (bell_key(model), Some(model.as_str())))
            .chain([(cancels_key(), None)])
            .collect();
        self.seen.retain(|key, _| streams.iter().any(|(k, _)| k == key));
        // First where the streams stand, then the rings: what comes between the two is read.
        self.take_stand(client, &streams, true).await?;
        loop {
            let answer = tokio::select! {
                answer = timeout(ANSWER_LIMIT, self.read(client, &streams)) => answer,
                () = board.grown.notified() => return Ok(()),
            };
            match answer {
                Err(_) => return Err(RedisError::Unavailable("it gives no sign of life".to_owned())),
                Ok(Err(RedisError::Refused(error))) => {
                    // Not a stream any more, most likely.
                    tracing::warn!(error, "doorbells can't be read; looking at them anew");
                    self.take_stand(client, &streams, true).await?;
                    backoff.pause().await;
                }
                Ok(Err(error)) => return Err(error),
                Ok(Ok(answer)) if answer.is_null() => {
                    backoff.worked();
                    self.take_stand(client, &streams, false).await?;
                }
                Ok(Ok(answer)) => {
                    backoff.worked();
                    self.hear(answer, &streams).await;
                }
            }
        }
    }

    async fn read(&self, client: &Client, streams: &[(String, Option<&str>)]) -> Result<Value, RedisError> {
        let block = BLOCK.as_millis() as i64;
        let mut words: Vec<Value> = vec!["COUNT".into(), (2 * KEPT_CANCELS).into(), "BLOCK".into()];
        words.extend([block.into(), "STREAMS".into()]);
        words.extend(streams.iter().map(|(key, _)| Value::from(key.as_str())));
        let from = |key: &String| self.seen.get(key).map_or("0-0", String::as_str);
        words.extend(streams.iter().map(|(key, _)| Value::from(from(key))));
        let command = CustomCommand::new_static("XREAD", ClusterHash::FirstKey, true);
        Ok(client.custom(command, words).await?)
    }

    /// Finds out where the streams end. At a new start that is where reading begins, and all bells ring;
    /// later only those ring that end elsewhere than was read: their stream was lost, and begins anew with
    /// ids that may be lower. What is no stream is removed.
    async fn take_stand(
        &mut self,
        client: &Client,
        streams: &[(String, Option<&str>)],
        anew: bool,
    ) -> Result<(), RedisError> {
        for (key, model) in streams {
            let words = vec![
                key.as_str().into(),
                "+".into(),
                "-".into(),
                "COUNT".into(),
                1.into(),
            ];
            let end = match timeout(LOOK_LIMIT, say(client, "XREVRANGE", words)).await {
                Ok(Err(RedisError::Refused(_))) => {
                    let removed = timeout(LOOK_LIMIT, say(client, "DEL", vec![key.as_str().into()])).await;
                    removed.map_err(|_| RedisError::Unavailable("no answer".to_owned()))??;
                    None
                }
                Ok(answer) => last_id(answer?),
                Err(_) => return Err(RedisError::Unavailable("no answer".to_owned())),
            };
            let end = end.unwrap_or_else(|| "0-0".to_owned());
            let known = self.seen.get(key);
            match model {
                // Cancellations that came meanwhile are still read, where the stream is the same.
                None if known.is_some_and(|seen| !is_after(seen, &end)) => {}
                _ if known == Some(&end) && !anew => {}
                Some(model) => {
                    self.seen.insert(key.clone(), end);
                    self.board.ring(model);
                }
                None => {
                    self.seen.insert(key.clone(), end);
                }
            }
        }
        Ok(())
    }

    async fn hear(&mut self, answer: Value, streams: &[(String, Option<&str>)]) {
        // Not everybody at the same moment. Most of the time nobody waits, so that an idle fleet is quick.
        let jitter = rand::random_range(0..6u64).saturating_sub(3);
        if jitter > 0 {
            sleep(Duration::from_millis(jitter)).await;
        }
        for (key, entries) in by_stream(answer) {
            let Some((_, model)) = streams.iter().find(|(k, _)| *k == key) else {
                continue;
            };
            if let Some(last) = entries.last().and_then(entry_id) {
                self.seen.insert(key, last);
            }
            match model {
                Some(model) => self.board.ring(model),
                None => {
                    for job in entries.into_iter().filter_map(job_of) {
                        // Nobody listening is no fault: this process runs no jobs.
                        let _ = self.board.cancels.send(job);
                    }
                }
            }
        }
    }
}

/// Streams with their entries, in either form of the protocol.
fn by_stream(answer: Value) -> Vec<(String, Vec<Value>)> {
    match answer {
        Value::Map(map) => map
            .inner()
            .into_iter()
            .map(|(key, entries)| (key.as_str_lossy().into_owned(), entries.into_array()))
            .collect(),
        Value::Array(streams) => streams
            .into_iter()
            .filter_map(|stream| {
                let mut parts = stream.into_array().into_iter();
                Some((parts.next()?.as_string()?, parts.next()?.into_array()))
            })
            .collect(),
        _ => Vec::new(),
    }
}

fn entry_id(entry: &Value) -> Option<String> {
    match entry {
        Value::Array(parts) => parts.first()?.as_string(),
        _ => None,
    }
}

fn last_id(entries: Value) -> Option<String> {
    entries.into_array().first().and_then(entry_id)
}

/// The job an entry names, if it names one.
fn job_of(entry: Value) -> Option<JobId> {
    let fields = entry.into_array().into_iter().nth(1)?.into_array();
    let at = fields
        .iter()
        .step_by(2)
        .position(|name| name.as_bytes() == Some(b"job"))?;
    fields.get(2 * at + 1)?.as_str()?.parse().ok()
}

/// Whether one id stands after another.
fn is_after(id: &str, other: &str) -> bool {
    let parts = |id: &str| -> Option<(u64, u64)> {
        let (ms, seq) = id.split_once('-')?;
        Some((ms.parse().ok()?, seq.parse().ok()?))
    };
    parts(id) > parts(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_compared_as_numbers() {
        assert!(is_after("10-0", "9-5") && is_after("9-10", "9-9"));
        assert!(!is_after("9-9", "9-9") && !is_after("9-9", "10-0"));
        assert!(is_after("18446744073709551615-18446744073709551615", "0-0"));
    }
}
