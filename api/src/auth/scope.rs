//! What a token allows. A handler names the scope it needs in the type of its principal, so a route
//! can't forget the check.

use std::{fmt, str::FromStr};

/// One thing that a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Submit, cancel, repeat and delete jobs.
    JobsWrite,
    /// See jobs, their results and events.
    JobsRead,
    /// See the models and their schemas.
    ModelsRead,
    /// See and steer the installation. Only for users whose role is `admin`.
    Admin,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 4] = [Self::JobsWrite, Self::JobsRead, Self::ModelsRead, Self::Admin];

    /// The name in tokens and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::JobsWrite => "jobs:write",
            Self::JobsRead => "jobs:read",
            Self::ModelsRead => "models:read",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// There is no such scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no scope {0:?}; the scopes are jobs:write, jobs:read, models:read and admin")]
pub struct UnknownScope(pub String);

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        Self::ALL
            .into_iter()
            .find(|s| s.as_str() == text)
            .ok_or_else(|| UnknownScope(text.to_owned()))
    }
}

/// A scope as a type, for [`super::principal::Principal`].
pub trait Needs: Send + Sync + 'static {
    /// The scope.
    const SCOPE: Scope;
}

/// Needs [`Scope::JobsWrite`].
pub struct JobsWrite;
/// Needs [`Scope::JobsRead`].
pub struct JobsRead;
/// Needs [`Scope::ModelsRead`].
pub struct ModelsRead;
/// Needs [`Scope::Admin`], and a user whose role is `admin`.
pub struct Admin;

impl Needs for JobsWrite {
    const SCOPE: Scope = Scope::JobsWrite;
}

impl Needs for JobsRead {
    const SCOPE: Scope = Scope::JobsRead;
}

impl Needs for ModelsRead {
    const SCOPE: Scope = Scope::ModelsRead;
}

impl Needs for Admin {
    const SCOPE: Scope = Scope::Admin;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_the_message_lists_them_all() {
        for scope in Scope::ALL {
            assert_eq!(scope.as_str().parse(), Ok(scope));
            assert!(UnknownScope(String::new()).to_string().contains(scope.as_str()));
        }
        for bad in ["", "jobs", "jobs:*", "JOBS:READ", "admin:read"] {
            assert!(bad.parse::<Scope>().is_err(), "{bad}");
        }
    }
}
