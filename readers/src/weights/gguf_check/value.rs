//! Values of a GGUF file's metadata: passed over, each looked at as far as its type can be wrong.

use crate::weights::{
    WeightsError,
    cursor::Cursor,
    error::{OTHER_FORMAT, TOO_LARGE},
};

/// The longest text, in bytes (1 MiB): a chat template can have some KB.
const MAX_TEXT: usize = 1 << 20;
/// The most elements of all lists together; a vocabulary of 260,000 pieces has three or four lists of as many. Who
/// reads the file after this makes a value of each.
const MAX_ELEMENTS: u64 = 4 << 20;

const BOOL: u32 = 7;
const TEXT: u32 = 8;
const LIST: u32 = 9;

/// Passes values, and counts what lists have.
#[derive(Default)]
pub(super) struct Values {
    /// Elements of all lists so far.
    elements: u64,
}

impl Values {
    /// Passes a type and a value of it.
    pub(super) fn pass(&mut self, cursor: &mut Cursor<'_>) -> Result<(), WeightsError> {
        match cursor.u32()? {
            LIST => self.list(cursor),
            kind => several(cursor, kind, 1),
        }
    }

    /// Passes a list: its type, its length, its elements.
    fn list(&mut self, cursor: &mut Cursor<'_>) -> Result<(), WeightsError> {
        let kind = cursor.u32()?;
        if kind == LIST {
            return Err(WeightsError::refused(
                "the metadata has a list of lists",
                OTHER_FORMAT,
            ));
        }
        let length = cursor.u64()?;
        if length > cursor.left() as u64 {
            return Err(WeightsError::damaged(format!(
                "a list of the metadata says it has {length} elements, which can't be in {} bytes",
                cursor.left()
            )));
        }
        // Both are below what a file can have.
        self.elements += length;
        if self.elements > MAX_ELEMENTS {
            return Err(WeightsError::refused(
                format!(
                    "the lists of the metadata have {} elements, and {MAX_ELEMENTS} is the most",
                    self.elements
                ),
                TOO_LARGE,
            ));
        }
        several(cursor, kind, length as usize)
    }
}

/// Passes so many values of a type; all but texts and truth values without a look.
fn several(cursor: &mut Cursor<'_>, kind: u32, count: usize) -> Result<(), WeightsError> {
    let size = match kind {
        0 | 1 | BOOL => 1,
        2 | 3 => 2,
        4..=6 => 4,
        10..=12 => 8,
        TEXT => {
            return (0..count).try_for_each(|_| text(cursor, MAX_TEXT).map(|_| ()));
        }
        other => {
            return Err(WeightsError::damaged(format!(
                "a value of the metadata has the unknown type {other}"
            )));
        }
    };
    // No list has so many elements that this overflows.
    let bytes = cursor.take(count * size)?;
    match bytes.iter().find(|byte| kind == BOOL && **byte > 1) {
        None => Ok(()),
        Some(other) => Err(WeightsError::damaged(format!(
            "a truth value of the metadata is {other}"
        ))),
    }
}

/// A text of at most `cap` bytes.
#[inline]
pub(super) fn text<'a>(cursor: &mut Cursor<'a>, cap: usize) -> Result<&'a str, WeightsError> {
    let length = cursor.u64()?;
    if length > cursor.left() as u64 {
        return Err(WeightsError::damaged(format!(
            "a text of the metadata says it has {length} bytes, and {} are left",
            cursor.left()
        )));
    }
    if length > cap as u64 {
        return Err(WeightsError::refused(
            format!("a text of the metadata has {length} bytes, and {cap} is the most"),
            TOO_LARGE,
        ));
    }
    std::str::from_utf8(cursor.take(length as usize)?)
        .map_err(|_| WeightsError::damaged("a text of the metadata is not UTF-8"))
}
