//! Reads what a view of a job needs beyond its row: payload, place in the queue, progress.

use lamplighter_shared::{
    db::jobs::{self, Payload},
    event::{EventId, JobEvent, Progress},
    job::{Job, JobState},
};

use crate::{
    error::ApiError,
    job_view::{Extras, JobView},
    state::App,
};

/// Everything about a job.
///
/// # Errors
/// Where the database fails.
pub async fn whole(app: &App, job: &Job) -> Result<JobView, ApiError> {
    let payload = jobs::payload(&app.db, job.owner, job.id).await?;
    let progress = if job.state == JobState::Processing {
        latest_progress(app, job).await
    } else {
        None
    };
    JobView::new(
        job,
        Extras {
            payload,
            progress,
            ..waiting(app, job).await?
        },
    )
}

/// A job that was just stored with this input (none: one too long to be shown): nothing of it needs to be read back. It is acknowledged
/// even where the database went away right after, and its place is not known.
///
/// # Errors
/// Where a part of it is no JSON.
pub async fn fresh(app: &App, job: &Job, input: Option<String>) -> Result<JobView, ApiError> {
    let payload = Some(Payload { input, output: None });
    let waiting = waiting(app, job).await.unwrap_or_else(|_| Extras {
        kept: app.config.retention.data(),
        ..Extras::default()
    });
    JobView::new(job, Extras { payload, ..waiting })
}

/// A job without input and output.
///
/// # Errors
/// Where the database fails.
pub async fn brief(app: &App, job: &Job, progress: Option<Progress>) -> Result<JobView, ApiError> {
    JobView::new(
        job,
        Extras {
            progress,
            ..waiting(app, job).await?
        },
    )
}

async fn waiting(app: &App, job: &Job) -> Result<Extras, ApiError> {
    let queued = job.state == JobState::Queued;
    let queue = if queued {
        Some(app.positions.of(job).await?)
    } else {
        None
    };
    Ok(Extras {
        queue,
        kept: app.config.retention.data(),
        ..Extras::default()
    })
}

/// How far the run was last seen; events are hints, so there may be none.
async fn latest_progress(app: &App, job: &Job) -> Option<Progress> {
    let kept = app
        .events
        .subscribe(
            job.id,
            EventId {
                epoch: job.epoch,
                seq: 0,
            },
        )
        .await
        .replay;
    kept.into_iter().rev().find_map(|event| match event {
        JobEvent::Progress { id, progress } if id.epoch == job.epoch => Some(progress),
        _ => None,
    })
}
