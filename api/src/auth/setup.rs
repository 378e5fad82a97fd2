//! What `lamplighter user create` needs: a password judged and hashed, or a secret to set one with.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use super::{password::Passwords, token::Fingerprint};
use crate::error::ApiError;

/// Judges and hashes a password that somebody at the server's machine gives to the account of `email`.
///
/// # Errors
/// Where it is too short, too long, or easily guessed.
pub async fn hash_password(min_length: usize, email: &str, text: &str) -> Result<String, ApiError> {
    let passwords = Passwords::new(min_length);
    passwords.check(text, "/password", &[email])?;
    passwords.hash(text).await
}

/// A new secret with which an account is claimed, once, and what the database keeps of it.
pub fn setup_secret() -> (String, Fingerprint) {
    let secret = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
    let fingerprint = Sha256::digest(secret.as_bytes()).into();
    (secret, fingerprint)
}
