//! What somebody changes of their own account: the profile, the address, the password.

use lamplighter_shared::{
    db::{
        accounts::{self, AddressRequest, PasswordChange},
        attempts,
        audit::{self, Action, Origin},
        challenges::Purpose,
        users::User,
    },
    email::Email,
    error::ErrorCode,
    id::SessionId,
};
use poem::http::{HeaderValue, header};
use serde_json::json;

use super::{Asker, evenly::evenly, forget_proofs, limits, mail, mailed};
use crate::{
    auth::password::Verdict,
    error::ApiError,
    mail::{Locale, Message},
    message::message,
    state::App,
};

/// What is to change of a profile; what is none stays.
#[derive(Default)]
pub(crate) struct Changes {
    /// What they want to be called.
    pub display_name: Option<String>,
    /// Their language.
    pub locale: Option<String>,
    /// Their address; changes when a mail to it was answered.
    pub email: Option<Email>,
}

/// Changes the profile. A new address is asked first; over the limit of mails it is not.
///
/// # Errors
/// Where the database fails.
pub(crate) async fn update(
    app: &App,
    user: &User,
    changes: Changes,
    asker: &Asker<'_>,
) -> Result<(), ApiError> {
    let (name, locale) = (changes.display_name.as_deref(), changes.locale.as_deref());
    if name.is_some() || locale.is_some() {
        accounts::update_profile(&app.db, user.id, name, locale, asker.origin).await?;
    }
    let Some(email) = changes.email.filter(|email| email.as_str() != user.email) else {
        return Ok(());
    };
    let locale = Locale::of(locale.or(user.locale.as_deref()), asker.accept_language);
    evenly(ask_address(app, (user, locale), &email, asker.origin)).await
}

/// Asks an address whether it is the user's, in this language.
async fn ask_address(
    app: &App,
    (user, locale): (&User, Locale),
    email: &Email,
    origin: &Origin,
) -> Result<(), ApiError> {
    if !limits::may_mail(app, email).await? {
        return Ok(());
    }
    let fresh = mailed::fresh(Purpose::Email, email);
    let (token, code) = (fresh.token, fresh.code);
    let request = AddressRequest {
        user: user.id,
        challenge: fresh.challenge,
        confirm: mail(
            app,
            email.as_str(),
            locale,
            Message::ConfirmNewAddress { token, code },
        )?,
        known: mail(app, email.as_str(), locale, Message::AlreadyRegistered)?,
        origin: origin.clone(),
    };
    Ok(accounts::request_address(&app.db, request).await?)
}

/// Changes the password of who knows it. All other sessions end.
///
/// # Errors
/// 401 where the current one is wrong, 422 where the new one is bad, 429 where it was tried too often.
pub(crate) async fn change_password(
    app: &App,
    user: &User,
    keep: SessionId,
    (current, new): (&str, &str),
    asker: &Asker<'_>,
) -> Result<(), ApiError> {
    // Whoever has a stolen cookie must not find the password out.
    let tries = &app.config.accounts;
    let key = format!("password:{}", user.id);
    let admission = attempts::admit(&app.db, &key, tries.login_per_minute / 60.0, tries.login_burst).await?;
    if !admission.allowed {
        let seconds = admission.retry_after.as_secs().max(1);
        let detail = message!(
            "The password was tried too often; come again in {seconds} s.",
            seconds = seconds
        );
        return Err(ApiError::new(ErrorCode::TooManyAttempts, detail)
            .header(header::RETRY_AFTER, HeaderValue::from(seconds)));
    }
    let verdict = app
        .passwords
        .verify(user.password_hash.as_deref(), current)
        .await?;
    let (Verdict::Right { .. }, Some(old_hash)) = (verdict, user.password_hash.clone()) else {
        return Err(refuse(app, user, asker).await?);
    };
    let about = [user.email.as_str(), user.display_name.as_str()];
    let change = PasswordChange {
        user: user.id,
        old_hash,
        new_hash: app.passwords.hash_new(new, "/new_password", &about).await?,
        keep,
        notice: mail(app, &user.email, asker.locale(user), Message::PasswordChanged)?,
        origin: asker.origin.clone(),
    };
    if !accounts::change_password(&app.db, change).await? {
        return Err(refuse(app, user, asker).await?);
    }
    forget_proofs(app, user.id).await
}

/// Writes down that somebody with a session did not know the password, and gives what they are told.
async fn refuse(app: &App, user: &User, asker: &Asker<'_>) -> Result<ApiError, ApiError> {
    let error = ApiError::new(
        ErrorCode::WrongCredentials,
        message!("The current password is wrong."),
    );
    let entry = asker.origin.failed(Action::PasswordChange).user(user.id);
    let entry = entry.detail(json!({"reason": error.code.as_str()}));
    audit::record(&app.db, &entry).await?;
    Ok(error)
}
