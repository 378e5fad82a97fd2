//! Scripts: several commands that Redis carries out as one. Each is sent once and then named by its digest.

use std::{sync::OnceLock, time::Duration};

use fred::prelude::Value;

use super::{Redis, RedisError};

/// One script.
pub(crate) struct Script {
    text: &'static str,
    digest: OnceLock<String>,
}

impl Script {
    /// A script with this text.
    pub(crate) const fn new(text: &'static str) -> Self {
        Self {
            text,
            digest: OnceLock::new(),
        }
    }

    /// Runs it; `words`: the keys, then the arguments.
    ///
    /// # Errors
    /// As [`Redis::call`].
    pub(crate) async fn run(
        &self,
        redis: &Redis,
        limit: Duration,
        keys: usize,
        words: Vec<Value>,
    ) -> Result<Value, RedisError> {
        let with = |head: &str| {
            let mut all = Vec::with_capacity(words.len() + 2);
            all.extend([Value::from(head), Value::from(keys as i64)]);
            all.extend(words.iter().cloned());
            all
        };
        if let Some(digest) = self.digest.get() {
            match redis.call(limit, "EVALSHA", with(digest)).await {
                // A server that has been restarted does not know it.
                Err(RedisError::Refused(why)) if why.contains("NOSCRIPT") => {}
                answer => return answer,
            }
        } else if let Ok(Value::String(digest)) = redis
            .call(limit, "SCRIPT", vec!["LOAD".into(), self.text.into()])
            .await
        {
            // Somebody else may have been quicker; it is the same.
            let _ = self.digest.set(digest.to_string());
        }
        redis.call(limit, "EVAL", with(self.text)).await
    }
}
