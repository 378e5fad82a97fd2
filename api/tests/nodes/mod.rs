//! API processes of one installation, all in the test's process: each has its own connections to the one
//! Postgres and the one Redis.

use std::{sync::Arc, time::Duration};

use lamplighter_api::{
    ApiState,
    auth::{
        scope::Scope,
        token::{self, NewApiToken},
    },
};
use lamplighter_shared::{
    cache::{Redis, RedisCache},
    config::Config,
    db::{Db, position::Positions, submit::Submitter, users},
    events::MemoryEvents,
    id::UserId,
    key::Key,
    lifecycle::Lifecycle,
    model_spec::Catalog,
    queue::MemoryDoorbell,
    telemetry::probes::Probes,
};

/// Two nodes that believe the cache as soon as they are connected.
pub async fn two(postgres: &str, redis: &str, config: Config) -> [ApiState; 2] {
    let (key, config) = (Arc::new(Key::generate().expect("a key")), Arc::new(config));
    let node = async || {
        let db = Db::connect(postgres).await.expect("a database");
        db.migrate().await.expect("migrated");
        let redis = Redis::connect(redis).expect("an address");
        assert!(redis.connected_within(Duration::from_secs(10)).await);
        ApiState {
            submitter: Submitter::start(db.clone(), &Lifecycle::default(), Duration::from_secs(60)),
            positions: Arc::new(Positions::new(db.clone())),
            probes: Probes::new(&db),
            db,
            events: Arc::new(MemoryEvents::default()),
            doorbell: Arc::new(MemoryDoorbell::default()),
            cache: Arc::new(RedisCache::with_quarantine(&redis, Duration::ZERO)),
            catalog: Arc::new(Catalog::built_in()),
            config: config.clone(),
            key: key.clone(),
        }
    };
    [node().await, node().await]
}

/// A new user with a token of these scopes.
pub async fn user(state: &ApiState, email: &str, scopes: &[Scope]) -> (UserId, String) {
    let user = users::create(&state.db, email, users::Role::User)
        .await
        .expect("a user");
    (user.id, token(state, user.id, scopes).await)
}

/// A token of these scopes.
pub async fn token(state: &ApiState, user: UserId, scopes: &[Scope]) -> String {
    let new = NewApiToken {
        user,
        name: "test".to_owned(),
        scopes: scopes.iter().map(ToString::to_string).collect(),
        expires_in: Duration::from_secs(3600),
        models: None,
    };
    token::create(&state.db, &state.key, new).await.expect("a token")
}
