//! An account from its registration to its end.

use lamplighter_api::accounts::setup;
use lamplighter_shared::db::users::{self, Role};
use poem::{Request, http::Method};
use serde_json::{Value, json};

use crate::{
    people::{
        OTHER_PASSWORD, PASSWORD, arrive, call, is_logged_in, last_mail, last_token, log_in, mails, post,
        register,
    },
    support::{World, send},
};

const ACCOUNT: &str = "/v1/account";

#[tokio::test]
async fn somebody_registers_verifies_logs_in_and_sees_themselves() {
    let world = World::new().await;
    let body =
        json!({"email": "Ada@Example.org", "password": PASSWORD, "display_name": "Ada", "locale": "ja"});
    let read = call(&world, (Method::POST, "/v1/account/register"), &body, "").await;
    assert_eq!(
        (read.status.as_u16(), read.text.as_str()),
        (202, r#"{"status":"accepted"}"#)
    );
    let mail = last_mail(&world).await;
    assert_eq!(
        (&mail["template"], &mail["locale"]),
        (&json!("verify_address"), &json!("ja"))
    );
    assert_eq!(
        log_in(&world, "ada@example.org", PASSWORD).await,
        Err(403),
        "not verified"
    );
    let code = json!({"email": "ada@example.org", "code": mail["code"]});
    assert_eq!(post(&world, "/v1/account/verify", &code).await, 204);
    let cookie = log_in(&world, "ADA@example.org", PASSWORD)
        .await
        .expect("logged in");
    let account = call(&world, (Method::GET, ACCOUNT), &Value::Null, &cookie)
        .await
        .json();
    for (field, expected) in [
        ("email", json!("ada@example.org")),
        ("verified", json!(true)),
        ("role", json!("user")),
        ("plan", json!("basic")),
        ("display_name", json!("Ada")),
        ("locale", json!("ja")),
        ("has_password", json!(true)),
    ] {
        assert_eq!(account[field], expected, "{field}");
    }
    assert!(account["last_login_at"].is_string() && account["deletes_at"].is_null());
    let changes = json!({"display_name": "Ada L.", "locale": "en"});
    let changed = call(&world, (Method::PATCH, ACCOUNT), &changes, &cookie)
        .await
        .json();
    assert_eq!(
        (&changed["display_name"], &changed["locale"]),
        (&json!("Ada L."), &json!("en"))
    );
    let odd = json!({"display_name": "a\u{7}b"});
    assert_eq!(
        call(&world, (Method::PATCH, ACCOUNT), &odd, &cookie)
            .await
            .status
            .as_u16(),
        422
    );
    let role = json!({"role": "admin"});
    assert_eq!(
        call(&world, (Method::PATCH, ACCOUNT), &role, &cookie)
            .await
            .status
            .as_u16(),
        422
    );
}

/// A stranger registers somebody's address, before its owner does or after that: whatever the owner then opens of
/// their mail, no password of the stranger opens the account.
#[tokio::test]
async fn an_address_registered_twice_opens_with_the_password_chosen_by_mail() {
    const STRANGERS: &str = "nine sly foxes wait outside";
    let world = World::new().await;
    let wish = |email: &str, password: &str| json!({"email": email, "password": password});
    let mut opened = 0;
    for (email, first, second) in [
        ("before@example.org", STRANGERS, PASSWORD),
        ("after@example.org", PASSWORD, STRANGERS),
    ] {
        for password in [first, second] {
            assert_eq!(
                post(&world, "/v1/account/register", &wish(email, password)).await,
                202
            );
        }
        let of_owner = mails(&world).await;
        let [verify, again] = &of_owner[of_owner.len() - 2..] else {
            panic!("two mails");
        };
        assert_eq!(
            (&verify["template"], &again["template"]),
            (&json!("verify_address"), &json!("registered_again"))
        );
        // Every link and code that the owner has, in the order of the mails.
        for proof in [
            json!({"token": verify["token"]}),
            json!({"email": email, "code": verify["code"]}),
            json!({"token": again["token"]}),
        ] {
            assert_eq!(post(&world, "/v1/account/verify", &proof).await, 422, "{proof}");
        }
        let chosen = json!({"token": again["token"], "password": OTHER_PASSWORD});
        assert_eq!(post(&world, "/v1/account/reset", &chosen).await, 204);
        for password in [STRANGERS, PASSWORD] {
            opened += usize::from(log_in(&world, email, password).await != Err(401));
        }
        assert!(
            log_in(&world, email, OTHER_PASSWORD).await.is_ok(),
            "verified by the reset"
        );
        assert_eq!(
            post(&world, "/v1/account/register", &wish(email, STRANGERS)).await,
            202
        );
        assert_eq!(last_mail(&world).await["template"], "already_registered");
        opened += usize::from(log_in(&world, email, STRANGERS).await != Err(401));
        assert!(
            log_in(&world, email, OTHER_PASSWORD).await.is_ok(),
            "nothing changed"
        );
    }
    println!("S8 passwords of others that open an address registered twice: {opened} of 6");
    assert_eq!(opened, 0);
}

/// A verification that was asked for after the second registration leads to no password of the first two either.
#[tokio::test]
async fn a_resent_verification_brings_no_password_back() {
    let world = World::new().await;
    register(&world, "ada@example.org").await;
    register(&world, "ada@example.org").await;
    let resent = json!({"email": "ada@example.org"});
    assert_eq!(post(&world, "/v1/account/verify/resend", &resent).await, 202);
    let token = last_token(&world).await;
    assert_eq!(
        post(&world, "/v1/account/verify", &json!({"token": token})).await,
        204
    );
    assert_eq!(log_in(&world, "ada@example.org", PASSWORD).await, Err(401));
}

#[tokio::test]
async fn a_changed_password_ends_all_other_sessions() {
    let world = World::new().await;
    let here = arrive(&world, "ada@example.org").await;
    let there = log_in(&world, "ada@example.org", PASSWORD)
        .await
        .expect("logged in");
    let change = |current: &str, new: &str| json!({"current_password": current, "new_password": new});
    let path = (Method::POST, "/v1/account/password");
    let wrong = call(&world, path.clone(), &change("wrong", OTHER_PASSWORD), &here).await;
    assert_eq!(wrong.status.as_u16(), 401);
    let weak = call(&world, path.clone(), &change(PASSWORD, "ada@example.org"), &here).await;
    assert_eq!(
        (weak.status.as_u16(), &weak.json()["errors"][0]["pointer"]),
        (422, &json!("/new_password"))
    );
    let done = call(&world, path, &change(PASSWORD, OTHER_PASSWORD), &here).await;
    assert_eq!(done.status.as_u16(), 204);
    assert!(is_logged_in(&world, &here).await && !is_logged_in(&world, &there).await);
    assert_eq!(last_mail(&world).await["template"], "password_changed");
    assert_eq!(log_in(&world, "ada@example.org", PASSWORD).await, Err(401));
    assert!(log_in(&world, "ada@example.org", OTHER_PASSWORD).await.is_ok());
}

/// A new password is judged for those only who may still try: judging costs as much as a hash.
#[tokio::test]
async fn whoever_tried_too_often_has_no_password_judged() {
    let world = World::new().await;
    let cookie = arrive(&world, "ada@example.org").await;
    let path = (Method::POST, "/v1/account/password");
    let mut statuses = Vec::new();
    for _ in 0..7 {
        let change = json!({"current_password": PASSWORD, "new_password": "ada@example.org"});
        let read = call(&world, path.clone(), &change, &cookie).await;
        statuses.push(read.status.as_u16());
    }
    println!("S4 new passwords to be judged, one after the other: {statuses:?}");
    assert_eq!(statuses, [422, 422, 422, 422, 422, 429, 429]);
}

#[tokio::test]
async fn a_reset_ends_all_sessions_and_a_bad_password_uses_nothing_up() {
    let world = World::new().await;
    let cookie = arrive(&world, "ada@example.org").await;
    assert_eq!(
        post(
            &world,
            "/v1/account/recover",
            &json!({"email": "ada@example.org"})
        )
        .await,
        202
    );
    let token = last_token(&world).await;
    let reset = |password: &str| json!({"token": token, "password": password});
    assert_eq!(post(&world, "/v1/account/reset", &reset("short")).await, 422);
    assert!(is_logged_in(&world, &cookie).await);
    assert_eq!(
        post(&world, "/v1/account/reset", &reset(OTHER_PASSWORD)).await,
        204
    );
    assert_eq!(
        post(&world, "/v1/account/reset", &reset(PASSWORD)).await,
        422,
        "once"
    );
    assert!(!is_logged_in(&world, &cookie).await);
    assert_eq!(last_mail(&world).await["template"], "password_changed");
    assert!(log_in(&world, "ada@example.org", OTHER_PASSWORD).await.is_ok());
}

#[tokio::test]
async fn an_address_changes_when_the_new_one_says_so() {
    let world = World::new().await;
    let cookie = arrive(&world, "ada@example.org").await;
    let wish = json!({"email": "lovelace@example.org"});
    let asked = call(&world, (Method::PATCH, ACCOUNT), &wish, &cookie)
        .await
        .json();
    assert_eq!(asked["email"], "ada@example.org", "not yet");
    let mail = last_mail(&world).await;
    assert_eq!(mail["template"], "confirm_new_address");
    assert_eq!(
        post(&world, "/v1/account/verify", &json!({"token": mail["token"]})).await,
        204
    );
    assert_eq!(last_mail(&world).await["template"], "address_changed");
    assert_eq!(log_in(&world, "ada@example.org", PASSWORD).await, Err(401));
    assert!(log_in(&world, "lovelace@example.org", PASSWORD).await.is_ok());
    // One that somebody has is told so, and nobody else.
    let wish = json!({"email": "other@example.org"});
    let asked = call(&world, (Method::PATCH, ACCOUNT), &wish, &cookie).await;
    assert_eq!(asked.status.as_u16(), 200);
    assert_eq!(last_mail(&world).await["template"], "already_registered");
}

/// The account's language first; where it has none, the one that the browser asks for, whoever clicks a link.
#[tokio::test]
async fn mails_are_in_the_language_of_the_account_or_else_of_the_browser() {
    let world = World::new().await;
    let token = setup::issue(&world.state.db, &world.owner)
        .await
        .expect("a token");
    let body = json!({"token": token, "email": "owner@example.org", "password": PASSWORD});
    assert_eq!(post(&world, "/v1/setup", &body).await, 204);
    let cookie = log_in(&world, "owner@example.org", PASSWORD)
        .await
        .expect("logged in");
    let ask = async |method: Method, path: &str, body: Value, language: &str| {
        let request = Request::builder()
            .method(method)
            .uri_str(path)
            .header("cookie", &cookie)
            .header("accept-language", language)
            .content_type("application/json")
            .body(body.to_string());
        let read = send(world.api(), request).await;
        assert!(read.status.is_success(), "{path}: {}", read.text);
        let mail = last_mail(&world).await;
        (
            mail["template"].clone(),
            mail["locale"].clone(),
            mail["token"].clone(),
        )
    };
    let mut seen = 0;
    let mut is = |mail: &(Value, Value, Value), template: &str, locale: &str| {
        assert_eq!((&mail.0, &mail.1), (&json!(template), &json!(locale)));
        seen += 1;
    };
    let change = |current: &str, new: &str| json!({"current_password": current, "new_password": new});
    const PASSWORDS: &str = "/v1/account/password";
    let mail = ask(
        Method::POST,
        PASSWORDS,
        change(PASSWORD, OTHER_PASSWORD),
        "ja, en;q=0.5",
    )
    .await;
    is(&mail, "password_changed", "ja");
    let moved = ask(Method::PATCH, ACCOUNT, json!({"email": "a@example.org"}), "ja").await;
    is(&moved, "confirm_new_address", "ja");
    // Who clicks it has another browser; the account has no language.
    let confirm = ask(
        Method::POST,
        "/v1/account/verify",
        json!({"token": moved.2}),
        "zh-TW",
    )
    .await;
    is(&confirm, "address_changed", "zh-Hant");

    ask(Method::PATCH, ACCOUNT, json!({"locale": "ja"}), "en").await;
    let mail = ask(Method::POST, PASSWORDS, change(OTHER_PASSWORD, PASSWORD), "zh-TW").await;
    is(&mail, "password_changed", "ja");
    let moved = ask(Method::PATCH, ACCOUNT, json!({"email": "b@example.org"}), "en").await;
    is(&moved, "confirm_new_address", "ja");
    let confirm = ask(
        Method::POST,
        "/v1/account/verify",
        json!({"token": moved.2}),
        "zh-TW",
    )
    .await;
    is(&confirm, "address_changed", "ja");
    let invited = ask(
        Method::POST,
        "/v1/invitations",
        json!({"email": "g@example.org"}),
        "en",
    )
    .await;
    is(&invited, "invitation", "ja");
    users::create(&world.state.db, "second@example.org", Role::Admin)
        .await
        .expect("a user");
    let mail = ask(Method::DELETE, ACCOUNT, json!({}), "en").await;
    is(&mail, "deletion_scheduled", "ja");
    println!("mails in the language they should be in: {seen} of 8");
}

#[tokio::test]
async fn a_deleted_account_ends_at_once_and_a_login_takes_it_back() {
    let world = World::new().await;
    let cookie = arrive(&world, "ada@example.org").await;
    let job = json!({"model": "echo", "input": {}});
    let submitted = call(&world, (Method::POST, "/v1/jobs"), &job, &cookie).await;
    assert_eq!(submitted.status.as_u16(), 202, "{}", submitted.text);
    let deleted = call(&world, (Method::DELETE, ACCOUNT), &Value::Null, &cookie).await;
    assert_eq!(deleted.status.as_u16(), 202, "{}", deleted.text);
    assert!(deleted.json()["deletes_at"].is_string());
    assert!(!is_logged_in(&world, &cookie).await);
    assert_eq!(last_mail(&world).await["template"], "deletion_scheduled");
    let cookie = log_in(&world, "ada@example.org", PASSWORD)
        .await
        .expect("taken back");
    let account = call(&world, (Method::GET, ACCOUNT), &Value::Null, &cookie)
        .await
        .json();
    assert!(account["deletes_at"].is_null());
    let jobs = call(&world, (Method::GET, "/v1/jobs"), &Value::Null, &cookie)
        .await
        .json();
    assert_eq!(jobs["data"][0]["status"], "canceled");
    println!("mails of a life: {}", mails(&world).await.len());
}
