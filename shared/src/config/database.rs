//! `[database]`: the truth.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{ConfigError, check};

/// The truth.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// `postgres://…`; empty: SQLite in the data folder.
    pub url: String,
    /// A file with the password that `url` lacks; empty: `url` has all. Once loaded, `url` holds it.
    pub password_file: PathBuf,
    /// Seconds a start waits for a database that does not answer yet.
    pub connect_seconds: u64,
    /// Seconds one statement or transaction may take before it is given up.
    pub timeout_seconds: f64,
    /// Whether submits that come together share a transaction. Off only to measure what that is worth.
    pub group_commit: bool,
}

impl Database {
    /// A statement has some time.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        check::positive("database.timeout_seconds", self.timeout_seconds)
    }

    /// Whether other processes may use the database, too: everything but a file.
    pub fn is_shared(&self) -> bool {
        !(self.url.is_empty() || self.url.starts_with("sqlite:"))
    }
}
