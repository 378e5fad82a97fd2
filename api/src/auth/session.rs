//! Sessions: begun by a login, ended by whoever's they are. The cookie is a random text whose fingerprint is
//! the row; another text at each login, so that nobody can know it beforehand.
//!
//! A browser that logged in keeps a second cookie: it says nothing but that this account was logged in to
//! from here, with the password that it has. Its wrong passwords are counted apart (`guesses`), so nobody can lock a
//! user's own browsers out.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use lamplighter_shared::{
    db::{
        audit::{ActorKind, Origin},
        sessions::{self, NewSession},
        users::User,
    },
    error::ErrorCode,
    id::SessionId,
    proof::{Fingerprint, ProofKind},
};
use poem::{Request, http::HeaderValue};

use super::{cookies, secret, void::void};
use crate::{client::ClientInfo, error::ApiError, message::message, state::App};

/// The cookie of a browser that an account was logged in to from.
const DEVICE: &str = "device";
/// The seal of that cookie.
const DEVICE_PURPOSE: &str = "device:v1";
/// As long as browsers keep a cookie at most.
const DEVICE_SECONDS: u64 = 400 * 86_400;

/// A session that has begun.
#[derive(Debug)]
pub(crate) struct Started {
    /// Its identifier.
    pub id: SessionId,
    /// What the browser has to keep: `Set-Cookie` headers.
    pub cookies: Vec<HeaderValue>,
    /// Whether the account was to be deleted, and no longer is.
    pub restored: bool,
}

/// Logs a user in, who has shown who they are: stores the session, ends the one that the request brought,
/// and writes it down in the audit log.
///
/// # Errors
/// 403 where cookies are not safe here or the account is disabled; else where the database fails.
pub(crate) async fn start(app: &App, user: &User, request: &Request) -> Result<Started, ApiError> {
    begin(app, user, None, request).await?.ok_or_else(disabled)
}

/// The same, void where the account is disabled by now, or has another password than the one that was compared.
pub(super) async fn begin(
    app: &App,
    user: &User,
    password_hash: Option<&str>,
    request: &Request,
) -> Result<Option<Started>, ApiError> {
    let client = ClientInfo::of(request);
    let (text, fingerprint) = secret::fresh();
    let days = app.config.accounts.session_days;
    let life_ms = (days * 86_400_000.0) as i64;
    let mut set = vec![
        app.cookies
            .set(cookies::SESSION, &text, (life_ms / 1000).unsigned_abs())?,
    ];
    if !is_known_device(app, user, request) {
        let sealed = app.key.seal(DEVICE_PURPOSE, &device_of(user));
        let sealed = sealed.map_err(ApiError::internal)?;
        set.push(app.cookies.set(DEVICE, &sealed, DEVICE_SECONDS)?);
    }
    let replaces = app.cookies.read(request.headers(), cookies::SESSION);
    let new = NewSession {
        id: SessionId::generate(),
        user: user.id,
        password_hash: password_hash.map(str::to_owned),
        fingerprint,
        replaces: replaces.as_deref().map(secret::fingerprint),
        life_ms,
        address: client.address.to_string(),
        user_agent: client.user_agent.clone(),
        origin: Origin {
            kind: ActorKind::User,
            id: Some(user.id.to_string()),
            address: Some(client.address.to_string()),
            request_id: Some(client.request_id),
        },
    };
    let Some(started) = sessions::insert(&app.db, &new).await? else {
        return Ok(None);
    };
    if let Some(replaced) = new.replaces {
        forget(app, &[replaced]).await?;
    }
    Ok(Some(Started {
        id: new.id,
        cookies: set,
        restored: started.restored,
    }))
}

/// The account may do nothing.
pub(crate) fn disabled() -> ApiError {
    let detail = message!("This account is disabled; ask an administrator.");
    ApiError::new(ErrorCode::AccountDisabled, detail)
}

/// Whether the account was logged in to from this browser before, and has the same password as then.
pub(super) fn is_known_device(app: &App, user: &User, request: &Request) -> bool {
    let sealed = app.cookies.read(request.headers(), DEVICE);
    let owner = sealed.and_then(|sealed| app.key.open(DEVICE_PURPOSE, &sealed));
    owner.is_some_and(|owner| owner == device_of(user))
}

/// What the cookie of a known browser says: whose it is, and which password they had. Another password voids it: it
/// may have been changed because somebody else was logged in.
fn device_of(user: &User) -> String {
    let password = user.password_hash.as_deref().unwrap_or_default();
    let version = URL_SAFE_NO_PAD.encode(secret::fingerprint(password));
    format!("{}:{version}", user.id)
}

/// Voids what the cache knows of sessions that the database has ended.
pub(crate) async fn forget(app: &App, ended: &[Fingerprint]) -> Result<(), ApiError> {
    let key = |fingerprint| ProofKind::Session.cache_key(fingerprint);
    // Told soon is told, too: a task repeats it until then.
    void(&app.db, &app.cache, ended.iter().map(key).collect()).await?;
    Ok(())
}
