//! S12: pictures that are made to cost more than they weigh. Each is answered soon, with a sentence or with
//! its first picture, and takes hardly any memory before that; the allocator of this test counts.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    io::Write,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use lamplighter_readers::image::{CAPS, decode};

/// Counts what is allocated, and the most that was at any time.
struct Counter;

static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on to the system's allocator as it came; counting touches no memory.
unsafe impl GlobalAlloc for Counter {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::SeqCst) + layout.size();
        MOST.fetch_max(now, Ordering::SeqCst);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::SeqCst);
        // SAFETY: `pointer` came from `alloc` above with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTER: Counter = Counter;

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

fn chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut chunk = (content.len() as u32).to_be_bytes().to_vec();
    chunk.extend_from_slice(name);
    chunk.extend_from_slice(content);
    let crc = chunk[4..].iter().fold(!0_u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            if crc & 1 == 1 {
                crc >> 1 ^ 0xedb8_8320
            } else {
                crc >> 1
            }
        })
    });
    chunk.extend_from_slice(&(!crc).to_be_bytes());
    chunk
}

fn header(width: u32, height: u32, depth: u8, color: u8) -> Vec<u8> {
    let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
    header.extend_from_slice(&[depth, color, 0, 0, 0]);
    chunk(b"IHDR", &header)
}

/// Zeros, packed by hand: one literal, then copies of 258 bytes, two bits each; a thousandth of their size.
fn zeros(bytes: usize) -> Vec<u8> {
    let mut bits: Vec<bool> = Vec::new();
    // The last block, fixed codes; a zero; copies of length 258 (code 285) at distance 1 (code 0).
    bits.extend([true, true, false]);
    bits.extend([false, false, true, true, false, false, false, false]);
    for _ in 0..bytes.saturating_sub(1) / 258 {
        bits.extend([true, true, false, false, false, true, false, true]);
        bits.extend([false; 5]);
    }
    for _ in 0..bytes.saturating_sub(1) % 258 {
        bits.extend([false, false, true, true, false, false, false, false]);
    }
    bits.extend([false; 7]);
    let packed = bits.chunks(8).map(|byte| {
        byte.iter()
            .enumerate()
            .fold(0, |all, (at, &bit)| all | u8::from(bit) << at)
    });
    let mut zlib = vec![0x78, 0x9c];
    zlib.extend(packed);
    zlib.extend_from_slice(&((bytes % 65_521) as u32 * 65_536 + 1).to_be_bytes());
    zlib
}

fn png(parts: &[Vec<u8>]) -> Vec<u8> {
    [SIGNATURE.to_vec(), parts.concat(), chunk(b"IEND", &[])].concat()
}

/// A sound PNG of 4 x 4 grey pixels, with chunks before its data.
fn small_png(before: Vec<u8>) -> Vec<u8> {
    png(&[header(4, 4, 8, 0), before, chunk(b"IDAT", &zeros(20))])
}

fn riff(content: &[u8]) -> Vec<u8> {
    [
        b"RIFF",
        &((content.len() + 4) as u32).to_le_bytes()[..],
        b"WEBP",
        content,
    ]
    .concat()
}

fn riff_chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut chunk = [&name[..], &(content.len() as u32).to_le_bytes(), content].concat();
    chunk.resize(chunk.len() + content.len() % 2, 0);
    chunk
}

/// Bits, the lowest of each byte first.
#[derive(Default)]
struct Bits(Vec<u8>, usize);

impl Bits {
    fn put(&mut self, value: u32, count: usize) {
        for bit in 0..count {
            if self.1.is_multiple_of(8) {
                self.0.push(0);
            }
            if value >> bit & 1 == 1 {
                *self.0.last_mut().expect("pushed above") |= 1 << (self.1 % 8);
            }
            self.1 += 1;
        }
    }

    /// A code of one symbol below 256.
    fn single(&mut self, symbol: u32) {
        self.put(0b101, 3);
        self.put(symbol, 8);
    }
}

/// The head of a lossless picture.
fn lossless(width: u32, height: u32) -> Bits {
    let mut bits = Bits::default();
    bits.put(0x2f, 8);
    bits.put(width - 1, 14);
    bits.put(height - 1, 14);
    bits.put(0, 4);
    bits
}

/// A picture of one colour; some bytes, whatever its size.
fn plain_webp(width: u32, height: u32) -> Vec<u8> {
    let mut bits = lossless(width, height);
    // No transform, no cache, no groups.
    bits.put(0, 3);
    (0..5).for_each(|_| bits.single(7));
    bits.0
}

fn film(frames: usize) -> Vec<u8> {
    let mut frame = vec![0; 16];
    frame.extend(riff_chunk(b"VP8L", &plain_webp(1, 1)));
    let mut content = riff_chunk(b"VP8X", &[2, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    content.extend(riff_chunk(b"ANIM", &[0; 6]));
    (0..frames).for_each(|_| content.extend(riff_chunk(b"ANMF", &frame)));
    riff(&content)
}

/// One pixel that calls for 65,536 groups of codes, each as large as its table can be.
fn tables() -> Vec<u8> {
    let mut bits = lossless(1, 1);
    // No transform, no cache; groups, in blocks of 4: their image has one pixel, red 255 and green 255.
    bits.put(0b100, 3);
    bits.put(0, 3);
    bits.put(0, 1);
    [255, 255, 0, 0, 0].iter().for_each(|&symbol| bits.single(symbol));
    let mut group = Bits::default();
    for _ in 0..5 {
        // Lengths 1 to 10, and 10 again, each told in four bits (a code with sixteen lengths of its own).
        group.put(0, 1);
        group.put(15, 4);
        let four = [0, 0, 0, 4, 4, 4, 4, 0, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4];
        four.iter().for_each(|&length| group.put(length, 3));
        group.put(1, 1);
        group.put(1, 3);
        group.put(9, 4);
        for length in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10_u32] {
            // Sixteen symbols of four bits: each stands for itself, its highest bit first.
            group.put(length.reverse_bits() >> 28, 4);
        }
    }
    for _ in 0..65_536 {
        for at in 0..group.1 {
            bits.put(u32::from(group.0[at / 8] >> (at % 8) & 1), 1);
        }
    }
    riff(&riff_chunk(b"VP8L", &bits.0))
}

/// A grey JPEG of this size with so many scans, and no data in them.
fn jpeg(width: u16, height: u16, scans: usize) -> Vec<u8> {
    let mut file = vec![0xff, 0xd8, 0xff, 0xc2, 0, 11, 8];
    file.extend_from_slice(&height.to_be_bytes());
    file.extend_from_slice(&width.to_be_bytes());
    file.extend_from_slice(&[1, 1, 0x11, 0]);
    for _ in 0..scans {
        file.extend_from_slice(&[0xff, 0xda, 0, 8, 1, 1, 0, 0, 0, 0, 0]);
    }
    file.extend_from_slice(&[0xff, 0xd9]);
    file
}

/// What is expected: a part of the sentence, or a picture's size.
type Answer = Result<(usize, usize), &'static str>;

fn bombs() -> Vec<(&'static str, Vec<u8>, Answer)> {
    let claim = |width, height| png(&[header(width, height, 8, 2)]);
    let text = [b"Comment\0\0\0en\0\0".as_slice(), &zeros(1 << 28)].concat();
    let profile = [b"icc\0\0".as_slice(), &zeros(1 << 28)].concat();
    let after = png(&[header(4, 4, 8, 0), chunk(b"IDAT", &zeros(3 << 28))]);
    let many = std::iter::repeat_n(chunk(b"tEXt", b"a\0b"), 100_000)
        .collect::<Vec<_>>()
        .concat();
    let mut cat = Vec::new();
    cat.write_all(&small_png(Vec::new())).expect("memory");
    cat.write_all(b"PK\x03\x04<script>alert(1)</script>")
        .expect("memory");
    let mut large = small_png(Vec::new());
    large.resize(CAPS.bytes + 1, 0);
    let one = riff(&riff_chunk(b"VP8L", &plain_webp(16_384, 16_384)));
    vec![
        (
            "png of 100,000 x 100,000",
            claim(100_000, 100_000),
            Err("100000 x 100000 pixels"),
        ),
        ("png of 2^31 x 1", claim(1 << 31, 1), Err("pixels")),
        ("png of 0 x 5", claim(0, 5), Err("no pixels")),
        ("png of 8,192 x 8,192", claim(8192, 8192), Err("40000000 in all")),
        (
            "png of 16,384 x 16,384, 1 bit",
            png(&[
                header(16_384, 16_384, 1, 0),
                chunk(b"IDAT", &zeros(2049 * 16_384)),
            ]),
            Err("16384 x 16384 pixels"),
        ),
        ("iTXt of 256 MiB", small_png(chunk(b"iTXt", &text)), Ok((4, 4))),
        ("zTXt of 256 MiB", small_png(chunk(b"zTXt", &text)), Ok((4, 4))),
        ("iCCP of 256 MiB", small_png(chunk(b"iCCP", &profile)), Ok((4, 4))),
        ("768 MiB after the last row", after, Ok((4, 4))),
        ("100,000 texts", small_png(many), Ok((4, 4))),
        ("webp of 10,000 frames", film(10_000), Ok((1, 1))),
        ("webp of 16,384 x 16,384", one, Err("16384 x 16384 pixels")),
        ("webp of 65,536 tables", tables(), Err("costs too much")),
        (
            "jpeg of 65,535 x 65,535",
            jpeg(65_535, 65_535, 1),
            Err("65535 x 65535 pixels"),
        ),
        (
            "jpeg of 100,000 scans",
            jpeg(8000, 5000, 100_000),
            Err("costs too much"),
        ),
        (
            "gif",
            b"GIF89a\x01\0\x01\0\0\0\0;".to_vec(),
            Err("neither PNG nor JPEG nor WebP, but GIF"),
        ),
        (
            "svg",
            b"<svg xmlns='x'><!ENTITY a 'aaaa'></svg>".to_vec(),
            Err("but SVG"),
        ),
        (
            "svg with a prologue",
            b" <?xml version='1.0'?><svg/>".to_vec(),
            Err("but SVG"),
        ),
        (
            "html",
            b"<html></html>".to_vec(),
            Err("neither PNG nor JPEG nor WebP"),
        ),
        ("nothing", Vec::new(), Err("neither PNG nor JPEG nor WebP")),
        ("a png that is a zip too", cat, Ok((4, 4))),
        (
            "a gif that is a png too",
            [b"GIF89a".as_slice(), &small_png(Vec::new())].concat(),
            Err("but GIF"),
        ),
        ("12 MiB and a byte", large, Err("the most is")),
        (
            "half a png",
            small_png(Vec::new())[..40].to_vec(),
            Err("ends too early"),
        ),
    ]
}

#[test]
fn bombs_are_answered_soon_and_cheaply() {
    let bombs = bombs();
    let (mut slowest, mut dearest) = ((Duration::ZERO, ""), (0, ""));
    for (name, bytes, expected) in &bombs {
        let before = NOW.load(Ordering::SeqCst);
        MOST.store(before, Ordering::SeqCst);
        let started = Instant::now();
        let answer = decode(bytes)
            .map(|picture| (picture.width, picture.height))
            .map_err(|e| e.to_string());
        let took = started.elapsed();
        let spent = MOST.load(Ordering::SeqCst) - before;
        match (&answer, expected) {
            (Ok(size), Ok(wanted)) => assert_eq!(size, wanted, "{name}"),
            (Err(said), Err(wanted)) => assert!(said.contains(wanted), "{name}: {said}"),
            _ => panic!("{name}: {answer:?}, expected {expected:?}"),
        }
        println!(
            "S12 {name}: {} bytes, {:.1} ms, {} KiB",
            bytes.len(),
            took.as_secs_f64() * 1e3,
            spent >> 10
        );
        // The bound of the scenario is 100 ms on a quiet machine.
        assert!(took < Duration::from_secs(2), "{name}: {took:?}");
        assert!(spent <= 32 << 20, "{name}: {spent} bytes");
        slowest = slowest.max((took, name));
        dearest = dearest.max((spent, name));
    }
    println!(
        "S12: {} pictures, slowest {:.1} ms ({}), most memory {} KiB ({})",
        bombs.len(),
        slowest.0.as_secs_f64() * 1e3,
        slowest.1,
        dearest.0 >> 10,
        dearest.1
    );
}
