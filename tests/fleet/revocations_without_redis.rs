//! S5 and R6: Redis dies between the commit of an end (a token revoked, a logout, a user disabled) and the moment it
//! is told, or comes back with what it knew before. The answer comes only when the proof is refused everywhere, and it
//! stays refused. Where nobody is left who could tell, it is taken for as long as the cache is believed, no longer.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use lamplighter_shared::id::UserId;
use lamplighter_testkit::{proxy::Fault, scenario::sized};
use reqwest::Method;
use serde_json::json;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{
    end_races::OPEN,
    signs::until,
    stale_redis::{Old, good_proofs},
    town::{Clients, Issued, Proof, Town},
};

/// Users of each proof.
const USERS: usize = 4;
/// How many of them have ended, by the database.
const ENDED: &str = "SELECT (SELECT count(*) FROM api_tokens WHERE revoked_at IS NOT NULL)
    + (SELECT count(*) FROM sessions WHERE ended_at IS NOT NULL)";

/// What opens a door, and how that ends.
struct Pass {
    number: usize,
    proof: Proof,
    end: End,
}

enum End {
    Revoke(Issued),
    Logout,
    Disable(UserId),
}

impl Pass {
    /// Two of four are tokens, one a login, and one the login of who is thrown out.
    async fn new(town: &Town, number: usize) -> Self {
        let (proof, end) = match number % 4 {
            0 | 1 => {
                let token = town.token(number, &town.owner(), &["jobs:read"]).await;
                (token.proof.clone(), End::Revoke(token))
            }
            2 => (town.person("user").await.session, End::Logout),
            _ => {
                let person = town.person("user").await;
                (person.session, End::Disable(person.id))
            }
        };
        Self { number, proof, end }
    }

    async fn end(&self, town: &Town, api: usize) {
        match &self.end {
            End::Revoke(token) => town.revoke(api, token).await,
            End::Logout => {
                let logout = (Method::DELETE, "/v1/session", None);
                town.order_as(api, &self.proof, logout).await;
            }
            End::Disable(user) => {
                let path = format!("/v1/users/{user}");
                let body = Some(json!({"disabled": true}));
                town.order(api, Method::PATCH, &path, body).await;
            }
        }
    }
}

/// Those who use proofs all the time, at all APIs, and what they saw.
struct Crowd {
    users: JoinSet<()>,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    over: AtomicBool,
    /// Proofs whose end was answered.
    ended: Mutex<BTreeSet<usize>>,
    /// The last time that one was taken.
    last: Mutex<Option<Instant>>,
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
        if let_in {
            *self.last.lock().expect("nobody panics with it") = Some(Instant::now());
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
    fn of(clients: &Clients, passes: &[Pass]) -> Self {
        let (mut users, seen) = (JoinSet::new(), Arc::<Seen>::default());
        for (api, pass) in passes.iter().flat_map(|pass| [pass; USERS]).enumerate() {
            let (clients, seen) = (clients.clone(), seen.clone());
            users.spawn(use_it(clients, api, (pass.number, pass.proof.clone()), seen));
        }
        Self { users, seen }
    }

    fn answered(&self, pass: &Pass) {
        let mut ended = self.seen.ended.lock().expect("nobody panics with it");
        ended.insert(pass.number);
    }

    /// How long after `since` a proof was taken.
    fn taken_for(&self, since: Instant) -> Duration {
        let last = *self.seen.last.lock().expect("nobody panics with it");
        last.map_or(Duration::ZERO, |last| last.saturating_duration_since(since))
    }

    async fn end(self) -> Counts {
        self.seen.over.store(true, Ordering::SeqCst);
        self.users.join_all().await;
        *self.seen.counts.lock().expect("nobody panics with it")
    }
}

async fn use_it(clients: Clients, mut api: usize, (number, proof): (usize, Proof), seen: Arc<Seen>) {
    while !seen.over.load(Ordering::SeqCst) {
        let late = seen
            .ended
            .lock()
            .expect("nobody panics with it")
            .contains(&number);
        let status = clients.status(api, &proof, OPEN).await;
        api += 1;
        // 503: an API that reaches neither the cache nor the database can't say.
        assert!(
            [200, 401, 503].contains(&status),
            "{status}: neither taken nor refused"
        );
        seen.count(late, status == 200);
        sleep(Duration::from_millis(40)).await;
    }
}

async fn passes(town: &Town, count: usize) -> Vec<Pass> {
    let mut made = Vec::new();
    for number in 0..count {
        made.push(Pass::new(town, number).await);
    }
    made
}

/// Ends all at once, through both APIs; how long the slowest answer took.
async fn end_all(town: &Town, passes: &[Pass], crowd: &Crowd) -> Duration {
    // One behind the other: neighbours end in different ways.
    end_all_at(town, passes, crowd, |number| number / 4).await
}

async fn end_all_at(town: &Town, passes: &[Pass], crowd: &Crowd, api: impl Fn(usize) -> usize) -> Duration {
    let began = Instant::now();
    let end = async |pass: &Pass| {
        pass.end(town, api(pass.number)).await;
        crowd.answered(pass);
    };
    futures::future::join_all(passes.iter().map(end)).await;
    began.elapsed()
}

/// Redis is killed when all ends are committed and it was told of none. It comes back from a snapshot in
/// which all proofs are good, with half a minute to live.
#[tokio::test(flavor = "multi_thread")]
async fn s5_a_redis_killed_between_commit_and_burial_lets_nobody_in() {
    // Longer than to kill it takes; a quarantine much shorter than what the snapshot says.
    let faults = "revoke.after_commit=return(wait 1500);cache.quarantine=return(wait 4000)";
    let mut town = Town::begin("S5 revoke, Redis killed", faults, |builder| builder).await;
    let passes = passes(&town, sized(40, 200)).await;
    let crowd = Crowd::of(&town.clients, &passes);
    let count = passes.len();
    let redis = |town: &Town| good_proofs(town.fleet.redis.as_ref().expect("a fleet with Redis"));
    until("all are in the cache", async || {
        (redis(&town) >= count).then_some(())
    })
    .await;
    town.cache_is_used().await;
    let old = Old::snapshot(town.fleet.redis_mut());
    let sql = town.sql.clone();
    let mut server = town.fleet.redis.take().expect("a fleet with Redis");
    let (took, server) = tokio::join!(end_all(&town, &passes, &crowd), async {
        until("all are committed", async || {
            (sql.number(ENDED).await == count as i64).then_some(())
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
        "S5 ends, Redis killed between commit and burial: accepted afterwards {} of {} ({count} proofs × {USERS}), \
         let in before {}, good in the old snapshot {good}, buried later {buried}, answered within {took:?}",
        counts.accepted, counts.afterwards, counts.before
    );
    assert!(good >= count, "the old Redis takes the proofs for good");
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

/// The API that is told can't reach Redis, the other one can, and would take the proofs from there.
#[tokio::test(flavor = "multi_thread")]
async fn s5_an_api_that_is_cut_off_from_redis_answers_when_the_others_know() {
    let faults = "cache.quarantine=return(wait 0)";
    let town = Town::begin("S5 revoke, cut off", faults, |builder| builder.via_proxies(true)).await;
    let passes = passes(&town, sized(40, 200)).await;
    let crowd = Crowd::of(&town.clients, &passes);
    town.cache_is_used().await;
    let line = town.fleet.apis[0]
        .lines()
        .redis
        .as_ref()
        .expect("a fleet with Redis");
    line.set(Fault::BlackHole);
    sleep(Duration::from_millis(500)).await;
    let before = town.looks("hit").await;
    let took = end_all_at(&town, &passes, &crowd, |_| 0).await;
    let hits = town.looks("hit").await - before;
    sleep(Duration::from_secs(2)).await;
    line.set(Fault::Pass);
    sleep(Duration::from_secs(2)).await;
    let counts = crowd.end().await;
    println!(
        "S5 ends told by an API cut off from Redis: accepted afterwards {} of {} ({} proofs × {USERS}), cache hits of the \
         other one meanwhile {hits}, answered within {took:?}",
        counts.accepted,
        counts.afterwards,
        passes.len(),
    );
    assert!(hits > 0.0 && counts.afterwards > 10 * passes.len(), "{counts:?}");
    assert_eq!(counts.accepted, 0);
}

/// Redis says nothing for as long as an end takes, and then goes on as if nothing had been.
#[tokio::test(flavor = "multi_thread")]
async fn s5_a_redis_that_is_silent_while_proofs_end_lets_nobody_in() {
    let faults = "cache.quarantine=return(wait 3000)";
    let town = Town::begin("S5 revoke, Redis silent", faults, |builder| builder).await;
    let passes = passes(&town, sized(40, 200)).await;
    let crowd = Crowd::of(&town.clients, &passes);
    town.cache_is_used().await;
    let redis = town.fleet.redis.as_ref().expect("a fleet with Redis");
    redis.pause();
    let took = end_all(&town, &passes, &crowd).await;
    redis.resume();
    sleep(Duration::from_secs(5)).await;
    let counts = crowd.end().await;
    println!(
        "S5 ends, Redis silent meanwhile: accepted afterwards {} of {} ({} proofs × {USERS}), answered within {took:?}",
        counts.accepted,
        counts.afterwards,
        passes.len(),
    );
    assert!(
        counts.before > passes.len() && counts.afterwards > 10 * passes.len(),
        "{counts:?}"
    );
    assert_eq!(counts.accepted, 0);
}

/// Redis was told, and then comes back from a snapshot in which nothing has ended: nobody will tell it again.
#[tokio::test(flavor = "multi_thread")]
async fn s5_a_redis_from_before_the_ends_lets_nobody_in() {
    // As in life: the quarantine is as long as anything in the cache lives, only both are shorter.
    let faults = "auth.trusted=return(wait 5000);cache.quarantine=return(wait 5000)";
    let mut town = Town::begin("S5 revoke, old snapshot", faults, |builder| builder).await;
    let passes = passes(&town, sized(40, 200)).await;
    let crowd = Crowd::of(&town.clients, &passes);
    let count = passes.len();
    town.cache_is_used().await;
    let old = Old::snapshot(town.fleet.redis_mut());
    let took = end_all(&town, &passes, &crowd).await;
    old.take_over(town.fleet.redis_mut()).await;
    let good = good_proofs(town.fleet.redis_mut());
    sleep(Duration::from_secs(5)).await;
    town.cache_is_used().await;
    sleep(Duration::from_secs(1)).await;
    let counts = crowd.end().await;
    println!(
        "S5 ends, Redis from before them: accepted afterwards {} of {} ({count} proofs × {USERS}), let in before {}, \
         good in the old snapshot {good}, answered within {took:?}",
        counts.accepted, counts.afterwards, counts.before
    );
    assert!(good >= count / 4, "the old Redis takes proofs for good: {good}");
    assert!(
        counts.before > count && counts.afterwards > 10 * count,
        "{counts:?}"
    );
    assert_eq!(counts.accepted, 0);
}

/// Nobody is left who could tell: the API that is told can't reach Redis, and the other one reaches Redis and not
/// Postgres, so that it neither hears of the task nor asks the truth.
#[tokio::test(flavor = "multi_thread")]
async fn s5_a_node_without_the_database_takes_what_ended_no_longer_than_the_cache_is_believed() {
    // As in life, only shorter: half a minute.
    const BELIEVED: Duration = Duration::from_secs(6);
    let faults = "auth.trusted=return(wait 6000);cache.quarantine=return(wait 0)";
    let town = Town::begin("S5 ends, cut off", faults, |builder| builder.via_proxies(true)).await;
    let passes = passes(&town, sized(20, 100)).await;
    let crowd = Crowd::of(&town.clients, &passes);
    town.cache_is_used().await;
    let [told, cut_off] = [town.fleet.apis[0].lines(), town.fleet.apis[1].lines()];
    let redis = told.redis.as_ref().expect("a fleet with Redis");
    redis.set(Fault::BlackHole);
    cut_off.postgres.set(Fault::BlackHole);
    let began = Instant::now();
    let took = end_all_at(&town, &passes, &crowd, |_| 0).await;
    sleep((began + 2 * BELIEVED).saturating_duration_since(Instant::now())).await;
    let taken_for = crowd.taken_for(began);
    redis.set(Fault::Pass);
    cut_off.postgres.set(Fault::Pass);
    sleep(Duration::from_secs(2)).await;
    let healed = crowd.taken_for(began);
    let counts = crowd.end().await;
    println!(
        "S5 ends that nobody could tell the cache of: taken for {taken_for:?} of {BELIEVED:?} that it is believed; \
         {} of {} ({} proofs × {USERS}), answered within {took:?}",
        counts.accepted,
        counts.afterwards,
        passes.len(),
    );
    assert!(
        taken_for > Duration::from_secs(1),
        "it was believed: {taken_for:?}"
    );
    // The look-up that filled the cache may have been under way when all ended.
    assert!(taken_for <= BELIEVED + Duration::from_secs(1), "{taken_for:?}");
    assert_eq!(healed, taken_for, "afterwards nobody is let in again");
}
