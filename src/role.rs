//! What all long-running roles share: the start of a process, its address, and its orderly end.

use std::{
    fs::{self, remove_file},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use lamplighter_shared::{config::Config, key::Key, lifecycle::Lifecycle};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

#[cfg(feature = "api")]
use crate::client::http::reachable;
use crate::installation::{Failure, write_private};

/// A socket that listens on `HOST:PORT`.
///
/// # Errors
/// Where it can't be had; the sentence names the address.
pub async fn listen(address: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind(address)
        .await
        .map_err(|error| Failure(format!("{address} can't be listened on: {error}")))
}

/// The key of a role that shares its database with others: it must be there, since all need the same.
///
/// # Errors
/// Where it is missing or no key; the sentence says how to make one.
pub fn shared_key(config: &Config) -> Result<Arc<Key>, Failure> {
    let path = config.secret_key_file();
    match Key::load(&path) {
        Ok(key) => Ok(Arc::new(key)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(Failure(format!(
            "there is no secret key in {}: make one with `lamplighter secret create`, give every API and worker \
             the same file, and name it with LAMPLIGHTER_SECRET_KEY_FILE",
            path.display()
        ))),
        Err(error) => Err(Failure(format!("the secret key can't be used: {error}"))),
    }
}

/// A role that shares its database needs to be told which.
///
/// # Errors
/// Where no database is named, or one that can't be shared.
pub fn require_shared_database(config: &Config, role: &str) -> Result<(), Failure> {
    let url = &config.database.url;
    if url.is_empty() {
        return Err(Failure(format!(
            "`lamplighter {role}` shares a database with the other roles: set LAMPLIGHTER_DATABASE_URL \
             (for everything in one process there is `lamplighter serve`)"
        )));
    }
    if !url.starts_with("postgres:") && !url.starts_with("postgresql:") {
        return Err(Failure(format!(
            "`lamplighter {role}` needs a Postgres database (postgres://…): SQLite serves a single process"
        )));
    }
    Ok(())
}

/// A file with the address of a running process; gone when the process ends in an orderly way.
pub struct AddressFile(PathBuf);

impl AddressFile {
    /// Writes `address` to `DIR/NAME`.
    ///
    /// # Errors
    /// Where the folder can't be written.
    pub fn write(dir: &Path, name: &str, address: SocketAddr) -> Result<Self, Failure> {
        let path = dir.join(name);
        write_private(&path, &format!("{address}\n"))?;
        Ok(Self(path))
    }
}

/// Where people reach this installation: the public address, else the one that a running server wrote down, else
/// the one it is to listen at.
#[cfg(feature = "api")]
pub fn people_reach(config: &Config) -> String {
    if let Some(origin) = config.server.public_origin() {
        return origin.to_string();
    }
    let written = fs::read_to_string(config.server.data_dir.join("server.addr")).unwrap_or_default();
    let address = match written.trim() {
        "" => config.server.bind.as_str(),
        written => written,
    };
    format!("http://{}", reachable(address))
}

impl Drop for AddressFile {
    fn drop(&mut self) {
        // Best effort: a client that finds a stale address is told that nobody answers there.
        let _ = remove_file(&self.0);
    }
}

/// Runs until a signal or a part of the process says stop, then ends in an orderly way: softly for the
/// grace of the settings, at once at a second signal.
///
/// # Errors
/// Where signals can't be received.
pub async fn until_stopped(config: &Config, lifecycle: &Lifecycle) -> Result<(), Failure> {
    wait_for_signal(lifecycle).await?;
    tracing::info!("stopping: work in hand is finished or handed back");
    let grace = Duration::from_secs(config.server.grace_seconds);
    tokio::select! {
        () = lifecycle.stop(grace) => {}
        () = second_signal(lifecycle) => lifecycle.stop(Duration::ZERO).await,
    }
    Ok(())
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
