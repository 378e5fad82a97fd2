//! How a submission is answered: at once, after a wait, or as an event stream.

use std::sync::Arc;

use lamplighter_shared::{db::jobs, error::ErrorCode, event::EventId, job::Job};
use poem::http::{HeaderMap, HeaderName, StatusCode, header};
use poem_openapi::{
    registry::{MetaResponse, Registry},
    types::Type,
};

use super::{events, jobs::documented};
use crate::{
    answer::{self, Answer, Documented},
    auth::principal::Credential,
    body_room::Space,
    error::ApiError,
    event_stream::Start,
    job_view::JobView,
    locale::Locale,
    message::message,
    preferences::{Form, Prefer, accepted},
    present,
    state::App,
    submit::{Submission, Wanted},
    wait::{self, Watch},
};

const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// How the client wants its answer.
pub(super) struct Asked {
    /// As what.
    pub form: Form,
    /// In which language.
    pub locale: Locale,
    /// When.
    pub prefer: Prefer,
    /// Among whose streams one counts.
    pub stream_owner: String,
    /// With which proof; a stream goes on asking whether it is good.
    pub credential: Credential,
    /// The room of the body, until its job is stored.
    pub space: Option<Space>,
}

/// The form of answer that the client takes.
///
/// # Errors
/// 406 where it takes none that we have.
pub(super) fn form(headers: &HeaderMap) -> Result<Form, ApiError> {
    let detail = message!("The answer is application/json or text/event-stream.");
    accepted(headers, &[Form::Json, Form::EventStream])
        .ok_or_else(|| ApiError::new(ErrorCode::NotAcceptable, detail))
}

/// Stores a job and answers as the client prefers.
///
/// # Errors
/// As [`submit::submit`](crate::submit::submit); 429 where the owner has too many streams, before anything is stored.
pub(super) async fn answer(
    app: &Arc<App>,
    wanted: Wanted,
    asked: Asked,
) -> Result<Answer<Submitted>, ApiError> {
    if asked.form == Form::Json {
        return submit_and_wait(app, wanted, asked).await;
    }
    let slot = events::slot(app, asked.stream_owner)?;
    let Submission { job, replayed, .. } = wanted.stored(app).await?;
    drop(asked.space);
    let location = location(&job);
    let start = Start {
        job,
        locale: asked.locale,
        after: EventId::default(),
        credential: asked.credential,
        slot,
    };
    let answer = Answer::of(events::stream(app, start).await?)
        .language(asked.locale)
        .header(header::LOCATION, &location);
    Ok(marked(answer, replayed))
}

async fn submit_and_wait(
    app: &Arc<App>,
    wanted: Wanted,
    Asked {
        locale,
        prefer,
        space,
        ..
    }: Asked,
) -> Result<Answer<Submitted>, ApiError> {
    let id = wanted.id();
    // Before the job exists, so that not even the fastest end is missed.
    let mut watch = match prefer.wait() {
        Some(limit) => Some((Watch::start(app, id).await, limit)),
        None => None,
    };
    let Submission {
        mut job,
        input,
        replayed,
    } = wanted.stored(app).await?;
    drop(space);
    if let (Some(watch), true) = (&mut watch, replayed) {
        watch.0 = Watch::start(app, job.id).await;
        job = jobs::get(&app.db, job.owner, job.id).await?.unwrap_or(job);
    }
    let waited = watch.is_some();
    if let Some((watch, limit)) = watch {
        job = wait::until_terminal(app, job, watch, limit).await;
    }
    let done = waited && job.state.is_terminal();
    let view = if replayed || job.state.is_terminal() {
        present::whole(app, &job).await?
    } else {
        present::fresh(app, &job, input).await?
    };
    let view = view.in_locale(locale);
    let status = if done {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    let mut answer = Answer::json(status, &view)?
        .language(locale)
        .header(header::LOCATION, &location(&job));
    if !done {
        answer = answer.header(header::RETRY_AFTER, "1");
    }
    if let Some(applied) = prefer.applied() {
        answer = answer.header(PREFERENCE_APPLIED, &applied);
    }
    Ok(marked(answer, replayed))
}

fn marked(answer: Answer<Submitted>, replayed: bool) -> Answer<Submitted> {
    if replayed {
        answer.header(IDEMPOTENT_REPLAYED, "true")
    } else {
        answer
    }
}

fn location(job: &Job) -> String {
    format!("/v1/jobs/{}", job.id)
}

documented! {
    /// Of a submission.
    Submitted<JobView> = {
        let headers = || vec![
            answer::header("Location", "The job's address."),
            answer::header("Preference-Applied", "The preference that was followed."),
            answer::header("Idempotent-Replayed", "`true` where an earlier request with the same key made the job."),
        ];
        let mut done = answer::json::<JobView>(200, "The job has ended within the wait; or its event stream.");
        done.content.push(answer::event_stream());
        done.headers = headers();
        let mut accepted = answer::json::<JobView>(202, "The job is stored; it will run.");
        accepted.headers = headers();
        accepted.headers.push(answer::header("Retry-After", "Seconds until it is worth asking again."));
        vec![done, accepted]
    };
}
