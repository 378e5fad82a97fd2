//! The memory that large bodies may take together. Small ones are not counted: `max_in_flight` and the caps bound
//! them. Counted is what has come, not what was promised, so that whoever sends slowly holds no more than they sent;
//! and nobody waits for room, so that half bodies can't wait for each other.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use lamplighter_shared::{error::ErrorCode, telemetry::metrics::REQUESTS_SHED};

use crate::{error::ApiError, message::message};

/// When somebody who is turned away may come again, at the earliest.
const AGAIN: Duration = Duration::from_secs(1);

/// The room of all large bodies.
pub(crate) struct BodyRoom {
    bytes: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    sum: usize,
    by_client: HashMap<IpAddr, usize>,
}

impl BodyRoom {
    /// Room for so many bytes; one address may have half of them.
    pub(crate) fn new(bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            bytes,
            taken: Mutex::default(),
        })
    }

    /// A body of a client, of which nothing has come yet.
    pub(crate) fn body(self: &Arc<Self>, client: IpAddr) -> Space {
        Space {
            room: Arc::clone(self),
            client,
            bytes: 0,
        }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The room of one body, until it is dropped.
pub(crate) struct Space {
    room: Arc<BodyRoom>,
    client: IpAddr,
    bytes: usize,
}

impl Space {
    /// The body has this many bytes now.
    ///
    /// # Errors
    /// 503 where there is no room for them.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), ApiError> {
        let more = bytes.saturating_sub(self.bytes);
        let mut taken = self.room.taken();
        let own = taken.by_client.get(&self.client).copied().unwrap_or(0);
        if taken.sum + more > self.room.bytes || own + more > self.room.bytes / 2 {
            metrics::counter!(REQUESTS_SHED).increment(1);
            let detail = message!(
                "As many large bodies are on their way as this server takes at once; try again in a moment."
            );
            // Not all at the same moment again.
            let again = AGAIN + Duration::from_millis(rand::random_range(0..=1000));
            return Err(ApiError::new(ErrorCode::Unavailable, detail).retry_after(again));
        }
        taken.sum += more;
        taken.by_client.insert(self.client, own + more);
        self.bytes += more;
        Ok(())
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        let mut taken = self.room.taken();
        taken.sum -= self.bytes;
        let own = taken.by_client.get(&self.client).copied().unwrap_or(0);
        match own.saturating_sub(self.bytes) {
            0 => taken.by_client.remove(&self.client),
            left => taken.by_client.insert(self.client, left),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn room_is_shared_and_comes_back() {
        let room = BodyRoom::new(100);
        let client = |last| IpAddr::from(Ipv4Addr::new(10, 0, 0, last));
        let (mut a, mut b, mut c) = (room.body(client(1)), room.body(client(1)), room.body(client(2)));
        assert!(
            a.grow(40).is_ok() && a.grow(30).is_ok(),
            "less than it has is nothing new"
        );
        assert!(b.grow(11).is_err(), "one address has half at most");
        assert!(b.grow(10).is_ok());
        assert!(c.grow(50).is_ok());
        let mut d = room.body(client(3));
        let refused = d.grow(1).expect_err("all is taken");
        assert_eq!(refused.code, ErrorCode::Unavailable);
        drop(a);
        assert!(d.grow(40).is_ok() && d.grow(41).is_err());
        drop((b, c, d));
        assert_eq!(room.taken().sum, 0);
        assert!(room.taken().by_client.is_empty());
    }
}
