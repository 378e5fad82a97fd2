//! Why a model's files could not be had.

use std::{io, path::PathBuf};

use super::FileError;

/// A model's files could not be had.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// The catalogue's entry can't be used.
    #[error("model {model}: {problem}")]
    Spec {
        /// The model.
        model: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The models folder can't be used.
    #[error("{path}: {error}")]
    Folder {
        /// What could not be read or written.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// No source worked; one reason each.
    #[error("model {model} could not be fetched:{}", reasons(.model, .failures))]
    Sources {
        /// The model.
        model: String,
        /// What went wrong with each source, in their order.
        failures: Vec<(String, SourceError)>,
    },
    /// What is on this machine can't be used; one reason each.
    #[error("model {model} is not here as it should be:{}", reasons(.model, .failures))]
    Broken {
        /// The model.
        model: String,
        /// What is wrong with each folder.
        failures: Vec<(String, SourceError)>,
    },
    /// It was not fetched yet.
    #[error("model {model} is not here; fetch it (`lamplighter models pull {model}`)")]
    NotHere {
        /// The model.
        model: String,
    },
}

/// A source could not be used.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It gave something else than the catalogue says.
    #[error("{0}")]
    File(#[from] FileError),
    /// It can't be reached, or ended too early: what has arrived is kept for the next attempt.
    #[error("{0}")]
    Fetch(String),
    /// What it gave is of no use: damaged, or without a file of the model.
    #[error("{0}")]
    Content(String),
    /// It gave something else than it gave the first time.
    #[error(
        "{error} (recorded in {} when it was first fetched; where you have changed it yourself, remove that file)",
        .record.display()
    )]
    Changed {
        /// The file that differs.
        error: FileError,
        /// Where it stands what it was.
        record: PathBuf,
    },
    /// A program is missing here.
    #[error("there is no pip on this machine (install it: on Debian and Ubuntu `apt install python3-pip`)")]
    NoPip,
    /// The machine's own trouble: a full disk, a folder that can't be written.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// A line for each failure: what is wrong, and what to do.
fn reasons(model: &str, failures: &[(String, SourceError)]) -> String {
    if failures.is_empty() {
        return " the catalogue names no source".to_owned();
    }
    let line = |(source, error): &(String, SourceError)| {
        let advice = match error {
            SourceError::File(error) => error.advice(model),
            _ => String::new(),
        };
        format!("\n  {source}: {error}{advice}")
    };
    failures.iter().map(line).collect()
}
