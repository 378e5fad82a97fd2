//! `lamplighter worker`: the fleet side. Any number of them share Postgres and Redis.

use std::{path::PathBuf, sync::Arc};

use lamplighter_shared::{catalog, config::Config, lifecycle::Lifecycle, model_spec::ModelSpec, telemetry};
use lamplighter_worker::{
    board::host_name,
    health::{self, Health, Signs},
    supervisor::Supervisor,
};

use crate::{
    adapters::Adapters,
    cli::WorkerArgs,
    installation::{Failure, make_data_dir},
    role::{self, AddressFile},
};

/// Works until a signal says stop.
pub async fn worker(args: WorkerArgs) -> Result<(), Failure> {
    telemetry::init();
    let mut config = Config::load(args.data.data_dir.as_deref(), None)?;
    if let Some(name) = args.name {
        config.worker.name = name;
    }
    if let Some(address) = args.health_bind {
        config.worker.health_bind = address;
    }
    if !args.models.is_empty() {
        config.models.enabled = args.models;
    }
    let config = Arc::new(config);
    role::require_shared_database(&config, "worker")?;
    role::shared_key(&config)?;
    make_data_dir(&config.server.data_dir)?;
    let models = catalog::load(&config)?.enabled(&config.models.enabled)?;
    let name = match config.worker.name.as_str() {
        "" => host_name(),
        name => name.to_owned(),
    };
    let lifecycle = Lifecycle::default();
    let adapters = Adapters::connect(&config, &lifecycle).await?;
    adapters.require_current_schema().await?;
    let ids: Vec<&str> = models.iter().map(|model| model.id.as_str()).collect();
    tracing::info!(name, models = ids.join(","), "the worker starts");
    let signs = start(&adapters, &config, models, name, &lifecycle)?;
    let _file = serve_health(&adapters, &config, signs, &lifecycle).await?;
    adapters.keep_house(&config, &lifecycle);
    role::until_stopped(&config, &lifecycle).await
}

/// Works in the background.
///
/// # Errors
/// Where the program's own path is unknown.
pub fn start(
    adapters: &Adapters,
    config: &Arc<Config>,
    models: Vec<ModelSpec>,
    name: String,
    lifecycle: &Lifecycle,
) -> Result<Signs, Failure> {
    let supervisor = Supervisor {
        db: adapters.db.clone(),
        events: adapters.events.clone(),
        doorbell: adapters.doorbell.clone(),
        config: config.clone(),
        models,
        name,
        program: own_program()?,
    };
    Ok(supervisor.start(lifecycle))
}

/// Answers health checks and scrapes on a port of their own, where one is set.
///
/// # Errors
/// Where the address can't be listened on.
async fn serve_health(
    adapters: &Adapters,
    config: &Config,
    signs: Signs,
    lifecycle: &Lifecycle,
) -> Result<Option<AddressFile>, Failure> {
    if config.worker.health_bind.is_empty() {
        return Ok(None);
    }
    let listener = role::listen(&config.worker.health_bind).await?;
    let address = listener.local_addr()?;
    let file = AddressFile::write(&config.server.data_dir, "health.addr", address)?;
    let health = Health {
        signs,
        probes: adapters.probes.clone(),
        stop: lifecycle.soft.clone(),
    };
    // Not of the lifecycle: it answers until the process ends, a stop included.
    tokio::spawn(health::serve(listener, health));
    tracing::info!(%address, "health checks are answered");
    Ok(Some(file))
}

/// What runners are started from: this very binary, even after an upgrade has replaced it on the disk. A
/// runner of another version would not speak our language.
pub fn own_program() -> std::io::Result<PathBuf> {
    if cfg!(target_os = "linux") {
        Ok("/proc/self/exe".into())
    } else {
        std::env::current_exe()
    }
}
