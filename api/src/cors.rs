//! Which other sites' pages may call the API from a browser (CORS): those of a list, with a token, and
//! never with a cookie. Everybody else's browser keeps the answer from its page.

use lamplighter_shared::config::Server;
use poem::{
    Response,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
};

use crate::routes;

const EXPOSED: &str = "Location, Retry-After, RateLimit, RateLimit-Policy, X-Request-Id, Preference-Applied, \
                       Idempotent-Replayed";
const TAKEN: &str = "Authorization, X-Api-Key, Content-Type, Idempotency-Key, Prefer, Last-Event-ID, Accept, \
                     X-Request-Id, traceparent";
const CORP: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// The sites of the settings.
#[derive(Debug, Clone)]
pub(crate) struct Cors(Vec<String>);

impl Cors {
    pub(crate) fn of(server: &Server) -> Self {
        Self(server.cors_origins.clone())
    }

    /// The origin of a request, where its pages may read the answer. Addresses that go by cookie are for no
    /// other site.
    pub(crate) fn allowed(&self, path: &str, headers: &HeaderMap) -> Option<HeaderValue> {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let (origin, None) = (origins.next()?, origins.next()) else {
            return None;
        };
        let listed = self.0.iter().any(|own| own.as_bytes() == origin.as_bytes());
        let for_tokens = path.starts_with("/v1/") && !routes::is_of_people(path);
        (listed && for_tokens).then(|| origin.clone())
    }
}

/// Whether a browser asks first what its page may send.
pub(crate) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::OPTIONS && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to that for a site of the list.
pub(crate) fn preflight() -> Response {
    Response::builder()
        .status(StatusCode::NO_CONTENT)
        .header(
            header::ACCESS_CONTROL_ALLOW_METHODS,
            "GET, HEAD, POST, PUT, PATCH, DELETE",
        )
        .header(header::ACCESS_CONTROL_ALLOW_HEADERS, TAKEN)
        .header(header::ACCESS_CONTROL_MAX_AGE, "600")
        .finish()
}

/// Says on an answer who may read it. `Vary` stands on every answer, so that no cache gives one site's answer
/// to another.
pub(crate) fn mark(headers: &mut HeaderMap, allowed: Option<HeaderValue>) {
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = allowed {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static(EXPOSED),
        );
        headers.insert(CORP, HeaderValue::from_static("cross-origin"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exactly_the_listed_origins_and_only_where_tokens_go() {
        let cors = Cors(vec!["https://app.example".to_owned()]);
        let ask = |path: &str, origins: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            for origin in origins {
                headers.append(header::ORIGIN, HeaderValue::from_bytes(origin).expect("a header"));
            }
            cors.allowed(path, &headers).is_some()
        };
        assert!(ask("/v1/jobs", &[b"https://app.example"]));
        for other in [
            &b"https://app.example.evil.example"[..],
            b"https://evil.app.example",
            b"http://app.example",
            b"https://app.example:444",
            b"https://APP.example",
            b"null",
            b"*",
            b"",
            b"\xff",
        ] {
            assert!(!ask("/v1/jobs", &[other]), "{other:?}");
        }
        assert!(!ask(
            "/v1/jobs",
            &[b"https://app.example", b"https://app.example"]
        ));
        for cookie in [
            "/v1/session",
            "/v1/sessions/x",
            "/v1/account/register",
            "/v1/setup",
            "/v1/session/oidc/a",
            "/docs",
        ] {
            assert!(!ask(cookie, &[b"https://app.example"]), "{cookie}");
        }
    }
}
