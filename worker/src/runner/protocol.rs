//! What supervisor and runner say to each other over a Unix socket pair: frames of a length (`u32`,
//! little-endian) and that many bytes of JSON.
//!
//! Inputs and outputs travel as raw JSON: they are parsed once, by the model, and written once. The
//! enums are tagged from outside (`{"Run": {..}}`), because raw JSON can't pass through serde's buffers.

use std::io::{self, Read, Write};

use lamplighter_shared::{event::Progress, job::JobError, model_spec::ModelSpec, task::Task, trace::Trace};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, value::RawValue};

use crate::models::Files;

/// The most bytes of one frame, its length not counted.
pub const MAX_FRAME: usize = 64 << 20;

/// The supervisor's number for a job it holds; never used twice in the life of a runner.
pub type Ticket = u64;

/// What a supervisor tells its runner. The first message is [`ToRunner::Load`], once.
#[derive(Debug, Serialize, Deserialize)]
pub enum ToRunner {
    /// Load the model; answered by `Ready` or `LoadFailed`.
    Load {
        /// The model.
        spec: Box<ModelSpec>,
        /// Its files.
        files: Files,
        /// Threads it may compute with.
        threads: usize,
        /// Whether it may misbehave when a job asks it to.
        faults: bool,
    },
    /// Read and tokenise an input; answered by `Prepared` or `Failed`. A ticket forgotten before the
    /// answer may stay unanswered.
    Prepare {
        /// The job.
        ticket: Ticket,
        /// What is to be done.
        task: Task,
        /// Its input.
        input: Box<RawValue>,
        /// Which run it is, for the log.
        about: About,
    },
    /// Run prepared jobs as a batch. Each is answered by one of `Done`, `Failed` and `Canceled`, then
    /// the batch by one `BatchDone`. A ticket that is not prepared (or forgotten since) is `Canceled`.
    Run {
        /// The members.
        tickets: Vec<Ticket>,
    },
    /// Drop a prepared job (no answer), or cancel it between steps if it runs (`Canceled`, unless it
    /// ends first).
    Forget {
        /// The job.
        ticket: Ticket,
    },
    /// Answered by `Pong` at once, also while the model loads or computes.
    Ping {
        /// Comes back in the answer.
        n: u64,
    },
    /// End now.
    Shutdown,
}

/// Which run a ticket stands for: what a runner's log lines about it carry.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct About {
    /// The job.
    pub job: String,
    /// The run, counted by claims.
    pub epoch: i64,
    /// Its place in the trace of its request.
    pub trace: Option<Trace>,
}

/// What a runner tells its supervisor.
#[derive(Debug, Serialize, Deserialize)]
pub enum FromRunner {
    /// The model is loaded and has computed its canary.
    Ready(ModelInfo),
    /// The model can't be used; the process ends.
    LoadFailed(JobError),
    /// The job can be run.
    Prepared {
        /// The job.
        ticket: Ticket,
        /// What it will cost.
        cost: Cost,
    },
    /// The job's output.
    Done {
        /// The job.
        ticket: Ticket,
        /// Its output.
        output: Box<RawValue>,
        /// The seed of the numbers that were drawn for it, where any were.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seed: Option<u64>,
    },
    /// The job can't be prepared, or failed.
    Failed {
        /// The job.
        ticket: Ticket,
        /// Why.
        error: JobError,
    },
    /// The job was dropped before its end, as asked.
    Canceled {
        /// The job.
        ticket: Ticket,
    },
    /// How far a running job has come.
    Progress {
        /// The job.
        ticket: Ticket,
        /// How far.
        progress: Progress,
    },
    /// A piece of a running job's output.
    Output {
        /// The job.
        ticket: Ticket,
        /// The piece.
        chunk: Value,
    },
    /// Every member of a batch has been answered.
    BatchDone {
        /// From the start of the batch to its last answer, milliseconds.
        compute_ms: f64,
    },
    /// The answer to `Ping`.
    Pong {
        /// The number that was sent.
        n: u64,
    },
    /// An allocation failed; the process aborts right after.
    OutOfMemory {
        /// What was asked for.
        bytes: u64,
    },
}

/// A loaded model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// What its files are, as [`crate::catalog::digest`] says it.
    pub digest: String,
    /// Number type it computes in.
    pub dtype: String,
    /// Where it computes.
    pub device: String,
    /// From the first byte read to the canary's result, milliseconds.
    pub load_ms: u64,
    /// Whether the members of a batch are computed together. If not, each ends on its own, and a
    /// further `Run` may be sent before the `BatchDone` of the last.
    pub joint: bool,
}

/// What a prepared job will cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Items (texts).
    pub items: usize,
    /// Tokens of all items.
    pub tokens: usize,
    /// Tokens of the longest item.
    pub longest: usize,
}

/// A message as a whole frame, length first.
///
/// # Errors
/// If the message is longer than [`MAX_FRAME`] or can't be written as JSON.
pub fn frame<M: Serialize>(message: &M) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, message)?;
    let length = bytes.len() - 4;
    if length > MAX_FRAME {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("a frame of {length} bytes is too long"),
        ));
    }
    bytes[..4].copy_from_slice(&(length as u32).to_le_bytes());
    Ok(bytes)
}

/// Writes one message.
///
/// # Errors
/// As [`frame`], and where the writer fails.
pub fn write<M: Serialize>(to: &mut impl Write, message: &M) -> io::Result<()> {
    to.write_all(&frame(message)?)
}

/// Reads one message; `None` at an end between frames.
///
/// # Errors
/// Where the reader fails, at an end inside a frame, for a frame that is too long or not a message.
pub fn read<M: DeserializeOwned>(from: &mut impl Read) -> io::Result<Option<M>> {
    let mut length = [0; 4];
    match from.read(&mut length)? {
        0 => return Ok(None),
        n => from.read_exact(&mut length[n..])?,
    }
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_FRAME {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("a frame of {length} bytes is too long"),
        ));
    }
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes)?;
    Ok(Some(serde_json::from_slice(&bytes)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_round_trip_and_inputs_stay_as_they_are() {
        let input = r#"{ "b" : 1.50, "a": [ "é" ] }"#;
        let message = ToRunner::Prepare {
            ticket: 7,
            task: Task::Echo,
            input: RawValue::from_string(input.to_owned()).expect("JSON"),
            about: About::default(),
        };
        let mut bytes = frame(&message).expect("short");
        bytes.extend(frame(&ToRunner::Shutdown).expect("short"));
        let mut reader = bytes.as_slice();
        match read(&mut reader).expect("a frame") {
            Some(ToRunner::Prepare {
                ticket: 7,
                input: raw,
                ..
            }) => assert_eq!(raw.get(), input),
            other => panic!("{other:?}"),
        }
        assert!(matches!(read(&mut reader), Ok(Some(ToRunner::Shutdown))));
        assert!(matches!(read::<ToRunner>(&mut reader), Ok(None)));
    }

    #[test]
    fn bad_frames_are_errors() {
        let long = u32::MAX.to_le_bytes();
        assert!(read::<ToRunner>(&mut long.as_slice()).is_err(), "too long");
        let whole = frame(&ToRunner::Ping { n: 1 }).expect("short");
        for cut in 1..whole.len() {
            assert!(read::<ToRunner>(&mut &whole[..cut]).is_err(), "cut at {cut}");
        }
        let junk = [&3_u32.to_le_bytes()[..], b"{}}"].concat();
        assert!(read::<ToRunner>(&mut junk.as_slice()).is_err(), "not a message");
    }
}
