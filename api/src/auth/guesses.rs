//! What wrong passwords are counted under. A browser that the account was logged in to from has a count of its own,
//! so nobody locks a user's own browsers out. Everybody else is counted twice: by the address as it is written, and
//! by the mailbox, for which dots and `+tags` do not matter. A success takes back what its own address counted,
//! and nothing of the others: who has one spelling of a mailbox gives no new tries at another one.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use lamplighter_shared::{
    db::{DbError, attempts, users::User},
    email::Email,
};
use poem::Request;

use super::{secret, session};
use crate::state::App;

/// The counts that one try belongs to.
pub(crate) struct Guesses {
    /// Of this account, or of its own browsers.
    own: String,
    /// Of the mailbox.
    mailbox: Option<String>,
}

impl Guesses {
    /// Those at an address, by whoever does not have its cookie. Whether it has an account is no matter.
    pub(crate) fn at(email: &Email) -> Self {
        let key = |kind: &str, text: &str| {
            let hash = URL_SAFE_NO_PAD.encode(secret::fingerprint(text));
            format!("login:{kind}:{hash}")
        };
        Self {
            own: key("address", email.as_str()),
            mailbox: Some(key("account", &email.limit_key())),
        }
    }

    /// Those that a request adds to.
    pub(super) fn of(app: &App, email: &Email, user: Option<&User>, request: &Request) -> Self {
        match user.filter(|user| session::is_known_device(app, user, request)) {
            Some(user) => Self {
                own: format!("login:device:{}", user.id),
                mailbox: None,
            },
            None => Self::at(email),
        }
    }

    /// The nearer of them, to tell limits apart.
    pub(super) fn key(&self) -> &str {
        &self.own
    }

    /// Begins a try; none where it may, else how long it has to wait.
    ///
    /// # Errors
    /// Where the database fails: then nobody may try.
    pub(super) async fn begin(&self, app: &App) -> Result<Option<Duration>, DbError> {
        let free = app.config.accounts.max_failures;
        if let Some(wait) = attempts::begin(&app.db, &self.own, free).await? {
            return Ok(Some(wait));
        }
        let Some(mailbox) = &self.mailbox else {
            return Ok(None);
        };
        let wait = attempts::begin(&app.db, mailbox, free).await?;
        if wait.is_some() {
            attempts::not_made(&app.db, &self.own).await?;
        }
        Ok(wait)
    }

    /// The try was not made.
    ///
    /// # Errors
    /// Where the database fails.
    pub(super) async fn not_made(&self, app: &App) -> Result<(), DbError> {
        attempts::not_made(&app.db, &self.own).await?;
        match &self.mailbox {
            Some(mailbox) => attempts::not_made(&app.db, mailbox).await,
            None => Ok(()),
        }
    }

    /// Somebody has shown whose account it is: its failures in a row are none any more.
    ///
    /// # Errors
    /// Where the database fails.
    pub(crate) async fn forget(&self, app: &App) -> Result<(), DbError> {
        attempts::succeeded(&app.db, &self.own, self.mailbox.as_deref()).await
    }
}
