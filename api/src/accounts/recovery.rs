//! Mails that somebody asks for by naming an address: the verification once more, and a way to a new password.

use lamplighter_shared::{
    db::{
        accounts,
        audit::Action,
        challenges::{self, Purpose},
        users,
    },
    email::Email,
};

use super::{
    Stranger, account, evenly::evenly, forget_proofs, limits, mail, mailed, proof_invalid, refuse_proof,
    require_privacy,
};
use crate::{
    auth::{guesses::Guesses, secret},
    error::ApiError,
    mail::Message,
    state::App,
};

/// Sends the mail that verifies a new account once more.
///
/// # Errors
/// 429 where too many come from there.
pub(crate) async fn resend(app: &App, who: &Stranger, email: &Email) -> Result<(), ApiError> {
    send(app, who, email, Purpose::Verify).await
}

/// Sends a mail with a link to a new password.
///
/// # Errors
/// 429 where too many come from there.
pub(crate) async fn recover(app: &App, who: &Stranger, email: &Email) -> Result<(), ApiError> {
    send(app, who, email, Purpose::Reset).await
}

async fn send(app: &App, who: &Stranger, email: &Email, purpose: Purpose) -> Result<(), ApiError> {
    limits::asks(app, &who.client).await?;
    evenly(answer(app, who, email, purpose)).await
}

async fn answer(app: &App, who: &Stranger, email: &Email, purpose: Purpose) -> Result<(), ApiError> {
    if !limits::may_mail(app, email).await? {
        return Ok(());
    }
    let user = users::by_email(&app.db, email.as_str()).await?;
    let fresh = mailed::fresh(purpose, email);
    let (token, code) = (fresh.token, fresh.code);
    let message = match purpose {
        Purpose::Reset => Message::ResetPassword { token },
        _ => Message::VerifyAddress { token, code },
    };
    let request = accounts::Request {
        email: email.as_str().to_owned(),
        challenge: fresh.challenge,
        mail: mail(app, email.as_str(), who.locale(user.as_ref()), message)?,
        origin: who.origin(),
    };
    Ok(accounts::send(&app.db, request).await?)
}

/// Sets a new password by the token of a mail. All sessions end; tokens for programs stay. Nobody is logged in
/// by it.
///
/// # Errors
/// 422 for a wrong token or a bad password (the token stays good), 429 where too many come from there.
pub(crate) async fn reset(app: &App, who: &Stranger, token: &str, password: &str) -> Result<(), ApiError> {
    require_privacy(app)?;
    limits::proves(app, &who.client).await?;
    let fingerprint = secret::fingerprint(token);
    let Some(user) = challenges::peek(&app.db, Purpose::Reset, &fingerprint).await? else {
        return Err(refuse_proof(app, who, Action::AccountReset).await?);
    };
    let user = account(app, user).await?;
    let about = [user.email.as_str(), user.display_name.as_str()];
    let hash = app.passwords.hash_new(password, "/password", &about).await?;
    let notice = mail(
        app,
        &user.email,
        who.locale(Some(&user)),
        Message::PasswordChanged,
    )?;
    let whose = accounts::reset(&app.db, &fingerprint, &hash, (&notice, &who.origin())).await?;
    forget_proofs(app, whose.ok_or_else(proof_invalid)?).await?;
    // Wrong passwords before are no matter any more; and who was kept waiting by them need not wait.
    if let Ok(email) = Email::parse(&user.email) {
        Guesses::at(&email).forget(app).await?;
    }
    Ok(())
}
