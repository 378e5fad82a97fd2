//! `/v1/account`: one's own account: the profile, the address, the password, and its end.

use std::sync::{Arc, LazyLock};

use lamplighter_shared::{
    db::{identities, users::User},
    error::ErrorCode,
    id::SessionId,
};
use poem::{Request, http::StatusCode};
use poem_openapi::{
    Enum, Object, OpenApi,
    registry::{MetaResponse, Registry},
    types::Type,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Tag,
    identities::IdentityView,
    jobs::{built, documented},
    registration::object,
};
use crate::{
    accounts::{
        self, Asker, account, deletion,
        profile::{self, Changes},
    },
    answer::{self, Answer, Documented},
    auth::{
        principal::{Credential, Principal},
        scope::{AccountRead, Person},
    },
    error::ApiError,
    json_body::JsonBody,
    message::message,
    openapi::Failures,
    schema::Schema,
    state::App,
    timestamp::Timestamp,
};

/// The operations on one's own account.
pub(crate) struct AccountRoutes(pub(super) Option<Arc<App>>);

#[OpenApi(tag = "Tag::Accounts")]
impl AccountRoutes {
    /// Get your account
    ///
    /// The account that asks. Needs the scope `account:read`.
    #[oai(path = "/v1/account", method = "get", operation_id = "getAccount")]
    async fn get(&self, principal: Principal<AccountRead>) -> Result<Answer<One>, ApiError> {
        let app = built(&self.0)?;
        show(app, account(app, principal.user).await?).await
    }

    /// Change your account
    ///
    /// Changes what is given. A new `email` needs a recent login; it counts once the link or the code of a mail to
    /// it was used, and until then the old one stays.
    #[oai(path = "/v1/account", method = "patch", operation_id = "updateAccount")]
    async fn update(
        &self,
        request: &Request,
        principal: Principal<Person>,
        body: JsonBody<AccountChanges>,
    ) -> Result<Answer<One>, ApiError> {
        static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
            object(
                &[],
                &json!({
                    "display_name": {"type": "string", "maxLength": 100},
                    "locale": {"enum": LocaleName::NAMES},
                    "email": {"type": "string", "minLength": 3, "maxLength": 254},
                }),
            )
        });
        let app = built(&self.0)?;
        let body: AccountChanges = SCHEMA.read(&body.value)?;
        let name = body.display_name.as_deref().map(accounts::display_name);
        let changes = Changes {
            display_name: name.transpose()?.map(str::to_owned),
            locale: body.locale.map(|locale| locale.as_str().to_owned()),
            email: body
                .email
                .map(|text| accounts::email_to_have(&text, "/email"))
                .transpose()?,
        };
        if changes.email.is_some() {
            principal.require_recent_login(app).await?;
        }
        let user = account(app, principal.user).await?;
        let asker = Asker::of(&principal.origin, request);
        profile::update(app, &user, changes, &asker).await?;
        show(app, account(app, principal.user).await?).await
    }

    /// Delete your account
    ///
    /// Needs a recent login. Sessions and API tokens end at once and jobs are cancelled; after some days
    /// (`deletes_at`) everything is gone. Logging in before takes the deletion back; the tokens stay revoked.
    #[oai(path = "/v1/account", method = "delete", operation_id = "deleteAccount")]
    async fn delete(
        &self,
        request: &Request,
        principal: Principal<Person>,
    ) -> Result<Answer<Scheduled>, ApiError> {
        let app = built(&self.0)?;
        principal.require_recent_login(app).await?;
        let user = account(app, principal.user).await?;
        let at = deletion::schedule(app, &user, &Asker::of(&principal.origin, request)).await?;
        let view = DeletionView {
            deletes_at: Timestamp(at),
        };
        Answer::json(StatusCode::ACCEPTED, &view)
    }

    /// Change your password
    ///
    /// All other sessions end; API tokens stay. Somebody without a password gets one by
    /// `POST /v1/account/recover`.
    #[oai(
        path = "/v1/account/password",
        method = "post",
        operation_id = "changePassword"
    )]
    async fn password(
        &self,
        request: &Request,
        principal: Principal<Person>,
        body: JsonBody<PasswordChange>,
    ) -> Result<Answer<Changed>, ApiError> {
        static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
            let password = json!({"type": "string", "minLength": 1, "maxLength": 1024});
            object(
                &["current_password", "new_password"],
                &json!({"current_password": password, "new_password": password}),
            )
        });
        let app = built(&self.0)?;
        let body: PasswordChange = SCHEMA.read(&body.value)?;
        let user = account(app, principal.user).await?;
        let passwords = (body.current_password.as_str(), body.new_password.as_str());
        let asker = Asker::of(&principal.origin, request);
        profile::change_password(app, &user, session(&principal)?, passwords, &asker).await?;
        Ok(Answer::empty())
    }
}

pub(super) fn session(principal: &Principal<Person>) -> Result<SessionId, ApiError> {
    match &principal.credential {
        Credential::Session { id, .. } => Ok(*id),
        _ => Err(ApiError::new(
            ErrorCode::InsufficientScope,
            message!("This is for a person who is logged in."),
        )),
    }
}

async fn show(app: &App, user: User) -> Result<Answer<One>, ApiError> {
    let identities = identities::of_user(&app.db, user.id).await?;
    let view = AccountView {
        id: user.id.to_string(),
        object: "account".to_owned(),
        email: user.email,
        verified: user.verified_at.is_some(),
        role: user.role.as_str().to_owned(),
        plan: user.plan,
        display_name: user.display_name,
        locale: user.locale,
        has_password: user.password_hash.is_some(),
        identities: identities.into_iter().map(IdentityView::from).collect(),
        created_at: Timestamp(user.created_at),
        last_login_at: user.last_login_at.map(Timestamp),
        last_login_address: user.last_login_address,
        deletes_at: user.delete_at.map(Timestamp),
    };
    Answer::json(StatusCode::OK, &view)
}

/// A language.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Enum)]
#[oai(rename = "Locale")]
pub(super) enum LocaleName {
    /// English.
    #[serde(rename = "en")]
    #[oai(rename = "en")]
    English,
    /// Traditional Chinese.
    #[serde(rename = "zh-Hant")]
    #[oai(rename = "zh-Hant")]
    TraditionalChinese,
    /// Japanese.
    #[serde(rename = "ja")]
    #[oai(rename = "ja")]
    Japanese,
}

impl LocaleName {
    /// All of them.
    pub(super) const NAMES: [&str; 3] = ["en", "zh-Hant", "ja"];

    /// The tag.
    pub(super) fn as_str(self) -> &'static str {
        let [english, chinese, japanese] = Self::NAMES;
        match self {
            Self::English => english,
            Self::TraditionalChinese => chinese,
            Self::Japanese => japanese,
        }
    }
}

/// An account.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Account")]
struct AccountView {
    /// Its identifier.
    id: String,
    /// Always `account`.
    object: String,
    /// Its e-mail address.
    email: String,
    /// Whether the address was shown to be its user's.
    verified: bool,
    /// What its user may do: `user` or `admin`.
    role: String,
    /// The name of its plan.
    plan: String,
    /// What its user wants to be called; may be empty.
    display_name: String,
    /// The language of mails to them.
    #[serde(skip_serializing_if = "Option::is_none")]
    locale: Option<String>,
    /// Whether it has a password.
    has_password: bool,
    /// The accounts at issuers that it may be entered with.
    identities: Vec<IdentityView>,
    /// When it was made.
    created_at: Timestamp,
    /// When its user logged in last.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_login_at: Option<Timestamp>,
    /// From where they did.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_login_address: Option<String>,
    /// When it will be gone, where that is to happen.
    #[serde(skip_serializing_if = "Option::is_none")]
    deletes_at: Option<Timestamp>,
}

/// What is to change of an account; what is not given stays.
#[derive(Deserialize, Object)]
#[serde(deny_unknown_fields)]
struct AccountChanges {
    /// What its user wants to be called.
    #[oai(validator(max_length = 100))]
    display_name: Option<String>,
    /// The language of mails to them.
    locale: Option<LocaleName>,
    /// Its address. A mail to it asks first.
    #[oai(validator(min_length = 3, max_length = 254))]
    email: Option<String>,
}

/// A password for another.
#[derive(Deserialize, Object)]
#[serde(deny_unknown_fields)]
struct PasswordChange {
    /// The password as it is.
    #[oai(validator(min_length = 1, max_length = 1024))]
    current_password: String,
    /// The password as it is to be.
    #[oai(validator(min_length = 1, max_length = 1024))]
    new_password: String,
}

/// A deletion that is to come.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "AccountDeletion")]
struct DeletionView {
    /// When everything will be gone.
    deletes_at: Timestamp,
}

documented! {
    /// Of an account.
    One<AccountView> = vec![answer::json::<AccountView>(200, "The account.")];
    /// Of a deletion.
    Scheduled<DeletionView> = vec![answer::json::<DeletionView>(202, "The account will be deleted.")];
    /// Of a new password.
    Changed<> = vec![answer::bare(204, "The password is changed.")];
}

/// What these operations may fail with, beside what follows from the way of a request to them.
pub(super) const FAILURES: &[Failures] = &[
    ("updateAccount", &[ErrorCode::LoginTooOld]),
    ("deleteAccount", &[ErrorCode::LoginTooOld, ErrorCode::Conflict]),
    (
        "changePassword",
        &[ErrorCode::WrongCredentials, ErrorCode::TooManyAttempts],
    ),
];
