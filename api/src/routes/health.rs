//! `/healthz` and `/readyz`: for whoever watches the process. Open to everybody, and silent on details.

use std::sync::Arc;

use lamplighter_shared::telemetry::probes::Standing;
use poem::http::{StatusCode, header};
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
    /// 200 when the database answers and its schema is up to date; models may still be on their way, their
    /// jobs wait. 503 when not, and while the process stops. Redis only carries hints: without it the answer
    /// stays 200.
    #[oai(path = "/readyz", method = "get", operation_id = "getReadiness")]
    async fn ready(&self) -> Result<Answer<Ready>, ApiError> {
        let app = built(&self.0)?;
        let (database, redis) = tokio::join!(app.probes.database(), app.probes.redis());
        let status = match (app.stop.is_cancelled(), database) {
            (true, _) => "stopping",
            (false, Standing::Ok) => "ready",
            (false, _) => "unavailable",
        };
        let readiness = Readiness {
            status: status.to_owned(),
            checks: ReadinessChecks {
                database: database.as_str().to_owned(),
                redis: redis.as_str().to_owned(),
            },
        };
        if status == "ready" {
            Answer::json(StatusCode::OK, &readiness)
        } else {
            let answer = Answer::json(StatusCode::SERVICE_UNAVAILABLE, &readiness)?;
            Ok(answer.header(header::RETRY_AFTER, "2"))
        }
    }
}

/// How the process is.
#[derive(Debug, Serialize, Object)]
struct Health {
    /// `ok`.
    status: String,
}

/// Whether the process can do its work.
#[derive(Debug, Serialize, Object)]
struct Readiness {
    /// `ready`, `unavailable` or `stopping`.
    status: String,
    /// What it depends on.
    checks: ReadinessChecks,
}

/// What a process depends on.
#[derive(Debug, Serialize, Object)]
struct ReadinessChecks {
    /// `ok`, `unavailable`, or `outdated`: it lacks changes of the schema.
    database: String,
    /// `ok`, `unavailable` or `not_configured`.
    redis: String,
}

documented! {
    /// Of the one that asks for no more than a sign of life.
    Healthy<Health> = vec![answer::json::<Health>(200, "All is well.")];
}

documented! {
    /// Of the other.
    Ready<Readiness> = {
        let mut not_ready = answer::json::<Readiness>(503, "Not now; the checks say why.");
        not_ready.headers = vec![answer::header("Retry-After", "Seconds until it is worth asking again.")];
        vec![answer::json::<Readiness>(200, "Jobs are accepted."), not_ready]
    };
}
