//! Whether a model is in memory: what its dispatcher makes of orders and of the word of `seat`.

use lamplighter_shared::db::workers::ModelStatus;

use super::Dispatcher;
use crate::{
    duty::Duty, member::Members, memory, runner::process::Runner, seat::Door, supervisor::SWITCHED_OFF,
};

/// What a dispatcher with a runner is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Course {
    /// Serve.
    Serve,
    /// Start nothing, finish what runs, and wait.
    Pause,
    /// Start nothing, finish what runs, and end the runner.
    Leave,
    /// The same, for good.
    Stop,
}

impl Dispatcher {
    /// What is to be done now.
    pub(super) fn course(&self) -> Course {
        if self.context.lifecycle.soft.is_cancelled() {
            return Course::Stop;
        }
        match (self.duty.now(), *self.door.borrow()) {
            (Duty::Maintain, _) => Course::Leave,
            (Duty::Serve, Door::In) => Course::Serve,
            (_, Door::In) => Course::Pause,
            _ => Course::Leave,
        }
    }

    /// Whether a model that is being loaded may go on with it.
    pub(super) fn may_stay(&self) -> bool {
        self.course() == Course::Serve
    }

    /// Waits until the model is to be in memory; `false` when the worker stops. What still comes in is
    /// handed back: another worker may have the model.
    pub(super) async fn seated(&mut self) -> bool {
        let soft = self.context.lifecycle.soft.clone();
        // What the scout said before the model was in is old.
        self.waiting.mark_unchanged();
        loop {
            if soft.is_cancelled() {
                return false;
            }
            if self.settled() {
                return true;
            }
            self.hand_back_all();
            tokio::select! {
                Ok(()) = self.duty.changed() => {
                    // As at the start: what fits is loaded.
                    self.wish = self.eager;
                }
                Ok(()) = self.door.changed() => {}
                Ok(()) = self.waiting.changed() => {
                    let waits = *self.waiting.borrow_and_update();
                    if waits && self.duty.now() == Duty::Serve {
                        self.seat.demand();
                    } else {
                        self.seat.wish(false);
                    }
                }
                held = self.inbox.recv(), if self.inbox_open => self.inbox_open = held.is_some(),
                Some(_) = self.control.recv() => {}
                _ = self.beats.tick() => self.beat.tick(),
                () = soft.cancelled() => return false,
            }
        }
    }

    /// Whether the model may be loaded now; says what it is where not.
    fn settled(&mut self) -> bool {
        let (duty, door) = (self.duty.look(), *self.door.borrow_and_update());
        match (duty, door) {
            (Duty::Serve, Door::In) => return true,
            (_, Door::In | Door::Leave) => {
                if door == Door::Leave {
                    // Somebody else needed the memory more; it comes back for a job.
                    self.wish = false;
                }
                self.seat.left();
                self.set_unloaded();
            }
            (_, Door::TooLarge) => self.set_status(ModelStatus::Failed, Some(self.seat.too_large())),
            (Duty::Unknown, Door::Out) => {}
            (Duty::Serve, Door::Out) => {
                if self.wish {
                    self.seat.wish(true);
                    if *self.door.borrow_and_update() == Door::In {
                        return true;
                    }
                }
                self.set_status(ModelStatus::Unloaded, None);
            }
            (_, Door::Out) => {
                self.seat.wish(false);
                self.set_unloaded();
            }
        }
        false
    }

    fn set_unloaded(&self) {
        let detail = self.duty.is_disabled().then(|| SWITCHED_OFF.to_owned());
        self.set_status(ModelStatus::Unloaded, detail);
    }

    /// Tells the seat what the runner takes.
    pub(super) fn measure(&self, runner: &Runner) {
        if let Some(bytes) = memory::resident(runner.pid()) {
            self.seat.measured(bytes);
        }
    }

    /// Tells the seat whether there is work, where that has changed.
    pub(super) fn note_work(&mut self) {
        let busy = !self.members.is_empty();
        if std::mem::replace(&mut self.busy, busy) != busy {
            self.seat.busy(busy);
        }
    }

    /// Forgets everything about a runner that is ended by us while nothing of ours runs in it.
    pub(super) fn let_go(&mut self) {
        self.batch = None;
        self.abandoned.clear();
        self.killed = None;
        self.busy = false;
    }

    /// Hands every job back that is in hand.
    pub(super) fn hand_back_all(&mut self) {
        self.members = Members::default();
        self.busy = false;
    }
}
