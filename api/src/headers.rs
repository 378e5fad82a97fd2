//! Headers that every answer has, so that a browser makes nothing of it but what it is. What a handler has
//! set stands.

use lamplighter_shared::config::Server;
use poem::http::{HeaderMap, HeaderName, HeaderValue, header};

/// The policy of answers that are data: nothing of them may run.
const DATA_POLICY: &str = "default-src 'none'; frame-ancestors 'none'; sandbox";

const USUAL: [(HeaderName, &str); 8] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CONTENT_SECURITY_POLICY, DATA_POLICY),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("permissions-policy"),
        "geolocation=(), camera=(), microphone=()",
    ),
];

/// How a server's answers are headed.
#[derive(Debug, Clone)]
pub(crate) struct Headers {
    /// Whether people reach it by TLS, and never otherwise.
    https: bool,
}

impl Headers {
    pub(crate) fn of(server: &Server) -> Self {
        Self {
            https: server.public_origin().is_some_and(|origin| origin.is_https()),
        }
    }

    /// Adds what is missing.
    pub(crate) fn complete(&self, headers: &mut HeaderMap) {
        for (name, value) in USUAL {
            headers.entry(name).or_insert(HeaderValue::from_static(value));
        }
        if self.https {
            headers
                .entry(header::STRICT_TRANSPORT_SECURITY)
                .or_insert(HeaderValue::from_static("max-age=63072000; includeSubDomains"));
        }
    }
}
