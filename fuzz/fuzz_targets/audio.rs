//! Sounds: within the caps, and all samples are numbers.
#![no_main]

use lamplighter_readers::audio::{Limits, SAMPLE_RATE, decode};
use libfuzzer_sys::fuzz_target;

/// Short, so that a sound takes no time.
const LIMITS: Limits = Limits {
    bytes: 65_536,
    seconds: 5,
};

// A panic of a decoder that the reader catches is no finding: only one that it lets through ends the process.
fuzz_target!(init: std::panic::set_hook(Box::new(|_| {})), |bytes: &[u8]| {
    if let Ok(sound) = decode(bytes, LIMITS) {
        // One more second for what a resampler adds.
        assert!(sound.samples.len() <= ((LIMITS.seconds + 1) * SAMPLE_RATE) as usize);
        assert!(sound.samples.iter().all(|sample| sample.is_finite()));
    }
});
