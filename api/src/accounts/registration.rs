//! Registering, and showing that an address is one's own.

use lamplighter_shared::{
    config,
    db::{
        accounts::{self, Registered},
        challenges::{self, Proof, Purpose},
        users,
    },
    email::Email,
    error::ErrorCode,
};

use super::{Stranger, evenly::evenly, limits, mail, mailed, proof_invalid, require_privacy};
use crate::{
    auth::secret,
    error::ApiError,
    mail::{Locale, Message},
    message::message,
    state::App,
};

/// Somebody who asks for an account.
pub(crate) struct Wish {
    /// Their address.
    pub email: Email,
    /// Their password.
    pub password: String,
    /// What they want to be called; may be empty.
    pub display_name: String,
    /// Their language, where they say one.
    pub locale: Option<String>,
    /// The secret of the invitation they bring.
    pub invitation: Option<String>,
}

/// Registers. Everybody gets the same answer after the same work; a mail says how it goes on.
///
/// # Errors
/// 403 where registration is not open to them, 422 for a wrong invitation or a bad password, 429 where too many
/// come from there. None of them tells anything of the address.
pub(crate) async fn register(app: &App, who: &Stranger, wish: Wish) -> Result<(), ApiError> {
    require_privacy(app)?;
    limits::asks(app, &who.client).await?;
    let rules = app.config.accounts.registration;
    let invited = wish.invitation.is_some();
    if rules == config::Registration::Closed || (rules == config::Registration::Invite && !invited) {
        let detail = match invited {
            true => message!("Nobody can register here."),
            false => message!("Nobody can register here without an invitation."),
        };
        return Err(ApiError::new(ErrorCode::RegistrationClosed, detail));
    }
    evenly(enter(app, who, wish)).await
}

/// Stores what is wished, where it can be, and the mail that says what became of it.
async fn enter(app: &App, who: &Stranger, wish: Wish) -> Result<(), ApiError> {
    let about = [wish.email.as_str(), wish.display_name.as_str()];
    let password_hash = app
        .passwords
        .hash_new(&wish.password, "/password", &about)
        .await?;
    if !limits::may_mail(app, &wish.email).await? {
        // Nothing happens: an earlier mail is on its way, and its link must stay good.
        return Ok(());
    }
    let known = users::by_email(&app.db, wish.email.as_str()).await?;
    let locale = wish.locale.as_deref();
    let new_locale = Locale::of(locale, who.accept_language.as_deref());
    let to = wish.email.as_str();
    let first = mailed::fresh(Purpose::Verify, &wish.email);
    let verify = Message::VerifyAddress {
        token: first.token,
        code: first.code,
    };
    let second = mailed::fresh(Purpose::Reset, &wish.email);
    let again = Message::RegisteredAgain { token: second.token };
    let registration = accounts::Registration {
        verify: (first.challenge, mail(app, to, new_locale, verify)?),
        again: (second.challenge, mail(app, to, new_locale, again)?),
        known: mail(app, to, who.locale(known.as_ref()), Message::AlreadyRegistered)?,
        email: wish.email.as_str().to_owned(),
        password_hash,
        display_name: wish.display_name,
        locale: new_locale.as_str().to_owned(),
        invitation: wish.invitation.as_deref().map(secret::fingerprint),
        approved: app.config.accounts.registration != config::Registration::Approval,
        plan: app.config.accounts.default_plan.clone(),
        origin: who.origin(),
    };
    match accounts::register(&app.db, registration).await? {
        Registered::Mailed => Ok(()),
        Registered::NotInvited => Err(proof_invalid()),
    }
}

/// Uses a link or a code: a new account is verified, or an account gets its new address. Nobody is logged in by
/// it.
///
/// # Errors
/// 422 where it shows nothing, 429 where too many come from there.
pub(crate) async fn verify(app: &App, who: &Stranger, proof: Proof) -> Result<(), ApiError> {
    limits::proves(app, &who.client).await?;
    let own = challenges::locale_of(&app.db, &proof).await?;
    let locale = Locale::of(own.as_deref(), who.accept_language.as_deref());
    let notice = mail(app, "", locale, Message::AddressChanged)?;
    let verified = accounts::verify(&app.db, &proof, &notice, &who.origin()).await?;
    verified.map(|_| ()).ok_or_else(proof_invalid)
}
