//! `/v1/jobs`: submit, list, get, cancel, repeat, delete. Events stand in `events`.

use std::sync::Arc;

use lamplighter_shared::{
    db::jobs::{self, Cancel, Delete, Filter},
    error::ErrorCode,
    event::JobEvent,
    id::JobId,
    job::JobState,
    trace::Trace,
};
use poem::{Request, http::StatusCode};
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
    submission::{self, Asked, Submitted},
};
use crate::{
    answer::{self, Answer, Documented},
    auth::{
        guest,
        principal::Principal,
        scope::{JobsRead, JobsWrite, Repeating, Submitting},
    },
    create_job::CreateJob,
    error::ApiError,
    job_view::{JobStatus, JobView},
    json_body::JsonBody,
    locale::Locale,
    message::{Message, message},
    openapi::Failures,
    preferences::{Prefer, idempotency_key},
    present,
    state::App,
    submit::{self, Wanted},
    timestamp::Timestamp,
};

/// Jobs on a page, unless the request says otherwise.
const PAGE: u64 = 20;

/// The operations on jobs.
pub(crate) struct JobRoutes(pub(super) Option<Arc<App>>);

/// The app of a built API; routes without one only document themselves.
pub(super) fn built(app: &Option<Arc<App>>) -> Result<&Arc<App>, ApiError> {
    app.as_ref()
        .ok_or_else(|| ApiError::internal("a route was called without an app"))
}

/// Reads an identifier from a path. What is none names no job.
pub(super) fn job_id(text: &str) -> Result<JobId, ApiError> {
    text.parse().map_err(|_| ApiError::no_such_job())
}

#[OpenApi(tag = "Tag::Jobs")]
impl JobRoutes {
    /// Submit a job
    ///
    /// Stores the job and answers at once with 202 and its address. With `Prefer: wait=N` the answer comes
    /// when the job has ended (200), or after N seconds with the job as it stands (202). With
    /// `Accept: text/event-stream` the answer is the job's event stream. Needs the scope `jobs:write`.
    ///
    /// With an `Idempotency-Key` the same request can be sent again safely: it gives the same job.
    #[oai(path = "/v1/jobs", method = "post", operation_id = "createJob")]
    async fn create(
        &self,
        principal: Principal<Submitting>,
        request: &Request,
        locale: Locale,
        /// A key of your choice, 1 to 255 printable characters, quoted or bare. The same key with the same
        /// body gives the same job for 24 hours; with another body it is refused.
        #[oai(name = "Idempotency-Key")]
        _key: Header<Option<String>>,
        /// `wait=N` waits up to N seconds (1 to 60) for the end of the job; a bare `wait` means 60.
        /// `respond-async` answers at once.
        #[oai(name = "Prefer")]
        _prefer: Header<Option<String>>,
        mut body: JsonBody<CreateJob>,
    ) -> Result<Answer<Submitted>, ApiError> {
        let app = built(&self.0)?;
        let form = submission::form(request.headers())?;
        let key = idempotency_key(request.headers())?;
        let idempotency = submit::idempotency(key, "createJob", &body.value);
        let mut cookie = None;
        let wanted = match submit::earlier(app, &principal, idempotency.as_ref()).await? {
            Some(job) => Wanted::Earlier(Box::new(job)),
            None => {
                let mut job = submit::validate(app, &principal.client(), &body).await?;
                cookie = guest::admit(app, &principal, &job.model).await?;
                job.idempotency = idempotency;
                job.trace = request.data::<Trace>().cloned();
                Wanted::New(Box::new(job))
            }
        };
        let space = body.take_space();
        drop(body);
        let asked = Asked {
            form,
            locale,
            prefer: Prefer::of(request.headers()),
            stream_owner: principal.stream_owner(),
            credential: principal.credential,
            space,
        };
        Ok(submission::answer(app, wanted, asked).await?.cookie(cookie))
    }

    /// List jobs
    ///
    /// Your jobs, newest first, without input and output. Needs the scope `jobs:read`.
    #[oai(path = "/v1/jobs", method = "get", operation_id = "listJobs")]
    #[expect(
        clippy::too_many_arguments,
        reason = "each filter is a parameter of its own in the document"
    )]
    async fn list(
        &self,
        principal: Principal<JobsRead>,
        locale: Locale,
        /// Only jobs in this state.
        status: Query<Option<JobStatus>>,
        /// Only jobs of this model.
        model: Query<Option<String>>,
        /// Only jobs of this task.
        task: Query<Option<String>>,
        /// Only jobs created at this time or later (RFC 3339).
        created_after: Query<Option<Timestamp>>,
        /// Only jobs created before this time (RFC 3339).
        created_before: Query<Option<Timestamp>>,
        /// `next_cursor` of the page before.
        cursor: Query<Option<String>>,
        /// Jobs on the page, 1 to 100.
        #[oai(default = "page", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<u64>,
    ) -> Result<Answer<Listed>, ApiError> {
        let app = built(&self.0)?;
        let before = match &cursor.0 {
            Some(text) => Some(
                text.parse()
                    .map_err(|_| ApiError::bad_parameter("cursor", message!("is not a cursor of ours")))?,
            ),
            None => None,
        };
        for (name, value) in [("model", &model.0), ("task", &task.0)] {
            if value.as_ref().is_some_and(|value| value.contains('\0')) {
                // No text of Postgres can hold one.
                return Err(ApiError::bad_parameter(name, message!("holds a NUL character")));
            }
        }
        let filter = Filter {
            state: status.0.map(JobState::from),
            model: model.0.clone(),
            task: task.0.clone(),
            created_after: created_after.0.map(|t| t.0),
            created_before: created_before.0.map(|t| t.0),
            before,
            // One more than asked for tells whether there is another page.
            limit: limit.0 + 1,
        };
        let mut jobs = jobs::list(&app.db, principal.user, &filter).await?;
        let more = jobs.len() as u64 > limit.0;
        jobs.truncate(usize::try_from(limit.0).unwrap_or(usize::MAX));
        let next_cursor = jobs.last().filter(|_| more).map(|job| job.id.to_string());
        let mut data = Vec::with_capacity(jobs.len());
        for job in &jobs {
            data.push(present::brief(app, job, None).await?.in_locale(locale));
        }
        let list = JobList {
            object: "list".to_owned(),
            data,
            next_cursor,
        };
        Ok(Answer::json(StatusCode::OK, &list)?.language(locale))
    }

    /// Get a job
    ///
    /// The job with its input and, once it has succeeded, its output. Needs the scope `jobs:read`.
    #[oai(path = "/v1/jobs/:id", method = "get", operation_id = "getJob")]
    async fn get(
        &self,
        principal: Principal<JobsRead>,
        locale: Locale,
        /// The job's identifier.
        id: Path<String>,
    ) -> Result<Answer<OneJob>, ApiError> {
        let app = built(&self.0)?;
        let job = jobs::get(&app.db, principal.user, job_id(&id)?)
            .await?
            .ok_or_else(ApiError::no_such_job)?;
        let view = present::whole(app, &job).await?.in_locale(locale);
        Ok(Answer::json(StatusCode::OK, &view)?.language(locale))
    }

    /// Cancel a job
    ///
    /// A job that waits is canceled at once (200). A job that runs is asked to stop (202) and ends as
    /// `canceled` shortly after, unless it ends by itself before. Canceling again is no fault.
    /// Needs the scope `jobs:write`.
    #[oai(path = "/v1/jobs/:id/cancel", method = "post", operation_id = "cancelJob")]
    async fn cancel(
        &self,
        principal: Principal<JobsWrite>,
        locale: Locale,
        /// The job's identifier.
        id: Path<String>,
    ) -> Result<Answer<Canceled>, ApiError> {
        let app = built(&self.0)?;
        let (status, job) = match jobs::cancel(&app.db, principal.user, job_id(&id)?).await? {
            Cancel::NotFound => return Err(ApiError::no_such_job()),
            Cancel::Finished(job) if job.state != JobState::Canceled => {
                let detail = message!(
                    "The job has ended already; it is {state}.",
                    state = in_words(job.state)
                );
                return Err(ApiError::new(ErrorCode::JobFinished, detail));
            }
            Cancel::Canceled(job) | Cancel::Finished(job) => (StatusCode::OK, job),
            Cancel::Requested(job) => (StatusCode::ACCEPTED, job),
        };
        // Committed; now those who hold or watch the job hear of it. Both also look by themselves.
        app.doorbell.ring_cancel(job.id).await;
        app.events.publish(job.id, vec![JobEvent::Changed]).await;
        let view = present::whole(app, &job).await?.in_locale(locale);
        Ok(Answer::json(status, &view)?.language(locale))
    }

    /// Repeat a job
    ///
    /// Makes a new job with the input, metadata, priority and timeouts of one that has ended; the new job
    /// names it in `retry_of`. Takes the same headers as submitting. Needs the scope `jobs:write`.
    #[oai(path = "/v1/jobs/:id/retry", method = "post", operation_id = "retryJob")]
    async fn retry(
        &self,
        principal: Principal<Repeating>,
        request: &Request,
        locale: Locale,
        /// The identifier of the job to repeat.
        id: Path<String>,
        /// As for submitting.
        #[oai(name = "Idempotency-Key")]
        _key: Header<Option<String>>,
        /// As for submitting.
        #[oai(name = "Prefer")]
        _prefer: Header<Option<String>>,
    ) -> Result<Answer<Submitted>, ApiError> {
        let app = built(&self.0)?;
        let id = job_id(&id)?;
        let form = submission::form(request.headers())?;
        let key = idempotency_key(request.headers())?;
        let idempotency = submit::idempotency(key, "retryJob", &Value::from(id.to_string()));
        let wanted = match submit::earlier(app, &principal, idempotency.as_ref()).await? {
            Some(job) => Wanted::Earlier(Box::new(job)),
            None => {
                let mut job = submit::repeat(app, &principal.client(), id).await?;
                guest::admit(app, &principal, &job.model).await?;
                job.idempotency = idempotency;
                job.trace = request.data::<Trace>().cloned();
                Wanted::New(Box::new(job))
            }
        };
        let asked = Asked {
            form,
            locale,
            prefer: Prefer::of(request.headers()),
            stream_owner: principal.stream_owner(),
            credential: principal.credential,
            space: None,
        };
        submission::answer(app, wanted, asked).await
    }

    /// Delete a job
    ///
    /// Removes a job that has ended, with its input and output. Needs the scope `jobs:write`.
    #[oai(path = "/v1/jobs/:id", method = "delete", operation_id = "deleteJob")]
    async fn delete(
        &self,
        principal: Principal<JobsWrite>,
        /// The job's identifier.
        id: Path<String>,
    ) -> Result<Answer<Deleted>, ApiError> {
        let app = built(&self.0)?;
        match jobs::delete(&app.db, principal.user, job_id(&id)?).await? {
            Delete::NotFound => Err(ApiError::no_such_job()),
            Delete::Active => {
                let detail = message!("The job has not ended; cancel it first.");
                Err(ApiError::new(ErrorCode::JobActive, detail))
            }
            Delete::Deleted => Ok(Answer::empty()),
        }
    }
}

fn page() -> u64 {
    PAGE
}

fn in_words(state: JobState) -> Message {
    match state {
        JobState::Queued => message!("queued"),
        JobState::Processing => message!("processing"),
        JobState::Succeeded => message!("succeeded"),
        JobState::Failed => message!("failed"),
        JobState::Canceled => message!("canceled"),
        JobState::Expired => message!("expired"),
    }
}

/// A page of jobs.
#[derive(Debug, Serialize, Object)]
struct JobList {
    /// Always `list`.
    object: String,
    /// The jobs, newest first.
    data: Vec<JobView>,
    /// Give it as `cursor` for the next page. Left out on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

macro_rules! documented {
    ($($(#[$doc:meta])* $name:ident<$($schema:ty),*> = $responses:expr;)*) => {$(
        $(#[$doc])*
        pub(super) struct $name;

        impl Documented for $name {
            fn responses() -> Vec<MetaResponse> {
                $responses
            }

            fn register(_registry: &mut Registry) {
                $(<$schema>::register(_registry);)*
            }
        }
    )*};
}
pub(super) use documented;

documented! {
    /// Of a list.
    Listed<JobList> = vec![answer::json::<JobList>(200, "A page of jobs.")];
    /// Of a job.
    OneJob<JobView> = vec![answer::json::<JobView>(200, "The job.")];
    /// Of a cancellation.
    Canceled<JobView> = vec![
        answer::json::<JobView>(200, "The job is canceled."),
        answer::json::<JobView>(202, "The job's worker is asked to stop it."),
    ];
    /// Of a deletion.
    Deleted<> = vec![answer::bare(204, "The job is gone.")];
}

/// What these operations may fail with, beside what follows from the way of a request to them.
pub(super) const FAILURES: &[Failures] = &[
    (
        "createJob",
        &[
            ErrorCode::NotAcceptable,
            ErrorCode::IdempotencyInFlight,
            ErrorCode::UnknownModel,
            ErrorCode::IdempotencyKeyReused,
            ErrorCode::TooManyStreams,
            ErrorCode::ModelNotAllowed,
            ErrorCode::PriorityNotAllowed,
            ErrorCode::QuotaExceeded,
            ErrorCode::QueueFull,
            ErrorCode::ModelUnavailable,
        ],
    ),
    ("listJobs", &[ErrorCode::MalformedRequest]),
    ("getJob", &[ErrorCode::NotFound]),
    ("cancelJob", &[ErrorCode::NotFound, ErrorCode::JobFinished]),
    (
        "retryJob",
        &[
            ErrorCode::MalformedRequest,
            ErrorCode::NotFound,
            ErrorCode::NotAcceptable,
            ErrorCode::JobActive,
            ErrorCode::IdempotencyInFlight,
            ErrorCode::DataRemoved,
            ErrorCode::ValidationFailed,
            ErrorCode::UnknownModel,
            ErrorCode::IdempotencyKeyReused,
            ErrorCode::TooManyStreams,
            ErrorCode::ModelNotAllowed,
            ErrorCode::PriorityNotAllowed,
            ErrorCode::QuotaExceeded,
            ErrorCode::QueueFull,
            ErrorCode::ModelUnavailable,
        ],
    ),
    ("deleteJob", &[ErrorCode::NotFound, ErrorCode::JobActive]),
];
