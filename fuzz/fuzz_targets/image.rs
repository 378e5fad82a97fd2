//! Pictures: within the caps, and as many bytes as their sides say.
#![no_main]

use lamplighter_readers::image::{Caps, decode_within};
use libfuzzer_sys::fuzz_target;

/// Small, so that a picture takes no time.
const CAPS: Caps = Caps {
    bytes: 65_536,
    side: 512,
    pixels: 1 << 16,
    memory: 16 << 20,
};

// A panic of a decoder that the reader catches is no finding: only one that it lets through ends the process.
fuzz_target!(init: std::panic::set_hook(Box::new(|_| {})), |bytes: &[u8]| {
    if let Ok(picture) = decode_within(bytes, &CAPS) {
        assert!(picture.width * picture.height <= 1 << 16);
        assert_eq!(picture.rgb.len(), picture.width * picture.height * 3);
    }
});
