//! Many ask for, confirm or claim one address at the same moment, on Postgres, where they do run at once.

use std::time::Duration;

use lamplighter_shared::{
    db::{
        accounts::{self, AddressRequest, Request},
        audit::Origin,
        challenges::{NewChallenge, Purpose},
        tasks::{NewTask, TaskKind},
        users::{self, Role},
    },
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
