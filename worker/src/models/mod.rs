//! The model families: each reads inputs ([`Preparer`], on any thread) and computes batches ([`Model`],
//! on one). A family knows nothing of sockets, leases or jobs' rows.

mod audio_input;
mod bert;
pub mod easyocr;
mod echo;
mod echo_joint;
pub mod efficientnet_lite;
pub(crate) mod headers;
mod image_input;
pub mod layers;
pub mod llama;
pub mod mapped;
mod mtcnn;
pub mod pickled;
mod silero_vad;
pub mod whisper;

use std::{
    any::Any,
    path::{Path, PathBuf},
    sync::Arc,
};

use lamplighter_shared::{
    error::ErrorCode,
    job::JobError,
    model_spec::{Family, ModelSpec},
    task::Task,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::runner::{
    Cancel, Member, Report,
    protocol::{Cost, FromRunner},
};

/// A model in memory.
pub struct Loaded {
    /// Computes.
    pub model: Box<dyn Model>,
    /// Reads inputs.
    pub preparer: Arc<dyn Preparer>,
    /// Number type it computes in.
    pub dtype: String,
    /// Where it computes.
    pub device: String,
    /// Whether the members of a batch are computed together.
    pub joint: bool,
}

/// Reads inputs while the model computes.
pub trait Preparer: Send + Sync {
    /// Checks and tokenises an input for one of the model's tasks.
    ///
    /// # Errors
    /// `invalid_input` where the model can't take it.
    fn prepare(&self, task: Task, input: &RawValue) -> Result<(Payload, Cost), JobError>;
}

/// Computes batches.
pub trait Model: Send {
    /// Answers every member. A model whose members end on their own may return before they have.
    fn run(&mut self, batch: Vec<Member>);
}

/// An input made ready: the family that made it knows what it is.
pub type Payload = Box<dyn Any + Send>;

/// Where a model's files are on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Files {
    /// The files of the catalogue's entry, verified.
    pub dir: PathBuf,
    /// What was made of them, where the family can't read them as they are.
    pub converted: PathBuf,
}

impl Files {
    /// Of a family that reads its files as they are.
    pub fn plain(dir: impl Into<PathBuf>) -> Self {
        let dir = dir.into();
        Self {
            converted: dir.join("converted"),
            dir,
        }
    }
}

/// Loads the model `spec` from its files.
///
/// # Errors
/// `model_unavailable`, saying what is wrong with its files.
pub fn load(spec: &ModelSpec, files: &Files, threads: usize) -> Result<Loaded, JobError> {
    headers::check(spec, files)?;
    match spec.family {
        Family::Bert => bert::load(spec, &files.dir, threads),
        Family::Llama => llama::load(spec, files, threads),
        Family::Echo => Ok(echo::load(spec)),
        Family::EchoJoint => Ok(echo_joint::load(spec)),
        Family::EfficientnetLite => efficientnet_lite::load(spec, files, threads),
        Family::Mtcnn => mtcnn::load(spec, files, threads),
        Family::SileroVad => silero_vad::load(spec, &files.dir),
        Family::Whisper => whisper::load(spec, files),
        Family::Easyocr => easyocr::load(spec, files, threads),
    }
}

/// What makes a folder that the family can read of files that it can't.
pub type Convert = fn(spec: &ModelSpec, dir: &Path, out: &Path) -> Result<(), JobError>;

/// How the files of a family are converted, once, when they are fetched; none where they are read as they are.
pub fn conversion(family: Family) -> Option<Convert> {
    match family {
        Family::Llama => Some(llama::requantise::convert),
        Family::EfficientnetLite | Family::Mtcnn | Family::Easyocr => Some(pickled::convert),
        Family::Whisper => Some(whisper::convert),
        Family::Bert | Family::SileroVad | Family::Echo | Family::EchoJoint => None,
    }
}

/// The same inputs are read, but those that would have the model misbehave are refused.
pub fn without_faults(family: Family, preparer: Arc<dyn Preparer>) -> Arc<dyn Preparer> {
    match family {
        Family::Echo | Family::EchoJoint => Arc::new(echo::Tame),
        _ => preparer,
    }
}

/// Threads the engine should share each matrix out over: one where the family shares out work by itself.
pub fn engine_threads(family: Family, threads: usize) -> usize {
    match family {
        Family::Echo | Family::EchoJoint | Family::Whisper => threads,
        _ => 1,
    }
}

/// Computes the example of each task, as a job would be computed.
///
/// # Errors
/// `model_unavailable` if that fails.
pub fn canary(spec: &ModelSpec, model: &mut dyn Model, preparer: &dyn Preparer) -> Result<(), JobError> {
    spec.tasks
        .iter()
        .try_for_each(|task| try_task(*task, model, preparer))
}

fn try_task(task: Task, model: &mut dyn Model, preparer: &dyn Preparer) -> Result<(), JobError> {
    let broken = |detail: String| {
        JobError::new(
            ErrorCode::ModelUnavailable,
            format!("the canary of {} failed: {detail}", task.as_str()),
        )
    };
    let input = serde_json::value::to_raw_value(&task.example()).map_err(|e| broken(e.to_string()))?;
    let (payload, _) = preparer.prepare(task, &input).map_err(|e| broken(e.detail))?;
    let (answers, answered) = std::sync::mpsc::channel();
    let report: Report = Arc::new(move |message| {
        // Nobody listens after the first answer.
        let _ = answers.send(message);
    });
    model.run(Member::batch(vec![(0, payload, Cancel::default())], report));
    for message in answered {
        match message {
            FromRunner::Done { .. } => return Ok(()),
            FromRunner::Failed { error, .. } => return Err(broken(error.detail)),
            _ => {}
        }
    }
    Err(broken("no answer".to_owned()))
}

/// Reads an input that must be an object: serde alone would take a list for one.
fn object<T: DeserializeOwned>(input: &RawValue) -> Result<T, JobError> {
    if !input.get().trim_start().starts_with('{') {
        return Err(invalid("the input is not an object"));
    }
    serde_json::from_str(input.get()).map_err(|error| invalid(error.to_string()))
}

/// An error about the files of a model.
fn unavailable(detail: impl Into<String>) -> JobError {
    JobError::new(ErrorCode::ModelUnavailable, detail)
}

/// An error about an input.
fn invalid(detail: impl Into<String>) -> JobError {
    JobError::new(ErrorCode::InvalidInput, detail)
}
