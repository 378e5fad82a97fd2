//! `[redis]`: hints between processes.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Hints between processes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redis {
    /// `redis://…`; empty: processes look by themselves.
    pub url: String,
    /// A file with the password that `url` lacks; empty: `url` has all. Once loaded, `url` holds it.
    pub password_file: PathBuf,
}
