//! Answers: a response, and in its type what the documentation says of it.

use std::marker::PhantomData;

use poem::{
    Body, IntoResponse, Response,
    http::{HeaderName, HeaderValue, StatusCode, header},
};
use poem_openapi::{
    ApiResponse,
    registry::{MetaHeader, MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry},
    types::Type,
};
use serde::Serialize;

use crate::{error::ApiError, locale::Locale};

/// What the documentation says of a handler's answers; its failures stand in `openapi`.
pub trait Documented: Send + Sync + 'static {
    /// Each status with its content and headers.
    fn responses() -> Vec<MetaResponse>;
    /// Makes the types known that `responses` refers to.
    fn register(registry: &mut Registry);
}

/// A response that is documented as `D`.
pub struct Answer<D> {
    response: Response,
    documented_as: PhantomData<D>,
}

impl<D> Answer<D> {
    /// A JSON document.
    ///
    /// # Errors
    /// Where the value can't be written as JSON.
    pub fn json(status: StatusCode, value: &impl Serialize) -> Result<Self, ApiError> {
        let text = serde_json::to_vec(value).map_err(ApiError::internal)?;
        let response = Response::builder()
            .status(status)
            .content_type("application/json");
        Ok(Self::of(response.body(text)))
    }

    /// No content.
    pub fn empty() -> Self {
        Self::of(
            Response::builder()
                .status(StatusCode::NO_CONTENT)
                .body(Body::empty()),
        )
    }

    /// Any response.
    pub fn of(response: Response) -> Self {
        Self {
            response,
            documented_as: PhantomData,
        }
    }

    /// Says in which language it is.
    #[must_use]
    pub fn language(mut self, locale: Locale) -> Self {
        locale.mark(self.response.headers_mut());
        self
    }

    /// Sets a cookie, where there is one to set.
    #[must_use]
    pub fn cookie(mut self, cookie: Option<HeaderValue>) -> Self {
        if let Some(cookie) = cookie {
            self.response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        self
    }

    /// Adds a header; a value that is no header value adds nothing.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.response.headers_mut().insert(name, value);
        }
        self
    }
}

impl<D: Documented> IntoResponse for Answer<D> {
    fn into_response(self) -> Response {
        self.response
    }
}

impl<D: Documented> ApiResponse for Answer<D> {
    fn meta() -> MetaResponses {
        MetaResponses {
            responses: D::responses(),
        }
    }

    fn register(registry: &mut Registry) {
        D::register(registry);
    }
}

/// Documents a JSON answer.
pub fn json<T: Type>(status: u16, description: &'static str) -> MetaResponse {
    let content = vec![MetaMediaType {
        content_type: "application/json",
        schema: T::schema_ref(),
    }];
    MetaResponse {
        content,
        ..bare(status, description)
    }
}

/// Documents an answer without content.
pub fn bare(status: u16, description: &'static str) -> MetaResponse {
    MetaResponse {
        description,
        status: Some(status),
        status_range: None,
        content: Vec::new(),
        headers: Vec::new(),
    }
}

/// Documents an event stream. Its type is left open: some tools read it as a text, others event by event.
pub fn event_stream() -> MetaMediaType {
    let schema = MetaSchema {
        description: Some("Server-sent events; see the description of the operation."),
        ..MetaSchema::ANY
    };
    MetaMediaType {
        content_type: "text/event-stream",
        schema: MetaSchemaRef::Inline(Box::new(schema)),
    }
}

/// Documents a header of an answer.
pub fn header(name: &str, description: &str) -> MetaHeader {
    MetaHeader {
        name: name.to_owned(),
        description: Some(description.to_owned()),
        required: false,
        deprecated: false,
        schema: String::schema_ref(),
    }
}
