//! Values that stand in a pickle as they are: integers and texts.

use super::{
    machine::{senseless, too_much},
    node::Node,
};
use crate::weights::{WeightsError, cursor::Cursor, tensor::MAX_NAME};

/// An integer of up to eight bytes.
pub(super) fn long<'a>(cursor: &mut Cursor<'a>) -> Result<Node<'a>, WeightsError> {
    let length = cursor.u8()?;
    let bytes = cursor.take(usize::from(length))?;
    if bytes.len() > 8 {
        return Err(senseless("holds an integer of more than eight bytes"));
    }
    let sign = if bytes.last().is_some_and(|byte| *byte >= 0x80) {
        0xff
    } else {
        0
    };
    let mut wide = [sign; 8];
    wide[..bytes.len()].copy_from_slice(bytes);
    Ok(Node::Int(i64::from_le_bytes(wide)))
}

/// A text of so many bytes.
pub(super) fn text<'a>(cursor: &mut Cursor<'a>, length: usize) -> Result<Node<'a>, WeightsError> {
    if length > MAX_NAME {
        return Err(too_much("bytes in a text", MAX_NAME));
    }
    match std::str::from_utf8(cursor.take(length)?) {
        Ok(text) => Ok(Node::Str(text)),
        Err(_) => Err(senseless("holds a text that is not UTF-8")),
    }
}
