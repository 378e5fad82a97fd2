//! Data URLs: never more bytes than the cap.
#![no_main]

use lamplighter_readers::data_url;
use libfuzzer_sys::fuzz_target;

const CAP: usize = 4096;

fuzz_target!(|url: &str| {
    let whole = url.starts_with("data:");
    let url = if whole { url.to_owned() } else { format!("data:image/png;base64,{url}") };
    if let Ok(bytes) = data_url::decode(&url, "image", CAP) {
        assert!(bytes.len() <= CAP);
    }
});
