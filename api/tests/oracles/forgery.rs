//! S6: forged tokens. All are refused with 401, and what has not the form of a token costs no cryptography, no
//! statement and no round trip to the cache.

use std::time::{Duration, Instant};

use lamplighter_api::auth::{
    scope::Scope,
    token::{self, MintRequest, Refused, with_checksum},
};
use lamplighter_shared::{
    id::{TokenId, UserId},
    key::Key,
};
use lamplighter_testkit::scenario::{Scenario, sized};
use pasetors::version4::LocalToken;
use poem::{
    Request,
    http::{HeaderValue, Method},
};
use rand::{RngExt, rngs::StdRng};
use serde_json::{Value, json};

use crate::effort::{Effort, Gauge};

const PURPOSE: &str = "pat:v1";
const CHECKSUM: usize = 7;

/// A forged token, and what was done to it.
type Mutant = (String, Vec<u8>);

/// What a forger may have: a token that was good, and even the server's key.
struct Forger {
    good: String,
    key: std::sync::Arc<Key>,
    other: Key,
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
    fn real_key(&self) -> Vec<Mutant> {
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
    fn other_forms(&self) -> Vec<Mutant> {
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
    fn cut(&self) -> Vec<Mutant> {
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
    fn flipped(&self, random: &mut StdRng, n: usize) -> Mutant {
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

fn request(n: usize, token: &[u8]) -> Request {
    let request = Request::builder().method(Method::GET).uri_str("/v1/token");
    let request = if n.is_multiple_of(3) {
        request.header(
            "x-api-key",
            HeaderValue::from_bytes(token).expect("it can be sent"),
        )
    } else {
        let value = [b"Bearer ", token].concat();
        request.header(
            "authorization",
            HeaderValue::from_bytes(&value).expect("it can be sent"),
        )
    };
    request.finish()
}

/// Sends all of them; what that cost, and how long the answers took.
async fn refuse_all(gauge: &Gauge, mutants: &[Mutant]) -> (Effort, Vec<Duration>) {
    let before = gauge.counted();
    let mut times = Vec::with_capacity(mutants.len());
    for (n, (what, text)) in mutants.iter().enumerate() {
        let asked = Instant::now();
        let read = crate::support::send(gauge.world.api(), request(n, text)).await;
        times.push(asked.elapsed());
        assert_eq!(read.status.as_u16(), 401, "{what}: {}", read.text);
        assert!(
            read.header("www-authenticate").contains("invalid_token"),
            "{what}"
        );
    }
    times.sort_unstable();
    (gauge.since(&before), times)
}

/// A token with a row that is over: its own text says it is good for long.
async fn over(gauge: &Gauge, change: &str) -> Mutant {
    let text = gauge.world.token_with(&["jobs:read"]).await;
    gauge.sql(&format!(
        "UPDATE api_tokens SET {change} WHERE id = (SELECT max(id::text)::uuid FROM api_tokens)"
    ));
    (change.to_owned(), text.into_bytes())
}

/// Secrets of other kinds that stand in the database, too.
async fn secrets_of_others(gauge: &Gauge) -> Vec<Mutant> {
    let (cookie, fingerprint) = lamplighter_api::auth::secret::fresh();
    let owner = gauge.world.owner.id.0;
    let hex: String = fingerprint.iter().map(|byte| format!("{byte:02x}")).collect();
    gauge.sql(&format!(
        "INSERT INTO challenges (id, user_id, purpose, fingerprint, email, created_at, expires_at)
        VALUES (gen_random_uuid(), '{owner}', 'verify', '\\x{hex}', 'x@example.org', 0, 9999999999999)"
    ));
    let dressed = with_checksum(&format!("lmp_v4.local.{cookie}"));
    vec![
        ("a mailed token".to_owned(), cookie.into_bytes()),
        ("a mailed token, dressed up".to_owned(), dressed.into_bytes()),
    ]
}

#[tokio::test]
async fn forged_tokens_are_refused_and_bad_forms_cost_nothing() {
    let scenario = Scenario::new("forgery");
    let (count, mut random) = (sized(2000, 10_000), scenario.random());
    let gauge = Gauge::new().await;
    let forger = Forger {
        good: gauge.world.token_with(&["jobs:read"]).await,
        key: gauge.world.state.key.clone(),
        other: Key::generate().expect("a key"),
    };
    let (read, cost) = gauge.ask(request(1, forger.good.as_bytes())).await;
    assert_eq!(read.status.as_u16(), 200, "{}", read.text);
    assert!(
        cost.seals == 1 && !cost.statements.is_empty() && cost.cache > 0,
        "counted: {cost:?}"
    );

    let mut mutants = [forger.real_key(), forger.other_forms(), forger.cut()].concat();
    mutants.extend(secrets_of_others(&gauge).await);
    for change in ["expires_at = 1", "revoked_at = 1"] {
        mutants.push(over(&gauge, change).await);
    }
    while mutants.len() < count {
        mutants.push(forger.flipped(&mut random, mutants.len()));
    }
    let (mut form, mut seal, mut row) = (Vec::new(), Vec::new(), Vec::new());
    for mutant in mutants {
        let judged =
            std::str::from_utf8(&mutant.1).map_or(Err(Refused::Form), |text| token::check(&forger.key, text));
        match judged {
            Err(Refused::Form) => form.push(mutant),
            Err(Refused::Seal) => seal.push(mutant),
            Ok(_) => row.push(mutant),
        }
    }
    assert!(form.len() > 500 && seal.len() > 500 && row.len() > 10);

    let (cost, times) = refuse_all(&gauge, &form).await;
    let free = Effort {
        hashes: 0,
        seals: 0,
        cache: 0,
        statements: Vec::new(),
    };
    assert_eq!(cost, free, "a bad form costs nothing");
    let (cost, _) = refuse_all(&gauge, &seal).await;
    let tried = cost.seals;
    assert!(tried <= seal.len() as u64);
    assert_eq!(
        cost,
        Effort { seals: tried, ..free },
        "a bad seal costs no look-up"
    );
    let (cost, _) = refuse_all(&gauge, &row).await;
    assert_eq!(cost.seals, row.len() as u64);
    assert!(cost.statements.len() >= row.len(), "those are looked up");
    println!(
        "S6 forgery: {} mutants, 401 all; {} of bad form: 0 seals tried, 0 statements, 0 round trips, p50 {:?}; \
         {} of bad seal: {tried} tried, 0 statements; {} of the real key without a live row",
        form.len() + seal.len() + row.len(),
        form.len(),
        times[times.len() / 2],
        seal.len(),
        row.len()
    );
    // The good one is still good.
    assert_eq!(
        gauge
            .ask(request(1, forger.good.as_bytes()))
            .await
            .0
            .status
            .as_u16(),
        200
    );
}
