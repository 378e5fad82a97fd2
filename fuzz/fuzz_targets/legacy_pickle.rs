//! Torch's old format: what is read can be copied out too.
#![no_main]

use lamplighter_readers::weights::legacy_pickle;
use libfuzzer_sys::fuzz_target;

/// So that most inputs get beyond the first pickle.
const BEGINNING: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e";

fuzz_target!(|bytes: &[u8]| {
    let whole = bytes.starts_with(b"\x80\x02\x8a");
    let bytes = if whole { bytes.to_vec() } else { [BEGINNING, bytes].concat() };
    if let Ok(weights) = legacy_pickle::read(&bytes) {
        for tensor in weights.iter() {
            let numbers = tensor.to_f32().map_or(tensor.count(), |numbers| numbers.len());
            assert_eq!(numbers, tensor.count());
        }
    }
});
