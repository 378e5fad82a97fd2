//! `/healthz` and `/readyz`: for whoever watches the process. Open to everybody, and silent on details.

use std::{sync::Arc, time::Duration};

use lamplighter_shared::error::ErrorCode;
use poem::http::{HeaderValue, StatusCode, header};
use poem_openapi::{
    Object, OpenApi,
    registry::{MetaResponse, Registry},
    types::Type,
};
use serde::Serialize;

use super::{
    Tag,
    jobs::{built, documented},
};
use crate::{
    answer::{self, Answer, Documented},
    error::ApiError,
    state::App,
};

/// How long the database may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(2);

/// The operations for watchers.
pub(crate) struct HealthRoutes(pub(super) Option<Arc<App>>);

#[OpenApi(tag = "Tag::Health")]
impl HealthRoutes {
    /// Whether the process lives
    ///
    /// 200 as long as the process answers at all.
    #[oai(path = "/healthz", method = "get", operation_id = "getHealth")]
    async fn health(&self) -> Result<Answer<Healthy>, ApiError> {
        Answer::json(
            StatusCode::OK,
            &Health {
                status: "ok".to_owned(),
            },
        )
    }

    /// Whether jobs are accepted
    ///
    /// 200 when the database answers; models may still be on their way, their jobs wait. 503 when it does
    /// not, and while the process stops.
    #[oai(path = "/readyz", method = "get", operation_id = "getReadiness")]
    async fn ready(&self) -> Result<Answer<Healthy>, ApiError> {
        let app = built(&self.0)?;
        let unavailable = |detail| {
            let error = ApiError::new(ErrorCode::Unavailable, detail);
            Err(error.header(header::RETRY_AFTER, HeaderValue::from_static("2")))
        };
        if app.stop.is_cancelled() {
            return unavailable("The process is stopping.");
        }
        match tokio::time::timeout(PATIENCE, app.db.ping()).await {
            Ok(Ok(())) => Answer::json(
                StatusCode::OK,
                &Health {
                    status: "ready".to_owned(),
                },
            ),
            _ => unavailable("The database does not answer."),
        }
    }
}

/// How the process is.
#[derive(Debug, Serialize, Object)]
struct Health {
    /// `ok` or `ready`.
    status: String,
}

documented! {
    /// Of both.
    Healthy<Health> = vec![answer::json::<Health>(200, "All is well.")];
}
