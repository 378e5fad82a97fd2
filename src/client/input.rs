//! What INPUT on a command line means: a JSON object is used as it is, a picture or a recording becomes a
//! data URL, anything else is a text; what that is to the model, [`super::plain`] knows.

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

/// What INPUT stands for.
#[derive(Debug)]
pub enum Input {
    /// The whole input of a job.
    Whole(Box<RawValue>),
    /// A text.
    Text(String),
}

/// Reads INPUT: `-` is standard input, `@FILE` a file, everything else stands for itself.
///
/// # Errors
/// Where it can't be read, is no UTF-8, or is larger than 16 MiB.
pub fn read(argument: &str) -> Result<Input, Failure> {
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

fn of_bytes(bytes: Vec<u8>, name: &str) -> Result<Input, Failure> {
    if let Some((field, mime)) = media(&bytes) {
        let url = format!("data:{mime};base64,{}", BASE64_STANDARD.encode(&bytes));
        let raw = serde_json::value::to_raw_value(&json!({ field: url })).expect("a string is JSON");
        return Ok(Input::Whole(raw));
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

/// What a text stands for. An object is passed on letter by letter, so that the server sees what
/// the user wrote: duplicate keys, long numbers and all.
pub fn interpret(text: &str) -> Input {
    let is_object = serde_json::from_str::<HashMap<String, IgnoredAny>>(text).is_ok();
    if is_object && let Ok(raw) = serde_json::from_str::<Box<RawValue>>(text) {
        return Input::Whole(raw);
    }
    Input::Text(text.to_owned())
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

    /// An object as it is, a text between `«` and `»`.
    fn shown(input: &Input) -> String {
        match input {
            Input::Whole(raw) => raw.get().to_owned(),
            Input::Text(text) => format!("«{text}»"),
        }
    }

    #[test]
    fn an_object_is_used_as_it_is_and_the_rest_is_text() {
        for object in [
            r#"{"texts":["a"]}"#,
            "{}",
            r#"{"a":1,"a":2}"#,
            r#"{"n":123456789012345678901234567890}"#,
        ] {
            assert_eq!(shown(&interpret(object)), object);
        }
        for text in [
            "hello",
            "",
            "42",
            "null",
            "[1, 2]",
            r#""quoted""#,
            r#"{"broken": "#,
            r#"{"a":1} tail"#,
            "two\nlines",
        ] {
            assert_eq!(shown(&interpret(text)), format!("«{text}»"));
        }
        assert_eq!(shown(&interpret("  {\"a\": 1}\n")), "{\"a\": 1}");
    }

    #[test]
    fn a_file_loses_its_last_line_break_only() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("input.txt");
        for (content, input) in [("one\ntwo\n\n", "«one\ntwo\n»"), ("x\r\n", "«x»")] {
            std::fs::write(&path, content).expect("the folder is writable");
            let read = read(&format!("@{}", path.display())).expect("it can be read");
            assert_eq!(shown(&read), input);
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
            (b"RIFF is a text", "«RIFF is a text»"),
        ] {
            std::fs::write(&path, content).expect("the folder is writable");
            let read = read(&format!("@{}", path.display())).expect("it can be read");
            assert_eq!(shown(&read), input);
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
