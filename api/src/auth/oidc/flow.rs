//! What a browser carries from the start of a login to its callback: sealed, so that it can neither be read nor
//! made by anybody else, and good for ten minutes. The server keeps nothing.

use lamplighter_shared::{clock::UnixMillis, error::ErrorCode, id::UserId, key::Key};
use poem::http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    auth::cookies::{self, Cookies},
    error::ApiError,
    message::message,
};

/// The seal of a flow.
const PURPOSE: &str = "oidc:v1";
/// How long it is good for, seconds.
const LIFE_SECONDS: u64 = 600;

/// A login that has begun.
#[derive(Serialize, Deserialize)]
pub(crate) struct Flow {
    /// The provider's id: what another one answers is not taken for it.
    pub provider: String,
    /// Comes back in the callback: only the browser that began the login ends it.
    pub state: String,
    /// Comes back in the ID token: it was made for this login.
    pub nonce: String,
    /// Shows the issuer that we are who asked for the code.
    pub verifier: String,
    /// Where the browser goes in the end; a path of ours.
    pub return_to: String,
    /// Whose account the login is to be linked to.
    pub link_to: Option<UserId>,
    /// When it is over.
    pub until: UnixMillis,
}

impl Flow {
    /// When a flow is over that begins now.
    pub(crate) fn until(now: UnixMillis) -> UnixMillis {
        now + 1000 * LIFE_SECONDS as i64
    }

    /// The header that gives it to the browser.
    ///
    /// # Errors
    /// 403 where no cookie is safe here.
    pub(crate) fn set(&self, key: &Key, cookies: Cookies) -> Result<HeaderValue, ApiError> {
        let text = serde_json::to_string(self).map_err(ApiError::internal)?;
        let sealed = key.seal(PURPOSE, &text).map_err(ApiError::internal)?;
        cookies.set(cookies::OIDC, &sealed, LIFE_SECONDS)
    }

    /// The one that a callback of this provider brings along.
    ///
    /// # Errors
    /// 422 where there is none for this provider and state, or it is over.
    pub(crate) fn of(
        headers: &HeaderMap,
        (key, cookies): (&Key, Cookies),
        (provider, state): (&str, &str),
        now: UnixMillis,
    ) -> Result<Self, ApiError> {
        let sealed = cookies.read(headers, cookies::OIDC);
        let text = sealed.and_then(|sealed| key.open(PURPOSE, &sealed));
        let flow: Option<Self> = text.and_then(|text| serde_json::from_str(&text).ok());
        // Of hashes: how long it takes to compare them tells nothing.
        let same = |flow: &Self| Sha256::digest(&flow.state) == Sha256::digest(state);
        flow.filter(|flow| flow.provider == provider && same(flow) && now < flow.until)
            .ok_or_else(|| {
                let detail =
                    message!("This login was not begun in this browser, or too long ago; begin it again.");
                ApiError::new(ErrorCode::ProofInvalid, detail)
            })
    }
}

/// Whether a browser stays with us when it goes there: a path that begins with a single `/`.
pub(crate) fn is_own_path(path: &str) -> bool {
    // Browsers take `\` for `/`, and leave out control characters.
    path.len() <= 1024
        && path.starts_with('/')
        && !path.starts_with("//")
        && path.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_led_away() {
        for good in ["/", "/playground?model=echo#x", "/a//b", "/%2F%2Fevil.example"] {
            assert!(is_own_path(good), "{good}");
        }
        let long = format!("/{}", "a".repeat(1024));
        let bad = [
            "",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "/a\\b",
            "\\\\evil.example",
            "https://evil.example",
            "javascript:alert(1)",
            "/\t/evil.example",
            "/\n/evil.example",
            "/a\r\nSet-Cookie: x",
            " /a",
            "evil",
            "/ä",
            &long,
        ];
        let led = bad.iter().filter(|path| is_own_path(path)).count();
        println!(
            "oidc: addresses to be led away to that were taken: {led} of {}",
            bad.len()
        );
        assert_eq!(led, 0);
    }

    #[test]
    fn only_the_browser_that_began_a_login_ends_it_and_in_time() {
        let key = Key::generate().expect("a key");
        let flow = Flow {
            provider: "a".to_owned(),
            state: "s".to_owned(),
            nonce: "n".to_owned(),
            verifier: "v".to_owned(),
            return_to: "/".to_owned(),
            link_to: None,
            until: Flow::until(0),
        };
        let set = flow.set(&key, Cookies::Plain).expect("set");
        let pair = set
            .to_str()
            .expect("text")
            .split(';')
            .next()
            .expect("a pair")
            .to_owned();
        assert!(!pair.contains("verifier"), "sealed");
        let of = |cookie: &str, key: &Key, provider, state, now| {
            let mut headers = HeaderMap::new();
            headers.insert("cookie", HeaderValue::from_str(cookie).expect("a header"));
            Flow::of(&headers, (key, Cookies::Plain), (provider, state), now).is_ok()
        };
        assert!(of(&pair, &key, "a", "s", 599_999));
        let other = Key::generate().expect("a key");
        let session = format!("oidc={}", key.seal("session:v1", "{}").expect("sealed"));
        for (cookie, key, provider, state, now) in [
            (pair.as_str(), &key, "a", "s", 600_000),
            (&pair, &key, "b", "s", 0),
            (&pair, &key, "a", "t", 0),
            (&pair, &key, "a", "", 0),
            (&pair, &other, "a", "s", 0),
            (&session, &key, "a", "s", 0),
            ("oidc=", &key, "a", "s", 0),
            ("", &key, "a", "s", 0),
        ] {
            assert!(!of(cookie, key, provider, state, now), "{provider} {state} {now}");
        }
    }
}
