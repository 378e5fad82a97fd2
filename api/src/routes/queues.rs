//! `/v1/queues`: what waits for which model, how long, and how fast it is worked off.

use std::sync::Arc;

use lamplighter_shared::db::queues::{self, Queue};
use poem::http::StatusCode;
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
    auth::{principal::Principal, scope::Admin},
    error::ApiError,
    state::App,
};

/// The operations on queues.
pub(crate) struct QueueRoutes(pub(super) Option<Arc<App>>);

#[OpenApi(tag = "Tag::Fleet")]
impl QueueRoutes {
    /// List queues
    ///
    /// The queue of every model, by name, also of models that are not served any more while jobs wait for
    /// them. Needs the scope `admin`.
    #[oai(path = "/v1/queues", method = "get", operation_id = "listQueues")]
    async fn list(&self, _principal: Principal<Admin>) -> Result<Answer<Listed>, ApiError> {
        let app = built(&self.0)?;
        let queues = queues::queues(&app.db, app.catalog.0.keys().map(String::as_str)).await?;
        let list = QueueList {
            object: "list".to_owned(),
            data: queues.into_iter().map(QueueView::from).collect(),
        };
        Answer::json(StatusCode::OK, &list)
    }
}

/// The queue of one model.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Queue")]
struct QueueView {
    /// The model.
    model: String,
    /// Always `queue`.
    object: String,
    /// Jobs that wait.
    depth: u64,
    /// The same, by priority.
    depth_by_priority: QueueDepth,
    /// How long the oldest of them has waited. Left out where none waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest_seconds: Option<f64>,
    /// Jobs in the hands of workers.
    in_flight: u64,
    /// Jobs a second over the last minute. Left out where there is nothing to measure.
    #[serde(skip_serializing_if = "Option::is_none")]
    service_rate: Option<f64>,
    /// Live workers that serve the model.
    workers: u32,
    /// How long a job should wait that somebody submits now who has none waiting. Left out where it is not
    /// known.
    #[serde(skip_serializing_if = "Option::is_none")]
    eta_seconds: Option<f64>,
}

/// Waiting jobs by priority.
#[derive(Debug, Serialize, Object)]
struct QueueDepth {
    /// Of low priority.
    low: u64,
    /// Of normal priority.
    normal: u64,
    /// Of high priority.
    high: u64,
}

/// The queues.
#[derive(Debug, Serialize, Object)]
struct QueueList {
    /// Always `list`.
    object: String,
    /// The queues, by model.
    data: Vec<QueueView>,
}

impl From<Queue> for QueueView {
    fn from(queue: Queue) -> Self {
        Self {
            object: "queue".to_owned(),
            depth: queue.waiting.total(),
            depth_by_priority: QueueDepth {
                low: queue.waiting.low,
                normal: queue.waiting.normal,
                high: queue.waiting.high,
            },
            oldest_seconds: queue.oldest_seconds,
            in_flight: queue.in_flight,
            service_rate: queue.service_rate,
            workers: queue.state.map_or(0, |state| state.workers),
            eta_seconds: queue.eta_seconds,
            model: queue.model,
        }
    }
}

documented! {
    /// Of a list.
    Listed<QueueList> = vec![answer::json::<QueueList>(200, "The queues.")];
}
