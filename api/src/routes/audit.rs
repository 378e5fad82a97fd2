//! `/v1/audit`: who did what, for administrators. The log only grows; nothing here changes it.

use std::sync::Arc;

use lamplighter_shared::{
    db::audit::{self, Action, Filter, Record},
    error::ErrorCode,
    id::{AuditId, UserId},
};
use poem::http::StatusCode;
use poem_openapi::{
    Enum, Object, OpenApi,
    param::Query,
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
    free_form::FreeForm,
    message::message,
    openapi::Failures,
    state::App,
    timestamp::Timestamp,
};

/// Entries on a page, unless the request says otherwise.
const PAGE: u64 = 50;

/// The operations on the audit log.
pub(crate) struct AuditRoutes(pub(super) Option<Arc<App>>);

#[OpenApi(tag = "Tag::Administration")]
impl AuditRoutes {
    /// List the audit log
    ///
    /// Who did what, when, from where, and whether it worked; newest first. Needs the scope `admin`.
    #[oai(path = "/v1/audit", method = "get", operation_id = "listAudit")]
    #[expect(
        clippy::too_many_arguments,
        reason = "each filter is a parameter of its own in the document"
    )]
    async fn list(
        &self,
        _principal: Principal<Admin>,
        /// Only entries of this action, as in `account.disable`.
        action: Query<Option<String>>,
        /// Only entries about this account (`user_…`).
        user: Query<Option<String>>,
        /// Only entries of this actor: the id of a user or of a token.
        actor: Query<Option<String>>,
        /// Only what worked, or only what was refused.
        outcome: Query<Option<AuditOutcome>>,
        /// Only entries of this time or later (RFC 3339).
        since: Query<Option<Timestamp>>,
        /// Only entries before this time (RFC 3339).
        until: Query<Option<Timestamp>>,
        /// `next_cursor` of the page before.
        cursor: Query<Option<String>>,
        /// Entries on the page, 1 to 100.
        #[oai(default = "page", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<u64>,
    ) -> Result<Answer<Listed>, ApiError> {
        let app = built(&self.0)?;
        let filter = Filter {
            action: read(action.0.as_deref(), "action", Action::parse)?,
            user: read(user.0.as_deref(), "user", |text| text.parse::<UserId>().ok())?,
            actor: read(actor.0.as_deref(), "actor", plain)?,
            success: outcome.0.map(|outcome| outcome == AuditOutcome::Success),
            since: since.0.map(|t| t.0),
            until: until.0.map(|t| t.0),
            before: read(cursor.0.as_deref(), "cursor", |text| text.parse::<AuditId>().ok())?,
            // One more than asked for tells whether there is another page.
            limit: limit.0 + 1,
        };
        let mut entries = audit::list(&app.db, &filter).await?;
        let more = entries.len() as u64 > limit.0;
        entries.truncate(usize::try_from(limit.0).unwrap_or(usize::MAX));
        let list = AuditList {
            object: "list".to_owned(),
            next_cursor: entries.last().filter(|_| more).map(|entry| entry.id.to_string()),
            data: entries.into_iter().map(AuditEntry::from).collect(),
        };
        Answer::json(StatusCode::OK, &list)
    }
}

fn page() -> u64 {
    PAGE
}

/// Reads a parameter that is there.
pub(super) fn read<T>(
    text: Option<&str>,
    name: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, ApiError> {
    let read = |text| parse(text).ok_or_else(|| ApiError::bad_parameter(name, message!("can't be read")));
    text.map(read).transpose()
}

/// A text that the database can hold: none of Postgres has a NUL.
pub(super) fn plain(text: &str) -> Option<String> {
    (!text.contains('\0')).then(|| text.to_owned())
}

/// Whether something worked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Enum)]
#[serde(rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
enum AuditOutcome {
    /// It worked.
    Success,
    /// It was refused.
    Failure,
}

/// Who did it.
#[derive(Debug, Serialize, Object)]
struct AuditActor {
    /// `user` (with a login), `token`, `guest`, `anonymous`, `operator` (on the server's machine) or `system`.
    kind: String,
    /// Which one.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
}

/// An entry of the audit log.
#[derive(Debug, Serialize, Object)]
struct AuditEntry {
    /// The entry's identifier.
    id: String,
    /// Always `audit_entry`.
    object: String,
    /// When it was written.
    at: Timestamp,
    /// What was done, as in `token.revoke`.
    action: String,
    /// Whether it worked.
    outcome: AuditOutcome,
    /// Who did it.
    actor: AuditActor,
    /// Whose account it concerns.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    /// What it concerns: an identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    /// The client's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// The id of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    /// What else is known; each action has its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<FreeForm>,
}

impl From<Record> for AuditEntry {
    fn from(entry: Record) -> Self {
        Self {
            id: entry.id.to_string(),
            object: "audit_entry".to_owned(),
            at: Timestamp(entry.at),
            action: entry.action,
            outcome: if entry.success {
                AuditOutcome::Success
            } else {
                AuditOutcome::Failure
            },
            actor: AuditActor {
                kind: entry.actor_kind,
                id: entry.actor_id,
            },
            user: entry.user.map(|user| user.to_string()),
            subject: entry.subject,
            address: entry.address,
            request_id: entry.request_id,
            detail: entry.detail.as_ref().map(FreeForm::from),
        }
    }
}

/// A page of the audit log.
#[derive(Debug, Serialize, Object)]
struct AuditList {
    /// Always `list`.
    object: String,
    /// The entries, newest first.
    data: Vec<AuditEntry>,
    /// Give it as `cursor` for the next page. Left out on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

documented! {
    /// Of a list.
    Listed<AuditList> = vec![answer::json::<AuditList>(200, "A page of the audit log.")];
}

/// What these operations may fail with, beside what follows from the way of a request to them.
pub(super) const FAILURES: &[Failures] = &[("listAudit", &[ErrorCode::MalformedRequest])];
