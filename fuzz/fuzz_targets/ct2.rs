//! CTranslate2 models: every alias leads to a variable, and every variable has its numbers.
#![no_main]

use lamplighter_readers::weights::ct2;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(model) = ct2::read(bytes) {
        assert!(model.aliases.keys().all(|alias| model.get(alias).is_some()));
        for tensor in model.weights.iter() {
            assert_eq!(tensor.to_f32().map_or(0, |numbers| numbers.len()), tensor.count());
        }
    }
});
