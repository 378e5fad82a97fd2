//! The secrets that mails and set-up files bring: tokens of links, and codes to type. Only their fingerprints
//! are stored.

use std::time::Duration;

use lamplighter_shared::{
    db::challenges::{NewChallenge, Proof, Purpose},
    email::Email,
};
use sha2::{Digest, Sha256};

use crate::auth::secret;

/// How long a link is good that shows that an address is somebody's.
const VERIFY: Duration = Duration::from_secs(24 * 3600);
/// How long its code is good.
const CODE: Duration = Duration::from_secs(10 * 60);
/// How long a link is good that sets a new password.
const RESET: Duration = Duration::from_secs(15 * 60);
/// How long a set-up token is good.
const SETUP: Duration = Duration::from_secs(7 * 24 * 3600);

/// What a code for an address is known by. A code is short: it is good for this address only, for minutes, and
/// for a few tries.
fn code_fingerprint(code: &str, email: &Email) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"code:v1\0");
    hash.update(email.as_str());
    hash.update(b"\0");
    hash.update(code);
    hash.finalize().into()
}

/// The token of a link, as it is looked for.
pub(crate) fn linked(token: &str) -> Proof {
    Proof::Token(secret::fingerprint(token))
}

/// A typed code, as it is looked for.
pub(crate) fn typed(email: &Email, code: &str) -> Proof {
    Proof::Code {
        email: email.as_str().to_owned(),
        fingerprint: code_fingerprint(code, email),
    }
}

/// A challenge, and the secrets that its mail brings.
pub(crate) struct Fresh {
    /// To be stored.
    pub challenge: NewChallenge,
    /// The token of the link.
    pub token: String,
    /// Six digits; empty where the purpose has none.
    pub code: String,
}

/// A new challenge for an address.
pub(crate) fn fresh(purpose: Purpose, email: &Email) -> Fresh {
    let (token, fingerprint) = secret::fresh();
    let has_code = matches!(purpose, Purpose::Verify | Purpose::Email);
    let code = if has_code {
        format!("{:06}", rand::random_range(0..1_000_000))
    } else {
        String::new()
    };
    Fresh {
        challenge: NewChallenge {
            purpose,
            fingerprint,
            code_fingerprint: has_code.then(|| code_fingerprint(&code, email)),
            email: email.as_str().to_owned(),
            lifetime: match purpose {
                Purpose::Verify | Purpose::Email => VERIFY,
                Purpose::Reset => RESET,
                Purpose::Setup => SETUP,
            },
            code_lifetime: CODE,
        },
        token,
        code,
    }
}
