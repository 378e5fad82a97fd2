//! What the head of a GGUF file says of the model in it: as much as the catalogue needs. Whether the file is
//! sound is for whoever loads it.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek},
    path::Path,
};

/// The longest key or text that is read, bytes; a chat template may be long.
const MAX_TEXT: u64 = 1 << 20;
/// The most entries, and elements of all lists together.
const MAX_ENTRIES: u64 = 4096;
const MAX_ELEMENTS: u64 = 4 << 20;
/// The longest head, bytes; who loads the file takes no longer one either. What is passed over is not read, but can
/// cost a call to the system each time.
const MAX_HEAD: u64 = 32 << 20;

/// What the head says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// `general.architecture`.
    pub(super) architecture: Option<String>,
    /// Whether there is a `tokenizer.chat_template`.
    pub(super) chats: bool,
}

/// Reads the head of a GGUF file; its lists are passed over.
///
/// # Errors
/// A sentence, where the file is no GGUF file or says what can't be.
pub(super) fn head(path: &Path) -> Result<Head, String> {
    let said = |error: io::Error| match error.kind() {
        io::ErrorKind::UnexpectedEof => "the file ends within its head: fetch it again".to_owned(),
        _ => error.to_string(),
    };
    let file = File::open(path).map_err(said)?;
    let length = file.metadata().map_err(said)?.len();
    read(file, length).map_err(said)
}

/// Reads a head from its beginning on; there are `length` bytes of it and of what follows.
fn read(from: impl Read + Seek, length: u64) -> io::Result<Head> {
    Reader {
        from: BufReader::new(from),
        left: length.min(MAX_HEAD),
        whole: length <= MAX_HEAD,
        elements: MAX_ELEMENTS,
    }
    .head()
}

struct Reader<R> {
    from: BufReader<R>,
    /// Bytes that may still come.
    left: u64,
    /// Whether the file has no more than these.
    whole: bool,
    /// Elements of lists that may still come.
    elements: u64,
}

impl<R: Read + Seek> Reader<R> {
    fn head(&mut self) -> io::Result<Head> {
        if &self.bytes::<4>()? != b"GGUF" {
            return Err(odd("it is no GGUF file"));
        }
        let version = u32::from_le_bytes(self.bytes()?);
        if !(2..=3).contains(&version) {
            return Err(odd(format!(
                "GGUF version {version} is not read; versions 2 and 3 are"
            )));
        }
        let _tensors = self.number()?;
        let entries = self.number()?;
        if entries > MAX_ENTRIES {
            return Err(odd(format!("{entries} entries in its head can't be")));
        }
        let mut head = Head::default();
        for _ in 0..entries {
            let key = self.text()?;
            let kind = u32::from_le_bytes(self.bytes()?);
            match (key.as_str(), kind) {
                ("general.architecture", STRING) => head.architecture = Some(self.text()?),
                ("tokenizer.chat_template", STRING) => {
                    self.skip_text()?;
                    head.chats = true;
                }
                _ => self.skip(kind)?,
            }
        }
        Ok(head)
    }

    fn bytes<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        self.take(N as u64)?;
        let mut bytes = [0; N];
        self.from.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn number(&mut self) -> io::Result<u64> {
        Ok(u64::from_le_bytes(self.bytes()?))
    }

    fn text(&mut self) -> io::Result<String> {
        let length = self.number()?;
        if length > MAX_TEXT {
            return Err(odd(format!("a text of {length} bytes in its head can't be")));
        }
        self.take(length)?;
        let mut text = Vec::new();
        Read::take(&mut self.from, length).read_to_end(&mut text)?;
        if (text.len() as u64) < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        String::from_utf8(text).map_err(|_| odd("a text in its head is no UTF-8"))
    }

    fn skip_text(&mut self) -> io::Result<()> {
        let length = self.number()?;
        self.pass(length)
    }

    fn skip(&mut self, kind: u32) -> io::Result<()> {
        match (kind, size(kind)) {
            (_, Some(size)) => self.pass(size),
            (STRING, _) => self.skip_text(),
            (LIST, _) => {
                let kind = u32::from_le_bytes(self.bytes()?);
                let count = self.number()?;
                let known = size(kind);
                if count > self.elements || (known.is_none() && kind != STRING) {
                    return Err(odd(format!("a list of {count} values of kind {kind} can't be")));
                }
                self.elements -= count;
                match known {
                    // There are not so many that this overflows.
                    Some(size) => self.pass(size * count),
                    None => (0..count).try_for_each(|_| self.skip_text()),
                }
            }
            _ => Err(odd(format!("a value of kind {kind} is not known"))),
        }
    }

    /// Passes bytes without reading them. Where they end is counted, not asked for.
    fn pass(&mut self, bytes: u64) -> io::Result<()> {
        self.take(bytes)?;
        let step = i64::try_from(bytes).map_err(io::Error::other)?;
        self.from.seek_relative(step)
    }

    /// Counts bytes that are about to be read or passed.
    fn take(&mut self, bytes: u64) -> io::Result<()> {
        match self.left.checked_sub(bytes) {
            Some(left) => self.left = left,
            None if self.whole => return Err(io::ErrorKind::UnexpectedEof.into()),
            None => return Err(odd(format!("its head has more than {MAX_HEAD} bytes"))),
        }
        Ok(())
    }
}

const STRING: u32 = 8;
const LIST: u32 = 9;

/// Bytes of a value of this kind, where all have as many.
fn size(kind: u32) -> Option<u64> {
    match kind {
        0 | 1 | 7 => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}

fn odd(what: impl Into<String>) -> io::Error {
    io::Error::other(what.into())
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Cursor;

    use super::*;

    fn text(text: &str) -> Vec<u8> {
        [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
    }

    fn entry(key: &str, kind: u32, value: &[u8]) -> Vec<u8> {
        [&text(key)[..], &kind.to_le_bytes(), value].concat()
    }

    /// The head of a file of this architecture, with and without a chat template.
    pub(in super::super) fn file(architecture: &str, chats: bool) -> Vec<u8> {
        let tokens = [
            &STRING.to_le_bytes()[..],
            &2u64.to_le_bytes(),
            &text("a"),
            &text("b"),
        ]
        .concat();
        let scores = [&6u32.to_le_bytes()[..], &3u64.to_le_bytes(), &[0; 12]].concat();
        let mut entries = vec![
            entry("general.quantization_version", 4, &2u32.to_le_bytes()),
            entry("tokenizer.ggml.tokens", LIST, &tokens),
            entry("tokenizer.ggml.scores", LIST, &scores),
            entry("general.architecture", STRING, &text(architecture)),
        ];
        if chats {
            entries.push(entry("tokenizer.chat_template", STRING, &text("{{ messages }}")));
        }
        let mut file = b"GGUF".to_vec();
        file.extend(3u32.to_le_bytes());
        file.extend(0u64.to_le_bytes());
        file.extend((entries.len() as u64).to_le_bytes());
        file.extend(entries.concat());
        file
    }

    fn read(bytes: &[u8]) -> Result<Head, String> {
        super::read(Cursor::new(bytes), bytes.len() as u64).map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_that_is_cut_off_says_what_to_do() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("m.gguf");
        let whole = file("llama", true);
        std::fs::write(&path, &whole).expect("written");
        assert_eq!(head(&path), Ok(read(&whole).expect("a head")));
        std::fs::write(&path, &whole[..100]).expect("written");
        assert!(head(&path).is_err_and(|told| told.contains("fetch it again")));
    }

    #[test]
    fn all_lists_have_one_cap() {
        let lists = |kind: u32, size: usize, counts: &[u64]| {
            let mut file = b"GGUF\x03\0\0\0".to_vec();
            file.extend(0u64.to_le_bytes());
            file.extend((counts.len() as u64).to_le_bytes());
            for count in counts {
                let begin = [&kind.to_le_bytes()[..], &count.to_le_bytes()].concat();
                file.extend(entry("a", LIST, &begin));
                file.resize(file.len() + *count as usize * size, 0);
            }
            read(&file)
        };
        for (kind, size) in [(0, 1), (STRING, 8)] {
            assert_eq!(lists(kind, size, &[1 << 20, 1 << 20]), Ok(Head::default()));
            assert!(
                lists(kind, size, &[2 << 20, 1 << 20, (1 << 20) + 1])
                    .is_err_and(|told| told.contains("1048577"))
            );
        }
        // Each list is short enough, and all of them are too much.
        assert!(lists(12, 8, &[1 << 20; 4]).is_err_and(|told| told.contains("its head has more")));
    }

    #[test]
    fn the_head_tells_the_architecture() {
        let whole = file("llama", true);
        let expected = Head {
            architecture: Some("llama".to_owned()),
            chats: true,
        };
        assert_eq!(read(&whole), Ok(expected));
        assert_eq!(read(&file("qwen2", false)).map(|head| head.chats), Ok(false));
        for end in 0..whole.len() {
            assert!(read(&whole[..end]).is_err(), "cut off after {end}");
        }
    }

    #[test]
    fn what_lies_is_refused_at_once() {
        let lie = |at: usize, value: u64| {
            let mut bytes = file("llama", false);
            bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
            bytes
        };
        let began = std::time::Instant::now();
        // The number of entries, and the length of the first key.
        for bytes in [
            lie(16, u64::MAX),
            lie(16, 1 << 32),
            lie(24, u64::MAX),
            lie(24, 1 << 40),
        ] {
            assert!(read(&bytes).is_err());
        }
        let mut list = b"GGUF\x03\0\0\0".to_vec();
        list.extend([0; 8]);
        list.extend(1u64.to_le_bytes());
        for count in [1 << 32, u64::MAX] {
            for kind in [STRING, LIST, 4, 12] {
                let value = [&kind.to_le_bytes()[..], &u64::to_le_bytes(count)].concat();
                let bytes = [&list[..], &entry("a", LIST, &value)].concat();
                assert!(read(&bytes).is_err(), "{count} of kind {kind}");
            }
        }
        assert!(
            began.elapsed() < std::time::Duration::from_secs(5),
            "none of it was believed"
        );
    }
}
