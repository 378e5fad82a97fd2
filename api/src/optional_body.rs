//! A request body of JSON that may be left out: one with nothing but optional fields.

use std::marker::PhantomData;

use poem::{
    Request, RequestBody,
    http::{HeaderMap, header},
};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaRequest, Registry},
    types::Type,
};
use serde_json::{Map, Value};

use crate::json_body::JsonBody;

/// A body of JSON, documented as `T`; one that is not there is the empty object.
pub struct OptionalBody<T> {
    /// The document.
    pub value: Value,
    documented_as: PhantomData<T>,
}

impl<'a, T: Type> ApiExtractor<'a> for OptionalBody<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        JsonBody::<T>::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        JsonBody::<T>::request_meta().map(|meta| MetaRequest {
            required: false,
            ..meta
        })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let value = if is_absent(request.headers()) {
            Value::Object(Map::new())
        } else {
            JsonBody::<T>::from_request(request, body, options).await?.value
        };
        Ok(Self {
            value,
            documented_as: PhantomData,
        })
    }
}

/// Whether a request says nothing of a body, or that it has no bytes. What comes without a length and is not
/// chunked is no body (RFC 9112, 6.3).
fn is_absent(headers: &HeaderMap) -> bool {
    let length = headers.get(header::CONTENT_LENGTH);
    !headers.contains_key(header::CONTENT_TYPE)
        && !headers.contains_key(header::CONTENT_ENCODING)
        && !headers.contains_key(header::TRANSFER_ENCODING)
        && length.is_none_or(|length| length == "0")
}

#[cfg(test)]
mod tests {
    use poem::http::HeaderValue;

    use super::*;

    #[test]
    fn only_what_says_nothing_of_a_body_has_none() {
        let absent = |fields: &[(&'static str, &'static str)]| {
            let fields = fields.iter().map(|(name, value)| {
                let name = name.parse().expect("a name");
                (name, HeaderValue::from_static(value))
            });
            is_absent(&fields.collect())
        };
        assert!(absent(&[]));
        assert!(absent(&[("content-length", "0")]));
        assert!(!absent(&[("content-length", "2")]));
        assert!(!absent(&[("transfer-encoding", "chunked")]));
        assert!(!absent(&[("content-type", "application/json")]));
        assert!(!absent(&[
            ("content-length", "0"),
            ("content-type", "text/plain")
        ]));
    }
}
