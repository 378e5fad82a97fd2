//! A request body that must be JSON: the media type, the size and the text are checked here, before
//! anything is built from it. Whether it fits the operation is the handler's to check.

use std::{marker::PhantomData, sync::Arc, time::Duration};

use futures::StreamExt;
use lamplighter_shared::error::ErrorCode;
use poem::{
    Body, Request, RequestBody,
    http::{Method, header},
};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaMediaType, MetaRequest, Registry},
    types::Type,
};
use serde_json::Value;
use tokio::time::timeout;

use crate::{
    admission,
    auth::witness::Witness,
    body_room::Space,
    client::ClientInfo,
    error::{ApiError, Fault},
    message::message,
    routes,
    state::App,
    strict_json,
};

/// The largest body, bytes.
pub const MAX_BODY: usize = 256 * 1024;
/// The largest of a job with a picture or a sound, bytes.
const MAX_MEDIA: usize = 16 << 20;
/// A large body gets memory in steps of so many bytes: no more than it needs.
const STEP: usize = 1 << 20;
/// The largest of those about people and their logins, bytes.
const MAX_OF_PEOPLE: usize = 16 * 1024;
/// Whoever needs longer to send a body does not keep others out meanwhile.
const PROMPT: Duration = Duration::from_millis(100);

/// A body of JSON, documented as `T`.
pub struct JsonBody<T> {
    /// The document.
    pub value: Value,
    /// Bytes of it.
    pub length: usize,
    /// Its room, where it is a large one: dropped once nothing of it is in memory any more.
    space: Option<Space>,
    documented_as: PhantomData<T>,
}

impl<'a, T: Type> ApiExtractor<'a> for JsonBody<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        Some(MetaRequest {
            description: None,
            content: vec![MetaMediaType {
                content_type: "application/json",
                schema: T::schema_ref(),
            }],
            required: true,
        })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        check_media_type(request)?;
        let (bytes, space) = read(request, body).await?;
        let value = strict_json::parse(&bytes).map_err(|refused| {
            let mut error = ApiError::new(
                ErrorCode::MalformedRequest,
                message!("The body: {fault}", fault = refused.detail.clone()),
            );
            let fault = Fault::at(String::new(), "malformed", refused.detail);
            error.errors.push(Fault {
                pointer: refused.pointer,
                ..fault
            });
            error
        })?;
        Ok(Self {
            value,
            length: bytes.len(),
            space,
            documented_as: PhantomData,
        })
    }
}

impl<T> JsonBody<T> {
    /// The room of a large body, to be kept as long as what was made of the body.
    pub(crate) fn take_space(&mut self) -> Option<Space> {
        self.space.take()
    }

    /// Refuses what only a job with a picture or a sound may have.
    ///
    /// # Errors
    /// 413 where the body is a large one.
    pub fn must_be_small(&self) -> Result<(), ApiError> {
        match self.length {
            length if length > MAX_BODY => Err(too_large(MAX_BODY)),
            _ => Ok(()),
        }
    }
}

fn check_media_type(request: &Request) -> Result<(), ApiError> {
    let refuse = |detail| Err(ApiError::new(ErrorCode::UnsupportedMediaType, detail));
    let coding = request.headers().get(header::CONTENT_ENCODING);
    if coding.is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return refuse(message!("A compressed body is not read; send it as it is."));
    }
    let mut parts = request
        .content_type()
        .unwrap_or_default()
        .split(';')
        .map(str::trim);
    if !parts
        .next()
        .is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"))
    {
        return refuse(message!("The body must be application/json."));
    }
    for parameter in parts {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        if name.eq_ignore_ascii_case("charset") && !value.trim_matches('"').eq_ignore_ascii_case("utf-8") {
            return refuse(message!("The body must be UTF-8."));
        }
    }
    Ok(())
}

/// The most bytes that an operation takes. Which model a job is for is known only once it is read: where one takes
/// pictures or sounds, all may be as large, and `must_be_small` is asked afterwards.
fn cap(request: &Request) -> usize {
    let path = request.original_uri().path();
    let submits = request.method() == Method::POST && path == "/v1/jobs";
    match request.data::<Arc<App>>() {
        _ if routes::is_of_people(path) => MAX_OF_PEOPLE,
        Some(app) if submits && app.takes_media => MAX_MEDIA,
        _ => MAX_BODY,
    }
}

/// Reads the body and stops at the cap, whatever the request says about its length.
async fn read(request: &Request, body: &mut RequestBody) -> Result<(Vec<u8>, Option<Space>), ApiError> {
    let cap = cap(request);
    let length = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok());
    if length
        .and_then(|v| v.parse::<u64>().ok())
        .is_some_and(|length| length > cap as u64)
    {
        return Err(too_large(cap));
    }
    let body = body
        .take()
        .map_err(|_| ApiError::internal("the body was read before"))?;
    let space = request
        .data::<Arc<App>>()
        .filter(|_| cap > MAX_BODY)
        .map(|app| app.body_room.body(ClientInfo::of(request).address));
    let mut all = std::pin::pin!(collect(body, cap, space));
    if let Ok(all) = timeout(PROMPT, &mut all).await {
        return all;
    }
    admission::give_back();
    let all = all.await?;
    admission::take_again()?;
    Witness::ask_again(request).await?;
    Ok(all)
}

fn too_large(cap: usize) -> ApiError {
    let detail = message!("The body may have at most {limit} bytes.", limit = cap);
    ApiError::new(ErrorCode::PayloadTooLarge, detail)
}

/// All bytes, in the room of large ones where they are many.
async fn collect(
    body: Body,
    cap: usize,
    mut space: Option<Space>,
) -> Result<(Vec<u8>, Option<Space>), ApiError> {
    let mut chunks = std::pin::pin!(body.into_bytes_stream());
    let mut bytes = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk =
            chunk.map_err(|_| ApiError::new(ErrorCode::MalformedRequest, message!("The body broke off.")))?;
        if bytes.len() + chunk.len() > cap {
            return Err(too_large(cap));
        }
        let length = bytes.len() + chunk.len();
        if let Some(space) = space.as_mut().filter(|_| length > MAX_BODY) {
            space.grow(length)?;
            if length > bytes.capacity() {
                bytes.reserve_exact(STEP.max(chunk.len()).min(cap - bytes.len()));
            }
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok((bytes, space))
}
