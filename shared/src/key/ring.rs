//! The keys of a key file: one a line, the newest first. Each opens what it sealed; one of them seals.
//!
//! A line is a PASERK `k4.local.…`, or 64 hexadecimal characters, and may say ` from=UNIX_MS`: from then on the
//! key seals. Until then it only opens, so that every process knows a key before anybody uses it.

use std::{io, sync::Arc};

use pasetors::{
    footer::Footer,
    keys::SymmetricKey,
    paserk::{FormatAsPaserk, Id},
    version4::V4,
};

use crate::clock::UnixMillis;

/// Keys in a file at most: one that seals and two others.
const MOST: usize = 3;

/// One key.
pub struct One {
    secret: SymmetricKey<V4>,
    footer: String,
    from: UnixMillis,
}

impl One {
    pub(super) fn new(secret: SymmetricKey<V4>, from: UnixMillis) -> Self {
        let mut footer = Footer::new();
        footer.key_id(&Id::from(&secret));
        let footer = footer.to_string().expect("a footer with one key id is JSON");
        Self { secret, footer, from }
    }

    /// The key itself.
    pub fn secret(&self) -> &SymmetricKey<V4> {
        &self.secret
    }

    /// The footer of all that it seals: its id (`{"kid":"k4.lid.…"}`), which gives nothing away.
    pub fn footer(&self) -> &str {
        &self.footer
    }

    fn parse(line: &str) -> io::Result<Self> {
        let mut words = line.split_whitespace();
        let text = words.next().unwrap_or_default();
        let from = match words.next() {
            None => 0,
            Some(word) => word
                .strip_prefix("from=")
                .and_then(|ms| ms.parse().ok())
                .ok_or_else(|| wrong("after a key only from=UNIX_MS may stand"))?,
        };
        if words.next().is_some() {
            return Err(wrong("after a key only from=UNIX_MS may stand"));
        }
        let secret = if text.starts_with("k4.local.") {
            SymmetricKey::<V4>::try_from(text).ok()
        } else {
            from_hex(text).and_then(|bytes| SymmetricKey::from(&bytes).ok())
        };
        let secret =
            secret.ok_or_else(|| wrong("a key is one line k4.local.…, or 64 hexadecimal characters"))?;
        if secret.as_bytes().iter().all(|b| *b == secret.as_bytes()[0]) {
            return Err(wrong(
                "the key is a row of equal bytes; leave the file away and one will be made",
            ));
        }
        Ok(Self::new(secret, from))
    }

    fn line(&self) -> io::Result<String> {
        let mut line = String::new();
        self.secret.fmt(&mut line).map_err(io::Error::other)?;
        if self.from > 0 {
            line += &format!(" from={}", self.from);
        }
        Ok(line + "\n")
    }
}

/// The keys of a file.
#[derive(Clone)]
pub(super) struct Ring(Vec<Arc<One>>);

impl Ring {
    /// A single key.
    pub fn of(secret: SymmetricKey<V4>) -> Self {
        Self(vec![Arc::new(One::new(secret, 0))])
    }

    /// Reads the text of a file.
    pub fn parse(text: &str) -> io::Result<Self> {
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        let keys: Vec<Arc<One>> = lines
            .map(|line| One::parse(line).map(Arc::new))
            .collect::<io::Result<_>>()?;
        if keys.is_empty() {
            return Err(wrong("there is no key in it"));
        }
        if keys.len() > MOST {
            return Err(wrong("there are more than three keys in it"));
        }
        let twice = |at: usize| keys[..at].iter().any(|one| one.footer == keys[at].footer);
        if (1..keys.len()).any(twice) {
            return Err(wrong("the same key stands in it twice"));
        }
        Ok(Self(keys))
    }

    /// The text of the file.
    pub fn text(&self) -> io::Result<String> {
        self.0.iter().map(|one| one.line()).collect()
    }

    /// The key that seals now.
    pub fn sealing(&self, now: UnixMillis) -> &Arc<One> {
        &self.0[self.sealing_at(now)]
    }

    fn sealing_at(&self, now: UnixMillis) -> usize {
        self.0
            .iter()
            .position(|one| one.from <= now)
            .unwrap_or(self.0.len() - 1)
    }

    /// The key of this footer.
    pub fn by_footer(&self, footer: &[u8]) -> Option<&Arc<One>> {
        self.0.iter().find(|one| one.footer.as_bytes() == footer)
    }

    /// With another key, which seals from `from` on.
    pub fn rotated(&self, secret: SymmetricKey<V4>, from: UnixMillis, now: UnixMillis) -> io::Result<Self> {
        if self.0[0].from > now {
            return Err(wrong("the last rotation is not over: its key does not seal yet"));
        }
        if self.0.len() == MOST {
            return Err(wrong("there are three keys already: retire the old ones first"));
        }
        let mut keys = vec![Arc::new(One::new(secret, from))];
        keys.extend(self.0.iter().cloned());
        Ok(Self(keys))
    }

    /// Without the keys that are older than the one that seals now; how many those were.
    pub fn retired(&self, now: UnixMillis) -> (Self, usize) {
        let keep = self.sealing_at(now) + 1;
        (Self(self.0[..keep].to_vec()), self.0.len() - keep)
    }
}

fn wrong(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    (0..32)
        .map(|i| u8::from_str_radix(text.get(2 * i..2 * i + 2)?, 16).ok())
        .collect()
}
