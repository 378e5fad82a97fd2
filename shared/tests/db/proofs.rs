//! What the cache has to forget of a user, and the tasks that repeat it.

use lamplighter_shared::{
    db::{
        api_tokens::{self, NewToken, Revocation},
        audit::Origin,
        sessions::{self, NewSession},
        tasks::{self, NewTask, TaskKind},
        users,
    },
    id::{SessionId, TokenId},
    proof::ProofKind,
};

use crate::world::{START, for_each_database};

#[tokio::test]
async fn proofs_of_a_user_are_the_good_ones_and_the_ones_that_just_ended() {
    for_each_database(async |w| {
        let (user, other) = (w.user().await, w.user().await);
        for (owner, byte, life) in [
            (user, 1, 500_000),
            (user, 2, 500_000),
            (user, 3, 10),
            (other, 4, 500_000),
        ] {
            let token = NewToken {
                id: TokenId::generate(),
                user: owner,
                name: "a".to_owned(),
                scopes: Vec::new(),
                fingerprint: [byte; 32],
                expires_at: START + life,
                models: None,
                last4: None,
            };
            api_tokens::insert(&w.db, &token).await.expect("insert");
        }
        let key = |byte: u8| ProofKind::Token.cache_key(&[byte; 32]);
        let proofs = async || {
            let mut proofs = users::proofs_of(&w.db, user).await.expect("proofs");
            proofs.sort();
            proofs
        };
        let revoked = api_tokens::revoke(&w.db, &[1; 32], &Origin::operator())
            .await
            .expect("revoke");
        assert_eq!(revoked, Some(Revocation::Now));
        assert_eq!(proofs().await, [key(1), key(2), key(3)]);
        w.clock.advance(61_000);
        assert_eq!(proofs().await, [key(2)]);
    })
    .await;
}

#[tokio::test]
async fn no_proof_is_good_while_the_account_may_not_be_used() {
    for_each_database(async |w| {
        let user = w.user().await;
        let token = NewToken {
            id: TokenId::generate(),
            user,
            name: "a".to_owned(),
            scopes: Vec::new(),
            fingerprint: [1; 32],
            expires_at: START + 500_000,
            models: None,
            last4: None,
        };
        api_tokens::insert(&w.db, &token).await.expect("insert");
        let session = NewSession {
            id: SessionId::generate(),
            user,
            password_hash: None,
            fingerprint: [2; 32],
            replaces: None,
            life_ms: 500_000,
            address: "203.0.113.7".to_owned(),
            user_agent: None,
            origin: Origin::system(),
        };
        sessions::insert(&w.db, &session)
            .await
            .expect("insert")
            .expect("begun");
        let live = async || {
            let token = api_tokens::live(&w.db, &[1; 32]).await.expect("read");
            let session = sessions::live(&w.db, &[2; 32], 500_000).await.expect("read");
            (token.is_some(), session.is_some())
        };
        let states = [
            "verified_at = NULL",
            "approved_at = NULL",
            "disabled_at = 1",
            "delete_at = 1",
        ];
        for state in states {
            assert_eq!(live().await, (true, true), "{}", w.name);
            w.execute(&format!("UPDATE users SET {state}")).await;
            assert_eq!(live().await, (false, false), "{}: {state}", w.name);
            let usable = "verified_at = 1, approved_at = 1, disabled_at = NULL, delete_at = NULL";
            w.execute(&format!("UPDATE users SET {usable}")).await;
        }
        println!(
            "{}: tokens and sessions of accounts in {} states: 0 good",
            w.name,
            states.len()
        );
    })
    .await;
}

#[tokio::test]
async fn an_open_task_is_there_until_it_is_removed() {
    for_each_database(async |w| {
        let task = |kind, payload: &str| NewTask {
            kind,
            user: None,
            recipient: None,
            payload: payload.to_owned(),
        };
        tasks::enqueue(&w.db, &task(TaskKind::Mail, "[]"))
            .await
            .expect("stored");
        let id = tasks::enqueue(&w.db, &task(TaskKind::Bury, "[1]"))
            .await
            .expect("stored");
        let open = async || tasks::open(&w.db, TaskKind::Bury, 10).await.expect("a list");
        assert_eq!(open().await, [(id, "[1]".to_owned())]);
        assert!(tasks::is_there(&w.db, id).await.expect("an answer"));
        tasks::remove(&w.db, &[id]).await.expect("removed");
        assert_eq!(open().await, []);
        assert!(!tasks::is_there(&w.db, id).await.expect("an answer"));
    })
    .await;
}
