//! Finds the tensors in what a pickle built.

use std::collections::HashSet;

use super::{
    machine::{Pickled, senseless},
    node::{Id, Node, TensorRef},
};
use crate::weights::{
    WeightsError,
    tensor::{MAX_NAME, MAX_TENSORS},
};

/// How deep dicts may be nested.
const MAX_DEPTH: usize = 8;
/// The most entries that are looked at: dicts may contain each other, so there can be more than there are values.
const MAX_ENTRIES: usize = 400_000;
/// The most bytes of all names together (8 MiB): they are made of keys that a pickle has once and can recall for
/// each tensor.
const MAX_NAMES: usize = 8 << 20;

/// A tensor's full name and view.
pub(in crate::weights) type RawTensor = (String, TensorRef);

/// The tensors in their order, nested dicts' under joined names. What is neither (an epoch's number, the state of a
/// random generator) is passed over.
pub(in crate::weights) fn tensors(pickled: &Pickled<'_>) -> Result<Vec<RawTensor>, WeightsError> {
    if !matches!(pickled.nodes[pickled.root as usize], Node::Dict(_)) {
        return Err(senseless("does not hold a dict of tensors"));
    }
    let mut walk = Walk {
        pickled,
        found: Vec::new(),
        names: HashSet::new(),
        bytes: 0,
        entries: 0,
    };
    walk.dict("", pickled.root, 0)?;
    if walk.found.is_empty() {
        return Err(senseless("holds no tensor"));
    }
    Ok(walk.found)
}

struct Walk<'p, 'a> {
    pickled: &'p Pickled<'a>,
    found: Vec<RawTensor>,
    names: HashSet<String>,
    /// Bytes of the names so far.
    bytes: usize,
    entries: usize,
}

impl Walk<'_, '_> {
    fn dict(&mut self, prefix: &str, id: Id, depth: usize) -> Result<(), WeightsError> {
        let pickled = self.pickled;
        let Node::Dict(entries) = &pickled.nodes[id as usize] else {
            return Ok(());
        };
        if depth >= MAX_DEPTH {
            return Err(senseless(&format!("nests dicts more than {MAX_DEPTH} deep")));
        }
        for (key, value) in entries {
            self.entries += 1;
            if self.entries > MAX_ENTRIES {
                return Err(senseless(&format!("has more than {MAX_ENTRIES} entries")));
            }
            let Node::Str(key) = pickled.nodes[*key as usize] else {
                continue;
            };
            let value_node = &pickled.nodes[*value as usize];
            if !matches!(value_node, Node::Dict(_) | Node::Tensor(_)) {
                continue;
            }
            let name = if prefix.is_empty() {
                key.to_owned()
            } else {
                format!("{prefix}.{key}")
            };
            if name.is_empty() || name.len() > MAX_NAME || self.found.len() >= MAX_TENSORS {
                return Err(senseless(
                    "has too many tensors, or one with too long a name or none",
                ));
            }
            match value_node {
                Node::Tensor(tensor) => self.found(name, tensor)?,
                _ => self.dict(&name, *value, depth + 1)?,
            }
        }
        Ok(())
    }

    fn found(&mut self, name: String, tensor: &TensorRef) -> Result<(), WeightsError> {
        self.bytes += name.len();
        if self.bytes > MAX_NAMES {
            return Err(senseless(&format!(
                "has tensors whose names take more than {MAX_NAMES} bytes"
            )));
        }
        if !self.names.insert(name.clone()) {
            return Err(WeightsError::damaged(format!("there are two tensors {name:?}")));
        }
        self.found.push((name, tensor.clone()));
        Ok(())
    }
}
