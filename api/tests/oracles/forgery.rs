//! S6: forged tokens. All are refused with 401, and what has not the form of a token costs no cryptography, no
//! statement and no round trip to the cache.

use std::time::{Duration, Instant};

use lamplighter_api::auth::token::{self, Refused, with_checksum};
use lamplighter_shared::key::Key;
use lamplighter_testkit::scenario::{Scenario, sized};
use poem::{
    Request,
    http::{HeaderValue, Method},
};

use crate::{
    effort::{Effort, Gauge},
    forger::{Forger, Mutant},
};

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
