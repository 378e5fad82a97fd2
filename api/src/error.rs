//! What the API answers when it can't do what was asked: RFC 9457 problem documents.
//!
//! Every failure of a handler is an [`ApiError`]: a code of the shared table and a sentence about this
//! request. The `edge` turns it, and what the framework refuses by itself, into an answer, in the language that
//! the request asks for. The `cause` is for the log and never leaves the process.

use std::time::Duration;

use lamplighter_shared::{db::DbError, error::ErrorCode};
use poem::{
    error::ResponseError,
    http::{HeaderName, HeaderValue, StatusCode, header},
};
use poem_openapi::{
    ApiResponse, Object,
    registry::{MetaResponses, Registry},
    types::Type,
};
use serde::Serialize;

use crate::{
    locale::Locale,
    message::{self, Message, message},
};

/// `Retry-After` in milliseconds, as SDKs read it.
pub(crate) const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");
/// Whether an SDK is to try again.
pub(crate) const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// One thing that is wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Object)]
pub struct FieldError {
    /// Where in the body: a JSON pointer (RFC 6901).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// Which query parameter or header, where it is not in the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// What is wrong, in words.
    pub detail: String,
    /// What is wrong, for programs: `required`, `unknown_field`, `wrong_type`, `too_long`, …
    pub code: String,
}

/// One thing that is wrong with a request, before it is told in a language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where in the body: a JSON pointer (RFC 6901).
    pub pointer: Option<String>,
    /// Which query parameter or header, where it is not in the body.
    pub parameter: Option<String>,
    /// What is wrong, in words.
    pub detail: Message,
    /// What is wrong, for programs.
    pub code: String,
}

impl Fault {
    /// Something in the body.
    pub fn at(pointer: impl Into<String>, code: &str, detail: Message) -> Self {
        Self {
            pointer: Some(pointer.into()),
            parameter: None,
            detail,
            code: code.to_owned(),
        }
    }

    /// A query parameter or header.
    pub fn parameter(name: &str, detail: Message) -> Self {
        Self {
            pointer: None,
            parameter: Some(name.to_owned()),
            detail,
            code: "invalid".to_owned(),
        }
    }

    /// The sentence about the whole request, where nothing else is wrong with its body.
    fn alone(&self) -> Message {
        let fault = self.detail.clone();
        match self.pointer.as_deref() {
            None | Some("") => message!("body: {fault}", fault = fault),
            Some(pointer) => message!("{place}: {fault}", place = pointer, fault = fault),
        }
    }

    fn in_locale(self, locale: Locale) -> FieldError {
        FieldError {
            pointer: self.pointer,
            parameter: self.parameter,
            detail: self.detail.in_locale(locale),
            code: self.code,
        }
    }
}

/// Why a request failed (RFC 9457, `application/problem+json`).
#[derive(Debug, Serialize, Object)]
pub struct Problem {
    /// The kind of problem: an address below this server that explains the code.
    #[serde(rename = "type")]
    #[oai(rename = "type")]
    pub kind: String,
    /// The code in words; the same for every problem of the code.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time.
    pub detail: String,
    /// The path that was asked for.
    pub instance: String,
    /// The stable code, for programs.
    pub code: String,
    /// The id of the request, as in `X-Request-Id`; name it when you ask about the problem.
    pub request_id: String,
    /// Each thing that is wrong, where there can be several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[oai(default)]
    pub errors: Vec<FieldError>,
    /// The policies that were exceeded, as `RateLimit-Policy` names them, where it is one of those.
    #[serde(rename = "violated-policies", skip_serializing_if = "Vec::is_empty")]
    #[oai(rename = "violated-policies", default)]
    pub violated_policies: Vec<String>,
}

/// A refusal or failure, on its way to becoming a [`Problem`].
#[derive(Debug, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct ApiError {
    /// The code, and with it status and title.
    pub code: ErrorCode,
    /// What happened this time; seen by the client.
    pub detail: Message,
    /// Each thing that is wrong.
    pub errors: Vec<Fault>,
    /// The policy that was exceeded.
    pub violated: Option<Box<str>>,
    /// Headers of the answer beyond the usual.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// What really happened; for the log only.
    pub cause: Option<Box<str>>,
}

impl ApiError {
    /// A failure of this code.
    pub fn new(code: ErrorCode, detail: Message) -> Self {
        Self {
            code,
            detail,
            errors: Vec::new(),
            violated: None,
            headers: Vec::new(),
            cause: None,
        }
    }

    /// The job does not exist, or is somebody else's: the two look the same.
    pub fn no_such_job() -> Self {
        Self::new(ErrorCode::NotFound, message!("There is no such job."))
    }

    /// A query parameter or header can't be read.
    pub fn bad_parameter(name: &str, fault: Message) -> Self {
        let detail = message!("{place}: {fault}", place = name, fault = fault.clone());
        let mut error = Self::new(ErrorCode::MalformedRequest, detail);
        error.errors.push(Fault::parameter(name, fault));
        error
    }

    /// The body does not fit.
    pub fn invalid(errors: Vec<Fault>) -> Self {
        let detail = match errors.as_slice() {
            [one] => one.alone(),
            many => message!("{count} things are wrong with the body.", count = many.len()),
        };
        Self {
            errors,
            ..Self::new(ErrorCode::ValidationFailed, detail)
        }
    }

    /// A fault of ours.
    pub fn internal(cause: impl ToString) -> Self {
        let detail =
            message!("The request failed for a reason on our side; the log has it under the request id.");
        Self {
            cause: Some(cause.to_string().into()),
            ..Self::new(ErrorCode::Internal, detail)
        }
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Tells when to come again; not all of those who are refused together come together.
    #[must_use]
    pub fn retry_after(self, time: Duration) -> Self {
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX / 2).max(1);
        let ms = ms + rand::random_range(0..=ms / 5);
        self.header(header::RETRY_AFTER, HeaderValue::from(ms.div_ceil(1000)))
            .header(RETRY_AFTER_MS, HeaderValue::from(ms))
            .header(SHOULD_RETRY, HeaderValue::from_static("true"))
    }

    /// Names a policy that was exceeded.
    #[must_use]
    pub fn violates(mut self, policy: &str) -> Self {
        self.violated = Some(policy.into());
        self
    }

    /// The problem document for one request, in a language.
    pub fn problem(self, locale: Locale, instance: &str, request_id: &str) -> Problem {
        Problem {
            kind: problem_type(self.code),
            title: message::translate(locale, self.code.title()),
            status: self.code.status(),
            detail: self.detail.in_locale(locale),
            instance: instance.to_owned(),
            code: self.code.as_str().to_owned(),
            request_id: request_id.to_owned(),
            errors: self
                .errors
                .into_iter()
                .map(|fault| fault.in_locale(locale))
                .collect(),
            violated_policies: self.violated.map(String::from).into_iter().collect(),
        }
    }
}

/// The kind of problem: registered ones where they say what our clients have to do, else our own words.
pub(crate) fn problem_type(code: ErrorCode) -> String {
    let registered = match code {
        ErrorCode::QuotaExceeded | ErrorCode::RateLimited => "quota-exceeded",
        ErrorCode::QueueFull | ErrorCode::Unavailable => "temporary-reduced-capacity",
        code => return format!("/docs/errors#{code}"),
    };
    format!("https://iana.org/assignments/http-problem-types#{registered}")
}

impl From<DbError> for ApiError {
    fn from(e: DbError) -> Self {
        match e {
            DbError::Unavailable(cause) => {
                let detail = message!("The database does not answer; try again in a moment.");
                Self {
                    cause: Some(cause.into()),
                    ..Self::new(ErrorCode::Unavailable, detail)
                }
                .retry_after(Duration::from_secs(2))
            }
            DbError::Statement(cause) => Self::internal(cause),
        }
    }
}

impl ResponseError for ApiError {
    fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// The document lists errors per operation (`openapi`); here only the schema is made known.
impl ApiResponse for ApiError {
    fn meta() -> MetaResponses {
        MetaResponses {
            responses: Vec::new(),
        }
    }

    fn register(registry: &mut Registry) {
        Problem::register(registry);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_documentation_lists_exactly_the_table() {
        let documentation = include_str!("../../docs/api.md");
        let rows = documentation
            .lines()
            .filter(|line| line.starts_with("| `") && line.matches('|').count() == 5);
        let documented: BTreeSet<String> = rows
            .map(|row| row.split('|').map(str::trim).collect::<Vec<_>>().join("|"))
            .collect();
        let again = |code: &ErrorCode| if code.retryable() { "yes" } else { "no" };
        let row = |code: &ErrorCode| format!("|`{code}`|{}|{}|{}|", code.status(), code.title(), again(code));
        let table: BTreeSet<String> = ErrorCode::ALL.iter().map(row).collect();
        assert_eq!(documented, table);
    }
}
