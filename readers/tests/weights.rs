//! Files of weights against what those who define the formats say is in them, and against files that lie.

use std::{collections::BTreeMap, path::PathBuf};

use lamplighter_readers::weights::{
    Dtype, Mapped, Outgoing, Tensor, WeightsError, ct2, legacy_pickle, read_pickle, safetensors_check,
    write_safetensors, zip_pickle,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Expected {
    name: String,
    dtype: String,
    shape: Vec<usize>,
    sum: f64,
}

fn expected() -> BTreeMap<String, Vec<Expected>> {
    serde_json::from_str(include_str!("fixtures/weights.json")).expect("the fixture")
}

fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name);
    Mapped::open(&path).expect("the fixture").to_vec()
}

/// As `make_weights.py` sums.
fn weighed(tensor: &Tensor<'_>) -> f64 {
    let numbers = tensor.to_f32().expect("numbers");
    let weighed = numbers
        .iter()
        .enumerate()
        .map(|(at, n)| f64::from(*n) * (at % 97 + 1) as f64);
    weighed.sum()
}

fn assert_same(file: &str, tensor: &Tensor<'_>, expected: &Expected) {
    assert_eq!(tensor.name(), expected.name, "{file}");
    assert_eq!(
        tensor.dtype().to_string(),
        expected.dtype,
        "{file} {}",
        tensor.name()
    );
    assert_eq!(tensor.shape(), expected.shape, "{file} {}", tensor.name());
    assert!(
        (weighed(tensor) - expected.sum).abs() <= 1e-6 * expected.sum.abs().max(1.0),
        "{file} {}: {} instead of {}",
        tensor.name(),
        weighed(tensor),
        expected.sum
    );
}

fn refusal<T: std::fmt::Debug>(result: Result<T, WeightsError>) -> String {
    match result {
        Err(error @ WeightsError::Refused { .. }) => error.to_string(),
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn state_dicts_are_read_as_torch_reads_them() {
    let mut files = 0;
    for (file, tensors) in expected().iter().filter(|(file, _)| file.ends_with(".pt")) {
        let bytes = fixture(file);
        let weights = read_pickle(&bytes).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(weights.len(), tensors.len(), "{file}");
        for (tensor, expected) in weights.iter().zip(tensors) {
            assert_same(file, tensor, expected);
        }
        files += 1;
    }
    assert_eq!(files, 8);
}

#[test]
fn ctranslate2_models_are_read_as_it_reads_them() {
    for file in ["tiny.int8.ct2", "tiny.float16.ct2"] {
        let bytes = fixture(file);
        let model = ct2::read(&bytes).expect("a model");
        assert_eq!((model.spec, model.revision), ("TinySpec", 7));
        let expected = &expected()[file];
        assert_eq!(model.weights.len(), expected.len());
        for tensor in expected {
            assert_same(file, model.get(&tensor.name).expect("the variable"), tensor);
        }
        let alias = model.get("second/bias").expect("an alias");
        assert_eq!(alias.name(), "first/bias");
        assert!(model.get("third/bias").is_none());
    }
}

#[test]
fn what_would_run_code_is_refused_by_name() {
    for (file, asked) in [
        ("function.legacy.pt", "`__builtin__ print`"),
        ("function.zip.pt", "`__builtin__ print`"),
        ("module.legacy.pt", "`torch.nn.modules.linear Linear`"),
        ("module.zip.pt", "`torch.nn.modules.linear Linear`"),
    ] {
        let told = refusal(read_pickle(&fixture(file)));
        assert!(
            told.contains(asked) && told.contains("publish the model as safetensors"),
            "{told}"
        );
    }
}

/// Every file cut at every place, and every byte of it turned, is read or refused, never more.
#[test]
fn no_cut_and_no_turned_byte_is_more_than_a_refusal() {
    let cut_is_refused = |file: &str, read: &dyn Fn(&[u8]) -> bool| {
        let whole = fixture(file);
        assert!(read(&whole), "{file}");
        for end in 0..whole.len() {
            assert!(!read(&whole[..end]), "{file} cut at {end} is read");
        }
        for at in 0..whole.len() {
            for mask in [0x01, 0x80, 0xff] {
                let mut turned = whole.clone();
                turned[at] ^= mask;
                read(&turned);
            }
        }
    };
    cut_is_refused("plain.legacy.pt", &|bytes| legacy_pickle::read(bytes).is_ok());
    cut_is_refused("plain.zip.pt", &|bytes| zip_pickle::read(bytes).is_ok());
    cut_is_refused("tiny.int8.ct2", &|bytes| ct2::read(bytes).is_ok());
}

/// A file of the old format with the given state dict and no storages.
fn bare(state: &[u8]) -> Vec<u8> {
    let mut file = fixture("parameter.legacy.pt");
    let pickles = file
        .windows(2)
        .enumerate()
        .filter(|(_, window)| *window == [0x80, 2]);
    let begin = pickles.map(|(at, _)| at).nth(3).expect("the state dict");
    file.truncate(begin);
    [&file, state, b"\x80\x02]."].concat()
}

/// The same with one storage, "0", of four numbers.
fn legacy(state: &[u8]) -> Vec<u8> {
    let mut file = bare(state);
    file.truncate(file.len() - 1);
    file.extend_from_slice(b"X\x01\x00\x00\x000a.");
    file.extend_from_slice(&4_u64.to_le_bytes());
    file.extend_from_slice(&[0; 16]);
    file
}

/// A state dict with one tensor `w` in storage "0".
fn one_tensor(count: &str, offset: &str, shape: &str, strides: &str) -> Vec<u8> {
    let mut state =
        b"\x80\x02}X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storage\
        ctorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu"
            .to_vec();
    let numbers = |text: &str| -> Vec<u8> {
        text.split_whitespace()
            .flat_map(|n| {
                let n: i64 = n.parse().expect("a number");
                [vec![0x8a, 8], n.to_le_bytes().to_vec()].concat()
            })
            .collect()
    };
    state.extend(numbers(count));
    state.extend_from_slice(b"NtQ");
    state.extend(numbers(offset));
    for list in [shape, strides] {
        state.push(b'(');
        state.extend(numbers(list));
        state.push(b't');
    }
    state.extend_from_slice(b"\x89NtRs.");
    state
}

#[test]
fn views_beyond_their_storage_are_refused() {
    let read = |count: &str, offset: &str, shape: &str, strides: &str| {
        let bytes = legacy(&one_tensor(count, offset, shape, strides));
        legacy_pickle::read(&bytes).map(|weights| weights.iter().map(Tensor::count).sum::<usize>())
    };
    assert_eq!(read("4", "0", "2 2", "2 1").expect("a tensor"), 4);
    assert_eq!(read("4", "1", "3", "1").expect("a tensor"), 3);
    let huge = i64::MAX.to_string();
    for (count, offset, shape, strides) in [
        ("4", "0", "5", "1"),
        ("4", "1", "4", "1"),
        ("4", "0", "2 2", "3 1"),
        ("4", huge.as_str(), "2", "1"),
        ("4", "0", "2", huge.as_str()),
        ("4", "0", "1000000000", "0"),
        ("4", "0", "4294967296 4294967296 4294967296", "0 0 0"),
        ("4", "0", "0 9223372036854775807 9223372036854775807", "0 0 0"),
        ("4", "0", "-1", "1"),
        ("4", "0", "2 2", "1"),
        ("4", "0", "1 1 1 1 1 1 1 1 1", "1 1 1 1 1 1 1 1 1"),
        ("5", "0", "2", "1"),
        (huge.as_str(), "0", "2", "1"),
        ("-4", "0", "2", "1"),
    ] {
        let told = refusal(read(count, offset, shape, strides));
        assert!(told.contains(';'), "says what to do: {told}");
    }
}

#[test]
fn pickles_made_to_exhaust_are_refused() {
    // Dicts that have the one before them in each of their entries.
    let nested = |depth: u8, entries: u8| {
        let mut state = b"\x80\x02}q\x000".to_vec();
        for level in 1..=depth {
            state.extend_from_slice(&[b'}', b'q', level, b'(']);
            for key in 0..entries {
                state.extend_from_slice(&[b'X', 1, 0, 0, 0, key, b'h', level - 1]);
            }
            state.extend_from_slice(b"u0");
        }
        state.extend_from_slice(&[b'h', depth, b'.']);
        refusal(legacy_pickle::read(&bare(&state)))
    };
    assert!(nested(3, 5).contains("no tensor"));
    assert!(nested(60, 2).contains("deep"));
    assert!(nested(7, 100).contains("entries"));
    let circle = b"\x80\x02}q\x00X\x01\x00\x00\x00ah\x00s.";
    let told = refusal(legacy_pickle::read(&bare(circle)));
    assert!(told.contains("deep"), "{told}");
    for (filler, word) in [
        (b"N".as_slice(), "values"),
        (b"(", "brackets"),
        (b"h\x00", "values"),
    ] {
        let state = [b"\x80\x02}q\x00".to_vec(), filler.repeat(500_000)].concat();
        let told = refusal(legacy_pickle::read(&bare(&state)));
        assert!(told.contains("more than") && told.contains(word), "{told}");
    }
    let long = [b"\x80\x02X\xff\xff\xff\xff".as_slice(), b"x"].concat();
    assert!(refusal(legacy_pickle::read(&bare(&long))).contains("bytes in a text"));
}

#[test]
fn the_instructions_that_call_are_not_known() {
    // INST, OBJ, NEWOBJ, NEWOBJ_EX, EXT1, STACK_GLOBAL, BYTEARRAY8, PERSID.
    for instruction in [b'i', b'o', 0x81, 0x92, 0x82, 0x93, 0x96, b'P'] {
        let told = refusal(legacy_pickle::read(&bare(&[0x80, 2, b'}', instruction, b'.'])));
        assert!(told.contains("instruction"), "{told}");
    }
}

#[test]
fn what_is_written_is_safetensors_in_f32() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("out.safetensors");
    let bytes = fixture("plain.zip.pt");
    let weights = read_pickle(&bytes).expect("weights");
    let is_float =
        |tensor: &&Tensor| matches!(tensor.dtype(), Dtype::F64 | Dtype::F32 | Dtype::F16 | Dtype::BF16);
    let (floats, others): (Vec<_>, Vec<_>) = weights.iter().partition(is_float);
    assert!(floats.len() > 1 && !others.is_empty(), "the file has both");
    let outgoing: Vec<_> = floats
        .iter()
        .map(|tensor| Outgoing::f32(tensor.name(), tensor).expect("floats"))
        .collect();
    for tensor in others {
        let told = refusal(Outgoing::f32(tensor.name(), tensor).map(|_| ()));
        assert!(told.contains("no floats"), "{told}");
    }
    write_safetensors(&path, &outgoing).expect("written");
    let infos = safetensors_check::check(&path).expect("a true header");
    assert_eq!(infos.len(), floats.len());
    let written = Mapped::open(&path).expect("the file");
    let read = safetensors::SafeTensors::deserialize(&written).expect("safetensors");
    for tensor in floats {
        let copy = read.tensor(tensor.name()).expect("the tensor");
        assert_eq!((copy.dtype(), copy.shape()), (Dtype::F32, tensor.shape()));
        let numbers: Vec<u8> = tensor
            .to_f32()
            .expect("numbers")
            .iter()
            .flat_map(|n| n.to_le_bytes())
            .collect();
        assert_eq!(copy.data(), numbers);
    }
    let one = |name: &str| Outgoing::new(name, Dtype::F32, vec![2], || vec![0; 8].into()).expect("a tensor");
    assert!(write_safetensors(&path, &[one("a"), one("a")]).is_err());
    let short = Outgoing::new("a", Dtype::F32, vec![2], || vec![0; 7].into()).expect("a tensor");
    assert!(write_safetensors(&path, &[short]).is_err());
    assert!(!path.exists(), "a wrong file is not left behind");
}
