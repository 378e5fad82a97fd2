//! Headers of GGUF: lists have as many elements as they say, tensors lie inside the file.
#![no_main]

use lamplighter_readers::weights::gguf_check;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let whole = bytes.starts_with(b"GGUF");
    let bytes = if whole { bytes.to_vec() } else { [b"GGUF\x03\x00\x00\x00", bytes].concat() };
    if let Ok(header) = gguf_check::read(&bytes) {
        for array in header.metadata.iter().filter_map(|(_, value)| value.as_array()) {
            assert_eq!(array.iter().count(), array.len());
        }
        for tensor in &header.tensors {
            assert!(tensor.start + tensor.size <= bytes.len() as u64);
        }
    }
});
