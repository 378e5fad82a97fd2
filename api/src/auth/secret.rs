//! Secrets that are drawn at random (cookies of sessions, tokens of links), and what everybody but their holder
//! knows them by.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use super::token::Fingerprint;

/// A new secret: 256 random bits as text (base64url, without padding), and its fingerprint.
pub fn fresh() -> (String, Fingerprint) {
    let text = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
    let fingerprint = fingerprint(&text);
    (text, fingerprint)
}

/// SHA-256 of a secret's text: all that is stored of it.
pub(crate) fn fingerprint(text: &str) -> Fingerprint {
    Sha256::digest(text.as_bytes()).into()
}
