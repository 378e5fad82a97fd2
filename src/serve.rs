//! `lamplighter serve`: API, queue and workers in one process, on SQLite.

use std::{
    fs::{File, TryLockError},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use lamplighter_api::ApiState;
use lamplighter_shared::{
    config::Config,
    db::{Db, position::Positions, reap::requeue_all, submit::Submitter},
    events::{Events, MemoryEvents},
    lifecycle::Lifecycle,
    model_spec::Catalog,
    queue::{Doorbell, MemoryDoorbell},
    telemetry,
};
use lamplighter_worker::{board::host_name, catalog, supervisor::Supervisor};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use crate::{
    cli::ServeArgs,
    installation::{Failure, make_data_dir, open_database, write_private},
    token,
};

/// Serves until a signal says stop.
pub async fn serve(args: ServeArgs) -> Result<(), Failure> {
    telemetry::init();
    let config = Arc::new(Config::load(args.data.data_dir.as_deref(), args.bind.as_deref())?);
    let data_dir = config.server.data_dir.clone();
    make_data_dir(&data_dir)?;
    let _lock = lock(&data_dir)?;
    let models = catalog::enabled(&catalog::load(&config)?, &config.models.enabled)?;
    let db = open_database(&config).await?;
    let key = Arc::new(token::key(&data_dir)?);
    token::keep_owner_token(&db, &key, &data_dir).await?;
    take_back(&db).await?;
    let bind = &config.server.bind;
    let listener = TcpListener::bind(bind)
        .await
        .map_err(|error| Failure(format!("{bind} can't be listened on: {error}")))?;
    let address = listener.local_addr()?;

    let lifecycle = Lifecycle::default();
    let events: Arc<dyn Events> = Arc::new(MemoryEvents::default());
    let doorbell: Arc<dyn Doorbell> = Arc::new(MemoryDoorbell::default());
    let idempotency = Duration::from_secs(config.jobs.idempotency_seconds);
    let state = ApiState {
        submitter: Submitter::start(db.clone(), &lifecycle, idempotency),
        events: events.clone(),
        doorbell: doorbell.clone(),
        positions: Arc::new(Positions::new(db.clone())),
        catalog: Arc::new(Catalog(
            models.iter().map(|m| (m.id.clone(), m.clone())).collect(),
        )),
        config: config.clone(),
        key,
        db: db.clone(),
    };
    let supervisor = Supervisor {
        db,
        events,
        doorbell,
        config: config.clone(),
        models,
        name: format!("{}-embedded", host_name()),
        program: own_program()?,
    };
    supervisor.start(&lifecycle);
    let api = lamplighter_api::serve(listener, state, lifecycle.clone());
    let failed = lifecycle.clone();
    lifecycle.spawn(async move {
        if let Err(error) = api.await {
            tracing::error!(%error, "the API ended");
            failed.soft.cancel();
        }
    });
    write_private(&data_dir.join("server.addr"), &format!("{address}\n"))?;
    greet(&config, &address.to_string());
    wait_for_signal(&lifecycle).await?;
    tracing::info!("stopping: work in hand is finished or handed back");
    let grace = Duration::from_secs(config.server.grace_seconds);
    tokio::select! {
        () = lifecycle.stop(grace) => {}
        () = second_signal(&lifecycle) => lifecycle.stop(Duration::ZERO).await,
    }
    // Best effort: a client that finds a stale address is told that nobody answers there.
    let _ = std::fs::remove_file(data_dir.join("server.addr"));
    Ok(())
}

/// What runners are started from: this very binary, even after an upgrade has replaced it on the disk. A
/// runner of another version would not speak our language.
fn own_program() -> std::io::Result<PathBuf> {
    if cfg!(target_os = "linux") {
        Ok("/proc/self/exe".into())
    } else {
        std::env::current_exe()
    }
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

/// Jobs that were in hand when the last process ended wait again at once: their worker is gone.
async fn take_back(db: &Db) -> Result<(), Failure> {
    let jobs = requeue_all(db).await?;
    if !jobs.is_empty() {
        tracing::info!(jobs = jobs.len(), "jobs of the last process wait again");
    }
    Ok(())
}

fn greet(config: &Config, address: &str) {
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
}

fn program() -> String {
    std::env::args()
        .next()
        .unwrap_or_else(|| "lamplighter".to_owned())
}

async fn wait_for_signal(lifecycle: &Lifecycle) -> Result<(), Failure> {
    let (mut term, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = term.recv() => {}
        _ = interrupt.recv() => {}
        () = lifecycle.soft.cancelled() => {}
    }
    Ok(())
}

/// A second signal ends the patience.
async fn second_signal(lifecycle: &Lifecycle) {
    if wait_for_signal(&Lifecycle::default()).await.is_ok() {
        lifecycle.hard.cancel();
    }
}
