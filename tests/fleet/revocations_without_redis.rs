//! S5 and R6: Redis dies between the commit of a revocation and the moment it is told, or comes back with what it
//! knew before. The answer comes only when the token is refused everywhere, and it stays refused.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use lamplighter_testkit::{proxy::Fault, scenario::sized};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{
    end_races::OPEN,
    signs::until,
    stale_redis::{Old, good_tokens},
    town::{Clients, Issued, Proof, Town},
};

/// Users of each token.
const USERS: usize = 4;

/// Those who use tokens all the time, at all APIs, and what they saw.
struct Crowd {
    users: JoinSet<()>,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    over: AtomicBool,
    /// Tokens whose revocation was answered.
    revoked: Mutex<BTreeSet<String>>,
    counts: Mutex<Counts>,
}

impl Seen {
    fn count(&self, late: bool, let_in: bool) {
        let mut counts = self.counts.lock().expect("nobody panics with it");
        if late {
            counts.afterwards += 1;
            counts.accepted += usize::from(let_in);
        } else {
            counts.before += usize::from(let_in);
        }
    }
}

#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    before: usize,
    afterwards: usize,
    accepted: usize,
}

impl Crowd {
    fn of(clients: &Clients, tokens: &[Issued]) -> Self {
        let (mut users, seen) = (JoinSet::new(), Arc::<Seen>::default());
        for (number, token) in tokens.iter().flat_map(|token| [token; USERS]).enumerate() {
            let (clients, seen) = (clients.clone(), seen.clone());
            let (id, proof) = (token.id.clone(), token.proof.clone());
            users.spawn(use_it(clients, number, (id, proof), seen));
        }
        Self { users, seen }
    }

    fn answered(&self, token: &Issued) {
        let mut revoked = self.seen.revoked.lock().expect("nobody panics with it");
        revoked.insert(token.id.clone());
    }

    async fn end(self) -> Counts {
        self.seen.over.store(true, Ordering::SeqCst);
        self.users.join_all().await;
        *self.seen.counts.lock().expect("nobody panics with it")
    }
}

async fn use_it(clients: Clients, mut api: usize, (id, proof): (String, Proof), seen: Arc<Seen>) {
    while !seen.over.load(Ordering::SeqCst) {
        let late = seen.revoked.lock().expect("nobody panics with it").contains(&id);
        let status = clients.status(api, &proof, OPEN).await;
        api += 1;
        assert!(
            [200, 401].contains(&status),
            "{status}: neither taken nor refused"
        );
        seen.count(late, status == 200);
        sleep(Duration::from_millis(40)).await;
    }
}

async fn tokens(town: &Town, count: usize) -> Vec<Issued> {
    let mut made = Vec::new();
    for number in 0..count {
        made.push(town.token(number, &town.owner(), &["jobs:read"]).await);
    }
    made
}

/// Revokes all at once, through both APIs; how long the slowest answer took.
async fn revoke_all(town: &Town, tokens: &[Issued], crowd: &Crowd) -> Duration {
    let began = Instant::now();
    let revoke = async |(number, token): (usize, &Issued)| {
        town.revoke(number, token).await;
        crowd.answered(token);
    };
    futures::future::join_all(tokens.iter().enumerate().map(revoke)).await;
    began.elapsed()
}

/// Redis is killed when all revocations are committed and it was told of none. It comes back from a snapshot in
/// which all tokens are good, with half a minute to live.
#[tokio::test(flavor = "multi_thread")]
async fn s5_a_redis_killed_between_commit_and_burial_lets_nobody_in() {
    // Longer than to kill it takes; a quarantine much shorter than what the snapshot says.
    let faults = "revoke.after_commit=return(wait 1500);cache.quarantine=return(wait 4000)";
    let mut town = Town::begin("S5 revoke, Redis killed", faults, |builder| builder).await;
    let tokens = tokens(&town, sized(20, 100)).await;
    let crowd = Crowd::of(&town.clients, &tokens);
    let count = tokens.len();
    let redis = |town: &Town| good_tokens(town.fleet.redis.as_ref().expect("a fleet with Redis"));
    until("all are in the cache", async || {
        (redis(&town) >= count).then_some(())
    })
    .await;
    town.cache_is_used().await;
    let old = Old::snapshot(town.fleet.redis_mut());
    let sql = town.sql.clone();
    let mut server = town.fleet.redis.take().expect("a fleet with Redis");
    let (took, server) = tokio::join!(revoke_all(&town, &tokens, &crowd), async {
        until("all are committed", async || {
            let text = "SELECT count(*) FROM api_tokens WHERE revoked_at IS NOT NULL";
            (sql.number(text).await == count as i64).then_some(())
        })
        .await;
        server.kill9();
        server
    });
    town.fleet.redis = Some(server);
    sleep(Duration::from_millis(500)).await;
    old.take_over(town.fleet.redis_mut()).await;
    let good = redis(&town);
    // The quarantine, and as long again.
    sleep(Duration::from_secs(8)).await;
    let buried = good.saturating_sub(redis(&town));
    let counts = crowd.end().await;
    println!(
        "S5 revoke, Redis killed between commit and burial: accepted afterwards {} of {} ({count} tokens × {USERS}), \
         let in before {}, good in the old snapshot {good}, buried later {buried}, answered within {took:?}",
        counts.accepted, counts.afterwards, counts.before
    );
    assert!(good >= count, "the old Redis takes the tokens for good");
    assert!(
        counts.before > count && counts.afterwards > 10 * count,
        "{counts:?}"
    );
    assert_eq!(counts.accepted, 0);
    assert!(
        buried >= count,
        "tasks tell Redis what it does not know: {buried}"
    );
}

/// The API that revokes can't reach Redis, the other one can, and would take the tokens from there.
#[tokio::test(flavor = "multi_thread")]
async fn s5_an_api_that_is_cut_off_from_redis_answers_when_the_others_know() {
    let faults = "cache.quarantine=return(wait 0)";
    let town = Town::begin("S5 revoke, cut off", faults, |builder| builder.via_proxies(true)).await;
    let tokens = tokens(&town, sized(20, 100)).await;
    let crowd = Crowd::of(&town.clients, &tokens);
    town.cache_is_used().await;
    let line = town.fleet.apis[0]
        .lines()
        .redis
        .as_ref()
        .expect("a fleet with Redis");
    line.set(Fault::BlackHole);
    sleep(Duration::from_millis(500)).await;
    let (before, began) = (town.looks("hit").await, Instant::now());
    futures::future::join_all(tokens.iter().map(async |token| {
        town.revoke(0, token).await;
        crowd.answered(token);
    }))
    .await;
    let took = began.elapsed();
    let hits = town.looks("hit").await - before;
    sleep(Duration::from_secs(2)).await;
    line.set(Fault::Pass);
    sleep(Duration::from_secs(2)).await;
    let counts = crowd.end().await;
    println!(
        "S5 revoke by an API cut off from Redis: accepted afterwards {} of {} ({} tokens × {USERS}), cache hits of the \
         other one meanwhile {hits}, answered within {took:?}",
        counts.accepted,
        counts.afterwards,
        tokens.len(),
    );
    assert!(hits > 0.0 && counts.afterwards > 10 * tokens.len(), "{counts:?}");
    assert_eq!(counts.accepted, 0);
}

/// Redis says nothing for as long as a revocation takes, and then goes on as if nothing had been.
#[tokio::test(flavor = "multi_thread")]
async fn s5_a_redis_that_is_silent_while_a_token_is_revoked_lets_nobody_in() {
    let faults = "cache.quarantine=return(wait 3000)";
    let town = Town::begin("S5 revoke, Redis silent", faults, |builder| builder).await;
    let tokens = tokens(&town, sized(20, 100)).await;
    let crowd = Crowd::of(&town.clients, &tokens);
    town.cache_is_used().await;
    let redis = town.fleet.redis.as_ref().expect("a fleet with Redis");
    redis.pause();
    let took = revoke_all(&town, &tokens, &crowd).await;
    redis.resume();
    sleep(Duration::from_secs(5)).await;
    let counts = crowd.end().await;
    println!(
        "S5 revoke, Redis silent meanwhile: accepted afterwards {} of {} ({} tokens × {USERS}), answered within {took:?}",
        counts.accepted,
        counts.afterwards,
        tokens.len(),
    );
    assert!(
        counts.before > tokens.len() && counts.afterwards > 10 * tokens.len(),
        "{counts:?}"
    );
    assert_eq!(counts.accepted, 0);
}

/// Redis was told, and then comes back from a snapshot in which nothing is revoked: nobody will tell it again.
#[tokio::test(flavor = "multi_thread")]
async fn s5_a_redis_from_before_the_revocation_lets_nobody_in() {
    // As in life: the quarantine is as long as anything in the cache lives, only both are shorter.
    let faults = "auth.trusted=return(wait 5000);cache.quarantine=return(wait 5000)";
    let mut town = Town::begin("S5 revoke, old snapshot", faults, |builder| builder).await;
    let tokens = tokens(&town, sized(20, 100)).await;
    let crowd = Crowd::of(&town.clients, &tokens);
    let count = tokens.len();
    town.cache_is_used().await;
    let old = Old::snapshot(town.fleet.redis_mut());
    let took = revoke_all(&town, &tokens, &crowd).await;
    old.take_over(town.fleet.redis_mut()).await;
    let good = good_tokens(town.fleet.redis_mut());
    sleep(Duration::from_secs(5)).await;
    town.cache_is_used().await;
    sleep(Duration::from_secs(1)).await;
    let counts = crowd.end().await;
    println!(
        "S5 revoke, Redis from before it: accepted afterwards {} of {} ({count} tokens × {USERS}), let in before {}, \
         good in the old snapshot {good}, answered within {took:?}",
        counts.accepted, counts.afterwards, counts.before
    );
    assert!(good >= count / 4, "the old Redis takes tokens for good: {good}");
    assert!(
        counts.before > count && counts.afterwards > 10 * count,
        "{counts:?}"
    );
    assert_eq!(counts.accepted, 0);
}
