//! Files of every kind give the same sound; damaged ones give an error or what is left of them.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

const U8: &[u8] = include_bytes!("../../tests/fixtures/word-8000-u8.wav");
const S16: &[u8] = include_bytes!("../../tests/fixtures/word-16000-s16.wav");
const S24: &[u8] = include_bytes!("../../tests/fixtures/word-8000-s24.wav");
const S32: &[u8] = include_bytes!("../../tests/fixtures/word-8000-s32.wav");
const F32: &[u8] = include_bytes!("../../tests/fixtures/word-8000-f32.wav");
const FLAC: &[u8] = include_bytes!("../../tests/fixtures/word-16000.flac");
const MP3: &[u8] = include_bytes!("../../tests/fixtures/word-44100.mp3");
const OGG: &[u8] = include_bytes!("../../tests/fixtures/word-44100-stereo.ogg");

const LIMITS: Limits = Limits {
    bytes: 12 << 20,
    seconds: 10,
};

/// How alike two sounds are, at the best of small shifts: 1 is the same but for the loudness.
fn likeness(a: &[f32], b: &[f32]) -> f32 {
    let at = |shift: usize, a: &[f32], b: &[f32]| {
        let pairs = || a[shift..].iter().zip(b);
        let dot: f32 = pairs().map(|(a, b)| a * b).sum();
        let norms: f32 = pairs().map(|(a, _)| a * a).sum::<f32>() * pairs().map(|(_, b)| b * b).sum::<f32>();
        dot / norms.sqrt()
    };
    (0..1_200)
        .flat_map(|shift| [at(shift, a, b), at(shift, b, a)])
        .fold(0.0, f32::max)
}

#[test]
fn every_kind_of_file_gives_the_same_sound() {
    let reference = decode(S16, LIMITS).expect("16-bit WAV");
    assert_eq!(reference.samples.len(), 16_000);
    let kinds = [
        ("FLAC", FLAC, 0.9999),
        ("MP3", MP3, 0.95),
        ("Ogg", OGG, 0.95),
        // The rest lack what is above 4 kHz.
        ("24 bits", S24, 0.9),
        ("32 bits", S32, 0.9),
        ("floats", F32, 0.9),
        ("8 bits", U8, 0.9),
    ];
    for (kind, bytes, least) in kinds {
        let audio = decode(bytes, LIMITS).expect("a good file");
        let seconds = audio.samples.len() as f64 / f64::from(SAMPLE_RATE);
        assert!((seconds - 1.0).abs() < 0.06, "{kind}: {seconds} s");
        let likeness = likeness(&reference.samples, &audio.samples);
        assert!(likeness > least, "{kind}: {likeness}");
    }
    // Without loss it is the same to the bit; the widths of a sample agree to the narrowest's step.
    assert_eq!(decode(FLAC, LIMITS).expect("FLAC").samples, reference.samples);
    let wide = decode(S24, LIMITS).expect("24-bit WAV").samples;
    for (bytes, step) in [(S32, 1e-6), (F32, 1e-6), (U8, 1.5e-2)] {
        let other = decode(bytes, LIMITS).expect("a WAV").samples;
        let off = wide
            .iter()
            .zip(&other)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max);
        assert!(off < step, "{off}");
    }
}

#[test]
fn a_tag_before_the_sound_is_passed() {
    let mut tagged = b"ID3\x04\x00\x00\x00\x00\x01\x00".to_vec();
    // A picture in a tag may look like sound.
    tagged.extend([0xff, 0xfb, 0x90, 0x00].repeat(32));
    tagged.extend_from_slice(MP3);
    assert_eq!(decode(&tagged, LIMITS), decode(MP3, LIMITS));
}

#[test]
fn a_float_file_may_hold_anything() {
    let mut wild = F32.to_vec();
    let start = wild.len() - 16_000;
    for (sample, value) in wild[start..]
        .chunks_exact_mut(4)
        .zip([f32::NAN, f32::INFINITY, -1e38, 3.0].iter().cycle())
    {
        sample.copy_from_slice(&value.to_le_bytes());
    }
    let audio = decode(&wild, LIMITS).expect("it is a WAV file");
    assert!(audio.samples.iter().all(|sample| sample.abs() <= 1.0));
}

#[test]
fn caps_hold() {
    let few = Limits {
        bytes: 100,
        seconds: 10,
    };
    assert_eq!(
        decode(S16, few),
        Err(AudioError::TooLarge {
            bytes: S16.len(),
            limit: 100
        })
    );
    for bytes in [S16, FLAC, MP3, OGG] {
        assert!(decode(bytes, LIMITS).is_ok());
        let none = Limits {
            bytes: 1 << 20,
            seconds: 0,
        };
        assert_eq!(decode(bytes, none), Err(AudioError::TooLong { limit: 0 }));
    }
    assert_eq!(decode(b"", LIMITS), Err(AudioError::Empty));
    assert_eq!(decode(b"hello", LIMITS), Err(AudioError::Unknown));
    assert_eq!(decode(&S16[..44], LIMITS), Err(AudioError::Empty));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damage_never_costs_more_than_the_file(
        kind in 0..5_usize,
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0..8_u32), 0..30),
        head in prop::collection::vec((0..64_usize, any::<u8>()), 0..6),
        keep in any::<prop::sample::Index>(),
        truncate in any::<bool>(),
    ) {
        let mut bytes = [S16, F32, FLAC, MP3, OGG][kind].to_vec();
        for (place, bit) in flips {
            let place = place.index(bytes.len());
            bytes[place] ^= 1 << bit;
        }
        for (place, byte) in head {
            bytes[place] = byte;
        }
        if truncate {
            bytes.truncate(keep.index(bytes.len()));
        }
        let started = Instant::now();
        if let Ok(audio) = decode(&bytes, LIMITS) {
            prop_assert!(audio.samples.len() <= 16_000 * 10 + 1);
            prop_assert!(audio.samples.iter().all(|sample| sample.abs() <= 1.0));
        }
        prop_assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    }
}
