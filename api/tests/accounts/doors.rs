//! Who gets in: registration that is open, by approval, by invitation or closed; set-up; and how often one may ask.

use lamplighter_api::accounts::setup;
use lamplighter_shared::{
    config::{Config, Registration},
    db::users::{self, Role},
};
use poem::{
    Request,
    http::{Method, StatusCode},
};
use serde_json::{Value, json};

use crate::{
    people::{
        OTHER_PASSWORD, PASSWORD, arrive, call, is_logged_in, last_mail, log_in, mails, post, register,
    },
    support::{World, send},
};

const REGISTER: &str = "/v1/account/register";

async fn world(registration: Registration) -> World {
    World::with(|config: &mut Config| config.accounts.registration = registration).await
}

fn wish(email: &str, invitation: Option<&str>) -> Value {
    let mut body = json!({"email": email, "password": PASSWORD});
    if let Some(invitation) = invitation {
        body["invitation"] = invitation.into();
    }
    body
}

/// Invites as the administrator; the invitation with its secret.
async fn invite(world: &World, body: &Value) -> Value {
    let admin = world.token_with(&["admin"]).await;
    let request = Request::builder()
        .method(Method::POST)
        .uri_str("/v1/invitations")
        .header("authorization", format!("Bearer {admin}"))
        .content_type("application/json")
        .body(body.to_string());
    let read = send(world.api(), request).await;
    assert_eq!(read.status, StatusCode::CREATED, "{}", read.text);
    read.json()
}

#[tokio::test]
async fn approval_comes_after_the_verification() {
    let world = world(Registration::Approval).await;
    let token = register(&world, "ada@example.org").await;
    assert_eq!(
        post(&world, "/v1/account/verify", &json!({"token": token})).await,
        204
    );
    let body = json!({"email": "ada@example.org", "password": PASSWORD});
    let read = call(&world, (Method::POST, "/v1/session"), &body, "").await;
    assert_eq!(
        (read.status.as_u16(), &read.json()["code"]),
        (403, &json!("approval_pending"))
    );
}

#[tokio::test]
async fn closed_doors_tell_nothing_of_addresses() {
    let closed = world(Registration::Closed).await;
    let invited = world(Registration::Invite).await;
    for email in ["owner@example.org", "nobody@example.org"] {
        assert_eq!(post(&closed, REGISTER, &wish(email, None)).await, 403);
        assert_eq!(post(&closed, REGISTER, &wish(email, Some("x"))).await, 403);
        assert_eq!(post(&invited, REGISTER, &wish(email, None)).await, 403);
        assert_eq!(post(&invited, REGISTER, &wish(email, Some("x"))).await, 422);
    }
    assert!(mails(&closed).await.is_empty() && mails(&invited).await.is_empty());
}

#[tokio::test]
async fn an_invitation_opens_once_and_only_to_its_address() {
    let world = world(Registration::Invite).await;
    let made = invite(
        &world,
        &json!({"email": "grace@example.org", "role": "admin", "plan": "pro"}),
    )
    .await;
    let secret = made["token"].as_str().expect("a secret");
    let mail = last_mail(&world).await;
    assert_eq!(
        (&mail["template"], &mail["token"]),
        (&json!("invitation"), &json!(secret))
    );
    assert_eq!(
        post(&world, REGISTER, &wish("eve@example.org", Some(secret))).await,
        422
    );
    assert_eq!(
        post(&world, REGISTER, &wish("grace@example.org", Some(secret))).await,
        202
    );
    let token = last_mail(&world).await["token"].clone();
    assert_eq!(
        post(&world, "/v1/account/verify", &json!({"token": token})).await,
        204
    );
    let grace = users::by_email(&world.state.db, "grace@example.org")
        .await
        .expect("read")
        .expect("there");
    assert_eq!((grace.role, grace.plan.as_str()), (Role::Admin, "pro"));
    assert_eq!(
        post(&world, REGISTER, &wish("grace@example.org", Some(secret))).await,
        422,
        "once"
    );

    let open = invite(&world, &json!({})).await;
    let admin = world.token_with(&["admin"]).await;
    let id = open["id"].as_str().expect("an id");
    let request = |method: Method, path: &str| {
        let builder = Request::builder().method(method).uri_str(path);
        builder
            .header("authorization", format!("Bearer {admin}"))
            .finish()
    };
    let path = format!("/v1/invitations/{id}");
    assert_eq!(
        send(world.api(), request(Method::DELETE, &path))
            .await
            .status
            .as_u16(),
        204
    );
    let secret = open["token"].as_str().expect("a secret");
    assert_eq!(
        post(&world, REGISTER, &wish("eve@example.org", Some(secret))).await,
        422,
        "taken back"
    );
    let list = send(world.api(), request(Method::GET, "/v1/invitations")).await;
    assert_eq!(list.json()["data"].as_array().map(Vec::len), Some(2));
    assert!(!list.text.contains("\"token\""), "a secret is shown once");
}

#[tokio::test]
async fn a_set_up_token_claims_its_account_once() {
    let world = World::new().await;
    let owner = users::create(&world.state.db, "owner@localhost", Role::Admin)
        .await
        .expect("a user");
    let first = setup::issue(&world.state.db, &owner).await.expect("a token");
    let token = setup::issue(&world.state.db, &owner).await.expect("a token");
    let claim = |token: &str, email: &str, password: &str| json!({"token": token, "email": email, "password": password});
    for (body, status) in [
        (claim(&first, "ada@example.org", PASSWORD), 422),
        (claim("x", "other@example.org", PASSWORD), 422),
        (claim(&token, "ada@example.org", "short"), 422),
        (claim(&token, "other@example.org", PASSWORD), 409),
        (claim(&token, "ada@example.org", PASSWORD), 204),
        (claim(&token, "ada@example.org", PASSWORD), 422),
    ] {
        assert_eq!(post(&world, "/v1/setup", &body).await, status, "{body}");
    }
    let cookie = log_in(&world, "ada@example.org", PASSWORD)
        .await
        .expect("logged in");
    let account = call(&world, (Method::GET, "/v1/account"), &Value::Null, &cookie)
        .await
        .json();
    assert_eq!(
        (&account["id"], &account["role"]),
        (&json!(owner.id.to_string()), &json!("admin"))
    );
}

/// A stranger registered the address before its owner set the account up; and nobody registers the server's own.
#[tokio::test]
async fn nobody_keeps_an_address_from_who_sets_an_account_up() {
    let world = World::new().await;
    let owner = users::create(&world.state.db, "owner@localhost", Role::Admin)
        .await
        .expect("a user");
    let token = setup::issue(&world.state.db, &owner).await.expect("a token");
    let verify = register(&world, "ada@example.org").await;
    let body = json!({"token": token, "email": "ada@example.org", "password": OTHER_PASSWORD});
    assert_eq!(post(&world, "/v1/setup", &body).await, 204);
    assert_eq!(
        post(&world, "/v1/account/verify", &json!({"token": verify})).await,
        422
    );
    assert_eq!(log_in(&world, "ada@example.org", PASSWORD).await, Err(401));
    let cookie = log_in(&world, "ada@example.org", OTHER_PASSWORD)
        .await
        .expect("logged in");
    let mut refused = 0;
    for email in [
        "owner@localhost",
        "Root@Localhost",
        "a@b.localhost",
        "x@guest.invalid",
    ] {
        let read = call(&world, (Method::POST, REGISTER), &wish(email, None), "").await;
        assert_eq!(
            (read.status.as_u16(), &read.json()["errors"][0]["pointer"]),
            (422, &json!("/email")),
            "{email}"
        );
        let moved = call(
            &world,
            (Method::PATCH, "/v1/account"),
            &json!({"email": email}),
            &cookie,
        )
        .await;
        assert_eq!(moved.status.as_u16(), 422, "{email}");
        refused += 2;
    }
    println!("S8 addresses of the server itself that strangers asked for: {refused} of 8 refused");
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let world = World::new().await;
    let token = setup::issue(&world.state.db, &world.owner)
        .await
        .expect("a token");
    let body = json!({"token": token, "email": "owner@example.org", "password": PASSWORD});
    assert_eq!(post(&world, "/v1/setup", &body).await, 204);
    let cookie = log_in(&world, "owner@example.org", PASSWORD)
        .await
        .expect("logged in");
    let delete = (Method::DELETE, "/v1/account");
    let refused = call(&world, delete.clone(), &Value::Null, &cookie).await;
    assert_eq!(refused.status.as_u16(), 409);
    users::create(&world.state.db, "second@example.org", Role::Admin)
        .await
        .expect("a user");
    assert_eq!(
        call(&world, delete, &Value::Null, &cookie).await.status.as_u16(),
        202
    );
    assert!(!is_logged_in(&world, &cookie).await);
    assert_eq!(
        world.get("/v1/jobs").await.status.as_u16(),
        401,
        "tokens end, too"
    );
}

#[tokio::test]
async fn one_address_gets_few_mails_and_one_network_asks_a_few_times() {
    let world = World::with(|config| config.accounts.register_burst = 1).await;
    arrive(&world, "ada@example.org").await;
    let before = mails(&world).await.len();
    for _ in 0..5 {
        let variant = json!({"email": "ada@example.org"});
        assert_eq!(post(&world, "/v1/account/recover", &variant).await, 202);
    }
    let sent = mails(&world).await.len() - before;
    println!("mails to one address: 1 for the registration and {sent} of 5 recoveries");
    assert_eq!(sent, 2);
    // This machine has ten times the burst of one; six are used up.
    let mut statuses = Vec::new();
    for i in 0..6 {
        let body = json!({"email": format!("b{i}@example.org")});
        statuses.push(post(&world, "/v1/account/recover", &body).await);
    }
    assert_eq!(statuses, [202, 202, 202, 202, 429, 429]);
    let body = json!({"email": "c@example.org"});
    let refused = call(&world, (Method::POST, "/v1/account/recover"), &body, "").await;
    let wait: u64 = refused.header("retry-after").parse().expect("seconds");
    assert!((1..=3600).contains(&wait), "{wait}");
}
