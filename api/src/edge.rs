//! The outermost layer: request ids, what browsers may send and read, headers that every answer has, and the
//! one place where failures, ours and the framework's, become log lines and problem documents in the language that
//! was asked for. A panic ends here too.

use std::{net::IpAddr, panic::AssertUnwindSafe};

use futures::FutureExt;
use lamplighter_shared::{config::Server, error::ErrorCode, network::Network};
use poem::{
    Endpoint, IntoResponse, Middleware, Request, Response, Result,
    error::{MethodNotAllowedError, NotFoundError, ParsePathError},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
};
use poem_openapi::{
    OperationId,
    error::{ContentTypeError, ParseParamError},
};

use crate::{
    auth::witness::Witness,
    client::ClientInfo,
    client_address::client_address,
    cors::{self, Cors},
    cross_site::CrossSite,
    error::{ApiError, RETRY_AFTER_MS, SHOULD_RETRY},
    headers::Headers,
    locale::Locale,
    message::{Message, message},
};

/// The header that names a request, in both directions.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The layer.
#[derive(Clone)]
pub struct Edge {
    /// Path templates (`/v1/jobs/{id}`) with their methods.
    methods: Vec<(String, Vec<Method>)>,
    /// The proxies in front, whose word about a client's address counts.
    trusted: Vec<Network>,
    cross_site: CrossSite,
    cors: Cors,
    headers: Headers,
}

impl Edge {
    /// The edge of a server whose addresses take these methods.
    pub(crate) fn new(server: &Server, methods: Vec<(String, Vec<Method>)>) -> Self {
        Self {
            methods,
            trusted: server.trusted_proxies.clone(),
            cross_site: CrossSite::of(server),
            cors: Cors::of(server),
            headers: Headers::of(server),
        }
    }
}

/// An endpoint within the layer.
pub struct EdgeEndpoint<E> {
    inner: E,
    edge: Edge,
}

impl<E: Endpoint> Middleware<E> for Edge {
    type Output = EdgeEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        EdgeEndpoint {
            inner,
            edge: self.clone(),
        }
    }
}

impl<E: Endpoint> Endpoint for EdgeEndpoint<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> Result<Response> {
        let id = request_id(request.headers());
        let path = request.uri().path().to_owned();
        let method = request.method().clone();
        let client = self.edge.client(&request);
        let locale = Locale::asked_for(request.headers());
        let allowed = self.edge.cors.allowed(&path, request.headers());
        let info = ClientInfo::new(&request, client, &self.edge.trusted, &id);
        request.set_data(info);
        request.set_data(Witness::default());
        let outcome = AssertUnwindSafe(self.answer(request, allowed.is_some()))
            .catch_unwind()
            .await;
        let mut response = match outcome {
            Ok(Ok(response)) => response,
            Ok(Err(e)) if e.is_from_response() => e.into_response(),
            Ok(Err(e)) => {
                let operation = e.data::<OperationId>().map(|operation| operation.0);
                let error = self.edge.understand(e, &path);
                log(&error, &id, client, (&method, &path));
                let mut response = problem(error, locale, (&path, &id));
                if let Some(operation) = operation {
                    // Whoever counts answers wants to know what of.
                    response.set_data(OperationId(operation));
                }
                response
            }
            Err(panic) => {
                let words = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
                let words = words.or_else(|| panic.downcast_ref::<String>().cloned());
                let error = ApiError::internal(format!("a panic: {}", words.unwrap_or_default()));
                log(&error, &id, client, (&method, &path));
                problem(error, locale, (&path, &id))
            }
        };
        if method == Method::HEAD {
            response.set_body(());
        }
        let headers = response.headers_mut();
        cors::mark(headers, allowed);
        if headers.contains_key(header::CONTENT_LANGUAGE) {
            // Whoever says which language it is in would have written it in another one.
            headers.append(header::VARY, HeaderValue::from_static("Accept-Language"));
        }
        self.edge.headers.complete(headers);
        if let Ok(id) = HeaderValue::from_str(&id) {
            headers.insert(REQUEST_ID, id);
        }
        Ok(response)
    }
}

impl<E: Endpoint> EdgeEndpoint<E> {
    /// The answer of what stands within, unless the request gets no further than here.
    async fn answer(&self, request: Request, allowed: bool) -> Result<Response> {
        self.edge.cross_site.check(&request)?;
        if allowed && cors::is_preflight(request.method(), request.headers()) {
            return Ok(cors::preflight());
        }
        self.inner.call(request).await.map(IntoResponse::into_response)
    }
}

impl Edge {
    /// Where a request comes from, for the log; none where it did not come through a socket.
    fn client(&self, request: &Request) -> Option<IpAddr> {
        let peer = request.remote_addr().as_socket_addr()?.ip();
        Some(client_address(peer, request.headers(), &self.trusted))
    }

    /// What an error of a handler or of the framework means to a client.
    fn understand(&self, error: poem::Error, path: &str) -> ApiError {
        let error = match error.downcast::<ApiError>() {
            Ok(ours) => return ours,
            Err(other) => other,
        };
        if let Some(e) = error.downcast_ref::<ParseParamError>() {
            return ApiError::bad_parameter(
                e.name,
                message!("does not fit: {reason}", reason = e.reason.as_str()),
            );
        }
        if error.is::<NotFoundError>() || error.is::<ParsePathError>() {
            return ApiError::new(ErrorCode::NotFound, message!("There is nothing at this address."));
        }
        if error.is::<MethodNotAllowedError>() {
            return self.not_allowed(path);
        }
        if error.is::<ContentTypeError>() {
            return ApiError::new(ErrorCode::UnsupportedMediaType, refused(&error));
        }
        let code = match error.status() {
            StatusCode::NOT_FOUND => ErrorCode::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => return self.not_allowed(path),
            StatusCode::NOT_ACCEPTABLE => ErrorCode::NotAcceptable,
            StatusCode::PAYLOAD_TOO_LARGE => ErrorCode::PayloadTooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => ErrorCode::UnsupportedMediaType,
            status if status.is_client_error() => ErrorCode::MalformedRequest,
            _ => return ApiError::internal(error),
        };
        ApiError::new(code, refused(&error))
    }

    fn not_allowed(&self, path: &str) -> ApiError {
        let error = ApiError::new(
            ErrorCode::MethodNotAllowed,
            message!("This address does not take this method."),
        );
        let fits = |template: &str| {
            let (mut ours, mut asked) = (template.split('/'), path.split('/'));
            loop {
                match (ours.next(), asked.next()) {
                    (None, None) => return true,
                    (Some(a), Some(b)) if a == b || (a.starts_with('{') && !b.is_empty()) => {}
                    _ => return false,
                }
            }
        };
        let Some((_, methods)) = self.methods.iter().find(|(template, _)| fits(template)) else {
            return error;
        };
        let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
        match HeaderValue::from_str(&names.join(", ")) {
            Ok(value) => error.header(header::ALLOW, value),
            Err(_) => error,
        }
    }
}

/// What the framework refuses, in its own words.
fn refused(error: &poem::Error) -> Message {
    message!("The request was refused: {reason}", reason = error.to_string())
}

/// The client's own id where it is harmless to log and repeat, else a new one.
fn request_id(headers: &HeaderMap) -> String {
    let own = headers.get(REQUEST_ID).and_then(|v| v.to_str().ok());
    let harmless = |id: &&str| {
        (1..=128).contains(&id.len())
            && id
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.:/+=".contains(&b))
    };
    own.filter(harmless)
        .map_or_else(|| format!("req_{}", uuid::Uuid::now_v7().simple()), str::to_owned)
}

/// A fault of ours is logged once, here; a refusal is the client's business.
fn log(error: &ApiError, id: &str, client: Option<IpAddr>, (method, path): (&Method, &str)) {
    let cause = error.cause.as_deref().unwrap_or_default();
    let client = client.map(tracing::field::display);
    match error.code {
        ErrorCode::Internal => {
            tracing::error!(request_id = id, client, %method, path, cause, "a request failed")
        }
        // Whoever is only told to come again is counted; a line for each would be the next flood.
        ErrorCode::Unavailable if error.cause.is_some() => {
            tracing::warn!(request_id = id, client, %method, path, cause, "the database does not answer")
        }
        code => tracing::debug!(request_id = id, client, %method, path, %code, "a request was refused"),
    }
}

fn problem(mut error: ApiError, locale: Locale, (path, id): (&str, &str)) -> Response {
    let headers = std::mem::take(&mut error.headers);
    let problem = error.problem(locale, path, id);
    let mut response = Response::builder()
        .status(StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
        .content_type("application/problem+json")
        .body(serde_json::to_string(&problem).expect("a problem can always be written as JSON"));
    locale.mark(response.headers_mut());
    for (name, value) in headers {
        response.headers_mut().insert(name, value);
    }
    if matches!(problem.status, 429 | 503) {
        spell_out_retry(response.headers_mut());
    }
    response
}

/// Whoever says in seconds when to come again says it in the other spellings, too.
fn spell_out_retry(headers: &mut HeaderMap) {
    let seconds = headers
        .get(header::RETRY_AFTER)
        .and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if let Some(seconds) = seconds {
        let ms = HeaderValue::from(seconds.saturating_mul(1000));
        headers.entry(RETRY_AFTER_MS).or_insert(ms);
        headers
            .entry(SHOULD_RETRY)
            .or_insert(HeaderValue::from_static("true"));
    }
}

#[cfg(test)]
mod tests {
    use poem::EndpointExt;

    use super::*;

    #[test]
    fn harmless_ids_are_kept_and_others_replaced() {
        let id = |value: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_bytes(value).expect("a header"));
            request_id(&headers)
        };
        assert_eq!(id(b"trace-1.a:b/c"), "trace-1.a:b/c");
        for bad in [&b""[..], b"a b", b"a\"b", b"\xff", &[b'a'; 129]] {
            assert!(id(bad).starts_with("req_"));
        }
        assert_ne!(request_id(&HeaderMap::new()), request_id(&HeaderMap::new()));
    }

    #[test]
    fn who_is_to_come_again_hears_when_in_every_spelling() {
        for (code, told) in [
            (ErrorCode::TooManyAttempts, true),
            (ErrorCode::Unavailable, true),
            (ErrorCode::Conflict, false),
        ] {
            let error =
                ApiError::new(code, message!("low")).header(header::RETRY_AFTER, HeaderValue::from(7));
            let answer = problem(error, Locale::English, ("/x", "req_1"));
            let value = |name: &str| answer.headers().get(name).and_then(|v| v.to_str().ok());
            assert_eq!(value("retry-after"), Some("7"), "{code}");
            assert_eq!(value("retry-after-ms"), told.then_some("7000"), "{code}");
            assert_eq!(value("x-should-retry"), told.then_some("true"), "{code}");
        }
        // Who knows it better is believed.
        let error = ApiError::new(ErrorCode::QueueFull, message!("low"));
        let answer = problem(
            error.retry_after(std::time::Duration::from_millis(1)),
            Locale::English,
            ("/x", "req_1"),
        );
        assert!(answer.headers()[RETRY_AFTER_MS].len() < 4, "{answer:?}");
    }

    #[tokio::test]
    async fn faults_and_panics_answer_500_and_keep_their_reasons() {
        let server = lamplighter_shared::config::Config::default().server;
        let edge = || Edge::new(&server, Vec::new());
        let fault = poem::endpoint::make(|_| async {
            Err::<(), poem::Error>(ApiError::internal("table secret is gone").into())
        });
        let fail = || -> poem::Result<()> { panic!("a secret panic") };
        let panic = poem::endpoint::make(move |_| async move { fail() });
        for endpoint in [fault.with(edge()).boxed(), panic.with(edge()).boxed()] {
            let mut response = endpoint
                .get_response(Request::builder().uri_str("/x").finish())
                .await;
            assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
            let text = response.take_body().into_string().await.expect("text");
            assert!(
                text.contains("\"code\":\"internal\"") && text.contains("\"instance\":\"/x\""),
                "{text}"
            );
            assert!(!text.contains("secret"), "{text}");
        }
    }
}
