//! Headers of GGUF: tensors lie inside the file.
#![no_main]

use lamplighter_readers::weights::gguf_check;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let whole = bytes.starts_with(b"GGUF");
    let bytes = if whole {
        bytes.to_vec()
    } else {
        [b"GGUF\x03\x00\x00\x00", bytes].concat()
    };
    if let Ok(tensors) = gguf_check::read(&bytes) {
        for tensor in &tensors {
            assert!(tensor.start + tensor.size <= bytes.len() as u64);
        }
    }
});
