//! Tries a model out: loads it in a runner, as a server would, and computes the example of each of its tasks.
//! A model that crashes takes the runner along, and nobody else.

use std::time::{Duration, Instant};

use lamplighter_shared::{model_spec::ModelSpec, task::Task};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use tokio::time::timeout;

use crate::{
    memory,
    models::Files,
    runner::{
        process::{Exit, Runner, RunnerOptions, StartError},
        protocol::{About, FromRunner, Ticket, ToRunner},
    },
};

/// An example is computed this often after the first time, or for [`ENOUGH`].
const AGAIN: u32 = 5;
/// No more runs of an example after so long.
const ENOUGH: Duration = Duration::from_secs(3);
/// No example takes longer than this.
const PATIENCE: Duration = Duration::from_secs(120);

/// How a model did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Smoke {
    /// From the first byte read to the end of the canary, milliseconds.
    pub load_ms: u64,
    /// Number type it computes in.
    pub dtype: String,
    /// Where it computes.
    pub device: String,
    /// Resident memory of its process after all runs, bytes; none where that can't be known here.
    pub memory_bytes: Option<u64>,
    /// Its tasks, in their order.
    pub tasks: Vec<Speed>,
}

/// How fast a task's example is computed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Speed {
    /// The task.
    pub task: Task,
    /// The first time, from the input to the output, milliseconds.
    pub first_ms: f64,
    /// The best time, milliseconds.
    pub best_ms: f64,
}

/// A model did not do.
#[derive(Debug, thiserror::Error)]
pub enum SmokeError {
    /// It could not be loaded.
    #[error("{0}")]
    Start(#[from] StartError),
    /// Its process ended.
    #[error("{task}: {exit}")]
    Exited {
        /// What it computed.
        task: &'static str,
        /// How it ended.
        exit: Exit,
    },
    /// It failed, or gave nothing.
    #[error("{task}: {detail}")]
    Failed {
        /// What it computed.
        task: &'static str,
        /// Why.
        detail: String,
    },
}

/// Loads a model and computes the example of each of its tasks a few times.
///
/// # Errors
/// As [`SmokeError`] says; nothing is left running.
pub async fn smoke(spec: &ModelSpec, files: &Files, options: &RunnerOptions) -> Result<Smoke, SmokeError> {
    let (mut runner, info) = Runner::start(spec, files, options).await?;
    let mut tasks = Vec::new();
    let mut next = 1;
    for task in &spec.tasks {
        tasks.push(speed(&mut runner, *task, &mut next).await?);
    }
    let memory_bytes = memory::resident(runner.pid());
    runner.shutdown().await;
    Ok(Smoke {
        load_ms: info.load_ms,
        dtype: info.dtype,
        device: info.device,
        memory_bytes,
        tasks,
    })
}

async fn speed(runner: &mut Runner, task: Task, next: &mut Ticket) -> Result<Speed, SmokeError> {
    let failed = |detail: String| SmokeError::Failed {
        task: task.as_str(),
        detail,
    };
    let input = to_raw_value(&task.example()).map_err(|error| failed(error.to_string()))?;
    let began = Instant::now();
    let mut times = Vec::new();
    while times.len() <= AGAIN as usize && (times.is_empty() || began.elapsed() < ENOUGH) {
        let run = run(runner, task, input.clone(), *next);
        *next += 1;
        let took = timeout(PATIENCE, run)
            .await
            .map_err(|_| failed(format!("no output within {PATIENCE:?}")))??;
        times.push(took.as_secs_f64() * 1e3);
    }
    Ok(Speed {
        task,
        first_ms: times[0],
        best_ms: times.iter().copied().fold(f64::INFINITY, f64::min),
    })
}

/// Computes an input; how long that took.
async fn run(
    runner: &mut Runner,
    task: Task,
    input: Box<RawValue>,
    ticket: Ticket,
) -> Result<Duration, SmokeError> {
    let began = Instant::now();
    let about = About::default();
    let prepare = ToRunner::Prepare {
        ticket,
        task,
        input,
        about,
    };
    // Where it is gone, `recv` tells how.
    let _ = runner.send(prepare).await;
    loop {
        let exited = |exit| SmokeError::Exited {
            task: task.as_str(),
            exit,
        };
        match runner.recv().await.map_err(exited)? {
            FromRunner::Prepared { .. } => {
                let _ = runner
                    .send(ToRunner::Run {
                        tickets: vec![ticket],
                    })
                    .await;
            }
            FromRunner::Done { .. } => return Ok(began.elapsed()),
            FromRunner::Failed { error, .. } => {
                return Err(SmokeError::Failed {
                    task: task.as_str(),
                    detail: error.detail,
                });
            }
            // The end of the batch before, progress, pieces of the output.
            _ => {}
        }
    }
}
