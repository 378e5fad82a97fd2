//! Changes of the schema: applied by one process at a time, however many start at once.

use std::time::Duration;

use lamplighter_migrations::{Migrator, MigratorTrait};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr, Statement};
use tokio::time::{Instant, sleep};

use super::{Db, DbError, Dialect};

/// The advisory lock of whoever changes the schema; any number that nobody else takes.
const LOCK: i64 = 0x6c61_6d70_6c69_7465;
/// The longest wait for another process that changes the schema.
const PATIENCE: Duration = Duration::from_secs(600);

impl Db {
    /// Brings the schema up to date. Of many that call this at once one does it, and the others wait.
    ///
    /// # Errors
    /// Where a change can't be applied; nothing of that change stays.
    pub async fn migrate(&self) -> Result<(), DbError> {
        if self.pending_migrations().await? == 0 {
            return Ok(());
        }
        match self.dialect() {
            Dialect::Sqlite => Ok(Migrator::up(&self.write.connections(), None).await?),
            Dialect::Postgres => {
                let session = self.session().await?;
                let done = up(&session).await;
                // Ends the session, and with it the lock.
                let _ = session.close().await;
                Ok(done?)
            }
        }
    }

    /// How many changes of the schema this program knows and the database lacks. A database that is ahead
    /// of this program lacks none.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn pending_migrations(&self) -> Result<usize, DbError> {
        Ok(self
            .read
            .within(lamplighter_migrations::pending(&self.read.connections()))
            .await?)
    }

    /// Takes all changes back, newest first; for tests of the changes.
    ///
    /// # Errors
    /// Where a change can't be taken back.
    pub async fn migrate_down(&self) -> Result<(), DbError> {
        Ok(Migrator::down(&self.write.connections(), None).await?)
    }

    /// One connection without the limits of the others: an index over many rows takes its time.
    async fn session(&self) -> Result<DatabaseConnection, DbErr> {
        let mut options = ConnectOptions::new(self.url());
        options
            .max_connections(1)
            .acquire_timeout(Duration::from_secs(10))
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .sqlx_logging(false)
            .map_sqlx_postgres_opts(|o| {
                // A change that waits for a lock holds up everybody behind it.
                let session = [("statement_timeout", "0"), ("lock_timeout", "10s")];
                o.options(session).application_name("lamplighter migrate")
            });
        Database::connect(options).await
    }
}

async fn up(session: &DatabaseConnection) -> Result<(), DbErr> {
    let end = Instant::now() + PATIENCE;
    let try_lock = format!("SELECT pg_try_advisory_lock({LOCK}) AS mine");
    loop {
        let statement = Statement::from_string(session.get_database_backend(), &try_lock);
        let row = session.query_one_raw(statement).await?;
        if row.map(|row| row.try_get::<bool>("", "mine")).transpose()? == Some(true) {
            break;
        }
        if Instant::now() >= end {
            return Err(DbErr::Custom(
                "another process changes the schema, and does not come to an end".into(),
            ));
        }
        sleep(Duration::from_millis(100)).await;
    }
    // Whoever held the lock may have done it all; a database that is ahead of us is left alone.
    if lamplighter_migrations::pending(session).await? == 0 {
        return Ok(());
    }
    Migrator::up(session, None).await
}
