//! PNG. Only the chunks that draw the picture are handed to the decoder, and it is asked for rows, so that
//! neither texts and profiles nor what follows the last row are ever inflated.

use std::io::Cursor;

use image::metadata::Orientation;
use png::{BitDepth, ColorType, Decoder, DecodingError, Limits, Reader, Transformations};

use super::{Caps, ImageError, Picture, check, damaged, on_white, orientation};

/// Bytes of the signature.
const SIGNATURE: usize = 8;
/// Longest EXIF block looked at.
const MAX_EXIF: usize = 64 << 10;
/// What the decoder may allocate for itself: some rows, whatever the picture.
const DECODER_BYTES: usize = 16 << 20;

/// Reads a PNG.
pub(super) fn read(bytes: &[u8], caps: &Caps) -> Result<(Picture, Orientation), ImageError> {
    let (width, height) = size(bytes)?;
    // Rows of three bytes a pixel are written straight into the picture.
    check(width, height, 3.0, caps)?;
    let (plain, orientation) = strip(bytes)?;
    let mut decoder = Decoder::new_with_limits(Cursor::new(plain), Limits { bytes: DECODER_BYTES });
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    let mut reader = decoder.read_info().map_err(said)?;
    let (width, height) = (width as usize, height as usize);
    let mut rgb = vec![0; width * height * 3];
    rows(&mut reader, width, &mut rgb)?;
    Ok((Picture { width, height, rgb }, orientation))
}

/// Width and height, from the first chunk.
fn size(bytes: &[u8]) -> Result<(u32, u32), ImageError> {
    let header = bytes
        .get(SIGNATURE..SIGNATURE + 25)
        .ok_or(ImageError::Truncated)?;
    if header[..8] != *b"\0\0\0\x0dIHDR" {
        return Err(damaged("its first chunk is no header"));
    }
    let number = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    Ok((number(8), number(12)))
}

/// The file with nothing in it but the picture; and how it is to be turned.
fn strip(bytes: &[u8]) -> Result<(Vec<u8>, Orientation), ImageError> {
    let mut plain = Vec::with_capacity(bytes.len());
    plain.extend_from_slice(&bytes[..SIGNATURE]);
    let mut turned = Orientation::NoTransforms;
    let mut at = SIGNATURE;
    loop {
        let head = bytes.get(at..at + 8).ok_or(ImageError::Truncated)?;
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let end = at.saturating_add(length).saturating_add(12);
        let chunk = bytes.get(at..end).ok_or(ImageError::Truncated)?;
        match &head[4..] {
            b"IHDR" | b"PLTE" | b"tRNS" | b"IDAT" => plain.extend_from_slice(chunk),
            b"IEND" => {
                plain.extend_from_slice(chunk);
                return Ok((plain, turned));
            }
            b"eXIf" if length <= MAX_EXIF => turned = orientation(&chunk[8..8 + length]),
            [first, ..] if first.is_ascii_uppercase() => {
                return Err(ImageError::Unsupported(
                    "a PNG with a chunk that only some programs know",
                ));
            }
            _ => {}
        }
        at = end;
    }
}

/// First column, distance of columns, first row and distance of rows of a pass over the picture.
type Pass = [usize; 4];

/// The only pass of a picture that is not interlaced.
const PLAIN: &[Pass] = &[[0, 1, 0, 1]];

/// The passes of one that is.
const INTERLACED: &[Pass] = &[
    [0, 8, 0, 8],
    [4, 8, 0, 8],
    [0, 4, 4, 8],
    [2, 4, 0, 4],
    [0, 2, 2, 4],
    [1, 2, 0, 2],
    [0, 1, 1, 2],
];

/// Decodes every row into its place. The decoder is not asked for what comes after the last one.
fn rows(reader: &mut Reader<Cursor<Vec<u8>>>, width: usize, rgb: &mut [u8]) -> Result<(), ImageError> {
    let (color, depth) = reader.output_color_type();
    if depth != BitDepth::Eight {
        return Err(ImageError::Unsupported("this number of bits a sample"));
    }
    let channels = color.samples();
    let mut row = vec![0; width * channels];
    let passes = if reader.info().interlaced {
        INTERLACED
    } else {
        PLAIN
    };
    for &[first, step, top, down] in passes.iter().filter(|[first, ..]| *first < width) {
        for line in rgb.chunks_exact_mut(width * 3).skip(top).step_by(down) {
            reader
                .read_row(&mut row)
                .map_err(said)?
                .ok_or(ImageError::Truncated)?;
            let places = line[first * 3..].chunks_mut(3).step_by(step);
            for (place, pixel) in places.zip(row.chunks_exact(channels)) {
                place.copy_from_slice(&rgb_of(pixel, color));
            }
        }
    }
    Ok(())
}

/// A decoded pixel as RGB, laid on white.
fn rgb_of(pixel: &[u8], color: ColorType) -> [u8; 3] {
    match (color, pixel) {
        (ColorType::Grayscale, &[grey, ..]) => [grey; 3],
        (ColorType::GrayscaleAlpha, &[grey, alpha, ..]) => [on_white(grey, alpha); 3],
        (ColorType::Rgba, &[red, green, blue, alpha, ..]) => [
            on_white(red, alpha),
            on_white(green, alpha),
            on_white(blue, alpha),
        ],
        (_, &[red, green, blue, ..]) => [red, green, blue],
        // The decoder expands palettes, so no row is shorter than its pixels.
        _ => [0; 3],
    }
}

/// What the decoder says is wrong.
fn said(error: DecodingError) -> ImageError {
    match error {
        DecodingError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            ImageError::Truncated
        }
        DecodingError::LimitsExceeded => ImageError::TooCostly,
        other => damaged(other),
    }
}
