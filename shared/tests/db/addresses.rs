//! Many ask for, confirm or claim one address at the same moment, on Postgres, where they do run at once.

use std::time::Duration;

use lamplighter_shared::{
    db::{
        accounts::{self, AddressRequest, Request, SetUp},
        audit::Origin,
        challenges::{self, NewChallenge, Proof, Purpose},
        tasks::{NewTask, TaskKind},
        users::{self, Role},
    },
    id::UserId,
};
use tokio::task::JoinSet;

use crate::world::World;

const WANTED: &str = "wanted@example.com";
/// At once.
const MANY: u8 = 8;
const ROUNDS: u8 = 10;

/// Does all of it at the same time.
async fn at_once<T: Send + 'static>(
    works: impl Iterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    works.collect::<JoinSet<T>>().join_all().await
}

fn mail() -> NewTask {
    NewTask {
        kind: TaskKind::Mail,
        user: None,
        recipient: Some(WANTED.to_owned()),
        payload: "{}".to_owned(),
    }
}

fn challenge(purpose: Purpose, byte: u8) -> NewChallenge {
    NewChallenge {
        purpose,
        fingerprint: [byte; 32],
        code_fingerprint: None,
        email: WANTED.to_owned(),
        lifetime: Duration::from_secs(900),
        code_lifetime: Duration::ZERO,
    }
}

/// Accounts with a challenge of this purpose each, told apart by a byte.
async fn people(w: &World, purpose: Purpose) -> Vec<UserId> {
    let mut users = Vec::new();
    for byte in 1..=MANY {
        let made = users::create(&w.db, &format!("u{byte}@example.com"), Role::User).await;
        let user = made.expect("a user").id;
        challenges::replace(&w.db, user, &challenge(purpose, byte))
            .await
            .expect("a challenge");
        users.push(user);
    }
    users
}

#[tokio::test]
async fn of_many_mails_asked_for_at_once_one_link_is_good() {
    let w = World::fresh("postgres").await;
    let user = users::create(&w.db, WANTED, Role::User).await.expect("a user").id;
    let mut most = 0;
    for round in 0..ROUNDS {
        let asked = (0..MANY).map(|n| {
            let request = Request {
                email: WANTED.to_owned(),
                challenge: challenge(Purpose::Reset, round * MANY + n),
                mail: mail(),
                origin: Origin::system(),
            };
            let db = w.db.clone();
            async move { accounts::send(&db, request).await }
        });
        let moves = (0..MANY).map(|n| {
            let challenge = NewChallenge {
                email: "other@example.com".to_owned(),
                ..challenge(Purpose::Email, 128 + round * MANY + n)
            };
            let request = AddressRequest {
                user,
                challenge,
                confirm: mail(),
                known: mail(),
                origin: Origin::system(),
            };
            let db = w.db.clone();
            async move { accounts::request_address(&db, request).await }
        });
        let (asked, moved) = tokio::join!(at_once(asked), at_once(moves));
        for done in asked.into_iter().chain(moved) {
            done.expect("asked");
        }
        for purpose in ["reset", "email"] {
            let live =
                format!("SELECT count(*) FROM challenges WHERE purpose = '{purpose}' AND used_at IS NULL");
            most = most.max(w.number(&live).await);
        }
    }
    println!(
        "S8 {MANY} recoveries and {MANY} moves at once, {ROUNDS} times: at most {most} live link of a kind"
    );
    assert_eq!(most, 1);
}

#[tokio::test]
async fn of_many_who_confirm_one_address_at_once_one_has_it() {
    let w = World::fresh("postgres").await;
    for round in 0..ROUNDS {
        people(&w, Purpose::Email).await;
        let confirmed = (1..=MANY).map(|byte| {
            let db = w.db.clone();
            async move { accounts::verify(&db, &Proof::Token([byte; 32]), &mail(), &Origin::system()).await }
        });
        let ends = at_once(confirmed).await;
        let have = ends
            .into_iter()
            .filter(|end| end.as_ref().expect("no fault").is_some())
            .count();
        assert_eq!(have, 1, "round {round}");
        w.execute("DELETE FROM users").await;
    }
    println!("S8 {MANY} confirm one address at once, {ROUNDS} times: 1 has it, nobody sees a fault");
}

#[tokio::test]
async fn of_many_who_set_up_to_one_address_at_once_one_has_it() {
    let w = World::fresh("postgres").await;
    for round in 0..ROUNDS {
        people(&w, Purpose::Setup).await;
        let claims = (1..=MANY).map(|byte| {
            let db = w.db.clone();
            async move { accounts::claim(&db, &[byte; 32], (WANTED, "hash"), &Origin::system()).await }
        });
        let ends: Vec<SetUp> = at_once(claims)
            .await
            .into_iter()
            .map(|end| end.expect("no fault"))
            .collect();
        let count = |wanted: fn(&SetUp) -> bool| ends.iter().filter(|end| wanted(end)).count();
        let done = count(|end| matches!(end, SetUp::Done(_)));
        let taken = count(|end| *end == SetUp::Taken);
        assert_eq!(
            (done, taken),
            (1, usize::from(MANY) - 1),
            "round {round}: {ends:?}"
        );
        w.execute("DELETE FROM users").await;
    }
    println!("S8 {MANY} set-ups to one address at once, {ROUNDS} times: 1 has it, the others are told");
}
