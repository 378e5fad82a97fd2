//! Headers that lie: each is refused with a sentence.

mod lying;

use lamplighter_readers::weights::{WeightsError, gguf_check, safetensors_check};

use lying::{Gguf, safetensors};

fn check(file: &[u8]) -> Result<usize, WeightsError> {
    safetensors_check::check_reader(file, file.len() as u64).map(|tensors| tensors.len())
}

fn refused(file: &[u8], with: &str) {
    let told = check(file).expect_err(with).to_string();
    assert!(told.contains(with), "{told:?} instead of {with:?}");
    assert!(told.contains(';'), "says what to do: {told}");
    assert!(told.len() < 600, "{told}");
}

#[test]
fn a_true_safetensors_header_is_taken() {
    let header = r#"{"__metadata__":{"format":"pt"},"b":{"dtype":"F16","shape":[2,3],"data_offsets":[4,16]},
        "a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"none":{"dtype":"I8","shape":[0,7],"data_offsets":[16,16]}}"#;
    assert_eq!(check(&safetensors(header, 16)).expect("true"), 3);
    assert_eq!(check(&safetensors("{}", 0)).expect("true"), 0);
}

#[test]
fn lying_safetensors_headers_are_refused() {
    let one = |entry: &str, data: usize| safetensors(&format!(r#"{{"a":{entry}}}"#), data);
    refused(b"short", "too few");
    refused(&u64::MAX.to_le_bytes(), "says it has");
    refused(
        &[&(100_u64 << 20).to_le_bytes()[..], b"{}"].concat(),
        "says it has",
    );
    refused(b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20", "pickle");
    refused(b"PK\x03\x04\x00\x00\x08\x08\x00", "pickle");
    refused(&safetensors("[]", 0), "can't be read");
    refused(&safetensors("{", 0), "can't be read");
    refused(&safetensors(&"[".repeat(100_000), 0), "can't be read");
    refused(
        &one(r#"{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#, 7),
        "beyond the file",
    );
    refused(
        &one(r#"{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#, 9),
        "belong to no tensor",
    );
    refused(
        &one(r#"{"dtype":"F32","shape":[2],"data_offsets":[0,4]}"#, 4),
        "by its type and shape",
    );
    refused(
        &one(r#"{"dtype":"F32","shape":[2],"data_offsets":[8,0]}"#, 8),
        "by its type and shape",
    );
    refused(
        &one(
            r#"{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}"#,
            0,
        ),
        "overflows",
    );
    refused(
        &one(
            r#"{"dtype":"F32","shape":[0,4294967296,4294967296],"data_offsets":[0,0]}"#,
            0,
        ),
        "overflows",
    );
    refused(
        &one(
            r#"{"dtype":"F32","shape":[1],"data_offsets":[18446744073709551612,18446744073709551616]}"#,
            4,
        ),
        "can't be read",
    );
    refused(
        &one(
            r#"{"dtype":"F32","shape":[1],"data_offsets":[18446744073709551611,18446744073709551615]}"#,
            4,
        ),
        "beyond the file",
    );
    refused(
        &one(r#"{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}"#, 4),
        "can't be read",
    );
    refused(
        &one(r#"{"dtype":"X","shape":[1],"data_offsets":[0,4]}"#, 4),
        "can't be read",
    );
    refused(
        &one(r#"{"dtype":"F32","shape":[1],"data_offsets":[0,4],"more":1}"#, 4),
        "can't be read",
    );
    let many = format!(
        r#"{{"dtype":"F32","shape":[{}1],"data_offsets":[0,4]}}"#,
        "1,".repeat(1_000_000)
    );
    refused(&one(&many, 4), "up to 8 lengths");
    let a = r#""a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}"#;
    refused(&safetensors(&format!("{{{a},{a}}}"), 4), "two tensors");
    refused(
        &safetensors(
            &format!(r#"{{{a},"b":{{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}}}"#),
            6,
        ),
        "begins at",
    );
    refused(
        &safetensors(
            &format!(r#"{{{a},"b":{{"dtype":"F32","shape":[1],"data_offsets":[5,9]}}}}"#),
            9,
        ),
        "begins at",
    );
    refused(
        &safetensors(&format!(r#"{{"{}":1}}"#, "n".repeat(2000)), 0),
        "more than 1024",
    );
}

trait Refused {
    fn refused(&self, with: &str);
}

impl Refused for Gguf {
    fn refused(&self, with: &str) {
        let told = gguf_check::read(&self.0).expect_err(with).to_string();
        assert!(told.contains(with), "{told:?} instead of {with:?}");
        assert!(told.contains(';') && told.len() < 600, "{told}");
    }
}

#[test]
fn a_true_gguf_header_is_read() {
    let file = Gguf::new(2, 4)
        .key("general.architecture", 8)
        .text("llama")
        .key("n", 4)
        .bytes(&7_u32.to_le_bytes())
        .key("words", 9)
        .list(8, 2)
        .text("one")
        .text("zwei")
        .key("f", 6)
        .bytes(&0.5_f32.to_le_bytes())
        .tensor("a", &[32, 2], 8, 0)
        .tensor("b", &[3], 0, 96)
        .data(108);
    let data = (file.0.len() - 108) as u64;
    let tensors = gguf_check::read(&file.0).expect("true");
    let sizes: Vec<_> = tensors.iter().map(|t| (t.name, t.start - data, t.size)).collect();
    assert_eq!(sizes, [("a", 0, 68), ("b", 96, 12)]);
    for end in 0..file.0.len() {
        assert!(gguf_check::read(&file.0[..end]).is_err(), "cut at {end}");
    }
}

#[test]
fn a_gguf_header_may_say_where_its_tensors_begin() {
    let file = |align: u32| {
        Gguf::new(2, 1)
            .key("general.alignment", 4)
            .bytes(&align.to_le_bytes())
            .tensor("a", &[2], 0, 0)
            .tensor("b", &[2], 0, u64::from(align))
    };
    let begins = |align: u32, data: usize| {
        let file = file(align);
        let begin = file.0.len().next_multiple_of(align as usize);
        let tensors = gguf_check::read(&file.data(data).0)
            .map(|tensors| tensors.iter().map(|t| t.start - begin as u64).collect::<Vec<_>>());
        tensors.map_err(|error| error.to_string())
    };
    assert_eq!(begins(64, 160), Ok(vec![0, 64]));
    assert_eq!(begins(8, 160), Ok(vec![0, 8]));
    assert!(begins(128, 32).is_err_and(|told| told.contains("beyond the file")));
    // Where it says nothing, places are multiples of 32.
    Gguf::new(1, 0)
        .tensor("a", &[2], 0, 8)
        .data(64)
        .refused("alignment");
}

#[test]
fn all_lists_of_a_gguf_header_have_one_cap() {
    let lists = |kind: u32, size: usize, lengths: &[u64]| {
        let empty = Gguf::new(0, lengths.len() as u64);
        lengths.iter().enumerate().fold(empty, |file, (at, length)| {
            file.key(&at.to_string(), 9)
                .list(kind, *length)
                .bytes(&vec![0; *length as usize * size])
        })
    };
    for (kind, size) in [(0, 1), (3, 2), (7, 1), (8, 8)] {
        lists(kind, size, &[2 << 20, 1 << 20, (1 << 20) + 1]).refused("4194305 elements");
        let most = lists(kind, size, &[1 << 20, 1 << 20]).0;
        assert_eq!(gguf_check::read(&most).map(|t| t.len()).ok(), Some(0));
    }
}

#[test]
fn lying_gguf_headers_are_refused() {
    let mut small = Gguf::new(1 << 32, 1 << 32);
    small.0.resize(64, 0);
    small.refused("metadata entries, which can't be in");
    Gguf::new(1 << 32, 0)
        .bytes(&[0; 40])
        .refused("tensors, which can't be in");
    Gguf(b"GGUF\x01\x00\x00\x00".to_vec()).refused("version 1");
    Gguf(b"GGML".to_vec()).refused("no GGUF file");
    let entry = |kind| Gguf::new(0, 1).key("k", kind);
    entry(8).bytes(&u64::MAX.to_le_bytes()).refused("says it has");
    entry(9).list(0, u64::MAX).refused("elements");
    entry(9).list(9, 1).bytes(&[0; 100]).refused("list of lists");
    entry(9)
        .list(0, 5 << 20)
        .bytes(&vec![0; 6 << 20])
        .refused("is the most");
    entry(8)
        .bytes(&(2_u64 << 20).to_le_bytes())
        .bytes(&vec![b'a'; 3 << 20])
        .refused("is the most");
    entry(8)
        .bytes(&1_u64.to_le_bytes())
        .bytes(&[0xff])
        .refused("UTF-8");
    entry(13).bytes(&[0; 8]).refused("unknown type 13");
    entry(7).bytes(&[2]).refused("truth value");
    entry(9).list(7, 3).bytes(&[0, 1, 2]).refused("truth value");
    entry(9).list(13, 1).bytes(&[0; 8]).refused("unknown type 13");
    Gguf::new(0, 2)
        .key("k", 0)
        .bytes(&[1])
        .key("k", 0)
        .bytes(&[1])
        .refused("twice");
    Gguf::new(0, 1)
        .key("general.alignment", 4)
        .bytes(&3_u32.to_le_bytes())
        .refused("alignment");
    Gguf::new(0, 1)
        .key("general.alignment", 4)
        .bytes(&0_u32.to_le_bytes())
        .refused("alignment");
    let one = |dimensions: &[u64], kind, place| Gguf::new(1, 0).tensor("a", dimensions, kind, place).data(64);
    one(&[1 << 40, 1 << 40], 0, 0).refused("overflows");
    one(&[1 << 61], 0, 0).refused("overflows");
    one(&[17], 0, 0).refused("beyond the file");
    one(&[1], 0, 64).refused("beyond the file");
    one(&[1], 0, u64::MAX - 31).refused("beyond the file");
    one(&[1], 0, 4).refused("alignment");
    one(&[33], 8, 0).refused("can't have");
    one(&[0], 0, 0).refused("can't have");
    one(&[1; 5], 0, 0).refused("dimensions");
    one(&[32], 20, 0).refused("the type 20");
    let two = |name, place| {
        Gguf::new(2, 0)
            .tensor("a", &[16], 0, 0)
            .tensor(name, &[8], 0, place)
            .data(96)
    };
    two("a", 64).refused("two tensors");
    two("b", 32).refused("upon each other");
    assert!(gguf_check::read(&two("b", 64).0).is_ok());
}
