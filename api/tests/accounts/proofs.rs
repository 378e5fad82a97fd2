//! S8: what mails bring is good once, for one purpose, for a while, and only for who sends it on purpose.

use std::sync::Arc;

use lamplighter_api::accounts::setup;
use lamplighter_shared::{
    clock::{Clock, ManualClock},
    config::Config,
    db::Db,
};
use lamplighter_testkit::postgres::Postgres;
use poem::{Request, http::Method};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    people::{OTHER_PASSWORD, PASSWORD, arrive, call, last_mail, last_token, log_in, mails, post, register},
    support::{World, send},
};

const VERIFY: &str = "/v1/account/verify";
const RESET: &str = "/v1/account/reset";
const HOUR: i64 = 3_600_000;

/// A world whose clock can be turned, for proofs that run out.
async fn clocked() -> (World, ManualClock, tempfile::TempDir) {
    clocked_with(|_| {}).await
}

async fn clocked_with(change: impl FnOnce(&mut Config)) -> (World, ManualClock, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = ManualClock::at(1_900_000_000_000);
    let db = Db::connect(&format!("sqlite://{}/x.db", folder.path().display())).await;
    let db = db.expect("a database").with_clock(Clock::Manual(clock.clone()));
    db.migrate().await.expect("migrated");
    (World::on_with(db, change).await, clock, folder)
}

async fn recover(world: &World, email: &str) -> String {
    assert_eq!(
        post(world, "/v1/account/recover", &json!({"email": email})).await,
        202
    );
    last_token(world).await
}

/// What is mailed or shown once, and the request that uses it up.
async fn proofs(world: &World, kind: &str) -> (&'static str, Value) {
    match kind {
        "link" => (
            VERIFY,
            json!({"token": register(world, "link@example.org").await}),
        ),
        "code" => {
            register(world, "code@example.org").await;
            let code = last_mail(world).await["code"].clone();
            (VERIFY, json!({"email": "code@example.org", "code": code}))
        }
        "reset" => {
            arrive(world, "reset@example.org").await;
            let token = recover(world, "reset@example.org").await;
            (RESET, json!({"token": token, "password": OTHER_PASSWORD}))
        }
        _ => {
            let token = setup::issue(&world.state.db, &world.owner)
                .await
                .expect("a token");
            let body = json!({"token": token, "email": "owner@example.org", "password": PASSWORD});
            ("/v1/setup", body)
        }
    }
}

/// On Postgres, where writes of several connections do run at the same time.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_uses_at_once_one_succeeds() {
    const USES: usize = 50;
    let db = Db::connect(&Postgres::shared().create_database().1).await;
    let db = db.expect("a database");
    db.migrate().await.expect("migrated");
    let world = Arc::new(World::on(db).await);
    for kind in ["link", "code", "reset", "set-up"] {
        let (path, body) = proofs(&world, kind).await;
        let mut uses = JoinSet::new();
        for _ in 0..USES {
            let (world, body) = (world.clone(), body.clone());
            uses.spawn(async move {
                loop {
                    let status = post(&world, path, &body).await;
                    // Too many passwords to hash at once: nothing was tried then.
                    if status != 503 {
                        return status;
                    }
                }
            });
        }
        let statuses = uses.join_all().await;
        let successes = statuses.iter().filter(|status| **status == 204).count();
        println!("S8 parallel uses of a {kind}: {successes} success of {USES}");
        assert_eq!(successes, 1, "{kind}");
        assert!(
            statuses.iter().all(|status| matches!(status, 204 | 422)),
            "{kind}: {statuses:?}"
        );
    }
}

#[tokio::test]
async fn looking_at_a_link_uses_nothing_up() {
    let world = World::new().await;
    let token = register(&world, "ada@example.org").await;
    for method in [Method::GET, Method::HEAD] {
        for _ in 0..20 {
            for path in [VERIFY.to_owned(), format!("{VERIFY}?token={token}")] {
                let read = call(&world, (method.clone(), &path), &Value::Null, "").await;
                assert!(read.status.is_client_error(), "{method} {path}: {}", read.status);
            }
            // Where the mail's link leads: a page that waits for a press.
            let page = format!("/verify?token={token}");
            let read = call(&world, (method.clone(), &page), &Value::Null, "").await;
            assert_eq!(read.status, 200, "{method} {page}");
        }
    }
    assert_eq!(post(&world, VERIFY, &json!({"token": token})).await, 204);
    println!("S8 looks of a scanner: 120, uses by them: 0");
}

#[tokio::test]
async fn proofs_run_out() {
    let (world, clock, _folder) = clocked().await;
    let (_, code) = (
        register(&world, "a@example.org").await,
        last_mail(&world).await["code"].clone(),
    );
    clock.advance(10 * 60_000);
    let typed = json!({"email": "a@example.org", "code": code});
    assert_eq!(post(&world, VERIFY, &typed).await, 422, "a code after 10 minutes");
    clock.advance(24 * HOUR - 10 * 60_000);
    let token = last_token(&world).await;
    assert_eq!(
        post(&world, VERIFY, &json!({"token": token})).await,
        422,
        "a link after 24 hours"
    );
    let resent = json!({"email": "a@example.org"});
    assert_eq!(post(&world, "/v1/account/verify/resend", &resent).await, 202);
    let token = last_token(&world).await;
    clock.advance(24 * HOUR - 1);
    assert_eq!(
        post(&world, VERIFY, &json!({"token": token})).await,
        204,
        "to its last moment"
    );
    let token = recover(&world, "a@example.org").await;
    clock.advance(15 * 60_000);
    let body = json!({"token": token, "password": OTHER_PASSWORD});
    assert_eq!(post(&world, RESET, &body).await, 422, "a reset after 15 minutes");
    println!("S8 expired proofs accepted: 0 of 3");
}

#[tokio::test]
async fn a_code_is_good_for_few_tries_and_its_address() {
    let world = World::new().await;
    register(&world, "a@example.org").await;
    let code = last_mail(&world).await["code"]
        .as_str()
        .expect("a code")
        .to_owned();
    let typed = |email: &str, code: &str| json!({"email": email, "code": code});
    let wrong = if code == "000000" { "000001" } else { "000000" };
    register(&world, "b@example.org").await;
    assert_eq!(
        post(&world, VERIFY, &typed("b@example.org", &code)).await,
        422,
        "of another address"
    );
    for _ in 0..5 {
        assert_eq!(post(&world, VERIFY, &typed("a@example.org", wrong)).await, 422);
    }
    assert_eq!(
        post(&world, VERIFY, &typed("a@example.org", &code)).await,
        422,
        "the sixth try"
    );
    let resent = json!({"email": "a@example.org"});
    assert_eq!(post(&world, "/v1/account/verify/resend", &resent).await, 202);
    let code = last_mail(&world).await["code"]
        .as_str()
        .expect("a code")
        .to_owned();
    assert_eq!(post(&world, VERIFY, &typed("a@example.org", &code)).await, 204);
}

#[tokio::test]
async fn siblings_die_and_purposes_are_not_mixed() {
    let world = World::new().await;
    let verify = register(&world, "ada@example.org").await;
    let new_password = |token: &str| json!({"token": token, "password": OTHER_PASSWORD});
    assert_eq!(
        post(&world, RESET, &new_password(&verify)).await,
        422,
        "a verification as a reset"
    );
    let set_up = json!({"token": verify, "email": "x@example.org", "password": PASSWORD});
    assert_eq!(
        post(&world, "/v1/setup", &set_up).await,
        422,
        "a verification as a set-up"
    );
    assert_eq!(post(&world, VERIFY, &json!({"token": verify})).await, 204);
    let first = recover(&world, "ada@example.org").await;
    assert_eq!(
        post(&world, VERIFY, &json!({"token": first})).await,
        422,
        "a reset as a verification"
    );
    let second = recover(&world, "ada@example.org").await;
    assert_eq!(
        post(&world, RESET, &new_password(&first)).await,
        422,
        "older than the newest"
    );
    let cookie = log_in(&world, "ada@example.org", PASSWORD)
        .await
        .expect("logged in");
    let wish = json!({"email": "lovelace@example.org"});
    call(&world, (Method::PATCH, "/v1/account"), &wish, &cookie).await;
    let confirm = last_token(&world).await;
    assert_eq!(post(&world, VERIFY, &json!({"token": confirm})).await, 204);
    assert_eq!(
        post(&world, RESET, &new_password(&second)).await,
        422,
        "after the address changed"
    );
    println!("S8 proofs of another purpose or a dead sibling accepted: 0 of 5");
}

#[tokio::test]
async fn a_password_change_voids_a_reset_under_way() {
    let world = World::new().await;
    let cookie = arrive(&world, "ada@example.org").await;
    let token = recover(&world, "ada@example.org").await;
    let change = json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD});
    let changed = call(&world, (Method::POST, "/v1/account/password"), &change, &cookie).await;
    assert_eq!(changed.status.as_u16(), 204);
    assert_eq!(
        post(&world, RESET, &json!({"token": token, "password": PASSWORD})).await,
        422
    );
}

/// The clock stands still: nobody gets in by having waited.
#[tokio::test]
async fn who_sets_a_new_password_need_not_wait_for_wrong_ones() {
    let (world, _clock, _folder) = clocked_with(|config| config.accounts.max_failures = 3).await;
    arrive(&world, "ada@example.org").await;
    let mut before = Vec::new();
    for password in ["x", "x", "x", "x", PASSWORD] {
        before.push(log_in(&world, "ada@example.org", password).await.err());
    }
    assert_eq!(before, [401, 401, 401, 429, 429].map(Some));
    let token = recover(&world, "ada@example.org").await;
    let body = json!({"token": token, "password": OTHER_PASSWORD});
    assert_eq!(post(&world, RESET, &body).await, 204);
    let after = log_in(&world, "ada@example.org", OTHER_PASSWORD).await;
    println!(
        "S3 a login right after a reset, 3 wrong passwords before: {:?}",
        after.as_ref().map(|_| 201)
    );
    assert!(after.is_ok());
}

#[tokio::test]
async fn nothing_of_a_request_gets_into_a_mail() {
    let world = World::new().await;
    let before = mails(&world).await.len();
    for email in [
        "a@example.org\r\nBcc: all@example.org",
        "a@example.org\n",
        "<a@example.org>",
        "a b@example.org",
    ] {
        let body = json!({"email": email, "password": PASSWORD});
        assert_eq!(
            post(&world, "/v1/account/register", &body).await,
            422,
            "{email:?}"
        );
        assert_eq!(
            post(&world, "/v1/account/recover", &json!({"email": email})).await,
            422
        );
    }
    assert_eq!(mails(&world).await.len(), before);
    let request = Request::builder()
        .method(Method::POST)
        .uri_str("/v1/account/register")
        .header("host", "evil.example")
        .header("x-forwarded-host", "evil.example")
        .header("origin", "http://evil.example")
        .content_type("application/json")
        .body(json!({"email": "a@example.org", "password": PASSWORD}).to_string());
    send(world.api(), request).await;
    let words = serde_json::to_string(&mails(&world).await).expect("JSON");
    assert!(!words.contains("evil"), "{words}");
}
