//! The dispatcher of one model: owns its runner, forms batches from the jobs in hand, and gives each
//! job its end. One task, no locks: whatever happens to the model's jobs happens here, in order.

mod drive;
mod ends;
mod pace;
mod standing;

use std::{collections::BTreeMap, time::Duration};

use lamplighter_shared::{
    db::{finish::Outcome, workers::ModelStatus},
    event::JobEvent,
    id::JobId,
    model_spec::ModelSpec,
};
use serde_json::value::RawValue;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, Interval, MissedTickBehavior, interval, sleep},
};

use self::{drive::End, pace::Pace};
use crate::{
    batcher::Budget,
    context::Context,
    convert,
    duty::ModelDuty,
    held::Held,
    lease::{Control, Standing},
    liveness::Beat,
    member::{Members, Phase},
    models::Files,
    runner::{
        process::{Runner, RunnerOptions, RunnerSender, StartError},
        protocol::{ModelInfo, Ticket, ToRunner},
    },
    seat::{Door, Seat},
    tally,
};

/// First and longest pause after a start that failed.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// How often a dispatcher shows that it is there.
const BEAT: Duration = Duration::from_secs(1);

/// The dispatcher of one model.
pub struct Dispatcher {
    context: Context,
    spec: ModelSpec,
    files: Files,
    inbox: mpsc::Receiver<Held>,
    control: mpsc::UnboundedReceiver<Control>,
    gate: watch::Sender<bool>,
    members: Members,
    /// The runner, while there is one.
    runner: Option<(RunnerSender, ModelInfo)>,
    /// Tickets whose jobs have ended while the runner still computes them.
    abandoned: BTreeMap<Ticket, Abandoned>,
    /// The batch of a model whose members are computed together.
    batch: Option<pace::Batch>,
    pace: Pace,
    /// Events to be published together, and when.
    events: Vec<(JobId, Vec<JobEvent>)>,
    flush_at: Option<Instant>,
    inbox_open: bool,
    /// Why the runner was killed, from then on until it is gone.
    killed: Option<Kill>,
    /// What is asked of the model.
    duty: ModelDuty,
    /// The model's place in memory, and what is said of it.
    seat: Seat,
    door: watch::Receiver<Door>,
    /// Whether a job waits while the model is not in memory.
    waiting: watch::Receiver<bool>,
    /// Whether the model is loaded before a job waits for it.
    eager: bool,
    /// The same, from now on: a model that had to make room comes back when it is needed.
    wish: bool,
    /// Whether the seat knows that there are jobs in hand.
    busy: bool,
    beat: Beat,
    beats: Interval,
}

/// A run that nobody waits for any more.
#[derive(Debug, Clone, Copy)]
struct Abandoned {
    /// From when on the runner is not kept for it alone.
    idle: Instant,
    /// When the runner is killed whatever else it does.
    deadline: Instant,
}

/// Why we killed a runner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kill {
    /// For jobs that were ended already: nobody else is to blame.
    Overdue,
    /// It gave no sign of life: whoever ran may be to blame.
    Silent,
}

/// The ends of the channels that a dispatcher listens to.
pub struct Inputs {
    /// Jobs from the apalis worker.
    pub inbox: mpsc::Receiver<Held>,
    /// Lost leases and cancellations.
    pub control: mpsc::UnboundedReceiver<Control>,
    /// Told whether jobs can be used now.
    pub gate: watch::Sender<bool>,
    /// The model's place in memory.
    pub seat: Seat,
    /// Whether a job waits while the model is not in memory.
    pub waiting: watch::Receiver<bool>,
    /// Whether the model is loaded before a job waits for it.
    pub eager: bool,
}

impl Dispatcher {
    /// A dispatcher for a model with these files.
    pub fn new(context: Context, spec: ModelSpec, files: Files, inputs: Inputs) -> Self {
        let Inputs {
            inbox,
            control,
            gate,
            seat,
            waiting,
            eager,
        } = inputs;
        let mut beats = interval(BEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            duty: ModelDuty::new(context.orders.clone(), &spec.id),
            door: seat.door(),
            beat: context.liveness.claim_loop(&spec.id),
            seat,
            waiting,
            eager,
            wish: eager,
            busy: false,
            beats,
            context,
            spec,
            files,
            inbox,
            control,
            gate,
            members: Members::default(),
            runner: None,
            abandoned: BTreeMap::new(),
            batch: None,
            pace: Pace::default(),
            events: Vec::new(),
            flush_at: None,
            inbox_open: true,
            killed: None,
        }
    }

    /// Serves until the worker stops. A runner that dies in a batch is started again at once; the
    /// pause grows only for those that die while they load, or soon after and of no job.
    pub async fn run(mut self) {
        let mut pause = PAUSES.0;
        while self.seated().await {
            match self.start().await {
                Some(Ok(mut runner)) => {
                    self.measure(&runner);
                    let started = Instant::now();
                    let end = self.drive(&mut runner).await;
                    self.runner = None;
                    self.gate.send_replace(false);
                    let explained = match end {
                        End::Stopped | End::Left => {
                            self.let_go();
                            runner.shutdown().await;
                            true
                        }
                        End::Exited(exit) => self.crashed(&exit),
                    };
                    self.flush().await;
                    if explained || started.elapsed() > PAUSES.1 {
                        pause = PAUSES.0;
                    } else {
                        self.set_status(ModelStatus::Failed, Some("its process keeps ending".to_owned()));
                        self.rest(pause).await;
                        pause = (pause * 2).min(PAUSES.1);
                    }
                }
                Some(Err(error)) => {
                    self.failed_to_start(&error);
                    self.rest(pause).await;
                    pause = (pause * 2).min(PAUSES.1);
                }
                // The worker stops, or has something else to do.
                None => {}
            }
        }
        // Whoever is left is handed back by its guard; so are those still on their way here.
        self.inbox.close();
        drop(self.members);
        while self.inbox.recv().await.is_some() {}
        self.seat.left();
    }

    /// Starts the runner, while jobs come and go; `None` when the model is not to be in memory any more.
    async fn start(&mut self) -> Option<Result<Runner, StartError>> {
        let load_timeout = Duration::from_secs(self.context.config.models.load_timeout_seconds);
        let threads = match self.context.config.worker.threads {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            threads => threads,
        };
        let options = RunnerOptions {
            program: self.context.program.clone(),
            threads,
            load_timeout,
            faults: self.context.allows_faults(),
        };
        let (spec, files) = (self.spec.clone(), self.files.clone());
        let models_dir = self.context.config.models_dir();
        self.set_status(ModelStatus::Loading, None);
        let start = async move {
            let present = convert::present(&spec, &files, &models_dir, &options.program).await;
            present.map_err(StartError::Model)?;
            Runner::start(&spec, &files, &options).await
        };
        tokio::pin!(start);
        let soft = self.context.lifecycle.soft.clone();
        loop {
            tokio::select! {
                started = &mut start => {
                    return Some(started.map(|(runner, info)| {
                        tracing::info!(model = self.spec.id, load_ms = info.load_ms, device = info.device, "ready");
                        tally::loaded(&self.spec.id, info.load_ms);
                        self.context.board.set_device(&info.device);
                        self.runner = Some((runner.sender(), info));
                        self.set_status(ModelStatus::Ready, None);
                        for ticket in self.members.tickets(|_| true) {
                            if let Some(member) = self.members.get(ticket) {
                                member.phase = Phase::Unread;
                            }
                        }
                        runner
                    }));
                }
                held = self.inbox.recv(), if self.inbox_open => self.admit(held),
                Some(control) = self.control.recv() => self.obey(control),
                _ = self.beats.tick() => self.beat.tick(),
                Ok(()) = self.duty.changed() => {}
                Ok(()) = self.door.changed() => {}
                () = soft.cancelled() => return None,
            }
            if !self.may_stay() {
                return None;
            }
        }
    }

    /// Waits before the next start, and lets others have the memory; jobs in hand, and those still on
    /// their way here, go back to the queue meanwhile.
    async fn rest(&mut self, pause: Duration) {
        self.hand_back_all();
        self.seat.left();
        let soft = self.context.lifecycle.soft.clone();
        let rested = sleep(pause);
        tokio::pin!(rested);
        loop {
            tokio::select! {
                () = &mut rested => return,
                held = self.inbox.recv(), if self.inbox_open => self.inbox_open = held.is_some(),
                // What it is about was just handed back.
                Some(_) = self.control.recv() => {}
                _ = self.beats.tick() => self.beat.tick(),
                () = soft.cancelled() => return,
            }
        }
    }

    fn failed_to_start(&self, error: &StartError) {
        tracing::error!(model = self.spec.id, %error, "the model can't be served");
        let detail = match error {
            StartError::Model(error) => error.detail.clone(),
            other => other.to_string(),
        };
        self.set_status(ModelStatus::Failed, Some(detail));
    }

    fn set_status(&self, status: ModelStatus, detail: Option<String>) {
        let digest = self.runner.as_ref().map(|(_, info)| info.digest.clone());
        self.context.board.set(&self.spec.id, status, detail, digest);
    }

    /// Takes a job in, unless it was lost or cancelled on its way here.
    fn admit(&mut self, held: Option<Held>) {
        let Some(held) = held else {
            self.inbox_open = false;
            return;
        };
        match self.context.leases.standing(held.job(), held.epoch()) {
            Standing::Lost => held.abandon(),
            standing => {
                let ticket = self.members.add(held);
                if standing == Standing::Canceled {
                    self.end(ticket, Outcome::Canceled, None);
                }
            }
        }
    }

    fn prepare(&mut self, ticket: Ticket) {
        let Some(member) = self.members.get(ticket) else {
            return;
        };
        member.phase = Phase::Preparing;
        // The catalogue may have changed since the job was stored.
        let task = self.spec.task(Some(&member.held.claimed.job.task));
        let input = RawValue::from_string(member.held.claimed.input.clone());
        match (task, input) {
            (Some(task), Ok(input)) => {
                let about = member.held.about();
                self.tell_runner(ToRunner::Prepare {
                    ticket,
                    task,
                    input,
                    about,
                });
            }
            (None, _) => self.refuse(ticket, "the model does not do the job's task any more"),
            (_, Err(error)) => self.refuse(ticket, &format!("the input is not JSON: {error}")),
        }
    }

    /// A runner that is gone is noticed where its messages are received.
    fn tell_runner(&self, message: ToRunner) {
        if let Some((runner, _)) = &self.runner {
            let _ = runner.send(message);
        }
    }

    fn budget(&self) -> Budget {
        budget(&self.spec)
    }

    fn joint(&self) -> bool {
        self.runner.as_ref().is_some_and(|(_, info)| info.joint)
    }

    /// Publishes what has gathered.
    async fn flush(&mut self) {
        self.flush_at = None;
        for (job, events) in std::mem::take(&mut self.events) {
            self.context.events.publish(job, events).await;
        }
    }
}

/// What one batch of a model may hold: one job where they are computed one after the other, since its time runs
/// from when it is sent.
pub(crate) fn budget(spec: &ModelSpec) -> Budget {
    let limits = &spec.limits;
    Budget {
        jobs: if spec.family.in_turn() {
            1
        } else {
            limits.max_batch_jobs
        },
        items: limits.max_batch_items,
        tokens: limits.max_batch_tokens,
    }
}
