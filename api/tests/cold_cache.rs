//! Tokens that nobody has looked up lately: two APIs over one Postgres and one Redis that holds nothing. Counted
//! are the statements that Postgres has run.

mod nodes;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use lamplighter_api::auth::{
    scope::Scope,
    token::{self, MintRequest},
};
use lamplighter_shared::{config::Config, id::TokenId, proof::ProofKind, telemetry::metrics};
use lamplighter_testkit::{
    postgres::{self, Postgres, Sql},
    redis::Redis,
    scenario::sized,
};
use poem::{Endpoint, EndpointExt, Request, endpoint::BoxEndpoint};
use tokio::task::JoinSet;

type Api = Arc<BoxEndpoint<'static>>;

/// A Postgres that counts its statements.
fn counting() -> Postgres {
    Postgres::start_with(&postgres::Options {
        settings: vec!["shared_preload_libraries=pg_stat_statements".to_owned()],
        ..Default::default()
    })
}

/// How often a token was read since the last time.
async fn reads(sql: &Sql) -> i64 {
    let reads = sql
        .number("SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_statements WHERE query LIKE '%FROM api_tokens t JOIN users%'")
        .await;
    sql.query("SELECT pg_stat_statements_reset()").await;
    reads
}

/// Whether the token is taken, where nothing but the token needs the database: there is no such model. None
/// where the server was too busy to say.
async fn taken(api: &Api, token: &str) -> Option<bool> {
    let request = Request::builder()
        .uri_str("/v1/models/none")
        .header("authorization", format!("Bearer {token}"));
    match api.get_response(request.finish()).await.status().as_u16() {
        404 => Some(true),
        401 => Some(false),
        503 => None,
        other => panic!("{other}"),
    }
}

/// How often the cache gave no answer, in all of this process.
fn unanswered() -> String {
    let page = metrics::render();
    let line = page
        .lines()
        .find(|line| line.starts_with("lamplighter_token_cache_total{result=\"unavailable\"}"));
    line.unwrap_or_default().to_owned()
}

/// R20: again and again the cache is emptied, and then all come at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r20_with_a_cold_cache_each_token_is_read_once() {
    metrics::install();
    let (clients, distinct, rounds) = (sized(300, 2000), sized(20, 500), 5);
    let (postgres, redis) = (counting(), Redis::start());
    let (name, url) = postgres.create_database();
    let mut config = Config::default();
    // Nobody is sent away before their token is looked at.
    config.server.max_in_flight = clients;
    let states = nodes::two(&url, &redis.url(), config).await;
    let sql = postgres.sql(&name);
    sql.query("CREATE EXTENSION pg_stat_statements").await;
    let (user, first) = nodes::user(&states[0], "owner@example.org", &[Scope::ModelsRead]).await;
    let mut tokens = vec![first];
    while tokens.len() < distinct {
        tokens.push(nodes::token(&states[0], user, &[Scope::ModelsRead]).await);
    }
    let tokens = Arc::new(tokens);
    let distinct_i64 = i64::try_from(distinct).expect("few");
    let apis = states.map(|state| Arc::new(lamplighter_api::build(state).boxed()));
    let (mut counted, mut all, mut refused, mut slowest) = (0, 0, 0, Duration::ZERO);
    for round in 0..rounds {
        redis.command(&["FLUSHALL"]);
        reads(&sql).await;
        let (given_up, began) = (unanswered(), Instant::now());
        let mut asking = JoinSet::new();
        for n in 0..clients {
            // Each token comes to both.
            let (api, tokens) = (apis[n / distinct % 2].clone(), tokens.clone());
            asking.spawn(async move { taken(&api, &tokens[n % distinct]).await });
        }
        let answers = asking.join_all().await;
        refused += answers.iter().filter(|taken| **taken == Some(false)).count();
        let (took, read) = (began.elapsed(), reads(&sql).await);
        slowest = slowest.max(took);
        assert!(read >= distinct_i64, "round {round}: the count is wrong, {read}");
        // Where the machine is so busy that Redis seems away or a lease runs out, the database is asked.
        let all_answered = answers.iter().all(Option::is_some) && unanswered() == given_up;
        if all_answered && took < Duration::from_secs(2) {
            counted += 1;
            all += read;
        }
    }
    println!(
        "R20 cold cache: {clients} requests at once with {distinct} tokens to two APIs, {counted} of {rounds} rounds \
         counted: {all} reads of the database, {refused} refused; the slowest round took {slowest:?}"
    );
    assert_eq!(refused, 0);
    assert!(counted > 0, "the machine is too busy to tell");
    assert_eq!(all, counted * distinct_i64);
}

/// Whoever was about to fill the cache has died.
#[tokio::test]
async fn a_lease_of_the_dead_holds_nobody_up_for_long() {
    let (url, redis) = (Postgres::shared().create_database().1, Redis::start());
    let states = nodes::two(&url, &redis.url(), Config::default()).await;
    let (_, token) = nodes::user(&states[0], "owner@example.org", &[Scope::ModelsRead]).await;
    let fingerprint = token::check(&states[0].key, &token).expect("a token");
    let key = format!("lamplighter:lease:{}", ProofKind::Token.cache_key(&fingerprint));
    redis.command(&["SET", &key, "nobody", "PX", "2000"]);
    let api = Arc::new(lamplighter_api::build(states[1].clone()).boxed());
    let began = Instant::now();
    assert_eq!(taken(&api, &token).await, Some(true));
    println!(
        "R20 a token whose lease nobody gives back: answered in {:?}",
        began.elapsed()
    );
    assert!(began.elapsed() < Duration::from_secs(4));
}

/// What is not good is not kept; nobody waits for that.
#[tokio::test]
async fn who_is_refused_gives_the_lease_back() {
    let (url, redis) = (Postgres::shared().create_database().1, Redis::start());
    let states = nodes::two(&url, &redis.url(), Config::default()).await;
    let (user, _) = nodes::user(&states[0], "owner@example.org", &[Scope::ModelsRead]).await;
    let now = states[0].db.now().await.expect("the time");
    // Sealed, and never issued.
    let request = MintRequest {
        user,
        token_id: TokenId::generate(),
        scopes: vec![Scope::ModelsRead],
        expires_at: now + 3_600_000,
        now,
    };
    let (token, _) = token::mint(&states[0].key, &request).expect("minted");
    let apis = states.map(|state| Arc::new(lamplighter_api::build(state).boxed()));
    for round in 0..10 {
        assert_eq!(taken(&apis[round % 2], &token).await, Some(false));
        let left = redis.command(&["KEYS", "lamplighter:lease:*"]);
        assert_eq!(left.list().len(), 0, "round {round}");
    }
}
