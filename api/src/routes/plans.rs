//! `/v1/plans`: how much each plan allows, and how an admin changes that.

use std::sync::{Arc, LazyLock};

use lamplighter_shared::{
    db::plans,
    error::ErrorCode,
    job::Priority,
    plan::{Plan, PlanChanges},
};
use poem::http::StatusCode;
use poem_openapi::{
    Object, OpenApi,
    param::Path,
    registry::{MetaResponse, Registry},
    types::Type,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

use super::{
    Tag,
    jobs::{built, documented},
};
use crate::{
    answer::{self, Answer, Documented},
    auth::{
        principal::Principal,
        scope::{Admin, Anybody},
    },
    clearable::Clearable,
    create_job::JobPriority,
    error::ApiError,
    json_body::JsonBody,
    message::message,
    openapi::Failures,
    running_caps,
    schema::Schema,
    state::App,
};

/// The operations on plans.
pub(crate) struct PlanRoutes(pub(super) Option<Arc<App>>);

#[OpenApi(tag = "Tag::Usage")]
impl PlanRoutes {
    /// List plans
    ///
    /// What each plan allows, by name. Needs any token or session.
    #[oai(path = "/v1/plans", method = "get", operation_id = "listPlans")]
    async fn list(&self, _principal: Principal<Anybody>) -> Result<Answer<Listed>, ApiError> {
        let app = built(&self.0)?;
        let mut data = Vec::new();
        for name in app.plans.names() {
            if let Some((plan, changes)) = app.plans.find(name).await {
                data.push(PlanView::of(name, plan, &changes)?);
            }
        }
        let list = PlanList {
            object: "list".to_owned(),
            data,
        };
        Answer::json(StatusCode::OK, &list)
    }

    /// Get a plan
    ///
    /// What one plan allows. Needs any token or session.
    #[oai(path = "/v1/plans/:name", method = "get", operation_id = "getPlan")]
    async fn get(
        &self,
        _principal: Principal<Anybody>,
        /// The plan's name.
        name: Path<String>,
    ) -> Result<Answer<One>, ApiError> {
        let app = built(&self.0)?;
        answer(app, &name).await
    }

    /// Change a plan
    ///
    /// Fields that are given count from now on, here at once and everywhere within five seconds; `null` takes
    /// a field back to what the settings say. Needs the scope `admin`.
    #[oai(path = "/v1/plans/:name", method = "patch", operation_id = "updatePlan")]
    async fn update(
        &self,
        principal: Principal<Admin>,
        /// The plan's name.
        name: Path<String>,
        body: JsonBody<UpdatePlan>,
    ) -> Result<Answer<One>, ApiError> {
        let app = built(&self.0)?;
        app.plans.find(&name).await.ok_or_else(no_such_plan)?;
        // Read, although the fields go on as they came: what the types don't take (5.0 for an integer) the
        // database's side could not read back.
        let _: UpdatePlan = BODY.read(&body.value)?;
        let empty = Map::new();
        let fields = body.value.as_object().unwrap_or(&empty);
        let changes = plans::change(&app.db, &name, fields, &principal.origin).await?;
        app.plans.changed(&name, changes);
        running_caps::renew(app).await?;
        answer(app, &name).await
    }
}

/// The schema that judges the body of a change.
static BODY: LazyLock<Schema> = LazyLock::new(|| {
    let number =
        |least: u32| json!({"type": ["integer", "null"], "minimum": least, "maximum": 1_000_000_000});
    let priorities = json!({
        "type": ["array", "null"], "minItems": 1, "uniqueItems": true,
        "items": {"enum": Priority::ALL.map(Priority::as_str)},
    });
    let schema = json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "requests_per_minute": number(0),
            "burst": number(0),
            "jobs_per_hour": number(0),
            "jobs_per_day": number(0),
            "waiting": number(0),
            "running": number(0),
            "weight": {"type": ["integer", "null"], "minimum": 1, "maximum": 1000},
            "priorities": priorities,
        }
    });
    Schema::new(&schema).expect("schemas of ours compile: a test changes a plan")
});

fn no_such_plan() -> ApiError {
    ApiError::new(ErrorCode::NotFound, message!("There is no such plan."))
}

async fn answer(app: &App, name: &str) -> Result<Answer<One>, ApiError> {
    let (plan, changes) = app.plans.find(name).await.ok_or_else(no_such_plan)?;
    Answer::json(StatusCode::OK, &PlanView::of(name, plan, &changes)?)
}

/// What a plan allows. 0 of a number: no limit.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Plan")]
struct PlanView {
    /// Its name.
    name: String,
    /// Always `plan`.
    object: String,
    /// Requests a minute, spread evenly.
    requests_per_minute: u32,
    /// Requests at once after a rest; 0: those of one minute.
    burst: u32,
    /// Jobs submitted in one hour of the clock.
    jobs_per_hour: u32,
    /// Jobs submitted in one day (UTC).
    jobs_per_day: u32,
    /// Jobs waiting at once, over all models.
    waiting: u32,
    /// Jobs running at once on one model.
    running: u32,
    /// Share of a busy model beside others.
    weight: u32,
    /// Priorities that jobs may have.
    priorities: Vec<JobPriority>,
    /// The fields that an admin changed from what the settings say.
    changed: Vec<String>,
}

/// What is to change of a plan. Fields that are not given stay; `null` takes one back.
#[derive(Debug, Default, Deserialize, Object)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct UpdatePlan {
    /// Requests a minute; 0: no limit.
    requests_per_minute: Clearable<u32>,
    /// Requests at once after a rest; 0: those of one minute.
    burst: Clearable<u32>,
    /// Jobs submitted in one hour of the clock; 0: no limit.
    jobs_per_hour: Clearable<u32>,
    /// Jobs submitted in one day (UTC); 0: no limit.
    jobs_per_day: Clearable<u32>,
    /// Jobs waiting at once; 0: no limit.
    waiting: Clearable<u32>,
    /// Jobs running at once on one model; 0: no limit.
    running: Clearable<u32>,
    /// Share of a busy model beside others, 1 to 1000.
    weight: Clearable<u32>,
    /// Priorities that jobs may have.
    priorities: Clearable<Vec<JobPriority>>,
}

/// The plans.
#[derive(Debug, Serialize, Object)]
struct PlanList {
    /// Always `list`.
    object: String,
    /// The plans, by name.
    data: Vec<PlanView>,
}

impl PlanView {
    fn of(name: &str, plan: Plan, changes: &PlanChanges) -> Result<Self, ApiError> {
        let changed = serde_json::to_value(changes).map_err(ApiError::internal)?;
        let changed = changed.as_object().into_iter().flat_map(Map::keys);
        Ok(Self {
            name: name.to_owned(),
            object: "plan".to_owned(),
            requests_per_minute: plan.requests_per_minute,
            burst: plan.burst,
            jobs_per_hour: plan.jobs_per_hour,
            jobs_per_day: plan.jobs_per_day,
            waiting: plan.waiting,
            running: plan.running,
            weight: plan.weight,
            priorities: plan.priorities.into_iter().map(JobPriority::from).collect(),
            changed: changed.cloned().collect(),
        })
    }
}

documented! {
    /// Of a list.
    Listed<PlanList> = vec![answer::json::<PlanList>(200, "The plans.")];
    /// Of a plan.
    One<PlanView> = vec![answer::json::<PlanView>(200, "The plan.")];
}

/// What these operations may fail with, beside what follows from the way of a request to them.
pub(super) const FAILURES: &[Failures] = &[
    ("getPlan", &[ErrorCode::NotFound]),
    ("updatePlan", &[ErrorCode::NotFound]),
];
