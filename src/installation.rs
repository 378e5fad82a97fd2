//! What the server's commands share: settings, the data folder, the database, and how a command fails.

use std::{
    fmt, fs, io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
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

/// The SQLite database of the data folder, with its schema up to date.
pub async fn open_sqlite(config: &Config) -> Result<Db, Failure> {
    let path = config.server.data_dir.join("lamplighter.db");
    keep_private(&path).map_err(|error| Failure(format!("{}: {error}", path.display())))?;
    let db = Db::connect(&database_url(&path)?).await?;
    db.migrate().await?;
    Ok(db)
}

/// Makes the file where it is missing, for its owner only: it holds what people submit, and the folder may
/// be one that others may look into. SQLite gives the files next to it the same mode.
fn keep_private(database: &Path) -> io::Result<()> {
    let mut options = fs::File::options();
    options.append(true).create(true).mode(0o600);
    options.open(database).map(drop)
}

/// The path as an address, in which `%`, `?` and `#` have a meaning.
fn database_url(path: &Path) -> Result<String, Failure> {
    let path = path
        .to_str()
        .ok_or_else(|| Failure(format!("{} is not UTF-8", path.display())))?;
    let path = path.replace('%', "%25").replace('?', "%3F").replace('#', "%23");
    Ok(format!("sqlite://{path}"))
}

/// The database of an installation that must be there already.
#[cfg(any(feature = "api", feature = "worker"))]
pub async fn open_existing_database(config: &Config) -> Result<Db, Failure> {
    let dir = &config.server.data_dir;
    if config.database.url.is_empty() && !dir.join("lamplighter.db").exists() {
        return Err(Failure(format!(
            "there is no installation in {}: start `lamplighter serve` once, name its folder with --data-dir, or \
             name its database with LAMPLIGHTER_DATABASE_URL",
            dir.display()
        )));
    }
    crate::adapters::database(config).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_database_stands_in_the_folder_whatever_its_name_and_is_private() {
        let root = tempfile::tempdir().expect("a folder");
        for name in ["plain", "a b", "what?mode=memory", "50%20#1"] {
            let dir = root.path().join(name);
            fs::create_dir(&dir).expect("a folder that all may look into");
            let mut config = Config::default();
            config.server.data_dir.clone_from(&dir);
            let db = open_sqlite(&config).await.expect(name);
            db.ping().await.expect(name);
            let mode = |file: &str| fs::metadata(dir.join(file)).expect(file).permissions().mode() & 0o777;
            assert_eq!(mode("lamplighter.db"), 0o600, "{name}");
            assert_eq!(mode("lamplighter.db-wal"), 0o600, "{name}");
        }
        assert_eq!(
            fs::read_dir(root.path()).expect("the root").count(),
            4,
            "nothing beside"
        );
    }
}
