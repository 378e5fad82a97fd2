//! The proof that a request comes from a live token with the scope a handler needs. It is an argument
//! of the handler: without it there is no owner, and without an owner no query.

use std::{marker::PhantomData, sync::Arc};

use lamplighter_shared::{
    db::{api_tokens, users::Role},
    error::ErrorCode,
    id::{TokenId, UserId},
};
use poem::{
    Request, RequestBody,
    http::{HeaderMap, HeaderValue, header},
};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaSecurityScheme, Registry},
};

use super::{
    scope::{Needs, Scope},
    token::{self, Fingerprint},
};
use crate::{error::ApiError, state::App};

/// Who asks, with a token that allows `S`.
pub struct Principal<S> {
    /// The user; owner of everything the handler touches.
    pub user: UserId,
    /// The user's role.
    pub role: Role,
    /// The token's row.
    pub token: TokenId,
    /// The token, as the database knows it; to ask again whether it is still good.
    pub fingerprint: Fingerprint,
    needs: PhantomData<S>,
}

const BEARER: &str = "token";
const API_KEY: &str = "apiKey";

impl<'a, S: Needs> ApiExtractor<'a> for Principal<S> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        let scheme = |ty, description| MetaSecurityScheme {
            ty,
            description: Some(description),
            name: None,
            key_in: None,
            scheme: None,
            bearer_format: None,
            flows: None,
            openid_connect_url: None,
        };
        let bearer = scheme("http", "An API token (`lmp_…`) in `Authorization: Bearer`.");
        registry.create_security_scheme(
            BEARER,
            MetaSecurityScheme {
                scheme: Some("bearer"),
                bearer_format: Some("PASETO"),
                ..bearer
            },
        );
        let key = scheme(
            "apiKey",
            "The same token in `x-api-key`, for clients that can't set `Authorization`.",
        );
        registry.create_security_scheme(
            API_KEY,
            MetaSecurityScheme {
                name: Some("x-api-key"),
                key_in: Some("header"),
                ..key
            },
        );
    }

    fn security_schemes() -> Vec<&'static str> {
        vec![BEARER, API_KEY]
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let app = request
            .data::<Arc<App>>()
            .ok_or_else(|| ApiError::internal("a route without state"))?;
        Ok(authenticate(app, request.headers(), S::SCOPE).await?)
    }
}

async fn authenticate<S>(
    app: &Arc<App>,
    headers: &HeaderMap,
    scope: Scope,
) -> Result<Principal<S>, ApiError> {
    let text = credentials(headers)?;
    let fingerprint = token::check(&app.key, text).map_err(|_| invalid_token())?;
    let live = app.tokens.live(&fingerprint).await?.ok_or_else(invalid_token)?;
    app.request_rate.charge(live.token).await?;
    // A scope is what a token was made for; the role is what its user may still do.
    let role_suffices = scope != Scope::Admin || live.role == Role::Admin;
    if !role_suffices || !live.scopes.iter().any(|s| s == scope.as_str()) {
        return Err(insufficient_scope(scope));
    }
    if app.should_touch(live.token) {
        let app = app.clone();
        // Off the request path: when a token was last used is nice to know, not worth a wait.
        tokio::spawn(async move {
            if let Err(e) = api_tokens::touch(&app.db, live.token).await {
                tracing::debug!(error = %e, "the use of a token was not noted");
            }
        });
    }
    Ok(Principal {
        user: live.user,
        role: live.role,
        token: live.token,
        fingerprint,
        needs: PhantomData,
    })
}

/// The token of a request: `Authorization: Bearer` (any case of the scheme), else `x-api-key`.
fn credentials(headers: &HeaderMap) -> Result<&str, ApiError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    if let Some(value) = values.next() {
        if values.next().is_some() {
            // What stands before us may have looked at the other one.
            return Err(invalid_token());
        }
        let value = value.to_str().map_err(|_| invalid_token())?;
        let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
        return if scheme.eq_ignore_ascii_case("bearer") {
            Ok(token.trim())
        } else {
            Err(no_token())
        };
    }
    match headers.get("x-api-key") {
        Some(value) => value.to_str().map(str::trim).map_err(|_| invalid_token()),
        None => Err(no_token()),
    }
}

fn no_token() -> ApiError {
    let detail = "Send an API token in Authorization: Bearer.";
    challenge(
        ApiError::new(ErrorCode::Unauthorized, detail),
        "Bearer realm=\"lamplighter\"",
    )
}

fn invalid_token() -> ApiError {
    // One sentence for every reason: a stranger learns nothing about tokens that exist.
    let error = ApiError::new(ErrorCode::Unauthorized, "The token is wrong, expired or revoked.");
    challenge(error, "Bearer realm=\"lamplighter\", error=\"invalid_token\"")
}

fn insufficient_scope(scope: Scope) -> ApiError {
    let error = ApiError::new(
        ErrorCode::InsufficientScope,
        format!("The token lacks the scope {scope}."),
    );
    challenge(
        error,
        &format!("Bearer realm=\"lamplighter\", error=\"insufficient_scope\", scope=\"{scope}\""),
    )
}

fn challenge(error: ApiError, text: &str) -> ApiError {
    match HeaderValue::from_str(text) {
        Ok(value) => error.header(header::WWW_AUTHENTICATE, value),
        Err(_) => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_bytes(value.as_bytes()).expect("a header"));
        headers
    }

    #[test]
    fn tokens_are_read_from_both_headers() {
        for scheme in ["Bearer", "bearer", "BEARER"] {
            assert_eq!(
                credentials(&headers("authorization", &format!("{scheme} abc"))).expect("a token"),
                "abc"
            );
        }
        assert_eq!(credentials(&headers("x-api-key", "abc")).expect("a token"), "abc");
        for (name, value) in [
            ("authorization", "Basic abc"),
            ("authorization", ""),
            ("accept", "x"),
        ] {
            assert_eq!(
                credentials(&headers(name, value)).expect_err(value).code,
                ErrorCode::Unauthorized
            );
        }
    }

    #[test]
    fn two_tokens_are_none() {
        let mut two = headers("authorization", "Bearer abc");
        two.append("authorization", HeaderValue::from_static("Bearer abc"));
        assert_eq!(credentials(&two).expect_err("two").code, ErrorCode::Unauthorized);
    }

    #[test]
    fn challenges_follow_rfc_6750() {
        let value = |e: ApiError| e.headers[0].1.to_str().expect("text").to_owned();
        assert!(!value(no_token()).contains("error"));
        assert!(value(invalid_token()).contains("error=\"invalid_token\""));
        assert!(value(insufficient_scope(Scope::JobsRead)).contains("scope=\"jobs:read\""));
    }
}
