//! The web app: the files of `web/dist/site`, part of the program where they were built before it. Every address of
//! the app is answered with its page, which finds its way by itself; what is the API's is left to the API.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use poem::{
    Endpoint, Middleware, Request, Response, Result,
    http::{HeaderMap, Method, header},
};
use rust_embed::{EmbeddedFile, RustEmbed};

/// Addresses, and what stands below them, that are not the app's.
const OF_THE_API: [&str; 6] = ["/v1", "/healthz", "/readyz", "/metrics", "/docs", "/openapi.json"];
/// Where the app has pages: the first names of the addresses in `web/src/config/paths.ts`.
const OF_THE_APP: [&str; 14] = [
    "",
    "account",
    "admin",
    "forgot",
    "guide",
    "jobs",
    "login",
    "playground",
    "register",
    "reset",
    "setup",
    "tokens",
    "usage",
    "verify",
];
/// What the page says in the place of a nonce.
const NONCE: &str = "__CSP_NONCE__";
/// The policy of files and of the page that stands in for the app: nothing of them runs.
const FILE_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";
/// Where there is no app.
const NOT_BUILT: &str = include_str!("site/not_built.html");

/// What is served and nothing else: the list of the build's parts stands beside it. Missing before the first build.
#[derive(RustEmbed)]
#[folder = "../web/dist/site"]
#[allow_missing = true]
struct Files;

/// Puts the web app in front of an endpoint.
pub(crate) struct Site;

/// An endpoint behind the web app.
pub(crate) struct SiteEndpoint<E>(E);

impl<E: Endpoint<Output = Response>> Middleware<E> for Site {
    type Output = SiteEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        SiteEndpoint(inner)
    }
}

impl<E: Endpoint<Output = Response>> Endpoint for SiteEndpoint<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        let path = request.uri().path();
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        if !reads || is_of_the_api(path) {
            return self.0.call(request).await;
        }
        if let Some(answer) = file(path, request.headers()) {
            return Ok(answer);
        }
        if wants_page(path, request.headers()) {
            return Ok(page());
        }
        self.0.call(request).await
    }
}

fn is_of_the_api(path: &str) -> bool {
    OF_THE_API.iter().any(|prefix| {
        path.strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

/// A browser, at every address; at the app's own also whoever takes what there is, as curl and monitors do. Who asks
/// for data is told that there is none, and so is a program at an address that nobody has.
fn wants_page(path: &str, headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let accept = accept.unwrap_or("*/*");
    let takes_anything = accept.contains("*/*") && !accept.contains("json");
    accept.contains("text/html") || (takes_anything && is_of_the_app(path))
}

fn is_of_the_app(path: &str) -> bool {
    let first = path.split('/').nth(1);
    first.is_some_and(|first| OF_THE_APP.contains(&first))
}

fn stored(path: &str) -> Option<EmbeddedFile> {
    Files::get(path.strip_prefix('/')?)
}

/// A file of the app, but its page; compressed where that is taken.
fn file(path: &str, headers: &HeaderMap) -> Option<Response> {
    if path.ends_with('/') || path.ends_with(".html") || path.ends_with(".gz") {
        return None;
    }
    let plain = stored(path)?;
    let packed = stored(&format!("{path}.gz")).filter(|_| takes_gzip(headers));
    let mut answer = Response::builder()
        .content_type(plain.metadata.mimetype())
        .header(header::CONTENT_SECURITY_POLICY, FILE_POLICY)
        .header(header::VARY, "accept-encoding");
    // Their names hold their digests.
    if path.starts_with("/assets/") {
        answer = answer.header(header::CACHE_CONTROL, "public, max-age=31536000, immutable");
    }
    let data = match packed {
        Some(packed) => {
            answer = answer.header(header::CONTENT_ENCODING, "gzip");
            packed.data
        }
        None => plain.data,
    };
    Some(answer.body(bytes(data)))
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    let taken = headers.get_all(header::ACCEPT_ENCODING).iter();
    taken
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|coding| coding.split(';').next().is_some_and(|name| name.trim() == "gzip"))
}

fn bytes(data: Cow<'static, [u8]>) -> Bytes {
    match data {
        Cow::Borrowed(data) => Bytes::from_static(data),
        Cow::Owned(data) => data.into(),
    }
}

/// The app's page, whose styles carry this answer's nonce.
fn page() -> Response {
    let Some(index) = stored("/index.html") else {
        return Response::builder()
            .content_type("text/html; charset=utf-8")
            .header(header::CONTENT_SECURITY_POLICY, FILE_POLICY)
            .body(NOT_BUILT);
    };
    let nonce = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>());
    let html = String::from_utf8_lossy(&index.data).replace(NONCE, &nonce);
    Response::builder()
        .content_type("text/html; charset=utf-8")
        .header(header::CONTENT_SECURITY_POLICY, policy(&nonce))
        .body(html)
}

fn policy(nonce: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' blob: data:; \
         media-src 'self' blob: data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'self'; \
         base-uri 'none'; object-src 'none'; frame-ancestors 'none'"
    )
}
