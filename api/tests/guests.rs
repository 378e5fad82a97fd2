//! Guests: who has no account may try public models, sees only their own jobs, and counts by network.

mod support;

use lamplighter_shared::db::{people, users};
use poem::http::{Method, StatusCode};
use serde_json::{Value, json};
use support::{Read, World, send};

const CATALOG_HAS: &str = "minilm";

async fn world() -> World {
    World::with(|config| {
        config.models.public = vec!["echo".to_owned()];
        config.plans.get_mut("guest").expect("a plan").burst = 1000;
    })
    .await
}

/// Asks without a token, with this cookie.
async fn ask(world: &World, call: (Method, &str), body: Option<&Value>, cookie: &str) -> Read {
    let mut request = poem::Request::builder().method(call.0).uri_str(call.1);
    if !cookie.is_empty() {
        request = request.header("cookie", cookie);
    }
    if body.is_some() {
        request = request.content_type("application/json");
    }
    let request = request.body(body.map(Value::to_string).unwrap_or_default());
    send(world.api(), request).await
}

async fn submit(world: &World, model: &str, who: &str) -> Read {
    let body = json!({"model": model, "input": {}});
    ask(world, (Method::POST, "/v1/jobs"), Some(&body), who).await
}

/// `NAME=VALUE` of the cookie that an answer sets.
fn cookie(read: &Read) -> String {
    let set = read.header("set-cookie");
    set.split(';').next().unwrap_or_default().to_owned()
}

fn job(read: &Read) -> String {
    assert_eq!(read.status, StatusCode::ACCEPTED, "{}", read.text);
    format!("/v1/jobs/{}", read.json()["id"].as_str().expect("an id"))
}

#[tokio::test]
async fn each_guest_has_their_own_jobs_and_nobody_else_s() {
    let world = world().await;
    let first = submit(&world, "echo", "").await;
    let set = first.header("set-cookie");
    assert!(
        set.starts_with("guest=v4.local.") && set.contains("; HttpOnly; SameSite=Lax; Max-Age=2592000"),
        "{set}"
    );
    let (one, path) = (cookie(&first), job(&first));
    let second = submit(&world, "echo", "").await;
    let two = cookie(&second);
    assert_ne!(one, two);
    // The cookie is kept, and with it the user.
    let again = submit(&world, "echo", &one).await;
    assert_eq!(again.header("set-cookie"), "");
    for (who, seen) in [(&one, 2), (&two, 1)] {
        let list = ask(&world, (Method::GET, "/v1/jobs"), None, who).await;
        assert_eq!(list.json()["data"].as_array().map(Vec::len), Some(seen));
    }
    let mut foreign = 0;
    for (method, path) in [
        (Method::GET, path.clone()),
        (Method::GET, format!("{path}/events")),
        (Method::POST, format!("{path}/cancel")),
        (Method::POST, format!("{path}/retry")),
        (Method::DELETE, path.clone()),
    ] {
        let read = ask(&world, (method.clone(), &path), None, &two).await;
        assert_eq!(read.status, StatusCode::NOT_FOUND, "{method} {path}");
        let anonymous = ask(&world, (method.clone(), &path), None, "").await;
        assert_eq!(anonymous.status, StatusCode::UNAUTHORIZED, "{method} {path}");
        foreign += 2;
    }
    let own = ask(&world, (Method::GET, &path), None, &one).await;
    assert_eq!(own.status, StatusCode::OK);
    let list = ask(&world, (Method::GET, "/v1/jobs"), None, "").await;
    assert_eq!(list.status, StatusCode::UNAUTHORIZED);
    println!("guests: 2 with 3 jobs, {foreign} foreign requests let in 0");
}

#[tokio::test]
async fn public_models_only_and_nothing_of_an_account() {
    let world = world().await;
    let list = ask(&world, (Method::GET, "/v1/models"), None, "").await;
    assert_eq!(list.status, StatusCode::OK, "{}", list.text);
    let names: Vec<Value> = list.json()["data"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|model| model["id"].clone())
        .collect();
    assert_eq!(names, ["echo"]);
    assert_eq!(list.json()["data"][0]["public"], true);
    let hidden = format!("/v1/models/{CATALOG_HAS}");
    for (call, status) in [
        ((Method::GET, "/v1/models/echo"), StatusCode::OK),
        ((Method::GET, hidden.as_str()), StatusCode::NOT_FOUND),
        ((Method::GET, "/v1/workers"), StatusCode::UNAUTHORIZED),
        ((Method::GET, "/v1/queues"), StatusCode::UNAUTHORIZED),
    ] {
        let read = ask(&world, call.clone(), None, "").await;
        assert_eq!(read.status, status, "{call:?}: {}", read.text);
    }
    let own = submit(&world, "echo", "").await;
    for who in ["", &cookie(&own)] {
        let read = ask(
            &world,
            (Method::POST, "/v1/jobs"),
            Some(&json!({"model": CATALOG_HAS, "input": {"text": "a"}})),
            who,
        )
        .await;
        assert_eq!(read.status, StatusCode::UNAUTHORIZED, "{}", read.text);
        assert!(read.header("www-authenticate").starts_with("Bearer"));
        let workers = ask(&world, (Method::GET, "/v1/workers"), None, who).await;
        assert_eq!(workers.status, StatusCode::UNAUTHORIZED);
    }
    // A token still lists all, and says which are public.
    let all = world.get("/v1/models").await.json();
    assert!(all["data"].as_array().is_some_and(|models| models.len() > 1));
}

#[tokio::test]
async fn where_no_model_is_public_everything_is_as_without_guests() {
    let world = World::new().await;
    for call in [
        (Method::GET, "/v1/models"),
        (Method::GET, "/v1/models/echo"),
        (Method::GET, "/v1/jobs"),
    ] {
        let read = ask(&world, call, None, "guest=x").await;
        assert_eq!(read.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(submit(&world, "echo", "").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn no_altered_cookie_is_anybody() {
    let world = world().await;
    let own = submit(&world, "echo", "").await;
    let (good, path) = (cookie(&own), job(&own));
    let sealed = good.strip_prefix("guest=").expect("a cookie").to_owned();
    let mut mutants: Vec<String> = (0..sealed.len() * 8)
        .map(|n| {
            let mut bytes = sealed.clone().into_bytes();
            bytes[n / 8] = [b'A', b'b', b'7', b'-', b'_', b'.', b'x', b'0'][n % 8];
            String::from_utf8(bytes).expect("ASCII")
        })
        .filter(|mutant| *mutant != sealed)
        .collect();
    mutants.extend((1..sealed.len()).map(|cut| sealed[..cut].to_owned()));
    let claims = |issued_at: i64| json!({"user": path, "issued_at": issued_at}).to_string();
    let seal = |purpose: &str, text: &str| world.state.key.seal(purpose, text).expect("sealed");
    let now = world.state.db.now().await.expect("the time");
    let other_key = lamplighter_shared::key::Key::generate().expect("a key");
    let guest = users::create(&world.state.db, "x@example.org", users::Role::User)
        .await
        .expect("a user");
    let real = |issued_at: i64| json!({"user": guest.id.to_string(), "issued_at": issued_at}).to_string();
    mutants.push(seal("guest:v1", &claims(now)));
    mutants.push(seal("guest:v1", "{}"));
    // With the key itself: an account is no guest.
    mutants.push(seal("guest:v1", &real(now)));
    mutants.push(seal(
        "guest:v1",
        &json!({"user": world.owner.id.to_string(), "issued_at": now}).to_string(),
    ));
    mutants.push(seal("guest:v1", &real(now - 30 * 86_400_000)));
    mutants.push(seal("pat:v1", &real(now)));
    mutants.push(seal("", &real(now)));
    mutants.push(other_key.seal("guest:v1", &real(now)).expect("sealed"));
    mutants.push(world.token.clone());
    let mut accepted = 0;
    for mutant in &mutants {
        let read = ask(
            &world,
            (Method::GET, "/v1/jobs"),
            None,
            &format!("guest={mutant}"),
        )
        .await;
        accepted += usize::from(read.status != StatusCode::UNAUTHORIZED);
    }
    println!("guest cookies: {} mutants, accepted {accepted}", mutants.len());
    assert!(mutants.len() > 500 && accepted == 0);
    let read = ask(&world, (Method::GET, &path), None, &good).await;
    assert_eq!(read.status, StatusCode::OK, "the one that is right");
}

#[tokio::test]
async fn a_disabled_guest_is_a_stranger_and_there_is_nothing_else_to_change() {
    let world = world().await;
    let own = submit(&world, "echo", "").await;
    let (who, path) = (cookie(&own), job(&own));
    let admin = world.token_with(&["admin"]).await;
    let sealed = who.strip_prefix("guest=").expect("a cookie");
    let claims = world.state.key.open("guest:v1", sealed).expect("ours");
    let claims: Value = serde_json::from_str(&claims).expect("JSON");
    let id = claims["user"].as_str().expect("an id").to_owned();
    let change = async |body: Value| {
        let request = poem::Request::builder()
            .method(Method::PATCH)
            .uri_str(format!("/v1/users/{id}"))
            .header("authorization", format!("Bearer {admin}"))
            .content_type("application/json");
        send(world.api(), request.body(body.to_string())).await.status
    };
    for body in [
        json!({"role": "admin"}),
        json!({"plan": "pro"}),
        json!({"approved": true}),
    ] {
        assert_eq!(change(body.clone()).await, StatusCode::CONFLICT, "{body}");
    }
    let seen = ask(&world, (Method::GET, &path), None, &who).await;
    assert_eq!(seen.status, StatusCode::OK);
    assert_eq!(change(json!({"disabled": true})).await, StatusCode::OK);
    let seen = ask(&world, (Method::GET, &path), None, &who).await;
    assert_eq!(seen.status, StatusCode::UNAUTHORIZED);
    let again = submit(&world, "echo", &who).await;
    assert!(cookie(&again).starts_with("guest="), "somebody new");
}

/// Serves the world behind a proxy; where jobs are submitted.
async fn served(world: &World) -> (String, tokio::task::JoinHandle<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let url = format!("http://{}/v1/jobs", listener.local_addr().expect("an address"));
    let (state, lifecycle) = (world.state.clone(), world.lifecycle.clone());
    let serving = tokio::spawn(async move {
        let _ = lamplighter_api::serve(listener, state, lifecycle).await;
    });
    (url, serving)
}

/// Submits without a cookie, from this address.
async fn submit_from(url: &str, address: &str, accept: &str) -> reqwest::Response {
    let request = lamplighter_testkit::http_client().post(url);
    let request = request
        .header("x-forwarded-for", address)
        .header("accept", accept);
    let answer = request.json(&json!({"model": "echo", "input": {}})).send().await;
    answer.expect("an answer")
}

/// How many users hold jobs of guests.
async fn guests(world: &World) -> usize {
    let all = people::Search {
        status: Some(people::Status::Guest),
        limit: 1000,
        ..people::Search::default()
    };
    people::search(&world.state.db, &all).await.expect("a list").len()
}

#[tokio::test]
async fn dropping_the_cookie_gains_nothing_and_leaves_nothing() {
    let world = World::with(|config| {
        config.models.public = vec!["echo".to_owned()];
        config.server.trusted_proxies = vec!["127.0.0.1".parse().expect("an address")];
        let guest = config.plans.get_mut("guest").expect("a plan");
        (guest.requests_per_minute, guest.burst, guest.waiting) = (1, 5, 3);
    })
    .await;
    let (url, serving) = served(&world).await;
    let mut taken = Vec::new();
    for group in [
        &["198.51.100.7"][..],
        // One network has all of these.
        &["2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:2:1:2:3:4"],
        &["2001:db8:1:3::1"],
    ] {
        let (mut stored, mut refused) = (0, std::collections::BTreeMap::<String, usize>::new());
        for n in 0..20 {
            let answer = submit_from(&url, group[n % group.len()], "application/json").await;
            let status = answer.status().as_u16();
            assert!([202, 429].contains(&status), "{status}");
            if status == 202 {
                stored += 1;
            } else {
                let body: Value = answer.json().await.expect("a problem");
                let code = body["code"].as_str().unwrap_or_default();
                *refused.entry(code.to_owned()).or_default() += 1;
            }
        }
        assert_eq!(
            refused.get("quota_exceeded"),
            Some(&2),
            "let in by the rate: {refused:?}"
        );
        taken.push(stored);
    }
    serving.abort();
    let rows = guests(&world).await;
    println!(
        "guests without cookies: {taken:?} of 20 each from 3 networks, 5 at once and 3 waiting allowed; rows {rows}"
    );
    assert_eq!((taken, rows), (vec![3, 3, 3], 9));
}

#[tokio::test]
async fn streams_of_guests_count_by_network() {
    let world = World::with(|config| {
        config.models.public = vec!["echo".to_owned()];
        config.server.trusted_proxies = vec!["127.0.0.1".parse().expect("an address")];
        config.server.streams_per_owner = 2;
    })
    .await;
    let (url, serving) = served(&world).await;
    let (mut open, mut statuses) = (Vec::new(), Vec::new());
    for address in [
        "2001:db8:1:2::1",
        "2001:db8:1:2:ffff::9",
        "2001:db8:1:2::3",
        "2001:db8:1:3::1",
    ] {
        let answer = submit_from(&url, address, "text/event-stream").await;
        statuses.push(answer.status().as_u16());
        open.push(answer);
    }
    let rows = guests(&world).await;
    drop(open);
    serving.abort();
    println!("streams of guests, three from one network and two allowed: {statuses:?}; rows {rows}");
    assert_eq!((statuses, rows), (vec![200, 200, 429, 200], 3));
}

#[tokio::test]
async fn where_no_cookie_is_safe_nobody_is_a_guest() {
    let world = World::with(|config| {
        config.models.public = vec!["echo".to_owned()];
        config.server.public_url = "http://ai.example".to_owned();
    })
    .await;
    let read = submit(&world, "echo", "").await;
    assert_eq!(read.json()["code"], "insecure_connection", "{}", read.text);
}

#[tokio::test]
async fn over_https_the_cookie_is_bound_to_the_host_and_to_tls() {
    let world = World::with(|config| {
        config.models.public = vec!["echo".to_owned()];
        config.server.public_url = "https://ai.example.org".to_owned();
    })
    .await;
    let first = submit(&world, "echo", "").await;
    let set: Vec<&str> = first
        .headers
        .get_all("set-cookie")
        .iter()
        .map(|set| set.to_str().expect("text"))
        .collect();
    let [only] = set[..] else { panic!("{set:?}") };
    assert!(only.starts_with("__Host-guest=v4.local."), "{only}");
    for attribute in ["Path=/", "HttpOnly", "SameSite=Lax", "Secure"] {
        assert!(only.contains(&format!("; {attribute}")), "{only}");
    }
    assert!(!only.contains("Domain"), "{only}");
    let again = submit(&world, "echo", &cookie(&first)).await;
    assert_eq!(again.header("set-cookie"), "", "it is taken for what it is");
    let plain = cookie(&first).replace("__Host-", "");
    let other = submit(&world, "echo", &plain).await;
    assert!(
        other.header("set-cookie").starts_with("__Host-guest="),
        "{other:?}"
    );
    println!("S9 attributes: 2 cookies of guests over https, all as they should be");
}

#[tokio::test]
async fn a_stream_sets_the_cookie_too() {
    let world = world().await;
    let request = poem::Request::builder()
        .method(Method::POST)
        .uri_str("/v1/jobs")
        .content_type("application/json")
        .header("accept", "text/event-stream")
        .body(json!({"model": "echo", "input": {}}).to_string());
    use poem::Endpoint;
    let response = world.api().get_response(request).await;
    assert_eq!(response.status(), StatusCode::OK);
    let set = response.headers().get("set-cookie").expect("a cookie");
    assert!(set.to_str().is_ok_and(|set| set.starts_with("guest=")));
}
