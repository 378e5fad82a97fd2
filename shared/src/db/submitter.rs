//! The queue before the transaction of a submit: jobs that arrive while others are committed share the
//! next commit (group commit). Who waits in vain is told so soon.

use std::{
    iter::Peekable,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Mutex, mpsc, oneshot},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use super::{
    Db, DbError, Dialect,
    submit::{Counted, NewJob, Submitted, store},
};
use crate::{fault, lifecycle::Lifecycle};

/// Stores jobs, many in one commit. Clones share the queue.
#[derive(Debug, Clone)]
pub struct Submitter {
    queue: mpsc::Sender<Waiting>,
    /// How long a submit waits while no transaction begins.
    patience: Option<Duration>,
    /// Transactions that began.
    begun: Arc<AtomicU64>,
}

/// A submit in the queue.
#[derive(Debug)]
struct Waiting {
    job: NewJob,
    reply: oneshot::Sender<Result<Counted, DbError>>,
    /// Set once, by whoever is first: the transaction that takes it, or the client that gave up.
    settled: Arc<AtomicBool>,
}

impl Waiting {
    /// Whether it is ours to store: nobody waits for it any more where the client has left.
    fn take(&self) -> bool {
        !self.settled.swap(true, Ordering::AcqRel) && !self.reply.is_closed()
    }
}

/// Most jobs in one transaction: as many as commit in about the time of one fsync.
const GROUP: usize = 64;
/// Most bytes of input in one transaction, unless one job alone has more.
const GROUP_BYTES: usize = 4 << 20;
/// Transactions at once where each job has one of its own.
const ALONE: usize = 8;
/// Most submits waiting for a transaction; more have to wait outside.
const QUEUE: usize = 1024;
/// How long a submit waits on a database that others share while no transaction begins: then it is told to
/// come again, and nothing is stored of it.
const PATIENCE: Duration = Duration::from_millis(1500);
/// How long a submit waits in a queue that moves, but slowly: more comes than can be stored.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

impl Submitter {
    /// Starts the task that commits; it ends once every clone is gone.
    pub fn start(db: Db, lifecycle: &Lifecycle, idempotency_ttl: Duration) -> Self {
        Self::start_with(db, lifecycle, idempotency_ttl, true)
    }

    /// The same; without `group_commit` each job has a transaction of its own, several at a time.
    pub fn start_with(db: Db, lifecycle: &Lifecycle, idempotency_ttl: Duration, group_commit: bool) -> Self {
        let (queue, receiver) = mpsc::channel::<Waiting>(QUEUE);
        let patience = (db.dialect() == Dialect::Postgres).then_some(PATIENCE);
        let begun = Arc::<AtomicU64>::default();
        let committer = Committer {
            db,
            begun: Arc::clone(&begun),
            ttl: i64::try_from(idempotency_ttl.as_millis()).unwrap_or(i64::MAX),
            group: if group_commit { GROUP } else { 1 },
            queue: Arc::new(Mutex::new(receiver)),
        };
        for _ in 0..if group_commit { 1 } else { ALONE } {
            let (committer, hard) = (committer.clone(), lifecycle.hard.clone());
            lifecycle.spawn(async move { committer.commit_all(&hard).await });
        }
        Self {
            queue,
            patience,
            begun,
        }
    }

    /// Stores the job; returns once it is committed.
    ///
    /// # Errors
    /// Where the database fails; then nothing is stored, or, if the connection was lost during the
    /// commit, it is unknown: the same idempotency key tells.
    pub async fn submit(&self, job: NewJob) -> Result<Submitted, DbError> {
        Ok(self.submit_counted(job).await?.submitted)
    }

    /// The same; also tells what the share has used then.
    ///
    /// # Errors
    /// As [`Self::submit`].
    pub async fn submit_counted(&self, job: NewJob) -> Result<Counted, DbError> {
        let (reply, mut answer) = oneshot::channel();
        let settled = Arc::new(AtomicBool::new(false));
        let waiting = Waiting {
            job,
            reply,
            settled: Arc::clone(&settled),
        };
        let Some(patience) = self.patience else {
            self.queue.send(waiting).await.map_err(stopping)?;
            return answer.await.map_err(stopping)?;
        };
        let queued = async {
            self.queue.send(waiting).await.map_err(stopping)?;
            (&mut answer).await.map_err(stopping)?
        };
        tokio::select! {
            result = queued => return result,
            () = self.stalled(patience) => {}
            () = sleep(LONGEST_WAIT) => {}
        }
        if settled.swap(true, Ordering::AcqRel) {
            // A transaction has it, and has a limit of its own.
            return answer.await.map_err(stopping)?;
        }
        Err(DbError::Unavailable(
            "no transaction could begin in time; nothing was stored".to_owned(),
        ))
    }

    /// Resolves when no transaction has begun for so long.
    async fn stalled(&self, patience: Duration) {
        let mut seen = self.begun.load(Ordering::Relaxed);
        loop {
            sleep(patience).await;
            let now = self.begun.load(Ordering::Relaxed);
            if std::mem::replace(&mut seen, now) == now {
                return;
            }
        }
    }
}

fn stopping<E>(_: E) -> DbError {
    DbError::Unavailable("the server is stopping".to_owned())
}

/// What commits.
#[derive(Clone)]
struct Committer {
    db: Db,
    ttl: i64,
    group: usize,
    begun: Arc<AtomicU64>,
    queue: Arc<Mutex<mpsc::Receiver<Waiting>>>,
}

impl Committer {
    /// Commits until nobody can submit any more, or until it is told to give up; never in the middle.
    async fn commit_all(&self, hard: &CancellationToken) {
        let mut group = Vec::with_capacity(self.group);
        loop {
            let next = async { self.queue.lock().await.recv_many(&mut group, self.group).await };
            let count = tokio::select! {
                count = next => count,
                () = hard.cancelled() => 0,
            };
            if count == 0 {
                return;
            }
            let mut left = group.drain(..).peekable();
            while left.peek().is_some() {
                let part = next_part(&mut left);
                if part.is_empty() {
                    continue;
                }
                self.begun.fetch_add(1, Ordering::Relaxed);
                if let Err(e) = commit_group(&self.db, self.ttl, part).await {
                    self.refuse(&e).await;
                }
            }
        }
    }

    /// The database does not answer: what waits behind is told so now, and not one group after the other.
    async fn refuse(&self, error: &DbError) {
        let mut queue = self.queue.lock().await;
        while let Ok(waiting) = queue.try_recv() {
            if waiting.take() {
                let _ = waiting.reply.send(Err(error.clone()));
            }
        }
    }
}

/// As many of these as share a transaction: pictures and sounds are too large for many of them to.
fn next_part(left: &mut Peekable<impl Iterator<Item = Waiting>>) -> Vec<Waiting> {
    let mut bytes = 0;
    let mut part = Vec::new();
    while let Some(waiting) = left.next_if(|next| bytes == 0 || bytes + next.job.input.len() <= GROUP_BYTES) {
        bytes += waiting.job.input.len().max(1);
        if waiting.take() {
            part.push(waiting);
        }
    }
    part
}

/// Stores the jobs and tells who submitted them; an error where the database does not answer.
async fn commit_group(db: &Db, ttl: i64, group: Vec<Waiting>) -> Result<(), DbError> {
    let (jobs, replies): (Vec<_>, Vec<_>) = group.into_iter().map(|w| (w.job, w.reply)).unzip();
    match store(db, ttl, &jobs).await {
        Ok(results) => {
            fault::point("submit.after_commit").await;
            for (reply, result) in replies.into_iter().zip(results) {
                // A client that left has its job all the same.
                let _ = reply.send(Ok(result));
            }
            Ok(())
        }
        Err(e) if jobs.len() > 1 && (matches!(e, DbError::Statement(_)) || is_lock_timeout(&e)) => {
            // One bad member must not fail its neighbours.
            for (job, reply) in jobs.into_iter().zip(replies) {
                let result = store(db, ttl, std::slice::from_ref(&job)).await;
                let _ = reply.send(result.map_or_else(|e| in_flight_or(&job, e), only));
            }
            Ok(())
        }
        Err(e) => {
            let gone = matches!(e, DbError::Unavailable(_)) && !is_lock_timeout(&e);
            for (job, reply) in jobs.iter().zip(replies) {
                let _ = reply.send(in_flight_or(job, e.clone()));
            }
            if gone { Err(e) } else { Ok(()) }
        }
    }
}

fn only(mut results: Vec<Counted>) -> Result<Counted, DbError> {
    results
        .pop()
        .ok_or_else(|| DbError::Statement("a submit without a result".to_owned()))
}

/// For a job with a key, a lock that is not given within a second is the key's row: another transaction
/// is storing the first request.
fn in_flight_or(job: &NewJob, error: DbError) -> Result<Counted, DbError> {
    if job.idempotency.is_some() && is_lock_timeout(&error) {
        Ok(Submitted::InFlight.into())
    } else {
        Err(error)
    }
}

/// SQLSTATE 55P03, `lock_timeout`.
fn is_lock_timeout(error: &DbError) -> bool {
    error.to_string().contains("(55P03)")
}
