//! Runs a batch: all its texts in passes, the passes over the lanes, each member answered as soon as the
//! last of its texts is computed.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use lamplighter_shared::{error::ErrorCode, job::JobError};
use serde::Serialize;
use serde_json::value::to_raw_value;

use super::{Encoder, Texts};
use crate::{
    models::{
        Model, invalid,
        passes::{Budget, plan},
    },
    runner::{Cancel, Member},
};

/// Most texts in one pass: more gains nothing, and the longer a pass, the later a cancel is seen.
const PASS_ITEMS: usize = 32;
/// Most padded tokens in one pass, for the same reasons.
pub(super) const PASS_TOKENS: usize = 1024;
/// What a pass costs whatever is in it, in tokens (measured: about 12 ms to 0.4 ms a token).
const PASS_OVERHEAD: usize = 28;

impl Model for Encoder {
    fn run(&mut self, batch: Vec<Member>) {
        let work = Work::new(batch, self.lanes, self.pass_tokens);
        let lanes = self.lanes.min(work.passes.len());
        let encoder = &*self;
        thread::scope(|scope| {
            for _ in 1..lanes {
                // Where a thread can't be had, the others do its share.
                let _ = thread::Builder::new()
                    .name("lane".to_owned())
                    .spawn_scoped(scope, || work.lane(encoder));
            }
            work.lane(encoder);
        });
    }
}

/// A batch in the making.
struct Work {
    /// Every text, and whose it is.
    texts: Vec<Text>,
    /// Indices into `texts`, the most expensive pass last.
    passes: Vec<Vec<usize>>,
    /// Passes not yet taken, from the end.
    left: AtomicUsize,
    cancels: Vec<Cancel>,
    /// By position in the batch; those that are answered are gone.
    open: Mutex<BTreeMap<usize, Open>>,
}

struct Text {
    owner: usize,
    /// Which of its owner's texts it is.
    place: usize,
    ids: Vec<u32>,
}

/// A member that has not been answered.
struct Open {
    member: Member,
    vectors: Vec<Vec<f32>>,
    missing: usize,
    tokens: usize,
}

#[derive(Serialize)]
struct Output {
    embeddings: Vec<Vec<f32>>,
    usage: Usage,
}

#[derive(Serialize)]
struct Usage {
    tokens: usize,
}

impl Work {
    fn new(batch: Vec<Member>, lanes: usize, pass_tokens: usize) -> Self {
        let mut texts = Vec::new();
        let mut open = BTreeMap::new();
        let mut cancels = Vec::with_capacity(batch.len());
        for (owner, mut member) in batch.into_iter().enumerate() {
            cancels.push(member.cancel().clone());
            let Some(Texts(lists)) = member.take_payload() else {
                member.failed(invalid("not a list of texts"));
                continue;
            };
            let (count, tokens) = (lists.len(), lists.iter().map(Vec::len).sum());
            open.insert(
                owner,
                Open {
                    member,
                    vectors: vec![Vec::new(); count],
                    missing: count,
                    tokens,
                },
            );
            texts.extend(
                lists
                    .into_iter()
                    .enumerate()
                    .map(|(place, ids)| Text { owner, place, ids }),
            );
        }
        let lengths: Vec<usize> = texts.iter().map(|text| text.ids.len()).collect();
        // Every lane should have something to do.
        let items = lengths.len().div_ceil(lanes.max(1)).clamp(1, PASS_ITEMS);
        let mut passes = plan(
            &lengths,
            Budget {
                items,
                padded_tokens: pass_tokens,
                overhead: PASS_OVERHEAD,
            },
        );
        passes.sort_by_key(|pass| pass.len() * pass.iter().map(|&i| lengths[i]).max().unwrap_or(0));
        Self {
            texts,
            left: AtomicUsize::new(passes.len()),
            passes,
            cancels,
            open: Mutex::new(open),
        }
    }

    /// Takes passes, the most expensive first, until none is left.
    fn lane(&self, encoder: &Encoder) {
        let take = |left: usize| left.checked_sub(1);
        while let Ok(left) = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take) {
            self.drop_canceled();
            let open = self.open();
            let pass: Vec<&Text> = self.passes[left - 1]
                .iter()
                .map(|&index| &self.texts[index])
                .collect();
            let pass: Vec<&Text> = pass
                .into_iter()
                .filter(|text| open.contains_key(&text.owner))
                .collect();
            drop(open);
            if pass.is_empty() {
                continue;
            }
            let ids: Vec<&[u32]> = pass.iter().map(|text| text.ids.as_slice()).collect();
            match encoder.forward(&ids) {
                Ok(vectors) => self.keep(&pass, vectors),
                Err(error) => self.fail(&pass, &error.to_string()),
            }
        }
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<usize, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn drop_canceled(&self) {
        for (owner, cancel) in self.cancels.iter().enumerate() {
            if cancel.is_canceled() {
                let open = self.open().remove(&owner);
                if let Some(open) = open {
                    open.member.canceled();
                }
            }
        }
    }

    /// Puts the vectors of a pass in their places, and answers who has all of theirs.
    fn keep(&self, pass: &[&Text], vectors: Vec<Vec<f32>>) {
        let mut ready = Vec::new();
        let mut open = self.open();
        let mut touched = Vec::new();
        for (text, vector) in pass.iter().zip(vectors) {
            if let Some(owner) = open.get_mut(&text.owner) {
                owner.vectors[text.place] = vector;
                owner.missing -= 1;
                touched.push(text.owner);
            }
        }
        touched.sort_unstable();
        touched.dedup();
        for owner in touched {
            let missing = open.get(&owner).map_or(0, |owner| owner.missing);
            if missing == 0 {
                ready.extend(open.remove(&owner));
            } else if let Some(owner) = open.get(&owner) {
                owner
                    .member
                    .progress(1.0 - missing as f64 / owner.vectors.len() as f64, "running");
            }
        }
        drop(open);
        for Open {
            member,
            vectors,
            tokens,
            ..
        } in ready
        {
            match to_raw_value(&Output {
                embeddings: vectors,
                usage: Usage { tokens },
            }) {
                Ok(output) => member.done(output),
                Err(error) => member.failed(JobError::new(ErrorCode::ModelError, error.to_string())),
            }
        }
    }

    fn fail(&self, pass: &[&Text], detail: &str) {
        // A device says so in words only.
        let full = detail
            .to_ascii_lowercase()
            .replace('_', " ")
            .contains("out of memory");
        let code = if full {
            ErrorCode::OutOfMemory
        } else {
            ErrorCode::ModelError
        };
        for text in pass {
            let open = self.open().remove(&text.owner);
            if let Some(open) = open {
                open.member.failed(JobError::new(code, detail));
            }
        }
    }
}
