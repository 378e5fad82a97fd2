//! `/v1/workers`: the fleet, and what an admin asks of it.

use std::sync::Arc;

use lamplighter_shared::{
    db::{
        audit::Origin,
        workers::{self, Order, Worker},
    },
    error::ErrorCode,
    id::WorkerId,
};
use poem::http::StatusCode;
use poem_openapi::{
    Enum, Object, OpenApi,
    param::Path,
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
    locale::Locale,
    message::{self, message},
    openapi::Failures,
    state::App,
    timestamp::Timestamp,
};

/// The operations on workers.
pub(crate) struct WorkerRoutes(pub(super) Option<Arc<App>>);

#[OpenApi(tag = "Tag::Fleet")]
impl WorkerRoutes {
    /// List workers
    ///
    /// All workers, by name; one that was lost stays on the list for an hour. Needs the scope `admin`.
    #[oai(path = "/v1/workers", method = "get", operation_id = "listWorkers")]
    async fn list(&self, _principal: Principal<Admin>, locale: Locale) -> Result<Answer<Listed>, ApiError> {
        let app = built(&self.0)?;
        let workers = workers::list(&app.db).await?;
        let list = WorkerList {
            object: "list".to_owned(),
            data: workers
                .into_iter()
                .map(|worker| WorkerView::from(worker).in_locale(locale))
                .collect(),
        };
        Ok(Answer::json(StatusCode::OK, &list)?.language(locale))
    }

    /// Get a worker
    ///
    /// One worker with its models. Needs the scope `admin`.
    #[oai(path = "/v1/workers/:id", method = "get", operation_id = "getWorker")]
    async fn get(
        &self,
        _principal: Principal<Admin>,
        locale: Locale,
        /// The worker's identifier.
        id: Path<String>,
    ) -> Result<Answer<One>, ApiError> {
        let app = built(&self.0)?;
        answer(workers::get(&app.db, worker_id(&id)?).await?, locale)
    }

    /// Drain a worker
    ///
    /// The worker claims no more jobs, finishes those that run, and stays where it is: `draining`, then
    /// `drained`. It hears of it within 3 s. The order holds for its name, over restarts, until it is
    /// resumed. Needs the scope `admin`.
    #[oai(path = "/v1/workers/:id/drain", method = "post", operation_id = "drainWorker")]
    async fn drain(
        &self,
        principal: Principal<Admin>,
        locale: Locale,
        /// The worker's identifier.
        id: Path<String>,
    ) -> Result<Answer<One>, ApiError> {
        self.order(&principal.origin, (&id, Some(Order::Drain)), locale)
            .await
    }

    /// Put a worker into maintenance
    ///
    /// As draining, and then its models leave the memory: the device is free, and may be taken away. Needs
    /// the scope `admin`.
    #[oai(
        path = "/v1/workers/:id/maintenance",
        method = "post",
        operation_id = "maintainWorker"
    )]
    async fn maintenance(
        &self,
        principal: Principal<Admin>,
        locale: Locale,
        /// The worker's identifier.
        id: Path<String>,
    ) -> Result<Answer<One>, ApiError> {
        self.order(&principal.origin, (&id, Some(Order::Maintenance)), locale)
            .await
    }

    /// Resume a worker
    ///
    /// Takes an order to drain or of maintenance back: the worker claims jobs again. Needs the scope `admin`.
    #[oai(
        path = "/v1/workers/:id/resume",
        method = "post",
        operation_id = "resumeWorker"
    )]
    async fn resume(
        &self,
        principal: Principal<Admin>,
        locale: Locale,
        /// The worker's identifier.
        id: Path<String>,
    ) -> Result<Answer<One>, ApiError> {
        self.order(&principal.origin, (&id, None), locale).await
    }
}

impl WorkerRoutes {
    async fn order(
        &self,
        origin: &Origin,
        (id, order): (&str, Option<Order>),
        locale: Locale,
    ) -> Result<Answer<One>, ApiError> {
        let app = built(&self.0)?;
        answer(
            workers::order(&app.db, worker_id(id)?, order, origin).await?,
            locale,
        )
    }
}

/// What is no identifier names no worker.
fn worker_id(text: &str) -> Result<WorkerId, ApiError> {
    text.parse().map_err(|_| no_such_worker())
}

fn no_such_worker() -> ApiError {
    ApiError::new(ErrorCode::NotFound, message!("There is no such worker."))
}

fn answer(worker: Option<Worker>, locale: Locale) -> Result<Answer<One>, ApiError> {
    let worker = worker.ok_or_else(no_such_worker)?;
    let view = WorkerView::from(worker).in_locale(locale);
    Ok(Answer::json(StatusCode::OK, &view)?.language(locale))
}

/// A worker: one start of the process that runs models.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Worker")]
struct WorkerView {
    /// Identifies this start of it.
    id: String,
    /// Always `worker`.
    object: String,
    /// Its name; orders hold for the name.
    name: String,
    /// The machine.
    host: String,
    /// The program's version.
    version: String,
    /// What it does.
    state: WorkerState,
    /// What it computes on: `cpu`, `cuda:0`.
    device: String,
    /// The memory of its models.
    memory: WorkerMemory,
    /// Jobs in hand.
    in_flight: u32,
    /// Its models, by name.
    models: Vec<WorkerModel>,
    /// When it started.
    started_at: Timestamp,
    /// When it last reported.
    last_seen_at: Timestamp,
}

/// What a worker does.
#[derive(Debug, Clone, Copy, Serialize, Enum)]
#[serde(rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
enum WorkerState {
    /// It claims jobs.
    Active,
    /// It was asked to claim none, and still has some in hand (or has not heard yet).
    Draining,
    /// It has no job, and claims none.
    Drained,
    /// It has no job and no model in memory: its device is free.
    Maintenance,
    /// It was not seen for 15 s. Its jobs run elsewhere.
    Lost,
}

/// The memory of a worker's models.
#[derive(Debug, Serialize, Object)]
struct WorkerMemory {
    /// Bytes that they may take together.
    budget_bytes: u64,
    /// Bytes that those in memory take.
    used_bytes: u64,
}

/// A model on a worker.
#[derive(Debug, Serialize, Object)]
struct WorkerModel {
    /// The model's name.
    id: String,
    /// How far it is: `failed`, `fetching`, `unloaded` (loaded when a job waits), `loading`, `ready`.
    status: String,
    /// More about the status, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    status_detail: Option<String>,
    /// SHA-256 of the weights in use, hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    /// Bytes that are kept for it while it is in memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_bytes: Option<u64>,
}

/// The workers.
#[derive(Debug, Serialize, Object)]
struct WorkerList {
    /// Always `list`.
    object: String,
    /// The workers, by name.
    data: Vec<WorkerView>,
}

impl From<Worker> for WorkerView {
    fn from(worker: Worker) -> Self {
        let model = |(id, model): (String, workers::WorkerModel)| WorkerModel {
            id,
            status: model.status.as_str().to_owned(),
            status_detail: model.detail,
            version: model.digest.filter(|digest| !digest.is_empty()),
            memory_bytes: model.memory_bytes,
        };
        let mut models: Vec<WorkerModel> = worker.models.into_iter().map(model).collect();
        models.sort_by(|a, b| a.id.cmp(&b.id));
        Self {
            id: worker.id.to_string(),
            object: "worker".to_owned(),
            name: worker.name,
            host: worker.host,
            version: worker.version,
            state: match worker.state {
                workers::WorkerState::Active => WorkerState::Active,
                workers::WorkerState::Draining => WorkerState::Draining,
                workers::WorkerState::Drained => WorkerState::Drained,
                workers::WorkerState::Maintenance => WorkerState::Maintenance,
                workers::WorkerState::Lost => WorkerState::Lost,
            },
            device: worker.device,
            memory: WorkerMemory {
                budget_bytes: worker.memory_bytes,
                used_bytes: worker.memory_used_bytes,
            },
            in_flight: worker.in_flight,
            models,
            started_at: Timestamp(worker.started_at),
            last_seen_at: Timestamp(worker.last_seen_at),
        }
    }
}

impl WorkerView {
    /// The same with what is told to people in a language.
    fn in_locale(mut self, locale: Locale) -> Self {
        for detail in self
            .models
            .iter_mut()
            .filter_map(|model| model.status_detail.as_mut())
        {
            *detail = message::translate_stored(locale, detail);
        }
        self
    }
}

documented! {
    /// Of a list.
    Listed<WorkerList> = vec![answer::json::<WorkerList>(200, "The workers.")];
    /// Of a worker.
    One<WorkerView> = vec![answer::json::<WorkerView>(200, "The worker.")];
}

/// What these operations may fail with, beside what follows from the way of a request to them.
pub(super) const FAILURES: &[Failures] = &[
    ("getWorker", &[ErrorCode::NotFound]),
    ("drainWorker", &[ErrorCode::NotFound]),
    ("maintainWorker", &[ErrorCode::NotFound]),
    ("resumeWorker", &[ErrorCode::NotFound]),
];
