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
mod tests;
