//! Examples of the operations on accounts of others.

use serde_json::{Value, json};

use super::{Examples, USER};

/// The examples of an operation of this group.
pub(super) fn of(operation: &str) -> Option<Examples> {
    Some(match operation {
        "listUsers" => Examples::list(user()),
        "getUser" => Examples::json(200, user()),
        "changeUser" => Examples::json(200, user()).asked(json!({"plan": "pro", "approved": true})),
        "endUserSessions" => Examples::empty(204, format!("POST /v1/users/{USER}/sessions/end")),
        _ => return None,
    })
}

fn user() -> Value {
    json!({
        "id": USER,
        "object": "user",
        "email": "ada@example.org",
        "display_name": "Ada",
        "locale": "en",
        "role": "user",
        "plan": "pro",
        "status": "active",
        "has_password": true,
        "created_at": "2026-01-30T08:00:00.000Z",
        "verified_at": "2026-01-30T08:02:11.000Z",
        "approved_at": "2026-01-30T09:00:00.000Z",
        "last_login_at": "2026-01-31T12:00:00.000Z",
        "last_login_address": "192.0.2.7",
    })
}
