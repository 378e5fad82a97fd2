//! Zip archives whose files are not compressed, as torch writes them: each is a range of the archive's own bytes.
//!
//! The directory at the end is read, with the 64-bit fields of large archives; a file's own header only says where
//! its bytes begin.

use std::collections::HashMap;

use super::{
    WeightsError,
    cursor::Cursor,
    error::{OTHER_FORMAT, TOO_LARGE},
    tensor::{MAX_NAME, MAX_TENSORS},
};

const LOCAL: u32 = 0x0403_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: [u8; 4] = [0x50, 0x4b, 0x05, 0x06];
const END64: u32 = 0x0606_4b50;
const END64_PLACE: [u8; 4] = [0x50, 0x4b, 0x06, 0x07];
/// Bytes of the record at the end, and the longest comment after it.
const END_SIZE: usize = 22;
const MAX_COMMENT: usize = 65_535;
/// Bytes of the record that says where the 64-bit one is.
const END64_PLACE_SIZE: usize = 20;

/// Whether bytes begin like a zip archive.
pub(super) fn looks_like(bytes: &[u8]) -> bool {
    bytes.starts_with(&LOCAL.to_le_bytes())
}

/// An archive's directory.
pub(super) struct Archive<'a> {
    bytes: &'a [u8],
    /// Where each file's header begins, and how many bytes it has.
    files: HashMap<&'a str, (u64, u64)>,
}

impl<'a> Archive<'a> {
    /// Reads the directory.
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, WeightsError> {
        let (count, place) = directory(bytes)?;
        if count > 2 * MAX_TENSORS as u64 {
            return Err(WeightsError::refused(
                format!("the archive says it has {count} files"),
                TOO_LARGE,
            ));
        }
        let mut cursor = Cursor::new(from(bytes, place)?);
        let mut files = HashMap::new();
        for _ in 0..count {
            let (name, file) = entry(&mut cursor)?;
            if files.insert(name, file).is_some() {
                return Err(WeightsError::damaged(format!(
                    "the archive has two files {name:?}"
                )));
            }
        }
        Ok(Self { bytes, files })
    }

    /// The files' names, in no order.
    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.files.keys().copied()
    }

    /// A file's bytes, if it is there.
    pub(super) fn get(&self, name: &str) -> Result<Option<&'a [u8]>, WeightsError> {
        let Some((place, size)) = self.files.get(name) else {
            return Ok(None);
        };
        let mut cursor = Cursor::new(from(self.bytes, *place)?);
        if cursor.u32()? != LOCAL {
            return Err(WeightsError::damaged(format!(
                "there is no file at the place of {name:?}"
            )));
        }
        cursor.take(22)?;
        let skip = usize::from(cursor.u16()?) + usize::from(cursor.u16()?);
        cursor.take(skip)?;
        let size =
            usize::try_from(*size).map_err(|_| WeightsError::damaged(format!("{name:?} is too large")))?;
        cursor.take(size).map(Some)
    }
}

fn from(bytes: &[u8], place: u64) -> Result<&[u8], WeightsError> {
    usize::try_from(place)
        .ok()
        .and_then(|place| bytes.get(place..))
        .ok_or_else(|| {
            WeightsError::damaged(format!("the archive names byte {place}, which it does not have"))
        })
}

/// The number of files and where the directory begins.
fn directory(bytes: &[u8]) -> Result<(u64, u64), WeightsError> {
    let first = bytes.len().saturating_sub(END_SIZE + MAX_COMMENT);
    let end = bytes[first..]
        .windows(END_SIZE)
        .rposition(|window| window.starts_with(&END))
        .map(|place| first + place)
        .ok_or_else(|| WeightsError::damaged("the archive has no directory at its end"))?;
    let mut cursor = Cursor::new(&bytes[end..]);
    cursor.take(10)?;
    let count = cursor.u16()?;
    cursor.u32()?;
    let place = cursor.u32()?;
    let wide = end
        .checked_sub(END64_PLACE_SIZE)
        .map(|place| &bytes[place..end])
        .filter(|record| record.starts_with(&END64_PLACE));
    let Some(wide) = wide else {
        return Ok((u64::from(count), u64::from(place)));
    };
    let mut cursor = Cursor::new(wide);
    cursor.take(8)?;
    let mut cursor = Cursor::new(from(bytes, cursor.u64()?)?);
    if cursor.u32()? != END64 {
        return Err(WeightsError::damaged(
            "the archive's 64-bit directory is not at its place",
        ));
    }
    cursor.take(28)?;
    let count = cursor.u64()?;
    cursor.u64()?;
    Ok((count, cursor.u64()?))
}

/// One file of the directory: its name, where its header begins, its size.
fn entry<'a>(cursor: &mut Cursor<'a>) -> Result<(&'a str, (u64, u64)), WeightsError> {
    if cursor.u32()? != CENTRAL {
        return Err(WeightsError::damaged(
            "the archive's directory has fewer files than it says",
        ));
    }
    cursor.take(4)?;
    let flags = cursor.u16()?;
    let method = cursor.u16()?;
    cursor.take(8)?;
    let packed = cursor.u32()?;
    let size = cursor.u32()?;
    let (name, extra, comment) = (cursor.u16()?, cursor.u16()?, cursor.u16()?);
    cursor.take(8)?;
    let place = cursor.u32()?;
    if usize::from(name) > MAX_NAME {
        return Err(WeightsError::damaged(
            "the archive has a file with too long a name",
        ));
    }
    let name = std::str::from_utf8(cursor.take(usize::from(name))?)
        .map_err(|_| WeightsError::damaged("the archive has a file whose name is not UTF-8"))?;
    let extra = cursor.take(usize::from(extra))?;
    cursor.take(usize::from(comment))?;
    let (size, packed, place) = wide_fields(extra, size, packed, place)?;
    if method != 0 || flags & 1 != 0 || size != packed {
        return Err(WeightsError::refused(
            format!("{name:?} is compressed or encrypted in the archive, which torch does not do"),
            OTHER_FORMAT,
        ));
    }
    Ok((name, (place, size)))
}

/// Size, packed size and place, where one of them stands in the 64-bit fields.
fn wide_fields(extra: &[u8], size: u32, packed: u32, place: u32) -> Result<(u64, u64, u64), WeightsError> {
    let mut fields = Cursor::new(extra);
    let mut wide = Cursor::new(&[]);
    while fields.left() >= 4 {
        let (tag, length) = (fields.u16()?, fields.u16()?);
        let field = fields.take(usize::from(length))?;
        if tag == 1 {
            wide = Cursor::new(field);
        }
    }
    let mut pick = |narrow: u32| {
        if narrow == u32::MAX {
            wide.u64()
        } else {
            Ok(u64::from(narrow))
        }
    };
    Ok((pick(size)?, pick(packed)?, pick(place)?))
}
