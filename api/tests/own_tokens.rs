//! `/v1/tokens` and `/v1/token`: what owners do with their tokens, and what a token may hand on.

mod support;

use std::time::Duration;

use lamplighter_api::auth::token::{self, NewApiToken};
use lamplighter_shared::db::{finish::Outcome, users};
use poem::http::{Method, StatusCode};
use serde_json::{Value, json};
use support::{Read, World, send};

const ALL: [&str; 5] = [
    "jobs:write",
    "jobs:read",
    "models:read",
    "account:read",
    "tokens:write",
];

async fn ask(world: &World, token: &str, method: Method, path: &str, body: Option<&Value>) -> Read {
    let request = poem::Request::builder()
        .method(method)
        .uri_str(path)
        .header("authorization", format!("Bearer {token}"));
    let request = match body {
        Some(body) => request.content_type("application/json").body(body.to_string()),
        None => request.finish(),
    };
    send(world.api(), request).await
}

async fn create(world: &World, token: &str, body: &Value) -> Read {
    ask(world, token, Method::POST, "/v1/tokens", Some(body)).await
}

async fn own(world: &World, token: &str) -> Read {
    ask(world, token, Method::GET, "/v1/token", None).await
}

/// A token of the other user, who is no admin.
async fn of_other(world: &World) -> String {
    let user = users::by_email(&world.state.db, "other@example.org").await;
    let new = NewApiToken {
        user: user.expect("an answer").expect("a user").id,
        name: "test".to_owned(),
        scopes: ALL.map(str::to_owned).to_vec(),
        expires_in: Duration::from_secs(3600),
        models: None,
    };
    token::create(&world.state.db, &world.state.key, new)
        .await
        .expect("a token")
}

fn text(read: &Read, field: &str) -> String {
    read.json()[field].as_str().expect(field).to_owned()
}

fn faults(read: &Read) -> Vec<(String, String)> {
    let errors = read.json()["errors"].as_array().cloned().unwrap_or_default();
    let word = |error: &Value, field: &str| error[field].as_str().unwrap_or_default().to_owned();
    errors
        .iter()
        .map(|e| (word(e, "pointer"), word(e, "code")))
        .collect()
}

#[tokio::test]
async fn a_token_is_made_shown_once_listed_revoked_and_deleted() {
    let world = World::new().await;
    let root = world.token_with(&ALL).await;
    let body = json!({"name": "batch", "scopes": ["account:read", "jobs:read"], "models": ["echo"], "expires_in_seconds": 600});
    let made = create(&world, &root, &body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    assert_eq!(made.header("cache-control"), "no-store");
    let (token, id) = (text(&made, "token"), text(&made, "id"));
    let seen = own(&world, &token).await.json();
    assert_eq!(
        (
            &seen["id"],
            &seen["name"],
            &seen["scopes"],
            &seen["models"],
            &seen["user"]
        ),
        (
            &json!(id),
            &json!("batch"),
            &body["scopes"],
            &body["models"],
            &json!(world.owner.id.to_string())
        )
    );
    let path = format!("/v1/tokens/{id}");
    let get = ask(&world, &token, Method::GET, &path, None).await;
    assert_eq!(
        (get.json()["status"].as_str(), get.json().get("token")),
        (Some("active"), None)
    );
    assert_eq!(get.json()["last4"].as_str(), token.get(token.len() - 4..));
    let list = ask(&world, &token, Method::GET, "/v1/tokens?limit=1", None)
        .await
        .json();
    assert_eq!(list["data"][0]["id"], json!(id));
    assert!(list["next_cursor"].is_string() && !list.to_string().contains(&token));
    for _ in 0..2 {
        let revoked = ask(&world, &root, Method::POST, &format!("{path}/revoke"), None).await;
        assert_eq!(
            (revoked.status, revoked.text.as_str()),
            (StatusCode::NO_CONTENT, "")
        );
        assert_eq!(own(&world, &token).await.status, StatusCode::UNAUTHORIZED);
    }
    let get = ask(&world, &root, Method::GET, &path, None).await.json();
    assert!(
        get["status"] == "revoked" && get["revoked_at"].is_string(),
        "{get}"
    );
    let deleted = ask(&world, &root, Method::DELETE, &path, None).await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    let again = ask(&world, &root, Method::DELETE, &path, None).await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn bodies_that_do_not_fit_are_refused_with_pointers() {
    let world = World::new().await;
    // Of the owner, who is an admin; the token itself is not one of the scope admin.
    let root = world.token_with(&ALL).await;
    for (body, fault) in [
        (json!({"scopes": ["jobs:read"]}), ("/name", "required")),
        (json!({"name": "a", "scopes": []}), ("/scopes", "too_few")),
        (
            json!({"name": "a", "scopes": ["jobs:all"]}),
            ("/scopes/0", "not_allowed"),
        ),
        (
            json!({"name": "a", "scopes": ["jobs:read", "admin"]}),
            ("/scopes/1", "not_allowed"),
        ),
        (
            json!({"name": "a\u{7}", "scopes": ["jobs:read"]}),
            ("/name", "not_allowed"),
        ),
        (
            json!({"name": "a", "scopes": ["jobs:read"], "models": ["none"]}),
            ("/models/0", "unknown_model"),
        ),
        (
            json!({"name": "a", "scopes": ["jobs:read"], "models": []}),
            ("/models", "too_few"),
        ),
        (
            json!({"name": "a", "scopes": ["jobs:read"], "role": "admin"}),
            ("/role", "unknown_field"),
        ),
        (
            json!({"name": "a", "scopes": ["jobs:read"], "expires_in_seconds": 599}),
            ("/expires_in_seconds", "too_small"),
        ),
        (
            json!({"name": "a", "scopes": ["jobs:read"], "expires_in_seconds": 31_622_401}),
            ("/expires_in_seconds", "too_large"),
        ),
        // A token of an hour makes none of two.
        (
            json!({"name": "a", "scopes": ["jobs:read"], "expires_in_seconds": 7200}),
            ("/expires_in_seconds", "too_large"),
        ),
    ] {
        let read = create(&world, &root, &body).await;
        assert_eq!(read.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert_eq!(
            faults(&read),
            [(fault.0.to_owned(), fault.1.to_owned())],
            "{body}"
        );
    }
}

#[tokio::test]
async fn a_token_hands_on_no_more_than_it_may() {
    let world = World::new().await;
    let root = world.token_with(&ALL).await;
    let narrow = json!({"name": "narrow", "scopes": ["tokens:write", "jobs:read"], "models": ["echo"], "expires_in_seconds": 1200});
    let narrow = text(&create(&world, &root, &narrow).await, "token");
    for (body, pointer) in [
        (json!({"name": "a", "scopes": ["jobs:write"]}), "/scopes/0"),
        (
            json!({"name": "a", "scopes": ["jobs:read"], "models": ["minilm"]}),
            "/models/0",
        ),
    ] {
        let read = create(&world, &narrow, &body).await;
        assert_eq!(
            faults(&read),
            [(pointer.to_owned(), "not_allowed".to_owned())],
            "{}",
            read.text
        );
    }
    let child = create(
        &world,
        &narrow,
        &json!({"name": "child", "scopes": ["jobs:read"]}),
    )
    .await
    .json();
    assert_eq!(child["models"], json!(["echo"]), "its maker's");
    assert!(child["expires_at"].as_str() <= own(&world, &narrow).await.json()["expires_at"].as_str());
    // It can neither take over nor end one that may do more, but itself.
    let wide = create(&world, &root, &json!({"name": "wide", "scopes": ["jobs:write"]})).await;
    let path = format!("/v1/tokens/{}", text(&wide, "id"));
    for (method, path, body) in [
        (Method::POST, format!("{path}/rotate"), Some(json!({}))),
        (Method::POST, format!("{path}/revoke"), None),
        (Method::DELETE, path.clone(), None),
    ] {
        let read = ask(&world, &narrow, method, &path, body.as_ref()).await;
        assert_eq!(read.status, StatusCode::FORBIDDEN, "{path}: {}", read.text);
    }
    let id = text(&own(&world, &narrow).await, "id");
    let next = ask(
        &world,
        &narrow,
        Method::POST,
        &format!("/v1/tokens/{id}/rotate"),
        Some(&json!({})),
    )
    .await;
    assert_eq!(next.status, StatusCode::CREATED, "{}", next.text);
    assert_eq!(own(&world, &narrow).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(own(&world, &text(&next, "token")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_rotated_token_goes_on_as_long_as_it_was_told_to() {
    let world = World::new().await;
    let root = world.token_with(&ALL).await;
    let made = create(
        &world,
        &root,
        &json!({"name": "a", "scopes": ["jobs:read"], "expires_in_seconds": 1800}),
    )
    .await;
    let path = format!("/v1/tokens/{}", text(&made, "id"));
    let rotate = async |body: Value| {
        ask(
            &world,
            &root,
            Method::POST,
            &format!("{path}/rotate"),
            Some(&body),
        )
        .await
    };
    let next = rotate(json!({"overlap_seconds": 900})).await;
    assert_eq!(next.status, StatusCode::CREATED, "{}", next.text);
    let (old, new) = (text(&made, "token"), text(&next, "token"));
    assert_eq!(
        (own(&world, &old).await.status, own(&world, &new).await.status),
        (StatusCode::OK, StatusCode::OK)
    );
    let get = ask(&world, &root, Method::GET, &path, None).await.json();
    assert_eq!(
        (&get["rotated_to"], &get["status"]),
        (&next.json()["id"], &json!("active"))
    );
    assert!(
        get["expires_at"].as_str() < made.json()["expires_at"].as_str(),
        "it ends sooner now"
    );
    let again = rotate(json!({})).await;
    assert_eq!(
        (again.status, again.json()["code"].as_str()),
        (StatusCode::CONFLICT, Some("conflict"))
    );
}

#[tokio::test]
async fn of_many_that_ask_at_once_no_more_get_a_token_than_there_is_room() {
    let world = World::with(|config| config.accounts.max_tokens = 6).await;
    let root = world.token_with(&ALL).await;
    // The world has made one for the owner already.
    let body = json!({"name": "a", "scopes": ["jobs:read"]});
    let tries = (0..20).map(|_| create(&world, &root, &body));
    let reads = futures::future::join_all(tries).await;
    let made = reads
        .iter()
        .filter(|read| read.status == StatusCode::CREATED)
        .count();
    let refused = reads
        .iter()
        .filter(|read| read.status == StatusCode::CONFLICT)
        .count();
    println!("20 asked for a token with room for 4: {made} made, {refused} refused");
    assert_eq!((made, refused), (4, 16));
    // One takes the place of another where there is no room; beside it there is none.
    let id = reads
        .iter()
        .find(|read| read.status == StatusCode::CREATED)
        .map(|read| text(read, "id"));
    let path = format!("/v1/tokens/{}/rotate", id.expect("one was made"));
    let beside = ask(
        &world,
        &root,
        Method::POST,
        &path,
        Some(&json!({"overlap_seconds": 60})),
    )
    .await;
    assert_eq!(beside.status, StatusCode::CONFLICT, "{}", beside.text);
    let instead = ask(&world, &root, Method::POST, &path, Some(&json!({}))).await;
    assert_eq!(instead.status, StatusCode::CREATED, "{}", instead.text);
}

#[tokio::test]
async fn a_token_tells_what_was_used_with_it() {
    let world = World::new().await;
    let root = world.token_with(&ALL).await;
    let body = json!({"name": "batch", "scopes": ["jobs:write"]});
    let made = create(&world, &root, &body).await;
    let (token, path) = (text(&made, "token"), format!("/v1/tokens/{}", text(&made, "id")));
    let usage = async || ask(&world, &root, Method::GET, &path, None).await.json()["usage"].clone();
    let none = usage().await;
    assert_eq!((&none["used_this_hour"], &none["data"]), (&json!(0), &json!([])));
    // Two with this token, one of which has not ended, and one with another.
    for with in [&token, &root, &token] {
        let job = json!({"model": "echo", "input": {}});
        let read = ask(&world, with, Method::POST, "/v1/jobs", Some(&job)).await;
        assert_eq!(read.status, StatusCode::ACCEPTED, "{}", read.text);
    }
    for _ in 0..2 {
        let run = world.claim().await;
        let output = json!({"usage": {"tokens": 7}}).to_string();
        world.finish(run, Outcome::Succeeded(output), 0).await;
    }
    let used = usage().await;
    assert_eq!(
        (&used["used_this_hour"], &used["used_today"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(
        (&used["totals"]["requests"], &used["totals"]["tokens"]),
        (&json!(1), &json!(7))
    );
    assert_eq!(used["data"][0]["used"], used["totals"]);
    assert!(used["data"][0].get("token").is_none(), "it is this one: {used}");
    let list = ask(&world, &root, Method::GET, "/v1/tokens", None).await.json();
    assert!(list["data"][0].get("usage").is_none(), "only of one token");
    let other = world.token_with(&["account:read"]).await;
    let same = ask(&world, &other, Method::GET, &path, None).await.json();
    assert_eq!(same["usage"], used, "for whoever may see what the user used");
}

/// What is used with a token that has a plan of its own counts apart from its user: whoever could give one, even
/// the one they have, could have any number of times as much.
#[tokio::test]
async fn only_an_administrator_gives_a_token_a_plan() {
    let world = World::new().await;
    let no_admin = world.token_with(&ALL).await;
    let of_another = of_other(&world).await;
    let given = |plan: Value| json!({"name": "a", "scopes": ["jobs:write"], "plan": plan});
    let refused = [("/plan".to_owned(), "not_allowed".to_owned())];
    for (who, token) in [
        ("an admin's, without the scope", &no_admin),
        ("a user's", &of_another),
    ] {
        // The plan they have, a smaller one, a larger one, and none.
        for plan in ["basic", "guest", "unlimited", "none"] {
            let read = create(&world, token, &given(json!(plan))).await;
            assert_eq!(read.status, StatusCode::UNPROCESSABLE_ENTITY, "{who}: {plan}");
            assert_eq!(faults(&read), refused, "{who}: {plan}");
        }
        let list = ask(&world, token, Method::GET, "/v1/tokens", None).await.json();
        let with_plan = |token: &Value| token.get("plan").is_some();
        assert!(
            !list["data"].as_array().expect("a list").iter().any(with_plan),
            "{list}"
        );
    }
    let admin = world.token_with(&[&ALL[..], &["admin"]].concat()).await;
    let unknown = create(&world, &admin, &given(json!("none"))).await;
    assert_eq!(faults(&unknown), refused, "{}", unknown.text);
    let odd = create(&world, &admin, &given(json!(""))).await;
    assert_eq!(odd.status, StatusCode::UNPROCESSABLE_ENTITY);
    for plan in ["guest", "unlimited"] {
        let made = create(&world, &admin, &given(json!(plan))).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
        assert_eq!(made.json()["plan"], plan);
        let used = own(&world, &text(&made, "token")).await.json();
        assert_eq!(used["plan"], plan, "its use is measured by it");
        let path = format!("/v1/tokens/{}/rotate", text(&made, "id"));
        let next = ask(&world, &admin, Method::POST, &path, None).await;
        // Who has no limits of their own does not take over one that has, as ever.
        assert_eq!(next.status, StatusCode::FORBIDDEN, "{}", next.text);
    }
    let audit = ask(&world, &admin, Method::GET, "/v1/audit?action=token.create", None).await;
    let plans: Vec<Value> = audit.json()["data"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|entry| entry["detail"]["plan"].clone())
        .collect();
    assert!(
        plans.contains(&json!("guest")) && plans.contains(&json!("unlimited")),
        "{}",
        audit.text
    );
}

#[tokio::test]
async fn a_token_with_a_plan_hands_on_that_one_and_no_other() {
    let world = World::new().await;
    let admin = world.token_with(&[&ALL[..], &["admin"]].concat()).await;
    let scopes = json!(["admin", "tokens:write", "jobs:write"]);
    let body = json!({"name": "a", "scopes": scopes, "plan": "guest"});
    let made = create(&world, &admin, &body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let small = text(&made, "token");
    let child = |plan: Option<&str>| match plan {
        Some(plan) => json!({"name": "b", "scopes": scopes, "plan": plan, "expires_in_seconds": 600}),
        None => json!({"name": "b", "scopes": scopes, "expires_in_seconds": 600}),
    };
    for plan in ["basic", "unlimited"] {
        let read = create(&world, &small, &child(Some(plan))).await;
        assert_eq!(
            faults(&read),
            [("/plan".to_owned(), "not_allowed".to_owned())],
            "{}",
            read.text
        );
    }
    for plan in [None, Some("guest")] {
        let read = create(&world, &small, &child(plan)).await;
        assert_eq!(read.json()["plan"], "guest", "{}", read.text);
    }
    let path = format!("/v1/tokens/{}/rotate", text(&made, "id"));
    let next = ask(&world, &small, Method::POST, &path, None).await;
    assert_eq!(
        (next.status, &next.json()["plan"]),
        (StatusCode::CREATED, &json!("guest"))
    );
}

#[tokio::test]
async fn a_rotation_needs_no_body() {
    let world = World::new().await;
    let root = world.token_with(&ALL).await;
    let made = create(&world, &root, &json!({"name": "a", "scopes": ["jobs:read"]})).await;
    let path = format!("/v1/tokens/{}/rotate", text(&made, "id"));
    let rotated = ask(&world, &root, Method::POST, &path, None).await;
    assert_eq!(rotated.status, StatusCode::CREATED, "{}", rotated.text);
    let old = ask(&world, &text(&made, "token"), Method::GET, "/v1/token", None).await;
    assert_eq!(old.status, StatusCode::UNAUTHORIZED, "no overlap: it is revoked");
    // What is there must be JSON, as everywhere.
    let path = format!("/v1/tokens/{}/rotate", text(&rotated, "id"));
    let refused = poem::Request::builder()
        .method(Method::POST)
        .uri_str(&path)
        .header("authorization", format!("Bearer {root}"))
        .content_type("text/plain")
        .body("");
    let refused = send(world.api(), refused).await;
    assert_eq!(refused.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}
