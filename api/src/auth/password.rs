//! Passwords: hashed with argon2id, compared, and judged before they are taken (`strength`).
//!
//! A hash takes 19 MiB and a core for some 35 ms, so few run at once, few wait, and whoever comes then is
//! told to come again. The place is held by the work itself: a client that hangs up frees nothing early.
//! Whatever is wrong with an account, one hash is computed: time tells nothing about who has one.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use lamplighter_shared::{
    error::ErrorCode,
    telemetry::metrics::{PASSWORD_HASHINGS, PASSWORDS_REFUSED},
};
use poem::http::{HeaderValue, header};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

pub(crate) use super::strength::MAX_LENGTH;
use super::{
    argon::{self, Memory, Stored},
    strength,
};
use crate::{error::ApiError, message::message};

/// Most hashes at once, however many cores there are.
const MAX_PERMITS: usize = 4;
/// Requests that may wait for a place.
const QUEUE: usize = 64;
/// How long they wait.
const WAIT: Duration = Duration::from_secs(2);

/// Hashes, compares and judges passwords.
pub(crate) struct Passwords {
    /// To compute.
    permits: Arc<Semaphore>,
    /// To wait or compute.
    places: Arc<Semaphore>,
    /// What hashes have worked in, for the next ones.
    memories: Arc<Mutex<Vec<Memory>>>,
    hashings: Arc<AtomicU64>,
    min_length: usize,
}

/// The right to be compared, held until that is done.
pub(crate) struct Place(#[expect(dead_code, reason = "held, not read")] OwnedSemaphorePermit);

/// What a comparison gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is the password.
    Right {
        /// Its hash was made with less effort than is usual now; make a new one.
        stale: bool,
    },
    /// It is not, or there is none.
    Wrong,
}

impl Passwords {
    /// `min_length`: fewest characters of a new password.
    pub(crate) fn new(min_length: usize) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let permits = cores.min(MAX_PERMITS);
        Self {
            permits: Arc::new(Semaphore::new(permits)),
            places: Arc::new(Semaphore::new(permits + QUEUE)),
            memories: Arc::default(),
            hashings: Arc::default(),
            min_length,
        }
    }

    /// Hashes so far, for what must do equal work.
    #[cfg(test)]
    pub(crate) fn hashings(&self) -> u64 {
        self.hashings.load(Ordering::SeqCst)
    }

    /// A place among those who wait or compute; to be asked for before other work that a flood would cause.
    ///
    /// # Errors
    /// 503 where there is none.
    pub(crate) fn enter(&self) -> Result<Place, ApiError> {
        let place = self.places.clone().try_acquire_owned().map_err(|_| busy())?;
        Ok(Place(place))
    }

    /// Judges a new password, which stands at `pointer` in the body, and hashes it, where it blocks nobody;
    /// `about` is what others know of its owner: the address, the name. The hash is a PHC string.
    ///
    /// # Errors
    /// 422 where it is too short, too long, or easily guessed, 503 where too many are being hashed.
    pub(crate) async fn hash_new(
        &self,
        text: &str,
        pointer: &'static str,
        about: &[&str],
    ) -> Result<String, ApiError> {
        strength::check_length(self.min_length, text, pointer)?;
        let (place, text) = (self.enter()?, text.to_owned());
        let about: Vec<String> = about.iter().map(|&known| known.to_owned()).collect();
        let work = move |memory: &mut Memory| {
            strength::judge(&text, pointer, &about)?;
            argon::hash(&text, rand::random(), memory).map_err(ApiError::internal)
        };
        self.compute(place, work).await?
    }

    /// The hash of a password that was taken before, to be stored: a PHC string.
    ///
    /// # Errors
    /// 503 where too many are being hashed.
    pub(crate) async fn hash(&self, text: &str) -> Result<String, ApiError> {
        let (place, text) = (self.enter()?, text.to_owned());
        let work = move |memory: &mut Memory| argon::hash(&text, rand::random(), memory);
        self.compute(place, work).await?.map_err(ApiError::internal)
    }

    /// Compares a password with a stored hash. Where there is none, it takes as long to say so.
    ///
    /// # Errors
    /// 503 where too many are being hashed.
    pub(crate) async fn verify(&self, stored: Option<&str>, text: &str) -> Result<Verdict, ApiError> {
        self.verify_at(self.enter()?, stored, text).await
    }

    /// The same, for who has a place already.
    ///
    /// # Errors
    /// 503 where those before take too long.
    pub(crate) async fn verify_at(
        &self,
        place: Place,
        stored: Option<&str>,
        text: &str,
    ) -> Result<Verdict, ApiError> {
        let parsed = stored.and_then(|stored| match Stored::parse(stored) {
            Ok(parsed) => Some(parsed),
            Err(error) => {
                tracing::error!(
                    error,
                    "a stored password can't be compared; its owner has to reset it"
                );
                None
            }
        });
        let text = text.to_owned();
        let work = move |memory: &mut Memory| {
            let real = parsed.is_some();
            let stored = parsed.unwrap_or_else(Stored::dummy);
            let same = stored.matches(&text, memory)?;
            Ok::<_, String>((same && real).then(|| stored.is_stale()))
        };
        let stale = self.compute(place, work).await?.map_err(ApiError::internal)?;
        Ok(stale.map_or(Verdict::Wrong, |stale| Verdict::Right { stale }))
    }

    /// Does the work where it blocks nobody, when its turn comes.
    async fn compute<T: Send + 'static>(
        &self,
        place: Place,
        work: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let permit = timeout(WAIT, self.permits.clone().acquire_owned()).await;
        let permit = permit.map_err(|_| busy())?.map_err(ApiError::internal)?;
        let (hashings, memories) = (self.hashings.clone(), self.memories.clone());
        let done = tokio::task::spawn_blocking(move || {
            let _until_done = (place, permit);
            hashings.fetch_add(1, Ordering::SeqCst);
            metrics::counter!(PASSWORD_HASHINGS).increment(1);
            let free = || memories.lock().unwrap_or_else(PoisonError::into_inner);
            let mut memory = free().pop().unwrap_or_default();
            let result = work(&mut memory);
            if argon::is_usual(&memory) {
                free().push(memory);
            }
            result
        });
        done.await.map_err(ApiError::internal)
    }
}

fn busy() -> ApiError {
    metrics::counter!(PASSWORDS_REFUSED).increment(1);
    let detail = message!("Too many people are logging in at this moment; try again.");
    ApiError::new(ErrorCode::Unavailable, detail).header(header::RETRY_AFTER, HeaderValue::from_static("2"))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};

    use super::*;

    #[tokio::test]
    async fn a_password_is_right_and_another_is_not_and_all_are_one_hash() {
        let passwords = Passwords::new(15);
        let stored = passwords.hash("correct horse battery").await.expect("hashed");
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert_ne!(
            stored,
            passwords.hash("correct horse battery").await.expect("hashed"),
            "salted"
        );
        let (text, theirs) = (b"correct horse battery", Argon2::default());
        theirs
            .verify_password(text, stored.as_str())
            .expect("others read it");
        let params = Params::new(1024, 1, 1, None).expect("parameters");
        let weaker = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let weaker = weaker
            .hash_password_with_salt(text, &[7; 16])
            .expect("hashed")
            .to_string();
        let mad = stored.replace("m=19456", "m=4194304");
        let endless = stored.replace("t=2", "t=4000000");
        let right = Verdict::Right { stale: false };
        for (stored, text, expected) in [
            (Some(stored.as_str()), "correct horse battery", right),
            (Some(&*stored), "correct horse battery ", Verdict::Wrong),
            (Some(&*stored), "Correct horse battery", Verdict::Wrong),
            (
                Some(&*weaker),
                "correct horse battery",
                Verdict::Right { stale: true },
            ),
            (Some(&*weaker), "", Verdict::Wrong),
            (Some(&*mad), "correct horse battery", Verdict::Wrong),
            (Some(&*endless), "correct horse battery", Verdict::Wrong),
            (Some("nonsense"), "correct horse battery", Verdict::Wrong),
            (None, "correct horse battery", Verdict::Wrong),
            (None, "", Verdict::Wrong),
        ] {
            let before = passwords.hashings();
            let verdict = passwords.verify(stored, text).await.expect("compared");
            assert_eq!(verdict, expected, "{stored:?}");
            assert_eq!(passwords.hashings() - before, 1, "{stored:?}");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn few_hash_at_once_few_wait_and_who_hangs_up_frees_nothing_early() {
        let passwords = Arc::new(Passwords::new(15));
        let permits = passwords.permits.available_permits();
        let (release, gate) = std::sync::mpsc::channel::<()>();
        let gate = Arc::new(std::sync::Mutex::new(gate));
        let mut holders = Vec::new();
        for _ in 0..permits {
            let (passwords, gate) = (passwords.clone(), gate.clone());
            let place = passwords.enter().expect("a place");
            holders.push(tokio::spawn(async move {
                passwords
                    .compute(place, move |_| {
                        gate.lock().map(|gate| gate.recv().is_ok()).is_ok()
                    })
                    .await
                    .is_ok()
            }));
        }
        while passwords.permits.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        holders.iter().for_each(tokio::task::JoinHandle::abort);
        let waiting: Vec<_> = (0..QUEUE)
            .map(|_| {
                let passwords = passwords.clone();
                tokio::spawn(async move { passwords.compute(passwords.enter()?, |_| ()).await })
            })
            .collect();
        while passwords.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let refused = passwords.enter().err().expect("no place");
        assert_eq!(refused.code, ErrorCode::Unavailable);
        // Judging has its place there, too.
        let judged = passwords
            .hash_new("correct horse battery", "/password", &[])
            .await;
        assert_eq!(judged.expect_err("no place").code, ErrorCode::Unavailable);
        assert_eq!(
            refused.headers[0],
            (header::RETRY_AFTER, HeaderValue::from_static("2"))
        );
        assert_eq!(passwords.permits.available_permits(), 0, "the work goes on");
        let start = Instant::now();
        for waiter in waiting {
            let refused = waiter.await.expect("no panic").expect_err("2 s passed");
            assert_eq!(refused.code, ErrorCode::Unavailable);
        }
        println!(
            "{permits} at once, {QUEUE} wait, the next is refused at once, the waiting after {:?}",
            start.elapsed()
        );
        drop(release);
        while passwords.permits.available_permits() < permits {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(passwords.places.available_permits(), permits + QUEUE);
    }
}
