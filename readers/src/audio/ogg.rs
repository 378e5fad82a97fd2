//! Takes one stream out of an Ogg file: its pages with the packets that are sound or say how it is coded. The
//! demuxer unfolds comments and pictures wherever they stand, follows as many streams as there are, and begins anew
//! with each file that is appended.
//!
//! Pages that are damaged are left out, and those that are kept keep their numbers, so that the demuxer knows where
//! something is missing.

use super::AudioError;

/// What a page begins with.
const MARK: &[u8; 4] = b"OggS";
/// Bytes of a page before its table of segments.
const HEAD: usize = 27;
/// Where the checksum stands in it.
const SUM: std::ops::Range<usize> = 22..26;
/// Flags of a page: it goes on with a packet of the page before; it is its stream's first; and its last.
const CONTINUED: u8 = 1;
const FIRST: u8 = 2;
const LAST: u8 = 4;

/// The first stream of Vorbis or FLAC in a file, and nothing else.
pub(super) fn strip(bytes: &[u8]) -> Result<Vec<u8>, AudioError> {
    let none = || AudioError::Unsupported("there is no Vorbis or FLAC in it".to_owned());
    let mut out = Vec::with_capacity(bytes.len());
    let mut pages = Pages {
        bytes,
        at: 0,
        damaged: 0,
    };
    let mut stream: Option<Stream> = None;
    let mut begun = false;
    while let Some(page) = pages.next()? {
        if page.flags() & FIRST == 0 {
            begun = true;
            let stream = stream.as_mut().ok_or_else(none)?;
            if page.serial() == stream.serial {
                stream.page(&page, &mut out);
            }
        } else if begun {
            // Another file follows.
            break;
        } else if stream.is_none() {
            stream = Stream::begin(&page, &mut out);
        }
    }
    stream.map(|_| out).ok_or_else(none)
}

/// A page whose checksum is right.
struct Page<'a> {
    whole: &'a [u8],
    /// Lengths of the segments; a packet ends with one that is shorter than 255.
    segments: &'a [u8],
    body: &'a [u8],
}

impl<'a> Page<'a> {
    /// The page that `bytes` begin with, its checksum not looked at.
    fn at(bytes: &'a [u8]) -> Option<Self> {
        let head = bytes.get(..HEAD)?;
        if !head.starts_with(MARK) || head[4] != 0 || head[5] > (CONTINUED | FIRST | LAST) {
            return None;
        }
        let start = HEAD + usize::from(head[26]);
        let segments = bytes.get(HEAD..start)?;
        let end = start + segments.iter().copied().map(usize::from).sum::<usize>();
        Some(Self {
            whole: bytes.get(..end)?,
            segments,
            body: bytes.get(start..end)?,
        })
    }

    fn flags(&self) -> u8 {
        self.whole[5]
    }

    fn serial(&self) -> [u8; 4] {
        [self.whole[14], self.whole[15], self.whole[16], self.whole[17]]
    }

    /// Whether the checksum is right.
    fn intact(&self) -> bool {
        self.whole[SUM] == checksum(self.whole)
    }

    /// Segments of the packet that ends first, and their bytes.
    fn first_packet(&self) -> Option<(&'a [u8], &'a [u8])> {
        let last = self.segments.iter().position(|size| *size < 255)?;
        let segments = &self.segments[..=last];
        let length = segments.iter().copied().map(usize::from).sum();
        Some((segments, &self.body[..length]))
    }

    /// Writes the page with other contents.
    fn put(&self, flags: u8, segments: &[u8], body: &[u8], out: &mut Vec<u8>) {
        let begin = out.len();
        out.extend_from_slice(&self.whole[..HEAD]);
        out.extend_from_slice(segments);
        out.extend_from_slice(body);
        let page = &mut out[begin..];
        page[5] = flags;
        // There are no more than there were.
        page[26] = segments.len() as u8;
        let sum = checksum(page);
        page[SUM].copy_from_slice(&sum);
    }
}

/// The pages of a file.
struct Pages<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Bytes of what looked like pages and were none.
    damaged: usize,
}

impl<'a> Pages<'a> {
    fn next(&mut self) -> Result<Option<Page<'a>>, AudioError> {
        loop {
            let rest = &self.bytes[self.at..];
            let Some(begin) = rest.windows(MARK.len()).position(|four| four == MARK) else {
                return Ok(None);
            };
            // What is no page may have one within.
            self.at += begin + MARK.len();
            let Some(page) = Page::at(&rest[begin..]) else {
                continue;
            };
            if page.intact() {
                self.at += page.whole.len() - MARK.len();
                return Ok(Some(page));
            }
            // Each byte may be looked at again and again: not for long.
            self.damaged += page.whole.len();
            if self.damaged > self.bytes.len() {
                return Err(AudioError::Broken("most of its pages can't be read".to_owned()));
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Codec {
    Vorbis,
    Flac,
}

/// The stream that is taken.
struct Stream {
    serial: [u8; 4],
    codec: Codec,
    /// Whether the packet that says how a Vorbis is coded is there.
    setup: bool,
    /// Whether the packet that the last page did not end is kept; none: it ended.
    open: Option<bool>,
    /// Of the page at hand.
    segments: Vec<u8>,
    body: Vec<u8>,
}

impl Stream {
    /// The stream of a first page, where it is one that is read. That page has one packet.
    fn begin(page: &Page<'_>, out: &mut Vec<u8>) -> Option<Self> {
        let (segments, packet) = page.first_packet()?;
        let codec = match packet.len() {
            30 if packet.starts_with(b"\x01vorbis") => Codec::Vorbis,
            51 if packet.starts_with(b"\x7fFLAC") => Codec::Flac,
            _ => return None,
        };
        page.put(page.flags() & !CONTINUED, segments, packet, out);
        Some(Self {
            serial: page.serial(),
            codec,
            setup: false,
            open: None,
            segments: Vec::new(),
            body: Vec::new(),
        })
    }

    /// Copies a page, without the packets that are not wanted.
    fn page(&mut self, page: &Page<'_>, out: &mut Vec<u8>) {
        self.segments.clear();
        self.body.clear();
        let continued = page.flags() & CONTINUED != 0;
        // The beginning of what goes on here may have been in a page that is missing.
        let mut open = continued.then_some(self.open == Some(true));
        let flags = match open {
            Some(false) => page.flags() & !CONTINUED,
            _ => page.flags(),
        };
        let mut rest = page.body;
        for &size in page.segments {
            let (segment, after) = rest.split_at(usize::from(size));
            rest = after;
            let keep = open.unwrap_or_else(|| self.wants(segment));
            if keep {
                self.segments.push(size);
                self.body.extend_from_slice(segment);
            }
            open = (size == 255).then_some(keep);
        }
        self.open = open;
        if flags == page.flags() && self.segments.len() == page.segments.len() {
            out.extend_from_slice(page.whole);
        } else {
            page.put(flags, &self.segments, &self.body, out);
        }
    }

    /// Whether a packet with this beginning is sound, or says how the sound is coded.
    fn wants(&mut self, begin: &[u8]) -> bool {
        match (self.codec, begin.first()) {
            (Codec::Vorbis, Some(5)) => !std::mem::replace(&mut self.setup, true),
            (Codec::Vorbis, Some(kind)) => kind & 1 == 0,
            (Codec::Flac, Some(kind)) => *kind == 0xff,
            (_, None) => false,
        }
    }
}

/// Checksum of a page, as it stands in it: of all of it, with nothing where the sum itself is.
fn checksum(page: &[u8]) -> [u8; 4] {
    let add = |sum: u32, byte: u8| sum << 8 ^ SUMS[usize::from((sum >> 24) as u8 ^ byte)];
    let sum = page[..SUM.start].iter().fold(0, |sum, byte| add(sum, *byte));
    let sum = (0..SUM.len()).fold(sum, |sum, _| add(sum, 0));
    page[SUM.end..]
        .iter()
        .fold(sum, |sum, byte| add(sum, *byte))
        .to_le_bytes()
}

/// Checksums of all bytes.
const SUMS: [u32; 256] = {
    let mut sums = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut sum = (byte as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum >> 31 == 0 {
                sum << 1
            } else {
                sum << 1 ^ 0x04c1_1db7
            };
            bit += 1;
        }
        sums[byte] = sum;
        byte += 1;
    }
    sums
};
