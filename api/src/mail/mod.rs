//! Mail: what is said to whom ([`Mail`]). A mail is a row of the outbox first, in the transaction of what it
//! tells of; whatever is secret in it is sealed there.

mod compose;
mod files;
mod render;
mod transport;
pub(crate) mod worker;

use lamplighter_shared::{
    db::{
        task_claims::Claimed,
        tasks::{NewTask, TaskKind},
    },
    id::UserId,
    key::Key,
};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

pub use crate::locale::Locale;

use crate::error::ApiError;

/// The seal of what is in an outbox.
const PURPOSE: &str = "mail:v1";

/// Wakes this process's worker of the outbox. Who stored a mail calls it after the commit; else the worker
/// finds the mail by itself, about a second later.
#[derive(Debug, Default)]
pub(crate) struct MailOutbox(Notify);

impl MailOutbox {
    /// There may be something to send.
    pub fn wake(&self) {
        self.0.notify_one();
    }
}

/// What a mail says. Tokens become links `PUBLIC_URL/PAGE#token=…`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "template", rename_all = "snake_case")]
pub enum Message {
    /// Show that the address is yours: a link to `/verify`, and a code to type.
    VerifyAddress {
        /// The token of the link.
        token: String,
        /// Six digits.
        code: String,
    },
    /// Somebody registered with your address, which has an account already.
    AlreadyRegistered,
    /// Somebody registered with your address, which was registered before and never verified: a link to
    /// `/reset`, for only who reads this mail may choose the password.
    RegisteredAgain {
        /// The token of the link.
        token: String,
    },
    /// Choose a new password: a link to `/reset`.
    ResetPassword {
        /// The token of the link.
        token: String,
    },
    /// Your password was changed.
    PasswordChanged,
    /// Show that the new address is yours: a link to `/verify`, and a code to type.
    ConfirmNewAddress {
        /// The token of the link.
        token: String,
        /// Six digits.
        code: String,
    },
    /// Your account has another address now; to the old one.
    AddressChanged,
    /// A token ends soon.
    TokenExpires {
        /// What its owner calls it.
        name: String,
        /// Days that are left.
        days: u32,
    },
    /// Somebody invites you: a link to `/register`.
    Invitation {
        /// The token of the link.
        token: String,
    },
    /// Your account will be deleted.
    DeletionScheduled {
        /// Days that are left.
        days: u32,
    },
    /// An admin let you in.
    AccountApproved,
    /// Your account can now be used with a login at an issuer.
    LoginLinked {
        /// The issuer's name.
        issuer: String,
    },
    /// A login at an issuer opens your account no longer.
    LoginUnlinked {
        /// The issuer's name.
        issuer: String,
    },
}

/// A mail to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The address.
    pub to: String,
    /// Whose account it is about.
    pub user: Option<UserId>,
    /// In which language.
    pub locale: Locale,
    /// What it says.
    pub message: Message,
}

/// A mail in the outbox.
#[derive(Debug, Serialize, Deserialize)]
struct Envelope {
    locale: Locale,
    /// The name of the message, for admins.
    template: String,
    /// The message, sealed; gone once the mail was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sealed: Option<String>,
}

/// What an admin may know of a mail.
pub(crate) struct Label {
    /// The name of the message.
    pub template: String,
    /// The language.
    pub locale: &'static str,
}

impl Label {
    /// Reads it from the row of a mail; what can't be read has none.
    pub fn of(payload: &str) -> Self {
        let envelope: Option<Envelope> = serde_json::from_str(payload).ok();
        let (template, locale) = envelope.map(|e| (e.template, e.locale)).unwrap_or_default();
        Self {
            template,
            locale: locale.as_str(),
        }
    }
}

impl Message {
    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::VerifyAddress { .. } => "verify_address",
            Self::AlreadyRegistered => "already_registered",
            Self::RegisteredAgain { .. } => "registered_again",
            Self::ResetPassword { .. } => "reset_password",
            Self::PasswordChanged => "password_changed",
            Self::ConfirmNewAddress { .. } => "confirm_new_address",
            Self::AddressChanged => "address_changed",
            Self::TokenExpires { .. } => "token_expires",
            Self::Invitation { .. } => "invitation",
            Self::DeletionScheduled { .. } => "deletion_scheduled",
            Self::AccountApproved => "account_approved",
            Self::LoginLinked { .. } => "login_linked",
            Self::LoginUnlinked { .. } => "login_unlinked",
        }
    }
}

impl Mail {
    /// The row of the outbox; store it in the transaction of what the mail tells of.
    ///
    /// # Errors
    /// Where the system gives no randomness.
    pub fn task(&self, key: &Key) -> Result<NewTask, ApiError> {
        let text = serde_json::to_string(&self.message).map_err(ApiError::internal)?;
        let envelope = Envelope {
            locale: self.locale,
            template: self.message.name().to_owned(),
            sealed: Some(key.seal(PURPOSE, &text).map_err(ApiError::internal)?),
        };
        Ok(NewTask {
            kind: TaskKind::Mail,
            user: self.user,
            recipient: Some(self.to.clone()),
            payload: serde_json::to_string(&envelope).map_err(ApiError::internal)?,
        })
    }

    /// Opens what [`Mail::task`] sealed: the mail, and what may stay of its payload once it was sent. None
    /// where it can't be opened with this key.
    pub(crate) fn open(task: &Claimed, key: &Key) -> Option<(Self, String)> {
        let envelope: Envelope = serde_json::from_str(&task.payload).ok()?;
        let message = key.open(PURPOSE, envelope.sealed.as_deref()?)?;
        let mail = Self {
            to: task.recipient.clone()?,
            user: task.user,
            locale: envelope.locale,
            message: serde_json::from_str(&message).ok()?,
        };
        let rest = Envelope {
            sealed: None,
            ..envelope
        };
        Some((mail, serde_json::to_string(&rest).ok()?))
    }
}
