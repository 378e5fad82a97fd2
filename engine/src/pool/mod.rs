//! The threads of a runner: a [`Pool`] runs one closure on all of its lanes and waits for them.
//!
//! Threads live as long as the pool. Between two runs they look for work for some microseconds, then
//! sleep: short steps follow one another without a system call, and a machine with more threads than
//! cores does not collapse over threads that spin.

mod barrier;
mod gate;

use std::{
    any::Any,
    cell::Cell,
    fmt,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    ptr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering::SeqCst},
    },
    thread::{self, JoinHandle},
};

use self::{barrier::Barrier, gate::Gate};

thread_local! {
    /// Whether this thread is a lane of some run.
    static IN_RUN: Cell<bool> = const { Cell::new(false) };
}

/// What is run: by reference, as a run ends before the closure does.
type Job<'a> = dyn Fn(usize) + Sync + 'a;
type Panic = Box<dyn Any + Send>;

/// A fixed number of lanes: the thread that calls [`Pool::run`] is lane 0, the others are threads of the
/// pool.
pub struct Pool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    /// One run at a time.
    turn: Mutex<()>,
}

/// What lanes share.
struct Shared {
    /// Opens for each run, and at the end.
    start: Gate,
    /// Opens when the last thread has done its share.
    end: Gate,
    /// Threads that are at it.
    busy: AtomicUsize,
    /// The job of the run under way, a `&Job`; else null.
    job: AtomicPtr<()>,
    closed: AtomicBool,
    barrier: Barrier,
    /// The first panic of the run.
    panic: Mutex<Option<Panic>>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("lanes", &self.lanes()).finish()
    }
}

impl Pool {
    /// A pool of `lanes` lanes, at least one; fewer where threads can't be had ([`Pool::lanes`] tells).
    #[must_use]
    pub fn new(lanes: usize) -> Self {
        Self::start(lanes.max(1)).unwrap_or_else(|had| {
            // The barrier counts lanes, so what is there is given back and the pool built once more.
            Self::start(had).unwrap_or_else(|_| Self::with(1))
        })
    }

    fn with(lanes: usize) -> Self {
        let shared = Shared {
            start: Gate::default(),
            end: Gate::default(),
            busy: AtomicUsize::new(0),
            job: AtomicPtr::new(ptr::null_mut()),
            closed: AtomicBool::new(false),
            barrier: Barrier::new(lanes),
            panic: Mutex::new(None),
        };
        Self {
            shared: Arc::new(shared),
            threads: Vec::with_capacity(lanes - 1),
            turn: Mutex::new(()),
        }
    }

    /// All the lanes asked for, or how many could be had.
    fn start(lanes: usize) -> Result<Self, usize> {
        let mut pool = Self::with(lanes);
        for lane in 1..lanes {
            let shared = pool.shared.clone();
            let thread = thread::Builder::new().name(format!("lane {lane}"));
            match thread.spawn(move || shared.serve(lane)) {
                Ok(thread) => pool.threads.push(thread),
                Err(_) => return Err(lane),
            }
        }
        Ok(pool)
    }

    /// How many lanes a run has.
    #[must_use]
    pub fn lanes(&self) -> usize {
        self.threads.len() + 1
    }

    /// Runs `job` once on every lane, with the lane's number, and returns when all have ended. Runs asked for by several
    /// threads take turns.
    ///
    /// # Panics
    /// With the panic of the first lane that had one, after all have ended; and where a job runs a pool.
    pub fn run(&self, job: impl Fn(usize) + Sync) {
        assert!(!IN_RUN.get(), "a job of a pool may not run a pool");
        if self.threads.is_empty() {
            return in_run(|| job(0));
        }
        let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let job: &Job<'_> = &job;
        let (shared, seen) = (&*self.shared, self.shared.end.epoch());
        shared.busy.store(self.threads.len(), SeqCst);
        shared.job.store(ptr::from_ref(&job).cast_mut().cast(), SeqCst);
        shared.start.open();
        shared.lane(0, job);
        shared.end.pass(seen);
        shared.job.store(ptr::null_mut(), SeqCst);
        let panic = shared.panic.lock().unwrap_or_else(PoisonError::into_inner).take();
        if panic.is_some() {
            shared.barrier.mend();
        }
        drop(turn);
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }

    /// Inside a run: waits until every lane has called it. What a lane wrote before it, every lane reads
    /// after it.
    ///
    /// # Panics
    /// Where another lane has panicked: it is not going to come.
    pub fn barrier(&self) {
        self.shared.barrier.wait();
    }

    /// The part of `0..count` that is this lane's when parts are multiples of `step` (but the last) and as
    /// even as that allows. Lanes are left without where there is not enough.
    #[must_use]
    pub fn share(&self, lane: usize, count: usize, step: usize) -> Range<usize> {
        share(lane, self.lanes(), count, step)
    }
}

/// The part of `0..count` that falls to `lane` of `lanes`, in multiples of `step` (but for the last).
#[must_use]
pub fn share(lane: usize, lanes: usize, count: usize, step: usize) -> Range<usize> {
    let step = step.max(1);
    let steps = count.div_ceil(step);
    let edge = |lane: usize| (steps * lane / lanes * step).min(count);
    edge(lane)..edge(lane + 1)
}

impl Shared {
    /// A thread's life.
    fn serve(&self, lane: usize) {
        let mut seen = 0;
        loop {
            self.start.pass(seen);
            seen += 1;
            if self.closed.load(SeqCst) {
                return;
            }
            let job = self.job.load(SeqCst).cast::<&Job<'_>>();
            // SAFETY: `run` stored a pointer to a `&Job` of its frame before it opened the gate, and stays in
            // that frame until this thread has counted itself out below.
            let job: &Job<'_> = unsafe { *job };
            self.lane(lane, job);
            if self.busy.fetch_sub(1, SeqCst) == 1 {
                self.end.open();
            }
        }
    }

    /// A lane's share of a run.
    fn lane(&self, lane: usize, job: &Job<'_>) {
        let end = catch_unwind(AssertUnwindSafe(|| in_run(|| job(lane))));
        if let Err(panic) = end {
            // The first one says what went wrong; those that the broken barrier causes do not.
            self.panic
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get_or_insert(panic);
            self.barrier.break_up();
        }
    }
}

/// Calls `job`, marked as a part of a run.
fn in_run(job: impl FnOnce()) {
    struct Left;
    impl Drop for Left {
        fn drop(&mut self) {
            IN_RUN.set(false);
        }
    }
    IN_RUN.set(true);
    let _left = Left;
    job();
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.closed.store(true, SeqCst);
        self.shared.start.open();
        for thread in self.threads.drain(..) {
            // It can't have panicked: jobs are caught.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
