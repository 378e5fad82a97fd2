//! `/v1/models`: what can be run here, what it takes, and whether it is ready.

use std::sync::{Arc, LazyLock};

use lamplighter_shared::{
    db::workers::{self, ModelState},
    error::ErrorCode,
    model_spec::ModelSpec,
    task::Task,
};
use poem::http::StatusCode;
use poem_openapi::{
    Enum, Object, OpenApi,
    param::Path,
    registry::{MetaResponse, Registry},
    types::Type,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Tag,
    jobs::{built, documented},
};
use crate::{
    answer::{self, Answer, Documented},
    auth::{
        principal::Principal,
        scope::{Admin, ModelsRead},
    },
    error::ApiError,
    free_form::FreeForm,
    json_body::JsonBody,
    locale::Locale,
    message::{self, message},
    openapi::Failures,
    schema::Schema,
    state::App,
};

/// The operations on models.
pub(crate) struct ModelRoutes(pub(super) Option<Arc<App>>);

#[OpenApi(tag = "Tag::Models")]
impl ModelRoutes {
    /// List models
    ///
    /// The models that can be run here, as far as the token allows them. Needs the scope `models:read`; without
    /// a token or login it lists the public ones, where there are any.
    #[oai(path = "/v1/models", method = "get", operation_id = "listModels")]
    async fn list(
        &self,
        principal: Principal<ModelsRead>,
        locale: Locale,
    ) -> Result<Answer<Listed>, ApiError> {
        let app = built(&self.0)?;
        let states = workers::model_states(&app.db).await?;
        let mut data = Vec::new();
        for spec in app.catalog.0.values().filter(|spec| principal.may_use(&spec.id)) {
            let off = app.switches.is_off(&spec.id).await;
            data.push(ModelView::new(spec, (states.get(&spec.id), off), locale));
        }
        let list = ModelList {
            object: "list".to_owned(),
            data,
        };
        Ok(Answer::json(StatusCode::OK, &list)?.language(locale))
    }

    /// Get a model
    ///
    /// One model with the JSON Schema of what it takes and gives. Needs the scope `models:read`.
    #[oai(path = "/v1/models/:id", method = "get", operation_id = "getModel")]
    async fn get(
        &self,
        principal: Principal<ModelsRead>,
        locale: Locale,
        /// The model's identifier.
        id: Path<String>,
    ) -> Result<Answer<One>, ApiError> {
        let app = built(&self.0)?;
        let spec = app.catalog.get(&id).filter(|spec| principal.may_use(&spec.id));
        answer(app, spec.ok_or_else(no_such_model)?, locale).await
    }

    /// Switch a model on or off
    ///
    /// A model that is switched off takes no new jobs (503, `model_unavailable`) within a second, and leaves the
    /// memory of every worker within some 3 s, once what runs has ended. Its waiting jobs wait, as long as their
    /// start timeouts let them; switched on again, they run. It holds over restarts. Needs the scope `admin`.
    #[oai(path = "/v1/models/:id", method = "patch", operation_id = "updateModel")]
    async fn update(
        &self,
        principal: Principal<Admin>,
        locale: Locale,
        /// The model's identifier.
        id: Path<String>,
        body: JsonBody<UpdateModel>,
    ) -> Result<Answer<One>, ApiError> {
        let app = built(&self.0)?;
        let change: UpdateModel = BODY.read(&body.value)?;
        let spec = app.catalog.get(&id).ok_or_else(no_such_model)?;
        app.switches
            .switch(&spec.id, change.enabled, &principal.origin)
            .await?;
        answer(app, spec, locale).await
    }
}

/// The schema that judges the body of a change.
static BODY: LazyLock<Schema> = LazyLock::new(|| {
    let schema = json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {"enabled": {"type": "boolean"}},
        "required": ["enabled"]
    });
    Schema::new(&schema).expect("schemas of ours compile: a test switches a model off")
});

fn no_such_model() -> ApiError {
    ApiError::new(ErrorCode::NotFound, message!("There is no such model."))
}

async fn answer(app: &App, spec: &ModelSpec, locale: Locale) -> Result<Answer<One>, ApiError> {
    let states = workers::model_states(&app.db).await?;
    let off = app.switches.is_off(&spec.id).await;
    let view = ModelView::new(spec, (states.get(&spec.id), off), locale);
    Ok(Answer::json(StatusCode::OK, &view)?.language(locale))
}

/// What is to change of a model.
#[derive(Debug, Deserialize, Object)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdateModel {
    /// Whether it is served.
    enabled: bool,
}

/// A model.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Model")]
struct ModelView {
    /// The name to submit jobs with.
    id: String,
    /// Always `model`.
    object: String,
    /// One sentence for people.
    description: String,
    /// What it does where a job does not say: the first of `tasks`.
    task: String,
    /// All it does.
    tasks: Vec<TaskView>,
    /// Whether a live worker serves it.
    status: ModelStatus,
    /// More about the status, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    status_detail: Option<String>,
    /// Live workers that have it.
    workers: u32,
    /// SHA-256 of the weights in use, hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    /// Number type of the weights.
    dtype: String,
    /// Licence of the weights (SPDX).
    license: String,
    /// Whether it may be tried without an account.
    public: bool,
    /// How much it takes.
    limits: ModelLimits,
    /// JSON Schema (2020-12) of the `input` of a job that names no task.
    input_schema: FreeForm,
    /// JSON Schema (2020-12) of such a job's `output`.
    output_schema: FreeForm,
    /// An input to try.
    example: FreeForm,
}

/// A task of a model.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "ModelTask")]
struct TaskView {
    /// The name for a job's `task`: `text-embedding`, `chat`.
    task: String,
    /// JSON Schema (2020-12) of a job's `input`.
    input_schema: FreeForm,
    /// JSON Schema (2020-12) of a job's `output`.
    output_schema: FreeForm,
    /// An input to try.
    example: FreeForm,
}

impl TaskView {
    fn new(task: Task, max_items: usize, locale: Locale) -> Self {
        let schema = |mut schema: Value| {
            message::translate_schema(locale, &mut schema);
            FreeForm::from(&schema)
        };
        Self {
            task: task.as_str().to_owned(),
            input_schema: schema(task.input_schema(max_items)),
            output_schema: schema(task.output_schema()),
            example: FreeForm::from(&task.example()),
        }
    }
}

/// Whether a model can run now. Jobs are accepted in every state but `disabled`; they wait.
#[derive(Debug, Clone, Copy, Serialize, Enum)]
#[serde(rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
enum ModelStatus {
    /// No live worker has it.
    Offline,
    /// Its files are being fetched.
    Fetching,
    /// It is not in memory; it is loaded when a job waits for it.
    Unloaded,
    /// It is being loaded and tried.
    Loading,
    /// It runs jobs.
    Ready,
    /// It could not be loaded.
    Failed,
    /// An administrator has switched it off.
    Disabled,
}

/// How much a model takes in one job and one batch.
#[derive(Debug, Serialize, Object)]
struct ModelLimits {
    /// Items (texts) in one job.
    max_job_items: usize,
    /// Jobs in one batch.
    max_batch_jobs: usize,
    /// Items in one batch.
    max_batch_items: usize,
    /// Tokens in one batch.
    max_batch_tokens: usize,
    /// Tokens of one item; longer texts are cut. Left out where the model's files decide.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_item_tokens: Option<usize>,
}

/// The models.
#[derive(Debug, Serialize, Object)]
struct ModelList {
    /// Always `list`.
    object: String,
    /// The models, by name.
    data: Vec<ModelView>,
}

impl ModelView {
    fn new(spec: &ModelSpec, (state, off): (Option<&ModelState>, bool), locale: Locale) -> Self {
        let status = match state.map(|s| s.status) {
            _ if off => ModelStatus::Disabled,
            Some("ready") => ModelStatus::Ready,
            Some("loading") => ModelStatus::Loading,
            Some("unloaded") => ModelStatus::Unloaded,
            Some("fetching") => ModelStatus::Fetching,
            Some("failed") => ModelStatus::Failed,
            _ => ModelStatus::Offline,
        };
        let (limits, task) = (&spec.limits, spec.default_task());
        let usual = TaskView::new(task, limits.max_job_items, locale);
        Self {
            id: spec.id.clone(),
            object: "model".to_owned(),
            description: message::translate(locale, &spec.description),
            task: task.as_str().to_owned(),
            tasks: spec
                .tasks
                .iter()
                .map(|task| TaskView::new(*task, limits.max_job_items, locale))
                .collect(),
            status,
            status_detail: state
                .and_then(|s| s.detail.as_deref())
                .map(|detail| message::translate_stored(locale, detail)),
            workers: state.map_or(0, |s| s.workers),
            version: state.and_then(|s| s.digest.clone()).filter(|d| !d.is_empty()),
            dtype: spec.dtype.clone(),
            license: spec.license.clone(),
            public: spec.public,
            limits: ModelLimits {
                max_job_items: limits.max_job_items,
                max_batch_jobs: limits.max_batch_jobs,
                max_batch_items: limits.max_batch_items,
                max_batch_tokens: limits.max_batch_tokens,
                max_item_tokens: limits.max_item_tokens,
            },
            input_schema: usual.input_schema,
            output_schema: usual.output_schema,
            example: usual.example,
        }
    }
}

documented! {
    /// Of a list.
    Listed<ModelList> = vec![answer::json::<ModelList>(200, "The models.")];
    /// Of a model.
    One<ModelView> = vec![answer::json::<ModelView>(200, "The model.")];
}

/// What these operations may fail with, beside what follows from the way of a request to them.
pub(super) const FAILURES: &[Failures] = &[
    ("getModel", &[ErrorCode::NotFound]),
    ("updateModel", &[ErrorCode::NotFound]),
];
