//! `/v1/users/{id}/tokens`: what programs of a user may do, for administrators.

use std::sync::{Arc, LazyLock};

use lamplighter_shared::{
    db::{
        user_tokens::{self, Grant},
        users::{self, proofs_of},
    },
    error::ErrorCode,
    id::TokenId,
    job::Priority,
    plan::PlanChanges,
};
use poem::http::StatusCode;
use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
    registry::{MetaResponse, Registry},
    types::Type,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Tag,
    jobs::{built, documented},
    users::{check_plan, no_such_user, user_id},
};
use crate::{
    answer::{self, Answer, Documented},
    auth::{principal::Principal, scope::Admin, void::void},
    clearable::Clearable,
    create_job::JobPriority,
    error::ApiError,
    json_body::JsonBody,
    message::message,
    openapi::Failures,
    running_caps,
    schema::Schema,
    state::App,
    timestamp::Timestamp,
};

/// Schema of the body of a grant.
static GRANT: LazyLock<Schema> = LazyLock::new(|| {
    let number = json!({"type": "integer", "minimum": 0, "maximum": u32::MAX});
    Schema::new(&json!({
        "type": "object",
        "additionalProperties": false,
        "minProperties": 1,
        "properties": {
            "plan": {"type": ["string", "null"], "minLength": 1, "maxLength": 64},
            "limits": {
                "type": ["object", "null"],
                "additionalProperties": false,
                "properties": {
                    "requests_per_minute": number,
                    "burst": number,
                    "jobs_per_hour": number,
                    "jobs_per_day": number,
                    "waiting": number,
                    "running": number,
                    "weight": {"type": "integer", "minimum": 1, "maximum": 1000},
                    "priorities": {
                        "type": "array",
                        "uniqueItems": true,
                        "items": {"enum": Priority::ALL.map(Priority::as_str)},
                    },
                }
            },
        }
    }))
    .expect("a schema of ours compiles")
});

/// The operations on tokens of a user.
pub(crate) struct UserTokenRoutes(pub(super) Option<Arc<App>>);

#[OpenApi(tag = "Tag::Administration")]
impl UserTokenRoutes {
    /// List a user's tokens
    ///
    /// The tokens of the user, newest first, also those that have ended. Needs the scope `admin`.
    #[oai(
        path = "/v1/users/:id/tokens",
        method = "get",
        operation_id = "listUserTokens"
    )]
    async fn list(
        &self,
        _principal: Principal<Admin>,
        /// The user's identifier.
        id: Path<String>,
        /// `next_cursor` of the page before.
        cursor: Query<Option<String>>,
        /// Tokens on the page, 1 to 100.
        #[oai(default = "page", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<u64>,
    ) -> Result<Answer<Listed>, ApiError> {
        let app = built(&self.0)?;
        let before = cursor.0.as_deref().map(str::parse).transpose();
        let before =
            before.map_err(|_| ApiError::bad_parameter("cursor", message!("is not a cursor of ours")))?;
        let user = users::get(&app.db, user_id(&id)?)
            .await?
            .ok_or_else(no_such_user)?;
        // One more than asked for tells whether there is another page.
        let mut tokens = user_tokens::list(&app.db, user.id, before, limit.0 + 1).await?;
        let more = tokens.len() as u64 > limit.0;
        tokens.truncate(usize::try_from(limit.0).unwrap_or(usize::MAX));
        let list = UserTokenList {
            object: "list".to_owned(),
            next_cursor: tokens.last().filter(|_| more).map(|token| token.id.to_string()),
            data: tokens.into_iter().map(UserTokenView::from).collect(),
        };
        Answer::json(StatusCode::OK, &list)
    }

    /// Revoke a user's token
    ///
    /// From the answer on the token is refused. Revoking again is no fault. Needs the scope `admin`.
    #[oai(
        path = "/v1/users/:id/tokens/:token/revoke",
        method = "post",
        operation_id = "revokeUserToken"
    )]
    async fn revoke(
        &self,
        principal: Principal<Admin>,
        /// The user's identifier.
        id: Path<String>,
        /// The token's identifier.
        token: Path<String>,
    ) -> Result<Answer<Revoked>, ApiError> {
        let app = built(&self.0)?;
        let (user, token) = (user_id(&id).map_err(|_| no_such_token())?, token_id(&token)?);
        if !user_tokens::revoke(&app.db, user, token, &principal.origin).await? {
            return Err(no_such_token());
        }
        void(&app.db, &app.cache, proofs_of(&app.db, user).await?).await?;
        Ok(Answer::empty())
    }

    /// Limit a user's token
    ///
    /// Gives the token a plan or limits of its own, above or below those of its user; `null` takes them back.
    /// Needs the scope `admin`.
    #[oai(
        path = "/v1/users/:id/tokens/:token",
        method = "patch",
        operation_id = "limitUserToken"
    )]
    async fn limit(
        &self,
        principal: Principal<Admin>,
        /// The user's identifier.
        id: Path<String>,
        /// The token's identifier.
        token: Path<String>,
        body: JsonBody<LimitUserToken>,
    ) -> Result<Answer<One>, ApiError> {
        let app = built(&self.0)?;
        let (user, token) = (user_id(&id).map_err(|_| no_such_token())?, token_id(&token)?);
        let asked: LimitUserToken = GRANT.read(&body.value)?;
        if let Some(Some(plan)) = &asked.plan.0 {
            check_plan(app, plan)?;
        }
        let grant = Grant {
            plan: asked.plan.0,
            limits: asked.limits.0.map(|limits| limits.map(PlanChanges::from)),
        };
        if !user_tokens::grant(&app.db, (user, token), &grant, &principal.origin).await? {
            return Err(no_such_token());
        }
        void(&app.db, &app.cache, proofs_of(&app.db, user).await?).await?;
        running_caps::renew(app).await?;
        let token = user_tokens::get(&app.db, user, token).await?;
        Answer::json(
            StatusCode::OK,
            &UserTokenView::from(token.ok_or_else(no_such_token)?),
        )
    }
}

fn page() -> u64 {
    20
}

/// What is no identifier names no token.
fn token_id(text: &str) -> Result<TokenId, ApiError> {
    text.parse().map_err(|_| no_such_token())
}

fn no_such_token() -> ApiError {
    ApiError::new(ErrorCode::NotFound, message!("There is no such token."))
}

/// What a token gets; what is left out stays.
#[derive(Debug, Deserialize, Object)]
#[serde(deny_unknown_fields)]
struct LimitUserToken {
    /// A plan instead of its user's; `null`: that of its user again.
    #[serde(default)]
    plan: Clearable<String>,
    /// Limits instead of the plan's; `null`: those of the plan again.
    #[serde(default)]
    limits: Clearable<TokenLimits>,
}

/// What differs from a plan. 0 of a number: no limit.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[serde(deny_unknown_fields)]
struct TokenLimits {
    /// Requests a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    requests_per_minute: Option<u32>,
    /// Requests at once after a rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    burst: Option<u32>,
    /// Jobs in one hour of the clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    jobs_per_hour: Option<u32>,
    /// Jobs in one day (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    jobs_per_day: Option<u32>,
    /// Jobs waiting at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    waiting: Option<u32>,
    /// Jobs running at once on one model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    running: Option<u32>,
    /// Share of a busy model beside others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    weight: Option<u32>,
    /// Priorities that jobs may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    priorities: Option<Vec<JobPriority>>,
}

impl From<TokenLimits> for PlanChanges {
    fn from(limits: TokenLimits) -> Self {
        Self {
            requests_per_minute: limits.requests_per_minute,
            burst: limits.burst,
            jobs_per_hour: limits.jobs_per_hour,
            jobs_per_day: limits.jobs_per_day,
            waiting: limits.waiting,
            running: limits.running,
            weight: limits.weight,
            priorities: limits
                .priorities
                .map(|all| all.into_iter().map(Priority::from).collect()),
        }
    }
}

impl From<PlanChanges> for TokenLimits {
    fn from(limits: PlanChanges) -> Self {
        Self {
            requests_per_minute: limits.requests_per_minute,
            burst: limits.burst,
            jobs_per_hour: limits.jobs_per_hour,
            jobs_per_day: limits.jobs_per_day,
            waiting: limits.waiting,
            running: limits.running,
            weight: limits.weight,
            priorities: limits
                .priorities
                .map(|all| all.into_iter().map(JobPriority::from).collect()),
        }
    }
}

/// A token of a user. Its text is known to nobody but its holder.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "UserToken")]
struct UserTokenView {
    /// The token's identifier.
    id: String,
    /// Always `user_token`.
    object: String,
    /// What its owner calls it.
    name: String,
    /// What it may do.
    scopes: Vec<String>,
    /// The models it may use; left out: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    models: Option<Vec<String>>,
    /// The plan it has instead of its user's.
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<String>,
    /// The limits it has instead of its plan's.
    #[serde(skip_serializing_if = "Option::is_none")]
    limits: Option<TokenLimits>,
    /// When it was made.
    created_at: Timestamp,
    /// When it ends.
    expires_at: Timestamp,
    /// When it was revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<Timestamp>,
    /// When it was last used, to a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<Timestamp>,
    /// From where it was last used.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_address: Option<String>,
}

impl From<user_tokens::UserToken> for UserTokenView {
    fn from(token: user_tokens::UserToken) -> Self {
        Self {
            id: token.id.to_string(),
            object: "user_token".to_owned(),
            name: token.name,
            scopes: token.scopes,
            models: token.models,
            plan: token.plan,
            limits: token.limits.map(TokenLimits::from),
            created_at: Timestamp(token.created_at),
            expires_at: Timestamp(token.expires_at),
            revoked_at: token.revoked_at.map(Timestamp),
            last_used_at: token.last_used_at.map(Timestamp),
            last_used_address: token.last_used_address,
        }
    }
}

/// The tokens of a user.
#[derive(Debug, Serialize, Object)]
struct UserTokenList {
    /// Always `list`.
    object: String,
    /// The tokens, newest first.
    data: Vec<UserTokenView>,
    /// Give it as `cursor` for the next page. Left out on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

documented! {
    /// Of a list.
    Listed<UserTokenList> = vec![answer::json::<UserTokenList>(200, "A page of tokens.")];
    /// Of a token.
    One<UserTokenView> = vec![answer::json::<UserTokenView>(200, "The token.")];
    /// Of a revocation.
    Revoked<> = vec![answer::bare(204, "The token is revoked.")];
}

/// What these operations may fail with, beside what follows from the way of a request to them.
pub(super) const FAILURES: &[Failures] = &[
    (
        "listUserTokens",
        &[ErrorCode::MalformedRequest, ErrorCode::NotFound],
    ),
    ("limitUserToken", &[ErrorCode::NotFound]),
    ("revokeUserToken", &[ErrorCode::NotFound]),
];
