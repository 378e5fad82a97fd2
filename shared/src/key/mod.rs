//! The server's secret keys, in a file that only its owner reads (see [`ring`] for its lines). Losing them voids
//! every token; leaking them alone mints none, since each token also needs its row.
//!
//! A rotation ([`Key::rotate`]) adds a key that at first only opens; once every process has read the file again
//! ([`Key::watch`], each second) it seals. Who missed that reads the file when it meets the new key's name. The one before opens what it sealed until it is retired
//! ([`Key::retire`]). So at no moment anybody seals with what another process can't open.

mod file;
pub mod ring;

use std::{
    fs, io,
    path::Path,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use file::{KeyFile, read, replace, write_aside};
use pasetors::{
    Local,
    keys::{Generate, SymmetricKey},
    token::UntrustedToken,
    version4::{LocalToken, V4},
};
use ring::{One, Ring};
use tokio_util::sync::CancellationToken;

use crate::{clock::UnixMillis, fault, telemetry::metrics::SEALS_TRIED};

/// The longest footer that is looked at, bytes.
const MAX_FOOTER: usize = 256;
/// Between two looks at the file.
const LOOK: Duration = Duration::from_secs(1);

/// The keys that tokens are sealed with and opened. Shows nothing of itself when printed.
pub struct Key {
    ring: RwLock<Arc<Ring>>,
    /// Where they were read from; none where they never were in a file.
    file: Option<KeyFile>,
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
        Ok(Self::of(Ring::of(random()?)))
    }

    /// Reads the text of a key file.
    ///
    /// # Errors
    /// Where a line is no key, or one that nobody drew at random.
    pub fn parse(text: &str) -> io::Result<Self> {
        Ring::parse(text).map(Self::of)
    }

    fn of(ring: Ring) -> Self {
        Self {
            ring: RwLock::new(Arc::new(ring)),
            file: None,
        }
    }

    /// Reads the keys from a file, or makes the file (mode 0600) with a new key. Of several processes that
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
        let ring = Ring::of(random()?);
        let aside = write_aside(path, &ring)?;
        let linked = fs::hard_link(&aside, path);
        fs::remove_file(&aside)?;
        linked.and_then(|()| Self::load(path))
    }

    /// Reads the keys from a file.
    ///
    /// # Errors
    /// Where it can't be read, or holds no key.
    pub fn load(path: &Path) -> io::Result<Self> {
        let (file, ring) = KeyFile::open(path)?;
        let ring = RwLock::new(Arc::new(ring));
        Ok(Self {
            ring,
            file: Some(file),
        })
    }

    /// Adds a new key to a file, which seals after `grace`; the one before goes on opening.
    ///
    /// # Errors
    /// Where the file can't be read or written, holds three keys already, or was rotated just before.
    pub fn rotate(path: &Path, grace: Duration) -> io::Result<()> {
        let now = wall_clock();
        let from = now + i64::try_from(grace.as_millis()).unwrap_or(i64::MAX / 2);
        replace(path, &read(path)?.rotated(random()?, from, now)?)
    }

    /// Takes the keys that seal no more out of a file: what they sealed is void. How many they were.
    ///
    /// # Errors
    /// Where the file can't be read or written.
    pub fn retire(path: &Path) -> io::Result<usize> {
        let (left, gone) = read(path)?.retired(wall_clock());
        if gone > 0 {
            replace(path, &left)?;
        }
        Ok(gone)
    }

    /// Reads the file again whenever it changes, until the process stops. A file that can't be read changes
    /// nothing.
    pub async fn watch(self: Arc<Self>, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
            if self.file.as_ref().is_some_and(KeyFile::has_changed) {
                fault::point("rotate.mid").await;
                self.refresh();
            }
        }
    }

    /// Reads the file if it is another one than was read last. What can't be read changes nothing, and is not
    /// read again until it changes.
    fn refresh(&self) {
        let Some(file) = &self.file else { return };
        let take = |ring| *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ring);
        if let Err(error) = file.read_changed(take) {
            tracing::warn!(%error, "the key file can't be read; the keys stay as they are");
        }
    }

    fn ring(&self) -> Arc<Ring> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The key of this footer. One that is not known may have come into the file just now; whoever makes names
    /// up costs a look at the file's stamp, no more.
    fn by_footer(&self, footer: &[u8]) -> Option<Arc<One>> {
        let found = self.ring().by_footer(footer).cloned();
        found.or_else(|| {
            self.refresh();
            self.ring().by_footer(footer).cloned()
        })
    }

    /// The key that seals now.
    pub fn sealing(&self) -> Arc<One> {
        self.ring().sealing(wall_clock()).clone()
    }

    /// Seals a text for one purpose; what is sealed for another is not taken for it.
    ///
    /// # Errors
    /// Where the system gives no randomness.
    pub fn seal(&self, purpose: &str, text: &str) -> io::Result<String> {
        let one = self.sealing();
        let (text, footer, purpose) = (text.as_bytes(), one.footer().as_bytes(), purpose.as_bytes());
        LocalToken::encrypt(one.secret(), text, Some(footer), Some(purpose))
            .map_err(|e| io::Error::other(format!("nothing could be sealed: {e}")))
    }

    /// Opens what was sealed for this purpose; none where it was not, or not by a key of ours. A footer that
    /// names none of our keys is refused before any cryptography.
    pub fn open(&self, purpose: &str, sealed: &str) -> Option<String> {
        let untrusted = UntrustedToken::<Local, V4>::try_from(sealed).ok()?;
        let footer = untrusted.untrusted_footer();
        if footer.len() > MAX_FOOTER {
            return None;
        }
        let one = self.by_footer(footer)?;
        let (footer, purpose) = (one.footer().as_bytes(), purpose.as_bytes());
        metrics::counter!(SEALS_TRIED).increment(1);
        let opened = LocalToken::decrypt(one.secret(), &untrusted, Some(footer), Some(purpose)).ok()?;
        Some(opened.payload().to_owned())
    }
}

fn random() -> io::Result<SymmetricKey<V4>> {
    SymmetricKey::generate().map_err(|e| io::Error::other(format!("no new key: {e}")))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the key file is read where there is no database; a minute of grace leaves room for clocks that differ"
)]
fn wall_clock() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn is_made_once_with_mode_0600_and_read_again() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("secret.key");
        let first = Key::load_or_create(&path).expect("made");
        let again = Key::load_or_create(&path).expect("read");
        assert_eq!(
            first.sealing().secret().as_bytes(),
            again.sealing().secret().as_bytes()
        );
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
                        .sealing()
                        .secret()
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
        assert_eq!(
            Key::parse(hex).expect("hex").sealing().secret().as_bytes()[31],
            0x1f
        );
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

    /// Two processes that read the file at different times, at each step of a rotation.
    #[test]
    fn no_step_of_a_rotation_seals_what_another_process_cannot_open() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("secret.key");
        let (one, two) = (Key::create(&path).expect("made"), Key::load(&path).expect("read"));
        let mut sealed = Vec::new();
        let mut refused = 0;
        let mut step = |one: &Key, two: &Key| {
            sealed.push(one.seal("a", "text").expect("sealed"));
            sealed.push(two.seal("a", "text").expect("sealed"));
            let keys = [one, two];
            let tries = sealed.iter().flat_map(|text| keys.map(|key| key.open("a", text)));
            refused += tries.filter(Option::is_none).count();
        };
        step(&one, &two);
        Key::rotate(&path, Duration::from_secs(3600)).expect("rotated");
        assert_eq!(
            fs::metadata(&path).expect("there").permissions().mode() & 0o777,
            0o600
        );
        assert!(Key::rotate(&path, Duration::ZERO).is_err(), "one at a time");
        assert_eq!(Key::retire(&path).expect("nothing"), 0, "the old one still seals");
        step(&one, &two);
        one.refresh();
        step(&one, &two);
        two.refresh();
        // The time comes, and one of the two hears of it first.
        let text = fs::read_to_string(&path).expect("text");
        let begins = text.find(" from=").expect("the new key waits");
        let line = text.find('\n').expect("a line");
        fs::write(&path, format!("{}{}", &text[..begins], &text[line..])).expect("written");
        one.refresh();
        assert_ne!(one.sealing().footer(), two.sealing().footer());
        step(&one, &two);
        two.refresh();
        step(&one, &two);
        println!(
            "S18 rotation: {} sealed, opened by both at each step, refused: {refused}",
            sealed.len()
        );
        assert_eq!(refused, 0);
        assert_eq!(Key::retire(&path).expect("retired"), 1);
        one.refresh();
        let void = sealed.iter().filter(|text| one.open("a", text).is_none()).count();
        println!("S18 retired: {void} of the old key refused");
        assert_eq!(void, 7);
    }

    /// As a process that stood still, or could not read the file, from before the rotation until after it.
    #[test]
    fn who_missed_the_whole_grace_opens_what_the_new_key_seals() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("secret.key");
        let missed = Key::create(&path).expect("made");
        let old = missed.seal("a", "text").expect("sealed");
        Key::rotate(&path, Duration::ZERO).expect("rotated");
        let new = Key::load(&path).expect("read").seal("a", "text").expect("sealed");
        assert_eq!(missed.open("b", &new), None, "for another purpose");
        assert_eq!(missed.open("a", &new).as_deref(), Some("text"));
        assert_eq!(missed.open("a", &old).as_deref(), Some("text"));
        // A name that nobody knows changes nothing, nor does a file that is none.
        let foreign = Key::generate().expect("a key").seal("a", "text").expect("sealed");
        assert_eq!(missed.open("a", &foreign), None);
        assert!(!missed.file.as_ref().expect("a file").has_changed());
        fs::write(&path, "no key").expect("written");
        assert_eq!(missed.open("a", &foreign), None);
        assert_eq!(missed.open("a", &old).as_deref(), Some("text"));
        assert_eq!(missed.open("a", &new).as_deref(), Some("text"));
    }

    #[test]
    fn files_with_too_many_or_equal_keys_are_refused() {
        let line = |n: u8| format!("{:02x}{}\n", n, "ab".repeat(31));
        assert!(Key::parse(&[line(1), line(2), line(3)].concat()).is_ok());
        assert!(Key::parse(&[line(1), line(2), line(3), line(4)].concat()).is_err());
        assert!(Key::parse(&[line(1), line(1)].concat()).is_err());
        assert!(Key::parse(&format!("{} from=tomorrow", line(1).trim())).is_err());
        assert!(Key::parse("\n\n").is_err());
    }
}
