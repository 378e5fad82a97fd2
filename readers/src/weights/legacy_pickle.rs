//! State dicts as torch wrote them before 1.6: five pickles, then the numbers.
//!
//! Layout: a magic number, the protocol (1001), a dict about the machine, the state dict, a list of the storages'
//! keys; each pickled by itself. Then, for each key, the number of elements as a 64-bit integer and the elements.

use std::collections::HashMap;

use super::{
    Tensor, Weights, WeightsError,
    cursor::Cursor,
    error::OTHER_FORMAT,
    pickle::{self, Node, Pickled, StorageRef},
    tensor::{Layout, element_size},
};

/// The magic number, as a pickle of protocol 2.
const MAGIC: [u8; 15] = [
    0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e,
];

/// The tensors of a file; `bytes` are all of it.
///
/// # Errors
/// Where it is something else than a state dict in this format, contradicts itself, or is beyond the caps.
pub fn read(bytes: &[u8]) -> Result<Weights<'_>, WeightsError> {
    let mut cursor = Cursor::new(bytes);
    if bytes.len() < MAGIC.len() || cursor.take(MAGIC.len())? != MAGIC {
        return Err(WeightsError::refused(
            "this is no file of torch's old format",
            OTHER_FORMAT,
        ));
    }
    right_protocol(&pickle::run(&mut cursor)?)?;
    little_endian(&pickle::run(&mut cursor)?)?;
    let state = pickle::run(&mut cursor)?;
    let keys = pickle::run(&mut cursor)?;
    let storages = storages(&mut cursor, &state, &keys)?;
    if cursor.left() > 0 {
        return Err(WeightsError::damaged(format!(
            "{} bytes follow the last storage",
            cursor.left()
        )));
    }
    views(&state, bytes.len(), |storage| {
        storages
            .get(storage.key)
            .copied()
            .ok_or_else(|| missing(storage.key))
    })
}

/// The tensors of `state`, each a view of the bytes that `find` has for its storage.
pub(super) fn views<'a>(
    state: &Pickled<'a>,
    file: usize,
    find: impl Fn(&StorageRef<'a>) -> Result<&'a [u8], WeightsError>,
) -> Result<Weights<'a>, WeightsError> {
    let tensors = pickle::tensors(state)?
        .into_iter()
        .map(|(name, tensor)| {
            let storage = &state.storages[tensor.storage];
            let layout = Layout {
                offset: tensor.offset,
                shape: tensor.shape,
                strides: tensor.strides,
            };
            Tensor::view(&name, storage.dtype, find(storage)?, layout)
        })
        .collect::<Result<_, _>>()?;
    Weights::new(tensors, file)
}

/// Bytes of a storage, by what the pickle says.
pub(super) fn storage_size(storage: &StorageRef<'_>) -> Result<usize, WeightsError> {
    element_size(storage.dtype)
        .and_then(|size| storage.count.checked_mul(size))
        .ok_or_else(|| {
            WeightsError::damaged(format!("storage {:?} has a length that overflows", storage.key))
        })
}

fn missing(key: &str) -> WeightsError {
    WeightsError::damaged(format!("storage {key:?} is not in the file"))
}

fn right_protocol(protocol: &Pickled<'_>) -> Result<(), WeightsError> {
    if matches!(protocol.nodes[protocol.root as usize], Node::Int(1001)) {
        return Ok(());
    }
    Err(WeightsError::refused(
        "the file has another protocol than 1001",
        OTHER_FORMAT,
    ))
}

fn little_endian(about: &Pickled<'_>) -> Result<(), WeightsError> {
    let node = |id: u32| &about.nodes[id as usize];
    let Node::Dict(entries) = node(about.root) else {
        return Err(WeightsError::damaged("the dict about the machine is missing"));
    };
    let swapped = entries.iter().any(|(key, value)| {
        matches!(
            (node(*key), node(*value)),
            (Node::Str("little_endian"), Node::Bool(false))
        )
    });
    if swapped {
        return Err(WeightsError::refused(
            "the file was written by a big-endian machine",
            OTHER_FORMAT,
        ));
    }
    Ok(())
}

/// The storages' bytes, by key.
fn storages<'a>(
    cursor: &mut Cursor<'a>,
    state: &Pickled<'a>,
    keys: &Pickled<'a>,
) -> Result<HashMap<&'a str, &'a [u8]>, WeightsError> {
    let Node::List(list) = &keys.nodes[keys.root as usize] else {
        return Err(WeightsError::damaged("the list of storages is missing"));
    };
    let known: HashMap<&str, &StorageRef> = state
        .storages
        .iter()
        .map(|storage| (storage.key, storage))
        .collect();
    let mut found = HashMap::new();
    for id in list {
        let Node::Str(key) = keys.nodes[*id as usize] else {
            return Err(WeightsError::damaged(
                "the list of storages holds something else than keys",
            ));
        };
        let Some(storage) = known.get(key) else {
            return Err(WeightsError::damaged(format!(
                "storage {key:?} belongs to no tensor"
            )));
        };
        let count = cursor.i64()?;
        if usize::try_from(count) != Ok(storage.count) {
            return Err(WeightsError::damaged(format!(
                "storage {key:?} has {count} elements, and {} by the pickle",
                storage.count
            )));
        }
        if found.insert(key, cursor.take(storage_size(storage)?)?).is_some() {
            return Err(WeightsError::damaged(format!("storage {key:?} is there twice")));
        }
    }
    Ok(found)
}
