//! R7 and R17 for accounts: what tokens, logins and rates are like while Redis is away, and where the clocks of
//! both APIs are an hour off, one fast and one slow.

use std::{collections::BTreeSet, env, fs, time::Duration};

use lamplighter_shared::id::TokenId;
use lamplighter_testkit::{fleet::Builder, scenario::sized};
use reqwest::Method;
use serde_json::json;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{
    clock_skew::{is_hours_off, wrong_clock},
    end_races::OPEN,
    judge::unix_ms,
    town::{Clients, Issued, Person, Proof, Town},
};

/// Ten requests a second, twenty at once; and logins, of which this machine may try ten times as many.
const CONFIG: &str = "[plans.basic]\nrequests_per_minute = 600\nburst = 20\n\
    [accounts]\nmax_tokens = 1000\nlogin_burst = 1\nlogin_per_minute = 3\n";
const PER_SECOND: f64 = 10.0;
const BURST: f64 = 20.0;
const LOGINS: f64 = 10.0;
const LOGINS_PER_SECOND: f64 = 0.5;
/// The cache is believed at once.
const FAULTS: &str = "cache.quarantine=return(wait 0)";
/// The longest that anything is taken after its end.
const CACHED: i64 = 30_000;

/// How much was let through, of what, in what time.
struct Rate {
    let_through: usize,
    asked: usize,
    took: Duration,
}

impl Rate {
    /// What the settings allow in that time.
    fn allowed(&self) -> f64 {
        BURST + PER_SECOND * self.took.as_secs_f64() + 1.0
    }
}

/// Asks both APIs as fast as it can, with a proof on the plan `basic`.
async fn hurry(clients: &Clients, proof: &Proof, time: Duration) -> Rate {
    let (began, mut all) = (Instant::now(), JoinSet::new());
    for number in 0..6 {
        let (clients, proof) = (clients.clone(), proof.clone());
        all.spawn(async move {
            let (mut let_through, mut asked) = (0, 0);
            while began.elapsed() < time {
                match clients.status(number + asked, &proof, OPEN).await {
                    200 => let_through += 1,
                    429 => {}
                    other => panic!("{other}: neither let through nor told to wait"),
                }
                asked += 1;
                sleep(Duration::from_millis(10)).await;
            }
            (let_through, asked)
        });
    }
    let counts = all.join_all().await;
    Rate {
        let_through: counts.iter().map(|counts| counts.0).sum(),
        asked: counts.iter().map(|counts| counts.1).sum(),
        took: began.elapsed(),
    }
}

/// Tries wrong passwords at both APIs; how many were compared, of how many, in what time.
async fn guess(clients: &Clients, tries: usize) -> (usize, Duration) {
    let (began, mut all) = (Instant::now(), JoinSet::new());
    for number in 0..4 {
        let clients = clients.clone();
        all.spawn(async move {
            let mut compared = 0;
            for turn in 0..tries / 4 {
                let body = json!({"email": "nobody@example.org", "password": format!("guess number {turn} of {number}")});
                let nobody = Proof::Session(String::new());
                let request = clients.request(number + turn, &nobody, Method::POST, "/v1/session");
                match clients.ask(request.json(&body)).await {
                    (401, _) => compared += 1,
                    (429, _) => {}
                    (other, answer) => panic!("{other} {answer}"),
                }
            }
            compared
        });
    }
    (all.join_all().await.iter().sum(), began.elapsed())
}

/// A person on the plan `basic`.
async fn basic_person(town: &Town) -> Person {
    let person = town.person("user").await;
    let text = format!("UPDATE users SET plan = 'basic' WHERE id = '{}'", person.id.0);
    town.sql.query(&text).await;
    person
}

async fn statuses(town: &Town, proof: &Proof) -> [u16; 2] {
    [
        town.clients.status(0, proof, OPEN).await,
        town.clients.status(1, proof, OPEN).await,
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_tokens_logins_and_rates_are_right_while_redis_is_down() {
    let mut town = Town::begin("R7 accounts", FAULTS, |builder| builder.config(CONFIG)).await;
    let owner = town.owner();
    let scopes = ["jobs:read"];
    let (good, revoked) = (
        town.token(0, &owner, &scopes).await,
        town.token(1, &owner, &scopes).await,
    );
    let (expired, person) = (town.token(0, &owner, &scopes).await, basic_person(&town).await);
    town.cache_is_used().await;
    for token in [&good, &revoked, &expired] {
        assert_eq!(statuses(&town, &token.proof).await, [200, 200]);
    }
    let time = Duration::from_secs(sized(4, 30));
    let with = hurry(&town.clients, &person.session, time).await;
    town.fleet.redis_mut().kill9();
    end_at(&town, &expired, unix_ms()).await;
    town.revoke(0, &revoked).await;
    let mut auth = Vec::new();
    for _ in 0..10 {
        for token in [&good, &revoked, &expired] {
            auth.push(statuses(&town, &token.proof).await);
        }
    }
    let wrong = auth
        .chunks(3)
        .filter(|seen| **seen != [[200, 200], [401, 401], [401, 401]]);
    let wrong = wrong.count();
    let without = hurry(&town.clients, &person.session, time).await;
    let (compared, took) = guess(&town.clients, 80).await;
    let may_guess = LOGINS + LOGINS_PER_SECOND * took.as_secs_f64() + 1.0;
    println!(
        "R7 accounts: Redis down: valid 200, revoked 401, expired 401 at both APIs, otherwise {wrong} of {} times; rate \
         {:.2} of what is allowed ({} of {} asked; with Redis {:.2}); passwords compared {compared} of 80, allowed {may_guess:.0}",
        auth.len() / 3,
        without.let_through as f64 / without.allowed(),
        without.let_through,
        without.asked,
        with.let_through as f64 / with.allowed(),
    );
    assert_eq!(wrong, 0, "{auth:?}");
    assert!(with.let_through as f64 <= with.allowed(), "exact with Redis");
    let let_through = without.let_through as f64;
    assert!(let_through <= 2.0 * without.allowed() && let_through >= 0.3 * without.allowed());
    assert!(
        compared as f64 <= may_guess && compared as f64 >= LOGINS,
        "{compared}"
    );
}

/// Makes a token end at this moment.
async fn end_at(town: &Town, token: &Issued, ends: i64) {
    let id: TokenId = token.id.parse().expect("an identifier");
    let text = format!("UPDATE api_tokens SET expires_at = {ends} WHERE id = '{}'", id.0);
    town.sql.query(&text).await;
}

/// Asks both APIs until both refuse; when they took it last, and when one refused it first.
async fn watch_end(clients: Clients, proof: Proof) -> (i64, i64) {
    let (mut last_taken, mut first_refused, mut refused) = (0, i64::MAX, 0);
    while refused < 6 {
        for api in 0..2 {
            let asked = unix_ms();
            match clients.status(api, &proof, OPEN).await {
                200 => (last_taken, refused) = (asked, 0),
                401 => {
                    refused += 1;
                    first_refused = first_refused.min(unix_ms());
                }
                other => panic!("{other}: neither taken nor refused"),
            }
        }
        sleep(Duration::from_millis(50)).await;
    }
    (last_taken, first_refused)
}

/// Makes tokens at both APIs and uses each at once at both, with others; how often, how often one was refused, and
/// by how many keys they were sealed.
async fn make_and_use(town: &Town, owner: &Proof, others: &[Proof]) -> (usize, usize, usize) {
    let (mut used, mut refused, mut keys) = (0, 0, BTreeSet::new());
    for turn in 0..80 {
        let made = town.token(turn, owner, &["jobs:read"]).await;
        for proof in others.iter().chain([&made.proof]) {
            for seen in statuses(town, proof).await {
                used += 1;
                refused += usize::from(seen == 401);
            }
        }
        if let Proof::Token(text) = &made.proof {
            // The footer names the key; behind it stands a checksum.
            let footer = text.rsplit('.').next().expect("a footer");
            keys.insert(footer.rsplit_once('_').expect("a checksum").0.to_owned());
        }
        sleep(Duration::from_millis(25)).await;
    }
    (used, refused, keys.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn r17_tokens_logins_and_rates_are_right_where_clocks_are_wrong() {
    let folder = tempfile::tempdir_in(env::temp_dir()).expect("a folder");
    let (fast, slow) = (folder.path().join("fast"), folder.path().join("slow"));
    fs::write(&fast, "+1h\n").expect("a file");
    fs::write(&slow, "-1h\n").expect("a file");
    let plan = |builder: Builder| {
        let builder = wrong_clock(builder.config(CONFIG), "api-0", &fast);
        wrong_clock(builder, "api-1", &slow)
    };
    let town = Town::begin("R17 accounts", FAULTS, plan).await;
    town.cache_is_used().await;
    let owner = town.owner();
    let good = town.token(0, &owner, &["jobs:read"]).await;
    let (person, leaver) = (basic_person(&town).await, town.person("user").await);
    let ending = town.token(1, &owner, &["jobs:read"]).await;
    let moment = unix_ms() + 5_000;
    end_at(&town, &ending, moment).await;
    let text = format!(
        "UPDATE sessions SET expires_at = {moment} WHERE user_id = '{}'",
        leaver.id.0
    );
    town.sql.query(&text).await;
    let ends = [ending.proof, leaver.session].map(|proof| {
        let clients = town.clients.clone();
        tokio::spawn(watch_end(clients, proof))
    });
    let rate = hurry(&town.clients, &person.session, Duration::from_secs(sized(5, 30))).await;
    // The fast one seals with the new key an hour early, the slow one an hour late.
    town.fleet.run(&["secret", "rotate", "--grace", "60s"]);
    let proofs = [good.proof, owner.clone(), person.session];
    let (valid, refused, keys) = make_and_use(&town, &owner, &proofs).await;
    let mut ended = Vec::new();
    for end in ends {
        ended.push(end.await.expect("it ends"));
    }
    let late = ended.iter().map(|(last, _)| last - moment).max().unwrap_or(0);
    let early = ended.iter().map(|(_, first)| moment - first).max().unwrap_or(0);
    let off = town
        .fleet
        .apis
        .iter()
        .filter(|api| is_hours_off(&api.log()))
        .count();
    println!(
        "R17 accounts: clocks an hour off {off} of 2: valid refused {refused} of {valid}, sealed by {keys} keys at once; expired \
         taken for {} ms, refused {} ms early; rate {:.2} of what is allowed ({} of {} asked)",
        late.max(0),
        early.max(0),
        rate.let_through as f64 / rate.allowed(),
        rate.let_through,
        rate.asked,
    );
    assert_eq!((off, refused, keys), (2, 0, 2));
    assert!(late <= CACHED && early <= 0, "{late} ms late, {early} ms early");
    assert!((0.7 * rate.allowed()..=rate.allowed()).contains(&(rate.let_through as f64)));
}
