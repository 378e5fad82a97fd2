//! Logging in with an address and a password: limits first, then one hash whatever the account is like, then
//! everything else. A wrong password and an account that does not exist look and take the same.

use std::time::Duration;

use lamplighter_shared::{
    db::{
        attempts,
        audit::{self, Action, ActorKind, Entry, Origin},
        users::{self, User},
    },
    email::Email,
    error::ErrorCode,
    telemetry::metrics::LOGINS,
};
use poem::{
    Request,
    http::{HeaderValue, header},
};
use serde_json::json;

use super::{
    guesses::Guesses,
    password::Verdict,
    session::{self, Started},
    share::network_of,
};
use crate::{
    client::ClientInfo,
    error::ApiError,
    message::{Message, message},
    state::App,
};

/// Who works on the server's machine itself may try so many times more.
pub(crate) const LOCAL_FACTOR: u32 = 10;

/// A limit that is met is written down once in so many seconds.
const TOLD_SECONDS: f64 = 900.0;

/// Somebody who has logged in.
pub(crate) struct LoggedIn {
    /// The account, as it was before.
    pub user: User,
    /// The session.
    pub session: Started,
}

/// Logs in.
///
/// # Errors
/// 401 where the address or the password is wrong, 403 where they are right but the account may not, 429 where
/// this was tried too often, 503 where too many log in at this moment.
pub(crate) async fn login(
    app: &App,
    request: &Request,
    email: &Email,
    password: &str,
) -> Result<LoggedIn, ApiError> {
    // Where no cookie is safe, no password is either.
    app.cookies.clear(super::cookies::SESSION)?;
    // Whoever finds no place costs nothing more.
    let place = app.passwords.enter()?;
    let client = ClientInfo::of(request);
    limit_address(app, &client).await?;
    let user = users::by_email(&app.db, email.as_str()).await?;
    let guesses = Guesses::of(app, email, user.as_ref(), request);
    if let Some(wait) = guesses.begin(app).await? {
        let error = too_many(wait, |seconds| {
            message!(
                "Too many wrong passwords in a row. Try again in {seconds} s.",
                seconds = seconds
            )
        });
        return Err(limited(app, &client, (guesses.key(), user.as_ref()), error).await?);
    }
    let stored = user.as_ref().and_then(|user| user.password_hash.as_deref());
    let verdict = match app.passwords.verify_at(place, stored, password).await {
        Ok(verdict) => verdict,
        Err(busy) => {
            guesses.not_made(app).await?;
            return Err(busy);
        }
    };
    let (Some(user), Verdict::Right { stale }) = (user.as_ref(), verdict) else {
        return Err(refuse(app, &client, user.as_ref(), wrong()).await?);
    };
    guesses.forget(app).await?;
    if let Err(error) = may_enter(user) {
        return Err(refuse(app, &client, Some(user), error).await?);
    }
    let Some(session) = session::begin(app, user, stored, request).await? else {
        return Err(refuse(app, &client, Some(user), wrong()).await?);
    };
    if let (true, Some(old)) = (stale, stored) {
        renew(app, user, old, password).await;
    }
    count("success");
    Ok(LoggedIn {
        user: user.clone(),
        session,
    })
}

pub(crate) async fn limit_address(app: &App, client: &ClientInfo) -> Result<(), ApiError> {
    let accounts = &app.config.accounts;
    let factor = if client.is_local { LOCAL_FACTOR } else { 1 };
    let per_second = accounts.login_per_minute / 60.0 * f64::from(factor);
    let burst = accounts.login_burst.saturating_mul(factor);
    let key = format!("login:{}", network_of(client.address));
    let admission = attempts::admit(&app.db, &key, per_second, burst).await?;
    if admission.allowed {
        return Ok(());
    }
    let error = too_many(admission.retry_after, |seconds| {
        message!(
            "Too many logins from your network. Try again in {seconds} s.",
            seconds = seconds
        )
    });
    Err(limited(app, client, (&key, None), error).await?)
}

/// Writes down that a limit is met, and gives what they are told. Of each limit once in a while: whoever goes on trying
/// must not fill the log.
async fn limited(
    app: &App,
    client: &ClientInfo,
    (limit, user): (&str, Option<&User>),
    error: ApiError,
) -> Result<ApiError, ApiError> {
    let told = attempts::admit(&app.db, &format!("told:{limit}"), 1.0 / TOLD_SECONDS, 1).await?;
    if told.allowed {
        write_down(app, client, user, &error).await?;
    }
    Ok(error)
}

fn too_many(wait: Duration, detail: fn(u64) -> Message) -> ApiError {
    count("limited");
    let seconds = wait.as_secs_f64().ceil().max(1.0) as u64;
    ApiError::new(ErrorCode::TooManyAttempts, detail(seconds))
        .header(header::RETRY_AFTER, HeaderValue::from(seconds))
}

/// Whether an account whose password was right may be used.
pub(crate) fn may_enter(user: &User) -> Result<(), ApiError> {
    if user.disabled_at.is_some() {
        return Err(session::disabled());
    }
    if user.verified_at.is_none() {
        let detail = message!("Follow the link in the mail that was sent to your address, then log in.");
        return Err(ApiError::new(ErrorCode::EmailNotVerified, detail));
    }
    if user.approved_at.is_none() {
        let detail = message!("An administrator has to let you in first; a mail will tell you.");
        return Err(ApiError::new(ErrorCode::ApprovalPending, detail));
    }
    Ok(())
}

fn wrong() -> ApiError {
    let detail = message!("There is no account with this address and this password.");
    ApiError::new(ErrorCode::WrongCredentials, detail)
}

/// Writes a refusal down and gives it back.
async fn refuse(
    app: &App,
    client: &ClientInfo,
    user: Option<&User>,
    error: ApiError,
) -> Result<ApiError, ApiError> {
    count(match error.code {
        ErrorCode::WrongCredentials => "wrong",
        _ => "refused",
    });
    write_down(app, client, user, &error).await?;
    Ok(error)
}

async fn write_down(
    app: &App,
    client: &ClientInfo,
    user: Option<&User>,
    error: &ApiError,
) -> Result<(), ApiError> {
    let origin = Origin {
        kind: ActorKind::Anonymous,
        id: None,
        address: Some(client.address.to_string()),
        request_id: Some(client.request_id.clone()),
    };
    let entry = origin
        .failed(Action::SessionCreate)
        .detail(json!({"reason": error.code.as_str()}));
    let entry = Entry {
        user: user.map(|user| user.id),
        ..entry
    };
    Ok(audit::record(&app.db, &entry).await?)
}

/// Hashes the password with the effort of today. The login does not depend on it.
async fn renew(app: &App, user: &User, old: &str, password: &str) {
    let Ok(new) = app.passwords.hash(password).await else {
        return;
    };
    if let Err(error) = users::rehash(&app.db, user.id, old, &new).await {
        tracing::warn!(%error, "a password was not hashed anew");
    }
}

fn count(outcome: &'static str) {
    metrics::counter!(LOGINS, "outcome" => outcome).increment(1);
}
