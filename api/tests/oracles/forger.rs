//! Whoever forges tokens: from one that was good, and even with the server's own key.

use std::sync::Arc;

use lamplighter_api::auth::{
    scope::Scope,
    token::{self, MintRequest, with_checksum},
};
use lamplighter_shared::{
    id::{TokenId, UserId},
    key::Key,
};
use pasetors::version4::LocalToken;
use poem::http::HeaderValue;
use rand::{RngExt, rngs::StdRng};
use serde_json::{Value, json};

const PURPOSE: &str = "pat:v1";
const CHECKSUM: usize = 7;

/// A forged token, and what was done to it.
pub type Mutant = (String, Vec<u8>);

/// What a forger may have: a token that was good, and even the server's key.
pub struct Forger {
    pub good: String,
    pub key: Arc<Key>,
    pub other: Key,
}

impl Forger {
    fn claims(&self) -> Value {
        json!({
            "iss": "lamplighter", "aud": "lamplighter:api", "sub": UserId::generate().to_string(),
            "jti": TokenId::generate().to_string(), "iat": "2026-01-01T00:00:00Z",
            "nbf": "2026-01-01T00:00:00Z", "exp": "2099-01-01T00:00:00Z", "scope": "jobs:read admin",
        })
    }

    fn sealed(&self, purpose: &str, claims: &Value) -> String {
        let sealed = self.key.seal(purpose, &claims.to_string()).expect("sealed");
        with_checksum(&format!("lmp_{sealed}"))
    }

    fn sealed_with(&self, key: &Key, footer: &[u8]) -> String {
        let (one, claims) = (key.sealing(), self.claims().to_string());
        let sealed = LocalToken::encrypt(
            one.secret(),
            claims.as_bytes(),
            Some(footer),
            Some(PURPOSE.as_bytes()),
        );
        with_checksum(&format!("lmp_{}", sealed.expect("sealed")))
    }

    /// By the real key, and without a row.
    pub fn real_key(&self) -> Vec<Mutant> {
        let mut made = Vec::new();
        for life in [
            -1,
            0,
            1000,
            3_600_000,
            366 * 86_400_000,
            i64::from(i32::MAX) * 1000,
        ] {
            let request = MintRequest {
                user: UserId::generate(),
                token_id: TokenId::generate(),
                scopes: Scope::ALL.to_vec(),
                expires_at: 1_800_000_000_000 + life,
                now: 1_800_000_000_000,
            };
            let (text, _) = token::mint(&self.key, &request).expect("minted");
            made.push((format!("real key, no row, {life} ms"), text.into_bytes()));
        }
        for claim in ["exp", "nbf", "iat", "sub", "jti", "scope"] {
            let mut claims = self.claims();
            claims.as_object_mut().expect("an object").remove(claim);
            made.push((
                format!("without {claim}"),
                self.sealed(PURPOSE, &claims).into_bytes(),
            ));
        }
        for (claim, value) in [
            ("aud", json!("lamplighter:mail")),
            ("aud", json!(["lamplighter:api", "x"])),
            ("aud", Value::Null),
            ("iss", json!("other")),
            ("exp", json!("2000-01-01T00:00:00Z")),
            ("exp", json!(-1)),
            ("exp", json!("9999-12-31T23:59:59Z")),
        ] {
            let mut claims = self.claims();
            claims[claim] = value;
            made.push((
                format!("{claim} {}", claims[claim]),
                self.sealed(PURPOSE, &claims).into_bytes(),
            ));
        }
        for purpose in ["mail:v1", "device:v1", "guest:v1", "oidc:v1", "pat:v2", ""] {
            let text = self.sealed(purpose, &self.claims());
            made.push((format!("sealed for {purpose:?}"), text.into_bytes()));
        }
        // What is sealed in the outbox, as it is.
        let mail = self
            .key
            .seal("mail:v1", r#"{"template":"verify_address"}"#)
            .expect("sealed");
        made.push(("a sealed mail".to_owned(), mail.clone().into_bytes()));
        made.push((
            "a sealed mail, dressed up".to_owned(),
            with_checksum(&format!("lmp_{mail}")).into_bytes(),
        ));
        made
    }

    /// Other headers, keys and footers.
    pub fn other_forms(&self) -> Vec<Mutant> {
        let body = &self.good[..self.good.len() - CHECKSUM];
        let sealed = body.strip_prefix("lmp_v4.local.").expect("a token");
        let payload = sealed.split('.').next().expect("a payload");
        let mut texts = Vec::new();
        for header in [
            "v1.local.",
            "v2.local.",
            "v3.local.",
            "v1.public.",
            "v2.public.",
            "v3.public.",
            "v4.public.",
        ] {
            texts.push(with_checksum(&format!("lmp_{header}{sealed}")));
        }
        for prefix in [
            "lmq_v4.local.",
            "LMP_v4.local.",
            "v4.local.",
            "lmp_v4.LOCAL.",
            "lmp_lmp_v4.local.",
            "lmp_v4.local..",
        ] {
            texts.push(with_checksum(&format!("{prefix}{sealed}")));
        }
        let other = self.other.sealing();
        let (ours, theirs) = (self.key.sealing(), other.footer().as_bytes());
        texts.push(self.sealed_with(&self.other, theirs));
        texts.push(self.sealed_with(&self.other, ours.footer().as_bytes()));
        texts.push(self.sealed_with(&self.key, theirs));
        texts.push(self.sealed_with(&self.key, b""));
        for length in [256, 257, 300] {
            texts.push(self.sealed_with(&self.key, "k".repeat(length).as_bytes()));
        }
        texts.push(with_checksum(&format!("lmp_v4.local.{payload}")));
        texts.push(with_checksum(&format!("lmp_v4.local.{sealed}.x")));
        texts.push(with_checksum(&format!("lmp_v4.local.{}", "A".repeat(2000))));
        texts.push(format!("{body}_000000"));
        texts.push(format!("{}x", self.good));
        texts.push(format!("{0} {0}", self.good));
        texts.extend(["lmp_", "lmp_v4.local.", "x", "null", "_", "lmp_v4.local._000000"].map(str::to_owned));
        let named = texts.into_iter().enumerate();
        named
            .map(|(n, text)| (format!("form {n}"), text.into_bytes()))
            .collect()
    }

    /// Cut anywhere, with the checksum that it needs and without.
    pub fn cut(&self) -> Vec<Mutant> {
        let body = self.good.len() - CHECKSUM;
        let raw =
            (1..self.good.len()).map(|at| (format!("cut at {at}"), self.good.as_bytes()[..at].to_vec()));
        let summed = (1..body).map(|at| {
            (
                format!("cut at {at}, summed"),
                with_checksum(&self.good[..at]).into_bytes(),
            )
        });
        raw.chain(summed).collect()
    }

    /// One to three bits flipped; with the checksum that it needs, every other time.
    pub fn flipped(&self, random: &mut StdRng, n: usize) -> Mutant {
        let body = self.good.len() - CHECKSUM;
        loop {
            let mut bytes = self.good.clone().into_bytes();
            let end = if n.is_multiple_of(2) { bytes.len() } else { body };
            let mut where_to = Vec::new();
            for _ in 0..random.random_range(1..=3) {
                let (at, bit) = (random.random_range(0..end), random.random_range(0..8));
                bytes[at] ^= 1 << bit;
                where_to.push((at, bit));
            }
            if !n.is_multiple_of(2) {
                let Ok(text) = std::str::from_utf8(&bytes[..body]) else {
                    continue;
                };
                bytes = with_checksum(text).into_bytes();
            }
            // Two flips of the same bit are none; and not every byte can stand in a header.
            if bytes != self.good.as_bytes() && HeaderValue::from_bytes(&bytes).is_ok() {
                return (format!("bits {where_to:?}"), bytes);
            }
        }
    }
}
