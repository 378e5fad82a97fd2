//! How a token travels (RFC 6750): read from a request's headers, and the challenge that an answer refuses it with.

use lamplighter_shared::error::ErrorCode;
use poem::http::{HeaderMap, HeaderValue, header};

use super::scope::Scope;
use crate::{cross_site::FETCH_SITE, error::ApiError, message::message};

/// The token of a request, if it brings one: `Authorization: Bearer` (any case of the scheme), else
/// `x-api-key`.
pub(super) fn credentials(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    if let Some(value) = values.next() {
        if values.next().is_some() {
            // What stands before us may have looked at the other one.
            return Err(invalid_token());
        }
        let value = value.to_str().map_err(|_| invalid_token())?;
        let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
        return if scheme.eq_ignore_ascii_case("bearer") {
            Ok(Some(token.trim()))
        } else {
            Err(no_token())
        };
    }
    let key = headers
        .get("x-api-key")
        .map(|value| value.to_str().map(str::trim));
    key.transpose().map_err(|_| invalid_token())
}

pub(super) fn no_token() -> ApiError {
    let detail = message!("Send an API token in Authorization: Bearer.");
    challenge(
        ApiError::new(ErrorCode::Unauthorized, detail),
        "Bearer realm=\"lamplighter\"",
    )
}

/// What is said to whoever brings neither a token nor a login: to a person at a page of ours that a login is needed,
/// for they have no token to send.
pub(super) fn nobody(headers: &HeaderMap) -> ApiError {
    let mut sites = headers.get_all(FETCH_SITE).iter();
    match (sites.next(), sites.next()) {
        (Some(site), None) if site == "same-origin" => no_session(),
        _ => no_token(),
    }
}

pub(super) fn no_session() -> ApiError {
    let detail = message!("You are not logged in any more.");
    challenge(
        ApiError::new(ErrorCode::Unauthorized, detail),
        "Bearer realm=\"lamplighter\"",
    )
}

pub(crate) fn invalid_token() -> ApiError {
    // One sentence for every reason: a stranger learns nothing about tokens that exist.
    let error = ApiError::new(
        ErrorCode::Unauthorized,
        message!("The token is wrong, expired or revoked."),
    );
    challenge(error, "Bearer realm=\"lamplighter\", error=\"invalid_token\"")
}

pub(super) fn insufficient_scope(scope: Scope) -> ApiError {
    let error = ApiError::new(
        ErrorCode::InsufficientScope,
        message!("The token lacks the scope {scope}.", scope = scope.to_string()),
    );
    challenge(
        error,
        &format!("Bearer realm=\"lamplighter\", error=\"insufficient_scope\", scope=\"{scope}\""),
    )
}

pub(super) fn challenge(error: ApiError, text: &str) -> ApiError {
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
                Some("abc")
            );
        }
        assert_eq!(
            credentials(&headers("x-api-key", "abc")).expect("a token"),
            Some("abc")
        );
        assert_eq!(credentials(&headers("accept", "x")).expect("none"), None);
        for (name, value) in [("authorization", "Basic abc"), ("authorization", "")] {
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
