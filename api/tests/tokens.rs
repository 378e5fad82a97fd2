//! Tokens of a fleet: two APIs over one Postgres and one Redis. What is revoked is refused from the answer on,
//! by all, whatever is cached, under way or down.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use lamplighter_api::{
    ApiState,
    auth::{
        scope::Scope,
        token::{self, MintRequest, NewApiToken, Revoked},
        void,
    },
};
use lamplighter_shared::{
    cache::{Cache, Redis, RedisCache},
    config::Config,
    db::{
        Db, api_tokens,
        position::Positions,
        submit::Submitter,
        tasks::{self, TaskKind},
        users::{self, Role, User},
    },
    events::MemoryEvents,
    id::TokenId,
    key::Key,
    lifecycle::Lifecycle,
    model_spec::Catalog,
    queue::MemoryDoorbell,
    telemetry::probes::Probes,
};
use lamplighter_testkit::{postgres::Postgres, redis};
use poem::{Endpoint, EndpointExt, Request, endpoint::BoxEndpoint};
use tokio_util::sync::CancellationToken;

/// One API process: what it is made of, and what answers.
struct Node {
    state: ApiState,
    api: BoxEndpoint<'static>,
}

struct World {
    server: redis::Redis,
    database: String,
    nodes: Vec<Arc<Node>>,
    user: User,
}

impl World {
    /// `trust_at_once`: nodes believe the cache as soon as they are connected.
    async fn new(trust_at_once: bool) -> Self {
        let (database, url) = Postgres::shared().create_database();
        let server = redis::Redis::start();
        let key = Arc::new(Key::generate().expect("a key"));
        let db = Db::connect(&url).await.expect("a database");
        db.migrate().await.expect("migrated");
        let user = users::create(&db, "owner@example.org", Role::User)
            .await
            .expect("a user");
        let mut nodes = Vec::new();
        for _ in 0..2 {
            let db = Db::connect(&url).await.expect("a database");
            let redis = Redis::connect(&server.url()).expect("an address");
            assert!(redis.connected_within(Duration::from_secs(10)).await);
            let cache = if trust_at_once {
                RedisCache::with_quarantine(&redis, Duration::ZERO)
            } else {
                RedisCache::new(&redis)
            };
            let state = ApiState {
                submitter: Submitter::start(db.clone(), &Lifecycle::default(), Duration::from_secs(60)),
                positions: Arc::new(Positions::new(db.clone())),
                probes: Probes::new(&db),
                db,
                events: Arc::new(MemoryEvents::default()),
                doorbell: Arc::new(MemoryDoorbell::default()),
                cache: Arc::new(cache),
                catalog: Arc::new(Catalog::built_in()),
                config: Arc::new(Config::default()),
                key: key.clone(),
            };
            let api = lamplighter_api::build(state.clone()).boxed();
            nodes.push(Arc::new(Node { state, api }));
        }
        Self {
            server,
            database,
            nodes,
            user,
        }
    }

    async fn token(&self) -> String {
        let state = &self.nodes[0].state;
        let new = NewApiToken {
            user: self.user.id,
            name: "test".to_owned(),
            scopes: vec![Scope::JobsRead.to_string()],
            expires_in: Duration::from_secs(3600),
            models: None,
        };
        token::create(&state.db, &state.key, new).await.expect("a token")
    }

    /// A token that ends after `life`, which nobody could ask for.
    async fn short_token(&self, life: Duration) -> String {
        let state = &self.nodes[0].state;
        let now = state.db.now().await.expect("the time");
        let request = MintRequest {
            user: self.user.id,
            token_id: TokenId::generate(),
            scopes: vec![Scope::JobsRead],
            expires_at: now + life.as_millis() as i64,
            now,
        };
        let (text, fingerprint) = token::mint(&state.key, &request).expect("minted");
        let row = api_tokens::NewToken {
            id: request.token_id,
            user: self.user.id,
            name: "short".to_owned(),
            scopes: vec![Scope::JobsRead.to_string()],
            fingerprint,
            expires_at: request.expires_at,
            models: None,
            last4: None,
        };
        api_tokens::insert(&state.db, &row).await.expect("stored");
        text
    }

    async fn revoke(&self, node: usize, token: &str) -> Revoked {
        let state = &self.nodes[node].state;
        token::revoke(&state.db, &state.cache, token)
            .await
            .expect("the database answers")
    }

    /// Ends the token without a word to the cache, as nobody does: to see whether the cache is used.
    fn revoke_secretly(&self) {
        Postgres::shared().query(&self.database, "UPDATE api_tokens SET revoked_at = 1");
    }
}

impl Node {
    async fn status(&self, token: &str) -> u16 {
        let request = Request::builder()
            .uri_str("/v1/jobs")
            .header("authorization", format!("Bearer {token}"));
        self.api.get_response(request.finish()).await.status().as_u16()
    }
}

#[tokio::test]
async fn a_token_is_looked_up_once_and_revoked_at_once_everywhere() {
    let world = World::new(true).await;
    let [one, two] = [&world.nodes[0], &world.nodes[1]];
    let token = world.token().await;
    assert_eq!(one.status(&token).await, 200);
    world.revoke_secretly();
    assert_eq!(
        two.status(&token).await,
        200,
        "from the cache that the first has filled"
    );
    let keys = world.server.command(&["KEYS", "lamplighter:cache:token:*"]);
    let left = world.server.command(&["PTTL", &keys.list()[0].text()]).number();
    assert!(left.is_some_and(|ms| (1..=30_000).contains(&ms)), "{left:?}");
    // Told again, although the database had it already.
    assert!(matches!(world.revoke(1, &token).await, Revoked::Before(_)));
    assert_eq!((one.status(&token).await, two.status(&token).await), (401, 401));
    let other = world.token().await;
    assert_eq!((one.status(&other).await, two.status(&other).await), (200, 200));
    assert_eq!(world.revoke(0, &other).await, Revoked::Now);
    assert_eq!((one.status(&other).await, two.status(&other).await), (401, 401));
}

#[tokio::test]
async fn a_cached_token_ends_when_it_ends() {
    let world = World::new(true).await;
    let token = world.short_token(Duration::from_millis(1500)).await;
    let start = Instant::now();
    let mut taken = 0;
    while world.nodes[taken % 2].status(&token).await == 200 {
        taken += 1;
        assert!(start.elapsed() < Duration::from_secs(10), "it never ends");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    println!("taken {taken} times, until {:?} of 1.5 s", start.elapsed());
    assert!(taken > 10 && start.elapsed() < Duration::from_millis(1900));
    for node in &world.nodes {
        assert_eq!(node.status(&token).await, 401);
    }
}

/// Readers that come and go while the token is revoked: from the answer on nobody takes it, however their
/// reads, leases and fills fell.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_revocation_wins_every_race() {
    const ROUNDS: usize = 40;
    let world = World::new(true).await;
    // Reads hang between the database and the cache now and then: that is where it would go wrong.
    fail::cfg("auth.after_db_read", "30%return(wait 8)").expect("an action");
    let (mut asked, mut before) = (0, 0);
    for round in 0..ROUNDS {
        let token = Arc::new(world.token().await);
        let (revoked, after) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut readers = Vec::new();
        for n in 0..8 {
            let (node, token) = (world.nodes[n % 2].clone(), token.clone());
            let (revoked, after) = (revoked.clone(), after.clone());
            readers.push(tokio::spawn(async move {
                let mut counts = (0, 0);
                while after.load(Ordering::SeqCst) < 16 {
                    let late = revoked.load(Ordering::SeqCst);
                    let status = node.status(&token).await;
                    counts.0 += 1;
                    counts.1 += usize::from(status == 200);
                    assert!(
                        !late || status == 401,
                        "round {round}: {status} after the revocation"
                    );
                    if late {
                        after.fetch_add(1, Ordering::SeqCst);
                    }
                }
                counts
            }));
        }
        tokio::time::sleep(Duration::from_millis(rand::random_range(0..25))).await;
        assert_eq!(world.revoke(round % 2, &token).await, Revoked::Now);
        revoked.store(true, Ordering::SeqCst);
        for reader in readers {
            let counts = reader.await.expect("nothing was taken");
            asked += counts.0;
            before += counts.1;
        }
    }
    fail::remove("auth.after_db_read");
    println!("{ROUNDS} revocations among {asked} requests, {before} taken before; taken after: 0");
    assert!(before > ROUNDS);
}

#[tokio::test]
async fn without_redis_the_database_decides() {
    let mut world = World::new(true).await;
    let (good, bad) = (world.token().await, world.token().await);
    let ending = world.short_token(Duration::from_millis(300)).await;
    for token in [&good, &bad, &ending] {
        assert_eq!(world.nodes[0].status(token).await, 200);
    }
    world.server.kill9();
    let start = Instant::now();
    assert_eq!(world.revoke(0, &bad).await, Revoked::Soon);
    println!("revoked without Redis in {:?}", start.elapsed());
    for node in &world.nodes {
        assert_eq!(node.status(&good).await, 200);
        assert_eq!(node.status(&bad).await, 401);
        assert_eq!(node.status(&ending).await, 401);
    }
    // It comes back with nothing, and is filled again.
    world.server.restart();
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        assert_eq!(world.nodes[0].status(&good).await, 200);
        assert_eq!(world.nodes[1].status(&bad).await, 401);
        if world
            .server
            .command(&["KEYS", "lamplighter:cache:token:*"])
            .list()
            .len()
            == 1
        {
            break;
        }
        assert!(Instant::now() < deadline, "nothing is cached again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A Redis that comes back with what it knew before a revocation it never heard of.
#[tokio::test]
async fn a_redis_from_before_the_revocation_revives_nothing() {
    let world = World::new(false).await;
    let token = world.token().await;
    assert_eq!(world.nodes[0].status(&token).await, 200);
    world.revoke_secretly();
    let keys = world.server.command(&["KEYS", "lamplighter:cache:token:*"]);
    assert_eq!(keys.list().len(), 1, "it was filled, and is not yet believed");
    for node in &world.nodes {
        assert_eq!(node.status(&token).await, 401);
    }
}

/// What the cache could not be told is a task, done as soon as the cache is back.
#[tokio::test]
async fn an_end_that_the_cache_missed_is_told_later() {
    let mut world = World::new(true).await;
    let token = world.token().await;
    assert_eq!(world.nodes[0].status(&token).await, 200);
    world.server.kill9();
    assert_eq!(world.revoke(0, &token).await, Revoked::Soon);
    let open = || async {
        let db = &world.nodes[0].state.db;
        tasks::open(db, TaskKind::Bury, 10).await.expect("tasks").len()
    };
    assert_eq!(open().await, 1);
    world.server.restart();
    let stop = CancellationToken::new();
    for node in &world.nodes {
        tokio::spawn(void::repeat(
            node.state.db.clone(),
            node.state.cache.clone(),
            stop.clone(),
        ));
    }
    let back = Instant::now();
    while open().await > 0 {
        assert!(back.elapsed() < Duration::from_secs(15), "it is never told");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop.cancel();
    let keys = world
        .server
        .command(&["KEYS", "lamplighter:cache:token:*"])
        .list()
        .len();
    println!("told {:?} after Redis was back; {keys} tombstone", back.elapsed());
    assert_eq!(keys, 1);
}

/// The process that revokes can't reach Redis, the others can: they would take the token. They tell Redis in its
/// place, before it answers.
#[tokio::test]
async fn who_is_cut_off_from_the_cache_has_others_tell_it() {
    let world = World::new(true).await;
    let (token, other) = (world.token().await, &world.nodes[1]);
    assert_eq!(other.status(&token).await, 200);
    let nowhere = Redis::connect("redis://127.0.0.1:1").expect("an address where nobody is");
    let cut_off: Arc<dyn Cache> = Arc::new(RedisCache::new(&nowhere));
    let stop = CancellationToken::new();
    let (db, cache) = (other.state.db.clone(), other.state.cache.clone());
    tokio::spawn(void::repeat(db, cache, stop.clone()));
    let start = Instant::now();
    let revoked = token::revoke(&world.nodes[0].state.db, &cut_off, &token).await;
    let (took, status) = (start.elapsed(), other.status(&token).await);
    stop.cancel();
    println!("S5 revoked by one that is cut off from Redis, refused by the other: {status}, after {took:?}");
    assert_eq!(revoked.expect("the database answers"), Revoked::Now);
    assert_eq!(status, 401);
}

/// Each way of forging a token that we could think of, through the front door.
#[tokio::test]
async fn s6_no_forged_token_is_taken() {
    let world = World::new(true).await;
    let node = &world.nodes[0];
    let good = world.token().await;
    assert_eq!(node.status(&good).await, 200);
    let body_end = good.rfind('_').expect("a checksum");
    let mut forged: Vec<String> = Vec::new();
    for at in (0..body_end).cycle().take(1800) {
        let bit = 1 << (forged.len() % 7);
        let mut bytes = good.as_bytes()[..body_end].to_vec();
        bytes[at] ^= bit;
        // What is no character of a header can't be sent.
        if let Some(body) = String::from_utf8(bytes)
            .ok()
            .filter(|body| body.bytes().all(|b| b.is_ascii_graphic()))
        {
            forged.push(token::with_checksum(&body));
        }
    }
    let sealed = &good["lmp_v4.local.".len()..body_end];
    for header in [
        "v2.local.",
        "v3.local.",
        "v4.public.",
        "v1.public.",
        "v4.local",
        "",
    ] {
        forged.push(token::with_checksum(&format!("lmp_{header}{sealed}")));
    }
    let (payload, _) = sealed.rsplit_once('.').expect("a footer");
    for footer in [
        "",
        ".",
        ".eyJraWQiOiJrNC5saWQub3RoZXIifQ",
        &format!(".{}", "A".repeat(400)),
    ] {
        forged.push(token::with_checksum(&format!("lmp_v4.local.{payload}{footer}")));
    }
    // Other things that the same key seals.
    for purpose in ["mail:v1", "guest:v1", "pat:v2", ""] {
        let text = node
            .state
            .key
            .seal(purpose, r#"{"iss":"lamplighter","aud":"lamplighter:api"}"#);
        forged.push(token::with_checksum(&format!("lmp_{}", text.expect("sealed"))));
    }
    // Of the right key, but never issued: the key alone makes none.
    for _ in 0..200 {
        let now = node.state.db.now().await.expect("the time");
        let request = MintRequest {
            user: world.user.id,
            token_id: TokenId::generate(),
            scopes: vec![Scope::JobsRead],
            expires_at: now + 3_600_000,
            now,
        };
        forged.push(token::mint(&node.state.key, &request).expect("minted").0);
    }
    let mut others = 0;
    for token in &forged {
        let status = node.status(token).await;
        others += usize::from(status != 401);
    }
    println!(
        "S6 forgery: {} forged tokens, not refused with 401: {others}",
        forged.len()
    );
    assert!(forged.len() > 1500);
    assert_eq!(others, 0);
}
