//! Pictures that nobody vouches for: PNG, JPEG and WebP to upright RGB. The first bytes decide what a picture
//! is, its header decides whether memory is spent on it, and of all else that a file may carry (texts,
//! colour profiles, further frames, what follows its end) nothing reaches a decoder: each file is taken
//! apart first and only what draws the first picture is handed on.

mod jpeg;
mod png;
mod vp8l;
mod webp;

use std::panic::{AssertUnwindSafe, catch_unwind};

use image::{DynamicImage, RgbImage, metadata::Orientation};

/// What a picture may be; all of it is known from the header.
#[derive(Debug, Clone, Copy)]
pub struct Caps {
    /// Bytes of the file.
    pub bytes: usize,
    /// Pixels of a side.
    pub side: u32,
    /// Pixels of all.
    pub pixels: u64,
    /// Bytes that decoding may take, by the estimate of the format's reader.
    pub memory: u64,
}

/// The caps of everything that takes pictures.
pub const CAPS: Caps = Caps {
    bytes: 12 << 20,
    side: 8192,
    pixels: 40_000_000,
    memory: 320 << 20,
};

/// A picture, upright, without alpha.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Columns; at least 1.
    pub width: usize,
    /// Rows; at least 1.
    pub height: usize,
    /// Red, green, blue of each pixel, row by row: `width * height * 3` bytes.
    pub rgb: Vec<u8>,
}

/// Why a picture is not taken. The sentences are for whoever sent it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// None of the formats that are read.
    #[error("the image is neither PNG nor JPEG nor WebP{}", .0.map(|name| format!(", but {name}")).unwrap_or_default())]
    Format(Option<&'static str>),
    /// Longer than the cap.
    #[error("the image has {bytes} bytes, the most is {cap}")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The cap.
        cap: usize,
    },
    /// Too many pixels, by its header.
    #[error("the image is {width} x {height} pixels: the most is {side} a side and {pixels} in all")]
    TooLarge {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// The cap of a side.
        side: u32,
        /// The cap of the product.
        pixels: u64,
    },
    /// Decoding would take too much memory or time.
    #[error("the image costs too much to decode: send it smaller, or saved in a plainer way")]
    TooCostly,
    /// A kind of its format that isn't read.
    #[error("the image is of a kind that is not read: {0}")]
    Unsupported(&'static str),
    /// Cut off.
    #[error("the image ends too early")]
    Truncated,
    /// Against the rules of its format.
    #[error("the image is damaged: {0}")]
    Damaged(String),
}

/// Decodes a picture within [`CAPS`]. Its orientation is applied, transparency laid on white; of an
/// animation the first frame is taken; colour profiles are ignored.
///
/// # Errors
/// [`ImageError`].
pub fn decode(bytes: &[u8]) -> Result<Picture, ImageError> {
    decode_within(bytes, &CAPS)
}

/// Decodes a picture within `caps`.
///
/// # Errors
/// [`ImageError`].
pub fn decode_within(bytes: &[u8], caps: &Caps) -> Result<Picture, ImageError> {
    if bytes.len() > caps.bytes {
        return Err(ImageError::TooLong {
            bytes: bytes.len(),
            cap: caps.bytes,
        });
    }
    let read = match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => png::read,
        [0xff, 0xd8, 0xff, ..] => jpeg::read,
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => webp::read,
        other => return Err(ImageError::Format(guess(other))),
    };
    // The decoders are other people's; should one panic, that must cost this picture and nothing else.
    let (picture, orientation) = catch_unwind(AssertUnwindSafe(|| read(bytes, caps)))
        .unwrap_or_else(|_| Err(damaged("the decoder gave up")))?;
    Ok(upright(picture, orientation))
}

/// What a picture of another kind probably is.
fn guess(bytes: &[u8]) -> Option<&'static str> {
    let text = || {
        let start = bytes.trim_ascii_start();
        start.starts_with(b"<svg") || start.starts_with(b"<?xml") || start.starts_with(b"<!DOCTYPE svg")
    };
    match bytes {
        [b'G', b'I', b'F', b'8', ..] => Some("GIF"),
        [b'B', b'M', ..] => Some("BMP"),
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => Some("TIFF"),
        [b'%', b'P', b'D', b'F', ..] => Some("PDF"),
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => Some("HEIC, AVIF or a film"),
        _ if text() => Some("SVG"),
        _ => None,
    }
}

/// Checks what a header says before anything is done about it. `work` is an estimate of the bytes that
/// decoding takes for each pixel.
fn check(width: u32, height: u32, work: f64, caps: &Caps) -> Result<(), ImageError> {
    if width == 0 || height == 0 {
        return Err(damaged("it has no pixels"));
    }
    let pixels = u64::from(width) * u64::from(height);
    if width > caps.side || height > caps.side || pixels > caps.pixels {
        return Err(ImageError::TooLarge {
            width,
            height,
            side: caps.side,
            pixels: caps.pixels,
        });
    }
    if pixels as f64 * work > caps.memory as f64 {
        return Err(ImageError::TooCostly);
    }
    Ok(())
}

/// Turns a picture the way its camera was held.
fn upright(picture: Picture, orientation: Orientation) -> Picture {
    if orientation == Orientation::NoTransforms {
        return picture;
    }
    let Picture { width, height, rgb } = picture;
    let image =
        RgbImage::from_raw(width as u32, height as u32, rgb).expect("a picture has three bytes a pixel");
    let mut image = DynamicImage::ImageRgb8(image);
    image.apply_orientation(orientation);
    Picture {
        width: image.width() as usize,
        height: image.height() as usize,
        rgb: image.into_bytes(),
    }
}

/// The orientation in an EXIF block, with or without its own heading.
fn orientation(exif: &[u8]) -> Orientation {
    let tiff = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
    Orientation::from_exif_chunk(tiff).unwrap_or(Orientation::NoTransforms)
}

/// One channel of a pixel laid on white.
fn on_white(channel: u8, alpha: u8) -> u8 {
    let (channel, alpha) = (u32::from(channel), u32::from(alpha));
    ((channel * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}

/// Makes RGB of RGBA where it stands, laid on white.
fn flatten(mut rgba: Vec<u8>) -> Vec<u8> {
    let pixels = rgba.len() / 4;
    for pixel in 0..pixels {
        let alpha = rgba[pixel * 4 + 3];
        for channel in 0..3 {
            rgba[pixel * 3 + channel] = on_white(rgba[pixel * 4 + channel], alpha);
        }
    }
    rgba.truncate(pixels * 3);
    rgba.shrink_to_fit();
    rgba
}

fn damaged(why: impl ToString) -> ImageError {
    ImageError::Damaged(why.to_string())
}
