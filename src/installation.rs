//! What the server's commands share: settings, the data folder, the database, and how a command fails.

use std::{
    fmt, fs, io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::Path,
    process::ExitCode,
};

use lamplighter_shared::{config::Config, db::Db};

/// A command could not do its work: one sentence for the person at the terminal.
#[derive(Debug)]
pub struct Failure(pub String);

impl<E: fmt::Display> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// Runs a server's command to its end.
pub fn block_on(command: impl Future<Output = Result<(), Failure>>) -> ExitCode {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&Failure(format!("the runtime could not be started: {error}"))),
    };
    let code = match runtime.block_on(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => fail(&failure),
    };
    // A download under way on a thread of its own must not hold up the end; it starts again next time.
    runtime.shutdown_background();
    code
}

fn fail(Failure(sentence): &Failure) -> ExitCode {
    eprintln!("lamplighter: {sentence}");
    ExitCode::FAILURE
}

/// Makes the data folder where it is missing; only its owner may look into it.
pub fn make_data_dir(dir: &Path) -> Result<(), Failure> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|error| {
        Failure(format!(
            "the data folder {} can't be made: {error}",
            dir.display()
        ))
    })
}

/// Writes a file that only its owner may read, whole or not at all.
pub fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, "")?;
    fs::set_permissions(&new, fs::Permissions::from_mode(0o600))?;
    fs::write(&new, text)?;
    fs::rename(&new, path)
}

/// The installation's database, with its schema up to date.
pub async fn open_database(config: &Config) -> Result<Db, Failure> {
    let path = config.server.data_dir.join("lamplighter.db");
    let db = Db::connect(&format!("sqlite://{}", path.display())).await?;
    db.migrate().await?;
    Ok(db)
}

/// The database of an installation that must be there already.
#[cfg(feature = "api")]
pub async fn open_existing_database(config: &Config) -> Result<Db, Failure> {
    let dir = &config.server.data_dir;
    if !dir.join("lamplighter.db").exists() {
        return Err(Failure(format!(
            "there is no installation in {}: start `lamplighter serve` once, or name its folder with --data-dir",
            dir.display()
        )));
    }
    open_database(config).await
}
