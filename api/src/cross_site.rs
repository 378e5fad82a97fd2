//! Whether a browser sends a request for somebody else's page (CSRF). A browser adds the user's cookie to
//! whatever a page makes it send; it also says which site the page is of, and no page can change that.
//!
//! Programs that are no browsers say nothing of the kind, and bring a token: nothing here concerns them.

use lamplighter_shared::{config::Server, error::ErrorCode, origin::Origin};
use poem::{
    Request,
    http::{HeaderMap, HeaderName, Method, header},
};

use crate::{auth::cookies::Cookies, error::ApiError, message::message};

pub(crate) const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The judge of a server's requests.
#[derive(Debug, Clone)]
pub(crate) struct CrossSite {
    /// Where our own pages come from, where the settings say so.
    own: Option<Origin>,
    cookies: Cookies,
}

impl CrossSite {
    pub(crate) fn of(server: &Server) -> Self {
        Self {
            own: server.public_origin(),
            cookies: Cookies::of(server),
        }
    }

    /// Refuses what another site's page makes a browser send.
    ///
    /// # Errors
    /// 403.
    pub(crate) fn check(&self, request: &Request) -> Result<(), ApiError> {
        let own = match &self.own {
            Some(own) => Some(own.clone()),
            None => host(request).and_then(|host| Origin::of(&format!("http://{host}"))),
        };
        let asked = Asked {
            method: request.method(),
            path: request.uri().path(),
            headers: request.headers(),
            own: own.as_ref().map(Origin::as_str),
            cookie: self.cookies.proves_somebody(request.headers()),
        };
        if is_forged(&asked) {
            let detail = message!("A page of another site may not do this; a program sends an API token.");
            return Err(ApiError::new(ErrorCode::CrossSite, detail));
        }
        Ok(())
    }
}

/// The host that the request was sent to.
fn host(request: &Request) -> Option<&str> {
    let header = request
        .headers()
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    header.or_else(|| request.uri().authority().map(|authority| authority.as_str()))
}

/// What the judgement depends on.
struct Asked<'a> {
    method: &'a Method,
    path: &'a str,
    headers: &'a HeaderMap,
    /// Our own origin.
    own: Option<&'a str>,
    /// Whether it brings a cookie that proves who somebody is.
    cookie: bool,
}

/// Whether a page of another site sends this in somebody's name: it changes something and brings no token,
/// or it brings a cookie of ours at all (an answer, or a stream, is not for that page either).
fn is_forged(asked: &Asked<'_>) -> bool {
    if !is_foreign(asked.headers, asked.own) {
        return false;
    }
    let token = asked.headers.contains_key(header::AUTHORIZATION) || asked.headers.contains_key(API_KEY);
    let changes = !matches!(*asked.method, Method::GET | Method::HEAD | Method::OPTIONS);
    // Pages for people are reached by links from everywhere, and show nobody's data.
    let way_back = *asked.method == Method::GET && is_way_back(asked.path);
    let cookie = asked.cookie && asked.path.starts_with("/v1/") && !way_back;
    (changes && !token) || cookie
}

/// Whether a browser says that another site's page is behind it.
fn is_foreign(headers: &HeaderMap, own: Option<&str>) -> bool {
    let mut sites = headers.get_all(FETCH_SITE).iter().peekable();
    if sites.peek().is_some() {
        return !sites.all(|site| matches!(site.as_bytes(), b"same-origin" | b"none"));
    }
    // Browsers without the header tell at least the origin.
    let mut origins = headers.get_all(header::ORIGIN).iter();
    !origins.all(|origin| own.is_some_and(|own| origin.as_bytes() == own.as_bytes()))
}

/// Where an issuer of logins sends a person back to us, from its own site; the sealed state that comes along
/// proves that they began here.
pub(crate) fn is_way_back(path: &str) -> bool {
    let issuer = path
        .strip_prefix("/v1/session/oidc/")
        .and_then(|rest| rest.strip_suffix("/callback"));
    issuer.is_some_and(|issuer| !issuer.is_empty() && !issuer.contains('/'))
}

#[cfg(test)]
mod tests {
    use poem::http::HeaderValue;

    use super::*;

    const OWN: &str = "http://127.0.0.1:8080";

    fn headers(pairs: &[(&'static str, &[u8])]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_bytes(value).expect("a header"));
        }
        headers
    }

    /// What a browser says, and whether it is foreign.
    /// Headers, and whether they tell of another site.
    type Said = (&'static [(&'static str, &'static [u8])], bool);

    const SAID: &[Said] = &[
        (&[], false),
        (&[("sec-fetch-site", b"same-origin")], false),
        (&[("sec-fetch-site", b"none")], false),
        (&[("sec-fetch-site", b"same-site")], true),
        (&[("sec-fetch-site", b"cross-site")], true),
        (&[("sec-fetch-site", b"Same-Origin")], true),
        (&[("sec-fetch-site", b"\xff")], true),
        (&[("sec-fetch-site", b"")], true),
        (
            &[
                ("sec-fetch-site", b"same-origin"),
                ("sec-fetch-site", b"cross-site"),
            ],
            true,
        ),
        // The newer header decides: behind a proxy the origin may look like another's.
        (
            &[
                ("sec-fetch-site", b"same-origin"),
                ("origin", b"https://ai.example"),
            ],
            false,
        ),
        (
            &[("sec-fetch-site", b"cross-site"), ("origin", OWN.as_bytes())],
            true,
        ),
        (&[("origin", OWN.as_bytes())], false),
        (&[("origin", b"null")], true),
        (&[("origin", b"")], true),
        (&[("origin", b"\xff")], true),
        (&[("origin", b"http://127.0.0.1:8081")], true),
        (&[("origin", b"https://127.0.0.1:8080")], true),
        (&[("origin", b"http://127.0.0.1:8080.evil.example")], true),
        (&[("origin", b"http://127.0.0.1:80800")], true),
        (&[("origin", b"http://evil.example")], true),
        (
            &[("origin", OWN.as_bytes()), ("origin", b"http://evil.example")],
            true,
        ),
    ];

    #[test]
    fn what_is_foreign_and_changes_or_brings_a_cookie_is_refused() {
        let mut judged = 0;
        for (said, foreign) in SAID {
            for method in [
                Method::GET,
                Method::HEAD,
                Method::OPTIONS,
                Method::POST,
                Method::PATCH,
                Method::DELETE,
            ] {
                for (token, cookie) in [
                    (None, false),
                    (None, true),
                    (Some("authorization"), false),
                    (Some("x-api-key"), true),
                ] {
                    let mut headers = headers(said);
                    if let Some(name) = token {
                        headers.insert(name, HeaderValue::from_static("x"));
                    }
                    let asked = Asked {
                        method: &method,
                        path: "/v1/jobs",
                        headers: &headers,
                        own: Some(OWN),
                        cookie,
                    };
                    let reads = ["GET", "HEAD", "OPTIONS"].contains(&method.as_str());
                    let expected = *foreign && (cookie || (!reads && token.is_none()));
                    assert_eq!(
                        is_forged(&asked),
                        expected,
                        "{said:?} {method} {token:?} {cookie}"
                    );
                    judged += 1;
                }
            }
        }
        println!("S10 judgement: {judged} combinations");
    }

    #[test]
    fn links_to_pages_and_the_way_back_from_an_issuer_work() {
        let headers = headers(&[("sec-fetch-site", b"cross-site")]);
        let judge = |method: Method, path: &str| {
            is_forged(&Asked {
                method: &method,
                path,
                headers: &headers,
                own: Some(OWN),
                cookie: true,
            })
        };
        for open in ["/", "/docs", "/verify", "/v1/session/oidc/google/callback"] {
            assert!(!judge(Method::GET, open), "{open}");
            assert!(judge(Method::POST, open), "{open}");
        }
        for closed in [
            "/v1/jobs",
            "/v1/session",
            "/v1/session/oidc/google",
            "/v1/session/oidc//callback",
            "/v1/session/oidc/a/b/callback",
            "/v1/session/oidc/callback",
        ] {
            assert!(judge(Method::GET, closed), "{closed}");
        }
    }

    #[test]
    fn our_own_origin_is_the_configured_one_else_the_host() {
        let mut server = lamplighter_shared::config::Config::default().server;
        let ask = |server: &Server, origin: &str| {
            let request = Request::builder()
                .method(Method::POST)
                .uri_str("/v1/jobs")
                .header("host", "10.0.0.5:8080")
                .header("origin", origin)
                .finish();
            CrossSite::of(server).check(&request).is_ok()
        };
        assert!(ask(&server, "http://10.0.0.5:8080") && !ask(&server, "https://ai.example"));
        server.public_url = "https://ai.example/".to_owned();
        assert!(!ask(&server, "http://10.0.0.5:8080") && ask(&server, "https://ai.example"));
    }
}
