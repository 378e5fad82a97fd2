//! How often somebody may ask for mails, and try proofs. Counted in the database: the limits hold over all
//! processes, and while the cache is away.

use lamplighter_shared::{db::attempts, email::Email, error::ErrorCode};
use poem::http::{HeaderValue, header};
use sha2::{Digest, Sha256};

use crate::{auth::share::network_of, client::ClientInfo, error::ApiError, message::message, state::App};

/// Mails that strangers may cause to one address: at once, and seconds until there may be another one.
const MAILS: u32 = 3;
const MAIL_SECONDS: f64 = 5000.0;
/// Proofs that one network may bring: at once, and a second.
const PROOFS: u32 = 30;
const PROOFS_PER_SECOND: f64 = 0.5;
/// As many times more may come from this machine: that is who runs the server, or tests it.
const OWN_MACHINE: f64 = 10.0;

/// Counts a registration, or a mail that was asked for, against the network it comes from.
///
/// # Errors
/// 429 where there are too many.
pub(crate) async fn asks(app: &App, client: &ClientInfo) -> Result<(), ApiError> {
    let accounts = &app.config.accounts;
    let rate = (accounts.register_per_hour / 3600.0, accounts.register_burst);
    admit(app, "register", client, rate).await
}

/// Counts a proof (a link, a code) against the network it comes from.
///
/// # Errors
/// 429 where there are too many.
pub(crate) async fn proves(app: &App, client: &ClientInfo) -> Result<(), ApiError> {
    admit(app, "proof", client, (PROOFS_PER_SECOND, PROOFS)).await
}

/// Counts a mail that a stranger causes; whether the address may get one more.
pub(crate) async fn may_mail(app: &App, email: &Email) -> Result<bool, ApiError> {
    let hash: [u8; 32] = Sha256::digest(email.limit_key().as_bytes()).into();
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let key = format!("mail:{hash}");
    Ok(attempts::admit(&app.db, &key, 1.0 / MAIL_SECONDS, MAILS)
        .await?
        .allowed)
}

async fn admit(
    app: &App,
    what: &str,
    client: &ClientInfo,
    (per_second, burst): (f64, u32),
) -> Result<(), ApiError> {
    let times = if client.is_local { OWN_MACHINE } else { 1.0 };
    let burst = (f64::from(burst.max(1)) * times) as u32;
    let key = format!("{what}:{}", network_of(client.address));
    let admission = attempts::admit(&app.db, &key, per_second * times, burst).await?;
    if admission.allowed {
        return Ok(());
    }
    let seconds = admission.retry_after.as_secs_f64().ceil().max(1.0);
    let detail = message!(
        "Too many tries from your network; come again in {seconds} s.",
        seconds = seconds
    );
    let retry = HeaderValue::from_str(&seconds.to_string()).map_err(ApiError::internal)?;
    Err(ApiError::new(ErrorCode::TooManyAttempts, detail).header(header::RETRY_AFTER, retry))
}
