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
    /// See the account, its tokens and what was used.
    AccountRead,
    /// Make, rotate, revoke and delete tokens, none of which may do more than this one.
    TokensWrite,
    /// See and steer the installation. Only for users whose role is `admin`.
    Admin,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 6] = [
        Self::JobsWrite,
        Self::JobsRead,
        Self::ModelsRead,
        Self::AccountRead,
        Self::TokensWrite,
        Self::Admin,
    ];

    /// The name in tokens and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::JobsWrite => "jobs:write",
            Self::JobsRead => "jobs:read",
            Self::ModelsRead => "models:read",
            Self::AccountRead => "account:read",
            Self::TokensWrite => "tokens:write",
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
#[error(
    "there is no scope {0:?}; the scopes are jobs:write, jobs:read, models:read, account:read, tokens:write and admin"
)]
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

/// What a handler needs, as a type, for [`super::principal::Principal`].
pub trait Needs: Send + Sync + 'static {
    /// The scope, where one is needed. A session has all scopes that its user may have.
    const SCOPE: Option<Scope>;
    /// Whether only a person with a session will do, and no token.
    const PERSON: bool = false;
    /// Whether somebody without an account will do, where there are public models.
    const GUESTS: bool = false;
    /// Whether the same goes for somebody who was never here before.
    const STRANGERS: bool = false;
    /// Whether it may make a job: refused while the queues are full, and a repetition is not charged.
    const SUBMITS: bool = false;
}

/// Needs [`Scope::JobsWrite`].
pub struct JobsWrite;
/// Needs [`Scope::JobsWrite`] and room in the queues; a repetition costs nothing.
pub struct Submitting;
/// The same, of somebody who has a job already.
pub struct Repeating;
/// Needs [`Scope::JobsRead`].
pub struct JobsRead;
/// Needs [`Scope::ModelsRead`].
pub struct ModelsRead;
/// Needs [`Scope::AccountRead`].
pub struct AccountRead;
/// Needs [`Scope::TokensWrite`].
pub struct TokensWrite;
/// Needs a session.
pub struct Person;
/// Needs any live token or session.
pub struct Anybody;
/// Needs [`Scope::Admin`], and a user whose role is `admin`.
pub struct Admin;

impl Needs for JobsWrite {
    const SCOPE: Option<Scope> = Some(Scope::JobsWrite);
    const GUESTS: bool = true;
}

impl Needs for Submitting {
    const SCOPE: Option<Scope> = Some(Scope::JobsWrite);
    const GUESTS: bool = true;
    const STRANGERS: bool = true;
    const SUBMITS: bool = true;
}

impl Needs for Repeating {
    const SCOPE: Option<Scope> = Submitting::SCOPE;
    const GUESTS: bool = true;
    const SUBMITS: bool = true;
}

impl Needs for JobsRead {
    const SCOPE: Option<Scope> = Some(Scope::JobsRead);
    const GUESTS: bool = true;
}

impl Needs for ModelsRead {
    const SCOPE: Option<Scope> = Some(Scope::ModelsRead);
    const GUESTS: bool = true;
    const STRANGERS: bool = true;
}

impl Needs for AccountRead {
    const SCOPE: Option<Scope> = Some(Scope::AccountRead);
}

impl Needs for TokensWrite {
    const SCOPE: Option<Scope> = Some(Scope::TokensWrite);
}

impl Needs for Person {
    const SCOPE: Option<Scope> = Some(Scope::AccountRead);
    const PERSON: bool = true;
}

impl Needs for Anybody {
    const SCOPE: Option<Scope> = None;
}

impl Needs for Admin {
    const SCOPE: Option<Scope> = Some(Scope::Admin);
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
