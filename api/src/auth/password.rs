//! Passwords: hashed with argon2id, compared, and judged before they are taken.
//!
//! A hash takes 19 MiB and a core for some 35 ms, so few run at once, few wait, and whoever comes then is
//! told to come again. The place is held by the work itself: a client that hangs up frees nothing early.
//! Whatever is wrong with an account, one hash is computed: time tells nothing about who has one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use argon2::{
    Algorithm, Argon2, Params, PasswordHash, PasswordHasher, PasswordVerifier, Version,
    password_hash::Error as HashError,
};
use lamplighter_shared::{
    error::ErrorCode,
    telemetry::metrics::{PASSWORD_HASHINGS, PASSWORDS_REFUSED},
};
use poem::http::{HeaderValue, header};
use tokio::{sync::Semaphore, time::timeout};

use crate::error::{ApiError, FieldError};

/// The longest password, characters. No more than 1,024 bytes, then.
pub(crate) const MAX_LENGTH: usize = 256;

const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const TAG_LENGTH: usize = 32;
/// Compared where there is nothing to compare: the same effort, and a tag that no password is known to have.
const DUMMY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
/// What a stored hash may ask for. More was not written by us: it would only take our memory.
const MAX_MEMORY_KIB: u32 = 128 * 1024;
const MAX_PASSES: u32 = 10;
const MAX_LANES: u32 = 4;
/// Most hashes at once, however many cores there are.
const MAX_PERMITS: usize = 4;
/// Requests that may wait for a place.
const QUEUE: usize = 64;
/// How long they wait.
const WAIT: Duration = Duration::from_secs(2);
/// Characters a password has at least beside what others know of its owner.
const FEWEST_OWN: usize = 5;
/// Characters whose strength is estimated, which takes time by their cube. The rest only adds to it.
const ESTIMATED: usize = 64;

/// Hashes, compares and judges passwords.
pub(crate) struct Passwords {
    /// To compute.
    permits: Arc<Semaphore>,
    /// To wait or compute.
    places: Arc<Semaphore>,
    hashings: Arc<AtomicU64>,
    min_length: usize,
}

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
            hashings: Arc::default(),
            min_length,
        }
    }

    /// Hashes so far, for what must do equal work.
    #[cfg(test)]
    pub(crate) fn hashings(&self) -> u64 {
        self.hashings.load(Ordering::SeqCst)
    }

    /// The hash of a password, to be stored: a PHC string.
    ///
    /// # Errors
    /// 503 where too many are being hashed.
    pub(crate) async fn hash(&self, text: &str) -> Result<String, ApiError> {
        let text = text.to_owned();
        let hashed = self.compute(move || hash_now(&text, rand::random())).await?;
        hashed.map_err(ApiError::internal)
    }

    /// Compares a password with a stored hash. Where there is none, it takes as long to say so.
    ///
    /// # Errors
    /// 503 where too many are being hashed.
    pub(crate) async fn verify(&self, stored: Option<&str>, text: &str) -> Result<Verdict, ApiError> {
        let parsed = stored.and_then(|stored| match parse(stored) {
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
        let compared = self.compute(move || match parsed {
            Some((hash, stale)) => compare(&hash, &text).map(|same| same.then_some(stale)),
            None => {
                let dummy = PasswordHash::new(DUMMY).map_err(|e| e.to_string())?;
                // Nobody has this account, whatever it says.
                compare(&dummy, &text).map(|_| None)
            }
        });
        let stale = compared.await?.map_err(ApiError::internal)?;
        Ok(stale.map_or(Verdict::Wrong, |stale| Verdict::Right { stale }))
    }

    /// Judges a new password, which stands at `pointer` in the body; `about` is what others know of its
    /// owner: the address, the name.
    ///
    /// # Errors
    /// 422 where it is too short, too long, or easily guessed.
    pub(crate) fn check(&self, text: &str, pointer: &str, about: &[&str]) -> Result<(), ApiError> {
        let refuse =
            |code, detail: String| Err(ApiError::invalid(vec![FieldError::at(pointer, code, detail)]));
        // Bytes first: counting characters reads them all.
        if text.len() > 4 * MAX_LENGTH || text.chars().count() > MAX_LENGTH {
            return refuse("too_long", format!("must have at most {MAX_LENGTH} characters"));
        }
        if text.chars().count() < self.min_length {
            let detail = format!("must have at least {} characters", self.min_length);
            return refuse("too_short", detail);
        }
        let mut words: Vec<&str> = about
            .iter()
            .flat_map(|text| text.split(|c: char| !c.is_alphanumeric()).chain([*text]))
            .filter(|word| word.chars().count() > 2)
            .chain(["lamplighter"])
            .collect();
        let start: String = text.chars().take(ESTIMATED).collect();
        let estimate = zxcvbn::zxcvbn(&start, &words);
        words.sort_unstable_by_key(|word| std::cmp::Reverse(word.len()));
        let own = words.iter().fold(start.to_lowercase(), |rest, word| {
            rest.replace(&word.to_lowercase(), "")
        });
        if own.chars().count() < FEWEST_OWN {
            return refuse(
                "easily_guessed",
                "says little but your address or name".to_owned(),
            );
        }
        if estimate.score() >= zxcvbn::Score::Three {
            return Ok(());
        }
        let feedback = estimate.feedback();
        let warning = feedback.and_then(|feedback| feedback.warning());
        let advice = match warning {
            Some(warning) => format!("is easily guessed: {warning}"),
            None => "is easily guessed".to_owned(),
        };
        let advice = advice.trim_end_matches('.');
        refuse(
            "easily_guessed",
            format!("{advice}. Several uncommon words together are hard to guess"),
        )
    }

    /// Does the work where it blocks nobody, when its turn comes.
    async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let place = self.places.clone().try_acquire_owned().map_err(|_| busy())?;
        let permit = timeout(WAIT, self.permits.clone().acquire_owned()).await;
        let permit = permit.map_err(|_| busy())?.map_err(ApiError::internal)?;
        let hashings = self.hashings.clone();
        let done = tokio::task::spawn_blocking(move || {
            let _until_done = (place, permit);
            hashings.fetch_add(1, Ordering::SeqCst);
            metrics::counter!(PASSWORD_HASHINGS).increment(1);
            work()
        });
        done.await.map_err(ApiError::internal)
    }
}

fn busy() -> ApiError {
    metrics::counter!(PASSWORDS_REFUSED).increment(1);
    let detail = "Too many people are logging in at this moment; try again.";
    ApiError::new(ErrorCode::Unavailable, detail).header(header::RETRY_AFTER, HeaderValue::from_static("2"))
}

fn hash_now(text: &str, salt: [u8; 16]) -> Result<String, String> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(TAG_LENGTH)).map_err(|e| e.to_string())?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash = argon2.hash_password_with_salt(text.as_bytes(), &salt);
    hash.map(|hash| hash.to_string()).map_err(|e| e.to_string())
}

/// Reads a stored hash without computing anything; whether it was made with less effort than is usual now.
fn parse(stored: &str) -> Result<(PasswordHash, bool), &'static str> {
    let hash = PasswordHash::new(stored).map_err(|_| "not a PHC string")?;
    if hash.algorithm.as_str() != "argon2id" || hash.hash.is_none() || hash.salt.is_none() {
        return Err("not argon2id");
    }
    let params = Params::try_from(&hash).map_err(|_| "not the parameters of argon2")?;
    let (memory, passes) = (params.m_cost(), params.t_cost());
    if memory > MAX_MEMORY_KIB || passes > MAX_PASSES || params.p_cost() > MAX_LANES {
        return Err("parameters beyond what is allowed");
    }
    Ok((hash, memory < MEMORY_KIB || passes < PASSES))
}

fn compare(hash: &PasswordHash, text: &str) -> Result<bool, String> {
    match Argon2::default().verify_password(text.as_bytes(), hash) {
        Ok(()) => Ok(true),
        Err(HashError::PasswordInvalid) => Ok(false),
        Err(other) => Err(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

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
        let weaker = Argon2::new(
            Algorithm::Argon2id,
            Version::V0x13,
            Params::new(1024, 1, 1, None).expect("parameters"),
        );
        let weaker = weaker.hash_password_with_salt(b"correct horse battery", &[7; 16]);
        let weaker = weaker.expect("hashed").to_string();
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

    #[test]
    fn guessable_passwords_are_refused_and_long_ones_cost_nothing() {
        let passwords = Passwords::new(8);
        let about = ["ada.lovelace@example.org", "Ada Lovelace"];
        let verdict = |text: &str| {
            passwords
                .check(text, "/password", &about)
                .map_err(|error| error.errors[0].code.clone())
        };
        for good in [
            "correct horse battery staple",
            "  spaces are kept as they are ",
            "Vq7!xLp2#tRz",
            "狐狸在山谷中安静地阅读一本旧书",
        ] {
            assert_eq!(verdict(good), Ok(()), "{good}");
        }
        for weak in [
            "password1234",
            "qwertyuiopasdf",
            "aaaaaaaaaaaaaaaaaaaaaaaa",
            "lamplighter2026",
            "lovelace.example",
            "ada.lovelace@example.org",
            "123456789012345",
            "iloveyouiloveyou",
        ] {
            assert_eq!(verdict(weak), Err("easily_guessed".to_owned()), "{weak}");
        }
        assert_eq!(verdict("Vq7!xLp"), Err("too_short".to_owned()));
        assert_eq!(verdict(&"é1X-".repeat(65)), Err("too_long".to_owned()));
        let huge = "x".repeat(1_000_000);
        let start = Instant::now();
        assert_eq!(verdict(&huge), Err("too_long".to_owned()));
        let refused = start.elapsed();
        let long: String = (0..256u32)
            .map(|i| char::from(b'!' + (i * 7919 % 90) as u8))
            .collect();
        let start = Instant::now();
        assert_eq!(verdict(&long), Ok(()));
        println!(
            "1 MB refused in {refused:?}; 256 characters judged in {:?}",
            start.elapsed()
        );
        assert!(refused < Duration::from_millis(10));
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
            holders.push(tokio::spawn(async move {
                passwords
                    .compute(move || gate.lock().map(|gate| gate.recv().is_ok()).is_ok())
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
                tokio::spawn(async move { passwords.compute(|| ()).await })
            })
            .collect();
        while passwords.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let refused = passwords.compute(|| ()).await.expect_err("no place");
        assert_eq!(refused.code, ErrorCode::Unavailable);
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
