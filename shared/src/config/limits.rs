//! `[limits]`: what is true of all shares.

use serde::{Deserialize, Serialize};

/// What is true of all shares; how much each may have says its plan.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Jobs waiting at once, of everybody; 0: no limit.
    pub waiting: u64,
}
