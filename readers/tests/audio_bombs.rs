//! Files that are small and unfold into much, or say what they are not: refused (or taken for the little that
//! is in them) in short time and within the memory of the answer. The allocator of this test counts.

mod counting;
mod descriptions;
mod sounds;

use std::time::{Duration, Instant};

use lamplighter_readers::audio::{Audio, AudioError, Limits, SAMPLE_RATE, decode};

use counting::measured;
use descriptions::*;
use sounds::*;

const LIMITS: Limits = Limits {
    bytes: 12 << 20,
    seconds: 1_800,
};

fn seconds(audio: &Audio) -> f64 {
    audio.samples.len() as f64 / f64::from(SAMPLE_RATE)
}

fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("two hours of silence", SILENCE.to_vec()),
        ("two hours that say one second", silence_that_says(44_100)),
        ("two hours that say nothing", silence_that_says(0)),
        ("two hours that say 18 days", silence_that_says((1 << 36) - 1)),
        ("eight channels at 192 kHz", dense_flac(192_000, 3_000)),
        ("eight channels at 655 kHz", dense_flac(655_350, 100)),
        ("code books", book_bomb()),
        ("a word that says hours", word_that_says(44_100 * 7_200)),
        ("hours of MP3", long_mp3()),
        ("no channels", wav(0, 16_000, 16, 1_024)),
        ("65,535 channels", wav(u16::MAX, 16_000, 8, 1_024)),
        ("rate 0", wav(1, 0, 16, 1_024)),
        ("rate 2^32-1", wav(1, u32::MAX, 16, 1_024)),
        ("no bits", wav(1, 16_000, 0, 1_024)),
        ("64 bits", wav(1, 16_000, 64, 1_024)),
        (
            "a tag of 256 MiB",
            b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f\xff\xfb".to_vec(),
        ),
        ("13 MiB", vec![0; 13 << 20]),
        ("12 MiB of zeros", vec![0; 12 << 20]),
        ("12 MiB of pages", filled(b"", b"OggS")),
        ("12 MiB of empty pages", filled(b"", &page(0, 0, true, b""))),
        (
            "12 MiB of empty chunks",
            filled(b"RIFF\xff\xff\xff\xffWAVE", b"abcd\x00\x00\x00\x00"),
        ),
        ("12 MiB of metadata", filled(b"fLaC", b"\x01\x00\x00\x00")),
        ("12 MiB of noise", noise()),
        ("12 MiB of frames cut short", filled(b"", b"\xff\xfb\xea\x00")),
        (
            "12 MiB of marks",
            filled(&dense_flac(44_100, 0), b"\xff\xf8\x70\x00"),
        ),
    ]
}

/// What a file is, the file, and one that sounds as it does; none: it is refused.
type Described = (&'static str, Vec<u8>, Option<Vec<u8>>);

/// Files of nearly 12 MiB that describe a sound at length.
fn described() -> Vec<Described> {
    let same = |bytes: &[u8]| Some(bytes.to_vec());
    let tags = comments(b"\x01\x00\x00\x00=");
    let samples = chunk(b"data", &[1; 1_000]);
    let law = |more: &[u8]| riff(&[&wav_format(6, 8, more), &samples, &texts()]);
    let long = |more: &[u8]| {
        riff(&[
            &wav_format(0xfffe, 16, &[wav_guid(), more.to_vec()].concat()),
            &samples,
        ])
    };
    let blocks = wav_format(2, 4, b"\x20\x00\xe8\x03");
    let flac = flac_with([(4, &tags)]);
    let (ogg_flac, silence) = ogg_flac(&tags);
    vec![
        ("tags of FLAC", flac.clone(), same(FLAC)),
        (
            "empty tags of FLAC",
            flac_with([(4, comments(&[0; 4]))]),
            same(FLAC),
        ),
        (
            "unknown blocks of FLAC",
            flac_with(vec![(100, b""); MANY / 4]),
            same(FLAC),
        ),
        (
            "programs' blocks of FLAC",
            flac_with(vec![(2, b"abcd"); MANY / 8]),
            same(FLAC),
        ),
        (
            "places of FLAC",
            flac_with([(3, vec![0; MANY / 18 * 18])]),
            same(FLAC),
        ),
        ("tags of WAV", riff(&[&texts(), &S16[12..]]), same(S16)),
        (
            "unknown chunks of WAV",
            riff(&[&chunk(b"abcd", b"").repeat(MANY / 8), &S16[12..]]),
            same(S16),
        ),
        ("tags in the header of WAV", long(&texts()), same(&long(b""))),
        // The number of bytes to pass leads behind the samples.
        ("tags behind A-law", law(b"\xf0\x03"), same(&law(b"\x00\x00"))),
        ("tags behind ADPCM", riff(&[&blocks, &samples, &texts()]), None),
        ("tags of Ogg", ogg_with(&tags, 1), same(WORD)),
        ("tags amid an Ogg", ogg_with(&tags, 3), same(WORD)),
        (
            "tags of a second Ogg",
            [WORD, &ogg_with(&tags, 1)].concat(),
            same(WORD),
        ),
        ("tags in pages of sound", ogg_mixed(), same(WORD)),
        ("tags of FLAC in Ogg", ogg_flac, Some(silence)),
        ("streams of Ogg", many_streams(), same(WORD)),
        (
            "a tag of frames",
            tagged(b"TIT2\x00\x00\x00\x01\x00\x00\x00", MP3),
            same(MP3),
        ),
        ("a FLAC in an MP3", [&MP3[..100], &flac].concat(), None),
    ]
}

#[test]
fn audio_bombs() {
    let bombs = bombs();
    let (mut refused, mut slowest, mut dearest) = (0, (Duration::ZERO, ""), (0, ""));
    for (name, bytes) in &bombs {
        let started = Instant::now();
        let (answer, most) = measured(|| decode(bytes, LIMITS));
        let took = started.elapsed();
        println!(
            "{name}: {:.0} ms, {} KiB: {:?}",
            took.as_secs_f64() * 1e3,
            most >> 10,
            answer.as_ref().map(seconds)
        );
        match answer {
            Err(error) => {
                refused += 1;
                let ours = *name != "code books" || error.to_string().contains("unfold into too much");
                assert!(ours, "{name}: {error}");
            }
            Ok(audio) => panic!("{name} was taken for {} seconds of sound", seconds(&audio)),
        }
        slowest = slowest.max((took, name));
        dearest = dearest.max((most, name));
    }
    println!(
        "audio bombs: refused {refused} of {}, slowest {:.0} ms ({}), +{} MiB ({})",
        bombs.len(),
        slowest.0.as_secs_f64() * 1e3,
        slowest.1,
        dearest.0 >> 20,
        dearest.1
    );
    assert_eq!(refused, bombs.len());
    // Half an hour of samples is 110 MiB, and a vector that grows holds up to twice as much for a moment.
    assert!(dearest.0 < 300 << 20, "{dearest:?}");
    assert!(slowest.0 < Duration::from_secs(60), "{slowest:?}");
}

/// What is more than the sound is passed, whatever there is of it: the sound is the same, and no memory is spent but
/// for a copy of the file and the sound itself.
#[test]
fn what_describes_a_sound_is_never_unfolded() {
    for (name, bytes, plain) in described() {
        let plain = plain.map(|plain| decode(&plain, LIMITS).expect("a good file"));
        let started = Instant::now();
        let (answer, most) = measured(|| decode(&bytes, LIMITS));
        let took = started.elapsed();
        println!("{name}: {:.0} ms, {} KiB", took.as_secs_f64() * 1e3, most >> 10);
        match (plain, answer) {
            (Some(plain), Ok(audio)) => assert!(audio == plain, "{name}: {} s", seconds(&audio)),
            (None, Err(error)) => println!("  {error}"),
            (plain, answer) => {
                let (plain, answer) = (plain.as_ref().map(seconds), answer.as_ref().map(seconds));
                panic!("{name}: {answer:?} for a sound of {plain:?}");
            }
        }
        assert!(most < bytes.len() + (8 << 20), "{name}: {most} bytes");
        assert!(took < Duration::from_secs(20), "{name}: {took:?}");
    }
}

#[test]
fn a_lie_about_the_length_of_pcm_costs_nothing() {
    for claims in [0xffff_fff0, 1 << 30] {
        match decode(&wav(1, 16_000, 16, claims), LIMITS) {
            Ok(audio) => assert!(seconds(&audio) < 0.1, "{}", seconds(&audio)),
            Err(error) => assert!(
                matches!(error, AudioError::TooLong { .. } | AudioError::Broken(_)),
                "{error}"
            ),
        }
    }
}
