//! What is wrong with a file of weights, and what to do about it.

use std::{io, path::PathBuf};

/// A file of weights can't be used.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// It can't be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// It is not what this reader takes. Reads as a sentence: what is wrong, then what to do.
    #[error("{problem}; {advice}")]
    Refused {
        /// What is wrong.
        problem: String,
        /// What to do.
        advice: &'static str,
    },
}

/// For a file that contradicts itself or ends too early.
pub(super) const DAMAGED: &str =
    "the file is damaged, incomplete or forged: fetch it again from where it was published";
/// For a pickle that holds more than tensors.
pub(super) const NOT_A_STATE_DICT: &str = "only a state dict (torch.save of model.state_dict()) is read, and nothing in it is run: publish the model as safetensors";
/// For a file beyond the caps.
pub(super) const TOO_LARGE: &str =
    "no model this reader is made for needs that: use another file of the model";
/// For a format, or a part of one, that is not read.
pub(super) const OTHER_FORMAT: &str = "use a safetensors or GGUF file of the model";

impl WeightsError {
    pub(super) fn refused(problem: impl Into<String>, advice: &'static str) -> Self {
        Self::Refused {
            problem: problem.into(),
            advice,
        }
    }

    pub(super) fn damaged(problem: impl Into<String>) -> Self {
        Self::refused(problem, DAMAGED)
    }

    pub(super) fn io(path: impl Into<PathBuf>, error: io::Error) -> Self {
        Self::Io {
            path: path.into(),
            error,
        }
    }
}
