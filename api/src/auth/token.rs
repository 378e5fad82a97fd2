//! API tokens: `lmp_<PASETO v4.local>_<checksum>`.
//!
//! The last six characters are the CRC-32 (ISO-HDLC) of everything before the last underscore, in
//! base 62 (`0-9A-Za-z`, most significant first): a typing error or a made-up text is refused before
//! any cryptography and any query. The PASETO is sealed with the server's key; its row in the database
//! decides whether it is good (revoked, expired by the database's clock). So neither the key nor the
//! database alone can make a token. The times inside are for whoever holds the key to read.

use lamplighter_shared::{
    clock::UnixMillis,
    id::{TokenId, UserId},
    key::Key,
};
use serde_json::{Value, json};

pub use super::issue::{CreateError, NewApiToken, Revoked, create, revoke};
pub(crate) use super::issue::{IssuedToken, LONGEST, Rotation, SHORTEST, issue, rotate};
use super::{scope::Scope, secret::fingerprint};
use crate::timestamp::Timestamp;

/// The longest text that is looked at, bytes.
pub const MAX_LENGTH: usize = 1024;

const PREFIX: &str = "lmp_";
const HEADER: &str = "lmp_v4.local.";
/// Bound to the seal: no other kind of token of the same key passes for an API token.
const PURPOSE: &str = "pat:v1";
const ISSUER: &str = "lamplighter";
const AUDIENCE: &str = "lamplighter:api";
const CHECKSUM_LENGTH: usize = 6;
/// How far the clocks of two nodes may differ.
const SKEW_MS: i64 = 30_000;

pub use lamplighter_shared::proof::Fingerprint;

/// What goes into a token.
#[derive(Debug, Clone)]
pub struct MintRequest {
    /// Whose token it is.
    pub user: UserId,
    /// Its row.
    pub token_id: TokenId,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// When it ends.
    pub expires_at: UnixMillis,
    /// The time, by the database's clock.
    pub now: UnixMillis,
}

/// The text is no token of this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not even the outer form is right: no key was used to find out.
    #[error("not the form of a token")]
    Form,
    /// Sealed by another key, changed, or made for another purpose.
    #[error("not a token of this server")]
    Seal,
}

/// Makes the text of a token and its fingerprint. Good for nothing until the fingerprint is stored.
///
/// # Errors
/// Where the system gives no randomness.
pub fn mint(key: &Key, request: &MintRequest) -> std::io::Result<(String, Fingerprint)> {
    let time = |ms| Timestamp(ms).to_string();
    let scopes: Vec<&str> = request.scopes.iter().map(|s| s.as_str()).collect();
    let claims = json!({
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": request.user.to_string(),
        "jti": request.token_id.to_string(),
        "iat": time(request.now),
        "nbf": time(request.now - SKEW_MS),
        "exp": time(request.expires_at),
        "scope": scopes.join(" "),
    });
    let sealed = key.seal(PURPOSE, &claims.to_string())?;
    let body = format!("{PREFIX}{sealed}");
    let text = with_checksum(&body);
    let fingerprint = fingerprint(&text);
    Ok((text, fingerprint))
}

/// Whether the text has the outer form of a token: prefix, length, characters, checksum.
pub fn well_formed(text: &str) -> bool {
    if text.len() > MAX_LENGTH || !text.is_ascii() || !text.starts_with(HEADER) {
        return false;
    }
    let Some((body, sum)) = text
        .len()
        .checked_sub(CHECKSUM_LENGTH + 1)
        .map(|at| text.split_at(at))
    else {
        return false;
    };
    sum.strip_prefix('_')
        .is_some_and(|sum| sum == checksum(body.as_bytes()))
}

/// Opens a token and gives its fingerprint, to be looked up.
///
/// # Errors
/// Where it is no token of this key.
pub fn check(key: &Key, text: &str) -> Result<Fingerprint, Refused> {
    if !well_formed(text) {
        return Err(Refused::Form);
    }
    let sealed = &text[PREFIX.len()..text.len() - CHECKSUM_LENGTH - 1];
    let opened = key.open(PURPOSE, sealed).ok_or(Refused::Seal)?;
    let claims: Value = serde_json::from_str(&opened).map_err(|_| Refused::Seal)?;
    let ours = claims["iss"] == ISSUER && claims["aud"] == AUDIENCE;
    if ours {
        Ok(fingerprint(text))
    } else {
        Err(Refused::Seal)
    }
}

/// The text with the checksum that it needs; what a forger would do first.
pub fn with_checksum(body: &str) -> String {
    format!("{body}_{}", checksum(body.as_bytes()))
}

/// CRC-32/ISO-HDLC in six base 62 digits.
fn checksum(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            let odd = crc & 1 == 1;
            crc >>= 1;
            if odd {
                crc ^= 0xedb8_8320;
            }
        }
    }
    let mut rest = !crc;
    let mut digits = [b'0'; CHECKSUM_LENGTH];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(rest % 62) as usize];
        rest /= 62;
    }
    digits.iter().map(|d| char::from(*d)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn minted(key: &Key) -> (String, Fingerprint) {
        let request = MintRequest {
            user: UserId::generate(),
            token_id: TokenId::generate(),
            scopes: Scope::ALL.to_vec(),
            expires_at: 1_800_000_000_000,
            now: 1_795_000_000_000,
        };
        mint(key, &request).expect("minted")
    }

    /// Puts a right checksum on a changed body, so that the seal itself has to refuse it.
    fn resealed(body: &str) -> String {
        format!("{body}_{}", checksum(body.as_bytes()))
    }

    #[test]
    fn the_checksum_is_the_one_that_is_documented() {
        // The check value of CRC-32/ISO-HDLC for "123456789" is cbf43926.
        let digits = checksum(b"123456789");
        let number = digits.bytes().fold(0u64, |n, d| {
            n * 62
                + u64::from(match d {
                    b'0'..=b'9' => d - b'0',
                    b'A'..=b'Z' => d - b'A' + 10,
                    _ => d - b'a' + 36,
                })
        });
        assert_eq!(number, 0xcbf4_3926);
        assert_eq!(digits.len(), 6);
    }

    #[test]
    fn a_minted_token_passes_and_has_the_final_form() {
        let key = Key::generate().expect("a key");
        let (text, fingerprint) = minted(&key);
        assert_eq!(check(&key, &text), Ok(fingerprint));
        assert!(
            text.starts_with("lmp_v4.local.") && text.len() <= MAX_LENGTH,
            "{} bytes",
            text.len()
        );
        assert_eq!(text.split('.').count(), 4, "a footer names the key");
        println!("length of a token: {} bytes", text.len());
    }

    #[test]
    fn another_key_refuses_it() {
        let (text, _) = minted(&Key::generate().expect("a key"));
        assert_eq!(
            check(&Key::generate().expect("another key"), &text),
            Err(Refused::Seal)
        );
    }

    #[test]
    fn every_change_of_a_character_is_refused_with_and_without_a_right_checksum() {
        let key = Key::generate().expect("a key");
        let (text, _) = minted(&key);
        let body_end = text.len() - CHECKSUM_LENGTH - 1;
        let mut refused = 0;
        for at in 0..text.len() {
            for replacement in [b'A', b'b', b'7', b'-', b'_', b'.', b' ', 0] {
                let mut bytes = text.clone().into_bytes();
                if bytes[at] == replacement {
                    continue;
                }
                bytes[at] = replacement;
                let mutant = String::from_utf8(bytes).expect("ASCII");
                assert_eq!(check(&key, &mutant), Err(Refused::Form), "at {at}");
                refused += 1;
                if at < body_end {
                    assert!(check(&key, &resealed(&mutant[..body_end])).is_err(), "at {at}");
                    refused += 1;
                }
            }
        }
        for cut in (0..text.len()).filter(|cut| *cut != body_end) {
            assert!(check(&key, &text[..cut]).is_err());
            assert!(check(&key, &resealed(&text[..cut])).is_err());
            refused += 2;
        }
        println!("mutants refused: {refused}");
        assert!(refused > 4000);
    }

    #[test]
    fn other_purposes_and_forms_of_the_same_key_are_refused() {
        let key = Key::generate().expect("a key");
        let one = key.sealing();
        let seal = |claims: &Value, footer: Option<&[u8]>, assertion: &[u8]| {
            let sealed = pasetors::version4::LocalToken::encrypt(
                one.secret(),
                claims.to_string().as_bytes(),
                footer,
                Some(assertion),
            );
            resealed(&format!("lmp_{}", sealed.expect("sealed")))
        };
        let good = json!({"iss": ISSUER, "aud": AUDIENCE});
        let footer = Some(one.footer().as_bytes());
        assert!(check(&key, &seal(&good, footer, PURPOSE.as_bytes())).is_ok());
        for bad in [
            seal(&good, None, PURPOSE.as_bytes()),
            seal(&good, Some(b"{\"kid\":\"k4.lid.other\"}"), PURPOSE.as_bytes()),
            seal(&good, footer, b"mail:v1"),
            seal(&good, footer, b""),
            seal(
                &json!({"iss": ISSUER, "aud": "lamplighter:mail"}),
                footer,
                PURPOSE.as_bytes(),
            ),
            seal(
                &json!({"iss": "other", "aud": AUDIENCE}),
                footer,
                PURPOSE.as_bytes(),
            ),
            seal(&json!([]), footer, PURPOSE.as_bytes()),
        ] {
            assert_eq!(check(&key, &bad), Err(Refused::Seal));
        }
    }

    proptest! {
        #[test]
        fn made_up_texts_are_refused_without_a_panic(text in "\\PC{0,80}", tail in "[ -~]{0,80}") {
            let key = Key::parse("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f").expect("a key");
            prop_assert!(check(&key, &text).is_err());
            let (headed, summed) = (format!("{HEADER}{text}"), resealed(&format!("{HEADER}{tail}")));
            prop_assert!(check(&key, &headed).is_err());
            prop_assert!(check(&key, &summed).is_err());
        }
    }
}
