//! Gets a model's files before it is served, and says how far that is.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use lamplighter_shared::{db::workers::ModelStatus, model_spec::ModelSpec};
use tokio::{task::spawn_blocking, time::sleep};

use crate::{
    context::Context,
    convert,
    models::Files,
    weights::{self, PullProgress},
};

/// First and longest pause after files could not be had.
const PAUSES: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));
/// Progress is logged so often.
const LOG_EVERY: Duration = Duration::from_secs(2);

/// The model's files; tries until they are there. `None` when the worker stops first.
pub async fn files(context: &Context, spec: &ModelSpec) -> Option<Files> {
    let mut pause = PAUSES.0;
    loop {
        let pull = spawn_blocking({
            let (spec, board) = (spec.clone(), context.board.clone());
            let (models_dir, program) = (context.config.models_dir(), context.program.clone());
            move || {
                let logged = Mutex::new(None::<Instant>);
                let dir = weights::ensure(&spec, &models_dir, &|progress: &PullProgress| {
                    let detail = describe(progress);
                    let mut logged = logged.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    if logged.is_none_or(|at| at.elapsed() > LOG_EVERY) {
                        *logged = Some(Instant::now());
                        tracing::info!(model = spec.id, "fetching {detail}");
                    }
                    board.set(&spec.id, ModelStatus::Fetching, Some(detail), None);
                })
                .map_err(|error| error.to_string())?;
                let spec = weights::with_recorded(&spec, &models_dir);
                convert::files(&spec, &dir, &models_dir, &program).map_err(|error| error.detail)
            }
        });
        let result = tokio::select! {
            result = pull => result,
            // A half-fetched model is in a folder of its own and is fetched again.
            () = context.lifecycle.soft.cancelled() => return None,
        };
        match result {
            Ok(Ok(files)) => return Some(files),
            Ok(Err(error)) => {
                tracing::error!(model = spec.id, %error, "the model's files can't be had; trying again");
                context
                    .board
                    .set(&spec.id, ModelStatus::Failed, Some(error), None);
            }
            Err(error) => tracing::error!(model = spec.id, %error, "fetching the model's files broke off"),
        }
        tokio::select! {
            () = sleep(pause) => pause = (pause * 2).min(PAUSES.1),
            () = context.lifecycle.soft.cancelled() => return None,
        }
    }
}

fn describe(progress: &PullProgress) -> String {
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    if progress.total == 0 {
        return progress.file.clone();
    }
    format!(
        "{}: {:.0} of {:.0} MiB",
        progress.file,
        mib(progress.done),
        mib(progress.total)
    )
}
