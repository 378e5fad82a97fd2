//! `/v1/invitations`: whom admins let register.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use lamplighter_shared::{
    db::{
        invitations::{self, Invitation},
        users::Role,
    },
    error::ErrorCode,
    id::InvitationId,
};
use poem::http::StatusCode;
use poem_openapi::{
    Enum, Object, OpenApi,
    param::{Path, Query},
    registry::{MetaResponse, Registry},
    types::Type,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Tag,
    jobs::{built, documented},
    registration::object,
};
use crate::{
    accounts::{
        self,
        invite::{Guest, invite},
    },
    answer::{self, Answer, Documented},
    auth::{principal::Principal, scope::Admin},
    error::{ApiError, Fault},
    json_body::JsonBody,
    message::message,
    openapi::Failures,
    schema::Schema,
    state::App,
    timestamp::Timestamp,
};

/// Invitations on a page, unless the request says otherwise.
const PAGE: u64 = 50;
/// How long an invitation is good, unless the request says otherwise, and at least and at most; seconds.
const LIFETIME: u64 = 7 * 86_400;
const SHORTEST: u64 = 600;
const LONGEST: u64 = 90 * 86_400;

/// The operations on invitations.
pub(crate) struct InvitationRoutes(pub(super) Option<Arc<App>>);

#[OpenApi(tag = "Tag::Administration")]
impl InvitationRoutes {
    /// List invitations
    ///
    /// All invitations, newest first, without their secrets. Needs the scope `admin`.
    #[oai(path = "/v1/invitations", method = "get", operation_id = "listInvitations")]
    async fn list(
        &self,
        _principal: Principal<Admin>,
        /// `next_cursor` of the page before.
        cursor: Query<Option<String>>,
        /// Invitations on the page, 1 to 100.
        #[oai(default = "page", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<u64>,
    ) -> Result<Answer<Listed>, ApiError> {
        let app = built(&self.0)?;
        let before: Option<InvitationId> =
            match &cursor.0 {
                Some(text) => Some(text.parse().map_err(|_| {
                    ApiError::bad_parameter("cursor", message!("is not a cursor of this list"))
                })?),
                None => None,
            };
        // One more than asked for tells whether there is another page.
        let mut found = invitations::list(&app.db, before, limit.0 + 1).await?;
        let more = found.len() as u64 > limit.0;
        found.truncate(usize::try_from(limit.0).unwrap_or(usize::MAX));
        let list = InvitationList {
            object: "list".to_owned(),
            next_cursor: found.last().filter(|_| more).map(|last| last.id.to_string()),
            data: found
                .into_iter()
                .map(|one| InvitationView::of(one, None))
                .collect(),
        };
        Answer::json(StatusCode::OK, &list)
    }

    /// Invite somebody
    ///
    /// Makes an invitation to register, good once. Its `token` is shown only now; with an `email` it is mailed,
    /// too, and good for that address only. Needs the scope `admin`.
    #[oai(path = "/v1/invitations", method = "post", operation_id = "createInvitation")]
    async fn create(
        &self,
        principal: Principal<Admin>,
        body: JsonBody<NewInvitation>,
    ) -> Result<Answer<Created>, ApiError> {
        static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
            object(
                &[],
                &json!({
                    "email": {"type": "string", "minLength": 3, "maxLength": 254},
                    "role": {"enum": ["user", "admin"]},
                    "plan": {"type": "string", "minLength": 1, "maxLength": 64},
                    "expires_in_seconds": {"type": "integer", "minimum": SHORTEST, "maximum": LONGEST},
                }),
            )
        });
        let app = built(&self.0)?;
        let body: NewInvitation = SCHEMA.read(&body.value)?;
        principal.require_recent_login(app).await?;
        let plan = body
            .plan
            .unwrap_or_else(|| app.config.accounts.default_plan.clone());
        if !app.config.plans.contains_key(&plan) {
            let fault = Fault::at("/plan", "not_allowed", message!("there is no such plan"));
            return Err(ApiError::invalid(vec![fault]));
        }
        let guest = Guest {
            email: body
                .email
                .map(|text| accounts::email(&text, "/email"))
                .transpose()?,
            role: match body.role {
                Some(InvitedRole::Admin) => Role::Admin,
                Some(InvitedRole::User) | None => Role::User,
            },
            plan,
            lifetime: Duration::from_secs(body.expires_in_seconds.unwrap_or(LIFETIME)),
        };
        let (made, token) = invite(app, principal.user, guest, &principal.origin).await?;
        Answer::json(StatusCode::CREATED, &InvitationView::of(made, Some(token)))
    }

    /// Take an invitation back
    ///
    /// Nobody can register with it any more. Who came by it before stays. Needs the scope `admin`.
    #[oai(
        path = "/v1/invitations/:id",
        method = "delete",
        operation_id = "revokeInvitation"
    )]
    async fn revoke(
        &self,
        principal: Principal<Admin>,
        /// The invitation's identifier.
        id: Path<String>,
    ) -> Result<Answer<Revoked>, ApiError> {
        let app = built(&self.0)?;
        let missing = || ApiError::new(ErrorCode::NotFound, message!("There is no such invitation."));
        let id: InvitationId = id.parse().map_err(|_| missing())?;
        if !invitations::revoke(&app.db, id, &principal.origin).await? {
            return Err(missing());
        }
        Ok(Answer::empty())
    }
}

fn page() -> u64 {
    PAGE
}

/// Who is to be invited.
#[derive(Deserialize, Object)]
#[serde(deny_unknown_fields)]
struct NewInvitation {
    /// The only address that it is good for; it is mailed there.
    #[oai(validator(min_length = 3, max_length = 254))]
    email: Option<String>,
    /// What they may do; `user` unless given.
    role: Option<InvitedRole>,
    /// Their plan; that of all who register unless given.
    #[oai(validator(min_length = 1, max_length = 64))]
    plan: Option<String>,
    /// How long it is good: 10 minutes to 90 days; 7 days unless given.
    #[oai(validator(minimum(value = "600"), maximum(value = "7776000")))]
    expires_in_seconds: Option<u64>,
}

/// What somebody who is invited may do.
#[derive(Debug, Clone, Copy, Deserialize, Enum)]
#[serde(rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
enum InvitedRole {
    /// Their own jobs and tokens.
    User,
    /// The installation too.
    Admin,
}

/// An invitation.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Invitation")]
struct InvitationView {
    /// Its identifier.
    id: String,
    /// Always `invitation`.
    object: String,
    /// Its secret; only when it is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    /// The only address it is good for.
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    /// What who comes may do: `user` or `admin`.
    role: String,
    /// Their plan.
    plan: String,
    /// Who invited.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by: Option<String>,
    /// When it was made.
    created_at: Timestamp,
    /// When it ends.
    expires_at: Timestamp,
    /// When it was used.
    #[serde(skip_serializing_if = "Option::is_none")]
    used_at: Option<Timestamp>,
    /// Who came by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    used_by: Option<String>,
    /// When it was taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<Timestamp>,
}

impl InvitationView {
    fn of(invitation: Invitation, token: Option<String>) -> Self {
        Self {
            id: invitation.id.to_string(),
            object: "invitation".to_owned(),
            token,
            email: invitation.email,
            role: invitation.role.as_str().to_owned(),
            plan: invitation.plan,
            created_by: invitation.created_by.map(|user| user.to_string()),
            created_at: Timestamp(invitation.created_at),
            expires_at: Timestamp(invitation.expires_at),
            used_at: invitation.used_at.map(Timestamp),
            used_by: invitation.used_by.map(|user| user.to_string()),
            revoked_at: invitation.revoked_at.map(Timestamp),
        }
    }
}

/// A page of invitations.
#[derive(Debug, Serialize, Object)]
struct InvitationList {
    /// Always `list`.
    object: String,
    /// The invitations, newest first.
    data: Vec<InvitationView>,
    /// Give it as `cursor` for the next page. Left out on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

documented! {
    /// Of a list.
    Listed<InvitationList> = vec![answer::json::<InvitationList>(200, "A page of invitations.")];
    /// Of a new invitation.
    Created<InvitationView> = vec![answer::json::<InvitationView>(201, "The invitation, with its secret.")];
    /// Of an end.
    Revoked<> = vec![answer::bare(204, "The invitation is no good any more.")];
}

/// What these operations may fail with, beside what follows from the way of a request to them.
pub(super) const FAILURES: &[Failures] = &[
    ("listInvitations", &[ErrorCode::MalformedRequest]),
    ("createInvitation", &[ErrorCode::LoginTooOld]),
    ("revokeInvitation", &[ErrorCode::NotFound]),
];
