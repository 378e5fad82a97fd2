//! `/v1/outbox`: mails that wait, were sent, or were given up, for admins. Never what they say.

use std::sync::Arc;

use lamplighter_shared::{
    db::{
        audit::Action,
        outbox::{self, MailState, OutboxMail, Retry},
    },
    error::ErrorCode,
    id::TaskId,
};
use poem::http::StatusCode;
use poem_openapi::{
    Enum, Object, OpenApi,
    param::{Path, Query},
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
    mail::Label,
    message::message,
    openapi::Failures,
    state::App,
    timestamp::Timestamp,
};

/// The operations on mails.
pub(crate) struct OutboxRoutes(pub(super) Option<Arc<App>>);

#[OpenApi(tag = "Tag::Outbox")]
impl OutboxRoutes {
    /// List mails
    ///
    /// Mails that wait, were sent in the last 7 days, or were given up in the last 30, newest first. What they
    /// say is not shown to anybody. Needs the scope `admin`.
    #[oai(path = "/v1/outbox", method = "get", operation_id = "listOutbox")]
    async fn list(
        &self,
        _principal: Principal<Admin>,
        /// Only mails in this state.
        state: Query<Option<OutboxState>>,
        /// `next_cursor` of the page before.
        cursor: Query<Option<String>>,
        /// Mails on the page, 1 to 100.
        #[oai(default = "page", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<u64>,
    ) -> Result<Answer<Listed>, ApiError> {
        let app = built(&self.0)?;
        let before = match &cursor.0 {
            Some(text) => Some(
                text.parse()
                    .map_err(|_| ApiError::bad_parameter("cursor", message!("is not a cursor of ours")))?,
            ),
            None => None,
        };
        // One more than asked for tells whether there is another page.
        let mut mails = outbox::list(&app.db, state.0.map(MailState::from), before, limit.0 + 1).await?;
        let more = mails.len() as u64 > limit.0;
        mails.truncate(usize::try_from(limit.0).unwrap_or(usize::MAX));
        let next_cursor = mails.last().filter(|_| more).map(|mail| mail.id.to_string());
        let list = MailList {
            object: "list".to_owned(),
            data: mails.into_iter().map(MailView::from).collect(),
            next_cursor,
        };
        Answer::json(StatusCode::OK, &list)
    }

    /// Send a mail again
    ///
    /// A mail that was given up waits again, as if it had never been tried. Needs the scope `admin`.
    #[oai(path = "/v1/outbox/:id/retry", method = "post", operation_id = "retryMail")]
    async fn retry(
        &self,
        principal: Principal<Admin>,
        /// The mail's identifier.
        id: Path<String>,
    ) -> Result<Answer<One>, ApiError> {
        let app = built(&self.0)?;
        let id: TaskId = id.parse().map_err(|_| no_such_mail())?;
        let entry = principal.origin.did(Action::MailRetry).subject(id);
        match outbox::retry(&app.db, id, &entry).await? {
            Retry::NotFound => Err(no_such_mail()),
            Retry::NotDead => {
                let detail = message!("The mail was not given up: it waits, or was sent.");
                Err(ApiError::new(ErrorCode::Conflict, detail))
            }
            Retry::Queued(mail) => {
                app.outbox.wake();
                Answer::json(StatusCode::OK, &MailView::from(mail))
            }
        }
    }
}

fn page() -> u64 {
    20
}

fn no_such_mail() -> ApiError {
    ApiError::new(ErrorCode::NotFound, message!("There is no such mail."))
}

/// How far a mail is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Enum)]
#[serde(rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
enum OutboxState {
    /// It waits for its next try, or is being sent.
    Queued,
    /// The mail server has it, or it is a file.
    Sent,
    /// It was given up.
    Dead,
}

impl From<OutboxState> for MailState {
    fn from(state: OutboxState) -> Self {
        match state {
            OutboxState::Queued => Self::Queued,
            OutboxState::Sent => Self::Sent,
            OutboxState::Dead => Self::Dead,
        }
    }
}

impl From<MailState> for OutboxState {
    fn from(state: MailState) -> Self {
        match state {
            MailState::Queued => Self::Queued,
            MailState::Sent => Self::Sent,
            MailState::Dead => Self::Dead,
        }
    }
}

/// A mail.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Mail")]
struct MailView {
    /// Its identifier.
    id: String,
    /// Always `mail`.
    object: String,
    /// What kind of mail: `verify_address`, `reset_password`, …
    template: String,
    /// The address.
    recipient: String,
    /// The language: `en`, `zh-Hant` or `ja`.
    locale: String,
    /// How far it is.
    state: OutboxState,
    /// Tries so far.
    attempts: u32,
    /// When it was stored.
    created_at: Timestamp,
    /// When it is due, or was.
    run_at: Timestamp,
    /// When the mail server took it.
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_at: Option<Timestamp>,
    /// Why the last try failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
}

impl From<OutboxMail> for MailView {
    fn from(mail: OutboxMail) -> Self {
        let label = Label::of(&mail.payload);
        Self {
            id: mail.id.to_string(),
            object: "mail".to_owned(),
            template: label.template,
            recipient: mail.recipient,
            locale: label.locale.to_owned(),
            state: mail.state.into(),
            attempts: mail.attempts,
            created_at: Timestamp(mail.created_at),
            run_at: Timestamp(mail.run_at),
            sent_at: mail.sent_at.map(Timestamp),
            last_error: mail.last_error,
        }
    }
}

/// A page of mails.
#[derive(Debug, Serialize, Object)]
struct MailList {
    /// Always `list`.
    object: String,
    /// The mails, newest first.
    data: Vec<MailView>,
    /// Give it as `cursor` for the next page. Left out on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

documented! {
    /// Of a list.
    Listed<MailList> = vec![answer::json::<MailList>(200, "A page of mails.")];
    /// Of a mail.
    One<MailView> = vec![answer::json::<MailView>(200, "The mail waits again.")];
}

/// What these operations may fail with, beside what follows from the way of a request to them.
pub(super) const FAILURES: &[Failures] = &[
    ("listOutbox", &[ErrorCode::MalformedRequest]),
    ("retryMail", &[ErrorCode::NotFound, ErrorCode::Conflict]),
];
