//! `/v1/users`: accounts, for administrators. Their tokens stand in `user_tokens`; what people do to their
//! own accounts stands elsewhere.

use std::sync::{Arc, LazyLock};

use lamplighter_shared::{
    db::{
        people::{self, Change, Changed, Search, Status},
        tasks::NewTask,
        users::{self, Role, User},
    },
    error::ErrorCode,
    id::UserId,
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
    audit::{plain, read},
    jobs::{built, documented},
};
use crate::{
    answer::{self, Answer, Documented},
    auth::{principal::Principal, scope::Admin, void::void},
    error::ApiError,
    json_body::JsonBody,
    mail::{Locale, Mail, Message},
    message::message,
    openapi::Failures,
    plans::unknown_plan,
    running_caps,
    schema::Schema,
    state::App,
    timestamp::Timestamp,
};

/// Accounts on a page, unless the request says otherwise.
const PAGE: u64 = 50;

/// Schema of the body of a change.
static CHANGE: LazyLock<Schema> = LazyLock::new(|| {
    Schema::new(&json!({
        "type": "object",
        "additionalProperties": false,
        "minProperties": 1,
        "properties": {
            "role": {"enum": ["user", "admin"]},
            "plan": {"type": "string", "minLength": 1, "maxLength": 64},
            "disabled": {"type": "boolean"},
            "approved": {"enum": [true]},
        }
    }))
    .expect("a schema of ours compiles")
});

/// The operations on accounts.
pub(crate) struct UserRoutes(pub(super) Option<Arc<App>>);

#[OpenApi(tag = "Tag::Administration")]
impl UserRoutes {
    /// List users
    ///
    /// The accounts, newest first. What people without an account did counts as a guest's; guests are listed
    /// only with `status=guest`. Needs the scope `admin`.
    #[oai(path = "/v1/users", method = "get", operation_id = "listUsers")]
    #[expect(
        clippy::too_many_arguments,
        reason = "each filter is a parameter of its own in the document"
    )]
    async fn list(
        &self,
        _principal: Principal<Admin>,
        /// Only accounts with this in their address or name.
        q: Query<Option<String>>,
        /// Only accounts of this role.
        role: Query<Option<UserRole>>,
        /// Only accounts of this plan.
        plan: Query<Option<String>>,
        /// Only accounts that stand so.
        status: Query<Option<UserStatus>>,
        /// `next_cursor` of the page before.
        cursor: Query<Option<String>>,
        /// Accounts on the page, 1 to 100.
        #[oai(default = "page", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<u64>,
    ) -> Result<Answer<Listed>, ApiError> {
        let app = built(&self.0)?;
        let search = Search {
            text: read(q.0.as_deref(), "q", plain)?.filter(|text| !text.is_empty()),
            role: role.0.map(Role::from),
            plan: read(plan.0.as_deref(), "plan", plain)?,
            status: status.0.map(Status::from),
            before: read(cursor.0.as_deref(), "cursor", |text| text.parse::<UserId>().ok())?,
            // One more than asked for tells whether there is another page.
            limit: limit.0 + 1,
        };
        let mut found = people::search(&app.db, &search).await?;
        let more = found.len() as u64 > limit.0;
        found.truncate(usize::try_from(limit.0).unwrap_or(usize::MAX));
        let list = UserList {
            object: "list".to_owned(),
            next_cursor: found.last().filter(|_| more).map(|user| user.id.to_string()),
            data: found.into_iter().map(UserView::from).collect(),
        };
        Answer::json(StatusCode::OK, &list)
    }

    /// Get a user
    ///
    /// One account. Needs the scope `admin`.
    #[oai(path = "/v1/users/:id", method = "get", operation_id = "getUser")]
    async fn get(
        &self,
        _principal: Principal<Admin>,
        /// The user's identifier.
        id: Path<String>,
    ) -> Result<Answer<One>, ApiError> {
        let app = built(&self.0)?;
        let user = users::get(&app.db, user_id(&id)?).await?;
        Answer::json(StatusCode::OK, &UserView::from(user.ok_or_else(no_such_user)?))
    }

    /// Change a user
    ///
    /// Gives a role or a plan, disables or enables, or lets somebody in who registered. It holds from the
    /// answer on: a disabled account's tokens and logins are refused, and after a change of the role the
    /// user logs in again. Somebody must stay who can administrate. A change of the role needs a recent
    /// login, where it is asked with one. Needs the scope `admin`.
    #[oai(path = "/v1/users/:id", method = "patch", operation_id = "changeUser")]
    async fn change(
        &self,
        principal: Principal<Admin>,
        /// The user's identifier.
        id: Path<String>,
        body: JsonBody<ChangeUser>,
    ) -> Result<Answer<One>, ApiError> {
        let app = built(&self.0)?;
        let asked: ChangeUser = CHANGE.read(&body.value)?;
        if asked.role.is_some() {
            principal.require_recent_login(app).await?;
        }
        if let Some(plan) = &asked.plan {
            check_plan(app, plan)?;
        }
        let user = users::get(&app.db, user_id(&id)?)
            .await?
            .ok_or_else(no_such_user)?;
        if user.is_guest && (asked.role.is_some() || asked.plan.is_some() || asked.approved.is_some()) {
            let detail =
                message!("Guests have no account: all there is to change is whether they are disabled.");
            return Err(ApiError::new(ErrorCode::Conflict, detail));
        }
        let change = Change {
            role: asked.role.map(Role::from),
            plan: asked.plan,
            disabled: asked.disabled,
            approved: match asked.approved {
                Some(true) => Some(Some(approval(app, &user)?)),
                _ => None,
            },
        };
        match people::change(&app.db, user.id, &change, &principal.origin).await? {
            Changed::NotFound => Err(no_such_user()),
            Changed::LastAdmin => {
                let detail = message!(
                    "Nobody could administrate the installation then; make somebody else an admin first."
                );
                Err(ApiError::new(ErrorCode::Conflict, detail))
            }
            Changed::Done(user) => {
                void_all(app, user.id).await?;
                running_caps::renew(app).await?;
                Answer::json(StatusCode::OK, &UserView::from(*user))
            }
        }
    }

    /// End a user's sessions
    ///
    /// Logs the user out everywhere; tokens stay. Needs the scope `admin`.
    #[oai(
        path = "/v1/users/:id/sessions/end",
        method = "post",
        operation_id = "endUserSessions"
    )]
    async fn end_sessions(
        &self,
        principal: Principal<Admin>,
        /// The user's identifier.
        id: Path<String>,
    ) -> Result<Answer<Ended>, ApiError> {
        let app = built(&self.0)?;
        let id = user_id(&id)?;
        if !people::end_sessions(&app.db, id, &principal.origin).await? {
            return Err(no_such_user());
        }
        void_all(app, id).await?;
        Ok(Answer::empty())
    }
}

fn page() -> u64 {
    PAGE
}

/// What is no identifier names no user.
pub(super) fn user_id(text: &str) -> Result<UserId, ApiError> {
    text.parse().map_err(|_| no_such_user())
}

pub(super) fn no_such_user() -> ApiError {
    ApiError::new(ErrorCode::NotFound, message!("There is no such user."))
}

/// # Errors
/// 422 where the settings have no plan of this name.
pub(super) fn check_plan(app: &App, name: &str) -> Result<(), ApiError> {
    if app.config.plans.contains_key(name) {
        return Ok(());
    }
    Err(ApiError::invalid(vec![unknown_plan()]))
}

/// Nothing of what the cache says of the user holds any more.
async fn void_all(app: &App, user: UserId) -> Result<(), ApiError> {
    void(&app.db, &app.cache, users::proofs_of(&app.db, user).await?).await?;
    Ok(())
}

/// The mail that says that the user was let in.
fn approval(app: &App, user: &User) -> Result<NewTask, ApiError> {
    let mail = Mail {
        to: user.email.clone(),
        user: Some(user.id),
        locale: serde_json::from_value(json!(user.locale)).unwrap_or(Locale::English),
        message: Message::AccountApproved,
    };
    mail.task(&app.key)
}

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Enum)]
#[serde(rename_all = "snake_case")]
#[oai(rename_all = "snake_case", remote = "Role")]
enum UserRole {
    /// Their own jobs and tokens.
    User,
    /// The installation too.
    Admin,
}

/// How an account stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Enum)]
#[serde(rename_all = "snake_case")]
#[oai(rename_all = "snake_case", remote = "Status")]
enum UserStatus {
    /// Nobody's: it holds what somebody without an account did.
    Guest,
    /// It may do nothing.
    Disabled,
    /// Its owner deleted it; soon it is gone.
    Deleting,
    /// Its address was not shown to be its owner's yet.
    Unverified,
    /// An admin has to let it in.
    Waiting,
    /// It can be used.
    Active,
}

/// What is changed of an account; what is left out stays.
#[derive(Debug, Deserialize, Object)]
#[serde(deny_unknown_fields)]
struct ChangeUser {
    /// What the user may do.
    role: Option<UserRole>,
    /// The name of their plan.
    plan: Option<String>,
    /// Whether they may do nothing.
    disabled: Option<bool>,
    /// `true` lets them in, and tells them by mail.
    approved: Option<bool>,
}

/// An account.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "User")]
struct UserView {
    /// The user's identifier.
    id: String,
    /// Always `user`.
    object: String,
    /// The address; of a guest, what stands for it.
    email: String,
    /// What they want to be called; may be empty.
    display_name: String,
    /// Their language, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    locale: Option<String>,
    /// What they may do.
    role: UserRole,
    /// The name of their plan.
    plan: String,
    /// How the account stands.
    status: UserStatus,
    /// Whether they can log in with a password.
    has_password: bool,
    /// When the account was made.
    created_at: Timestamp,
    /// When the address was shown to be theirs.
    #[serde(skip_serializing_if = "Option::is_none")]
    verified_at: Option<Timestamp>,
    /// When they were let in.
    #[serde(skip_serializing_if = "Option::is_none")]
    approved_at: Option<Timestamp>,
    /// Since when they may do nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled_at: Option<Timestamp>,
    /// When the account will be gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    delete_at: Option<Timestamp>,
    /// When they logged in last.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_login_at: Option<Timestamp>,
    /// From where they logged in last.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_login_address: Option<String>,
}

impl From<User> for UserView {
    fn from(user: User) -> Self {
        Self {
            id: user.id.to_string(),
            object: "user".to_owned(),
            role: user.role.into(),
            status: user.status().into(),
            has_password: user.password_hash.is_some(),
            email: user.email,
            display_name: user.display_name,
            locale: user.locale,
            plan: user.plan,
            created_at: Timestamp(user.created_at),
            verified_at: user.verified_at.map(Timestamp),
            approved_at: user.approved_at.map(Timestamp),
            disabled_at: user.disabled_at.map(Timestamp),
            delete_at: user.delete_at.map(Timestamp),
            last_login_at: user.last_login_at.map(Timestamp),
            last_login_address: user.last_login_address,
        }
    }
}

/// A page of accounts.
#[derive(Debug, Serialize, Object)]
struct UserList {
    /// Always `list`.
    object: String,
    /// The accounts, newest first.
    data: Vec<UserView>,
    /// Give it as `cursor` for the next page. Left out on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

documented! {
    /// Of a list.
    Listed<UserList> = vec![answer::json::<UserList>(200, "A page of accounts.")];
    /// Of an account.
    One<UserView> = vec![answer::json::<UserView>(200, "The account.")];
    /// Of an end.
    Ended<> = vec![answer::bare(204, "All sessions are ended.")];
}

/// What these operations may fail with, beside what follows from the way of a request to them.
pub(super) const FAILURES: &[Failures] = &[
    ("listUsers", &[ErrorCode::MalformedRequest]),
    ("getUser", &[ErrorCode::NotFound]),
    (
        "changeUser",
        &[ErrorCode::LoginTooOld, ErrorCode::NotFound, ErrorCode::Conflict],
    ),
    ("endUserSessions", &[ErrorCode::NotFound]),
];
