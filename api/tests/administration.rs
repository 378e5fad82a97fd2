//! What administrators do to accounts and tokens of others: who may, what holds at once, what is refused, and
//! what the audit log has of it.

mod support;

use std::time::Duration;

use lamplighter_api::auth::token::{self, NewApiToken};
use lamplighter_shared::db::users::{self, User};
use poem::{
    Request,
    http::{Method, StatusCode},
};
use serde_json::{Value, json};
use support::{Read, World, send};

const ALL: [&str; 4] = ["jobs:read", "jobs:write", "models:read", "admin"];

struct Admin {
    world: World,
    token: String,
    other: User,
}

impl Admin {
    async fn new() -> Self {
        let world = World::new().await;
        let token = world.token_with(&ALL).await;
        let other = users::by_email(&world.state.db, "other@example.org").await;
        Self {
            token,
            other: other.expect("read").expect("the other user"),
            world,
        }
    }

    async fn ask_as(&self, token: &str, method: Method, path: &str, body: Option<Value>) -> Read {
        let mut request = Request::builder().method(method).uri_str(path);
        request = request.header("authorization", format!("Bearer {token}"));
        let request = match body {
            Some(body) => request.content_type("application/json").body(body.to_string()),
            None => request.finish(),
        };
        send(self.world.api(), request).await
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Read {
        self.ask_as(&self.token, method, path, body).await
    }

    async fn change(&self, user: &User, body: Value) -> Read {
        self.ask(Method::PATCH, &format!("/v1/users/{}", user.id), Some(body))
            .await
    }

    /// What a token gets from a list of jobs.
    async fn status_of(&self, token: &str) -> u16 {
        let read = self.ask_as(token, Method::GET, "/v1/jobs", None).await;
        read.status.as_u16()
    }

    /// The actions of the log about an account, newest first.
    async fn told(&self, user: &User) -> Vec<String> {
        let read = self
            .ask(Method::GET, &format!("/v1/audit?user={}", user.id), None)
            .await;
        let mut entries = read.json()["data"].as_array().expect("entries").clone();
        // The tokens of the test itself were made on the server's machine.
        entries.retain(|entry| entry["actor"]["kind"] != "operator");
        for entry in &entries {
            assert_eq!(entry["actor"]["kind"], "token", "{entry}");
            for field in ["id", "at", "outcome", "address", "request_id", "subject"] {
                assert!(entry[field].is_string(), "{field} of {entry}");
            }
        }
        entries
            .iter()
            .map(|entry| entry["action"].as_str().expect("an action").to_owned())
            .collect()
    }
}

#[tokio::test]
async fn a_disabled_account_is_refused_at_once_until_it_is_enabled() {
    let a = Admin::new().await;
    let theirs = a.world.other_token.clone();
    assert_eq!(a.status_of(&theirs).await, 200);
    let disabled = a.change(&a.other, json!({"disabled": true, "plan": "pro"})).await;
    assert_eq!(disabled.status, StatusCode::OK, "{}", disabled.text);
    assert_eq!(disabled.json()["status"], "disabled");
    assert_eq!(a.status_of(&theirs).await, 401);
    a.change(&a.other, json!({"disabled": false, "plan": "pro"}))
        .await;
    assert_eq!(a.status_of(&theirs).await, 200);
    let told = ["account.enable", "account.disable", "plan.assign"];
    assert_eq!(a.told(&a.other).await, told, "what did not change is not told");
}

#[tokio::test]
async fn a_demoted_admin_has_no_say_at_once_and_the_last_one_stays() {
    let a = Admin::new().await;
    for body in [json!({"role": "user"}), json!({"disabled": true})] {
        let refused = a.change(&a.world.owner, body).await;
        assert_eq!(
            (refused.status.as_u16(), &refused.json()["code"]),
            (409, &json!("conflict"))
        );
    }
    let promoted = a.change(&a.other, json!({"role": "admin"})).await;
    assert_eq!(promoted.json()["role"], "admin", "{}", promoted.text);
    let new = NewApiToken {
        user: a.other.id,
        name: "theirs".to_owned(),
        scopes: vec!["admin".to_owned()],
        expires_in: Duration::from_secs(3600),
        models: None,
    };
    let state = &a.world.state;
    let theirs = token::create(&state.db, &state.key, new).await.expect("a token");
    let list = async || {
        a.ask_as(&theirs, Method::GET, "/v1/users", None)
            .await
            .status
            .as_u16()
    };
    assert_eq!(list().await, 200);
    a.change(&a.other, json!({"role": "user"})).await;
    assert_eq!(list().await, 403);
    assert_eq!(
        a.told(&a.other)
            .await
            .iter()
            .filter(|t| *t == "role.change")
            .count(),
        2
    );
}

#[tokio::test]
async fn a_users_tokens_are_seen_limited_and_revoked() {
    let a = Admin::new().await;
    let path = format!("/v1/users/{}/tokens", a.other.id);
    let listed = a.ask(Method::GET, &path, None).await;
    assert!(!listed.text.contains("lmp_"), "{}", listed.text);
    let token = listed.json()["data"][0]["id"].as_str().expect("an id").to_owned();
    let one = format!("{path}/{token}");
    let body = json!({"plan": "pro", "limits": {"jobs_per_day": 3, "priorities": ["low"]}});
    let limited = a.ask(Method::PATCH, &one, Some(body)).await;
    assert_eq!(limited.json()["limits"]["jobs_per_day"], 3, "{}", limited.text);
    let back = a
        .ask(Method::PATCH, &one, Some(json!({"limits": null})))
        .await
        .json();
    assert_eq!((back.get("limits"), &back["plan"]), (None, &json!("pro")));
    let foreign = format!("/v1/users/{}/tokens/{token}", a.world.owner.id);
    for (method, path) in [
        (Method::POST, format!("{foreign}/revoke")),
        (Method::POST, format!("{path}/tok_x/revoke")),
        (Method::POST, format!("/v1/users/x/tokens/{token}/revoke")),
    ] {
        let missing = a.ask(method, &path, None).await;
        assert_eq!(missing.status, StatusCode::NOT_FOUND, "{path}");
    }
    for _ in 0..2 {
        let revoked = a.ask(Method::POST, &format!("{one}/revoke"), None).await;
        assert_eq!(revoked.status, StatusCode::NO_CONTENT, "{}", revoked.text);
        assert_eq!(a.status_of(&a.world.other_token).await, 401);
    }
    assert_eq!(
        a.told(&a.other).await,
        ["token.revoke", "token.limit", "token.limit"]
    );
}

#[tokio::test]
async fn what_does_not_fit_is_refused_with_its_place() {
    let a = Admin::new().await;
    let user = format!("/v1/users/{}", a.other.id);
    let token = format!("{user}/tokens/tok_01ke1c2v7h8q9r0s1t2v3w4x5y");
    for (path, body, pointer) in [
        (&user, json!({}), ""),
        (&user, json!({"is_verified": true}), "/is_verified"),
        (&user, json!({"role": "root"}), "/role"),
        (&user, json!({"plan": "none-like-it"}), "/plan"),
        (&user, json!({"approved": false}), "/approved"),
        (&user, json!({"disabled": "yes"}), "/disabled"),
        (
            &token,
            json!({"limits": {"jobs_per_day": -1}}),
            "/limits/jobs_per_day",
        ),
        (&token, json!({"limits": {"users": 1}}), "/limits/users"),
        (&token, json!({"plan": "none-like-it"}), "/plan"),
    ] {
        let refused = a.ask(Method::PATCH, path, Some(body.clone())).await;
        assert_eq!(refused.status.as_u16(), 422, "{body}: {}", refused.text);
        assert_eq!(refused.json()["errors"][0]["pointer"], pointer, "{body}");
        let place = if pointer.is_empty() { "body" } else { pointer };
        let detail = refused.json()["detail"].as_str().expect("a detail").to_owned();
        assert!(detail.starts_with(&format!("{place}: ")), "{detail}");
    }
    for query in [
        "users?cursor=x",
        "users?q=%00",
        "users?status=odd",
        "users?limit=0",
        "audit?action=odd",
        "audit?user=x",
        "audit?outcome=odd",
        "audit?cursor=job_x",
        "audit?actor=%00",
    ] {
        let refused = a.ask(Method::GET, &format!("/v1/{query}"), None).await;
        assert_eq!(refused.status.as_u16(), 400, "{query}: {}", refused.text);
    }
    assert_eq!(
        a.told(&a.other).await,
        Vec::<String>::new(),
        "nothing was changed"
    );
}

#[tokio::test]
async fn a_plan_takes_integers_however_they_are_spelt_or_says_what_is_wrong() {
    let a = Admin::new().await;
    for (field, number, status) in [
        ("waiting", "5", 200),
        ("waiting", "5.0", 422),
        ("weight", "2.0", 422),
        ("jobs_per_hour", "1e3", 422),
        ("waiting", "-0", 422),
        ("waiting", "-1", 422),
        ("waiting", "null", 200),
    ] {
        let request = Request::builder()
            .method(Method::PATCH)
            .uri_str("/v1/plans/pro")
            .header("authorization", format!("Bearer {}", a.token))
            .content_type("application/json")
            .body(format!(r#"{{"{field}": {number}}}"#));
        let answer = send(a.world.api(), request).await;
        assert_eq!(answer.status.as_u16(), status, "{number}: {}", answer.text);
        if status == 422 {
            let pointer = &answer.json()["errors"][0]["pointer"];
            assert_eq!(pointer, &format!("/{field}"), "{number}: {}", answer.text);
        }
    }
}

#[tokio::test]
async fn pages_of_a_users_tokens_hold_everything_once() {
    const MORE: usize = 30;
    let a = Admin::new().await;
    for _ in 0..MORE {
        let new = NewApiToken {
            user: a.other.id,
            name: "one of many".to_owned(),
            scopes: vec!["jobs:read".to_owned()],
            expires_in: Duration::from_secs(3600),
            models: None,
        };
        let state = &a.world.state;
        token::create(&state.db, &state.key, new).await.expect("a token");
    }
    let path = format!("/v1/users/{}/tokens", a.other.id);
    let first = a.ask(Method::GET, &path, None).await.json();
    assert_eq!(first["data"].as_array().map(Vec::len), Some(20));
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = format!("{path}?limit=7{cursor}");
        let page = a.ask(Method::GET, &page, None).await.json();
        for token in page["data"].as_array().expect("tokens") {
            seen.push(token["id"].as_str().expect("an id").to_owned());
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), MORE + 1);
    assert!(seen.is_sorted_by(|a, b| a > b), "newest first");
    for query in ["cursor=x", "limit=0", "limit=101"] {
        let refused = a.ask(Method::GET, &format!("{path}?{query}"), None).await;
        assert_eq!(refused.status.as_u16(), 400, "{query}: {}", refused.text);
    }
}

#[tokio::test]
async fn pages_of_accounts_and_of_the_log_hold_everything_once() {
    let a = Admin::new().await;
    for plan in ["pro", "basic", "pro"] {
        a.change(&a.other, json!({"plan": plan})).await;
    }
    for (list, all) in [("users?limit=1", 2), ("audit?limit=1&action=plan.assign", 3)] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = a
                .ask(Method::GET, &format!("/v1/{list}{cursor}"), None)
                .await
                .json();
            seen.push(page["data"][0]["id"].as_str().expect("an id").to_owned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(seen.len(), all, "{list}");
        assert!(seen.is_sorted_by(|a, b| a > b), "{list}: newest first");
    }
    let text = a.ask(Method::GET, "/v1/users?q=OTHER", None).await;
    assert_eq!(text.json()["data"][0]["id"], a.other.id.to_string());
    assert!(!text.text.contains("$argon2"), "{}", text.text);
}
