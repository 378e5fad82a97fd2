//! Connections that never hang anybody. Every read and every transaction on Postgres has a limit of our
//! own beside the server's: a server that was stopped, or a network that swallows packets, answers nothing.
//!
//! sqlx takes a connection back by asking the server, without a limit. Here that question has one; and
//! where a limit of ours passed, the whole pool is replaced, for what hangs in a socket's buffer could
//! hold a place in it as long as TCP waits.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use futures_core::future::BoxFuture;
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
    ExecResult, QueryResult, SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
    sqlx::{self, Connection},
};
use tokio::time::timeout;

use super::failure::{Failure, no_answer};

/// How Postgres is spoken to.
#[derive(Debug, Clone)]
pub struct DbOptions {
    /// The longest one read or one transaction may take.
    pub timeout: Duration,
    /// Connections of this process.
    pub connections: u32,
    /// What `pg_stat_activity` calls them.
    pub name: String,
}

impl Default for DbOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            connections: 16,
            name: "lamplighter".to_owned(),
        }
    }
}

/// The longest wait for a free connection, or for a new one.
const ACQUIRE: Duration = Duration::from_secs(1);
/// The longest a connection that is given back may take to answer.
const GIVE_BACK: Duration = Duration::from_secs(1);
/// A connection that stood idle for so long is asked before it is used.
const IDLE: Duration = Duration::from_secs(1);
/// The longest a replaced pool is given to close.
const CLOSE: Duration = Duration::from_secs(60);

/// Connections to one database. Clones share them.
#[derive(Clone)]
pub(super) struct Pool(Arc<Inner>);

struct Inner {
    current: RwLock<Generation>,
    backend: DbBackend,
    /// On Postgres: how the next generation is made.
    bounds: Option<Bounds>,
}

struct Bounds {
    options: ConnectOptions,
    limit: Duration,
    /// More broken connections than this can't have been lying in the pool.
    tries: u32,
}

#[derive(Clone)]
struct Generation {
    number: u64,
    connections: DatabaseConnection,
}

impl std::fmt::Debug for Pool {
    /// Without the address: it holds a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}

impl Pool {
    /// Connections to a file, which needs no limits.
    pub(super) async fn sqlite(options: ConnectOptions) -> Result<Self, DbErr> {
        let connections = Database::connect(options).await?;
        Ok(Self::new(connections, DbBackend::Sqlite, None))
    }

    /// Connections to a server; one is made now.
    pub(super) async fn postgres(url: &str, options: &DbOptions) -> Result<Self, DbErr> {
        let bounds = Bounds {
            options: postgres_options(url, options),
            limit: options.timeout,
            tries: options.connections + 1,
        };
        let connections = Database::connect(bounds.options.clone()).await?;
        Ok(Self::new(connections, DbBackend::Postgres, Some(bounds)))
    }

    fn new(connections: DatabaseConnection, backend: DbBackend, bounds: Option<Bounds>) -> Self {
        let first = Generation {
            number: 0,
            connections,
        };
        Self(Arc::new(Inner {
            current: RwLock::new(first),
            backend,
            bounds,
        }))
    }

    /// What stands behind the limits, for what has none: changes of the schema.
    pub(super) fn connections(&self) -> DatabaseConnection {
        self.current().connections
    }

    fn current(&self) -> Generation {
        self.0
            .current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Does `work` within the limit; where it passes, this generation of connections is given up.
    pub(super) async fn within<T>(
        &self,
        work: impl Future<Output = Result<T, DbErr>> + Send,
    ) -> Result<T, DbErr> {
        let Some(bounds) = &self.0.bounds else {
            return work.await;
        };
        let number = self.current().number;
        match timeout(bounds.limit, work).await {
            Ok(result) => result,
            Err(_) => {
                self.replace(bounds, number).await;
                Err(no_answer(bounds.limit.as_secs_f64()))
            }
        }
    }

    /// Puts fresh connections in the place of generation `number`; once, however many ask.
    async fn replace(&self, bounds: &Bounds, number: u64) {
        let mut options = bounds.options.clone();
        options.connect_lazy(true);
        // Lazy: nothing is sent, so nothing can hang or fail.
        let Ok(connections) = Database::connect(options).await else {
            return;
        };
        let old = {
            let mut current = self.0.current.write().unwrap_or_else(PoisonError::into_inner);
            if current.number != number {
                return;
            }
            let next = Generation {
                number: number + 1,
                connections,
            };
            std::mem::replace(&mut *current, next)
        };
        tracing::warn!("the database did not answer in time; all connections to it are replaced");
        tokio::spawn(async move {
            // Waits for those who still use it; what hangs for good is left to the kernel.
            let _ = timeout(CLOSE, old.connections.close()).await;
        });
    }

    /// Begins a transaction; on another connection where one turns out to be gone.
    pub(super) async fn begin(&self) -> Result<DatabaseTransaction, DbErr> {
        let Some(bounds) = &self.0.bounds else {
            let options = TransactionOptions {
                // The CLI of another process may write too: take the file's lock at once, so that it is
                // never upgraded in the middle.
                sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
                ..Default::default()
            };
            return self.connections().begin_with_options(options).await;
        };
        for attempt in 1.. {
            // A task of its own: sqlx forgets to roll back a BEGIN whose caller went away in the middle, and
            // the next user of the connection would read in a transaction that nobody ends.
            let (connections, limit) = (self.connections(), bounds.limit);
            let begun = tokio::spawn(async move { timeout(limit, connections.begin()).await }).await;
            match begun {
                Ok(Ok(Err(e))) if attempt < bounds.tries && Failure::of(&e) == Failure::Broken => {}
                Ok(Ok(result)) => return result,
                Ok(Err(_)) => return Err(no_answer(limit.as_secs_f64())),
                Err(e) => return Err(DbErr::Custom(format!("a transaction could not begin: {e}"))),
            }
        }
        unreachable!("the loop ends by returning")
    }

    /// A read; again on another connection where one turns out to be gone.
    async fn read<'a, T, F>(&'a self, ask: F) -> Result<T, DbErr>
    where
        T: Send,
        F: Fn(DatabaseConnection) -> BoxFuture<'a, Result<T, DbErr>> + Send + Sync,
    {
        let tries = self.0.bounds.as_ref().map_or(1, |bounds| bounds.tries);
        let work = async {
            for attempt in 1.. {
                match ask(self.connections()).await {
                    Err(e) if attempt < tries && Failure::of(&e) == Failure::Broken => {}
                    result => return result,
                }
            }
            unreachable!("the loop ends by returning")
        };
        self.within(work).await
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for Pool {
    fn get_database_backend(&self) -> DbBackend {
        self.0.backend
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let connections = self.connections();
        self.within(connections.execute_raw(statement)).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let connections = self.connections();
        self.within(connections.execute_unprepared(sql)).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.read(|connections| {
            let statement = statement.clone();
            Box::pin(async move { connections.query_one_raw(statement).await })
        })
        .await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.read(|connections| {
            let statement = statement.clone();
            Box::pin(async move { connections.query_all_raw(statement).await })
        })
        .await
    }
}

fn postgres_options(url: &str, options: &DbOptions) -> ConnectOptions {
    let statement_ms = options.timeout.as_millis();
    let session = [
        // The server ends what we have given up.
        ("statement_timeout", format!("{statement_ms}ms")),
        ("lock_timeout", "2s".to_owned()),
        // The locks of a process that was cut off or stopped are free again after this; until then nobody
        // else claims from the queue it was at. Between two statements of ours lie microseconds.
        ("idle_in_transaction_session_timeout", "2s".to_owned()),
        ("tcp_user_timeout", "10s".to_owned()),
        // An answered commit survives a power cut, whatever the server's default is.
        ("synchronous_commit", "on".to_owned()),
        // Whoever waits for a lock reads afterwards what its holder wrote. Stricter levels would have it begin
        // anew each time, and give up where many want the same lane.
        ("default_transaction_isolation", "read committed".to_owned()),
        // Every statement here has an index in the order it needs. Left to statistics, which are a minute old
        // or more, Postgres takes a queue that has just filled for an empty one and reads all of it.
        ("enable_seqscan", "off".to_owned()),
        ("enable_bitmapscan", "off".to_owned()),
        ("jit", "off".to_owned()),
    ];
    let name = options.name.clone();
    let mut connect = ConnectOptions::new(url);
    connect
        .max_connections(options.connections)
        .acquire_timeout(ACQUIRE)
        .test_before_acquire_if_idle_for(IDLE)
        .sqlx_logging(false)
        .map_sqlx_postgres_opts(move |o| {
            // A claim is a statement for each number of jobs.
            o.options(session.clone())
                .application_name(&name)
                .statement_cache_capacity(256)
        })
        .map_sqlx_postgres_pool_opts(|o| {
            o.after_release(|connection, _| {
                Box::pin(async move {
                    match timeout(GIVE_BACK, connection.ping()).await {
                        Ok(answer) => answer.map(|()| true),
                        Err(_) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
                    }
                })
            })
        });
    connect
}

#[cfg(test)]
mod tests {
    use lamplighter_testkit::postgres::Postgres;

    use super::*;

    #[tokio::test]
    async fn sessions_have_the_limits_they_should_have() {
        let (name, url) = Postgres::shared().create_database();
        for setting in [
            "synchronous_commit = off",
            "default_transaction_isolation = 'serializable'",
        ] {
            Postgres::shared().query(&name, &format!("ALTER DATABASE {name} SET {setting}"));
        }
        let pool = Pool::postgres(&url, &DbOptions::default())
            .await
            .expect("connected");
        let settings = [
            ("statement_timeout", "5s"),
            ("lock_timeout", "2s"),
            ("idle_in_transaction_session_timeout", "2s"),
            ("tcp_user_timeout", "10000"),
            ("synchronous_commit", "on"),
            ("default_transaction_isolation", "read committed"),
            ("application_name", "lamplighter"),
            ("enable_seqscan", "off"),
            ("enable_bitmapscan", "off"),
            ("jit", "off"),
        ];
        for (name, wanted) in settings {
            let statement = Statement::from_string(DbBackend::Postgres, format!("SHOW {name}"));
            let row = pool.query_one_raw(statement).await.expect(name).expect("a row");
            assert_eq!(row.try_get::<String>("", name).expect("text"), wanted, "{name}");
        }
    }

    /// Only the generation that hung is replaced, and only once.
    #[tokio::test]
    async fn connections_are_replaced_once_for_everybody_who_waited() {
        let (_, url) = Postgres::shared().create_database();
        let options = DbOptions {
            timeout: Duration::from_millis(200),
            ..DbOptions::default()
        };
        let pool = Pool::postgres(&url, &options).await.expect("connected");
        let hang = || pool.within(std::future::pending::<Result<(), DbErr>>());
        let (a, b, c) = tokio::join!(hang(), hang(), hang());
        assert!(a.is_err() && b.is_err() && c.is_err());
        assert_eq!(pool.current().number, 1);
        pool.execute_unprepared("SELECT 1")
            .await
            .expect("the new ones work");
    }
}
