//! No bytes make a reader panic, or take more memory than a small multiple of the file. Its allocations
//! are counted.

mod counting;

use std::path::Path;

use lamplighter_readers::weights::{ct2, gguf_check, legacy_pickle, safetensors_check, zip_pickle};
use proptest::{prelude::*, sample::Index};

use counting::measured;

/// More than any of these files needs: they have some KB.
const ALLOWED: usize = 1 << 20;

fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name);
    std::fs::read(path).expect("the fixture")
}

/// A change of a file.
#[derive(Debug, Clone)]
enum Change {
    /// One byte becomes another.
    Byte(Index, u8),
    /// An integer of up to eight bytes becomes one of those that overflow things.
    Number(Index, u8, u64),
    /// A piece goes.
    Cut(Index, u8),
    /// A piece comes again, elsewhere.
    Again(Index, Index, u8),
    /// The end goes.
    End(Index),
}

fn change() -> impl Strategy<Value = Change> {
    let number = prop::sample::select(vec![
        0,
        1,
        0x7f,
        0xff,
        0xffff,
        0x7fff_ffff,
        0xffff_ffff,
        1 << 32,
        1 << 61,
    ]);
    let number = prop_oneof![number, Just(u64::MAX), Just(i64::MAX as u64), any::<u64>()];
    prop_oneof![
        4 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        4 => (any::<Index>(), 1..=8_u8, number).prop_map(|(at, size, n)| Change::Number(at, size, n)),
        1 => (any::<Index>(), any::<u8>()).prop_map(|(at, size)| Change::Cut(at, size)),
        1 => (any::<Index>(), any::<Index>(), any::<u8>()).prop_map(|(from, to, size)| Change::Again(from, to, size)),
        1 => any::<Index>().prop_map(Change::End),
    ]
}

fn changed(mut file: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        if file.is_empty() {
            break;
        }
        let length = file.len();
        let piece = |at: usize, size: usize| at..(at + size).min(length);
        match *change {
            Change::Byte(at, byte) => file[at.index(length)] = byte,
            Change::Number(at, size, number) => {
                for (at, byte) in piece(at.index(length), usize::from(size)).zip(number.to_le_bytes()) {
                    file[at] = byte;
                }
            }
            Change::Cut(at, size) => drop(file.drain(piece(at.index(length), usize::from(size)))),
            Change::Again(from, to, size) => {
                let copy = file[piece(from.index(length), usize::from(size))].to_vec();
                let to = to.index(length);
                file.splice(to..to, copy);
            }
            Change::End(at) => file.truncate(at.index(length)),
        }
    }
    file
}

/// A header that is true, to be made false.
fn safetensors() -> Vec<u8> {
    let header = br#"{"__metadata__":{"a":"b"},"x":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"y":{"dtype":"I8","shape":[3],"data_offsets":[16,19]}}"#;
    [&(header.len() as u64).to_le_bytes()[..], header, &[0; 19]].concat()
}

fn gguf() -> Vec<u8> {
    let text = |text: &str| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
    let entry = |key: &str, kind: u32, value: &[u8]| [&text(key)[..], &kind.to_le_bytes(), value].concat();
    let list = [
        &8_u32.to_le_bytes()[..],
        &2_u64.to_le_bytes(),
        &text("a"),
        &text("b"),
    ]
    .concat();
    let tensor = [
        &1_u32.to_le_bytes()[..],
        &32_u64.to_le_bytes(),
        &8_u32.to_le_bytes(),
        &0_u64.to_le_bytes(),
    ];
    let mut file = [
        b"GGUF\x03\x00\x00\x00".as_slice(),
        &1_u64.to_le_bytes(),
        &3_u64.to_le_bytes(),
        &entry("general.architecture", 8, &text("llama")),
        &entry("words", 9, &list),
        &entry("general.alignment", 4, &32_u32.to_le_bytes()),
        &text("w"),
        &tensor.concat(),
    ]
    .concat();
    file.resize(file.len().next_multiple_of(32) + 34, 1);
    file
}

/// Reads what is there, numbers included.
fn reader(kind: &str) -> fn(&[u8]) {
    match kind {
        "legacy" => {
            |bytes| drop(legacy_pickle::read(bytes).map(|w| w.iter().map(|t| t.bytes().len()).sum::<usize>()))
        }
        "zip" => {
            |bytes| drop(zip_pickle::read(bytes).map(|w| w.iter().map(|t| t.bytes().len()).sum::<usize>()))
        }
        "ct2" => {
            |bytes| drop(ct2::read(bytes).map(|m| m.weights.iter().map(|t| t.bytes().len()).sum::<usize>()))
        }
        "gguf" => |bytes| drop(gguf_check::read(bytes).map(|tensors| tensors.len())),
        _ => |bytes| drop(safetensors_check::check_reader(bytes, bytes.len() as u64)),
    }
}

fn holds(kind: &str, bytes: &[u8]) -> Result<(), TestCaseError> {
    let ((), most) = measured(|| reader(kind)(bytes));
    prop_assert!(
        most <= ALLOWED,
        "{kind}: {most} bytes for a file of {}",
        bytes.len()
    );
    Ok(())
}

#[test]
fn the_files_themselves_are_read() {
    assert!(legacy_pickle::read(&fixture("plain.legacy.pt")).is_ok());
    assert!(zip_pickle::read(&fixture("plain.zip.pt")).is_ok());
    assert!(ct2::read(&fixture("tiny.int8.ct2")).is_ok());
    assert!(gguf_check::read(&gguf()).is_ok());
    let file = safetensors();
    assert!(safetensors_check::check_reader(file.as_slice(), file.len() as u64).is_ok());
    // The count counts.
    let (copy, most) = measured(|| [0_u8; 1 << 20].repeat(3));
    assert!(copy.len() <= most && most < 4 << 20, "{most}");
}

/// A file of torch's old format with this state dict.
fn legacy(state: &[u8]) -> Vec<u8> {
    let head = fixture("parameter.legacy.pt");
    let begin = head.windows(2).enumerate().filter(|(_, w)| *w == [0x80, 2]);
    let begin = begin.map(|(at, _)| at).nth(3).expect("the state dict");
    [&head[..begin], state, b"\x80\x02]."].concat()
}

/// Instructions that leave a storage of one number.
const STORAGE: &[u8] =
    b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x01tQ";

#[test]
fn what_a_pickle_recalls_is_not_copied_without_end() {
    let begin = b"\x80\x02}(".as_slice();
    // One pair many times in a list, which is made a dict again and again: the list is at place 3, the call at 2.
    let call = b"ccollections\nOrderedDict\nq\x020]q\x03(NN\x86q\x04".to_vec();
    let pairs = [&call, &b"h\x04".repeat(100_000)[..], b"e\x85q\x050"].concat();
    let dicts = [begin, &pairs, &b"h\x02h\x05R0".repeat(10_000), b"u."].concat();
    // Tensors of many dimensions.
    let shape = [b"(".as_slice(), &b"K\x01".repeat(8), b"tq\x020"].concat();
    let call = [
        b"ctorch._utils\n_rebuild_tensor\nq\x05(",
        STORAGE,
        b"K\x00h\x02h\x02tq\x06R0",
    ]
    .concat();
    let again = b"h\x05h\x06R0".repeat(100_000);
    let tensors = [begin, &shape, &call, &again, b"u."].concat();
    // Names of a thousand bytes that are there once: the same, and different ones.
    let long = [b"X\xe8\x03\x00\x00".as_slice(), &[b'n'; 1_000], b"q\x020"].concat();
    let tensor = [
        b"ctorch._utils\n_rebuild_tensor\n(",
        STORAGE,
        b"K\x00K\x01\x85K\x01\x85tRq\x010",
    ]
    .concat();
    let same = [begin, &tensor, &long, &b"h\x02h\x01".repeat(60_000), b"u."].concat();
    let keys = (0..60_000_u32).flat_map(|key| format!("X\x05\0\0\0{key:05}h\x01").into_bytes());
    let keys: Vec<u8> = keys.collect();
    let other = [begin, &tensor, &long, b"h\x02}(", &keys, b"uu."].concat();
    for (state, with) in [
        (dicts, "entries"),
        (tensors, "entries"),
        (same, "two tensors"),
        (other, "names take more"),
    ] {
        let file = legacy(&state);
        let (told, most) = measured(|| legacy_pickle::read(&file).map(|weights| weights.len()));
        let told = told.expect_err(with).to_string();
        println!("{} bytes: {most} bytes: {told}", file.len());
        assert!(told.contains(with), "{told}");
        assert!(most < 64 << 20, "{with}: {most} bytes for {}", file.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changed_files_are_read_or_refused(changes in prop::collection::vec(change(), 1..6)) {
        for (kind, file) in [
            ("legacy", fixture("plain.legacy.pt")),
            ("legacy", fixture("layer.legacy.pt")),
            ("zip", fixture("plain.zip.pt")),
            ("ct2", fixture("tiny.int8.ct2")),
            ("gguf", gguf()),
            ("safetensors", safetensors()),
        ] {
            holds(kind, &changed(file, &changes))?;
        }
    }

    #[test]
    fn any_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        for (kind, beginning) in [
            ("legacy", b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e".as_slice()),
            ("zip", b"PK\x03\x04"),
            ("ct2", b"\x06\x00\x00\x00"),
            ("gguf", b"GGUF\x03\x00\x00\x00"),
            ("safetensors", b""),
        ] {
            holds(kind, &[beginning, &bytes].concat())?;
        }
    }

    #[test]
    fn any_program_of_the_known_instructions_ends(
        steps in prop::collection::vec(prop::sample::select(
            b"}](t)\x85\x86\x87NqhjrRbQaesuKMJGXcU0\x88\x89\x8a.\x00\x01\x02\x80torch\nFloatStorage\n".to_vec(),
        ), 0..2000)
    ) {
        holds("legacy", &legacy(&steps))?;
    }
}
