//! Headers of safetensors: what the check takes, the library takes too.
#![no_main]

use lamplighter_readers::weights::safetensors_check::check_reader;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|header: &[u8]| {
    // The length before it is made true, and the data as long as the header could mean: else nothing gets far.
    let (header, data) = match header.split_last_chunk::<2>() {
        Some((header, data)) => (header, usize::from(u16::from_le_bytes(*data))),
        None => (header, 0),
    };
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(header);
    file.resize(file.len() + data, 0);
    if check_reader(file.as_slice(), file.len() as u64).is_ok() {
        safetensors::SafeTensors::deserialize(&file).expect("the library takes what the check takes");
    }
});
