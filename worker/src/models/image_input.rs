//! The picture of an input, for every task on pictures: `{"image": "data:image/png;base64,…", …}`.

use lamplighter_readers::{
    data_url,
    image::{self, Picture},
};
use lamplighter_shared::job::JobError;

use super::invalid;
use crate::runner::protocol::Cost;

/// Pixels that count as one token, in limits and costs.
const PIXELS_A_TOKEN: usize = 1024;

/// The picture in a data URL: upright, RGB, within the caps of [`image::CAPS`].
///
/// # Errors
/// `invalid_input`, saying what is wrong with it.
pub fn picture(url: &str) -> Result<Picture, JobError> {
    let bytes = data_url::decode(url, "image", image::CAPS.bytes).map_err(|e| invalid(e.to_string()))?;
    image::decode(&bytes).map_err(|e| invalid(e.to_string()))
}

/// What one picture of this size costs.
pub fn cost(pixels: usize) -> Cost {
    let tokens = pixels.div_ceil(PIXELS_A_TOKEN).max(1);
    Cost {
        items: 1,
        tokens,
        longest: tokens,
    }
}
