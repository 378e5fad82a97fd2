//! State dicts as torch writes them since 1.6: a zip archive of a pickle and one file a storage.
//!
//! Layout: `NAME/data.pkl`, `NAME/data/KEY` for each storage, `NAME/version`, and in newer files
//! `NAME/byteorder`. Nothing is compressed, so tensors are views of the archive's own bytes.

use super::{
    Weights, WeightsError,
    cursor::Cursor,
    error::{OTHER_FORMAT, TOO_LARGE},
    legacy_pickle::{storage_size, views},
    pickle,
    stored_zip::{self, Archive},
};

/// The longest pickle, in bytes (16 MiB); the largest at hand has 62 KB.
const MAX_PICKLE: usize = 16 << 20;

/// The tensors of a file; `bytes` are all of it.
///
/// # Errors
/// Where it is something else than a state dict in this format, contradicts itself, or is beyond the caps.
pub fn read(bytes: &[u8]) -> Result<Weights<'_>, WeightsError> {
    if !stored_zip::looks_like(bytes) {
        return Err(WeightsError::refused("this is no zip archive", OTHER_FORMAT));
    }
    let archive = Archive::open(bytes)?;
    let Some(prefix) = archive.names().find_map(|name| name.strip_suffix("data.pkl")) else {
        return Err(WeightsError::refused(
            "the archive holds no data.pkl",
            OTHER_FORMAT,
        ));
    };
    let get = |name: &str| archive.get(&format!("{prefix}{name}"));
    if get("byteorder")?.is_some_and(|order| order != b"little") {
        return Err(WeightsError::refused(
            "the file was written by a big-endian machine",
            OTHER_FORMAT,
        ));
    }
    let pickle = get("data.pkl")?.unwrap_or_default();
    if pickle.len() > MAX_PICKLE {
        return Err(WeightsError::refused(
            format!(
                "the pickle has {} bytes, and {MAX_PICKLE} is the most",
                pickle.len()
            ),
            TOO_LARGE,
        ));
    }
    let mut cursor = Cursor::new(pickle);
    let state = pickle::run(&mut cursor)?;
    views(&state, bytes.len(), |storage| {
        let Some(held) = get(&format!("data/{}", storage.key))? else {
            return Err(WeightsError::damaged(format!(
                "storage {:?} is not in the archive",
                storage.key
            )));
        };
        let size = storage_size(storage)?;
        if held.len() != size {
            return Err(WeightsError::damaged(format!(
                "storage {:?} has {} bytes, and {size} by the pickle",
                storage.key,
                held.len()
            )));
        }
        Ok(held)
    })
}
