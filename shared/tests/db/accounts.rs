//! Users and API tokens: what is unique, what is live, what is over.

use lamplighter_shared::{
    db::{
        api_tokens::{self, NewToken, Revocation},
        audit::Origin,
        users::{self, Role},
    },
    id::{TokenId, UserId},
};

use crate::world::{START, for_each_database};

fn token(user: UserId, byte: u8) -> NewToken {
    NewToken {
        id: TokenId::generate(),
        user,
        name: "laptop".to_owned(),
        scopes: vec!["jobs:read".to_owned(), "jobs:write".to_owned()],
        fingerprint: [byte; 32],
        expires_at: START + 1000,
        models: None,
        last4: None,
    }
}

#[tokio::test]
async fn an_address_has_one_account() {
    for_each_database(async |w| {
        let user = users::create(&w.db, "a@example.com", Role::Admin)
            .await
            .expect("create");
        assert_eq!((user.role, user.created_at), (Role::Admin, START));
        w.clock.advance(1);
        let again = users::create(&w.db, "a@example.com", Role::User)
            .await
            .expect("create");
        assert_eq!(again, user, "unchanged");
        assert_eq!(users::get(&w.db, user.id).await.expect("get"), Some(user.clone()));
        assert_eq!(
            users::by_email(&w.db, "a@example.com").await.expect("get"),
            Some(user)
        );
        assert_eq!(users::by_email(&w.db, "b@example.com").await.expect("get"), None);
        assert_eq!(users::get(&w.db, UserId::generate()).await.expect("get"), None);
    })
    .await;
}

#[tokio::test]
async fn a_token_is_live_until_it_expires_or_is_revoked() {
    for_each_database(async |w| {
        let user = w.user().await;
        let (first, second) = (token(user, 1), token(user, 2));
        api_tokens::insert(&w.db, &first).await.expect("insert");
        api_tokens::insert(&w.db, &second).await.expect("insert");
        api_tokens::insert(&w.db, &token(user, 1))
            .await
            .expect_err("a fingerprint is unique");
        let live = async |byte: u8| api_tokens::live(&w.db, &[byte; 32]).await.expect("live");
        let found = live(1).await.expect("live");
        assert_eq!(
            (found.token, found.user, found.role),
            (first.id, user, Role::User)
        );
        assert_eq!((found.scopes, found.expires_at), (first.scopes, START + 1000));
        assert_eq!(live(3).await, None);
        let who = Origin::operator();
        let revoke = async |byte: u8| {
            api_tokens::revoke(&w.db, &[byte; 32], &who)
                .await
                .expect("revoke")
        };
        assert_eq!(revoke(1).await, Some(Revocation::Now));
        w.clock.advance(1);
        assert_eq!(revoke(1).await, Some(Revocation::Before(START)), "once");
        w.clock.advance(-1);
        assert_eq!(revoke(9).await, None);
        assert_eq!(live(1).await, None);
        w.clock.advance(999);
        assert!(live(2).await.is_some(), "to its last moment");
        w.clock.advance(1);
        assert_eq!(live(2).await, None, "by the database's clock");
    })
    .await;
}

#[tokio::test]
async fn uses_are_noted_at_a_grain_of_a_minute() {
    for_each_database(async |w| {
        let new = token(w.user().await, 1);
        api_tokens::insert(&w.db, &new).await.expect("insert");
        let used = async |advance| {
            w.clock.advance(advance);
            api_tokens::touch(&w.db, new.id, "127.0.0.1")
                .await
                .expect("touch");
            w.number("SELECT last_used_at FROM api_tokens").await - START
        };
        assert_eq!(used(5).await, 5);
        assert_eq!(used(60_000).await, 5);
        assert_eq!(used(1).await, 60_006);
    })
    .await;
}
