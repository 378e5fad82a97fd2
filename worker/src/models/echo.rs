//! No model: the input is the output. Its optional keys make it misbehave, for demonstrations and for
//! the tests of everything around it. Each member has a thread of its own and ends on its own.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use lamplighter_shared::{error::ErrorCode, job::JobError, model_spec::ModelSpec, task::Task};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Loaded, Model, Payload, Preparer, invalid, object};
use crate::runner::{Member, protocol::Cost};

/// Progress is told this often at most.
const PROGRESS_EVERY: Duration = Duration::from_millis(50);

/// The keys of an input that mean something here.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Behaviour {
    /// Sleep this long before the answer.
    pub(super) sleep_ms: u64,
    /// Then fail with this message.
    pub(super) fail: Option<String>,
    /// Then abort the process.
    crash: bool,
    /// Then end the stack.
    overflow: bool,
    /// Then panic.
    panic: bool,
    /// Then never return, and ignore that the job is cancelled.
    hang: bool,
    /// The same, and compute all the time.
    spin: bool,
    /// Pieces of output, spread over the sleep.
    chunks: u64,
    /// Fill each of them up to so many bytes; the task's schema bounds it.
    chunk_bytes: usize,
    /// Allocate and touch this much first, MiB; held until the answer.
    allocate_mb: usize,
}

impl Behaviour {
    /// Whether it harms whoever runs beside it.
    fn harms(&self) -> bool {
        self.crash || self.overflow || self.panic || self.hang || self.spin || self.allocate_mb > 0
    }

    /// Not zeros: those would not be touched.
    pub(super) fn allocate(&self) -> Vec<u8> {
        vec![1_u8; self.allocate_mb << 20]
    }

    /// Does the worst it is asked to.
    pub(super) fn misbehave(&self) {
        if self.crash {
            std::process::abort();
        }
        if self.overflow {
            std::hint::black_box(descend(0));
        }
        if self.panic {
            panic!("a job asked for it");
        }
        if self.spin {
            loop {
                std::hint::spin_loop();
            }
        }
        if self.hang {
            // Parking may end by itself; this must not.
            loop {
                thread::park();
            }
        }
    }
}

/// Deeper and deeper, until the stack ends.
fn descend(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 64]);
    // Not the last thing it does, so that no loop can be made of it.
    if depth == u64::MAX {
        0
    } else {
        descend(depth + 1) + frame[1]
    }
}

pub(super) struct Echo;

pub(super) fn load(spec: &ModelSpec) -> Loaded {
    Loaded {
        model: Box::new(Echo),
        preparer: Arc::new(Echo),
        dtype: spec.dtype.clone(),
        device: "cpu".to_owned(),
        joint: false,
    }
}

impl Preparer for Echo {
    fn prepare(&self, _: Task, input: &RawValue) -> Result<(Payload, Cost), JobError> {
        object::<Behaviour>(input)?;
        Ok((
            Box::new(input.to_owned()),
            Cost {
                items: 1,
                tokens: 1,
                longest: 1,
            },
        ))
    }
}

/// Refuses jobs that would harm the runner: where strangers share it, anybody could.
pub(super) struct Tame;

impl Preparer for Tame {
    fn prepare(&self, task: Task, input: &RawValue) -> Result<(Payload, Cost), JobError> {
        let behaviour = object::<Behaviour>(input)?;
        if behaviour.harms() {
            return Err(invalid(
                "crash, overflow, panic, hang, spin and allocate_mb are for tests, and not allowed here \
                 (worker.echo_faults)",
            ));
        }
        Echo.prepare(task, input)
    }
}

impl Model for Echo {
    fn run(&mut self, batch: Vec<Member>) {
        for member in batch {
            // A member that gets no thread is dropped, which answers it as failed.
            if let Err(error) = thread::Builder::new()
                .name("echo".to_owned())
                .spawn(move || echo(member))
            {
                eprintln!("runner: no thread for a job: {error}");
            }
        }
    }
}

fn echo(mut member: Member) {
    let Some(input) = member.take_payload::<Box<RawValue>>() else {
        return;
    };
    let behaviour = match object::<Behaviour>(&input) {
        Ok(behaviour) => behaviour,
        Err(error) => return member.failed(error),
    };
    let held = behaviour.allocate();
    if sleep(&member, &behaviour) {
        return member.canceled();
    }
    std::hint::black_box(&held);
    behaviour.misbehave();
    match behaviour.fail {
        Some(message) => member.failed(JobError {
            retryable: false,
            ..JobError::new(ErrorCode::ModelError, message)
        }),
        None => member.done(input),
    }
}

/// Sleeps, telling chunks and progress; says whether the job was cancelled meanwhile.
fn sleep(member: &Member, behaviour: &Behaviour) -> bool {
    let started = Instant::now();
    let whole = Duration::from_millis(behaviour.sleep_ms);
    let steps = match behaviour.chunks {
        0 => (behaviour.sleep_ms / 100).clamp(1, 100),
        chunks => chunks,
    };
    let mut told = started;
    for step in 0..steps {
        let part = (step + 1) as f64 / steps as f64;
        if member.cancel().sleep_until(started + whole.mul_f64(part)) {
            return true;
        }
        if behaviour.chunks > 0 {
            let mut chunk = format!("chunk {step}");
            chunk.extend(std::iter::repeat_n(
                '.',
                behaviour.chunk_bytes.saturating_sub(chunk.len()),
            ));
            member.output(chunk.into());
        }
        if step + 1 < steps && told.elapsed() >= PROGRESS_EVERY {
            told = Instant::now();
            member.progress(part, "running");
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_harms_is_refused_and_the_rest_is_not() {
        let refused = |text: &str| {
            let input = RawValue::from_string(text.to_owned()).expect("JSON");
            Echo.prepare(Task::Echo, &input).expect("what it is here for");
            Tame.prepare(Task::Echo, &input).err().map(|error| error.kind)
        };
        for harm in [
            r#"{"crash": true}"#,
            r#"{"hang": true}"#,
            r#"{"spin": true}"#,
            r#"{"panic": true}"#,
            r#"{"overflow": true}"#,
            r#"{"allocate_mb": 1, "sleep_ms": 5}"#,
        ] {
            assert_eq!(refused(harm), Some(ErrorCode::InvalidInput), "{harm}");
        }
        for harmless in [
            r#"{"sleep_ms": 5, "chunks": 2, "fail": "x"}"#,
            r#"{"crash": false, "allocate_mb": 0}"#,
        ] {
            assert_eq!(refused(harmless), None, "{harmless}");
        }
    }
}
