//! `lamplighter serve`: API, queue and workers in one process; on SQLite, unless a database is named.

use std::{
    fs::{File, TryLockError},
    path::Path,
    sync::Arc,
};

use lamplighter_shared::{
    catalog,
    config::Config,
    db::{Db, reap::requeue_all, workers},
    key::Key,
    lifecycle::Lifecycle,
    telemetry,
};
use lamplighter_worker::board::host_name;

use crate::{
    adapters::Adapters,
    api,
    cli::ServeArgs,
    installation::{Failure, make_data_dir},
    owner_token,
    role::{self, AddressFile, people_reach},
    setup_token, worker,
};

/// Serves until a signal says stop.
pub async fn serve(args: ServeArgs) -> Result<(), Failure> {
    telemetry::init();
    let config = Arc::new(Config::load(args.data.data_dir.as_deref(), args.bind.as_deref())?);
    let data_dir = config.server.data_dir.clone();
    make_data_dir(&data_dir)?;
    let _lock = lock(&data_dir)?;
    let models = catalog::load(&config)?.enabled(&config.models.enabled)?;
    let lifecycle = Lifecycle::default();
    let adapters = Adapters::connect(&config, &lifecycle).await?;
    adapters.db.migrate().await?;
    let key = Arc::new(Key::load_or_create(&config.secret_key_file())?);
    owner_token::keep(&adapters.db, &key, &data_dir).await?;
    let setup = setup_token::keep(&adapters.db, &data_dir).await?;
    let alone = !config.database.is_shared();
    if alone {
        take_back(&adapters.db).await?;
    }
    lifecycle.spawn(key.clone().watch(lifecycle.soft.clone()));
    let listener = role::listen(&config.server.bind).await?;
    let address = listener.local_addr()?;
    let state = api::state(&adapters, &config, key, &models, &lifecycle);
    let name = match config.worker.name.as_str() {
        "" if alone => format!("{}-embedded", host_name()),
        "" => host_name(),
        name => name.to_owned(),
    };
    worker::start(&adapters, &config, models, name, &lifecycle)?;
    api::start(listener, state, &lifecycle);
    adapters.keep_house(&config, &lifecycle);
    let _file = AddressFile::write(&data_dir, "server.addr", address)?;
    greet(&config, &address.to_string(), setup.as_deref());
    role::until_stopped(&config, &lifecycle).await
}

/// Only one process may serve a data folder: it takes all jobs in hand for its own.
fn lock(data_dir: &Path) -> Result<File, Failure> {
    let path = data_dir.join("lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Failure(format!(
            "another lamplighter already serves {}",
            data_dir.display()
        ))),
        Err(TryLockError::Error(error)) => Err(Failure(format!("{}: {error}", path.display()))),
    }
}

/// Jobs that were in hand when the last process ended wait again at once: their worker is gone, and off the
/// list.
async fn take_back(db: &Db) -> Result<(), Failure> {
    let jobs = requeue_all(db).await?;
    workers::remove_all(db).await?;
    if !jobs.is_empty() {
        tracing::info!(jobs = jobs.len(), "jobs of the last process wait again");
    }
    Ok(())
}

fn greet(config: &Config, address: &str, setup: Option<&Path>) {
    let token = config.server.data_dir.join("owner.token");
    println!("Lamplighter listens on http://{address} (reference: http://{address}/docs)");
    println!("Try it:");
    println!("  {} run minilm \"The quick brown fox\"", program());
    println!(
        "  curl -s http://{address}/v1/jobs -H \"Authorization: Bearer $(cat {})\" \\",
        token.display()
    );
    println!("       -H 'Content-Type: application/json' -H 'Prefer: wait=10' \\");
    println!("       -d '{{\"model\":\"minilm\",\"input\":{{\"texts\":[\"hello\",\"world\"]}}}}'");
    if let Some(setup) = setup {
        println!(
            "The first administrator sets an address and a password at {}/setup, with the token in {}",
            people_reach(config),
            setup.display()
        );
    }
}

fn program() -> String {
    std::env::args()
        .next()
        .unwrap_or_else(|| "lamplighter".to_owned())
}
