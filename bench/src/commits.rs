//! What a durable commit costs here: the yardstick of latency, since a job can't end before three of them
//! (submitted, claimed, finished) are on the disk.

use std::{
    fs::File,
    io::{self, Write},
    path::Path,
    time::{Duration, Instant},
};

use sqlx::{Connection, PgConnection, SqliteConnection, sqlite::SqliteConnectOptions};

/// A SQLite database with one small table, as durable as the server's (WAL, synchronous FULL).
pub struct Commits(SqliteConnection);

impl Commits {
    /// Makes the database in `dir`.
    ///
    /// # Errors
    /// Where it can't be made.
    pub async fn open(dir: &Path) -> io::Result<Self> {
        let path = dir.join("commits.db");
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .pragma("journal_mode", "WAL")
            .pragma("synchronous", "FULL");
        let mut connection = SqliteConnection::connect_with(&options)
            .await
            .map_err(io::Error::other)?;
        sqlx::query("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)")
            .execute(&mut connection)
            .await
            .map_err(io::Error::other)?;
        Ok(Self(connection))
    }

    /// Inserts one small row in a transaction of its own; how long until it was durable.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn one(&mut self) -> io::Result<Duration> {
        let started = Instant::now();
        sqlx::query("INSERT INTO notes (text) VALUES ('a small row of a hundred bytes or so')")
            .execute(&mut self.0)
            .await
            .map_err(io::Error::other)?;
        Ok(started.elapsed())
    }
}

/// A Postgres database with one small table, reached over one connection.
pub struct PostgresCommits(PgConnection);

impl PostgresCommits {
    /// Connects, and makes the table.
    ///
    /// # Errors
    /// Where the database can't be reached, or is used for this already.
    pub async fn open(url: &str) -> io::Result<Self> {
        let mut connection = PgConnection::connect(url).await.map_err(io::Error::other)?;
        sqlx::query("CREATE TABLE notes (id bigserial PRIMARY KEY, text text NOT NULL)")
            .execute(&mut connection)
            .await
            .map_err(io::Error::other)?;
        Ok(Self(connection))
    }

    /// Inserts one small row in a transaction of its own; how long until it was durable.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn one(&mut self) -> io::Result<Duration> {
        let started = Instant::now();
        sqlx::query("INSERT INTO notes (text) VALUES ('a small row of a hundred bytes or so')")
            .execute(&mut self.0)
            .await
            .map_err(io::Error::other)?;
        Ok(started.elapsed())
    }
}

/// Appends 4 KiB to a file and syncs it; how long that took.
///
/// # Errors
/// Where the file can't be written.
pub fn synced_append(file: &mut File) -> io::Result<Duration> {
    let started = Instant::now();
    file.write_all(&[7; 4096])?;
    file.sync_data()?;
    Ok(started.elapsed())
}
