//! A model's place in memory, as its dispatcher sees it: it asks for the place, is told when it has it
//! and when it has to give it up. Who gets one is decided in `residency`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::{
    sync::watch,
    time::{Duration, Instant},
};

use crate::residency::{Ledger, Place, Wants};

/// What a model is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// It is not in memory.
    Out,
    /// It may be loaded.
    In,
    /// It has to leave: finish what runs, end the runner, then say so.
    Leave,
    /// It takes more than all models may take together.
    TooLarge,
}

/// The memory of a worker, shared by all its models.
pub struct Residency {
    ledger: Mutex<Ledger>,
    doors: Mutex<Vec<watch::Sender<Door>>>,
}

impl Residency {
    /// Nobody in; `budget` in bytes, `min_stay` as [`Ledger::new`] says.
    pub fn new(budget: u64, min_stay: Duration) -> Arc<Self> {
        Arc::new(Self {
            ledger: Mutex::new(Ledger::new(budget, min_stay)),
            doors: Mutex::default(),
        })
    }

    /// A seat for a model that takes `need` bytes.
    pub fn seat(self: &Arc<Self>, need: u64) -> Seat {
        let model = self.ledger().add(need, Instant::now());
        let (sender, door) = watch::channel(Door::Out);
        self.doors().push(sender);
        let seat = Seat {
            residency: Arc::clone(self),
            model,
            door,
        };
        seat.change(|_| {});
        seat
    }

    /// Bytes that all models may take.
    pub fn budget(&self) -> u64 {
        self.ledger().budget()
    }

    /// Bytes that those in memory take.
    pub fn used(&self) -> u64 {
        self.ledger().used()
    }

    /// Whether no model is in memory.
    pub fn is_empty(&self) -> bool {
        self.ledger().residents() == 0
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn doors(&self) -> MutexGuard<'_, Vec<watch::Sender<Door>>> {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One model's place.
#[derive(Clone)]
pub struct Seat {
    residency: Arc<Residency>,
    model: usize,
    door: watch::Receiver<Door>,
}

impl Seat {
    /// What it is told, from now on.
    pub fn door(&self) -> watch::Receiver<Door> {
        self.door.clone()
    }

    /// Would use memory that is free, or would not.
    pub fn wish(&self, wish: bool) {
        let wants = if wish { Wants::Wish } else { Wants::Nothing };
        self.change(|ledger| ledger.want(self.model, wants));
    }

    /// A job waits for the model. Asked again and again while it does: time alone may make room.
    pub fn demand(&self) {
        let since = Instant::now();
        self.change(|ledger| ledger.want(self.model, Wants::Demand { since }));
    }

    /// Says whether the model has jobs in hand.
    pub fn busy(&self, busy: bool) {
        self.change(|ledger| ledger.busy(self.model, busy, Instant::now()));
    }

    /// The model takes at least this much, as measured.
    pub fn measured(&self, bytes: u64) {
        self.change(|ledger| {
            let known = ledger.need(self.model);
            ledger.set_need(self.model, known.max(bytes));
        });
    }

    /// The runner has ended, or was never started: the memory is free.
    pub fn left(&self) {
        self.change(|ledger| ledger.left(self.model));
    }

    /// Bytes that are kept for it, while it is in memory.
    pub fn taken(&self) -> Option<u64> {
        let ledger = self.residency.ledger();
        let out = ledger.place(self.model) == Place::Out;
        (!out).then(|| ledger.need(self.model))
    }

    /// Why it can't be in, for people.
    pub fn too_large(&self) -> String {
        let ledger = self.residency.ledger();
        format!(
            "it takes {}, and all models of this worker may take {} (worker.memory_bytes)",
            crate::memory::mib(ledger.need(self.model)),
            crate::memory::mib(ledger.budget())
        )
    }

    /// Changes the ledger, and tells everybody what follows.
    fn change(&self, change: impl FnOnce(&mut Ledger)) {
        let mut ledger = self.residency.ledger();
        change(&mut ledger);
        ledger.settle(Instant::now());
        for (model, door) in self.residency.doors().iter().enumerate() {
            let told = match ledger.place(model) {
                Place::In { .. } => Door::In,
                Place::Leaving => Door::Leave,
                Place::Out if ledger.need(model) > ledger.budget() => Door::TooLarge,
                Place::Out => Door::Out,
            };
            door.send_if_modified(|door| std::mem::replace(door, told) != told);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_leaves_lets_the_next_one_in() {
        let residency = Residency::new(10, Duration::from_secs(10));
        let (a, b, huge) = (residency.seat(6), residency.seat(6), residency.seat(11));
        assert_eq!(*huge.door().borrow(), Door::TooLarge);
        assert!(huge.too_large().contains("worker.memory_bytes"));
        a.wish(true);
        b.wish(true);
        assert_eq!((*a.door().borrow(), *b.door().borrow()), (Door::In, Door::Out));
        b.demand();
        let mut door = b.door();
        assert_eq!((*a.door().borrow(), *door.borrow()), (Door::Leave, Door::Out));
        assert_eq!(residency.used(), 6);
        a.left();
        assert_eq!(*door.borrow_and_update(), Door::In);
        b.measured(12);
        assert_eq!(*door.borrow(), Door::Leave);
        b.left();
        assert_eq!(*door.borrow(), Door::TooLarge);
        assert!(residency.is_empty());
    }
}
