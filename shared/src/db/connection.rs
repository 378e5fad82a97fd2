//! Connections: one pool for reads, one for writes, and the few words in which the dialects differ.

use std::time::Duration;

use lamplighter_migrations::{Migrator, MigratorTrait};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
    QueryResult, RuntimeErr, SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait, Value,
    sqlx::Connection,
};
use tokio::time::sleep;

use super::DbError;
use crate::clock::{Clock, UnixMillis};

/// The two databases there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Many nodes.
    Postgres,
    /// One process.
    Sqlite,
}

/// The database. Clones share the pools.
#[derive(Debug, Clone)]
pub struct Db {
    /// For statements that change nothing.
    pub(super) read: DatabaseConnection,
    /// For transactions. On SQLite a single connection: writers queue here, fairly and without
    /// sleeping, rather than at the file's lock.
    write: DatabaseConnection,
    dialect: Dialect,
    clock: Clock,
}

/// A transaction in hand.
pub(super) type Txn = DatabaseTransaction;
/// What a transaction's closure returns.
pub(super) type TxnFuture<'a, T> = futures_core::future::BoxFuture<'a, Result<T, DbErr>>;

impl Db {
    /// Opens `sqlite://PATH` (made when missing) or `postgres://…`. Does not migrate.
    ///
    /// # Errors
    /// Where the database can't be reached or opened.
    pub async fn connect(url: &str) -> Result<Self, DbError> {
        if url.starts_with("sqlite:") {
            let url = if url.contains('?') {
                url.to_owned()
            } else {
                format!("{url}?mode=rwc")
            };
            let write = Database::connect(sqlite_options(&url, 1)).await?;
            let read = Database::connect(sqlite_options(&url, 4)).await?;
            Ok(Self {
                read,
                write,
                dialect: Dialect::Sqlite,
                clock: Clock::Database,
            })
        } else {
            let mut options = ConnectOptions::new(url);
            options
                .max_connections(16)
                .acquire_timeout(Duration::from_secs(1))
                .connect_timeout(Duration::from_secs(5))
                .statement_timeout(Duration::from_secs(5))
                .sqlx_logging(false);
            let pool = Database::connect(options).await?;
            Ok(Self {
                read: pool.clone(),
                write: pool,
                dialect: Dialect::Postgres,
                clock: Clock::Database,
            })
        }
    }

    /// The same database with another clock; for tests.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Which database this is.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Brings the schema up to date.
    ///
    /// # Errors
    /// Where a change can't be applied; nothing of that change stays.
    pub async fn migrate(&self) -> Result<(), DbError> {
        Ok(Migrator::up(&self.write, None).await?)
    }

    /// How many changes of the schema this program knows and the database lacks.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn pending_migrations(&self) -> Result<usize, DbError> {
        Ok(Migrator::get_pending_migrations(&self.write).await?.len())
    }

    /// Takes all changes back, newest first; for tests of the changes.
    ///
    /// # Errors
    /// Where a change can't be taken back.
    pub async fn migrate_down(&self) -> Result<(), DbError> {
        Ok(Migrator::down(&self.write, None).await?)
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// Where it does not.
    pub async fn ping(&self) -> Result<(), DbError> {
        self.read.execute_unprepared("SELECT 1").await?;
        Ok(())
    }

    /// The database's clock.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn now(&self) -> Result<UnixMillis, DbError> {
        let row = self
            .read
            .query_one_raw(self.statement("SELECT {now} AS now", []))
            .await?;
        let row = row.ok_or_else(|| DbError::Statement("SELECT without FROM gave no row".to_owned()))?;
        Ok(row.try_get("", "now")?)
    }

    /// A statement in this dialect. Placeholders are `$1`…; `{now}` is the clock, `{for_update}` and
    /// `{skip_locked}` lock rows where the database has row locks.
    pub(super) fn statement(&self, sql: &str, values: impl IntoIterator<Item = Value>) -> Statement {
        Statement::from_sql_and_values(self.backend(), self.sql(sql), values)
    }

    pub(super) fn sql(&self, sql: &str) -> String {
        let now = match (&self.clock, self.dialect) {
            (Clock::Manual(clock), _) => clock.now().to_string(),
            // The clock of the moment, not of the transaction's start.
            (Clock::Database, Dialect::Postgres) => {
                "(extract(epoch FROM clock_timestamp()) * 1000)::bigint".to_owned()
            }
            (Clock::Database, Dialect::Sqlite) => "CAST(unixepoch('subsec') * 1000 AS INTEGER)".to_owned(),
        };
        let (for_update, skip_locked) = match self.dialect {
            Dialect::Postgres => ("FOR UPDATE", "FOR UPDATE OF j SKIP LOCKED"),
            // BEGIN IMMEDIATE: there is one writer.
            Dialect::Sqlite => ("", ""),
        };
        sql.replace("{now}", &now)
            .replace("{for_update}", for_update)
            .replace("{skip_locked}", skip_locked)
    }

    pub(super) fn backend(&self) -> DbBackend {
        match self.dialect {
            Dialect::Postgres => DbBackend::Postgres,
            Dialect::Sqlite => DbBackend::Sqlite,
        }
    }

    pub(super) async fn query_all(&self, sql: &str, values: Vec<Value>) -> Result<Vec<QueryResult>, DbError> {
        Ok(self.read.query_all_raw(self.statement(sql, values)).await?)
    }

    pub(super) async fn query_one(
        &self,
        sql: &str,
        values: Vec<Value>,
    ) -> Result<Option<QueryResult>, DbError> {
        Ok(self.read.query_one_raw(self.statement(sql, values)).await?)
    }

    /// One changing statement in a transaction of its own; returns the rows it changed.
    pub(super) async fn execute(&self, sql: &str, values: Vec<Value>) -> Result<u64, DbError> {
        let statement = self.statement(sql, values);
        self.transaction(move |txn| {
            let statement = statement.clone();
            Box::pin(async move { Ok(txn.execute_raw(statement).await?.rows_affected()) })
        })
        .await
    }

    /// Runs `body` in a write transaction and commits; again from the start where the database gave
    /// this one up to break a deadlock (40P01) or a conflict (40001).
    pub(super) async fn transaction<T, F>(&self, body: F) -> Result<T, DbError>
    where
        F: for<'a> Fn(&'a Txn) -> TxnFuture<'a, T> + Send,
        T: Send,
    {
        const TRIES: u32 = 5;
        for attempt in 1.. {
            match self.try_transaction(&body).await {
                Err(e) if attempt < TRIES && is_conflict(&e) => {
                    sleep(Duration::from_millis(5 << attempt)).await
                }
                result => return Ok(result?),
            }
        }
        unreachable!("the loop ends by returning")
    }

    async fn try_transaction<T, F>(&self, body: &F) -> Result<T, DbErr>
    where
        F: for<'a> Fn(&'a Txn) -> TxnFuture<'a, T> + Send,
    {
        let options = TransactionOptions {
            // The CLI of another process may write too: take the file's lock at once, so that it is
            // never upgraded in the middle.
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..Default::default()
        };
        let txn = self.write.begin_with_options(options).await?;
        match body(&txn).await {
            Ok(value) => txn.commit().await.map(|()| value),
            Err(e) => {
                // The first error tells more than a failed rollback, which the pool repairs.
                let _ = txn.rollback().await;
                Err(e)
            }
        }
    }
}

fn sqlite_options(url: &str, connections: u32) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(Duration::from_secs(10))
        // A file does not hang up: asking each time whether it is still there only costs two thread switches.
        .test_before_acquire(false)
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(|o| {
            o.busy_timeout(Duration::from_secs(5))
                .foreign_keys(true)
                .pragma("journal_mode", "WAL")
                // FULL: a commit that was answered survives a power cut, not only a kill.
                .pragma("synchronous", "FULL")
                .pragma("wal_autocheckpoint", "4000")
                .pragma("cache_size", "-8000")
                .pragma("temp_store", "MEMORY")
        })
        .map_sqlx_sqlite_pool_opts(|o| {
            // SQLite ends a transaction by itself where the disk is full or fails. sqlx goes on counting it, and
            // opens each later one as a savepoint in it: a failed one of those leaves an outer transaction behind
            // that nobody commits, while every commit in it is answered. Such a connection is not used again.
            o.before_acquire(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }))
        });
    options
}

fn is_conflict(error: &DbErr) -> bool {
    let text = error.to_string();
    text.contains("40P01")
        || text.contains("40001")
        || text.contains("deadlock detected")
        || text.contains("could not serialize")
}

impl From<DbErr> for DbError {
    fn from(error: DbErr) -> Self {
        let gone = match &error {
            DbErr::Conn(_) | DbErr::ConnectionAcquire(_) => true,
            DbErr::Exec(RuntimeErr::SqlxError(e)) | DbErr::Query(RuntimeErr::SqlxError(e)) => {
                let text = e.to_string();
                // Classes 08 (connection), 53 (resources), 57P (shutdown), locks and statements that took too
                // long, and SQLite's busy, full and I/O errors.
                [
                    "lock timeout",
                    "statement timeout",
                    "pool timed out",
                    "error communicating",
                    "Connection",
                    "terminating connection",
                    "shutting down",
                    "database is locked",
                    "disk is full",
                    "disk I/O",
                ]
                .iter()
                .any(|part| text.contains(part))
            }
            _ => false,
        };
        if gone {
            Self::Unavailable(error.to_string())
        } else {
            Self::Statement(error.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A full disk makes SQLite end a transaction by itself, which sqlx does not notice.
    #[tokio::test]
    async fn commits_are_durable_after_the_disk_was_full() {
        let dir = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}", dir.path().join("full.db").display());
        let db = Db::connect(&url).await.expect("opened");
        db.execute("CREATE TABLE t (x)", vec![]).await.expect("a table");
        db.write
            .execute_unprepared("PRAGMA max_page_count = 2")
            .await
            .expect("a limit of this connection");
        let full = db
            .execute("INSERT INTO t VALUES (zeroblob(1000000))", vec![])
            .await;
        assert!(matches!(full, Err(DbError::Unavailable(_))), "{full:?}");
        let refused = db.transaction(|_| Box::pin(async { Err::<(), _>(DbErr::Custom("no".to_owned())) }));
        assert!(refused.await.is_err());
        db.execute("INSERT INTO t VALUES (1)", vec![])
            .await
            .expect("committed");
        let row = db
            .query_one("SELECT count(*) AS n FROM t", vec![])
            .await
            .expect("read");
        let seen: i64 = row.expect("a row").try_get("", "n").expect("a number");
        println!("rows that another connection sees of 1 committed: {seen}");
        assert_eq!(seen, 1);
    }
}
