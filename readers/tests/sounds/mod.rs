//! Puts files of sound together that are true, or lie.

/// Two hours of silence, of some KB.
pub const SILENCE: &[u8] = include_bytes!("../fixtures/silence-2h.flac");
/// A word, one second long.
pub const WORD: &[u8] = include_bytes!("../fixtures/word-44100-stereo.ogg");

/// The silence, but its header says that it has so many samples.
pub fn silence_that_says(samples: u64) -> Vec<u8> {
    let mut bytes = SILENCE.to_vec();
    // Mark, block header, two block sizes, two frame sizes, then rate, channels, depth: 28 bits of 64.
    let field = 4 + 4 + 4 + 6;
    let old = u64::from_be_bytes(bytes[field..field + 8].try_into().expect("eight bytes"));
    let new = old >> 36 << 36 | samples;
    bytes[field..field + 8].copy_from_slice(&new.to_be_bytes());
    bytes
}

/// A PCM file whose header says what it is told, and 1 KB of samples.
pub fn wav(channels: u16, rate: u32, bits: u16, claims: u32) -> Vec<u8> {
    let frame = u32::from(channels) * u32::from(bits) / 8;
    let mut bytes = b"RIFF".to_vec();
    bytes.extend(claims.saturating_add(36).to_le_bytes());
    bytes.extend(b"WAVEfmt \x10\x00\x00\x00\x01\x00");
    bytes.extend(channels.to_le_bytes());
    bytes.extend(rate.to_le_bytes());
    bytes.extend(rate.wrapping_mul(frame).to_le_bytes());
    bytes.extend((frame as u16).to_le_bytes());
    bytes.extend(bits.to_le_bytes());
    bytes.extend(b"data");
    bytes.extend(claims.to_le_bytes());
    bytes.resize(bytes.len() + 1024, 1);
    bytes
}

/// FLAC of eight channels at 655,350 samples a second at most: every block is silence of 65,535 samples.
pub fn dense_flac(rate: u64, blocks: u32) -> Vec<u8> {
    let mut bytes = b"fLaC\x80\x00\x00\x22\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00".to_vec();
    let facts = rate << 44 | 7 << 41 | 15 << 36;
    bytes.extend(facts.to_be_bytes());
    bytes.extend([0; 16]);
    for number in 0..blocks {
        let mut frame = vec![0xff, 0xf8, 0x70, 0x70];
        let character = char::from_u32(number).expect("below the surrogates");
        frame.extend(character.encode_utf8(&mut [0; 4]).bytes());
        frame.extend([0xff, 0xfe]);
        frame.push(crc(&frame, 8, 0x07) as u8);
        frame.extend([0; 24]);
        frame.extend((crc(&frame, 16, 0x8005) as u16).to_be_bytes());
        bytes.extend(frame);
    }
    bytes
}

/// Checksum of `width` bits, highest bit first, from zero.
fn crc(bytes: &[u8], width: u32, polynomial: u32) -> u32 {
    let top = 1_u64 << width;
    let full = bytes.iter().fold(0_u64, |mut rest, &byte| {
        rest ^= u64::from(byte) << (width - 8);
        for _ in 0..8 {
            rest <<= 1;
            if rest & top != 0 {
                rest ^= top | u64::from(polynomial);
            }
        }
        rest
    });
    full as u32
}

/// An Ogg page with one packet of less than 65,025 bytes.
pub fn page(number: u32, granule: u64, first: bool, packet: &[u8]) -> Vec<u8> {
    let mut page = b"OggS\x00".to_vec();
    page.push(if first { 2 } else { 0 });
    page.extend(granule.to_le_bytes());
    page.extend(7_u32.to_le_bytes());
    page.extend(number.to_le_bytes());
    page.extend([0; 4]);
    page.push((packet.len() / 255 + 1) as u8);
    page.extend(vec![255; packet.len() / 255]);
    page.push((packet.len() % 255) as u8);
    page.extend_from_slice(packet);
    sign(&mut page);
    page
}

/// Writes a page's checksum.
pub fn sign(page: &mut [u8]) {
    page[22..26].fill(0);
    let sum = crc(page, 32, 0x04c1_1db7);
    page[22..26].copy_from_slice(&sum.to_le_bytes());
}

/// Bits, lowest first.
#[derive(Default)]
struct Bits(Vec<u8>, u32);

impl Bits {
    fn put(&mut self, number: u128, count: u32) {
        for bit in 0..count {
            if self.1.is_multiple_of(8) {
                self.0.push(0);
            }
            *self.0.last_mut().expect("just pushed") |= ((number >> bit & 1) as u8) << (self.1 % 8);
            self.1 += 1;
        }
    }
}

/// Vorbis with 256 code books, of which each is a few bytes and stands for 131,072 vectors of 16 numbers.
pub fn book_bomb() -> Vec<u8> {
    let mut identification = b"\x01vorbis\x00\x00\x00\x00\x01".to_vec();
    identification.extend(16_000_u32.to_le_bytes());
    identification.extend([0; 12]);
    identification.extend([0x88, 1]);
    let mut bits = Bits::default();
    bits.put(255, 8);
    for _ in 0..256 {
        bits.put(0x56_43_42, 24);
        bits.put(16, 16);
        bits.put(131_072, 24);
        // Ordered, all of length 17; a lookup of two values.
        bits.put(1, 1);
        bits.put(16, 5);
        bits.put(131_072, 18);
        bits.put(1, 4);
        bits.put(0, 64);
        bits.put(0, 4);
        bits.put(0, 1);
        bits.put(0, 2);
    }
    // No time domain, a floor, a residue, a mapping, a mode: nonsense is enough.
    bits.put(0, 120);
    let mut setup = b"\x05vorbis".to_vec();
    setup.extend(bits.0);
    let comment = b"\x03vorbis\x00\x00\x00\x00\x00\x00\x00\x00\x01";
    let mut file = page(0, 0, true, &identification);
    file.extend(page(1, 0, false, comment));
    file.extend(page(2, 0, false, &setup));
    file.extend(page(3, 4_096, false, &[0; 100]));
    file
}

/// The word, but its last page says that it ends after so many samples.
pub fn word_that_says(samples: u64) -> Vec<u8> {
    let mut bytes = WORD.to_vec();
    let last = bytes
        .windows(4)
        .rposition(|four| four == b"OggS")
        .expect("a page");
    bytes[last + 6..last + 14].copy_from_slice(&samples.to_le_bytes());
    sign(&mut bytes[last..]);
    bytes
}

/// Hours of MP3 at 8 kbit/s in 12 MiB: frames of 72 bytes that are silence.
pub fn long_mp3() -> Vec<u8> {
    let mut frame = vec![0xff, 0xe3, 0x18, 0xc4];
    frame.resize(72, 0);
    frame.repeat((12 << 20) / 72)
}

/// Megabytes of something over and over, behind a beginning.
pub fn filled(beginning: &[u8], with: &[u8]) -> Vec<u8> {
    let mut bytes = beginning.to_vec();
    bytes.extend(with.repeat(((12 << 20) - beginning.len()) / with.len()));
    bytes
}

/// Bytes without order.
pub fn noise() -> Vec<u8> {
    let mut state = 1_u64;
    let next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    let mut bytes: Vec<u8> = std::iter::repeat_with(next).take((12 << 20) - 4).collect();
    bytes.splice(..4, [0xff, 0xfb, 0x90, 0x00]);
    bytes
}
