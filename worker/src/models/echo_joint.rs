//! `echo` as one computation: the members of a batch run on one thread and end together, as those of a real
//! model do. Whoever misbehaves takes the whole batch with it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use lamplighter_shared::{error::ErrorCode, job::JobError, model_spec::ModelSpec};
use serde_json::value::RawValue;

use super::{
    Loaded, Model,
    echo::{Behaviour, Echo},
    object,
};
use crate::runner::Member;

/// How long a step is; between steps it is seen who is still wanted.
const STEP: Duration = Duration::from_millis(20);

struct Joint;

pub(super) fn load(spec: &ModelSpec) -> Loaded {
    Loaded {
        model: Box::new(Joint),
        preparer: Arc::new(Echo),
        dtype: spec.dtype.clone(),
        device: "cpu".to_owned(),
        joint: true,
    }
}

/// A member, its input, and what that asks for.
type Part = (Member, Box<RawValue>, Behaviour);

impl Model for Joint {
    fn run(&mut self, batch: Vec<Member>) {
        let mut parts: Vec<Part> = batch.into_iter().filter_map(part).collect();
        let held: Vec<Vec<u8>> = parts.iter().map(|(.., behaviour)| behaviour.allocate()).collect();
        let longest = parts.iter().map(|(.., behaviour)| behaviour.sleep_ms).max();
        let end = Instant::now() + Duration::from_millis(longest.unwrap_or_default());
        while !parts.is_empty() && Instant::now() < end {
            std::thread::sleep(STEP.min(end.saturating_duration_since(Instant::now())));
            parts = still_wanted(parts);
        }
        std::hint::black_box(&held);
        parts.iter().for_each(|(.., behaviour)| behaviour.misbehave());
        // A step that fails, fails all that are in it.
        let failed = parts.iter().find_map(|(.., behaviour)| behaviour.fail.clone());
        for (member, input, _) in parts {
            match &failed {
                Some(message) => member.failed(JobError {
                    retryable: false,
                    ..JobError::new(ErrorCode::ModelError, message.clone())
                }),
                None => member.done(input),
            }
        }
    }
}

fn part(mut member: Member) -> Option<Part> {
    let input = member.take_payload::<Box<RawValue>>()?;
    match object::<Behaviour>(&input) {
        Ok(behaviour) => Some((member, input, behaviour)),
        Err(error) => {
            member.failed(error);
            None
        }
    }
}

fn still_wanted(parts: Vec<Part>) -> Vec<Part> {
    let (unwanted, wanted) = parts
        .into_iter()
        .partition(|(member, ..)| member.cancel().is_canceled());
    let unwanted: Vec<Part> = unwanted;
    unwanted.into_iter().for_each(|(member, ..)| member.canceled());
    wanted
}
