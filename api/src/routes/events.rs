//! `/v1/jobs/{id}/events`: the job's event stream. What it tells is decided in `event_stream`.

use std::{convert::Infallible, sync::Arc};

use futures::stream;
use lamplighter_shared::{db::jobs, error::ErrorCode, event::EventId};
use poem::{
    Body, Request, Response,
    http::{HeaderValue, header},
};
use poem_openapi::{
    Object, OpenApi,
    param::{Header, Path, Query},
    registry::{MetaResponse, Registry},
    types::Type,
};
use serde::Serialize;
use serde_json::Value;

use super::{
    Tag,
    jobs::{built, documented, job_id},
};
use crate::{
    answer::{self, Answer, Documented},
    auth::{principal::Principal, scope::JobsRead},
    error::ApiError,
    event_stream::{EventStream, Start},
    job_view::{JobProgress, JobView},
    locale::Locale,
    message::message,
    openapi::Failures,
    preferences::{Form, accepted},
    state::App,
    stream_slots::StreamSlot,
};

/// The operation that follows a job.
pub(crate) struct EventRoutes(pub(super) Option<Arc<App>>);

#[OpenApi(tag = "Tag::Jobs")]
impl EventRoutes {
    /// Follow a job
    ///
    /// A stream of server-sent events (WHATWG). Each has a name, an `id` and a JSON document:
    ///
    /// - `status`: the job without input and output (`Job`), at the start and when it changes;
    /// - `progress`: how far the run has come (`JobProgress`);
    /// - `output`: a piece of the output (`JobOutputChunk`), numbered from 0;
    /// - `reset`: a new run began (`JobReset`); pieces from earlier runs are void;
    /// - `gap`: events are missing (`JobGap`); the result in the job is complete all the same;
    /// - `done`: the whole job (`Job`); the stream ends.
    ///
    /// The `id` is `<run>-<number>`. After a break, connect again with the last one in `Last-Event-ID` (or
    /// `starting_after`): nothing is repeated or left out. Needs the scope `jobs:read`.
    #[oai(
        path = "/v1/jobs/:id/events",
        method = "get",
        operation_id = "streamJobEvents"
    )]
    async fn events(
        &self,
        principal: Principal<JobsRead>,
        request: &Request,
        locale: Locale,
        /// The job's identifier.
        id: Path<String>,
        /// The `id` of the last event the client has.
        #[oai(name = "Last-Event-ID")]
        last_event_id: Header<Option<String>>,
        /// The same, for clients that can't set the header; the header wins.
        starting_after: Query<Option<String>>,
    ) -> Result<Answer<Streamed>, ApiError> {
        let app = built(&self.0)?;
        let id = job_id(&id)?;
        if accepted(request.headers(), &[Form::EventStream]).is_none() {
            return Err(ApiError::new(
                ErrorCode::NotAcceptable,
                message!("The answer is text/event-stream."),
            ));
        }
        let header = last_event_id
            .0
            .filter(|id| !id.is_empty())
            .map(|id| ("Last-Event-ID", id));
        let place = header.or_else(|| starting_after.0.map(|id| ("starting_after", id)));
        let after = match place {
            Some((name, id)) => id
                .parse()
                .map_err(|_| ApiError::bad_parameter(name, message!("an event id looks like 1-42")))?,
            None => EventId::default(),
        };
        let job = jobs::get(&app.db, principal.user, id)
            .await?
            .ok_or_else(ApiError::no_such_job)?;
        let slot = slot(app, principal.stream_owner())?;
        let start = Start {
            job,
            locale,
            after,
            credential: principal.credential,
            slot,
        };
        Ok(Answer::of(stream(app, start).await?).language(locale))
    }
}

/// The right to one more stream.
///
/// # Errors
/// 429 where the owner has all they may have.
pub(super) fn slot(app: &App, owner: String) -> Result<StreamSlot, ApiError> {
    app.streams.take(owner).ok_or_else(|| {
        let most = app.config.server.streams_per_owner;
        let detail = message!(
            "You have {most} event streams open, the most there may be; close one first.",
            most = most
        );
        let error = ApiError::new(ErrorCode::TooManyStreams, detail);
        error.header(header::RETRY_AFTER, HeaderValue::from_static("5"))
    })
}

/// The response that streams a job's events.
///
/// # Errors
/// Where the job is gone or the database does not answer.
pub(super) async fn stream(app: &Arc<App>, start: Start) -> Result<Response, ApiError> {
    let events = EventStream::open(app.clone(), start).await?;
    let texts = stream::unfold(events, |mut events| async {
        events
            .next()
            .await
            .map(|text| (Ok::<_, Infallible>(text), events))
    });
    let body = Body::from_bytes_stream(futures::StreamExt::map(texts, |text| {
        text.map_err(std::io::Error::other)
    }));
    Ok(Response::builder()
        .content_type("text/event-stream; charset=utf-8")
        .header(header::CACHE_CONTROL, "no-store")
        // Proxies must pass each event on at once.
        .header("x-accel-buffering", "no")
        .body(body))
}

/// A piece of the output, as it comes.
#[derive(Debug, Serialize, Object)]
struct JobOutputChunk {
    /// The number of the piece in its run, from 0.
    index: u64,
    /// The piece.
    chunk: Value,
}

/// A new run began: what earlier ones told is void.
#[derive(Debug, Serialize, Object)]
struct JobReset {
    /// The run that began.
    epoch: i64,
}

/// Events are missing.
#[derive(Debug, Serialize, Object)]
struct JobGap {
    /// The number of the last event before the gap.
    after: u64,
    /// The number of the first event after it.
    before: u64,
}

documented! {
    /// Of a stream.
    Streamed<JobView, JobProgress, JobOutputChunk, JobReset, JobGap> = {
        let mut response = answer::bare(200, "The stream.");
        response.content.push(answer::event_stream());
        vec![response]
    };
}

/// What these operations may fail with, beside what follows from the way of a request to them.
pub(super) const FAILURES: &[Failures] = &[(
    "streamJobEvents",
    &[
        ErrorCode::MalformedRequest,
        ErrorCode::NotFound,
        ErrorCode::NotAcceptable,
        ErrorCode::TooManyStreams,
    ],
)];
