//! Pictures of lines of text.

use super::{plane::Plane, resample::Bytes};

/// A picture of one channel as numbers from -1 to 1, with a border of one. It goes on to `columns` columns as
/// its last column is; what is wider is left out.
///
/// # Panics
/// Where the picture has several channels or no columns.
#[must_use]
pub fn line(picture: &Bytes, columns: usize) -> Plane {
    assert!(
        picture.channels == 1 && picture.columns > 0,
        "one channel, some columns"
    );
    let mut plane = Plane::new(picture.rows, columns, 1, 1);
    for (row, bytes) in picture.data.chunks_exact(picture.columns).enumerate() {
        let out = plane.row_mut(row);
        for (column, value) in out.iter_mut().enumerate() {
            let byte = bytes[column.min(picture.columns - 1)];
            *value = (f32::from(byte) / 255.0 - 0.5) / 0.5;
        }
    }
    plane
}

/// The picture with its darker tenth made black and its brighter tenth white, if its contrast is below
/// `target` (of 1); else as it is.
#[must_use]
pub fn with_contrast(picture: &Bytes, target: f64) -> Bytes {
    let (low, high) = (quantile(picture, 0.1), quantile(picture, 0.9));
    let mut out = picture.clone();
    if (high - low) / (high + low).max(10.0) >= target {
        return out;
    }
    let ratio = 200.0 / (high - low).max(10.0);
    for byte in &mut out.data {
        *byte = ((f64::from(*byte) - low + 25.0) * ratio).clamp(0.0, 255.0) as u8;
    }
    out
}

/// The byte below which a share of all bytes lies, between neighbours where the share falls between them.
fn quantile(picture: &Bytes, share: f64) -> f64 {
    let mut counts = [0_usize; 256];
    for &byte in &picture.data {
        counts[usize::from(byte)] += 1;
    }
    let nth = |rank: usize| {
        let mut seen = 0;
        let found = counts.iter().position(|count| {
            seen += count;
            seen > rank
        });
        found.unwrap_or(0) as f64
    };
    let place = share * picture.data.len().saturating_sub(1) as f64;
    let first = nth(place.floor() as usize);
    let second = nth(place.ceil() as usize);
    (second - first).mul_add(place.fract(), first)
}
