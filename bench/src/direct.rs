//! The yardstick of batching: one runner, fed full batches by hand. No queue, no database, no HTTP; the
//! next batch is tokenised while this one runs, so the model never waits.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use lamplighter_shared::{
    model_spec::{Catalog, ModelSpec},
    task::Task,
};
use lamplighter_worker::{
    batcher::{Budget, Candidate, plan},
    models::Files,
    runner::{
        process::{Runner, RunnerOptions},
        protocol::{About, FromRunner, Ticket, ToRunner},
    },
    weights,
};
use serde_json::{json, value::RawValue, value::to_raw_value};

/// A runner with MiniLM loaded.
pub struct Direct {
    runner: Runner,
    budget: Budget,
    last: Ticket,
}

/// What a round came to.
pub struct Round {
    /// From the first input sent to the last result received.
    pub took: Duration,
    /// The outputs, in the order of the inputs.
    pub outputs: Vec<Box<RawValue>>,
    /// Tokens of all inputs.
    pub tokens: usize,
}

/// The model that is measured.
fn spec() -> io::Result<ModelSpec> {
    let spec = Catalog::built_in().get("minilm").cloned();
    spec.ok_or_else(|| io::Error::other("the catalogue has no minilm"))
}

/// The folder of the model that is measured; fetched where it is not here yet.
pub fn folder() -> io::Result<PathBuf> {
    weights::ensure(&spec()?, &models_dir(), &|_| {}).map_err(io::Error::other)
}

/// Where models are kept: `LAMPLIGHTER_MODELS_DIR`, else beside the workspace's data.
pub fn models_dir() -> PathBuf {
    std::env::var_os("LAMPLIGHTER_MODELS_DIR").map_or_else(
        || {
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .with_file_name("data")
                .join("models")
        },
        PathBuf::from,
    )
}

impl Direct {
    /// Starts a runner of `program`, as a supervisor would.
    ///
    /// # Errors
    /// Where the model's files can't be had, or the runner does not start.
    pub async fn start(program: &Path) -> io::Result<Self> {
        let spec = spec()?;
        let dir = folder()?;
        let options = RunnerOptions {
            program: program.to_owned(),
            threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            load_timeout: Duration::from_secs(60),
            faults: false,
        };
        let (runner, _) = Runner::start(&spec, &Files::plain(dir), &options)
            .await
            .map_err(io::Error::other)?;
        let limits = spec.limits;
        Ok(Self {
            runner,
            budget: Budget {
                jobs: limits.max_batch_jobs,
                items: limits.max_batch_items,
                tokens: limits.max_batch_tokens,
            },
            last: 0,
        })
    }

    /// Embeds all sentences in batches as full as the model's limits allow.
    ///
    /// # Errors
    /// Where the runner ends or refuses a sentence.
    pub async fn embed(&mut self, sentences: &[String]) -> io::Result<Round> {
        let inputs: Vec<Box<RawValue>> = sentences
            .iter()
            .map(|text| to_raw_value(&json!({ "text": text })))
            .collect::<Result<_, _>>()?;
        let mut inputs = inputs.into_iter();
        let (mut preparing, mut running, mut tokens) = (0, false, 0);
        let mut ready: Vec<Candidate> = Vec::new();
        let mut outputs = BTreeMap::new();
        let started = Instant::now();
        loop {
            // The next batch is prepared while this one runs.
            while ready.len() + preparing < self.budget.jobs
                && let Some(input) = inputs.next()
            {
                self.last += 1;
                preparing += 1;
                self.tell(ToRunner::Prepare {
                    ticket: self.last,
                    task: Task::TextEmbedding,
                    input,
                    about: About::default(),
                })
                .await?;
            }
            if !running && preparing == 0 {
                let tickets = plan(&ready, self.budget);
                if tickets.is_empty() {
                    break;
                }
                ready.retain(|candidate| !tickets.contains(&candidate.ticket));
                running = true;
                self.tell(ToRunner::Run { tickets }).await?;
                continue;
            }
            match self.runner.recv().await.map_err(io::Error::other)? {
                FromRunner::Prepared { ticket, cost } => {
                    preparing -= 1;
                    tokens += cost.tokens;
                    ready.push(Candidate {
                        ticket,
                        cost,
                        solo: false,
                    });
                }
                FromRunner::Done { ticket, output, .. } => {
                    outputs.insert(ticket, output);
                }
                FromRunner::BatchDone { .. } => running = false,
                FromRunner::Failed { error, .. } => return Err(io::Error::other(error.detail)),
                _ => {}
            }
        }
        Ok(Round {
            took: started.elapsed(),
            outputs: outputs.into_values().collect(),
            tokens,
        })
    }

    /// The runner's process.
    pub fn pid(&self) -> u32 {
        self.runner.pid()
    }

    /// Ends the runner.
    pub async fn stop(self) {
        self.runner.shutdown().await;
    }

    async fn tell(&self, message: ToRunner) -> io::Result<()> {
        self.runner.send(message).await.map_err(io::Error::other)
    }
}
