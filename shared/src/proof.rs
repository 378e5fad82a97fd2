//! Secrets that prove who asks (tokens, cookies of sessions) as everybody but their holder knows them: by the
//! SHA-256 of their text. This is what they are called in the cache; what is cached stands in `db`.

use std::fmt::Write;

/// SHA-256 of a secret's text.
pub type Fingerprint = [u8; 32];

/// What kind of secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProofKind {
    /// An API token.
    Token,
    /// The cookie of a session.
    Session,
}

impl ProofKind {
    /// Its name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Session => "session",
        }
    }

    /// Where a proof of this kind stands in the cache.
    pub fn cache_key(self, fingerprint: &Fingerprint) -> String {
        let mut key = format!("{}:", self.as_str());
        for byte in fingerprint {
            // Writing to a string can't fail.
            let _ = write!(key, "{byte:02x}");
        }
        key
    }
}
