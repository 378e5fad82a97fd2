//! `[models]`: which models, and where their files are.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Which models, and where their files are.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Models {
    /// Shared cache of model files; empty: `DATA_DIR/models`.
    pub dir: PathBuf,
    /// Ids to serve; empty: the catalogue's defaults.
    pub enabled: Vec<String>,
    /// Ids that may be tried without an account, beside those the catalogue marks.
    pub public: Vec<String>,
    /// Seconds a model may take to load and pass its canary.
    pub load_timeout_seconds: u64,
}
