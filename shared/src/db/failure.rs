//! What an error of the database means for whoever asked. Decided by SQLSTATE and by the kind of error,
//! not by words: a server speaks its administrator's language.

use std::fmt::Display;

use sea_orm::{DbErr, RuntimeErr, sqlx};

use super::DbError;
use crate::telemetry::metrics::DATABASE_UNAVAILABLE;

/// The constraint of Postgres by which an address has one account.
const ADDRESSES: &str = "users_email_key";

/// What may be done about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// The database gave this transaction up for the sake of another (40P01, 40001), or another one took its address:
    /// again from the start.
    Conflict,
    /// The connection is gone: another one may do, if nothing was committed on this one.
    Broken,
    /// The database can't do it now; later it may.
    Unavailable,
    /// A fault of ours, or a row that can't be read.
    Statement,
}

impl Failure {
    /// What this error is.
    pub(super) fn of(error: &DbErr) -> Self {
        match error {
            DbErr::Exec(RuntimeErr::SqlxError(e)) | DbErr::Query(RuntimeErr::SqlxError(e)) => of_driver(e),
            // While connecting; whatever it is, nothing can be asked before it is gone.
            DbErr::Conn(RuntimeErr::SqlxError(e)) => match of_driver(e) {
                Self::Statement => Self::Unavailable,
                other => other,
            },
            // The pool was replaced while somebody waited at the old one.
            DbErr::ConnectionAcquire(sea_orm::ConnAcquireErr::ConnectionClosed) => Self::Broken,
            DbErr::Conn(_) | DbErr::ConnectionAcquire(_) => Self::Unavailable,
            _ => Self::Statement,
        }
    }
}

fn of_driver(error: &sqlx::Error) -> Failure {
    match error {
        // Two took an address at once: from the start the second sees that it is taken, and says what it says then.
        sqlx::Error::Database(e) if e.constraint() == Some(ADDRESSES) => Failure::Conflict,
        sqlx::Error::Database(e) => match (e.code(), e.try_downcast_ref::<sqlx::postgres::PgDatabaseError>())
        {
            (Some(code), Some(_)) => of_sqlstate(&code),
            (Some(code), None) => of_sqlite(&code),
            (None, _) => Failure::Statement,
        },
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::PoolClosed => {
            Failure::Broken
        }
        sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed | sqlx::Error::BeginFailed => {
            Failure::Unavailable
        }
        _ => Failure::Statement,
    }
}

fn of_sqlstate(code: &str) -> Failure {
    match code {
        "40001" | "40P01" => Failure::Conflict,
        // Connection exceptions; ended by an administrator, a crash, or because it is starting or stopping;
        // a transaction that stood idle too long.
        _ if code.starts_with("08") => Failure::Broken,
        "57P01" | "57P02" | "57P03" | "57P04" | "57P05" | "25P03" | "25P04" => Failure::Broken,
        // Canceled, by a time limit too; a lock not given in time; read-only, as a standby is.
        "57014" | "55P03" | "25006" => Failure::Unavailable,
        // No disk, memory or connections left; the system failed below the server.
        _ if code.starts_with("53") || code.starts_with("58") => Failure::Unavailable,
        _ => Failure::Statement,
    }
}

/// SQLite's primary codes stand in the lower byte: busy, locked, no memory, I/O, full, can't open.
fn of_sqlite(code: &str) -> Failure {
    match code.parse::<u32>().map(|code| code & 0xff) {
        Ok(5 | 6 | 7 | 10 | 13 | 14) => Failure::Unavailable,
        _ => Failure::Statement,
    }
}

/// The answer that did not come in time.
pub(super) fn no_answer(limit: impl Display) -> DbErr {
    DbErr::Conn(RuntimeErr::Internal(format!("no answer within {limit} s")))
}

impl From<DbErr> for DbError {
    fn from(error: DbErr) -> Self {
        match Failure::of(&error) {
            Failure::Statement => Self::Statement(words(&error)),
            Failure::Conflict | Failure::Broken | Failure::Unavailable => {
                metrics::counter!(DATABASE_UNAVAILABLE).increment(1);
                Self::Unavailable(words(&error))
            }
        }
    }
}

/// What the error says, and the server's code for it: the words are in the server's language.
fn words(error: &DbErr) -> String {
    let code = match error {
        DbErr::Exec(RuntimeErr::SqlxError(e))
        | DbErr::Query(RuntimeErr::SqlxError(e))
        | DbErr::Conn(RuntimeErr::SqlxError(e)) => e.as_database_error().and_then(|e| e.code()),
        _ => None,
    };
    match code {
        Some(code) => format!("{error} ({code})"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_say_what_may_be_done() {
        let table = [
            ("40P01", Failure::Conflict),
            ("40001", Failure::Conflict),
            ("08006", Failure::Broken),
            ("57P01", Failure::Broken),
            ("57P03", Failure::Broken),
            ("25P03", Failure::Broken),
            ("57014", Failure::Unavailable),
            ("55P03", Failure::Unavailable),
            ("25006", Failure::Unavailable),
            ("53300", Failure::Unavailable),
            ("58030", Failure::Unavailable),
            ("23505", Failure::Statement),
            ("42P01", Failure::Statement),
            ("25P02", Failure::Statement),
        ];
        for (code, failure) in table {
            assert_eq!(of_sqlstate(code), failure, "{code}");
        }
        assert_eq!(of_sqlite("517"), Failure::Unavailable, "busy, by a snapshot");
        assert_eq!(of_sqlite("1555"), Failure::Statement, "a key twice");
    }

    #[test]
    fn what_breaks_a_connection_is_no_fault_of_the_statement() {
        let io = sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into());
        let error = DbErr::Query(RuntimeErr::SqlxError(io.into()));
        assert_eq!(Failure::of(&error), Failure::Broken);
        assert!(matches!(DbError::from(error), DbError::Unavailable(_)));
        assert!(matches!(DbError::from(no_answer(5)), DbError::Unavailable(_)));
        let ours = DbErr::Custom("a row of jobs".to_owned());
        assert!(matches!(DbError::from(ours), DbError::Statement(_)));
    }
}
