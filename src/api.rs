//! `lamplighter api`: the HTTP side of a fleet. Any number of them share Postgres and Redis.

use std::{sync::Arc, time::Duration};

use lamplighter_api::ApiState;
use lamplighter_shared::{
    catalog,
    config::Config,
    db::{position::Positions, submit::Submitter},
    key::Key,
    lifecycle::Lifecycle,
    model_spec::{Catalog, ModelSpec},
    reaper::Reaper,
    telemetry,
};
use tokio::net::TcpListener;

use crate::{
    adapters::Adapters,
    cli::ServeArgs,
    installation::{Failure, make_data_dir},
    role::{self, AddressFile},
};

/// Serves the HTTP API until a signal says stop.
pub async fn api(args: ServeArgs) -> Result<(), Failure> {
    telemetry::init();
    let config = Arc::new(Config::load(args.data.data_dir.as_deref(), args.bind.as_deref())?);
    role::require_shared_database(&config, "api")?;
    let key = role::shared_key(&config)?;
    make_data_dir(&config.server.data_dir)?;
    let models = catalog::load(&config)?.enabled(&config.models.enabled)?;
    let lifecycle = Lifecycle::default();
    let adapters = Adapters::connect(&config, &lifecycle).await?;
    adapters.require_current_schema().await?;
    let listener = role::listen(&config.server.bind).await?;
    let address = listener.local_addr()?;
    let _file = AddressFile::write(&config.server.data_dir, "server.addr", address)?;
    lifecycle.spawn(key.clone().watch(lifecycle.soft.clone()));
    let state = state(&adapters, &config, key, &models, &lifecycle);
    start(listener, state, &lifecycle);
    adapters.keep_house(&config, &lifecycle);
    let reaper = Reaper {
        db: adapters.db.clone(),
        events: adapters.events.clone(),
        doorbell: adapters.doorbell.clone(),
        config: config.clone(),
    };
    lifecycle.spawn(reaper.run(lifecycle.soft.clone()));
    tracing::info!(%address, "the API listens");
    role::until_stopped(&config, &lifecycle).await
}

/// What the HTTP side works with.
pub fn state(
    adapters: &Adapters,
    config: &Arc<Config>,
    key: Arc<Key>,
    models: &[ModelSpec],
    lifecycle: &Lifecycle,
) -> ApiState {
    let idempotency = Duration::from_secs(config.jobs.idempotency_seconds);
    let grouped = config.database.group_commit;
    ApiState {
        submitter: Submitter::start_with(adapters.db.clone(), lifecycle, idempotency, grouped),
        events: adapters.events.clone(),
        doorbell: adapters.doorbell.clone(),
        cache: adapters.cache.clone(),
        positions: Arc::new(Positions::new(adapters.db.clone())),
        catalog: Arc::new(Catalog(
            models.iter().map(|m| (m.id.clone(), m.clone())).collect(),
        )),
        config: config.clone(),
        key,
        probes: adapters.probes.clone(),
        db: adapters.db.clone(),
    }
}

/// Serves in the background; a failure stops the whole process.
pub fn start(listener: TcpListener, state: ApiState, lifecycle: &Lifecycle) {
    let api = lamplighter_api::serve(listener, state, lifecycle.clone());
    let failed = lifecycle.clone();
    lifecycle.spawn(async move {
        if let Err(error) = api.await {
            tracing::error!(%error, "the API ended");
            failed.soft.cancel();
        }
    });
}
