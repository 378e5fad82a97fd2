//! The server's secret key: one PASERK line (`k4.local.…`) in a file that only its owner reads.
//! Losing it voids every token; leaking it alone mints none, since each token also needs its row.

use std::{
    fs, io,
    io::Write,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

use pasetors::{
    Local,
    footer::Footer,
    keys::{Generate, SymmetricKey},
    paserk::{FormatAsPaserk, Id},
    token::UntrustedToken,
    version4::{LocalToken, V4},
};

/// The key that tokens are sealed with. Shows nothing of itself when printed.
pub struct Key {
    secret: SymmetricKey<V4>,
    footer: String,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Key {
    /// A new random key.
    ///
    /// # Errors
    /// Where the system gives no randomness.
    pub fn generate() -> io::Result<Self> {
        SymmetricKey::generate()
            .map(Self::of)
            .map_err(|e| io::Error::other(format!("no new key: {e}")))
    }

    /// Reads a key: a PASERK `k4.local.` line, or 64 hexadecimal characters.
    ///
    /// # Errors
    /// Where the text is neither, or a key that nobody drew at random.
    pub fn parse(text: &str) -> io::Result<Self> {
        let text = text.trim();
        let secret = if text.starts_with("k4.local.") {
            SymmetricKey::<V4>::try_from(text).ok()
        } else {
            from_hex(text).and_then(|bytes| SymmetricKey::from(&bytes).ok())
        };
        let wrong = |what| io::Error::new(io::ErrorKind::InvalidData, what);
        let secret =
            secret.ok_or_else(|| wrong("a key is one line k4.local.…, or 64 hexadecimal characters"))?;
        if secret.as_bytes().iter().all(|b| *b == secret.as_bytes()[0]) {
            return Err(wrong(
                "the key is a row of equal bytes; leave the file away and one will be made",
            ));
        }
        Ok(Self::of(secret))
    }

    /// Reads the key from a file, or makes the file (mode 0600) with a new key. Of several processes that
    /// start at once, one makes it and all read the same.
    ///
    /// # Errors
    /// Where the file can't be read or written, or holds no key.
    pub fn load_or_create(path: &Path) -> io::Result<Self> {
        match Self::load(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            found => return found,
        }
        match Self::create(path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Self::load(path),
            made => made,
        }
    }

    /// Makes the file (mode 0600) with a new key.
    ///
    /// # Errors
    /// Where it can't be written; `AlreadyExists` where it is there: it is never replaced.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut line = String::new();
        let key = Self::generate()?;
        key.secret.fmt(&mut line).map_err(io::Error::other)?;
        // Written aside and linked, so that nobody ever reads half a key.
        let aside = path.with_extension(format!("new-{}", uuid::Uuid::now_v7().simple()));
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&aside)?;
        let linked = writeln!(file, "{line}")
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::hard_link(&aside, path));
        fs::remove_file(&aside)?;
        linked.map(|()| key)
    }

    /// Reads the key from a file.
    ///
    /// # Errors
    /// Where it can't be read, or holds no key.
    pub fn load(path: &Path) -> io::Result<Self> {
        let text = fs::read_to_string(path)?;
        if fs::metadata(path)?.permissions().mode() & 0o077 != 0 {
            tracing::warn!(path = %path.display(), "the key file can be read by others than its owner; make it mode 0600");
        }
        Self::parse(&text).map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", path.display())))
    }

    fn of(secret: SymmetricKey<V4>) -> Self {
        let mut footer = Footer::new();
        footer.key_id(&Id::from(&secret));
        let footer = footer.to_string().expect("a footer with one key id is JSON");
        Self { secret, footer }
    }

    /// Seals a text for one purpose; what is sealed for another is not taken for it.
    ///
    /// # Errors
    /// Where the system gives no randomness.
    pub fn seal(&self, purpose: &str, text: &str) -> io::Result<String> {
        let (text, footer, purpose) = (text.as_bytes(), self.footer.as_bytes(), purpose.as_bytes());
        LocalToken::encrypt(&self.secret, text, Some(footer), Some(purpose))
            .map_err(|e| io::Error::other(format!("nothing could be sealed: {e}")))
    }

    /// Opens what was sealed for this purpose; none where it was not, or not by this key.
    pub fn open(&self, purpose: &str, sealed: &str) -> Option<String> {
        let untrusted = UntrustedToken::<Local, V4>::try_from(sealed).ok()?;
        let (footer, purpose) = (self.footer.as_bytes(), purpose.as_bytes());
        let opened = LocalToken::decrypt(&self.secret, &untrusted, Some(footer), Some(purpose)).ok()?;
        Some(opened.payload().to_owned())
    }

    /// The key itself.
    pub fn secret(&self) -> &SymmetricKey<V4> {
        &self.secret
    }

    /// The footer of every token of this key: its id (`{"kid":"k4.lid.…"}`), which gives nothing away.
    pub fn footer(&self) -> &str {
        &self.footer
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    (0..32)
        .map(|i| u8::from_str_radix(text.get(2 * i..2 * i + 2)?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_made_once_with_mode_0600_and_read_again() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("secret.key");
        let first = Key::load_or_create(&path).expect("made");
        let again = Key::load_or_create(&path).expect("read");
        assert_eq!(first.secret.as_bytes(), again.secret.as_bytes());
        assert_eq!(
            fs::metadata(&path).expect("there").permissions().mode() & 0o777,
            0o600
        );
        let text = fs::read_to_string(&path).expect("text");
        assert!(text.starts_with("k4.local.") && text.lines().count() == 1);
        assert_eq!(fs::read_dir(dir.path()).expect("folder").count(), 1);
    }

    #[test]
    fn processes_that_start_at_once_agree() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("secret.key");
        let keys: Vec<Vec<u8>> = std::thread::scope(|s| {
            let start = || {
                s.spawn(|| {
                    Key::load_or_create(&path)
                        .expect("a key")
                        .secret
                        .as_bytes()
                        .to_vec()
                })
            };
            let threads: Vec<_> = (0..8).map(|_| start()).collect();
            threads.into_iter().map(|t| t.join().expect("no panic")).collect()
        });
        assert!(keys.iter().all(|k| *k == keys[0]));
    }

    #[test]
    fn hexadecimal_is_read_and_weak_or_broken_keys_are_not() {
        let hex = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1F";
        assert_eq!(Key::parse(hex).expect("hex").secret.as_bytes()[31], 0x1f);
        for bad in [
            "",
            "secret",
            &"0".repeat(64),
            &hex[1..],
            "k4.local.AAAA",
            "k4.secret.AAAA",
            &"é".repeat(32),
        ] {
            assert!(Key::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(format!("{:?}", Key::parse(hex).expect("hex")), "Key(…)");
    }
}
