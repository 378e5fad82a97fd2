//! The database: reads, transactions, and the few words in which the dialects differ.

use std::{sync::Arc, time::Duration};

use sea_orm::{
    ConnectOptions, ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, QueryResult, Statement, Value,
    sqlx::{Connection, postgres::PgConnectOptions},
};
use tokio::time::sleep;

use super::{
    DbError, entity,
    failure::Failure,
    pool::{DbOptions, Pool},
};
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
#[derive(Clone)]
pub struct Db {
    /// For statements that change nothing.
    pub(super) read: Pool,
    /// For transactions. On SQLite a single connection: writers queue here, fairly and without
    /// sleeping, rather than at the file's lock.
    pub(super) write: Pool,
    url: Arc<str>,
    dialect: Dialect,
    clock: Clock,
}

impl std::fmt::Debug for Db {
    /// Without the address: it holds a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Db")
            .field("dialect", &self.dialect)
            .finish_non_exhaustive()
    }
}

/// A transaction in hand.
pub(super) type Txn = DatabaseTransaction;
/// What a transaction's closure returns.
pub(super) type TxnFuture<'a, T> = futures_core::future::BoxFuture<'a, Result<T, DbErr>>;

/// A transaction that did not come to its end.
struct Unfinished {
    error: DbErr,
    /// It may be committed all the same.
    committing: bool,
}

impl Db {
    /// Opens `sqlite://PATH` (made when missing) or `postgres://…`. Does not migrate.
    ///
    /// # Errors
    /// Where the database can't be reached or opened.
    pub async fn connect(url: &str) -> Result<Self, DbError> {
        Self::connect_with(url, &DbOptions::default()).await
    }

    /// The same, with these limits where it is Postgres.
    ///
    /// # Errors
    /// Where the database can't be reached or opened.
    pub async fn connect_with(url: &str, options: &DbOptions) -> Result<Self, DbError> {
        let (read, write, dialect) = if url.starts_with("sqlite:") {
            let url = if url.contains('?') {
                url.to_owned()
            } else {
                format!("{url}?mode=rwc")
            };
            let write = Pool::sqlite(sqlite_options(&url, 1)).await?;
            (
                Pool::sqlite(sqlite_options(&url, 4)).await?,
                write,
                Dialect::Sqlite,
            )
        } else {
            check_address(url)?;
            let pool = Pool::postgres(url, options).await?;
            (pool.clone(), pool, Dialect::Postgres)
        };
        Ok(Self {
            read,
            write,
            url: url.into(),
            dialect,
            clock: Clock::Database,
        })
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

    /// The address it was opened by; it may hold a password.
    pub(super) fn url(&self) -> &str {
        &self.url
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

    /// A statement in this dialect. Placeholders are `$1`…; `{now}` is the clock; `{moment}` is the clock,
    /// asked once for the whole statement; `{for_update}` and `{skip_locked}` lock rows where the database
    /// has row locks; `{job_columns}` are the columns of `jobs` that this program knows. Never `*`: a prepared
    /// statement whose columns grow, for a newer program adds one meanwhile, fails for as long as its
    /// connection lives.
    ///
    /// Whatever compares an indexed column compares it with `{moment}`: what may change from row to row
    /// makes Postgres read all of them.
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
        let moment = match self.dialect {
            Dialect::Postgres => format!("(SELECT {now})"),
            Dialect::Sqlite => now.clone(),
        };
        sql.replace("{now}", &now)
            .replace("{moment}", &moment)
            .replace("{for_update}", for_update)
            .replace("{job_columns}", entity::jobs::columns())
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
    /// this one up to break a deadlock or a conflict, or its connection was lost before the commit.
    /// All tries together take no longer than one may.
    pub(super) async fn transaction<T, F>(&self, body: F) -> Result<T, DbError>
    where
        F: for<'a> Fn(&'a Txn) -> TxnFuture<'a, T> + Send + Sync,
        T: Send,
    {
        const TRIES: u32 = 5;
        let work = async {
            for attempt in 1.. {
                let unfinished = match self.try_transaction(&body).await {
                    Ok(value) => return Ok(value),
                    Err(unfinished) => unfinished,
                };
                match Failure::of(&unfinished.error) {
                    Failure::Conflict if attempt < TRIES => sleep(Duration::from_millis(5 << attempt)).await,
                    Failure::Broken if attempt < TRIES && !unfinished.committing => {}
                    _ => return Err(unfinished.error),
                }
            }
            unreachable!("the loop ends by returning")
        };
        Ok(self.write.within(work).await?)
    }

    async fn try_transaction<T, F>(&self, body: &F) -> Result<T, Unfinished>
    where
        F: for<'a> Fn(&'a Txn) -> TxnFuture<'a, T> + Send + Sync,
    {
        let open = |error| Unfinished {
            error,
            committing: false,
        };
        let txn = self.write.begin().await.map_err(open)?;
        match body(&txn).await {
            Ok(value) => match txn.commit().await {
                Ok(()) => Ok(value),
                Err(error) => Err(Unfinished {
                    error,
                    committing: true,
                }),
            },
            Err(e) => {
                // The first error tells more than a failed rollback, which the pool repairs.
                let _ = txn.rollback().await;
                Err(open(e))
            }
        }
    }
}

/// Whether a server's address can be read. Nothing of it is repeated: it may hold a password, and one with
/// special characters in it is the usual reason why it can't.
fn check_address(url: &str) -> Result<(), DbError> {
    let ours = url.starts_with("postgres://") || url.starts_with("postgresql://");
    if ours && url.parse::<PgConnectOptions>().is_ok() {
        return Ok(());
    }
    let why = "database.url can't be read: it looks like postgres://USER@HOST/NAME; special characters of a \
               password are written as %XX, or database.password_file names the file that has it";
    Err(DbError::Statement(why.to_owned()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_that_cannot_be_read_is_refused_at_once_and_not_repeated() {
        for bad in [
            "postgres://u:hunter2#x@h/x",
            "postgres://u:hunter2@@@:99999/x",
            "mysql://u:hunter2@h/x",
            "postgres:/u:hunter2@h/x",
            "hunter2",
        ] {
            let refused = Db::connect(bad).await.expect_err(bad);
            assert!(matches!(refused, DbError::Statement(_)), "{bad}: {refused}");
            assert!(!refused.to_string().contains("hunter2"), "{bad}: {refused}");
        }
        for good in [
            "postgres://u:hunter%232@h:1/x",
            "postgresql://h/x?sslmode=disable",
        ] {
            check_address(good).expect(good);
        }
    }

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
