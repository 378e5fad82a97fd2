//! Deleting one's own account: at once it can't be used, after the grace of the settings it is gone.

use std::time::Duration;

use lamplighter_shared::{
    clock::UnixMillis,
    db::{
        accounts::{self, Deletion},
        users::User,
    },
    error::ErrorCode,
    event::JobEvent,
    job::JobState,
    telemetry::metrics::JOBS,
};

use super::{Asker, forget_proofs, mail};
use crate::{error::ApiError, mail::Message, message::message, state::App};

/// Schedules the deletion of an account; when it will be gone. Its sessions and tokens end, its jobs are
/// cancelled.
///
/// # Errors
/// 409 for the last administrator.
pub(crate) async fn schedule(app: &App, user: &User, asker: &Asker<'_>) -> Result<UnixMillis, ApiError> {
    let days = app.config.accounts.deletion_grace_days;
    let left = days.ceil() as u32;
    let notice = mail(
        app,
        &user.email,
        asker.locale(user),
        Message::DeletionScheduled { days: left },
    )?;
    let grace = Duration::from_secs_f64(days * 86_400.0);
    let scheduled = accounts::schedule_deletion(&app.db, user.id, grace, (&notice, asker.origin)).await?;
    let Deletion::Scheduled(at) = scheduled else {
        let detail = message!("You are the last administrator; make somebody else one first.");
        return Err(ApiError::new(ErrorCode::Conflict, detail));
    };
    forget_proofs(app, user.id).await?;
    cancel_jobs(app, user).await?;
    Ok(at)
}

async fn cancel_jobs(app: &App, user: &User) -> Result<(), ApiError> {
    loop {
        let stopped = accounts::cancel_jobs(&app.db, user.id).await?;
        if stopped.is_empty() {
            return Ok(());
        }
        for (job, model, state) in stopped {
            app.events.publish(job, vec![JobEvent::Changed]).await;
            if state == JobState::Canceled {
                metrics::counter!(JOBS, "model" => model, "status" => state.as_str()).increment(1);
                app.events.close(job).await;
            } else {
                app.doorbell.ring_cancel(job).await;
            }
        }
    }
}
