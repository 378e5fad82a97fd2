//! The few "calls" a state dict makes, answered without calling anything.

use safetensors::Dtype;

use super::{
    machine::{Machine, senseless},
    node::{Global, Id, Node, StorageRef, TensorRef},
};
use crate::weights::{
    WeightsError,
    tensor::{MAX_RANK, MAX_TENSORS},
};

/// The most arguments of a call.
const MAX_ARGUMENTS: usize = 7;

impl<'a> Machine<'a> {
    fn node(&self, id: Id) -> &Node<'a> {
        &self.nodes[id as usize]
    }

    fn tuple(&self, id: Id) -> Result<&[Id], WeightsError> {
        match self.node(id) {
            Node::Tuple(items) => Ok(items),
            _ => Err(senseless("has something else where a tuple belongs")),
        }
    }

    fn length(&self, id: Id) -> Result<usize, WeightsError> {
        match self.node(id) {
            Node::Int(n) => usize::try_from(*n).map_err(|_| senseless("has a length or place below 0")),
            _ => Err(senseless("has something else where a number belongs")),
        }
    }

    fn lengths(&self, id: Id) -> Result<Vec<usize>, WeightsError> {
        let items = self.tuple(id)?;
        if items.len() > MAX_RANK {
            return Err(senseless(&format!(
                "has a tensor of more than {MAX_RANK} dimensions"
            )));
        }
        items.iter().map(|item| self.length(*item)).collect()
    }

    /// Takes a name and its arguments, leaves what the call would give.
    pub(super) fn reduce(&mut self) -> Result<(), WeightsError> {
        let arguments = self.pop()?;
        let callee = self.pop()?;
        let Node::Global(global) = *self.node(callee) else {
            return Err(senseless("calls what is no function"));
        };
        let arguments = self.tuple(arguments)?;
        // No call takes more; a long tuple is not copied for that to be told.
        let arguments = arguments[..arguments.len().min(MAX_ARGUMENTS + 1)].to_vec();
        match (global, arguments.as_slice()) {
            (Global::OrderedDict, []) => self.push(Node::Dict(Vec::new())),
            (Global::OrderedDict, [pairs]) => {
                let dict = self.pairs(*pairs)?;
                self.push(Node::Dict(dict))
            }
            (
                Global::RebuildTensorV2,
                [storage, offset, shape, strides, _, _] | [storage, offset, shape, strides, _, _, _],
            )
            | (Global::RebuildTensor, [storage, offset, shape, strides]) => {
                let Node::Storage(storage) = *self.node(*storage) else {
                    return Err(senseless("has a tensor without a storage"));
                };
                let dimensions = self.tuple(*shape)?.len() + self.tuple(*strides)?.len();
                self.charge(dimensions)?;
                let tensor = TensorRef {
                    storage,
                    offset: self.length(*offset)?,
                    shape: self.lengths(*shape)?,
                    strides: self.lengths(*strides)?,
                };
                self.push(Node::Tensor(tensor))
            }
            // A parameter is its tensor; what else there is concerns training.
            (Global::RebuildParameter, [tensor, _, _]) if matches!(self.node(*tensor), Node::Tensor(_)) => {
                self.push_id(*tensor)
            }
            _ => Err(senseless("calls a function of torch in an unknown way")),
        }
    }

    /// The entries of a dict that was written as a list of pairs.
    fn pairs(&mut self, list: Id) -> Result<Vec<(Id, Id)>, WeightsError> {
        let length = match self.node(list) {
            Node::List(pairs) | Node::Tuple(pairs) => pairs.len(),
            _ => 0,
        };
        self.charge(2 * length)?;
        let (Node::List(pairs) | Node::Tuple(pairs)) = self.node(list) else {
            return Err(senseless("makes a dict of what are no pairs"));
        };
        pairs
            .iter()
            .map(|pair| match self.node(*pair) {
                Node::List(pair) | Node::Tuple(pair) if pair.len() == 2 => Ok((pair[0], pair[1])),
                _ => Err(senseless("makes a dict of what are no pairs")),
            })
            .collect()
    }

    /// Sets an object's attributes: a state dict carries versions of its modules so. They are passed over.
    pub(super) fn build(&mut self) -> Result<(), WeightsError> {
        let state = self.pop()?;
        let object = self.pop()?;
        match (self.node(object), self.node(state)) {
            (Node::Dict(_), Node::Dict(_)) => self.push_id(object),
            _ => Err(senseless("sets attributes of what is no dict")),
        }
    }

    /// A storage outside of the pickle: `("storage", type, key, place, count[, view])`.
    pub(super) fn persistent(&mut self) -> Result<(), WeightsError> {
        let id = self.pop()?;
        let (kind, dtype, key, count) = match *self.tuple(id)? {
            [kind, dtype, key, _, count] => (kind, dtype, key, count),
            [kind, dtype, key, _, count, view] if matches!(self.node(view), Node::None) => {
                (kind, dtype, key, count)
            }
            [_, _, _, _, _, _] => return Err(senseless("has a storage that is a part of another")),
            _ => return Err(senseless("names a storage in an unknown way")),
        };
        match (self.node(kind), self.node(dtype), self.node(key)) {
            (Node::Str("storage"), Node::Global(Global::Storage(dtype)), Node::Str(key)) => {
                let (dtype, key) = (*dtype, *key);
                let count = self.length(count)?;
                let storage = self.storage(key, dtype, count)?;
                self.push(Node::Storage(storage))
            }
            _ => Err(senseless("names a storage in an unknown way")),
        }
    }

    fn storage(&mut self, key: &'a str, dtype: Dtype, count: usize) -> Result<usize, WeightsError> {
        if let Some(place) = self.keys.get(key) {
            let known = self.storages[*place];
            return if known.dtype == dtype && known.count == count {
                Ok(*place)
            } else {
                Err(senseless(&format!("gives storage {key:?} two types or lengths")))
            };
        }
        if self.storages.len() >= MAX_TENSORS {
            return Err(senseless(&format!("has more than {MAX_TENSORS} storages")));
        }
        self.storages.push(StorageRef { key, dtype, count });
        self.keys.insert(key, self.storages.len() - 1);
        Ok(self.storages.len() - 1)
    }
}
