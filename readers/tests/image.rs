//! Pictures come out as Pillow shows them (`fixtures/make_pictures.py`); and whatever is done to a file, the
//! answer is a picture or a sentence, never a panic.

use std::{fs, path::PathBuf};

use lamplighter_readers::image::{CAPS, Caps, ImageError, Picture, decode, decode_within};
use proptest::prelude::*;

/// Name, and how far a channel of a pixel may be from what Pillow says: on average and at most. Decoders of
/// JPEG and of lossy WebP round as they like, and no two make the same RGB of CMYK.
const PICTURES: [(&str, f64, u8); 19] = [
    ("plain.jpg", 0.6, 6),
    ("progressive.jpg", 1.5, 24),
    ("turned.jpg", 0.6, 6),
    ("grey.jpg", 0.6, 4),
    ("cmyk.jpg", 3.0, 16),
    ("palette.png", 0.0, 0),
    ("palette-clear.png", 0.6, 1),
    ("bits.png", 0.0, 0),
    ("grey.png", 0.0, 0),
    ("grey-clear.png", 0.6, 1),
    ("clear.png", 0.6, 1),
    ("turned.png", 0.0, 0),
    ("lossless.webp", 0.0, 0),
    ("lossless-clear.webp", 0.6, 1),
    ("lossless-palette.webp", 0.0, 0),
    ("lossy.webp", 1.0, 12),
    ("lossy-clear.webp", 1.0, 12),
    ("turned.webp", 1.0, 12),
    ("film.webp", 0.0, 0),
];

fn file(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/pictures")
        .join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn pictures_are_what_pillow_shows() {
    for (name, mean, most) in PICTURES {
        let picture = decode(&file(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let expected = decode(&file(&format!("{name}.expected.png"))).expect("a plain PNG");
        assert_eq!(
            (picture.width, picture.height),
            (expected.width, expected.height),
            "{name}"
        );
        assert_eq!(picture.rgb.len(), picture.width * picture.height * 3, "{name}");
        let apart: Vec<u8> = picture
            .rgb
            .iter()
            .zip(&expected.rgb)
            .map(|(a, b)| a.abs_diff(*b))
            .collect();
        let found = apart.iter().map(|&d| f64::from(d)).sum::<f64>() / apart.len() as f64;
        let worst = apart.iter().copied().max().unwrap_or_default();
        println!(
            "{name}: {}x{} mean {found:.3} most {worst}",
            picture.width, picture.height
        );
        assert!(
            found <= mean && worst <= most,
            "{name}: mean {found}, most {worst}"
        );
    }
}

/// A PNG of noise: any depth, colour type and interlacing, rows without a filter, data not packed.
mod noise {
    /// Bytes of the chunk.
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

    /// Sample `channel` of pixel x, y; 16 bits.
    pub fn sample(x: usize, y: usize, channel: usize) -> u16 {
        (x * 40_503 + y * 30_011 + channel * 20_011).wrapping_mul(2_654_435_761) as u16
    }

    /// The file: eight or sixteen bits a sample.
    pub fn png(width: usize, height: usize, color: u8, bytes: usize, interlaced: bool) -> Vec<u8> {
        let channels = [1, 0, 3, 0, 2, 0, 4][usize::from(color)];
        let passes: &[[usize; 4]] = if interlaced {
            &[
                [0, 8, 0, 8],
                [4, 8, 0, 8],
                [0, 4, 4, 8],
                [2, 4, 0, 4],
                [0, 2, 2, 4],
                [1, 2, 0, 2],
                [0, 1, 1, 2],
            ]
        } else {
            &[[0, 1, 0, 1]]
        };
        let mut raw = Vec::new();
        for &[left, across, top, down] in passes.iter().filter(|pass| pass[0] < width) {
            for y in (top..height).step_by(down) {
                raw.push(0);
                for x in (left..width).step_by(across) {
                    (0..channels)
                        .for_each(|c| raw.extend_from_slice(&sample(x, y, c).to_be_bytes()[..bytes]));
                }
            }
        }
        let mut zlib = vec![0x78, 0x01];
        let blocks = raw.chunks(0xffff).count();
        for (index, block) in raw.chunks(0xffff).enumerate() {
            zlib.push(u8::from(index + 1 == blocks));
            zlib.extend_from_slice(&(block.len() as u16).to_le_bytes());
            zlib.extend_from_slice(&(!(block.len() as u16)).to_le_bytes());
            zlib.extend_from_slice(block);
        }
        let (a, b) = raw.iter().fold((1_u32, 0_u32), |(a, b), &byte| {
            let a = (a + u32::from(byte)) % 65_521;
            (a, (b + a) % 65_521)
        });
        zlib.extend_from_slice(&(b << 16 | a).to_be_bytes());
        let mut header = (width as u32).to_be_bytes().to_vec();
        header.extend_from_slice(&(height as u32).to_be_bytes());
        header.extend_from_slice(&[bytes as u8 * 8, color, 0, 0, u8::from(interlaced)]);
        let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
        file.extend(chunk(b"IHDR", &header));
        file.extend(chunk(b"IDAT", &zlib));
        file.extend(chunk(b"IEND", &[]));
        file
    }
}

/// What a pixel of the noise is on white, from its upper eight bits.
fn expected(x: usize, y: usize, color: u8) -> [u8; 3] {
    let sample = |channel| (noise::sample(x, y, channel) >> 8) as u8;
    let on_white = |channel: u8, alpha: u8| {
        let (channel, alpha) = (f64::from(channel), f64::from(alpha) / 255.0);
        (channel * alpha + 255.0 * (1.0 - alpha)).round() as u8
    };
    match color {
        0 => [sample(0); 3],
        4 => [on_white(sample(0), sample(1)); 3],
        6 => [0, 1, 2].map(|c| on_white(sample(c), sample(3))),
        _ => [0, 1, 2].map(sample),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_kind_of_png_is_read(width in 1_usize..40, height in 1_usize..40, kind in 0_usize..16) {
        let color = [0_u8, 2, 4, 6][kind % 4];
        let file = noise::png(width, height, color, 1 + kind / 4 % 2, kind / 8 == 1);
        let Picture { width: w, height: h, rgb } = decode(&file).expect("a sound PNG");
        prop_assert_eq!((w, h), (width, height));
        for (index, pixel) in rgb.chunks_exact(3).enumerate() {
            prop_assert_eq!(pixel, &expected(index % width, index / width, color)[..], "pixel {}", index);
        }
    }

    #[test]
    fn damage_never_panics(
        which in 0..PICTURES.len(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = file(PICTURES[which].0);
        for (index, byte) in flips {
            let at = index.index(bytes.len());
            bytes[at] ^= byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        match decode(&bytes) {
            Ok(picture) => prop_assert_eq!(picture.rgb.len(), picture.width * picture.height * 3),
            Err(error) => prop_assert!(!error.to_string().contains("gave up"), "a decoder panicked"),
        }
    }

    #[test]
    fn noise_never_panics(head in 0..3_usize, bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let heads: [&[u8]; 3] = [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF\xff\x01\0\0WEBP"];
        let bytes = [heads[head], &bytes].concat();
        if let Err(error) = decode(&bytes) {
            prop_assert!(!error.to_string().contains("gave up"), "a decoder panicked");
        }
    }
}

#[test]
fn caps_hold_to_the_pixel() {
    let file = noise::png(20, 10, 2, 1, false);
    let with = |change: fn(&mut Caps)| {
        let mut caps = CAPS;
        change(&mut caps);
        decode_within(&file, &caps).map(|picture| picture.width)
    };
    assert_eq!(with(|caps| caps.side = 20), Ok(20));
    assert_eq!(with(|caps| caps.pixels = 200), Ok(20));
    assert!(matches!(
        with(|caps| caps.side = 19),
        Err(ImageError::TooLarge {
            width: 20,
            height: 10,
            ..
        })
    ));
    assert!(matches!(
        with(|caps| caps.pixels = 199),
        Err(ImageError::TooLarge { .. })
    ));
    assert!(matches!(
        with(|caps| caps.bytes = 100),
        Err(ImageError::TooLong { cap: 100, .. })
    ));
    assert_eq!(with(|caps| caps.memory = 599), Err(ImageError::TooCostly));
    assert_eq!(with(|caps| caps.memory = 600), Ok(20));
}

#[test]
fn what_was_cut_off_is_refused_and_not_guessed() {
    for (name, ..) in PICTURES {
        // Of a film only the first picture is looked at.
        let bytes = file(name);
        for part in [bytes.len() / 4, bytes.len() / 2, bytes.len() * 9 / 10] {
            let error = decode(&bytes[..part]).expect_err(name);
            assert_eq!(error, ImageError::Truncated, "{name} at {part}");
        }
    }
}
