//! What `lamplighter user create` needs: a password judged and hashed.

use super::password::Passwords;
use crate::error::ApiError;

/// Judges and hashes a password that somebody at the server's machine gives to the account of `email`.
///
/// # Errors
/// Where it is too short, too long, or easily guessed.
pub async fn hash_password(min_length: usize, email: &str, text: &str) -> Result<String, ApiError> {
    Passwords::new(min_length)
        .hash_new(text, "/password", &[email])
        .await
}
