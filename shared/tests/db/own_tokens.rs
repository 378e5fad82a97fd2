//! A user's tokens as their owner changes them: never more live ones than allowed, whoever asks at once and over
//! which connection, and each change with its entry in the audit log.

use lamplighter_shared::{
    clock::Clock,
    db::{
        Db,
        api_tokens::{self, NewToken},
        audit::{Action, Entry, Origin},
        own_tokens::{self, Issued, Terms},
    },
    id::{TokenId, UserId},
};
use rand::random;
use tokio::task::JoinSet;

use crate::world::{START, World, for_each_database};

const MOST: u32 = 6;
/// Who asks at once.
const ASKERS: usize = 24;
const DAY_MS: i64 = 86_400_000;

fn new(user: UserId) -> NewToken {
    NewToken {
        id: TokenId::generate(),
        user,
        name: "a token".to_owned(),
        scopes: vec!["jobs:read".to_owned()],
        fingerprint: random(),
        expires_at: START + DAY_MS,
        models: Some(vec!["m".to_owned()]),
        last4: None,
    }
}

fn terms() -> Terms {
    Terms {
        most: Some(MOST),
        ..Terms::default()
    }
}

fn entry(action: Action) -> Entry {
    Origin::operator().did(action)
}

/// The database over this connection and over another one, as two processes have it.
async fn two(world: &World) -> [Db; 2] {
    let other = Db::connect(&world.url)
        .await
        .expect("another connection")
        .with_clock(Clock::Manual(world.clock.clone()));
    [world.db.clone(), other]
}

async fn live(world: &World, user: UserId) -> Vec<own_tokens::Token> {
    let mut all = own_tokens::list(&world.db, user, None, 100)
        .await
        .expect("a list");
    all.retain(own_tokens::Token::is_live);
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_that_ask_over_two_connections_exactly_as_many_get_a_token_as_there_is_room() {
    for_each_database(async |w| {
        let (user, dbs) = (w.user().await, two(w).await);
        let mut asking = JoinSet::new();
        for n in 0..ASKERS {
            let db = dbs[n % 2].clone();
            asking.spawn(async move {
                own_tokens::issue(&db, &new(user), &terms(), &entry(Action::TokenCreate)).await
            });
        }
        let answers = asking.join_all().await;
        let count = |what| answers.iter().filter(|answer| matches!(answer, Ok(issued) if *issued == what)).count();
        let (stored, refused) = (count(Issued::Stored), count(Issued::TooMany));
        println!(
            "{}: {ASKERS} asked over two connections for a token with room for {MOST}: {stored} stored, {refused} refused",
            w.name
        );
        assert_eq!((stored, refused), (MOST as usize, ASKERS - MOST as usize));
        assert_eq!(live(w, user).await.len(), MOST as usize);
        let told = w.query("SELECT id FROM audit_log WHERE action = 'token.create'").await;
        assert_eq!(told.len(), stored, "{}: one entry each", w.name);
    })
    .await;
}

/// All live tokens are rotated by several at once, while others ask for more and revoke some.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rotations_and_revocations_at_once_leave_no_more_than_the_maximum() {
    for_each_database(async |w| {
        let (user, dbs) = (w.user().await, two(w).await);
        for _ in 0..MOST {
            let issued = own_tokens::issue(&w.db, &new(user), &terms(), &entry(Action::TokenCreate)).await;
            assert_eq!(issued.expect("issued"), Issued::Stored);
        }
        let mut working = JoinSet::new();
        for (n, token) in live(w, user).await.into_iter().enumerate() {
            for db in dbs.clone() {
                working.spawn(async move {
                    let rotate = entry(Action::TokenRotate);
                    own_tokens::rotate(&db, (token.id, 0), &new(user), &terms(), &rotate).await
                });
            }
            let db = dbs[n % 2].clone();
            working.spawn(async move {
                own_tokens::issue(&db, &new(user), &terms(), &entry(Action::TokenCreate)).await
            });
            if n % 3 == 0 {
                let db = dbs[1 - n % 2].clone();
                working.spawn(async move {
                    let revoke = entry(Action::TokenRevoke);
                    let revoked = own_tokens::revoke(&db, user, token.id, &revoke).await;
                    revoked.map(|_| Issued::Ended)
                });
            }
        }
        for answer in working.join_all().await {
            answer.expect("the database decides");
        }
        let all = own_tokens::list(&w.db, user, None, 100).await.expect("a list");
        let live = live(w, user).await;
        let mut heirs: Vec<TokenId> = all.iter().filter_map(|token| token.rotated_to).collect();
        let rotated = heirs.len();
        heirs.sort_unstable();
        heirs.dedup();
        println!(
            "{}: {} tokens in all, {rotated} rotated, {} live of {MOST}",
            w.name,
            all.len(),
            live.len()
        );
        assert_eq!(heirs.len(), rotated, "{}: each has an heir of its own", w.name);
        assert!(live.len() <= MOST as usize, "{}: {}", w.name, live.len());
        for token in &all {
            let good = api_tokens::live(&w.db, &token.fingerprint).await.expect("live");
            assert_eq!(good.is_some(), token.is_live(), "{}: {token:?}", w.name);
        }
    })
    .await;
}
