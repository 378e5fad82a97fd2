//! `[accounts]`: who gets an account, and how they prove who they are.

use serde::{Deserialize, Serialize};

use super::{ConfigError, check};

/// Who gets an account, and how they prove who they are.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accounts {
    /// Who may register.
    pub registration: Registration,
    /// The plan of those who register.
    pub default_plan: String,
    /// Fewest characters of a password.
    pub min_password_length: usize,
    /// Hours a session lasts without use.
    pub session_idle_hours: f64,
    /// Days a session lasts at most.
    pub session_days: f64,
    /// Minutes after a login in which the password, the address and tokens may be changed.
    pub recent_login_minutes: f64,
    /// Days until an account that its owner deleted is gone.
    pub deletion_grace_days: f64,
    /// Live tokens of one user.
    pub max_tokens: u32,
    /// Tries to log in from one address: a minute, and at once.
    pub login_per_minute: f64,
    /// See `login_per_minute`.
    pub login_burst: u32,
    /// Registrations and recoveries from one address: an hour, and at once.
    pub register_per_hour: f64,
    /// See `register_per_hour`.
    pub register_burst: u32,
    /// Failures in a row after which an account's next tries have to wait, longer and longer.
    pub max_failures: u32,
}

impl Accounts {
    /// Times and rates are more than nothing, and passwords neither too short nor impossible.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        check::positive("accounts.session_idle_hours", self.session_idle_hours)?;
        check::positive("accounts.session_days", self.session_days)?;
        check::positive("accounts.recent_login_minutes", self.recent_login_minutes)?;
        check::positive("accounts.login_per_minute", self.login_per_minute)?;
        check::positive("accounts.register_per_hour", self.register_per_hour)?;
        check::days("accounts.deletion_grace_days", self.deletion_grace_days)?;
        let shortest = self.min_password_length;
        if (8..=128).contains(&shortest) {
            return Ok(());
        }
        Err(ConfigError(format!(
            "accounts.min_password_length must be from 8 to 128, not {shortest}"
        )))
    }
}

/// Who may register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Registration {
    /// Everybody with an address.
    Open,
    /// Everybody, and an admin lets them in.
    Approval,
    /// Whoever was invited.
    Invite,
    /// Nobody.
    Closed,
}
