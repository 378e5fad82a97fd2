//! JPEG. The file is taken apart first: tables, frame and scans are handed to the decoder, everything else is
//! left behind, and the number of scans is bounded, since each one goes over the whole picture again.

use std::io::Cursor;

use image::{ColorType, ImageDecoder, codecs::jpeg::JpegDecoder, metadata::Orientation};

use super::{Caps, ImageError, Picture, check, damaged, orientation};

/// The most scans of one picture; progressive files have about ten.
const MAX_SCANS: usize = 64;
/// The most tables; each may be defined again before every scan.
const MAX_TABLES: usize = 1024;
/// Longest application segment that is handed on (the ones that tell colour spaces have 14 bytes).
const MAX_APPLICATION: usize = 64;

/// Reads a JPEG.
pub(super) fn read(bytes: &[u8], caps: &Caps) -> Result<(Picture, Orientation), ImageError> {
    let mut walk = Walk {
        bytes,
        at: 2,
        plain: vec![0xff, 0xd8],
        frame: None,
        orientation: Orientation::NoTransforms,
        scans: 0,
        tables: 0,
    };
    while walk.step(caps)? {}
    let Walk {
        plain,
        frame,
        orientation,
        ..
    } = walk;
    let frame = frame.ok_or_else(|| damaged("it has no frame"))?;
    let decoder = JpegDecoder::new(Cursor::new(plain)).map_err(damaged)?;
    if decoder.dimensions() != (frame.width, frame.height) {
        return Err(damaged("its sizes contradict each other"));
    }
    let color = decoder.color_type();
    let mut pixels = vec![0; decoder.total_bytes() as usize];
    decoder.read_image(&mut pixels).map_err(damaged)?;
    let rgb = match color {
        ColorType::Rgb8 => pixels,
        ColorType::L8 => pixels.iter().flat_map(|&grey| [grey; 3]).collect(),
        _ => return Err(ImageError::Unsupported("this colour space of JPEG")),
    };
    let picture = Picture {
        width: frame.width as usize,
        height: frame.height as usize,
        rgb,
    };
    Ok((picture, orientation))
}

/// What the frame header says.
struct Frame {
    width: u32,
    height: u32,
}

/// A walk from segment to segment.
struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
    /// What the decoder is to see.
    plain: Vec<u8>,
    frame: Option<Frame>,
    orientation: Orientation,
    scans: usize,
    tables: usize,
}

impl<'a> Walk<'a> {
    /// Goes over one segment; `false` at the end of the picture.
    fn step(&mut self, caps: &Caps) -> Result<bool, ImageError> {
        let marker = self.marker()?;
        match marker {
            0xd9 => {
                self.plain.extend_from_slice(&[0xff, marker]);
                return if self.scans > 0 {
                    Ok(false)
                } else {
                    Err(ImageError::Truncated)
                };
            }
            0x01 | 0xd0..=0xd7 => return Ok(true),
            0x00 | 0xd8 => return Err(damaged("a marker stands where none may")),
            _ => {}
        }
        let segment = self.segment()?;
        match marker {
            0xc0..=0xc2 => self.frame(segment, marker, caps)?,
            0xc4 | 0xdb | 0xdd => self.table(segment, marker)?,
            0xc3 | 0xc5..=0xcf | 0xdc | 0xde => {
                return Err(ImageError::Unsupported(
                    "a JPEG that is neither baseline nor progressive",
                ));
            }
            0xda => self.scan(segment)?,
            0xe0 | 0xee if segment.len() <= MAX_APPLICATION => self.keep(marker, segment),
            0xe1 if segment.starts_with(b"Exif\0\0") => self.orientation = orientation(segment),
            _ => {}
        }
        Ok(true)
    }

    /// The next marker, fill bytes skipped.
    fn marker(&mut self) -> Result<u8, ImageError> {
        let rest = &self.bytes[self.at..];
        let first = *rest.first().ok_or(ImageError::Truncated)?;
        if first != 0xff {
            return Err(damaged("a marker is missing"));
        }
        let fill = rest.iter().take_while(|&&byte| byte == 0xff).count();
        let marker = *rest.get(fill).ok_or(ImageError::Truncated)?;
        self.at += fill + 1;
        Ok(marker)
    }

    /// The content of a segment, whose length stands before it.
    fn segment(&mut self) -> Result<&'a [u8], ImageError> {
        let bytes: &'a [u8] = self.bytes;
        let head = bytes.get(self.at..self.at + 2).ok_or(ImageError::Truncated)?;
        let length = usize::from(u16::from_be_bytes([head[0], head[1]]));
        if length < 2 {
            return Err(damaged("a segment has no length"));
        }
        let segment = bytes
            .get(self.at + 2..self.at + length)
            .ok_or(ImageError::Truncated)?;
        self.at += length;
        Ok(segment)
    }

    /// Hands a segment on.
    fn keep(&mut self, marker: u8, segment: &[u8]) {
        // It came with a length of two bytes, so it has one.
        let length = (segment.len() + 2) as u16;
        self.plain.extend_from_slice(&[0xff, marker]);
        self.plain.extend_from_slice(&length.to_be_bytes());
        self.plain.extend_from_slice(segment);
    }

    fn table(&mut self, segment: &[u8], marker: u8) -> Result<(), ImageError> {
        self.tables += 1;
        if self.tables > MAX_TABLES {
            return Err(ImageError::TooCostly);
        }
        self.keep(marker, segment);
        Ok(())
    }

    /// Checks the size, before anything else is looked at.
    fn frame(&mut self, segment: &[u8], marker: u8, caps: &Caps) -> Result<(), ImageError> {
        if self.frame.is_some() {
            return Err(damaged("it has two frames"));
        }
        let &[bits, h1, h0, w1, w0, components, ref rest @ ..] = segment else {
            return Err(ImageError::Truncated);
        };
        if bits != 8 {
            return Err(ImageError::Unsupported("a JPEG with other than 8 bits a sample"));
        }
        if rest.len() != usize::from(components) * 3 || !matches!(components, 1 | 3 | 4) {
            return Err(damaged("its components are not as many as it says"));
        }
        let (width, height) = (
            u32::from(w1) << 8 | u32::from(w0),
            u32::from(h1) << 8 | u32::from(h0),
        );
        check(width, height, 4.0 + coefficients(rest)?, caps)?;
        self.frame = Some(Frame { width, height });
        self.keep(marker, segment);
        Ok(())
    }

    /// Hands a scan on, with all its data.
    fn scan(&mut self, segment: &[u8]) -> Result<(), ImageError> {
        if self.frame.is_none() {
            return Err(damaged("a scan stands before the frame"));
        }
        self.scans += 1;
        if self.scans > MAX_SCANS {
            return Err(ImageError::TooCostly);
        }
        self.keep(0xda, segment);
        let start = self.at;
        loop {
            let rest = &self.bytes[self.at..];
            let ahead = rest
                .iter()
                .position(|&byte| byte == 0xff)
                .ok_or(ImageError::Truncated)?;
            let next = *rest.get(ahead + 1).ok_or(ImageError::Truncated)?;
            self.at += ahead;
            match next {
                0x00 | 0xd0..=0xd7 => self.at += 2,
                0xff => self.at += 1,
                _ => break,
            }
        }
        self.plain.extend_from_slice(&self.bytes[start..self.at]);
        Ok(())
    }
}

/// Bytes of coefficients a pixel, which a picture of several scans keeps: two for each sample.
fn coefficients(components: &[u8]) -> Result<f64, ImageError> {
    let samplings = components.chunks_exact(3).map(|c| (c[1] >> 4, c[1] & 15));
    let (mut all, mut most) = (0, (0, 0));
    for (across, down) in samplings {
        if !matches!((across, down), (1..=4, 1..=4)) {
            return Err(damaged("its sampling is none"));
        }
        all += u32::from(across) * u32::from(down);
        most = (most.0.max(across), most.1.max(down));
    }
    Ok(2.0 * f64::from(all) / f64::from(u32::from(most.0) * u32::from(most.1)))
}
