//! Logins at issuers of OpenID Connect: [`Issuers`] are those of the settings; `issuer` speaks with one (code flow
//! with PKCE), `flow` is what a browser carries from the start to the callback, `login` is both steps of a login, and
//! `http` is how issuers are reached.
//!
//! Not here: whose account it is (`db::identities`), and the routes (`routes::third_party`).

mod flow;
mod http;
mod issuer;
mod login;

pub(crate) use flow::Flow;
pub(crate) use issuer::Issuer;
pub(crate) use login::{Returned, arrive, begin};

use lamplighter_shared::{config::Config, error::ErrorCode};

use crate::{error::ApiError, message::message};

/// The issuers of the settings.
pub(crate) struct Issuers(Vec<Issuer>);

impl Issuers {
    /// Nothing is asked of them before the first login: one that is down stops no start.
    pub(crate) fn of(config: &Config) -> Self {
        Self(config.oidc.iter().cloned().map(Issuer::new).collect())
    }

    /// All of them, in the order of the settings.
    pub(crate) fn all(&self) -> &[Issuer] {
        &self.0
    }

    /// The one with this id.
    ///
    /// # Errors
    /// 404 where there is none.
    pub(crate) fn get(&self, id: &str) -> Result<&Issuer, ApiError> {
        let found = self.0.iter().find(|issuer| issuer.settings.id == id);
        found.ok_or_else(|| ApiError::new(ErrorCode::NotFound, message!("There is no such provider.")))
    }
}
