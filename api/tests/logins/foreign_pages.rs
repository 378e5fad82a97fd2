//! S10 with a session that is good: what pages of other sites make a browser send with its cookie, over real
//! sockets. What the router says without one stands in `browsers`.

use reqwest::{
    Method,
    header::{HeaderName, HeaderValue},
};
use serde_json::{Value, json};

use crate::world::{Answer, Browser, World};

const OWN: &str = "https://ai.example.org";
const LISTED: &str = "https://app.example.org";

/// Origins that are neither ours nor quite the listed one, and the listed one: cookies are not for it either.
const ORIGINS: [&[u8]; 12] = [
    b"null",
    b"",
    b"https://evil.example",
    b"https://ai.example.org.evil.example",
    b"https://evil-ai.example.org",
    b"https://evil.ai.example.org",
    b"https://ai.example.org:8443",
    b"https://ai.example.org/",
    b"https://ai.example.org, https://evil.example",
    b"http://ai.example.org",
    b"https://ai.example.org\xff",
    LISTED.as_bytes(),
];

/// What a page might want done, or read.
fn wishes() -> Vec<(Method, &'static str, Option<Value>)> {
    let job = json!({"model": "echo", "input": {}});
    let token = json!({"name": "theirs", "scopes": ["jobs:read"]});
    let passwords =
        json!({"current_password": "nine copper lanterns", "new_password": "one tin whistle and two"});
    vec![
        (Method::POST, "/v1/jobs", Some(job)),
        (Method::POST, "/v1/tokens", Some(token)),
        (
            Method::PATCH,
            "/v1/account",
            Some(json!({"display_name": "theirs"})),
        ),
        (Method::POST, "/v1/account/password", Some(passwords)),
        (Method::DELETE, "/v1/account", None),
        (Method::DELETE, "/v1/sessions", None),
        (Method::DELETE, "/v1/session", None),
        (Method::GET, "/v1/account", None),
        (
            Method::GET,
            "/v1/jobs/job_01ke1c2v7h8q9r0s1t2v3w4x5y/events",
            None,
        ),
    ]
}

/// Asks as a page of this origin makes a browser do.
async fn ask(
    world: &World,
    who: &Browser,
    origin: &[u8],
    (method, path, body): &(Method, &str, Option<Value>),
) -> Answer {
    let origin = HeaderValue::from_bytes(origin).expect("a value");
    let origin = (HeaderName::from_static("origin"), origin);
    world
        .ask_with(1, who, (method.clone(), path, body.as_ref()), origin)
        .await
}

#[tokio::test]
async fn a_good_cookie_does_nothing_for_pages_of_other_sites() {
    let world = World::with(|config| {
        config.server.public_url = OWN.to_owned();
        config.server.cors_origins = vec![LISTED.to_owned()];
    })
    .await;
    let ada = world.logged_in(0, "ada@example.org").await;
    let before = world.ask(0, &ada, Method::GET, "/v1/account", None).await;
    let (mut refused, mut reflected) = (0, 0);
    for origin in ORIGINS {
        for wish in wishes() {
            let name = format!("{} {} from {}", wish.0, wish.1, origin.escape_ascii());
            let answer = ask(&world, &ada, origin, &wish).await;
            assert_eq!((answer.status, answer.code()), (403, "cross_site"), "{name}");
            assert_eq!(answer.header("vary"), "Origin", "{name}");
            assert!(
                !answer.headers.contains_key("access-control-allow-credentials"),
                "{name}"
            );
            let allowed = answer.header("access-control-allow-origin");
            reflected += usize::from(!allowed.is_empty() && allowed != LISTED);
            assert!(answer.set_cookies().is_empty(), "{name}");
            refused += 1;
        }
    }
    let after = world.ask(0, &ada, Method::GET, "/v1/account", None).await;
    assert_eq!(
        (after.status, &after.body),
        (200, &before.body),
        "still logged in"
    );
    let made = world.number("SELECT (SELECT count(*) FROM jobs) + (SELECT count(*) FROM api_tokens)");
    println!(
        "S10 good cookie: {refused} of {} refused from {} origins, state changes {made}, reflected origins {reflected}",
        ORIGINS.len() * wishes().len(),
        ORIGINS.len()
    );
    assert_eq!((made, reflected), (0, 0));
    // The same from a page of ours.
    let rename = (Method::PATCH, "/v1/account", Some(json!({"display_name": "Ada"})));
    assert_eq!(ask(&world, &ada, OWN.as_bytes(), &rename).await.status, 200);
}
