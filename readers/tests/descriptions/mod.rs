//! Puts files together that describe a sound at length, so that there is more of that than of the sound.

use super::sounds::{WORD, dense_flac, page, sign};

/// The same word in other files.
pub const FLAC: &[u8] = include_bytes!("../fixtures/word-16000.flac");
pub const S16: &[u8] = include_bytes!("../fixtures/word-16000-s16.wav");
pub const MP3: &[u8] = include_bytes!("../fixtures/word-44100.mp3");

/// Bytes of what is said of a sound: with the sound, some less than 12 MiB.
pub const MANY: usize = 11 << 20;

/// A list of comments in which one comes over and over.
pub fn comments(one: &[u8]) -> Vec<u8> {
    let count = MANY / one.len();
    let mut bytes = 0_u32.to_le_bytes().to_vec();
    bytes.extend((count as u32).to_le_bytes());
    bytes.extend(one.repeat(count));
    bytes
}

/// The word as FLAC with these blocks, of a type and contents, before its own.
pub fn flac_with<B: AsRef<[u8]>>(blocks: impl IntoIterator<Item = (u8, B)>) -> Vec<u8> {
    // The first block says how it is coded.
    let (begin, rest) = FLAC.split_at(4 + 4 + 34);
    let mut bytes = begin.to_vec();
    for (kind, content) in blocks {
        let length = (content.as_ref().len() as u32).to_be_bytes();
        bytes.extend([kind, length[1], length[2], length[3]]);
        bytes.extend_from_slice(content.as_ref());
    }
    bytes.extend_from_slice(rest);
    bytes
}

/// A chunk of a WAV; all that are made here have an even length.
pub fn chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    [&name[..], &(content.len() as u32).to_le_bytes(), content].concat()
}

/// The texts of a WAV.
pub fn texts() -> Vec<u8> {
    let text = chunk(b"IART", b"");
    chunk(b"LIST", &[&b"INFO"[..], &text.repeat(MANY / text.len())].concat())
}

/// A WAV of these chunks.
pub fn riff(chunks: &[&[u8]]) -> Vec<u8> {
    chunk(b"RIFF", &[&b"WAVE"[..], &chunks.concat()].concat())
}

/// The header of a WAV of this kind with one channel and 16,000 samples a second of so many bits.
pub fn wav_format(kind: u16, bits: u16, more: &[u8]) -> Vec<u8> {
    let bytes = bits / 8;
    let mut format = [kind.to_le_bytes(), 1_u16.to_le_bytes()].concat();
    format.extend(16_000_u32.to_le_bytes());
    format.extend((16_000 * u32::from(bytes)).to_le_bytes());
    format.extend(bytes.to_le_bytes());
    format.extend(bits.to_le_bytes());
    format.extend_from_slice(more);
    chunk(b"fmt ", &format)
}

/// What follows a WAV's header where that is of the long kind: PCM of 16 bits.
pub fn wav_guid() -> Vec<u8> {
    let mut more = b"\x16\x00\x10\x00\x04\x00\x00\x00".to_vec();
    more.extend(b"\x01\x00\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71");
    more
}

/// The pages of a file of Ogg.
fn pages(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut pages = Vec::new();
    while bytes.len() > 27 {
        let table = usize::from(bytes[26]);
        let body: usize = bytes[27..27 + table].iter().map(|size| usize::from(*size)).sum();
        let (page, rest) = bytes.split_at(27 + table + body);
        pages.push(page.to_vec());
        bytes = rest;
    }
    pages
}

/// A file of these pages, numbered and signed anew.
fn bound(pages: Vec<Vec<u8>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (number, mut page) in pages.into_iter().enumerate() {
        page[18..22].copy_from_slice(&(number as u32).to_le_bytes());
        sign(&mut page);
        bytes.extend(page);
    }
    bytes
}

/// Pages of a stream with one long packet.
fn long_packet(stream: &[u8], packet: &[u8]) -> Vec<Vec<u8>> {
    let mut pages = Vec::new();
    let pieces = packet.chunks(255 * 255);
    let last = pieces.len() - 1;
    for (number, piece) in pieces.enumerate() {
        let mut page = b"OggS\x00".to_vec();
        page.push(u8::from(number > 0));
        page.extend(u64::MAX.to_le_bytes());
        page.extend_from_slice(stream);
        page.extend([0; 8]);
        let mut table = vec![255; piece.len() / 255];
        if number == last {
            table.push((piece.len() % 255) as u8);
        }
        page.push(table.len() as u8);
        page.extend(table);
        page.extend_from_slice(piece);
        pages.push(page);
    }
    pages
}

/// The word as Ogg with a packet of comments before its page of that number.
pub fn ogg_with(comments: &[u8], place: usize) -> Vec<u8> {
    let mut all = pages(WORD);
    let packet = [b"\x03vorbis", comments, b"\x01"].concat();
    all.splice(place..place, long_packet(&WORD[14..18], &packet));
    bound(all)
}

/// Silence in FLAC, in Ogg, with comments before the sound; and the same without.
pub fn ogg_flac(comments: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let plain = dense_flac(16_000, 2);
    let (info, sound) = plain.split_at(4 + 4 + 34);
    let begin = [b"\x7fFLAC\x01\x00\x00\x01fLaC\x00", &info[5..]].concat();
    let begin = page(0, 0, true, &begin);
    let length = (comments.len() as u32).to_be_bytes();
    let comments = [b"\x84", &length[1..], comments].concat();
    let mut all = long_packet(&begin[14..18], &comments);
    all.insert(0, begin);
    // Both blocks have the same length.
    for (number, block) in sound.chunks(sound.len() / 2).enumerate() {
        all.push(page(0, 65_535 * (number as u64 + 1), false, block));
    }
    (bound(all), plain)
}

/// The word as Ogg with comments before the sound in each of its pages.
pub fn ogg_mixed() -> Vec<u8> {
    let comment = b"\x03vorbis\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01";
    let mut all = pages(WORD);
    for page in &mut all[2..] {
        let table = usize::from(page[26]);
        page[26] += 100;
        page.splice(27 + table..27 + table, comment.repeat(100));
        page.splice(27..27, vec![comment.len() as u8; 100]);
    }
    bound(all)
}

/// The word as Ogg with as many other streams beside it as there is room for, in which nothing follows.
pub fn many_streams() -> Vec<u8> {
    let mut all = pages(WORD);
    let begin = all[0].clone();
    let others = (0..(MANY / begin.len()) as u32).map(|serial| {
        let mut page = begin.clone();
        page[14..18].copy_from_slice(&serial.to_be_bytes());
        page
    });
    all.splice(1..1, others.collect::<Vec<_>>());
    for (number, page) in all.iter_mut().filter(|page| page[5] != 2).enumerate() {
        page[18..22].copy_from_slice(&(number as u32 + 1).to_le_bytes());
    }
    for page in &mut all {
        sign(page);
    }
    all.concat()
}

/// A tag of these frames over and over, and what follows it.
pub fn tagged(frame: &[u8], sound: &[u8]) -> Vec<u8> {
    let frames = frame.repeat(MANY / frame.len());
    let length = frames.len();
    let size = [21, 14, 7, 0].map(|bits| (length >> bits & 0x7f) as u8);
    [b"ID3\x04\x00\x00", &size[..], &frames, sound].concat()
}
