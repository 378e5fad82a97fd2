//! `[server]`: the HTTP side and the process.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::ConfigError;
use crate::{network::Network, origin::Origin};

/// Room for two bodies of 16 MiB.
const LEAST_BODY_MEMORY: usize = 32 << 20;

/// The HTTP side and the process.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Where everything lives: database, secrets, models.
    pub data_dir: PathBuf,
    /// Address of the HTTP API, `HOST:PORT`.
    pub bind: String,
    /// Seconds until a client that takes no byte of an answer is cut off.
    pub write_timeout_seconds: u64,
    /// Seconds a client may take to send a request, its body included.
    pub read_timeout_seconds: u64,
    /// Open event streams of one owner.
    pub streams_per_owner: usize,
    /// Requests in work at once; waits and open streams do not count.
    pub max_in_flight: usize,
    /// Bytes that large bodies on their way may take together.
    pub body_memory_bytes: usize,
    /// Seconds a stop waits for work in hand.
    pub grace_seconds: u64,
    /// The key that tokens are sealed with; empty: `DATA_DIR/secret.key`.
    pub secret_key_file: PathBuf,
    /// The address that people and mails use (`https://ai.example.org`); empty: `http://` and the address bound.
    pub public_url: String,
    /// Whether people may log in over plain HTTP from elsewhere than this machine.
    pub allow_insecure_http: bool,
    /// Origins (`https://app.example.org`) whose pages may call the API with a token.
    pub cors_origins: Vec<String>,
    /// Addresses or networks (`10.0.0.0/8`) of the proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
}

impl Server {
    /// The origin of `public_url`, where there is one.
    pub fn public_origin(&self) -> Option<Origin> {
        Origin::of(&self.public_url)
    }

    /// The addresses are addresses.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.body_memory_bytes < LEAST_BODY_MEMORY {
            return Err(ConfigError(format!(
                "server.body_memory_bytes must be at least {LEAST_BODY_MEMORY} (32 MiB: one address has half, which \
                 is one body of the largest kind), not {}",
                self.body_memory_bytes
            )));
        }
        if !self.public_url.is_empty() && self.public_origin().is_none() {
            return Err(ConfigError(format!(
                "server.public_url must be like https://ai.example.org, not {:?}",
                self.public_url
            )));
        }
        match self
            .cors_origins
            .iter()
            .find(|text| Origin::parse(text).is_none())
        {
            Some(text) => Err(ConfigError(format!(
                "server.cors_origins: {text:?} is no origin (scheme://host[:port], lower case, without a path or \
                 the scheme's own port)"
            ))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn origins_are_exact_and_the_public_address_is_one() {
        let mut server = Config::default().server;
        server.cors_origins = vec![
            "https://app.example.org".to_owned(),
            "http://localhost:3000".to_owned(),
        ];
        server.public_url = "https://ai.example.org/".to_owned();
        server.check().expect("fits");
        for bad in [
            "*",
            "null",
            "https://app.example.org/",
            "https://*.example.org",
            "app.example.org",
        ] {
            server.cors_origins = vec![bad.to_owned()];
            let refused = server.check().expect_err(bad).to_string();
            assert!(refused.contains("server.cors_origins"), "{refused}");
        }
        server.cors_origins.clear();
        server.public_url = "ai.example.org".to_owned();
        let refused = server.check().expect_err("no scheme").to_string();
        assert!(refused.contains("server.public_url"), "{refused}");
    }
}
