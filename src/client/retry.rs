//! Asking again where an answer was lost or the server refuses for now.

use std::time::Duration;

use super::{http::CallError, stream::Patience};

/// Tries of a call; with an idempotency key they are one job.
pub const TRIES: u32 = 8;

/// Calls until there is an answer, or no sense in calling again.
///
/// # Errors
/// Those of the last call.
pub async fn persist(
    patience: Patience,
    mut call: impl AsyncFnMut() -> Result<String, CallError>,
) -> Result<String, CallError> {
    let mut pause = patience.first;
    for tries_left in (0..TRIES).rev() {
        let asked = match call().await {
            Ok(text) => return Ok(text),
            // Nobody was there in the first place: that will not change while we wait.
            Err(e @ CallError::NotConnected(_)) if tries_left + 1 == TRIES => return Err(e),
            Err(e) if tries_left == 0 => return Err(e),
            Err(CallError::NotConnected(_) | CallError::Lost(_)) => Duration::ZERO,
            Err(CallError::Busy(refusal)) => refusal.retry_after.unwrap_or_default(),
            // Our first try with this key is still on its way into the database.
            Err(CallError::Refused(refusal)) if refusal.text.starts_with("idempotency_in_flight") => {
                Duration::ZERO
            }
            Err(e) => return Err(e),
        };
        tokio::time::sleep(pause.max(asked.min(patience.total))).await;
        pause = (pause * 2).min(patience.longest);
    }
    unreachable!("the last try returns")
}
