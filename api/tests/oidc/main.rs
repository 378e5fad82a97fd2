//! Logins at an issuer of OpenID Connect, against one on this machine: who gets in, and all that must not.

mod browser;
mod issuer;
#[path = "../support/mod.rs"]
mod support;

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use lamplighter_shared::{
    cache::{Redis, RedisCache},
    config::{OidcProvider, Registration},
    db::{
        Db, identities,
        tasks::{self, TaskKind},
        users,
    },
};
use lamplighter_testkit::{postgres::Postgres, redis};
use poem::{
    Request,
    http::{Method, StatusCode},
};
use serde_json::json;

use browser::{Browser, HOME, ready};
use issuer::{CLIENT, FORGED, Issuer, SECRET, Twist};
use support::{Read, World, send};

const START: &str = "/v1/session/oidc/one";

/// An API with two issuers, `one` and `two`.
struct Place {
    world: World,
    one: Issuer,
    two: Issuer,
    _secret: tempfile::NamedTempFile,
}

impl Place {
    async fn new(registration: Registration) -> Self {
        Self::at(registration, HOME).await
    }

    /// The same where people reach it at this address.
    async fn at(registration: Registration, home: &str) -> Self {
        ready();
        let (one, two) = (Issuer::start().await, Issuer::start().await);
        let secret = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(secret.path(), format!("{SECRET}\n")).expect("written");
        let provider = |id: &str, name: &str, issuer: &Issuer| OidcProvider {
            id: id.to_owned(),
            name: name.to_owned(),
            issuer: issuer.address.clone(),
            client_id: CLIENT.to_owned(),
            client_secret_file: secret.path().to_owned(),
            scopes: vec!["email".to_owned(), "profile".to_owned()],
        };
        let world = World::with(|config| {
            config.server.public_url = home.to_owned();
            config.accounts.registration = registration;
            config.accounts.login_burst = 1000;
            config.oidc = vec![provider("one", "The One", &one), provider("two", "", &two)];
        })
        .await;
        Self {
            world,
            one,
            two,
            _secret: secret,
        }
    }

    async fn user(&self, email: &str) -> Option<users::User> {
        users::by_email(&self.world.state.db, email).await.expect("read")
    }
}

fn error_of(read: &Read) -> &str {
    assert_eq!(read.status, StatusCode::SEE_OTHER, "{}", read.text);
    let place = read.header("location");
    place
        .strip_prefix("/login#error=")
        .unwrap_or_else(|| panic!("no failure: {place}"))
}

#[tokio::test]
async fn people_log_in_at_an_issuer() {
    let place = Place::new(Registration::Open).await;
    let (world, one) = (&place.world, &place.one);
    let mut browser = Browser::default();
    let providers = browser.get(world, "/v1/session/providers").await.json();
    let expected = json!([{"id": "one", "name": "The One"}, {"id": "two", "name": "two"}]);
    assert_eq!(providers["data"], expected);

    one.person("77", "Ada@Example.org", true);
    let start = format!("{START}?return_to=/playground%3Fmodel=echo");
    let done = browser.login(world, &start).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text);
    assert_eq!(done.header("location"), "/playground?model=echo");
    assert!(
        !browser.cookies.contains_key("oidc"),
        "it was good for one callback"
    );
    assert_eq!(browser.whoami(world).await.as_deref(), Some("ada@example.org"));
    let user = place.user("ada@example.org").await.expect("a user");
    assert_eq!(user.display_name, "Ada Lovelace");
    assert_eq!((user.password_hash, user.plan.as_str()), (None, "basic"));
    assert!(user.verified_at.is_some() && user.approved_at.is_some());
    let linked = identities::of_user(&world.state.db, user.id).await.expect("read");
    assert_eq!((linked.len(), linked[0].subject.as_str()), (1, "77"));

    // The address may change, and even go to somebody else: the issuer's name for a person does not.
    one.person("77", "countess@example.org", false);
    let mut elsewhere = Browser::default();
    elsewhere.login(world, START).await;
    assert_eq!(elsewhere.whoami(world).await.as_deref(), Some("ada@example.org"));
    assert_eq!(one.discoveries.load(Ordering::Relaxed), 1, "read once");

    // Another kind of key, which the document tells of by now.
    one.set(|settings| settings.twist = Twist::NewKey);
    let mut later = Browser::default();
    later.login(world, START).await;
    assert_eq!(later.whoami(world).await.as_deref(), Some("ada@example.org"));
    assert_eq!(
        one.discoveries.load(Ordering::Relaxed),
        2,
        "and when a key is not known"
    );

    // One that takes the secret otherwise, and tells of addresses only on demand.
    place.two.set(|settings| {
        settings.secret_in_body = true;
        settings.person = json!({"sub": "5"});
        settings.on_demand = json!({"sub": "5", "email": "grace@example.org", "email_verified": true});
    });
    let mut grace = Browser::default();
    grace.login(world, "/v1/session/oidc/two").await;
    assert_eq!(grace.whoami(world).await.as_deref(), Some("grace@example.org"));
}

#[tokio::test]
async fn over_https_every_cookie_is_bound_to_the_host_and_to_tls() {
    let place = Place::at(Registration::Open, "https://ai.example.org").await;
    let (world, mut browser) = (&place.world, Browser::default());
    place.one.person("1", "ada@example.org", true);
    let done = browser.login(world, START).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text);
    let names: Vec<&String> = browser.cookies.keys().collect();
    assert_eq!(
        names,
        ["__Host-device", "__Host-sid"],
        "that of the login is gone"
    );
    assert_eq!(browser.whoami(world).await.as_deref(), Some("ada@example.org"));
    println!(
        "S9 attributes: {} cookies of a login at an issuer over https, all as they should be",
        browser.set
    );
    assert_eq!(browser.set, 4, "set, taken away, the session, and the device");
}

#[tokio::test]
async fn what_proves_nothing_lets_nobody_in() {
    let place = Place::new(Registration::Open).await;
    let world = &place.world;
    place.one.person("1", "victim@example.org", true);
    let mut taken = Vec::new();
    for twist in FORGED {
        place.one.set(|settings| settings.twist = twist);
        let mut browser = Browser::default();
        let done = browser.login(world, START).await;
        if done.header("location") != "/login#error=proof_invalid" || browser.cookies.contains_key("sid") {
            taken.push((twist, done.header("location").to_owned()));
        }
    }
    println!(
        "S6 oidc: forged answers of an issuer that were taken: {} of {}",
        taken.len(),
        FORGED.len()
    );
    assert_eq!(taken, []);
    assert_eq!(place.user("victim@example.org").await, None);
    // The same issuer, honest again.
    place.one.set(|settings| settings.twist = Twist::Honest);
    let mut browser = Browser::default();
    browser.login(world, START).await;
    assert_eq!(browser.whoami(world).await.as_deref(), Some("victim@example.org"));
}

#[tokio::test]
async fn a_callback_is_good_once_for_one_browser_and_one_issuer() {
    let place = Place::new(Registration::Open).await;
    let world = &place.world;
    place.one.person("1", "a@example.org", true);
    let mut refused = 0;
    let mut check = |what: &str, read: &Read| {
        assert_eq!(error_of(read), "proof_invalid", "{what}");
        refused += 1;
    };
    let mut browser = Browser::default();
    let callback = browser.reach_callback(world, START).await;
    check(
        "of another browser",
        &Browser::default().get(world, &callback).await,
    );
    let mut other = Browser::default();
    other.reach_callback(world, START).await;
    check(
        "of a browser with a login of its own",
        &other.get(world, &callback).await,
    );
    let mixed = callback.replace("/oidc/one/", "/oidc/two/");
    check("at another provider", &browser.clone().get(world, &mixed).await);
    for (what, strange) in [
        ("another state", callback.replace("state=", "state=x")),
        (
            "no state",
            callback.split("&state=").next().expect("text").to_owned(),
        ),
        ("another code", callback.replace("code=", "code=x")),
        ("no code", callback.replace("code=", "nocode=")),
        ("another issuer", format!("{callback}&iss=https://issuer.example")),
        ("a refusal", format!("{callback}&error=access_denied")),
        ("a refusal with words", format!("{callback}&error=%3Cscript%3E")),
    ] {
        check(what, &browser.clone().get(world, &strange).await);
    }
    let mut stolen = browser.clone();
    assert_eq!(browser.get(world, &callback).await.header("location"), "/");
    check("again", &browser.get(world, &callback).await);
    check(
        "again, with the cookie of before",
        &stolen.get(world, &callback).await,
    );
    println!("S6 oidc: callbacks that were not the browser's, refused: {refused} of 12");
    assert_eq!(refused, 12);
    assert_eq!(browser.whoami(world).await.as_deref(), Some("a@example.org"));

    let mut program = Browser {
        wants_json: true,
        ..Browser::default()
    };
    let problem = program.get(world, &callback).await;
    assert_eq!(problem.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(problem.json()["code"], "proof_invalid");
    let unknown = program.get(world, "/v1/session/oidc/three").await;
    assert_eq!(
        (unknown.status, unknown.json()["code"].as_str()),
        (StatusCode::NOT_FOUND, Some("not_found"))
    );
}

#[tokio::test]
async fn nobody_is_led_away() {
    let place = Place::new(Registration::Open).await;
    let mut program = Browser {
        wants_json: true,
        ..Browser::default()
    };
    let bad = [
        "//evil.example",
        "/%5Cevil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "/%09/evil.example",
        "/%0d%0aset-cookie:a=b",
        "evil.example",
        "",
    ];
    let mut led = 0;
    for path in bad {
        let read = program
            .get(&place.world, &format!("{START}?return_to={path}"))
            .await;
        led += u32::from(read.status != StatusCode::BAD_REQUEST);
    }
    println!(
        "S10 oidc: addresses elsewhere that a login would have led to: {led} of {}",
        bad.len()
    );
    assert_eq!(led, 0);
}

#[tokio::test]
async fn registration_and_the_issuer_s_word_decide_about_strangers() {
    for (registration, verified, expected) in [
        (Registration::Open, false, "email_not_verified"),
        (Registration::Approval, true, "approval_pending"),
        (Registration::Invite, true, "registration_closed"),
        (Registration::Closed, true, "registration_closed"),
    ] {
        let place = Place::new(registration).await;
        place.one.person("1", "new@example.org", verified);
        let mut browser = Browser::default();
        // The second time it is no stranger any more, but still not let in.
        for _ in 0..2 {
            let done = browser.login(&place.world, START).await;
            assert_eq!(error_of(&done), expected, "{registration:?}");
            assert_eq!(browser.whoami(&place.world).await, None);
        }
        let made = place.user("new@example.org").await.is_some();
        assert_eq!(made, registration == Registration::Approval, "{registration:?}");
    }
}

/// Who registered somebody's address, and never showed that it was theirs, has nothing of it once its owner comes: not
/// even a token that a node remembers.
#[tokio::test]
async fn nothing_of_before_opens_an_account_that_its_owner_took_over() {
    let (database, url) = Postgres::shared().create_database();
    let db = Db::connect(&url).await.expect("a database");
    db.migrate().await.expect("migrated");
    let mut place = Place::new(Registration::Open).await;
    // Nodes remember what they looked up where Postgres and Redis are.
    let settings = place.world.state.config.clone();
    place.world = World::on_with(db, |config| {
        config.server.public_url.clone_from(&settings.server.public_url);
        config.oidc.clone_from(&settings.oidc);
    })
    .await;
    let redis = redis::Redis::start();
    let link = Redis::connect(&redis.url()).expect("an address");
    assert!(link.connected_within(Duration::from_secs(10)).await);
    let cache = RedisCache::with_quarantine(&link, Duration::ZERO);
    place.world.remembered_by(Arc::new(cache));
    let body = json!({"email": "ada@example.org", "password": "nine sly foxes wait outside"});
    let request = Request::builder()
        .method(Method::POST)
        .uri_str("/v1/account/register")
        .content_type("application/json")
        .body(body.to_string());
    assert_eq!(
        send(place.world.api(), request).await.status,
        StatusCode::ACCEPTED
    );
    place.world.owner = place.user("ada@example.org").await.expect("a user");
    let world = &place.world;
    let text = world.token_with(&["jobs:read"]).await;
    let ask = async || {
        let request = Request::builder().method(Method::GET).uri_str("/v1/token");
        let request = request.header("authorization", format!("Bearer {text}"));
        send(world.api(), request.finish()).await.status.as_u16()
    };
    let verified = |at: &str| {
        let sql = format!("UPDATE users SET verified_at = {at} WHERE email = 'ada@example.org'");
        Postgres::shared().query(&database, &sql);
    };
    // A token is looked up only while its user may use it; here one was, and a node remembers.
    verified("1");
    assert_eq!((ask().await, ask().await), (200, 200), "it is remembered");
    verified("NULL");
    place.one.person("1", "ada@example.org", true);
    let mut browser = Browser::default();
    browser.login(world, START).await;
    assert_eq!(browser.whoami(world).await.as_deref(), Some("ada@example.org"));
    let after = ask().await;
    println!("S7 a token of before an account was taken over, right afterwards: {after}");
    assert_eq!(after, 401);
}

/// Whoever holds the second login must hold the first one, too.
#[tokio::test]
async fn a_second_login_is_linked_by_the_first_and_never_by_an_address() {
    let place = Place::new(Registration::Open).await;
    let world = &place.world;
    let mut browser = Browser::default();
    place.one.person("1", "ada@example.org", true);
    browser.login(world, START).await;
    place.two.person("2", "ada@example.org", true);
    const TWO: &str = "/v1/session/oidc/two";
    const LINK: &str = "/v1/session/oidc/two?link=true&return_to=/account";

    let mut thief = Browser::default();
    assert_eq!(error_of(&thief.login(world, TWO).await), "link_required");
    assert_eq!(
        error_of(&browser.clone().login(world, TWO).await),
        "link_required",
        "though logged in"
    );
    // A page of another site leads the browser there, where somebody else is logged in.
    for site in [None, Some("cross-site"), Some("same-site"), Some("none")] {
        browser.site = site;
        let read = browser.get(world, LINK).await;
        let refused = read.status == StatusCode::FORBIDDEN || error_of(&read) == "cross_site";
        assert!(refused, "{site:?}: {}", read.text);
    }
    thief.site = Some("same-origin");
    assert_eq!(error_of(&thief.get(world, LINK).await), "unauthorized");
    browser.site = Some("same-origin");
    let callback = browser.reach_callback(world, LINK).await;
    let mut logged_out = browser.clone();
    logged_out.cookies.remove("sid");
    assert_eq!(error_of(&logged_out.get(world, &callback).await), "unauthorized");
    let mut swapped = browser.clone();
    place.two.person("3", "eve@example.org", true);
    let mut eve = Browser::default();
    eve.login(world, TWO).await;
    swapped
        .cookies
        .insert("sid".to_owned(), eve.cookies["sid"].clone());
    assert_eq!(error_of(&swapped.get(world, &callback).await), "proof_invalid");
    // Eve's login can't become Ada's, too.
    assert_eq!(error_of(&browser.clone().login(world, LINK).await), "conflict");

    place.two.person("2", "ada@example.org", true);
    let done = browser.login(world, LINK).await;
    assert_eq!(done.header("location"), "/account", "{}", done.text);
    let mut second = Browser::default();
    second.login(world, TWO).await;
    assert_eq!(second.whoami(world).await.as_deref(), Some("ada@example.org"));
    println!("oidc: accounts that a second login opened without the first: 0 of 9 tries");
}

#[tokio::test]
async fn an_issuer_that_is_away_is_tried_again() {
    let place = Place::new(Registration::Open).await;
    let world = &place.world;
    place.one.set(|settings| settings.down = true);
    place.one.person("1", "a@example.org", true);
    let mut program = Browser {
        wants_json: true,
        ..Browser::default()
    };
    let away = program.get(world, START).await;
    assert_eq!(away.status, StatusCode::SERVICE_UNAVAILABLE, "{}", away.text);
    assert_eq!(
        (away.json()["code"].as_str(), away.header("retry-after")),
        (Some("unavailable"), "5")
    );
    let mut browser = Browser::default();
    assert_eq!(error_of(&browser.get(world, START).await), "unavailable");
    // The other one does not mind.
    place.two.person("1", "b@example.org", true);
    browser.login(world, "/v1/session/oidc/two").await;
    assert_eq!(browser.whoami(world).await.as_deref(), Some("b@example.org"));

    place.one.set(|settings| settings.down = false);
    let began = Instant::now();
    let mut browser = Browser::default();
    while browser
        .get(world, START)
        .await
        .header("location")
        .starts_with("/login")
    {
        assert!(began.elapsed() < Duration::from_secs(15), "it is back");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    browser.login(world, START).await;
    assert_eq!(browser.whoami(world).await.as_deref(), Some("a@example.org"));
    println!(
        "oidc: an issuer that came back was used after {:?}",
        began.elapsed()
    );

    // Away between the two steps: nobody is let in, and nothing is lost.
    let callback = browser.reach_callback(world, START).await;
    place.one.set(|settings| settings.down = true);
    assert_eq!(error_of(&browser.get(world, &callback).await), "unavailable");
    assert_eq!(browser.whoami(world).await.as_deref(), Some("a@example.org"));
}

#[tokio::test]
async fn a_linked_login_is_taken_away_but_never_the_last_way_in() {
    let place = Place::new(Registration::Open).await;
    let world = &place.world;
    place.one.person("1", "ada@example.org", true);
    place.two.person("2", "ada@elsewhere.example", true);
    let mut ada = Browser {
        site: Some("same-origin"),
        ..Browser::default()
    };
    ada.login(world, START).await;
    let linked = ada
        .login(world, "/v1/session/oidc/two?link=true&return_to=/account")
        .await;
    assert_eq!(linked.header("location"), "/account");
    let identities = async |browser: &mut Browser| {
        let account = browser.get(world, "/v1/account").await.json();
        let list = account["identities"].as_array().expect("a list").clone();
        let id = |identity: &serde_json::Value| identity["id"].as_str().expect("an id").to_owned();
        list.iter().map(id).collect::<Vec<_>>()
    };
    let path = |id: &str| format!("/v1/account/identities/{id}");
    let own = identities(&mut ada).await;
    assert_eq!(own.len(), 2, "{own:?}");
    assert!(
        own.iter().all(|id| id.starts_with("idn_") && id.len() == 36),
        "{own:?}"
    );

    // Another session of hers, and somebody else's.
    let mut elsewhere = Browser::default();
    elsewhere.login(world, START).await;
    let mut eve = Browser {
        site: Some("same-origin"),
        ..Browser::default()
    };
    place.one.person("9", "eve@example.org", true);
    eve.login(world, START).await;
    for id in [own[0].as_str(), "idn_x", "%2e"] {
        let refused = eve.ask(world, Method::DELETE, &path(id)).await;
        assert_eq!(refused.status, StatusCode::NOT_FOUND, "{id}: {}", refused.text);
    }

    let taken = ada.ask(world, Method::DELETE, &path(&own[1])).await;
    assert_eq!(taken.status, StatusCode::NO_CONTENT, "{}", taken.text);
    assert_eq!(identities(&mut ada).await, [own[0].clone()]);
    assert_eq!(elsewhere.whoami(world).await, None, "other sessions ended");
    let last = ada.ask(world, Method::DELETE, &path(&own[0])).await;
    assert_eq!(last.status, StatusCode::CONFLICT, "{}", last.text);
    assert!(
        last.text.contains("password"),
        "it says what to do: {}",
        last.text
    );
    assert_eq!(identities(&mut ada).await, [own[0].clone()]);
    // Who logs in there now is somebody without an account here.
    let mut other = Browser::default();
    other.login(world, "/v1/session/oidc/two").await;
    assert_eq!(
        other.whoami(world).await.as_deref(),
        Some("ada@elsewhere.example")
    );
    let mails = tasks::open(&world.state.db, TaskKind::Mail, 100)
        .await
        .expect("tasks");
    let told = mails
        .iter()
        .filter(|(_, payload)| payload.contains("login_unlinked"));
    assert_eq!(told.count(), 1);
}
