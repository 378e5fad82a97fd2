//! The two steps of a login at an issuer: [`begin`] sends the browser there, [`arrive`] takes who comes back for
//! one of us, where that is allowed.

use lamplighter_shared::{
    clock::UnixMillis,
    db::{
        audit::{self, Action, ActorKind, Entry, Origin},
        identities::{self, Arrival, Outcome},
        users::{self, User},
    },
    email::Email,
    error::ErrorCode,
    id::UserId,
};
use poem::{
    Request,
    http::{HeaderValue, header},
};
use serde_json::json;

use super::{
    flow::{Flow, is_own_path},
    issuer::{Claims, Issuer, Redeem},
};
use crate::{
    accounts::forget_proofs,
    auth::{login, principal::Principal, scope::Person, session},
    client::ClientInfo,
    error::ApiError,
    mail::{Locale, Mail, Message},
    message::{Part, message},
    state::App,
};

/// The longest name that is taken over from an issuer, characters.
const LONGEST_NAME: usize = 100;

/// What a callback brings.
pub(crate) struct Returned {
    /// The issuer's, for one ID token.
    pub code: Option<String>,
    /// Why the issuer refused.
    pub error: Option<String>,
    /// Which issuer answers, where it says so.
    pub issuer: Option<String>,
    /// The database's clock.
    pub now: UnixMillis,
}

/// Begins a login that ends at a path of ours, and may link the account that is logged in; where the browser goes
/// on, and what it carries.
///
/// # Errors
/// 400 where the path is none of ours, 401 and 403 where linking is not allowed, 503 where the issuer does not
/// answer.
pub(crate) async fn begin(
    app: &std::sync::Arc<App>,
    issuer: &Issuer,
    request: &Request,
    (return_to, link): (String, bool),
) -> Result<(String, HeaderValue), ApiError> {
    if !is_own_path(&return_to) {
        let detail = message!("must be a path of this server that begins with a single /");
        return Err(ApiError::bad_parameter("return_to", detail));
    }
    let link_to = match link {
        true => Some(person(app, request).await?.user),
        false => None,
    };
    // Where no cookie is safe, nobody is sent away for nothing.
    app.cookies.clear(crate::auth::cookies::OIDC)?;
    let begun = issuer.begin(&callback(app, issuer)).await?;
    let flow = Flow {
        provider: issuer.settings.id.clone(),
        state: begun.state,
        nonce: begun.nonce,
        verifier: begun.verifier,
        return_to,
        link_to,
        until: Flow::until(app.db.now().await?),
    };
    Ok((begun.address, flow.set(&app.key, app.cookies)?))
}

/// Who is logged in and may link a login to their account. Another site must not be able to begin that: it could
/// have logged the browser in at the issuer as somebody else before.
async fn person(app: &std::sync::Arc<App>, request: &Request) -> Result<Principal<Person>, ApiError> {
    if request.header("sec-fetch-site") != Some("same-origin") {
        let detail = message!("Linking a login can only be begun on a page of this server.");
        return Err(ApiError::new(ErrorCode::CrossSite, detail));
    }
    recent(app, request).await
}

async fn recent(app: &std::sync::Arc<App>, request: &Request) -> Result<Principal<Person>, ApiError> {
    let principal = Principal::<Person>::of(app, request).await?;
    principal.require_recent_login(app).await?;
    Ok(principal)
}

/// Where the issuer sends browsers back to; registered there.
fn callback(app: &App, issuer: &Issuer) -> String {
    format!(
        "{}/v1/session/oidc/{}/callback",
        app.public_url(),
        issuer.settings.id
    )
}

/// Logs in who comes back from the issuer; the cookies of their session.
///
/// # Errors
/// Where the issuer does not confirm it, or the account may not be opened this way.
pub(crate) async fn arrive(
    app: &std::sync::Arc<App>,
    issuer: &Issuer,
    request: &Request,
    (flow, returned): (Flow, Returned),
) -> Result<Vec<HeaderValue>, ApiError> {
    let client = ClientInfo::of(request);
    login::limit_address(app, &client).await?;
    let (claims, origin) = match vouched(app, issuer, request, (&flow, &returned)).await {
        Ok(vouched) => vouched,
        Err(error) => {
            let entry = stranger(&client).failed(Action::SessionCreate);
            return Err(tell(app, entry, (&issuer.settings.id, flow.link_to), error).await?);
        }
    };
    let arrival = arrival(app, issuer, request, (claims, flow.link_to, origin)).await?;
    let outcome = identities::arrive(&app.db, &arrival).await?;
    if let Outcome::TakenOver(user) = outcome {
        // Whatever opened the account before opens it on no node any more.
        forget_proofs(app, user).await?;
    }
    match enter(app, outcome).await {
        Ok(user) => Ok(session::start(app, &user, request).await?.cookies),
        Err(error) => Err(refuse(app, &arrival, outcome, error).await?),
    }
}

/// What the issuer says of who comes back, and who they are to us so far.
async fn vouched(
    app: &std::sync::Arc<App>,
    issuer: &Issuer,
    request: &Request,
    (flow, returned): (&Flow, &Returned),
) -> Result<(Claims, Origin), ApiError> {
    let code = code(issuer, returned)?;
    let origin = match flow.link_to {
        None => stranger(&ClientInfo::of(request)),
        Some(user) => {
            let principal = recent(app, request).await?;
            if principal.user != user {
                let detail = message!("Somebody else is logged in by now.");
                return Err(ApiError::new(ErrorCode::ProofInvalid, detail));
            }
            principal.origin.clone()
        }
    };
    let claims = issuer
        .redeem(Redeem {
            code,
            nonce: flow.nonce.clone(),
            verifier: flow.verifier.clone(),
            callback: callback(app, issuer),
            now: returned.now,
        })
        .await?;
    Ok((claims, origin))
}

fn stranger(client: &ClientInfo) -> Origin {
    Origin {
        kind: ActorKind::Anonymous,
        id: None,
        address: Some(client.address.to_string()),
        request_id: Some(client.request_id.clone()),
    }
}

/// The code of a callback that tells of no refusal and comes from this issuer.
fn code(issuer: &Issuer, returned: &Returned) -> Result<String, ApiError> {
    let refused = |detail| ApiError::new(ErrorCode::ProofInvalid, detail);
    let name = issuer.settings.display_name();
    if returned
        .issuer
        .as_ref()
        .is_some_and(|iss| *iss != issuer.settings.issuer)
    {
        return Err(refused(message!("This is not what {name} answers.", name = name)));
    }
    if let Some(error) = &returned.error {
        let known = error.len() <= 64 && error.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        let why = match known {
            true => Part::from(error),
            false => Part::from(message!("unknown reason")),
        };
        return Err(refused(message!(
            "{name} refused the login: {why}.",
            name = name,
            why = why
        )));
    }
    let code = returned.code.clone().filter(|code| !code.is_empty());
    code.ok_or_else(|| refused(message!("{name} gave no code.", name = name)))
}

async fn arrival(
    app: &App,
    issuer: &Issuer,
    request: &Request,
    (claims, link_to, origin): (Claims, Option<UserId>, Origin),
) -> Result<Arrival, ApiError> {
    let verified = claims.email.filter(|_| claims.email_verified);
    let email = verified.and_then(|email| Email::parse(&email).ok());
    let accept = request.header(header::ACCEPT_LANGUAGE);
    let (to, locale) = match link_to {
        None => (email.as_ref().map(ToString::to_string), claims.locale),
        Some(user) => {
            let user = users::get(&app.db, user).await?;
            user.map_or((None, None), |user| (Some(user.email), user.locale))
        }
    };
    let locale = Locale::of(locale.as_deref(), accept);
    let mail = to.map(|to| Mail {
        to,
        user: link_to,
        locale,
        message: Message::LoginLinked {
            issuer: issuer.settings.display_name().to_owned(),
        },
    });
    Ok(Arrival {
        issuer: issuer.settings.issuer.clone(),
        subject: claims.subject,
        email: email.map(|email| email.to_string()),
        display_name: name(&claims.name.unwrap_or_default()),
        locale: Some(locale.as_str().to_owned()),
        link_to,
        registration: app.config.accounts.registration,
        plan: app.config.accounts.default_plan.clone(),
        mail: mail.map(|mail| mail.task(&app.key)).transpose()?,
        origin,
        provider: issuer.settings.id.clone(),
    })
}

/// A name in one line of a bearable length.
fn name(text: &str) -> String {
    let plain = text.chars().filter(|c| !c.is_control());
    plain.take(LONGEST_NAME).collect::<String>().trim().to_owned()
}

/// Whose account it is, where it may be entered.
async fn enter(app: &App, outcome: Outcome) -> Result<User, ApiError> {
    let refused = |code, detail| Err(ApiError::new(code, detail));
    let user = match outcome {
        Outcome::Known(user)
        | Outcome::Linked(user)
        | Outcome::Registered(user)
        | Outcome::TakenOver(user) => user,
        Outcome::LinkedElsewhere => {
            return refused(
                ErrorCode::Conflict,
                message!("This login belongs to another account."),
            );
        }
        Outcome::NoAddress => {
            let detail = message!(
                "The provider does not say that it has verified your address; verify it there first."
            );
            return refused(ErrorCode::EmailNotVerified, detail);
        }
        Outcome::LinkFirst => {
            let detail = message!(
                "Your address has an account already. Log in to it as usual, then link this login in \
                          your account; without a password, have it reset first."
            );
            return refused(ErrorCode::LinkRequired, detail);
        }
        Outcome::Closed => {
            let detail = message!("There is no account with your address, and registration is not open.");
            return refused(ErrorCode::RegistrationClosed, detail);
        }
    };
    let account = users::get(&app.db, user).await?;
    let account = account.ok_or_else(session::disabled)?;
    login::may_enter(&account)?;
    Ok(account)
}

/// Writes a refusal down and gives it back.
async fn refuse(
    app: &App,
    arrival: &Arrival,
    outcome: Outcome,
    error: ApiError,
) -> Result<ApiError, ApiError> {
    let entry = arrival.origin.failed(Action::SessionCreate);
    let user = match outcome {
        Outcome::Known(user)
        | Outcome::Linked(user)
        | Outcome::Registered(user)
        | Outcome::TakenOver(user) => Some(user),
        _ => arrival.link_to,
    };
    tell(app, entry, (&arrival.provider, user), error).await
}

async fn tell(
    app: &App,
    entry: Entry,
    (provider, user): (&str, Option<UserId>),
    error: ApiError,
) -> Result<ApiError, ApiError> {
    let detail = json!({"reason": error.code.as_str(), "provider": provider});
    let entry = entry.detail(detail);
    audit::record(&app.db, &Entry { user, ..entry }).await?;
    Ok(error)
}
