//! `/v1/usage`: what was used, as series for charts, and how much of the limits is left.

use std::sync::Arc;

use lamplighter_shared::{
    clock::UnixMillis,
    db::{
        shares,
        usage::{self, Counts, Grain, Group, Point, Query},
    },
    error::ErrorCode,
    id::TokenId,
};
use poem::http::StatusCode;
use poem_openapi::{
    Enum, Object, OpenApi,
    param::Query as Parameter,
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
    auth::{principal::Principal, scope::AccountRead},
    error::ApiError,
    message::message,
    openapi::Failures,
    state::App,
    timestamp::Timestamp,
};

/// Most steps of a series.
const STEPS: i64 = 1000;

/// The operation on usage.
pub(crate) struct UsageRoutes(pub(super) Option<Arc<App>>);

#[OpenApi(tag = "Tag::Usage")]
impl UsageRoutes {
    /// Get usage
    ///
    /// How much of your limits is used now, and what you used, as a series: one point for each hour or day in
    /// which jobs ended. Hours are kept for 35 days, days for 400. Needs the scope `account:read`.
    #[oai(path = "/v1/usage", method = "get", operation_id = "getUsage")]
    #[expect(
        clippy::too_many_arguments,
        reason = "each filter is a parameter of its own in the document"
    )]
    async fn get(
        &self,
        principal: Principal<AccountRead>,
        /// Where the series begins (RFC 3339). By default a day ago, or 30 days ago with `grain=day`.
        from: Parameter<Option<Timestamp>>,
        /// Where the series ends (RFC 3339). By default now.
        to: Parameter<Option<Timestamp>>,
        /// The length of a step. By default `hour`.
        grain: Parameter<Option<UsageGrain>>,
        /// Only jobs of this model.
        model: Parameter<Option<String>>,
        /// Only jobs that were submitted with this token.
        token: Parameter<Option<String>>,
        /// A point for each model, or for each token.
        group_by: Parameter<Option<UsageGroup>>,
    ) -> Result<Answer<One>, ApiError> {
        let app = built(&self.0)?;
        let token = token.0.map(|text| text.parse::<TokenId>()).transpose();
        let token =
            token.map_err(|_| ApiError::bad_parameter("token", message!("is not a token's identifier")))?;
        if model.0.as_ref().is_some_and(|model| model.contains('\0')) {
            return Err(ApiError::bad_parameter(
                "model",
                message!("holds a NUL character"),
            ));
        }
        let grain = grain.0.unwrap_or(UsageGrain::Hour);
        let (from, to) = span(app, grain, from.0, to.0).await?;
        let query = Query {
            from,
            to,
            grain: grain.into(),
            model: model.0,
            token,
            group: group_by.0.map_or(Group::Nothing, Group::from),
        };
        let points = usage::series(&app.db, principal.user, &query).await?;
        let glance = shares::glance(&app.db, &principal.share.key).await?;
        let plan = &principal.share.plan;
        let this_hour = Allowance::of(glance.standing.hour_used, plan.jobs_per_hour);
        let sum = |sum: Counts, point: &Point| sum.and(point.counts);
        let view = UsageView {
            object: "usage".to_owned(),
            plan: principal.share.plan_name,
            used_this_hour: this_hour.used,
            limit: this_hour.limit,
            remaining: this_hour.remaining,
            this_hour,
            today: Allowance::of(glance.standing.day_used, plan.jobs_per_day),
            waiting: Allowance::of(glance.waiting, plan.waiting),
            running: Allowance {
                remaining: None,
                ..Allowance::of(glance.running, plan.running)
            },
            from: Timestamp(from),
            to: Timestamp(to),
            grain,
            totals: points.iter().fold(Counts::default(), sum).into(),
            data: points.into_iter().map(UsagePoint::from).collect(),
        };
        Answer::json(StatusCode::OK, &view)
    }
}

/// From when to when, on whole steps at the beginning.
async fn span(
    app: &App,
    grain: UsageGrain,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
) -> Result<(UnixMillis, UnixMillis), ApiError> {
    let step = Grain::from(grain).ms();
    let to = match to {
        Some(to) => to.0,
        None => app.db.now().await? + 1,
    };
    let usual = match grain {
        UsageGrain::Hour => 23,
        UsageGrain::Day => 29,
    };
    let from = from.map_or(to - 1 - usual * step, |from| from.0);
    let from = from.div_euclid(step) * step;
    if from > to {
        return Err(ApiError::bad_parameter("from", message!("is later than `to`")));
    }
    if (to - from) / step > STEPS {
        return Err(ApiError::bad_parameter(
            "from",
            message!(
                "is more than {steps} steps before `to`",
                steps = STEPS.to_string()
            ),
        ));
    }
    Ok((from, to))
}

/// The length of a step.
#[derive(Debug, Clone, Copy, Serialize, Enum)]
#[serde(rename_all = "snake_case")]
#[oai(rename_all = "snake_case", remote = "Grain")]
enum UsageGrain {
    /// One hour.
    Hour,
    /// One day (UTC).
    Day,
}

/// What points are told apart by.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
enum UsageGroup {
    /// The model.
    Model,
    /// The token.
    Token,
}

impl From<UsageGroup> for Group {
    fn from(group: UsageGroup) -> Self {
        match group {
            UsageGroup::Model => Self::Model,
            UsageGroup::Token => Self::Token,
        }
    }
}

/// What was used, and what is left.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Usage")]
struct UsageView {
    /// Always `usage`.
    object: String,
    /// The name of the plan.
    plan: String,
    /// Jobs submitted in this hour.
    used_this_hour: u64,
    /// Jobs that may be submitted in one hour. Left out where there is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u64>,
    /// Jobs that may still be submitted in this hour. Left out where there is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    remaining: Option<u64>,
    /// The same of this hour.
    this_hour: Allowance,
    /// Jobs submitted today (UTC).
    today: Allowance,
    /// Jobs that wait now.
    waiting: Allowance,
    /// Jobs that run now, over all models; the limit holds for each model.
    running: Allowance,
    /// Where the series begins.
    from: Timestamp,
    /// Where the series ends.
    to: Timestamp,
    /// The length of a step.
    grain: UsageGrain,
    /// The sum of the series.
    totals: UsageCounts,
    /// The series, oldest first. Steps in which no job ended are left out.
    data: Vec<UsagePoint>,
}

/// How much of a limit is used.
#[derive(Debug, Clone, Copy, Serialize, Object)]
struct Allowance {
    /// How much is used.
    used: u64,
    /// How much there is. Left out where there is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u64>,
    /// How much is left. Left out where there is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    remaining: Option<u64>,
}

impl Allowance {
    fn of(used: u64, limit: u32) -> Self {
        let limit = Some(u64::from(limit)).filter(|limit| *limit > 0);
        Self {
            used,
            limit,
            remaining: limit.map(|limit| limit.saturating_sub(used)),
        }
    }
}

/// How much was used.
#[derive(Debug, Serialize, Object)]
pub(crate) struct UsageCounts {
    /// Jobs that ran and ended.
    requests: i64,
    /// Of these, those that succeeded.
    succeeded: i64,
    /// Of these, those that failed.
    failed: i64,
    /// Units of the model's task, of jobs that succeeded: texts, for example.
    units: i64,
    /// Tokens that the models read.
    tokens: i64,
    /// Time in the models; of a batch each job's part.
    compute_ms: f64,
}

impl From<Counts> for UsageCounts {
    fn from(counts: Counts) -> Self {
        Self {
            requests: counts.requests,
            succeeded: counts.succeeded,
            failed: counts.failed,
            units: counts.units,
            tokens: counts.tokens,
            compute_ms: counts.compute_us as f64 / 1000.0,
        }
    }
}

/// What was used in one step.
#[derive(Debug, Serialize, Object)]
pub(crate) struct UsagePoint {
    /// When the step begins.
    starts_at: Timestamp,
    /// The model, with `group_by=model`.
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    /// The token, with `group_by=token`. Left out for what was done while logged in.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    /// What was used.
    used: UsageCounts,
}

impl From<Point> for UsagePoint {
    fn from(point: Point) -> Self {
        Self {
            starts_at: Timestamp(point.starts_at),
            model: point.model,
            token: point.token.map(|token| token.to_string()),
            used: point.counts.into(),
        }
    }
}

documented! {
    /// Of what was used.
    One<UsageView> = vec![answer::json::<UsageView>(200, "What was used, and what is left.")];
}

/// What these operations may fail with, beside what follows from the way of a request to them.
pub(super) const FAILURES: &[Failures] = &[("getUsage", &[ErrorCode::MalformedRequest])];
