//! What INPUT on a command line means: a JSON object is used as it is, a picture or a recording becomes a
//! data URL, anything else is the model's text.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::de::IgnoredAny;
use serde_json::{json, value::RawValue};

use super::Failure;

/// The most bytes read from a file or standard input.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// Reads INPUT: `-` is standard input, `@FILE` a file, everything else stands for itself.
///
/// # Errors
/// Where it can't be read, is no UTF-8, or is larger than 16 MiB.
pub fn read(argument: &str) -> Result<Box<RawValue>, Failure> {
    if argument == "-" {
        return of_bytes(
            read_capped(io::stdin().lock(), "standard input")?,
            "standard input",
        );
    }
    match argument.strip_prefix('@') {
        None => Ok(interpret(argument)),
        Some(path) => {
            let file = File::open(path).map_err(|e| Failure::Usage(format!("can't read {path}: {e}")))?;
            of_bytes(read_capped(file, path)?, path)
        }
    }
}

fn of_bytes(bytes: Vec<u8>, name: &str) -> Result<Box<RawValue>, Failure> {
    if let Some((field, mime)) = media(&bytes) {
        let url = format!("data:{mime};base64,{}", BASE64_STANDARD.encode(&bytes));
        return Ok(serde_json::value::to_raw_value(&json!({ field: url })).expect("a string is JSON"));
    }
    let text = String::from_utf8(bytes).map_err(|_| Failure::Usage(format!("{name} is not UTF-8 text")))?;
    Ok(interpret(without_newline(&text)))
}

/// The field of an input that takes a file which begins like this, and its media type; none: it is text.
fn media(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    Some(match bytes {
        [0x89, b'P', b'N', b'G', ..] => ("image", "image/png"),
        [0xff, 0xd8, 0xff, ..] => ("image", "image/jpeg"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => ("image", "image/webp"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E', ..] => ("audio", "audio/wav"),
        [b'f', b'L', b'a', b'C', ..] => ("audio", "audio/flac"),
        [b'O', b'g', b'g', b'S', ..] => ("audio", "audio/ogg"),
        // A tag, or the sync word of a frame of layer III.
        [b'I', b'D', b'3', ..] | [0xff, 0xf2 | 0xf3 | 0xfa | 0xfb, ..] => ("audio", "audio/mpeg"),
        _ => return None,
    })
}

/// The input a text stands for. An object is passed on letter by letter, so that the server sees what
/// the user wrote: duplicate keys, long numbers and all.
pub fn interpret(text: &str) -> Box<RawValue> {
    let is_object = serde_json::from_str::<HashMap<String, IgnoredAny>>(text).is_ok();
    if is_object && let Ok(raw) = serde_json::from_str::<Box<RawValue>>(text) {
        return raw;
    }
    serde_json::value::to_raw_value(&json!({ "text": text })).expect("a string is JSON")
}

/// Files and pipes of text end with a line break that nobody meant.
fn without_newline(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

fn read_capped(source: impl Read, name: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    source
        .take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| Failure::Usage(format!("can't read {name}: {e}")))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Failure::Usage(format!(
            "{name} is larger than {} MiB",
            MAX_BYTES / 1024 / 1024
        )));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_used_as_it_is_and_the_rest_is_text() {
        let cases = [
            (r#"{"texts":["a"]}"#, r#"{"texts":["a"]}"#),
            (r#"{}"#, r#"{}"#),
            (r#"{"a":1,"a":2}"#, r#"{"a":1,"a":2}"#),
            (
                r#"{"n":123456789012345678901234567890}"#,
                r#"{"n":123456789012345678901234567890}"#,
            ),
            ("hello", r#"{"text":"hello"}"#),
            ("", r#"{"text":""}"#),
            ("42", r#"{"text":"42"}"#),
            ("null", r#"{"text":"null"}"#),
            ("[1, 2]", r#"{"text":"[1, 2]"}"#),
            (r#""quoted""#, r#"{"text":"\"quoted\""}"#),
            (r#"{"broken": "#, r#"{"text":"{\"broken\": "}"#),
            (r#"{"a":1} tail"#, r#"{"text":"{\"a\":1} tail"}"#),
            ("two\nlines", r#"{"text":"two\nlines"}"#),
        ];
        for (text, input) in cases {
            assert_eq!(interpret(text).get(), input, "{text}");
        }
        assert_eq!(interpret("  {\"a\": 1}\n").get(), "{\"a\": 1}");
    }

    #[test]
    fn a_file_loses_its_last_line_break_only() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("input.txt");
        for (content, input) in [
            ("one\ntwo\n\n", r#"{"text":"one\ntwo\n"}"#),
            ("x\r\n", r#"{"text":"x"}"#),
        ] {
            std::fs::write(&path, content).expect("the folder is writable");
            assert_eq!(
                read(&format!("@{}", path.display()))
                    .expect("it can be read")
                    .get(),
                input
            );
        }
    }

    #[test]
    fn pictures_and_recordings_become_data_urls() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("file");
        for (content, input) in [
            (
                &b"\x89PNG\r\n"[..],
                r#"{"image":"data:image/png;base64,iVBORw0K"}"#,
            ),
            (
                b"RIFF\0\0\0\0WAVE",
                r#"{"audio":"data:audio/wav;base64,UklGRgAAAABXQVZF"}"#,
            ),
            (b"RIFF is a text", r#"{"text":"RIFF is a text"}"#),
        ] {
            std::fs::write(&path, content).expect("the folder is writable");
            let read = read(&format!("@{}", path.display())).expect("it can be read");
            assert_eq!(read.get(), input);
        }
    }

    #[test]
    fn what_cannot_be_read_is_a_usage_error() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let binary = dir.path().join("binary");
        std::fs::write(&binary, [0xff, 0xfe]).expect("the folder is writable");
        let large = dir.path().join("large");
        File::create(&large)
            .and_then(|f| f.set_len(MAX_BYTES + 1))
            .expect("a sparse file can be made");
        for path in [binary, large, dir.path().join("missing")] {
            let failure = read(&format!("@{}", path.display())).expect_err("it must be refused");
            assert_eq!(failure.exit_code(), 2, "{failure}");
        }
    }
}
