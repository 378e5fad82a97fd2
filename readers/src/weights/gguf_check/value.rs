//! Values of a GGUF file's metadata, borrowed from it.

use std::fmt;

use crate::weights::{
    WeightsError,
    cursor::Cursor,
    error::{OTHER_FORMAT, TOO_LARGE},
};

/// The longest text, in bytes (1 MiB): a chat template can have some KB.
const MAX_TEXT: usize = 1 << 20;
/// The most elements of a list.
const MAX_ELEMENTS: u64 = 4 << 20;

/// A value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// An unsigned byte.
    U8(u8),
    /// A signed byte.
    I8(i8),
    /// Unsigned, 16 bits.
    U16(u16),
    /// Signed, 16 bits.
    I16(i16),
    /// Unsigned, 32 bits.
    U32(u32),
    /// Signed, 32 bits.
    I32(i32),
    /// Unsigned, 64 bits.
    U64(u64),
    /// Signed, 64 bits.
    I64(i64),
    /// 32 bits with a fraction.
    F32(f32),
    /// 64 bits with a fraction.
    F64(f64),
    /// True or false.
    Bool(bool),
    /// A text.
    Str(&'a str),
    /// A list of values of one type, none of them a list.
    Array(Array<'a>),
}

/// A list; its elements are read as they are asked for.
#[derive(Clone, Copy, PartialEq)]
pub struct Array<'a> {
    kind: u32,
    length: usize,
    bytes: &'a [u8],
}

impl<'a> Value<'a> {
    /// Reads a type and a value of it.
    pub(super) fn read(cursor: &mut Cursor<'a>) -> Result<Self, WeightsError> {
        match cursor.u32()? {
            9 => array(cursor).map(Self::Array),
            kind => Self::single(cursor, kind),
        }
    }

    fn single(cursor: &mut Cursor<'a>, kind: u32) -> Result<Self, WeightsError> {
        Ok(match kind {
            0 => Self::U8(cursor.u8()?),
            1 => Self::I8(cursor.u8()?.cast_signed()),
            2 => Self::U16(cursor.u16()?),
            3 => Self::I16(cursor.u16()?.cast_signed()),
            4 => Self::U32(cursor.u32()?),
            5 => Self::I32(cursor.i32()?),
            6 => Self::F32(f32::from_bits(cursor.u32()?)),
            7 => match cursor.u8()? {
                0 => Self::Bool(false),
                1 => Self::Bool(true),
                other => {
                    return Err(WeightsError::damaged(format!(
                        "a truth value of the metadata is {other}"
                    )));
                }
            },
            8 => Self::Str(text(cursor, MAX_TEXT)?),
            10 => Self::U64(cursor.u64()?),
            11 => Self::I64(cursor.i64()?),
            12 => Self::F64(f64::from_bits(cursor.u64()?)),
            other => {
                return Err(WeightsError::damaged(format!(
                    "a value of the metadata has the unknown type {other}"
                )));
            }
        })
    }

    /// The value as a number from 0 up, of whichever type it is.
    pub fn as_u64(&self) -> Option<u64> {
        match *self {
            Self::U8(n) => Some(u64::from(n)),
            Self::U16(n) => Some(u64::from(n)),
            Self::U32(n) => Some(u64::from(n)),
            Self::U64(n) => Some(n),
            Self::I8(n) => u64::try_from(n).ok(),
            Self::I16(n) => u64::try_from(n).ok(),
            Self::I32(n) => u64::try_from(n).ok(),
            Self::I64(n) => u64::try_from(n).ok(),
            _ => None,
        }
    }

    /// The value, where it has a fraction.
    pub fn as_f64(&self) -> Option<f64> {
        match *self {
            Self::F32(n) => Some(f64::from(n)),
            Self::F64(n) => Some(n),
            _ => None,
        }
    }

    /// The value, where it is true or false.
    pub fn as_bool(&self) -> Option<bool> {
        match *self {
            Self::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// The text, where it is one.
    pub fn as_str(&self) -> Option<&'a str> {
        match *self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The list, where it is one.
    pub fn as_array(&self) -> Option<Array<'a>> {
        match *self {
            Self::Array(array) => Some(array),
            _ => None,
        }
    }
}

impl fmt::Debug for Array<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Array(type {}, {} elements)", self.kind, self.length)
    }
}

impl<'a> Array<'a> {
    /// Elements in it.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Its elements.
    pub fn iter(&self) -> impl Iterator<Item = Value<'a>> + use<'a> {
        let (kind, mut cursor) = (self.kind, Cursor::new(self.bytes));
        // All of them were read once when the list was.
        (0..self.length).map_while(move |_| Value::single(&mut cursor, kind).ok())
    }
}

/// A list: its type, its length, its elements. Each is looked at once.
fn array<'a>(cursor: &mut Cursor<'a>) -> Result<Array<'a>, WeightsError> {
    let kind = cursor.u32()?;
    if kind == 9 {
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
    if length > MAX_ELEMENTS {
        return Err(WeightsError::refused(
            format!("a list of the metadata has {length} elements, and {MAX_ELEMENTS} is the most"),
            TOO_LARGE,
        ));
    }
    let before = cursor.clone();
    for _ in 0..length {
        Value::single(cursor, kind)?;
    }
    Ok(Array {
        kind,
        length: length as usize,
        bytes: before.clone().take(cursor.at() - before.at())?,
    })
}

/// A text of at most `cap` bytes.
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
