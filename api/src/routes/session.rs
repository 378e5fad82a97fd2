//! `/v1/session` and `/v1/sessions`: logging in and out, and what is logged in.

use std::sync::{Arc, LazyLock};

use lamplighter_shared::{
    db::{
        audit::Action,
        sessions::{self, Session},
        users::{self, User},
    },
    error::ErrorCode,
    id::SessionId,
};
use poem::{
    Request,
    http::{HeaderName, StatusCode},
};
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
    registration::object,
};
use crate::{
    accounts::{self, forget_proofs},
    answer::{self, Answer, Documented},
    auth::{
        cookies,
        login::login,
        password,
        principal::{Credential, Principal},
        scope::Person,
        session as begun,
    },
    error::ApiError,
    json_body::JsonBody,
    message::message,
    openapi::Failures,
    schema::Schema,
    state::App,
    timestamp::Timestamp,
};

/// The operations on sessions.
pub(crate) struct SessionRoutes(pub(super) Option<Arc<App>>);

#[OpenApi(tag = "Tag::Sessions")]
impl SessionRoutes {
    /// Log in
    ///
    /// Begins a session and sets its cookie: `__Host-sid` where the server is reached over https, else `sid`.
    /// A session that the request brought along ends. Logging in to an account that was to be deleted takes
    /// that back. Whether an account exists is not told: a wrong address and a wrong password look the same.
    #[oai(path = "/v1/session", method = "post", operation_id = "createSession")]
    async fn create(&self, request: &Request, body: JsonBody<Login>) -> Result<Answer<Created>, ApiError> {
        static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
            object(
                &["email", "password"],
                &json!({
                    "email": {"type": "string", "minLength": 1, "maxLength": 254},
                    "password": {"type": "string", "minLength": 1, "maxLength": password::MAX_LENGTH},
                }),
            )
        });
        let app = built(&self.0)?;
        let body: Login = SCHEMA.read(&body.value)?;
        let email = accounts::email(&body.email, "/email")?;
        let logged_in = login(app, request, &email, &body.password).await?;
        let (user, id) = (&logged_in.user, logged_in.session.id);
        let mut view = current(app, user.clone(), id).await?;
        view.restored = logged_in.session.restored.then_some(true);
        let answer = Answer::json(StatusCode::CREATED, &view)?;
        let cookies = logged_in.session.cookies.into_iter().map(Some);
        Ok(cookies.fold(answer, Answer::cookie))
    }

    /// Get the current session
    ///
    /// Who is logged in, and for how long.
    #[oai(path = "/v1/session", method = "get", operation_id = "getSession")]
    async fn get(&self, principal: Principal<Person>) -> Result<Answer<One>, ApiError> {
        let app = built(&self.0)?;
        let id = own(&principal)?;
        let user = users::get(&app.db, principal.user)
            .await?
            .ok_or_else(no_such_session)?;
        Answer::json(StatusCode::OK, &current(app, user, id).await?)
    }

    /// Log out
    ///
    /// Ends the current session, everywhere and at once, and removes its cookie.
    #[oai(path = "/v1/session", method = "delete", operation_id = "deleteSession")]
    async fn delete(&self, principal: Principal<Person>) -> Result<Answer<Ended>, ApiError> {
        let app = built(&self.0)?;
        let id = own(&principal)?;
        end(app, &principal, id).await?;
        logged_out(app)
    }

    /// List sessions
    ///
    /// Where you are logged in, the latest first.
    #[oai(path = "/v1/sessions", method = "get", operation_id = "listSessions")]
    async fn list(&self, principal: Principal<Person>) -> Result<Answer<Listed>, ApiError> {
        let app = built(&self.0)?;
        let current = own(&principal)?;
        let sessions = sessions::list(&app.db, principal.user, app.idle_ms()).await?;
        let list = SessionList {
            object: "list".to_owned(),
            data: sessions
                .into_iter()
                .map(|session| SessionItem::of(session, current))
                .collect(),
        };
        Answer::json(StatusCode::OK, &list)
    }

    /// End a session
    ///
    /// Logs one of your sessions out, everywhere and at once. The current one may be named, too.
    #[oai(path = "/v1/sessions/:id", method = "delete", operation_id = "endSession")]
    async fn end(
        &self,
        principal: Principal<Person>,
        /// The session's identifier.
        id: Path<String>,
    ) -> Result<Answer<Ended>, ApiError> {
        let app = built(&self.0)?;
        let id: SessionId = id.parse().map_err(|_| no_such_session())?;
        if !end(app, &principal, id).await? {
            return Err(no_such_session());
        }
        if id == own(&principal)? {
            return logged_out(app);
        }
        Ok(Answer::empty())
    }

    /// Log out everywhere
    ///
    /// Ends all your sessions at once; API tokens stay as they are.
    #[oai(path = "/v1/sessions", method = "delete", operation_id = "endSessions")]
    async fn end_all(
        &self,
        principal: Principal<Person>,
        /// Whether the session that asks stays.
        #[oai(default)]
        keep_current: Query<bool>,
    ) -> Result<Answer<Ended>, ApiError> {
        let app = built(&self.0)?;
        let keep = keep_current.0.then(|| own(&principal)).transpose()?;
        let entry = principal
            .origin
            .did(Action::SessionEndAll)
            .user(principal.user)
            .detail(json!({"keep_current": keep_current.0}));
        sessions::end_all(&app.db, principal.user, keep, &entry).await?;
        // With those that another request ends at this moment: it may not have told the cache yet.
        forget_proofs(app, principal.user).await?;
        if keep.is_some() {
            Ok(Answer::empty())
        } else {
            logged_out(app)
        }
    }
}

/// The session that asks.
fn own(principal: &Principal<Person>) -> Result<SessionId, ApiError> {
    match principal.credential {
        Credential::Session { id, .. } => Ok(id),
        _ => Err(ApiError::internal("a person without a session")),
    }
}

/// Ends a session and voids what is remembered of it; whether there was such a live one.
async fn end(app: &App, principal: &Principal<Person>, id: SessionId) -> Result<bool, ApiError> {
    let entry = principal
        .origin
        .did(Action::SessionEnd)
        .user(principal.user)
        .subject(id);
    let ended = sessions::end(&app.db, principal.user, id, &entry).await?;
    match &ended {
        Some(fingerprint) => begun::forget(app, &[*fingerprint]).await?,
        // Another request may have ended it at this moment, and not told the cache yet.
        None => forget_proofs(app, principal.user).await?,
    }
    Ok(ended.is_some())
}

/// What tells a browser to forget. Not all cookies: the one that says that the account was used from here before
/// keeps others from locking its owner out.
fn logged_out(app: &App) -> Result<Answer<Ended>, ApiError> {
    const CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");
    Ok(Answer::empty()
        .cookie(Some(app.cookies.clear(cookies::SESSION)?))
        .header(CLEAR_SITE_DATA, "\"cache\", \"storage\""))
}

async fn current(app: &App, user: User, id: SessionId) -> Result<SessionView, ApiError> {
    let session = sessions::get(&app.db, user.id, id).await?;
    let session = session.ok_or_else(no_such_session)?;
    Ok(SessionView {
        id: id.to_string(),
        object: "session".to_owned(),
        user: CurrentUser {
            id: user.id.to_string(),
            email: user.email,
            role: user.role.as_str().to_owned(),
            display_name: user.display_name,
            locale: user.locale,
            plan: user.plan,
        },
        created_at: Timestamp(session.created_at),
        authenticated_at: Timestamp(session.authenticated_at),
        expires_at: Timestamp(session.expires_at),
        restored: None,
    })
}

fn no_such_session() -> ApiError {
    ApiError::new(ErrorCode::NotFound, message!("There is no such session."))
}

/// A login.
#[derive(Deserialize, Object)]
#[serde(deny_unknown_fields)]
struct Login {
    /// The account's e-mail address.
    #[oai(validator(min_length = 1, max_length = 254))]
    email: String,
    /// Its password.
    #[oai(validator(min_length = 1, max_length = 256))]
    password: String,
}

/// The session that asks.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Session")]
struct SessionView {
    /// Its identifier; not the cookie.
    id: String,
    /// Always `session`.
    object: String,
    /// Who is logged in.
    user: CurrentUser,
    /// When it began.
    created_at: Timestamp,
    /// When you last showed who you are; what needs a recent login goes by it.
    authenticated_at: Timestamp,
    /// When it ends at the latest; without use it ends before.
    expires_at: Timestamp,
    /// Only as the answer to a login: the account was to be deleted, and no longer is.
    #[serde(skip_serializing_if = "Option::is_none")]
    restored: Option<bool>,
}

/// Who is logged in.
#[derive(Debug, Serialize, Object)]
struct CurrentUser {
    /// Their identifier.
    id: String,
    /// Their e-mail address.
    email: String,
    /// What they may do: `user` or `admin`.
    role: String,
    /// What they want to be called; may be empty.
    display_name: String,
    /// Their language (`en`, `zh-Hant`, `ja`). Left out where it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    locale: Option<String>,
    /// The name of their plan.
    plan: String,
}

/// One of your sessions.
#[derive(Debug, Serialize, Object)]
struct SessionItem {
    /// Its identifier; not the cookie.
    id: String,
    /// Always `session`.
    object: String,
    /// Whether it is the one that asks.
    current: bool,
    /// When it began.
    created_at: Timestamp,
    /// When you last showed who you are in it.
    authenticated_at: Timestamp,
    /// When it was last used, within a minute.
    last_used_at: Timestamp,
    /// When it ends at the latest.
    expires_at: Timestamp,
    /// From where it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// What the browser said it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
}

/// Your sessions.
#[derive(Debug, Serialize, Object)]
struct SessionList {
    /// Always `list`.
    object: String,
    /// The sessions, the latest first.
    data: Vec<SessionItem>,
}

impl SessionItem {
    fn of(session: Session, current: SessionId) -> Self {
        Self {
            id: session.id.to_string(),
            object: "session".to_owned(),
            current: session.id == current,
            created_at: Timestamp(session.created_at),
            authenticated_at: Timestamp(session.authenticated_at),
            last_used_at: Timestamp(session.seen_at),
            expires_at: Timestamp(session.expires_at),
            address: session.address,
            user_agent: session.user_agent,
        }
    }
}

documented! {
    /// Of a login.
    Created<SessionView> = vec![MetaResponse {
        headers: vec![answer::header("Set-Cookie", "The session's cookie, and one that says that the account was used from this browser.")],
        ..answer::json::<SessionView>(201, "You are logged in.")
    }];
    /// Of the current session.
    One<SessionView> = vec![answer::json::<SessionView>(200, "The session.")];
    /// Of a list.
    Listed<SessionList> = vec![answer::json::<SessionList>(200, "Your sessions.")];
    /// Of an end.
    Ended<> = vec![answer::bare(204, "It has ended.")];
}

/// What these operations may fail with, beside what follows from the way of a request to them.
pub(super) const FAILURES: &[Failures] = &[
    (
        "createSession",
        &[
            ErrorCode::WrongCredentials,
            ErrorCode::EmailNotVerified,
            ErrorCode::ApprovalPending,
            ErrorCode::AccountDisabled,
            ErrorCode::InsecureConnection,
            ErrorCode::TooManyAttempts,
        ],
    ),
    ("endSession", &[ErrorCode::NotFound]),
    ("endSessions", &[ErrorCode::MalformedRequest]),
];
