//! One connection to Redis. It is never repaired: when anything is wrong with it, it is dropped and another
//! one is made. So nobody ever waits for commands of an earlier connection, and none is sent twice.

use std::time::Duration;

use fred::{
    clients::Client,
    error::Error,
    prelude::{Builder, ClientLike, EventInterface},
    types::{
        RespVersion,
        config::{Config, TcpConfig},
    },
};
use tokio::{task::JoinHandle, time::sleep};

use super::{RedisError, say};

/// What connecting and greeting may take.
const OPEN_LIMIT: Duration = Duration::from_millis(1500);
/// Commands that may wait for the socket; one more is refused.
const QUEUE: usize = 8192;
/// Messages of channels that may wait for whoever reads them.
const MESSAGES: usize = 1024;
/// First and longest pause between tries to connect. The longest is short: an outage must be over soon
/// after its cause is, and a try a second costs nobody anything.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// Reads an address.
pub(super) fn config(url: &str) -> Result<Config, RedisError> {
    let known = ["redis://", "rediss://", "valkey://", "valkeys://"];
    let wrong = |why: &str| {
        RedisError::Address(format!(
            "redis.url can't be read: {why}; it looks like redis://HOST:PORT"
        ))
    };
    if !known.iter().any(|scheme| url.starts_with(scheme)) {
        return Err(wrong("it must begin with redis:// or rediss://"));
    }
    // The details of an error of the parser may repeat the password.
    let mut config = Config::from_url(url).map_err(|error| wrong(error.kind().to_str()))?;
    config.version = RespVersion::RESP3;
    config.fail_fast = true;
    Ok(config)
}

/// One connection.
pub(crate) struct Link {
    client: Client,
    task: JoinHandle<Result<(), Error>>,
}

impl Link {
    /// Connects, within a limit.
    ///
    /// # Errors
    /// Where nobody answers, or the answer is no.
    pub(crate) async fn open(config: &Config) -> Result<Self, RedisError> {
        match tokio::time::timeout(OPEN_LIMIT, Self::try_open(config)).await {
            Ok(opened) => opened,
            Err(_) => Err(RedisError::Unavailable("nobody answers".to_owned())),
        }
    }

    async fn try_open(config: &Config) -> Result<Self, RedisError> {
        // Without a policy a lost connection stays lost, which is what a link is.
        let client = Builder::from_config(config.clone())
            .with_connection_config(|connection| {
                connection.connection_timeout = OPEN_LIMIT;
                connection.internal_command_timeout = OPEN_LIMIT;
                connection.max_command_attempts = 1;
                connection.max_command_buffer_len = QUEUE;
                connection.tcp = TcpConfig {
                    nodelay: Some(true),
                    ..TcpConfig::default()
                };
            })
            .with_performance_config(|performance| performance.broadcast_channel_capacity = MESSAGES)
            .build()?;
        let mut connected = client.reconnect_rx();
        let task = client.connect();
        let mut link = Self { client, task };
        tokio::select! {
            _ = connected.recv() => {}
            why = link.ended() => return Err(RedisError::Unavailable(why)),
        }
        link.ping().await?;
        Ok(link)
    }

    /// To say commands with. They fail once the link is dropped.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Returns when the connection is lost, and why. To be called until it has returned once.
    pub(crate) async fn ended(&mut self) -> String {
        match (&mut self.task).await {
            Ok(Ok(())) => "it was closed".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        }
    }

    /// Asks for a sign of life, with no limit.
    ///
    /// # Errors
    /// Where the connection is lost.
    pub(crate) async fn ping(&self) -> Result<(), RedisError> {
        say(&self.client, "PING", Vec::new()).await.map(drop)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // Nothing of it is used again, which is when this is allowed.
        self.task.abort();
    }
}

/// Pauses between tries that grow while they fail.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    tries: u32,
}

impl Backoff {
    /// The next pause is the first again.
    pub(crate) fn worked(&mut self) {
        self.tries = 0;
    }

    /// Tells of a failure: loudly the first time, quietly after.
    pub(crate) fn failed(&self, what: &str, error: &RedisError) {
        if self.tries == 0 {
            tracing::warn!(%error, "could not {what}; trying again");
        } else {
            tracing::debug!(%error, "could not {what}; trying again");
        }
    }

    /// Waits; the next time longer.
    pub(crate) async fn pause(&mut self) {
        let longest = PAUSES.0.saturating_mul(1 << self.tries.min(10)).min(PAUSES.1);
        self.tries = self.tries.saturating_add(1);
        // Processes that lost the same server must not come back in step.
        sleep(longest.mul_f64(rand::random_range(0.5..=1.0))).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_wrong_ones_do_not_show_their_password() {
        for good in [
            "redis://127.0.0.1:6379",
            "redis://host",
            "redis://user:secret@host:1/2",
            "rediss://host",
        ] {
            assert!(config(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "host:6379",
            "http://host",
            "redis://user:secret@host:99999999",
            "redis://user:secret@",
        ] {
            let error = config(bad).expect_err(bad).to_string();
            assert!(
                error.contains("redis.url") && !error.contains("secret"),
                "{bad}: {error}"
            );
        }
    }
}
