//! The leases of all jobs in hand: renewed in one statement, and each loss or cancellation told to
//! whoever runs the job.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use lamplighter_shared::{db::lease, id::JobId};
use tokio::{
    sync::{Notify, broadcast, mpsc},
    time::{MissedTickBehavior, interval},
};

use crate::{context::Context, tally};

/// What the holder of a job has to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// The lease is gone: stop the job now, write nothing.
    Lost(JobId, i64),
    /// The owner asked to cancel.
    Cancel(JobId, i64),
}

/// What is known of a run when it reaches whoever runs it; what was told before found nobody there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It may run.
    Held,
    /// The lease is gone.
    Lost,
    /// The owner asked to cancel.
    Canceled,
}

/// The jobs in hand, by id.
#[derive(Default)]
pub struct Leases {
    jobs: Mutex<HashMap<JobId, Lease>>,
    /// Told when the last job leaves.
    emptied: Notify,
}

struct Lease {
    epoch: i64,
    model: Arc<str>,
    holder: mpsc::UnboundedSender<Control>,
    cancel_told: bool,
}

impl Leases {
    /// Renews this run's lease from now on; `holder` hears of its loss or cancellation. An earlier run of
    /// the job that is still in hand is lost: the job could not have been claimed again otherwise.
    pub fn add(&self, job: JobId, epoch: i64, model: &Arc<str>, holder: mpsc::UnboundedSender<Control>) {
        let lease = Lease {
            epoch,
            model: Arc::clone(model),
            holder,
            cancel_told: false,
        };
        if let Some(earlier) = self.lock().insert(job, lease) {
            tally::lease_lost();
            // A holder that is gone has handed the job back already.
            let _ = earlier.holder.send(Control::Lost(job, earlier.epoch));
        }
    }

    /// Lets the lease be, once the run's end is written. A later run of the same job stays.
    pub fn remove(&self, job: JobId, epoch: i64) {
        let mut leases = self.lock();
        if leases.get(&job).is_some_and(|l| l.epoch == epoch) {
            leases.remove(&job);
        }
        if leases.is_empty() {
            self.emptied.notify_one();
        }
    }

    /// How this run stands.
    pub fn standing(&self, job: JobId, epoch: i64) -> Standing {
        match self.lock().get(&job).filter(|lease| lease.epoch == epoch) {
            None => Standing::Lost,
            Some(lease) if lease.cancel_told => Standing::Canceled,
            Some(_) => Standing::Held,
        }
    }

    /// How many jobs are in hand.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether no job is in hand.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The runs of models that are not in this list.
    fn runs(&self, but: &[String]) -> Vec<(JobId, i64)> {
        self.lock()
            .iter()
            .filter(|(_, lease)| !but.iter().any(|model| **model == *lease.model))
            .map(|(job, lease)| (*job, lease.epoch))
            .collect()
    }

    fn cancel(&self, job: JobId) {
        if let Some(lease) = self.lock().get_mut(&job)
            && !lease.cancel_told
        {
            lease.cancel_told = true;
            // A holder that is gone has handed the job back already.
            let _ = lease.holder.send(Control::Cancel(job, lease.epoch));
        }
    }

    fn lost(&self, job: JobId, epoch: i64) {
        let mut leases = self.lock();
        if leases.get(&job).is_some_and(|l| l.epoch == epoch)
            && let Some(lease) = leases.remove(&job)
        {
            tally::lease_lost();
            let _ = lease.holder.send(Control::Lost(job, epoch));
        }
        if leases.is_empty() {
            self.emptied.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<JobId, Lease>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// After leases were not renewed it is tried again so soon: since a claim loop was silent, for a process that
/// was stopped for a while wakes up in no particular order; or since the database did not answer, for once
/// it is back, the reaper gives everybody only a little more than a heartbeat.
const SECOND_LOOK: Duration = Duration::from_millis(500);
/// How often the database is asked for cancellations: with the doorbell silent, one works within 2 s, also
/// where the runner does not listen and is given time to (`dispatch/ends`).
const CANCEL_POLL: Duration = Duration::from_millis(500);

/// Renews leases and passes cancellations on, until the worker has stopped and holds nothing.
pub async fn keep(context: Context) {
    let jobs = &context.config.jobs;
    let mut cancels = context.doorbell.listen_cancels();
    let mut heartbeat = interval(jobs.heartbeat());
    let mut poll = interval(CANCEL_POLL);
    // After a pause (a laptop that slept) one renewal is right, not one for each that was missed.
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let lifecycle = &context.lifecycle;
    let mut stopping = false;
    loop {
        tokio::select! {
            _ = heartbeat.tick() => if !renew(&context).await {
                heartbeat.reset_after(SECOND_LOOK);
            },
            _ = poll.tick() => ask_for_cancels(&context).await,
            rung = cancels.recv() => match rung {
                Ok(job) => context.leases.cancel(job),
                Err(broadcast::error::RecvError::Lagged(_)) => ask_for_cancels(&context).await,
                // The bell is gone with the process's end; the poll goes on.
                Err(broadcast::error::RecvError::Closed) => cancels = context.doorbell.listen_cancels(),
            },
            () = context.leases.emptied.notified(), if stopping => {}
            () = lifecycle.soft.cancelled(), if !stopping => stopping = true,
            () = lifecycle.hard.cancelled() => return,
        }
        if stopping && context.leases.is_empty() {
            return;
        }
    }
}

/// Renews what is alive; whether that was everything. The jobs of a model whose loops do not go round are
/// not in good hands: their leases run out, and somebody else takes them.
async fn renew(context: &Context) -> bool {
    let stuck = context.liveness.stuck_loops();
    let runs = context.leases.runs(&stuck);
    let all = runs.len() == context.leases.len();
    if !all {
        tracing::error!(models = ?stuck, "the loops of these models are stuck; their leases are not renewed");
    }
    match lease::heartbeat(&context.db, context.claimer.boot, &runs, context.claimer.lease).await {
        Ok(held) => {
            if !runs.is_empty() {
                context.liveness.database_answered();
            }
            let alive: HashSet<(JobId, i64)> = held.iter().map(|h| (h.job, h.epoch)).collect();
            for (job, epoch) in runs.iter().filter(|run| !alive.contains(run)) {
                context.leases.lost(*job, *epoch);
            }
            for run in held.iter().filter(|h| h.cancel_requested) {
                context.leases.cancel(run.job);
            }
        }
        // Nothing is known: the leases run on.
        Err(error) => {
            tracing::warn!(%error, "a heartbeat failed");
            return false;
        }
    }
    all
}

async fn ask_for_cancels(context: &Context) {
    match lease::cancel_requested(&context.db, &context.leases.runs(&[])).await {
        Ok(jobs) => jobs.into_iter().for_each(|job| context.leases.cancel(job)),
        Err(error) => tracing::warn!(%error, "cancellations could not be read"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_earlier_run_hears_that_the_job_was_claimed_again() {
        let (leases, job) = (Leases::default(), JobId::generate());
        let (holder, mut told) = mpsc::unbounded_channel();
        let model: Arc<str> = "m".into();
        leases.add(job, 1, &model, holder.clone());
        leases.add(job, 2, &model, holder);
        assert_eq!(told.try_recv(), Ok(Control::Lost(job, 1)));
        assert!(told.try_recv().is_err(), "the new run is held");
        assert_eq!(leases.standing(job, 1), Standing::Lost);
        leases.remove(job, 1);
        assert_eq!(leases.standing(job, 2), Standing::Held);
    }

    #[test]
    fn what_a_stuck_loop_holds_is_left_out() {
        let leases = Leases::default();
        let (holder, _told) = mpsc::unbounded_channel();
        let (one, two) = (JobId::generate(), JobId::generate());
        leases.add(one, 1, &"a".into(), holder.clone());
        leases.add(two, 1, &"b".into(), holder);
        assert_eq!(leases.runs(&["a".to_owned()]), [(two, 1)]);
        assert_eq!(leases.runs(&[]).len(), 2);
    }
}
