//! WebP. Its container is walked here; the decoder gets a file with one picture in it: of an animation the
//! first frame, so that ten thousand further ones cost nothing.

use std::io::Cursor;

use image::{ImageDecoder, codecs::webp::WebPDecoder, metadata::Orientation};

use super::{Caps, ImageError, Picture, check, damaged, flatten, orientation, vp8l};

/// Bytes before the first chunk.
const HEAD: usize = 12;
/// Longest EXIF block looked at.
const MAX_EXIF: usize = 64 << 10;
/// The most chunks of a file that are walked.
const MAX_CHUNKS: usize = 65_536;

/// Reads a WebP.
pub(super) fn read(bytes: &[u8], caps: &Caps) -> Result<(Picture, Orientation), ImageError> {
    let found = walk(bytes, caps)?;
    let still = found.still.ok_or(ImageError::Truncated)?;
    let size = still.size()?;
    let canvas = found.canvas.unwrap_or(size);
    let place = found.place.unwrap_or((0, 0));
    check(canvas.0, canvas.1, 0.0, caps)?;
    check(size.0, size.1, still.work(), caps)?;
    let fits = |at: u32, length: u32, whole: u32| at.checked_add(length).is_some_and(|end| end <= whole);
    if !fits(place.0, size.0, canvas.0) || !fits(place.1, size.1, canvas.1) {
        return Err(damaged("a frame lies outside of the picture"));
    }
    still.guard(size)?;
    let picture = decode(&still.file(size), size)?;
    let picture = if size == canvas {
        picture
    } else {
        place_on_white(&picture, place, canvas)
    };
    Ok((picture, found.orientation))
}

/// What a walk found.
struct Found<'a> {
    canvas: Option<(u32, u32)>,
    place: Option<(u32, u32)>,
    still: Option<Still<'a>>,
    orientation: Orientation,
}

/// One picture's chunks.
struct Still<'a> {
    alpha: Option<&'a [u8]>,
    /// The picture, without (VP8) or with (VP8L) its own alpha.
    data: &'a [u8],
    lossless: bool,
}

/// A chunk's name and content.
type Chunk<'a> = ([u8; 4], &'a [u8]);

/// The chunk that `bytes` begin with, and what follows it.
fn chunk(bytes: &[u8]) -> Result<(Chunk<'_>, &[u8]), ImageError> {
    let &[a, b, c, d, l0, l1, l2, l3, ref rest @ ..] = bytes else {
        return Err(ImageError::Truncated);
    };
    let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    let content = rest.get(..length).ok_or(ImageError::Truncated)?;
    // Odd ones are padded; at the very end writers forget that.
    let next = (length + length % 2).min(rest.len());
    Ok((([a, b, c, d], content), &rest[next..]))
}

/// Walks the chunks of a file, as far as there is something to find.
fn walk<'a>(bytes: &'a [u8], caps: &Caps) -> Result<Found<'a>, ImageError> {
    let length = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]) as usize;
    let end = length.saturating_add(8);
    let mut rest = bytes.get(HEAD..end).ok_or(ImageError::Truncated)?;
    let mut found = Found {
        canvas: None,
        place: None,
        still: None,
        orientation: Orientation::NoTransforms,
    };
    let mut alpha = None;
    for _ in 0..MAX_CHUNKS {
        if rest.is_empty() {
            break;
        }
        let ((name, content), next) = chunk(rest)?;
        rest = next;
        match &name {
            b"VP8X" => {
                let canvas = canvas(content)?;
                check(canvas.0, canvas.1, 0.0, caps)?;
                found.canvas = Some(canvas);
            }
            b"ALPH" => alpha = Some(content),
            b"VP8 " | b"VP8L" if found.still.is_none() => {
                let lossless = name == *b"VP8L";
                found.still = Some(Still {
                    alpha: alpha.filter(|_| !lossless),
                    data: content,
                    lossless,
                });
                if found.canvas.is_none() {
                    break;
                }
            }
            b"ANMF" if found.still.is_none() => first_frame(content, &mut found)?,
            b"EXIF" => {
                if content.len() <= MAX_EXIF {
                    found.orientation = orientation(content);
                }
                break;
            }
            _ => {}
        }
    }
    Ok(found)
}

/// Three bytes, the lowest first.
fn u24(bytes: &[u8]) -> u32 {
    u32::from(bytes[0]) | u32::from(bytes[1]) << 8 | u32::from(bytes[2]) << 16
}

/// The size of the whole picture.
fn canvas(content: &[u8]) -> Result<(u32, u32), ImageError> {
    let sizes = content.get(4..10).ok_or(ImageError::Truncated)?;
    Ok((u24(sizes) + 1, u24(&sizes[3..]) + 1))
}

/// Takes the picture out of a frame of an animation.
fn first_frame<'a>(content: &'a [u8], found: &mut Found<'a>) -> Result<(), ImageError> {
    let (head, mut rest) = content.split_at_checked(16).ok_or(ImageError::Truncated)?;
    found.place = Some((u24(head) * 2, u24(&head[3..]) * 2));
    let mut alpha = None;
    // A frame begins with its alpha, if it has any, and its picture.
    for _ in 0..2 {
        let ((name, content), next) = chunk(rest)?;
        rest = next;
        match &name {
            b"ALPH" => alpha = Some(content),
            b"VP8 " | b"VP8L" => {
                let lossless = name == *b"VP8L";
                found.still = Some(Still {
                    alpha: alpha.filter(|_| !lossless),
                    data: content,
                    lossless,
                });
                return Ok(());
            }
            _ => break,
        }
    }
    Err(damaged("its first frame has no picture"))
}

impl Still<'_> {
    /// Width and height, as the picture itself says.
    fn size(&self) -> Result<(u32, u32), ImageError> {
        if self.lossless {
            let &[0x2f, a, b, c, d, ..] = self.data else {
                return Err(damaged("its lossless picture has no header"));
            };
            let bits = u32::from_le_bytes([a, b, c, d]);
            return Ok(((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1));
        }
        let &[_, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1, ..] = self.data else {
            return Err(damaged("its picture has no header"));
        };
        let side = |low: u8, high: u8| u32::from(u16::from_le_bytes([low, high]) & 0x3fff);
        Ok((side(w0, w1), side(h0, h1)))
    }

    /// Whether it comes out with alpha.
    fn has_alpha(&self) -> bool {
        self.alpha.is_some() || self.lossless && self.data.get(4).is_some_and(|byte| byte & 0x10 != 0)
    }

    /// Bytes that decoding takes for each pixel.
    fn work(&self) -> f64 {
        match (self.lossless, self.has_alpha()) {
            (true, false) => 7.0,
            (true, true) => 4.0,
            (false, false) => 4.5,
            (false, true) => 10.5,
        }
    }

    /// Refuses lossless data whose tables alone would fill the memory.
    fn guard(&self, (width, height): (u32, u32)) -> Result<(), ImageError> {
        match self.alpha {
            _ if self.lossless => vp8l::guard(&self.data[5..], width, height),
            // The lowest bits of the first byte tell whether it is packed.
            Some([first, packed @ ..]) if first & 3 == 1 => vp8l::guard(packed, width, height),
            _ => Ok(()),
        }
    }

    /// A file with this picture and nothing else.
    fn file(&self, (width, height): (u32, u32)) -> Vec<u8> {
        let mut file = b"RIFF\0\0\0\0WEBP".to_vec();
        let mut put = |name: &[u8; 4], content: &[u8]| {
            file.extend_from_slice(name);
            file.extend_from_slice(&(content.len() as u32).to_le_bytes());
            file.extend_from_slice(content);
            file.resize(file.len() + content.len() % 2, 0);
        };
        if let Some(alpha) = self.alpha {
            let mut head = [0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            head[4..7].copy_from_slice(&(width - 1).to_le_bytes()[..3]);
            head[7..10].copy_from_slice(&(height - 1).to_le_bytes()[..3]);
            put(b"VP8X", &head);
            put(b"ALPH", alpha);
        }
        put(if self.lossless { b"VP8L" } else { b"VP8 " }, self.data);
        let length = (file.len() - 8) as u32;
        file[4..8].copy_from_slice(&length.to_le_bytes());
        file
    }
}

/// Decodes a file that holds one picture.
fn decode(file: &[u8], (width, height): (u32, u32)) -> Result<Picture, ImageError> {
    let decoder = WebPDecoder::new(Cursor::new(file)).map_err(damaged)?;
    if decoder.dimensions() != (width, height) {
        return Err(damaged("its sizes contradict each other"));
    }
    let alpha = decoder.color_type().has_alpha();
    let mut pixels = vec![0; decoder.total_bytes() as usize];
    decoder.read_image(&mut pixels).map_err(damaged)?;
    Ok(Picture {
        width: width as usize,
        height: height as usize,
        rgb: if alpha { flatten(pixels) } else { pixels },
    })
}

/// A frame in its place on a white canvas.
fn place_on_white(frame: &Picture, (left, top): (u32, u32), (width, height): (u32, u32)) -> Picture {
    let (left, top, width, height) = (left as usize, top as usize, width as usize, height as usize);
    let mut rgb = vec![255; width * height * 3];
    let lines = rgb.chunks_exact_mut(width * 3).skip(top);
    for (line, row) in lines.zip(frame.rgb.chunks_exact(frame.width * 3)) {
        line[left * 3..][..row.len()].copy_from_slice(row);
    }
    Picture { width, height, rgb }
}
