//! `/v1/session/providers` and `/v1/session/oidc/…`: logging in at an issuer of OpenID Connect. A browser goes
//! through these by itself; programs have tokens.

use std::sync::Arc;

use lamplighter_shared::error::ErrorCode;
use poem::{
    Request, Response,
    http::{HeaderValue, StatusCode, header},
};
use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
    registry::{MetaResponse, Registry},
    types::Type,
};
use serde::Serialize;

use super::{
    Tag,
    jobs::{built, documented},
};
use crate::{
    answer::{self, Answer, Documented},
    auth::{
        cookies,
        oidc::{Flow, Returned, arrive, begin},
    },
    error::ApiError,
    openapi::Failures,
    state::App,
};

/// The operations on logins at issuers.
pub(crate) struct ThirdPartyRoutes(pub(super) Option<Arc<App>>);

#[OpenApi(tag = "Tag::Sessions")]
impl ThirdPartyRoutes {
    /// List login providers
    ///
    /// Where else one can log in, in the order of the settings. Open to everybody.
    #[oai(
        path = "/v1/session/providers",
        method = "get",
        operation_id = "listLoginProviders"
    )]
    async fn providers(&self) -> Result<Answer<Listed>, ApiError> {
        let app = built(&self.0)?;
        let providers = app.oidc.all().iter().map(|issuer| LoginProvider {
            id: issuer.settings.id.clone(),
            name: issuer.settings.display_name().to_owned(),
        });
        let list = LoginProviderList {
            object: "list".to_owned(),
            data: providers.collect(),
        };
        Answer::json(StatusCode::OK, &list)
    }

    /// Begin a login at a provider
    ///
    /// For browsers: leads to the provider, which leads back to `…/callback`. With `link`, and a session that
    /// was logged in to a short while ago, the login at the provider becomes another way into this account;
    /// only a page of this server may ask for that.
    #[oai(
        path = "/v1/session/oidc/:provider",
        method = "get",
        operation_id = "beginProviderLogin"
    )]
    async fn begin(
        &self,
        request: &Request,
        /// The provider's id.
        provider: Path<String>,
        /// Where the browser goes in the end: a path of this server. Default: `/`.
        return_to: Query<Option<String>>,
        /// Whether the login is to be linked to the account that is logged in. Default: false.
        link: Query<Option<bool>>,
    ) -> Result<Answer<Led>, ApiError> {
        let app = built(&self.0)?;
        let issuer = app.oidc.get(&provider)?;
        let return_to = return_to.0.unwrap_or_else(|| "/".to_owned());
        let begun = begin(app, issuer, request, (return_to, link.0.unwrap_or(false))).await;
        match begun {
            Ok((address, cookie)) => see_other(&address, [cookie]),
            Err(error) => failed(request, error, None),
        }
    }

    /// End a login at a provider
    ///
    /// The provider leads browsers here. Sets the session's cookie and leads to where the login was begun for.
    /// An account that has this login already is opened; an address that the provider has verified and that has
    /// no account gets one, as registration allows. An address whose account has another way in needs that one
    /// first (`link_required`): log in there, then begin with `link`. Failures lead to `/login#error=CODE`, or
    /// are a problem document where the request accepts JSON and no HTML.
    #[oai(
        path = "/v1/session/oidc/:provider/callback",
        method = "get",
        operation_id = "endProviderLogin"
    )]
    async fn end(
        &self,
        request: &Request,
        /// The provider's id.
        provider: Path<String>,
        /// What the provider gave for this login.
        code: Query<Option<String>>,
        /// What the login was begun with.
        state: Query<Option<String>>,
        /// Why the provider refused.
        error: Query<Option<String>>,
        /// Which issuer answers (RFC 9207).
        iss: Query<Option<String>>,
    ) -> Result<Answer<Led>, ApiError> {
        let app = built(&self.0)?;
        let issuer = app.oidc.get(&provider)?;
        let (state, now) = (state.0.unwrap_or_default(), app.db.now().await?);
        let seal = (&*app.key, app.cookies);
        let flow = match Flow::of(request.headers(), seal, (&provider, &state), now) {
            Ok(flow) => flow,
            Err(error) => return failed(request, error, None),
        };
        let returned = Returned {
            code: code.0,
            error: error.0,
            issuer: iss.0,
            now,
        };
        let return_to = flow.return_to.clone();
        // It was good for one callback, whatever comes of it.
        let clear = app.cookies.clear(cookies::OIDC)?;
        match arrive(app, issuer, request, (flow, returned)).await {
            Ok(cookies) => see_other(&return_to, cookies.into_iter().chain([clear])),
            Err(error) => failed(request, error, Some(clear)),
        }
    }
}

fn see_other(address: &str, cookies: impl IntoIterator<Item = HeaderValue>) -> Result<Answer<Led>, ApiError> {
    let mut response = Response::builder().status(StatusCode::SEE_OTHER).finish();
    let address = HeaderValue::from_str(address).map_err(ApiError::internal)?;
    response.headers_mut().insert(header::LOCATION, address);
    for cookie in cookies {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(Answer::of(response))
}

/// A person sees the page of logins again; a program gets the problem.
fn failed(request: &Request, error: ApiError, clear: Option<HeaderValue>) -> Result<Answer<Led>, ApiError> {
    let accepts = request.header(header::ACCEPT).unwrap_or_default();
    if accepts.contains("json") && !accepts.contains("text/html") {
        return Err(match clear {
            Some(clear) => error.header(header::SET_COOKIE, clear),
            None => error,
        });
    }
    see_other(&format!("/login#error={}", error.code), clear)
}

/// A place to log in at.
#[derive(Debug, Serialize, Object)]
struct LoginProvider {
    /// Its name in addresses.
    id: String,
    /// Its name for people.
    name: String,
}

/// The places to log in at.
#[derive(Debug, Serialize, Object)]
struct LoginProviderList {
    /// Always `list`.
    object: String,
    /// The providers, in the order of the settings.
    data: Vec<LoginProvider>,
}

documented! {
    /// Of a list.
    Listed<LoginProviderList> = vec![answer::json::<LoginProviderList>(200, "The providers.")];
    /// Of a step of a login.
    Led<> = {
        let mut led = answer::bare(303, "The browser goes on at `Location`.");
        led.headers = vec![
            answer::header("Location", "Where the browser goes on."),
            answer::header("Set-Cookie", "What it carries there."),
        ];
        vec![led]
    };
}

/// What these operations may fail with, beside what follows from the way of a request to them.
pub(super) const FAILURES: &[Failures] = &[
    (
        "beginProviderLogin",
        &[
            ErrorCode::MalformedRequest,
            ErrorCode::Unauthorized,
            ErrorCode::InsufficientScope,
            ErrorCode::LoginTooOld,
            ErrorCode::InsecureConnection,
            ErrorCode::NotFound,
            ErrorCode::RateLimited,
        ],
    ),
    (
        "endProviderLogin",
        &[
            ErrorCode::MalformedRequest,
            ErrorCode::Unauthorized,
            ErrorCode::InsufficientScope,
            ErrorCode::LoginTooOld,
            ErrorCode::EmailNotVerified,
            ErrorCode::ApprovalPending,
            ErrorCode::AccountDisabled,
            ErrorCode::RegistrationClosed,
            ErrorCode::InsecureConnection,
            ErrorCode::NotFound,
            ErrorCode::Conflict,
            ErrorCode::LinkRequired,
            ErrorCode::ProofInvalid,
            ErrorCode::RateLimited,
            ErrorCode::TooManyAttempts,
        ],
    ),
];
