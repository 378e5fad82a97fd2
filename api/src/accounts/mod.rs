//! The use-cases of accounts: from a registration to a deletion. The routes judge what a request looks like,
//! `db::accounts` stores what comes of it; here is what stands between them: limits, hashes, mails, and what the
//! cache has to forget.
//!
//! Whatever names an address gives everybody the same answer after the same work: one hash where there is a
//! password, and the same statements, at an even time ([`evenly`]). Who has an account learns it from a mail.
//!
//! Not here: logins and sessions (`auth`), what mails say (`mail`), admins' work on accounts of others.

pub(crate) mod deletion;
mod evenly;
pub(crate) mod identities;
pub(crate) mod invite;
pub(crate) mod limits;
pub(crate) mod mailed;
pub(crate) mod profile;
pub(crate) mod recovery;
pub(crate) mod registration;
pub mod setup;

use lamplighter_shared::{
    db::{
        audit::{self, Action, ActorKind, Origin},
        tasks::NewTask,
        users::{self, User},
    },
    email::Email,
    error::ErrorCode,
    id::UserId,
};
use poem::{Request, http::header};

use crate::{
    auth::{cookies, void::void},
    client::ClientInfo,
    error::{ApiError, Fault},
    mail::{Locale, Mail, Message},
    message::message,
    state::App,
};

/// Who sends a request without saying who they are.
pub(crate) struct Stranger {
    /// Where they are.
    pub client: ClientInfo,
    /// The languages they ask for.
    pub accept_language: Option<String>,
}

impl Stranger {
    /// The sender of a request.
    pub(crate) fn of(request: &Request) -> Self {
        let header = request.headers().get(header::ACCEPT_LANGUAGE);
        Self {
            client: ClientInfo::of(request),
            accept_language: header.and_then(|text| text.to_str().ok()).map(str::to_owned),
        }
    }

    /// The same for the audit log.
    fn origin(&self) -> Origin {
        Origin {
            kind: ActorKind::Anonymous,
            id: None,
            address: Some(self.client.address.to_string()),
            request_id: Some(self.client.request_id.clone()),
        }
    }

    /// In which language to write to an account, or to this address where it has none.
    fn locale(&self, user: Option<&User>) -> Locale {
        let own = user.and_then(|user| user.locale.as_deref());
        Locale::of(own, self.accept_language.as_deref())
    }
}

/// Who asks something about their own account.
pub(crate) struct Asker<'a> {
    /// For the audit log.
    origin: &'a Origin,
    /// The languages they ask for.
    accept_language: Option<&'a str>,
}

impl<'a> Asker<'a> {
    /// The sender of a request, who is known already.
    pub(crate) fn of(origin: &'a Origin, request: &'a Request) -> Self {
        Self {
            origin,
            accept_language: request.header(header::ACCEPT_LANGUAGE),
        }
    }

    /// In which language to write to their account.
    fn locale(&self, user: &User) -> Locale {
        Locale::of(user.locale.as_deref(), self.accept_language)
    }
}

/// Reads the address at `pointer` of the body.
///
/// # Errors
/// 422 where it is none.
pub(crate) fn email(text: &str, pointer: &str) -> Result<Email, ApiError> {
    Email::parse(text).map_err(|_| {
        ApiError::invalid(vec![Fault::at(
            pointer,
            "invalid",
            message!("is not an e-mail address"),
        )])
    })
}

/// The same for an address that somebody wants to have: one that mail can reach. The server's own accounts have
/// others, and nobody may be taken for them.
///
/// # Errors
/// 422 where it is none.
pub(crate) fn email_to_have(text: &str, pointer: &str) -> Result<Email, ApiError> {
    let email = email(text, pointer)?;
    if email.is_reserved() {
        let detail = message!("is no address that mail can be sent to");
        return Err(ApiError::invalid(vec![Fault::at(pointer, "invalid", detail)]));
    }
    Ok(email)
}

/// Reads what somebody wants to be called: any text of one line.
///
/// # Errors
/// 422 where it has control characters.
pub(crate) fn display_name(text: &str) -> Result<&str, ApiError> {
    if text.chars().any(char::is_control) {
        let fault = Fault::at(
            "/display_name",
            "invalid",
            message!("must not have control characters"),
        );
        return Err(ApiError::invalid(vec![fault]));
    }
    Ok(text.trim())
}

/// The link, code or invitation is no good. One sentence for every reason.
fn proof_invalid() -> ApiError {
    let detail = message!("It is wrong, was used already, or is too old; ask for a new one.");
    ApiError::new(ErrorCode::ProofInvalid, detail)
}

/// Writes down that somebody brought a proof that is no good, and gives what they are told.
async fn refuse_proof(app: &App, who: &Stranger, action: Action) -> Result<ApiError, ApiError> {
    audit::record(&app.db, &who.origin().failed(action)).await?;
    Ok(proof_invalid())
}

/// A mail to an address, as a task of the outbox.
fn mail(app: &App, to: &str, locale: Locale, message: Message) -> Result<NewTask, ApiError> {
    let mail = Mail {
        to: to.to_owned(),
        user: None,
        locale,
        message,
    };
    mail.task(&app.key)
}

/// The account of who is logged in.
///
/// # Errors
/// Where the database fails, or the account is gone meanwhile.
pub(crate) async fn account(app: &App, user: UserId) -> Result<User, ApiError> {
    let found = users::get(&app.db, user).await?;
    found.ok_or_else(|| {
        ApiError::new(
            ErrorCode::Unauthorized,
            message!("You are not logged in any more."),
        )
    })
}

/// For what brings a password: where no cookie is safe, no password is either.
///
/// # Errors
/// 403 where somebody could listen.
fn require_privacy(app: &App) -> Result<(), ApiError> {
    app.cookies.clear(cookies::SESSION).map(|_| ())
}

/// Makes every process forget what it knows of a user's proofs, after the change that they must not survive.
///
/// # Errors
/// Where the database fails.
pub(crate) async fn forget_proofs(app: &App, user: UserId) -> Result<(), ApiError> {
    let keys = users::proofs_of(&app.db, user).await?;
    void(&app.db, &app.cache, keys).await?;
    Ok(())
}
