//! Logins and sessions of a fleet: two APIs over one Postgres and one Redis. What is guessed is limited, what is
//! ended is over everywhere, and no answer tells who has an account.

mod flood;
mod foreign_pages;
mod guessing;
mod sessions;
mod world;

use reqwest::Method;
use serde_json::json;
use world::{Browser, PASSWORD, World, hash};

#[tokio::test]
async fn a_login_gives_a_session_and_says_who_it_is() {
    let world = World::new().await;
    let mut ada = Browser::at("203.0.113.7");
    let answer = world.login(0, &ada, "Ada@Example.ORG", PASSWORD).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.body["user"]["email"], "ada@example.org");
    assert_eq!(answer.body.get("restored"), None);
    ada.keep(&answer);
    let current = world.ask(1, &ada, Method::GET, "/v1/session", None).await;
    assert_eq!(current.body, answer.body, "the other node says the same");
    let rows = world.sql("SELECT last_login_address, last_login_at > 0 FROM users WHERE email LIKE 'ada%'");
    assert_eq!(rows, [[Some("203.0.113.7".to_owned()), Some("t".to_owned())]]);
    let rows = world.sql("SELECT action, outcome, address FROM audit_log");
    let entry = ["session.create", "success", "203.0.113.7"].map(|text| Some(text.to_owned()));
    assert_eq!(rows, [entry]);
    for bad in [
        json!({"email": "ada@example.org"}),
        json!({"email": "ada@example.org", "password": ""}),
        json!({"email": "ada@example.org", "password": "x", "role": "admin"}),
        json!({"email": "ada", "password": "x"}),
        json!({"email": "ada@example.org", "password": ["x"]}),
        json!({"email": "ada@example.org", "password": "x".repeat(257)}),
    ] {
        let refused = world.ask(0, &ada, Method::POST, "/v1/session", Some(&bad)).await;
        assert_eq!(
            (refused.status, refused.code()),
            (422, "validation_failed"),
            "{bad}"
        );
    }
}

#[tokio::test]
async fn a_wrong_password_and_no_account_look_the_same_and_the_right_one_tells_why_not() {
    let world = World::new().await;
    let mut answers = Vec::new();
    let mut address = 0;
    let mut wrong = async |email: &str, state: &str| {
        world.sql(&format!("UPDATE users SET {state} WHERE email = '{email}'"));
        address += 1;
        let who = Browser::at(&format!("203.0.113.{address}"));
        let answer = world.login(0, &who, email, "three copper lanterns").await;
        assert_eq!(
            (answer.status, answer.code()),
            (401, "wrong_credentials"),
            "{email} {state}"
        );
        answers.push(answer.comparable());
    };
    let bob = "bob@example.org";
    for state in [
        "plan = plan",
        "verified_at = NULL",
        "verified_at = 1, approved_at = NULL",
        "approved_at = 1, disabled_at = 1",
        "disabled_at = NULL, delete_at = 1",
        "password_hash = NULL, delete_at = NULL",
        "password_hash = 'nonsense'",
    ] {
        wrong(bob, state).await;
    }
    wrong("nobody@example.org", "plan = plan").await;
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    println!("S2 login: {} kinds of accounts, 1 answer", answers.len());
    let failed = world
        .number("SELECT count(*) FROM audit_log WHERE action = 'session.create' AND outcome = 'failure'");
    assert_eq!(failed, 8);

    world.sql(&format!(
        "UPDATE users SET password_hash = '{}', delete_at = 1",
        hash(19_456, 2)
    ));
    for (state, status, code) in [
        ("delete_at = 1, verified_at = NULL", 403, "email_not_verified"),
        ("verified_at = 1, approved_at = NULL", 403, "approval_pending"),
        ("approved_at = 1, disabled_at = 1", 403, "account_disabled"),
        ("disabled_at = NULL", 201, ""),
    ] {
        world.sql(&format!("UPDATE users SET {state} WHERE email = '{bob}'"));
        address += 1;
        let who = Browser::at(&format!("203.0.113.{address}"));
        let answer = world.login(0, &who, bob, PASSWORD).await;
        assert_eq!((answer.status, answer.code()), (status, code), "{state}");
        assert_eq!(answer.set_cookies().len(), if status == 201 { 2 } else { 0 });
        if status == 201 {
            assert_eq!(
                answer.body["restored"], true,
                "logging in takes the deletion back"
            );
        }
    }
}

#[tokio::test]
async fn a_hash_of_less_effort_is_made_anew() {
    let world = World::new().await;
    world.sql(&format!("UPDATE users SET password_hash = '{}'", hash(1024, 1)));
    world.logged_in(0, "ada@example.org").await;
    let hashes = world.sql("SELECT password_hash FROM users ORDER BY email");
    let starts = |row: usize, with: &str| {
        let hash = hashes[row][0].as_deref().expect("a hash");
        assert!(hash.starts_with(with), "{hash}");
    };
    starts(0, "$argon2id$v=19$m=19456,t=2,p=1$");
    starts(1, "$argon2id$v=19$m=1024,t=1,p=1$");
    world.logged_in(1, "ada@example.org").await;
}
