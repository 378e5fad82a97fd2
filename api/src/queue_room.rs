//! The bound on jobs that wait, of everybody (`limits.waiting`). It keeps a flood from filling the database, so it
//! is cheap and nearly right: this process asks for the sum once a second and adds what it stores itself.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use lamplighter_shared::{
    db::{Db, shares},
    error::ErrorCode,
    telemetry::metrics::RATE_LIMIT,
};

use crate::{error::ApiError, message::message};

/// How long a sum is good.
const GOOD: Duration = Duration::from_secs(1);
/// When somebody who is turned away may come again.
const AGAIN: Duration = Duration::from_secs(5);

/// What is known of the room in the queues.
pub(crate) struct QueueRoom {
    /// 0: no limit.
    limit: u64,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    waiting: u64,
    asked_at: Option<Instant>,
}

impl QueueRoom {
    /// `limit`: jobs that may wait at once; 0: any number.
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            limit,
            known: Mutex::default(),
        }
    }

    /// Whether another job may come.
    ///
    /// # Errors
    /// 503 where as many wait as may.
    pub(crate) async fn check(&self, db: &Db) -> Result<(), ApiError> {
        if self.limit == 0 {
            return Ok(());
        }
        if self.is_time() {
            match shares::waiting_of_all(db).await {
                Ok(waiting) => self.known().waiting = waiting,
                // A submit that can't be stored says so by itself.
                Err(error) => tracing::debug!(%error, "how many jobs wait is not known"),
            }
        }
        let full = self.known().waiting >= self.limit;
        let outcome = if full { "refused" } else { "allowed" };
        metrics::counter!(RATE_LIMIT, "policy" => "queue", "outcome" => outcome).increment(1);
        if full {
            let detail = message!("As many jobs wait as this installation takes; try again in a moment.");
            return Err(ApiError::new(ErrorCode::QueueFull, detail).retry_after(AGAIN));
        }
        Ok(())
    }

    /// A job of this process was stored.
    pub(crate) fn stored(&self) {
        self.known().waiting += 1;
    }

    /// Whether the sum is to be asked for; says so to one caller a second.
    fn is_time(&self) -> bool {
        let mut known = self.known();
        let due = known.asked_at.is_none_or(|at| at.elapsed() >= GOOD);
        if due {
            known.asked_at = Some(Instant::now());
        }
        due
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
