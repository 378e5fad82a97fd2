//! Bounds that several sections share.

use super::ConfigError;

/// Refuses what is not a number more than 0. `key` is the setting's full name.
pub(super) fn positive(key: &str, value: f64) -> Result<(), ConfigError> {
    if value.is_finite() && value > 0.0 {
        return Ok(());
    }
    Err(ConfigError(format!("{key} must be more than 0, not {value}")))
}

/// Refuses days that lead past the last date that can be written, ten thousand years from now.
pub(super) fn days(key: &str, value: f64) -> Result<(), ConfigError> {
    if (0.0..=1_000_000.0).contains(&value) {
        return Ok(());
    }
    Err(ConfigError(format!(
        "{key} must be from 0 to 1000000, not {value}"
    )))
}
