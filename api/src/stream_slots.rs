//! Counts the open event streams of each owner (a user, or a network of guests), so that one of them can't take all
//! connections.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use lamplighter_shared::telemetry::metrics::SSE_CLIENTS;

/// Open streams by owner.
pub struct StreamSlots {
    limit: usize,
    open: Mutex<HashMap<String, usize>>,
}

/// The right to one open stream; given back when dropped.
pub struct StreamSlot {
    owner: String,
    slots: Arc<StreamSlots>,
}

impl StreamSlots {
    /// At most `limit` streams an owner.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            open: Mutex::default(),
        })
    }

    /// A slot, unless the owner has them all.
    pub fn take(self: &Arc<Self>, owner: String) -> Option<StreamSlot> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(owner.clone()).or_insert(0);
        if *count >= self.limit {
            return None;
        }
        *count += 1;
        metrics::gauge!(SSE_CLIENTS).increment(1.0);
        Some(StreamSlot {
            owner,
            slots: self.clone(),
        })
    }

    /// Streams open now, of all owners.
    #[cfg(test)]
    pub fn open(&self) -> usize {
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .sum()
    }
}

impl Drop for StreamSlot {
    fn drop(&mut self) {
        let mut open = self.slots.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.owner) {
            *count -= 1;
            metrics::gauge!(SSE_CLIENTS).decrement(1.0);
            if *count == 0 {
                open.remove(&self.owner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cap_is_exact_and_per_owner() {
        let slots = StreamSlots::new(2);
        let take = |owner: &str| slots.take(owner.to_owned());
        let held: Vec<_> = (0..2).map(|_| take("one").expect("a slot")).collect();
        assert!(take("one").is_none());
        assert!(take("other").is_some());
        drop(held);
        assert!(take("one").is_some());
        assert_eq!(slots.open(), 0);
        assert!(
            slots.open.lock().expect("not poisoned").is_empty(),
            "owners without streams leave nothing behind"
        );
    }
}
