//! Torch's zip format: what is read can be copied out too.
#![no_main]

use lamplighter_readers::weights::zip_pickle;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(weights) = zip_pickle::read(bytes) {
        for tensor in weights.iter() {
            let numbers = tensor.to_f32().map_or(tensor.count(), |numbers| numbers.len());
            assert_eq!(numbers, tensor.count());
        }
    }
});
