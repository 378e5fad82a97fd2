//! `/v1/account/…` and `/v1/setup` for who is not logged in: registering, what mails bring, and the set-up token.
//! None of them tells whether an address has an account.

use std::sync::{Arc, LazyLock};

use lamplighter_shared::error::ErrorCode;
use poem::{Request, http::StatusCode};
use poem_openapi::{
    Object, OpenApi,
    registry::{MetaResponse, Registry},
    types::Type,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Tag,
    account::LocaleName,
    jobs::{built, documented},
};
use crate::{
    accounts::{
        self, Stranger, mailed, recovery,
        registration::{self, Wish},
        setup,
    },
    answer::{self, Answer, Documented},
    error::{ApiError, Fault},
    json_body::JsonBody,
    message::message,
    openapi::Failures,
    schema::Schema,
    state::App,
};

/// The operations of strangers.
pub(crate) struct RegistrationRoutes(pub(super) Option<Arc<App>>);

/// An address, a password, a secret: what they may look like at all. More is judged with a sentence of its own.
fn email_schema() -> Value {
    json!({"type": "string", "minLength": 3, "maxLength": 254})
}
fn password_schema() -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": 1024})
}
fn secret_schema() -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": 200})
}

#[OpenApi(tag = "Tag::Accounts")]
impl RegistrationRoutes {
    /// Register
    ///
    /// Asks for an account. The answer is always the same: a mail to the address says how it goes on. It has a
    /// link and a code (see `POST /v1/account/verify`), or says that there is an account already. Who may
    /// register is a setting of the server; where an admin has to let people in, that comes after.
    #[oai(
        path = "/v1/account/register",
        method = "post",
        operation_id = "registerAccount"
    )]
    async fn register(
        &self,
        request: &Request,
        body: JsonBody<NewAccount>,
    ) -> Result<Answer<Accepted>, ApiError> {
        static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
            object(
                &["email", "password"],
                &json!({
                    "email": email_schema(),
                    "password": password_schema(),
                    "display_name": {"type": "string", "maxLength": 100},
                    "locale": {"enum": LocaleName::NAMES},
                    "invitation": secret_schema(),
                }),
            )
        });
        let app = built(&self.0)?;
        let body: NewAccount = SCHEMA.read(&body.value)?;
        let wish = Wish {
            email: accounts::email_to_have(&body.email, "/email")?,
            password: body.password,
            display_name: accounts::display_name(&body.display_name.unwrap_or_default())?.to_owned(),
            locale: body.locale.map(|locale| locale.as_str().to_owned()),
            invitation: body.invitation,
        };
        registration::register(app, &Stranger::of(request), wish).await?;
        accepted()
    }

    /// Verify an address
    ///
    /// Shows that an address is yours, by the `token` of the mail's link or by `email` and `code`. A new account
    /// can be used then; an account whose address is to change has the new one. A link is good for 24 hours, a
    /// code for 10 minutes and 5 tries, and each for once. Nobody is logged in by it.
    #[oai(path = "/v1/account/verify", method = "post", operation_id = "verifyAccount")]
    async fn verify(
        &self,
        request: &Request,
        body: JsonBody<Verification>,
    ) -> Result<Answer<Done>, ApiError> {
        static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
            object(
                &[],
                &json!({
                    "token": secret_schema(),
                    "email": email_schema(),
                    "code": {"type": "string", "minLength": 6, "maxLength": 6},
                }),
            )
        });
        let app = built(&self.0)?;
        let body: Verification = SCHEMA.read(&body.value)?;
        let proof = match (body.token, body.email, body.code) {
            (Some(token), None, None) => mailed::linked(&token),
            (None, Some(email), Some(code)) => mailed::typed(&accounts::email(&email, "/email")?, &code),
            _ => {
                let fault = Fault::at("", "required", message!("needs either token, or email and code"));
                return Err(ApiError::invalid(vec![fault]));
            }
        };
        registration::verify(app, &Stranger::of(request), proof).await?;
        Ok(Answer::empty())
    }

    /// Send the verification again
    ///
    /// Sends a new link and a new code to an address that was registered and not verified; earlier ones are void.
    /// The answer is always the same. One address gets 3 such mails at once, then one in about 80 minutes.
    #[oai(
        path = "/v1/account/verify/resend",
        method = "post",
        operation_id = "resendVerification"
    )]
    async fn resend(&self, request: &Request, body: JsonBody<Address>) -> Result<Answer<Accepted>, ApiError> {
        let app = built(&self.0)?;
        let email = accounts::email(&address(&body.value)?, "/email")?;
        recovery::resend(app, &Stranger::of(request), &email).await?;
        accepted()
    }

    /// Recover an account
    ///
    /// Sends a link with which a new password can be set within 15 minutes; earlier ones are void. The answer is
    /// always the same, whether the address has an account or not.
    #[oai(
        path = "/v1/account/recover",
        method = "post",
        operation_id = "recoverAccount"
    )]
    async fn recover(
        &self,
        request: &Request,
        body: JsonBody<Address>,
    ) -> Result<Answer<Accepted>, ApiError> {
        let app = built(&self.0)?;
        let email = accounts::email(&address(&body.value)?, "/email")?;
        recovery::recover(app, &Stranger::of(request), &email).await?;
        accepted()
    }

    /// Set a new password
    ///
    /// Sets the password by the token of a mail. All sessions of the account end; API tokens stay. Nobody is
    /// logged in by it.
    #[oai(path = "/v1/account/reset", method = "post", operation_id = "resetPassword")]
    async fn reset(
        &self,
        request: &Request,
        body: JsonBody<PasswordReset>,
    ) -> Result<Answer<Done>, ApiError> {
        static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
            object(
                &["token", "password"],
                &json!({"token": secret_schema(), "password": password_schema()}),
            )
        });
        let app = built(&self.0)?;
        let body: PasswordReset = SCHEMA.read(&body.value)?;
        recovery::reset(app, &Stranger::of(request), &body.token, &body.password).await?;
        Ok(Answer::empty())
    }

    /// Set an account up
    ///
    /// Claims the account that a set-up token was made for: gives it an address and a password. The first
    /// administrator's token is the file `setup.token` in the server's data folder; `lamplighter user create`
    /// gives others. A token is good once, for a week.
    #[oai(path = "/v1/setup", method = "post", operation_id = "setUpAccount")]
    async fn set_up(&self, request: &Request, body: JsonBody<SetUp>) -> Result<Answer<Done>, ApiError> {
        static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
            object(
                &["token", "email", "password"],
                &json!({"token": secret_schema(), "email": email_schema(), "password": password_schema()}),
            )
        });
        let app = built(&self.0)?;
        let body: SetUp = SCHEMA.read(&body.value)?;
        let email = accounts::email(&body.email, "/email")?;
        setup::claim(app, &Stranger::of(request), &body.token, (&email, &body.password)).await?;
        Ok(Answer::empty())
    }
}

/// A schema of an object with these fields and no others.
pub(super) fn object(required: &[&str], properties: &Value) -> Schema {
    let schema = json!({
        "type": "object",
        "required": required,
        "additionalProperties": false,
        "properties": properties,
    });
    Schema::new(&schema).expect("a schema of ours compiles")
}

fn address(body: &Value) -> Result<String, ApiError> {
    static SCHEMA: LazyLock<Schema> = LazyLock::new(|| object(&["email"], &json!({"email": email_schema()})));
    Ok(SCHEMA.read::<Address>(body)?.email)
}

fn accepted() -> Result<Answer<Accepted>, ApiError> {
    let view = MailView {
        status: "accepted".to_owned(),
    };
    Answer::json(StatusCode::ACCEPTED, &view)
}

/// Somebody who asks for an account.
#[derive(Deserialize, Object)]
#[serde(deny_unknown_fields)]
struct NewAccount {
    /// Their e-mail address.
    #[oai(validator(min_length = 3, max_length = 254))]
    email: String,
    /// Their password: at least 15 characters, unless the server is set otherwise, at most 256, and not easily
    /// guessed.
    #[oai(validator(min_length = 1, max_length = 1024))]
    password: String,
    /// What they want to be called.
    #[oai(validator(max_length = 100))]
    display_name: Option<String>,
    /// The language of mails to them; else that of `Accept-Language`.
    locale: Option<LocaleName>,
    /// The secret of an invitation.
    #[oai(validator(min_length = 1, max_length = 200))]
    invitation: Option<String>,
}

/// What shows that an address is somebody's: `token`, or `email` and `code`.
#[derive(Deserialize, Object)]
#[serde(deny_unknown_fields)]
struct Verification {
    /// The token of the link.
    #[oai(validator(min_length = 1, max_length = 200))]
    token: Option<String>,
    /// The address.
    #[oai(validator(min_length = 3, max_length = 254))]
    email: Option<String>,
    /// The six digits of the mail.
    #[oai(validator(min_length = 6, max_length = 6))]
    code: Option<String>,
}

/// Whom a mail is asked for.
#[derive(Deserialize, Object)]
#[serde(deny_unknown_fields)]
struct Address {
    /// The e-mail address.
    #[oai(validator(min_length = 3, max_length = 254))]
    email: String,
}

/// A new password.
#[derive(Deserialize, Object)]
#[serde(deny_unknown_fields)]
struct PasswordReset {
    /// The token of the link.
    #[oai(validator(min_length = 1, max_length = 200))]
    token: String,
    /// The new password.
    #[oai(validator(min_length = 1, max_length = 1024))]
    password: String,
}

/// A claim on an account.
#[derive(Deserialize, Object)]
#[serde(deny_unknown_fields)]
struct SetUp {
    /// The set-up token.
    #[oai(validator(min_length = 1, max_length = 200))]
    token: String,
    /// The address that the account is to have.
    #[oai(validator(min_length = 3, max_length = 254))]
    email: String,
    /// The password that it is to have.
    #[oai(validator(min_length = 1, max_length = 1024))]
    password: String,
}

/// It was heard; a mail says more.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Accepted")]
struct MailView {
    /// Always `accepted`.
    status: String,
}

documented! {
    /// Of what a mail goes on with.
    Accepted<MailView> = vec![answer::json::<MailView>(202, "A mail says how it goes on.")];
    /// Of what is done.
    Done<> = vec![answer::bare(204, "It is done.")];
}

/// What these operations may fail with, beside what follows from the way of a request to them.
pub(super) const FAILURES: &[Failures] = &[
    (
        "registerAccount",
        &[
            ErrorCode::InsecureConnection,
            ErrorCode::RegistrationClosed,
            ErrorCode::ProofInvalid,
            ErrorCode::TooManyAttempts,
        ],
    ),
    (
        "verifyAccount",
        &[ErrorCode::ProofInvalid, ErrorCode::TooManyAttempts],
    ),
    ("resendVerification", &[ErrorCode::TooManyAttempts]),
    ("recoverAccount", &[ErrorCode::TooManyAttempts]),
    (
        "resetPassword",
        &[
            ErrorCode::InsecureConnection,
            ErrorCode::ProofInvalid,
            ErrorCode::TooManyAttempts,
        ],
    ),
    (
        "setUpAccount",
        &[
            ErrorCode::InsecureConnection,
            ErrorCode::Conflict,
            ErrorCode::ProofInvalid,
            ErrorCode::TooManyAttempts,
        ],
    ),
];
